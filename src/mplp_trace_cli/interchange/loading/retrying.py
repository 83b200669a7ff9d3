"""Retrying rejected lines: what can be recorded now goes in and leaves the rejects, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mplp_trace_cli.domain.errors import NotFound
from mplp_trace_cli.interchange.decoding.batches import DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.loading.bulk import BulkPlan, bulk_transaction
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.storage.fold import Pair, fold_into
from mplp_trace_cli.storage.groups import Counts
from mplp_trace_cli.storage.store import Connection


@dataclass(frozen=True)
class RetryOptions:
    """Which rejects are retried (none named: all), and how."""

    ids: Sequence[int]
    rules: DecodingRules
    create_missing: bool = False


def retry_rejects(pair: Pair, options: RetryOptions, wait_seconds: float) -> Counts:
    """Records the lines that are good now; `rejected` counts those that still are not."""
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        rows = chosen_rejects(db, options.ids)
        plan = BulkPlan("rejects", pair.now, options.create_missing, keep_rejects=False)
        with bulk_transaction(db, pair, plan) as load:
            data = b"\n".join(raw for _, raw in rows)
            load.run(decoded([Chunk(1, 0, data)], options.rules, parallel=False))
            still = {line.number for line, _ in load.rejected}
            delete_rejects(db, [seq for number, (seq, _) in enumerate(rows, start=1) if number not in still])
    return load.counts


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
