"""An event: one thing that happened inside a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from mplp_trace_cli.domain.checks import Checker
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, JsonObject, parse
from mplp_trace_cli.domain.standard import STANDARD_EVENTS, standard_problems
from mplp_trace_cli.domain.times import format_instant, from_datetime, to_datetime

MAX_EVENT_BYTES = 1 << 20


class EventRow(NamedTuple):
    """A valid event as plain values: what is kept, in the order in which it is kept.

    `data` is JSON text, `timestamp` is microseconds since 1970.
    """

    event_id: str
    trace_id: str
    event_type: str
    level: str
    message: str | None
    data: str
    timestamp: int
    duration_ms: float | None
    parent_event_id: str | None
    source: str | None


class EventRules(NamedTuple):
    """What an event is measured against, and where its defaults come from."""

    clock: Callable[[], int]
    """The present, in microseconds since 1970."""
    new_id: Callable[[], str] = new_id
    max_event_bytes: int = MAX_EVENT_BYTES
    default_level: str = Level.INFO.value
    validate_standard_events: bool = True


def event_row(fields: Mapping[str, Any], rules: EventRules) -> EventRow:
    """The valid event that `fields` describe; raises InvalidInput with every fault.

    `data` is a mapping, a JsonObject or JSON text; `timestamp` is RFC 3339, a datetime or microseconds.
    """
    check = Checker(fields)
    event_type = check.required_text("event_type")
    data = check.json_object("data") or EMPTY_OBJECT
    timestamp = check.instant("timestamp")
    row = EventRow(
        check.identity("event_id") or rules.new_id(),
        _required_id(check, "trace_id"),
        event_type,
        check.word("level", Level) or rules.default_level,
        check.text("message"),
        data,
        rules.clock() if timestamp is None else timestamp,
        check.duration("duration_ms"),
        check.text("parent_event_id"),
        check.text("source"),
    )
    if rules.validate_standard_events and event_type in STANDARD_EVENTS:
        check.problems += standard_problems(event_type, parse(data))
    if not check.problems:
        _check_size(row, check, rules.max_event_bytes)
    check.finish()
    return row


def _required_id(check: Checker, name: str) -> str:
    value = check.identity(name)
    if value is None and check.fields.get(name) is None:
        check.problems.append(f"{name}: required")
    return value or ""


def _check_size(row: EventRow, check: Checker, most: int) -> None:
    texts = [value for value in row if isinstance(value, str)]
    if sum(map(len, texts)) * 4 <= most:
        return
    size = sum(len(text.encode()) for text in texts)
    if size > most:
        check.problems.append(f"event: {size:,} bytes of text, more than the {most:,} allowed")


@dataclass
class Event:
    """One thing that happened inside a trace; raises InvalidInput when a field breaks a rule.

    `timestamp` may be given as RFC 3339 text and is a UTC datetime afterwards; `data` may be given as a
    mapping or JSON text and is a read-only mapping whose exact text is `data.text`.
    """

    event_id: str
    trace_id: str
    event_type: str
    level: Level
    timestamp: datetime
    message: str | None = None
    data: JsonObject = field(default_factory=JsonObject)
    duration_ms: float | None = None
    parent_event_id: str | None = None
    source: str | None = None
    children: list[Event] = field(default_factory=list, compare=False, repr=False)

    def __post_init__(self) -> None:
        rules = EventRules(clock=_no_clock, validate_standard_events=False)
        row = event_row(self._given(), rules)
        self.level = Level(row.level)
        self.timestamp = to_datetime(row.timestamp)
        self.data = JsonObject(row.data)
        self.duration_ms = row.duration_ms

    def _given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in EventRow._fields}

    @classmethod
    def from_row(cls, row: EventRow) -> Event:
        """The entity of a row that is known to be valid."""
        event = cls.__new__(cls)
        event.__dict__.update(
            row._asdict(),
            level=Level(row.level),
            timestamp=to_datetime(row.timestamp),
            data=JsonObject(row.data),
            children=[],
        )
        return event

    def to_row(self) -> EventRow:
        """The same event as plain values."""
        plain = self._given() | {
            "level": self.level.value,
            "data": self.data.text,
            "timestamp": from_datetime(self.timestamp),
        }
        return EventRow(**plain)

    def is_error(self) -> bool:
        """True at level error or critical."""
        return self.level.is_error

    def has_data(self) -> bool:
        """True when the data object is not empty."""
        return bool(self.data)

    def get_formatted_message(self) -> str:
        """`2026-03-02T09:00:00.000000Z [INFO] type: message`, without the message when there is none."""
        stamp = format_instant(from_datetime(self.timestamp))
        head = f"{stamp} [{self.level.value.upper()}] {self.event_type}"
        return f"{head}: {self.message}" if self.message else head

    def add_child_event(self, child: Event) -> Event:
        """Hangs `child` below this event and returns it; raises InvalidInput if its trace is another."""
        if child.trace_id != self.trace_id:
            raise InvalidInput(f"event {child.event_id} belongs to another trace: {child.trace_id}")
        linked = replace(child, parent_event_id=self.event_id)
        self.children.append(linked)
        return linked


def _no_clock() -> int:
    raise InvalidInput("timestamp: required")
