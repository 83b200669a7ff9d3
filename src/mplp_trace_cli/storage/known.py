"""What the store knows of some traces: for recorders that meet an id which is not open."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mplp_trace_cli.domain.trace import KnownTrace, TraceEndRow, TraceRow
from mplp_trace_cli.storage.fold import Pair, fold_if_free, overlay
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import Connection


def known_traces(pair: Pair, trace_ids: Iterable[str]) -> dict[str, KnownTrace]:
    """Those of `trace_ids` that are kept, waiting ones included; raises StoreBusy."""
    fold_if_free(pair)
    with overlay(pair.store, pair.inbox, pair.now) as db:
        return find_known(db, trace_ids)


def find_known(db: Connection, trace_ids: Iterable[str]) -> dict[str, KnownTrace]:
    """The same in a database whose views are defined."""
    rows = db.execute(statement("known_traces"), {"ids": json.dumps(list(trace_ids))}).fetchall()
    return {row[0]: _known(row) for row in rows}


def _known(row: tuple[object, ...]) -> KnownTrace:
    start, (status, ended_at) = TraceRow(*row[:10]), row[10:]  # type: ignore[arg-type]
    ended = None if status == "active" else TraceEndRow(start.trace_id, str(status), int(str(ended_at)))
    return KnownTrace(start, ended)
