"""One trace: which one is meant, what it is, what happened in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mplp_trace_cli.analysis.queries import query_events, query_traces
from mplp_trace_cli.analysis.results import TraceWithEvents, event_of, trace_of
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import AmbiguousId, InvalidInput, NotFound
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.questions import EventFilter, Pagination, TraceFilter
from mplp_trace_cli.domain.summary import summarize

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

LAST = "@last"


def resolve_trace(db: Connection, text: str) -> str:
    """The id that an id, a unique prefix or `@last` means; raises NotFound, AmbiguousId, InvalidInput."""
    if has_surrogate(text):
        raise InvalidInput(f"trace: {text[:60]!r} is not UTF-8")
    if text == LAST:
        row = db.execute("SELECT trace_id FROM traces ORDER BY started_at DESC, seq DESC LIMIT 1").fetchone()
        if row is None:
            raise NotFound("there is no trace yet", hint="mplp-trace create NAME")
        return str(row[0])
    query = (
        "SELECT trace_id FROM traces WHERE starts_with(trace_id, ?) ORDER BY trace_id <> ?, trace_id LIMIT 6"
    )
    ids = [row[0] for row in db.execute(query, [text, text]).fetchall()]
    if not ids:
        raise NotFound(f"there is no trace {text}", hint="mplp-trace query")
    if len(ids) > 1 and ids[0] != text:
        shown = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
        raise AmbiguousId(f"{text!r} begins several ids: {shown}", hint="give more of the id")
    return str(ids[0])


def get_trace(db: Connection, trace_id: str, max_events: int | None) -> TraceWithEvents:
    """The trace of exactly that id, its first events, and the summary of all; raises NotFound."""
    answer = query_traces(db, TraceFilter(trace_ids=[trace_id]), Pagination(limit=1))
    row = next(iter(answer.rows), None)
    if row is None:
        raise NotFound(f"there is no trace {trace_id}", hint="mplp-trace query")
    trace = trace_of(dict(zip(answer.names, row, strict=True)))
    summary = summarize(_kept(_events(db, trace_id), trace.events, max_events), trace.calculate_duration())
    return TraceWithEvents(trace, trace.events, summary)


def _events(db: Connection, trace_id: str) -> Iterator[Event]:
    answer = query_events(db, EventFilter(trace_ids=[trace_id]), Pagination())
    return (event_of(dict(zip(answer.names, row, strict=True))) for row in answer.rows)


def _kept(events: Iterator[Event], kept: list[Event], most: int | None) -> Iterator[Event]:
    for event in events:
        if most is None or len(kept) < most:
            kept.append(event)
        yield event
