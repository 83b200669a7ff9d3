"""An event: one thing that happened inside a trace."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules, event_row
from mplp_trace_cli.domain.json_text import JsonObject
from mplp_trace_cli.domain.times import format_instant, from_datetime, to_datetime

_LEVELS = {level.value: level for level in Level}


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
        self.event_id = row.event_id
        self.level = Level(row.level)
        self.timestamp = to_datetime(row.timestamp)
        self.data = JsonObject(row.data)
        self.duration_ms = row.duration_ms

    def _given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in EventRow._fields}

    @classmethod
    def from_row(cls, row: EventRow) -> Event:
        """The entity of a row that is known to be valid."""
        event = cls.__new__(cls)  # field by field: it is done for every event that the library records
        event.event_id = row.event_id
        event.trace_id = row.trace_id
        event.event_type = row.event_type
        event.level = _LEVELS[row.level]
        event.message = row.message
        event.data = JsonObject(row.data)
        event.timestamp = to_datetime(row.timestamp)
        event.duration_ms = row.duration_ms
        event.parent_event_id = row.parent_event_id
        event.source = row.source
        event.children = []
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
