"""Purging: whole finished traces with their events, and old metric samples, all at once or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.domain.requests import PurgeReport
from mplp_trace_cli.storage.fold import Pair, fold_into, require_store
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import TABLES, Connection, define_views, roll_back

_OF_TRACES = ("event_log", "trace_ends", "trace_starts")


SMALL_BYTES = 10_000_000
"""Below this a store is mostly blocks that rows have not filled yet, which says nothing of the rows."""


class PurgeSelection(NamedTuple):
    """What is to go: finished traces that pass a condition and ended before an instant, and samples.

    Samples go only where `before` says up to when, and no condition of traces stands beside it.
    """

    before: int | None
    condition: str = ""
    values: Sequence[Any] = ()

    @property
    def takes_samples(self) -> bool:
        """True where metric samples go too."""
        return self.before is not None and not self.condition

    @property
    def samples(self) -> str:
        """The condition of the samples that go."""
        return f"timestamp < {_instant(self.before)}" if self.takes_samples else "false"


def tell_purge(db: Connection, selection: PurgeSelection) -> PurgeReport:
    """What a purge would take, in a database whose views are defined; selects it into the table `purged`."""
    parts = [selection.condition] if selection.condition else []
    if selection.before is not None:
        parts.append(f"completed_at < {_instant(selection.before)}")
    condition = "".join(f" AND {part}" for part in parts)
    db.execute(statement("purge_selection").format(condition=condition), list(selection.values))
    figures = db.execute(statement("purge_figures").format(samples=selection.samples)).fetchone()
    traces, events, metrics, goes, of_all, ended, sampled = figures or (0, 0, 0, 0, 0, [], [])
    share = goes / of_all if of_all else 0.0
    moments = [at for at in (*ended, *sampled) if at is not None]
    return PurgeReport(
        dry_run=True,
        traces=traces,
        events=events,
        metrics=metrics,
        bytes=_size_of(db, share),
        oldest=min(moments, default=None),
        newest=max(moments, default=None),
    )


def purge(pair: Pair, selection: PurgeSelection, wait_seconds: float) -> PurgeReport:
    """Folds what waits and purges; raises StoreBusy.

    The inbox forgets the traces first: a crash between the two leaves them in the store, whole and finished.
    """
    require_store(pair.store, pair.inbox)
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        define_views(db, {table: f"store.{table}" for table in TABLES}, _instant(pair.now))
        report = tell_purge(db, selection)
        pair.inbox.forget_traces(_purged(db, pair.inbox.known_ids()))
        _delete(db, selection)
    return report._replace(dry_run=False)


def _size_of(db: Connection, share: float) -> int | None:
    used = used_bytes(db)
    return round(used * share) if used >= SMALL_BYTES else None


def _purged(db: Connection, trace_ids: list[str]) -> list[str]:
    query = "SELECT trace_id FROM purged WHERE trace_id IN (SELECT unnest(from_json($ids, '[\"VARCHAR\"]')))"
    return [row[0] for row in db.execute(query, {"ids": json.dumps(trace_ids)}).fetchall()]


def _delete(db: Connection, selection: PurgeSelection) -> None:
    db.execute("BEGIN")
    try:
        for table in _OF_TRACES:
            db.execute(f"DELETE FROM store.{table} WHERE trace_id IN (SELECT trace_id FROM purged)")
        if selection.takes_samples:
            db.execute(f"DELETE FROM store.metric_samples WHERE {selection.samples}")
        db.execute("COMMIT")
    except BaseException:
        roll_back(db)
        raise


def used_bytes(db: Connection) -> int:
    """What the attached store takes of its file; the rest of the file is free for what comes."""
    query = "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = 'store'"
    (size,) = db.execute(query).fetchone() or (0,)
    return int(size)


def day_weights(db: Connection, today: int) -> list[tuple[int | None, int]]:
    """How much each day before `today` (counted from 1970) holds of what may go; None is what stays."""
    return db.execute(statement("purge_days"), {"today": today}).fetchall()


def _instant(at: int | None) -> str:
    return f"make_timestamptz({at}::BIGINT)"
