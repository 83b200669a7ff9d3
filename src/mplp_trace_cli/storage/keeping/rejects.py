"""Rejects that are kept: which are meant, and deleting them."""

from __future__ import annotations

from collections.abc import Sequence

from mplp_trace_cli.domain.errors import NotFound
from mplp_trace_cli.storage.fold import Pair, fold_into
from mplp_trace_cli.storage.store import Connection


def clear_rejects(pair: Pair, ids: Sequence[int], wait_seconds: float) -> int:
    """Deletes rejected lines (none named: all) and says how many."""
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        rows = chosen_rejects(db, ids)
        delete_rejects(db, [seq for seq, _ in rows])
    return len(rows)


def chosen_rejects(db: Connection, ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """The numbers and bytes of the rejects with those ids, or of all; raises NotFound."""
    rows = db.execute("SELECT seq, raw FROM store.rejected_lines ORDER BY seq").fetchall()
    if not ids:
        return rows
    missing = sorted(set(ids) - {seq for seq, _ in rows})
    if missing:
        raise NotFound(f"there is no reject {missing[0]}", hint="mplp-trace rejects list")
    return [row for row in rows if row[0] in set(ids)]


def delete_rejects(db: Connection, ids: Sequence[int]) -> None:
    """Deletes the rejects with those ids."""
    marks = ", ".join(str(int(one)) for one in ids)
    if marks:
        db.execute(f"DELETE FROM store.rejected_lines WHERE seq IN ({marks})")
