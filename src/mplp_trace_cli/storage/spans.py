"""Recording spans into the inbox: a trace begins with the first of them, and late ones still get in.

Spans come when they end, children before their parents and some of them after the root, from several
processes at once. So nobody asks the store which traces there are: a begin or an end that is told again is
dropped by the fold (`sql/stage_rejects.sql`), and an event is taken whether or not its trace is open, as an
import does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.trace import TraceEndRow, TraceRow
from mplp_trace_cli.storage.inbox import END, EVENT_WITH_ID, REJECT, START, Inbox, encode_body
from mplp_trace_cli.storage.recording import open_trace_of, trace_row_of
from mplp_trace_cli.storage.sql import statement

DERIVED = '{"otlp":{}}'
"""The metadata of a trace that spans tell of."""

MOST_LOOKED_AT = 5_000
"""Among so many of the newest entries the begin of a trace is looked for."""


class SpanBatch(NamedTuple):
    """Spans that are recorded together."""

    begins: Sequence[TraceRow]
    """The traces of the spans, as they begin where nobody knows them."""
    bodies: Sequence[str]
    """The events, each an EventRow as a JSON array."""
    rejects: Sequence[str] = ()
    restated: Sequence[TraceRow] = ()
    """Traces of which more is known than when they began."""


def record_spans(inbox: Inbox, batch: SpanBatch) -> set[str]:
    """Records a batch durably, all of it at once; gives the traces that were made for it."""
    with inbox.writing():
        made = _begin(inbox, batch.begins)
        for row in batch.restated:
            if row.trace_id not in made:
                _restate(inbox, row)
        inbox.append_bodies(EVENT_WITH_ID, batch.bodies)
        inbox.append((REJECT, body) for body in batch.rejects)
    return made


def _begin(inbox: Inbox, rows: Sequence[TraceRow]) -> set[str]:
    known = _known(inbox, [row.trace_id for row in rows])
    new = [row for row in rows if row.trace_id not in known]
    inbox.append((START, encode_body(row)) for row in new)
    if new:
        inbox.add_open(map(open_trace_of, new))
    return {row.trace_id for row in new}


def _known(inbox: Inbox, trace_ids: Sequence[str]) -> set[str]:
    """The traces that are open or were lately."""
    known: set[str] = set()
    for table in ("open_traces", "recent_traces"):
        asked = [trace_id for trace_id in trace_ids if trace_id not in known]
        query = f"SELECT trace_id FROM {table} WHERE trace_id IN (SELECT value FROM json_each(?))"
        if asked:
            known.update(row[0] for row in inbox.db.execute(query, (json.dumps(asked),)))
    return known


def _restate(inbox: Inbox, row: TraceRow) -> None:
    """Tells the begin of an open trace anew, unless a fold has taken it already."""
    trace = inbox.open_trace(row.trace_id)
    if trace is None or trace_row_of(trace).metadata != DERIVED:
        return
    began = min(row.started_at, trace.started_at)
    body = encode_body(row._replace(started_at=began))
    untaken = max(inbox.taken_seq or 0, inbox.folded_seq, inbox.last_seq - MOST_LOOKED_AT)
    done = inbox.db.execute(statement("restate_start"), (body, untaken, trace.body))
    if done.rowcount:
        told = (began, body, row.trace_id)
        inbox.db.execute("UPDATE open_traces SET started_at = ?, body = ? WHERE trace_id = ?", told)
        inbox.db.execute("UPDATE recent_traces SET name = ? WHERE trace_id = ?", (row.name, row.trace_id))


def end_span_traces(inbox: Inbox, ends: Iterable[TraceEndRow], now: int) -> None:
    """Ends those of the traces durably that nobody has ended before."""
    with inbox.writing():
        for end in ends:
            trace = inbox.open_trace(end.trace_id)
            if trace is None or trace.is_over(now):
                continue
            at = max(end.ended_at, trace.started_at + 1)
            inbox.append([(END, encode_body(end._replace(ended_at=at)))])
            inbox.remove_open([end.trace_id])
