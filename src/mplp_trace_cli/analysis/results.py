"""What the library gives: pages of rows as mappings, entities or Arrow; a trace with its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.domain.summary import TraceSummary
from mplp_trace_cli.domain.times import format_instant, from_datetime
from mplp_trace_cli.domain.trace import Trace, TraceEndRow, TraceRow

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class QueryResult:
    """One page of an answer, held in memory."""

    answer: Answer
    page: int = 1
    limit: int | None = None
    is_grouped: bool = False
    """True where the rows are groups with their figures."""

    @property
    def total(self) -> int:
        """How many rows match in all."""
        return self.answer.total if self.answer.total is not None else len(list(self.answer.rows))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as mappings: instants as RFC 3339 text, JSON parsed."""
        return [_plain(self.answer.columns, row) for row in self.answer.rows]

    def to_arrow(self) -> pyarrow.Table:
        """The rows as an Arrow table with real types.

        Instants are timestamp[us, UTC], tags list<string>, counts int64, other numbers double; `metadata`
        and `data` stay the JSON text that they are.
        """
        import pyarrow

        rows = list(self.answer.rows)
        cells = zip(*rows, strict=True) if rows else ((),) * len(self.answer.columns)
        pairs = zip(self.answer.columns, cells, strict=True)
        return pyarrow.table({column.name: _arrow(column, values) for column, values in pairs})

    def _named(self) -> Iterable[Mapping[str, Any]]:
        return (dict(zip(self.answer.names, row, strict=True)) for row in self.answer.rows)


class TraceQueryResult(QueryResult):
    """A page of traces, or of groups of them."""

    @property
    def traces(self) -> list[Trace]:
        """The traces, without their events; none where groups were asked for."""
        return [] if self.is_grouped else [trace_of(row) for row in self._named()]


class EventQueryResult(QueryResult):
    """A page of events, or of groups of them."""

    @property
    def events(self) -> list[Event]:
        """The events; none where groups were asked for."""
        return [] if self.is_grouped else [event_of(row) for row in self._named()]


@dataclass(frozen=True)
class TraceWithEvents:
    """A trace, its events in order (all, or the first few), and the summary of all of them."""

    trace: Trace
    events: list[Event]
    summary: TraceSummary

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last instant of the trace and its events here, in microseconds since 1970."""
        started, ended = self.trace.started_at, self.trace.completed_at
        moments = [from_datetime(event.timestamp) for event in self.events]
        ends = [*moments, *([from_datetime(ended)] if ended else [])]
        start = min([from_datetime(started), *moments])
        return start, max(ends, default=start)


def trace_of(row: Mapping[str, Any]) -> Trace:
    """The trace of a row of the view `traces`."""
    start = TraceRow(**{name: row[name] for name in TraceRow._fields})
    ended = row["completed_at"]
    end = None if ended is None else TraceEndRow(start.trace_id, row["status"], ended)
    return Trace.from_row(start, end)


def event_of(row: Mapping[str, Any]) -> Event:
    """The event of a row of the view `events`."""
    return Event.from_row(EventRow(**{name: row[name] for name in EventRow._fields}))


def _arrow(column: Column, values: Sequence[Any]) -> pyarrow.Array:
    import pyarrow

    if column.kind is Kind.TEXTS:
        parsed = [None if value is None else parse(value) for value in values]
        return pyarrow.array(parsed, pyarrow.list_(pyarrow.string()))
    kinds = {
        Kind.INSTANT: pyarrow.timestamp("us", "UTC"),
        Kind.COUNT: pyarrow.int64(),
        **dict.fromkeys((Kind.NUMBER, Kind.DURATION, Kind.SHARE, Kind.RATE), pyarrow.float64()),
    }
    return pyarrow.array(values, kinds.get(column.kind, pyarrow.string()))


def _plain(columns: Iterable[Column], row: tuple[Any, ...]) -> dict[str, Any]:
    return {column.name: _value(column.kind, value) for column, value in zip(columns, row, strict=True)}


def _value(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.INSTANT:
        return format_instant(value)
    return parse(value) if kind in (Kind.JSON, Kind.TEXTS) else value
