"""Filters as options: which traces, which events."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import typer

from mplp_trace_cli.cli import values
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import EventFilter, TimeRange, TraceFilter
from mplp_trace_cli.domain.times import DAY_US, MAX_INSTANT, is_bare_date

FILTERS = "Filters"


def option(name: str, help: str, metavar: str = "TEXT", complete: Any = None) -> Any:
    """A filter that may be repeated."""
    return typer.Option(name, help=help, metavar=metavar, autocompletion=complete, rich_help_panel=FILTERS)


Many = list[str] | None
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From then on: a time, a date, 2h.", rich_help_panel=FILTERS),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Until before then; of a date, to the end of that day.", rich_help_panel=FILTERS
    ),
]
MinDuration = Annotated[
    str | None, typer.Option(metavar="DURATION", help="At least so long.", rich_help_panel=FILTERS)
]
MaxDuration = Annotated[
    str | None, typer.Option(metavar="DURATION", help="At most so long.", rich_help_panel=FILTERS)
]
Context = Annotated[Many, option("--context", "Context id.", "ID")]
Execution = Annotated[Many, option("--execution", "Execution id.", "ID")]
Type = Annotated[Many, option("--type", f"{values.words(TraceType)}.", "TYPE", values.complete_type)]
Status = Annotated[
    Many, option("--status", f"{values.words(TraceStatus)}.", "STATUS", values.complete_status)
]
Tag = Annotated[Many, option("--tag", "A tag it has.")]
Name = Annotated[Many, option("--name", "Its name, as a glob.", "GLOB")]
Meta = Annotated[Many, option("--meta", "A value in its metadata.", "K=V")]
HasErrors = Annotated[
    bool | None,
    typer.Option("--has-errors/--no-errors", help="Failed, or with an error event.", rich_help_panel=FILTERS),
]
TraceText = Annotated[Many, option("--text", "Text in name, description, metadata or tags.")]
TraceId = Annotated[
    Many, option("--trace", "Its trace: an id, a prefix or @last.", "ID", values.complete_trace)
]
EventType = Annotated[Many, option("--event-type", "What happened, as a glob.", "GLOB")]
ExactLevel = Annotated[
    Many, option("--level", f"Exactly: {values.words(Level)}.", "LEVEL", values.complete_level)
]
MinLevel = Annotated[
    str | None, option("--min-level", "At least this level.", "LEVEL", values.complete_level)
]
EventSource = Annotated[Many, option("--source", "Where it comes from.")]
Data = Annotated[Many, option("--data", "A value in its data.", "K=V")]
EventText = Annotated[Many, option("--text", "Text in message, type or data.")]


class Span(NamedTuple):
    """When and how long, as typed."""

    since: str | None
    until: str | None
    min_duration: str | None
    max_duration: str | None

    def fields(self, now: int) -> dict[str, Any]:
        """The same as fields of a filter; a bare date as the end includes that day. Raises InvalidInput."""
        start, end = values.moment(self.since, now, "--since"), values.moment(self.until, now, "--until")
        day = DAY_US if self.until is not None and is_bare_date(self.until) else 0
        if start is not None and end is not None and end < start and end + day <= start:
            raise InvalidInput("--until: is before --since")
        return {
            "time_range": TimeRange(start, None if end is None else min(end + day, MAX_INSTANT)),
            "min_duration_ms": values.duration(self.min_duration, "--min-duration"),
            "max_duration_ms": values.duration(self.max_duration, "--max-duration"),
        }


class TraceOptions(NamedTuple):
    """The filters of traces, as typed."""

    context: Many
    execution: Many
    type: Many
    status: Many
    tag: Many
    name: Many
    meta: Many
    has_errors: bool | None
    text: Many
    span: Span

    def as_filter(self, now: int) -> TraceFilter:
        """The filter they say; raises InvalidInput."""
        return TraceFilter(
            context_ids=self.context or (),
            execution_ids=self.execution or (),
            trace_types=values.each_word(TraceType, self.type, "--type"),
            status=values.each_word(TraceStatus, self.status, "--status"),
            tags=self.tag or (),
            names=self.name or (),
            metadata=_pairs(self.meta, "--meta"),
            has_errors=self.has_errors,
            text=self.text or (),
            **self.span.fields(now),
        )


class EventOptions(NamedTuple):
    """The filters of events, as typed, but for the trace."""

    event_type: Many
    level: Many
    min_level: str | None
    source: Many
    data: Many
    text: Many
    span: Span

    def as_filter(self, now: int) -> EventFilter:
        """The filter they say; raises InvalidInput."""
        return EventFilter(
            event_types=self.event_type or (),
            levels=values.each_word(Level, self.level, "--level"),
            min_level=values.word(Level, self.min_level, "--min-level"),
            sources=self.source or (),
            data=_pairs(self.data, "--data"),
            text=self.text or (),
            **self.span.fields(now),
        )


def _pairs(texts: Many, name: str) -> list[tuple[str, str]]:
    return [values.split_pair(text, name) for text in texts or ()]
