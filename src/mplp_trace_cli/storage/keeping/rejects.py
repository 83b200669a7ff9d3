"""Rejects that are kept: which are meant, and deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.errors import NotFound
from mplp_trace_cli.storage.fold import Pair, fold_into
from mplp_trace_cli.storage.store import Connection


class Reject(NamedTuple):
    """A reject by its number, and how many bytes it has."""

    id: int
    size: int


def clear_rejects(pair: Pair, ids: Sequence[int], wait_seconds: float) -> int:
    """Deletes rejected lines (none named: all) and says how many."""
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        rejects = chosen_rejects(db, ids)
        delete_rejects(db, [reject.id for reject in rejects])
    return len(rejects)


def chosen_rejects(db: Connection, ids: Sequence[int]) -> list[Reject]:
    """The rejects with those ids, or all of them, in their order; raises NotFound."""
    query = "SELECT seq, octet_length(raw) FROM store.rejected_lines ORDER BY seq"
    found = {seq: Reject(seq, size) for seq, size in db.execute(query).fetchall()}
    if not ids:
        return [*found.values()]
    missing = sorted(set(ids) - found.keys())
    if missing:
        raise NotFound(f"there is no reject {missing[0]}", hint="mplp-trace rejects list")
    return [found[one] for one in sorted(set(ids))]


def delete_rejects(db: Connection, ids: Sequence[int]) -> None:
    """Deletes the rejects with those ids."""
    if ids:
        db.execute("DELETE FROM store.rejected_lines WHERE seq IN (SELECT unnest(?::BIGINT[]))", [list(ids)])
