"""Answers: rows whose columns have kinds, so that every format can show them rightly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.domain.summary import TraceSummary
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.trace import Trace, TraceEndRow, TraceRow


class Kind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    """Microseconds since 1970."""
    DURATION = "duration"
    """Milliseconds."""
    FIGURE = "figure"
    """A number with its unit, as text for people."""
    JSON = "json"
    """The text of a JSON value."""


@dataclass(frozen=True)
class Column:
    """A name and what its values are."""

    name: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True)
class Answer:
    """Rows in order, which may be a stream; `total` counts all that match, whatever the limit."""

    columns: tuple[Column, ...]
    rows: Iterable[tuple[Any, ...]]
    total: int | None = None

    def held(self) -> Answer:
        """The same with its rows in memory, for after the store is closed."""
        return replace(self, rows=list(self.rows))

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class QueryResult:
    """One page of an answer, held in memory."""

    answer: Answer
    page: int = 1
    limit: int | None = None

    @property
    def total(self) -> int:
        """How many rows match in all."""
        return self.answer.total if self.answer.total is not None else len(list(self.answer.rows))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as mappings: instants as RFC 3339 text, JSON parsed."""
        return [_plain(self.answer.columns, row) for row in self.answer.rows]

    def _named(self) -> Iterable[Mapping[str, Any]]:
        return (dict(zip(self.answer.names, row, strict=True)) for row in self.answer.rows)


class TraceQueryResult(QueryResult):
    """A page of traces."""

    @property
    def traces(self) -> list[Trace]:
        """The traces, without their events."""
        return [trace_of(row) for row in self._named()]


class EventQueryResult(QueryResult):
    """A page of events."""

    @property
    def events(self) -> list[Event]:
        """The events."""
        return [event_of(row) for row in self._named()]


@dataclass(frozen=True)
class TraceWithEvents:
    """A trace, its events in order (all, or the first few), and the summary of all of them."""

    trace: Trace
    events: list[Event]
    summary: TraceSummary


def trace_of(row: Mapping[str, Any]) -> Trace:
    """The trace of a row of the view `traces`."""
    start = TraceRow(**{name: row[name] for name in TraceRow._fields})
    ended = row["completed_at"]
    end = None if ended is None else TraceEndRow(start.trace_id, row["status"], ended)
    return Trace.from_row(start, end)


def event_of(row: Mapping[str, Any]) -> Event:
    """The event of a row of the view `events`."""
    return Event.from_row(EventRow(**{name: row[name] for name in EventRow._fields}))


def _plain(columns: Iterable[Column], row: tuple[Any, ...]) -> dict[str, Any]:
    return {column.name: _value(column.kind, value) for column, value in zip(columns, row, strict=True)}


def _value(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.INSTANT:
        return format_instant(value)
    return parse(value) if kind is Kind.JSON else value
