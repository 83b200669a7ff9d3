"""A trace: one run of something, with a beginning, an end and events in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mplp_trace_cli.domain.checks import Checker
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType
from mplp_trace_cli.domain.errors import InvalidInput, TraceFinished
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, JsonObject, parse
from mplp_trace_cli.domain.requests import Instant
from mplp_trace_cli.domain.summary import TraceSummary, summarize
from mplp_trace_cli.domain.times import MAX_INSTANT, from_datetime, to_datetime

DEFAULT_CONTEXT = "default"


class TraceRow(NamedTuple):
    """The beginning of a trace as plain values, in the order in which they are kept.

    `metadata` and `tags` are JSON text, instants are microseconds since 1970.
    """

    trace_id: str
    context_id: str
    execution_id: str | None
    trace_type: str
    name: str
    description: str | None
    metadata: str
    tags: str
    started_at: int
    expires_at: int | None


class TraceEndRow(NamedTuple):
    """The end of a trace; `ended_at` is microseconds since 1970."""

    trace_id: str
    status: str
    ended_at: int


class KnownTrace(NamedTuple):
    """A trace as it is kept: its beginning, and its end once it has one."""

    row: TraceRow
    end: TraceEndRow | None


class TraceStatement(NamedTuple):
    """What somebody says of a trace, new or known: None where nothing is said."""

    trace_id: str | None
    context_id: str | None
    execution_id: str | None
    trace_type: str | None
    name: str | None
    description: str | None
    metadata: str | None
    tags: str | None
    started_at: int | None
    expires_at: int | None
    status: str | None
    completed_at: int | None

    def contradictions(self, known: TraceRow) -> list[str]:
        """The fields in which the statement and the known trace differ."""
        pairs = zip(TraceRow._fields, self[: len(TraceRow._fields)], known, strict=True)
        return [name for name, said, kept in pairs if not (said is None or _same(name, said, kept))]

    def end(self, started_at: int, expires_at: int | None, now: int) -> TraceEndRow | None:
        """The end it states, at least 1 µs after the start; raises InvalidInput for one before it.

        `started_at` and `expires_at` are those of the trace; an expired one ended when it expired.
        """
        if self.status is None or not TraceStatus(self.status).is_final:
            return None
        stated = self.completed_at
        if self.status == TraceStatus.EXPIRED and expires_at is not None:
            stated = expires_at
        if stated is not None and stated < started_at:
            raise InvalidInput("completed_at: is before started_at")
        ended_at = max(started_at + 1, now if stated is None else stated)
        return TraceEndRow(self.trace_id or "", self.status, ended_at)


def _same(name: str, said: Any, kept: Any) -> bool:
    if name not in ("metadata", "tags") or said == kept:
        return bool(said == kept)
    from mplp_trace_cli.domain.comparing.changes import json_changes  # for those alone that repeat a trace

    return not json_changes(name, said, kept)


def trace_statement(fields: Mapping[str, Any]) -> TraceStatement:
    """What `fields` say of a trace; raises InvalidInput with every fault."""
    check = Checker(fields)
    if fields.get("name") is not None:
        check.required_text("name")
    if fields.get("context_id") is not None:
        check.required_text("context_id")
    said = TraceStatement(
        check.identity("trace_id"),
        check.text("context_id"),
        check.text("execution_id"),
        check.word("trace_type", TraceType),
        check.text("name"),
        check.text("description"),
        check.json_object("metadata"),
        check.tags("tags"),
        check.instant("started_at"),
        check.instant("expires_at"),
        check.word("status", TraceStatus),
        check.instant("completed_at"),
    )
    if said.completed_at is not None and said.status in (None, TraceStatus.ACTIVE):
        check.problems.append("completed_at: a trace that is not finished has none")
    check.finish()
    return said


def new_trace_row(said: TraceStatement, trace_id: str, now: int) -> TraceRow:
    """The beginning of a new trace; raises InvalidInput when something it must have is missing.

    Where no start is given it is `now`, or the stated end or expiry when that is earlier.
    """
    check = Checker(said._asdict())
    name = check.required_text("name")
    known = [at for at in (said.completed_at, said.expires_at) if at is not None]
    started_at = min([now, *known]) if said.started_at is None else said.started_at
    if started_at >= MAX_INSTANT:
        check.problems.append("started_at: leaves no time in which to end")
    if said.expires_at is not None and said.expires_at < started_at:
        check.problems.append("expires_at: is before started_at")
    if said.completed_at is not None and said.completed_at < started_at:
        check.problems.append("completed_at: is before started_at")
    check.finish()
    return TraceRow(
        trace_id,
        said.context_id or DEFAULT_CONTEXT,
        said.execution_id,
        said.trace_type or TraceType.WORKFLOW_EXECUTION.value,
        name,
        said.description,
        said.metadata or EMPTY_OBJECT,
        said.tags or "[]",
        started_at,
        said.expires_at,
    )


@dataclass
class Trace:
    """One run of a workflow, task or request; raises InvalidInput when a field breaks a rule.

    Instants may be given as RFC 3339 text and are UTC datetimes afterwards. A trace past `expires_at`
    that nobody ended has the status `expired` when it is read from a store.
    """

    trace_id: str
    context_id: str
    trace_type: TraceType
    name: str
    status: TraceStatus
    started_at: datetime
    execution_id: str | None = None
    description: str | None = None
    metadata: JsonObject = field(default_factory=JsonObject)
    tags: list[str] = field(default_factory=list)
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    events: list[Event] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        said = trace_statement({name: getattr(self, name) for name in TraceStatement._fields})
        check = Checker(said._asdict())
        for name in ("trace_id", "context_id", "name", "trace_type", "status"):
            check.required_text(name)
        if said.started_at is None:
            check.problems.append("started_at: required")
        check.finish()
        self._adopt(new_trace_row(said, self.trace_id, said.started_at or 0))
        self.status = TraceStatus(said.status or "")
        end = said.end(said.started_at or 0, said.expires_at, from_datetime(datetime.now(UTC)))
        self.completed_at = to_datetime(end.ended_at) if end else None

    def _adopt(self, row: TraceRow) -> None:
        self.__dict__.update(row._asdict())
        self.trace_type = TraceType(row.trace_type)
        self.metadata = JsonObject(row.metadata)
        self.tags = list(parse(row.tags))
        self.started_at = to_datetime(row.started_at)
        self.expires_at = None if row.expires_at is None else to_datetime(row.expires_at)

    @classmethod
    def from_row(cls, row: TraceRow, end: TraceEndRow | None = None) -> Trace:
        """The entity of a row that is known to be valid, and of its end."""
        trace = cls.__new__(cls)
        trace._adopt(row)
        trace.status = TraceStatus(end.status) if end else TraceStatus.ACTIVE
        trace.completed_at = to_datetime(end.ended_at) if end else None
        trace.events = []
        return trace

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds from start to end; None while the trace is active."""
        return self.calculate_duration()

    def add_event(self, event: Event) -> Event:
        """Appends an event and returns it; raises InvalidInput if it belongs to another trace."""
        if event.trace_id != self.trace_id:
            raise InvalidInput(f"event {event.event_id} belongs to another trace: {event.trace_id}")
        self.events.append(event)
        return event

    def complete(self, at: Instant | None = None) -> Trace:
        """Ends the trace as completed; again is fine, another end raises TraceFinished."""
        return self._end(TraceStatus.COMPLETED, at)

    def fail(self, at: Instant | None = None) -> Trace:
        """Ends the trace as failed; again is fine, another end raises TraceFinished."""
        return self._end(TraceStatus.FAILED, at)

    def cancel(self, at: Instant | None = None) -> Trace:
        """Ends the trace as cancelled; again is fine, another end raises TraceFinished."""
        return self._end(TraceStatus.CANCELLED, at)

    def expire(self, at: Instant | None = None) -> Trace:
        """Ends the trace as expired, at its expires_at where it has one."""
        return self._end(TraceStatus.EXPIRED, self.expires_at or at)

    def _end(self, status: TraceStatus, at: Instant | None) -> Trace:
        if self.status is status:
            return self
        if self.status.is_final:
            raise TraceFinished(f"trace {self.trace_id} is already {self.status.value}")
        check = Checker({"at": datetime.now(UTC) if at is None else at})
        ended = check.instant("at") or 0
        check.finish()
        self.completed_at = to_datetime(max(ended, from_datetime(self.started_at) + 1))
        self.status = status
        return self

    def calculate_duration(self) -> float | None:
        """Milliseconds from start to end; None while the trace is active."""
        if self.completed_at is None:
            return None
        return (from_datetime(self.completed_at) - from_datetime(self.started_at)) / 1_000

    def get_events_by_type(self, event_type: str) -> list[Event]:
        """The events of that type, in order."""
        return [event for event in self.events if event.event_type == event_type]

    def get_events_by_level(self, level: Level | str) -> list[Event]:
        """The events of exactly that level, in order."""
        return [event for event in self.events if event.level == level]

    def generate_summary(self) -> TraceSummary:
        """Counts, durations and performance figures of the events."""
        return summarize(self.events, self.calculate_duration())
