"""One JSON line to one valid record: the one-line way, which says exactly which lines are good.

The bulk way (interchange) is a faster road to the same rows and hands this one every line it doubts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules, event_row
from mplp_trace_cli.domain.json_text import (
    EMPTY_OBJECT,
    JsonFault,
    JsonObject,
    Member,
    add_members,
    check_object,
    members,
)
from mplp_trace_cli.domain.metric import MetricRow, metric_row
from mplp_trace_cli.domain.trace import TraceStatement, trace_statement

Record = EventRow | TraceStatement | MetricRow

EVENT_KEYS = frozenset(EventRow._fields)
TRACE_KEYS = frozenset(TraceStatement._fields)
TRACE_DERIVED = frozenset(("duration_ms", "summary", "event_count", "error_count", "has_errors"))
METRIC_KEYS = frozenset(MetricRow._fields)
KINDS = ("event", "trace", "metric")
_INSTANTS = ("timestamp", "started_at", "completed_at", "expires_at")


@dataclass(frozen=True)
class LineRules:
    """How lines are read: what an event is measured against, and what a line that lacks it gets."""

    event: EventRules
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Of `trace_id`, `level`, `source`, `context_id`."""

    @property
    def clock(self) -> Callable[[], int]:
        """The present, in microseconds since 1970."""
        return self.event.clock


def read_line(line: bytes, rules: LineRules) -> Record | None:
    """The record of one line, None for a blank one; raises InvalidInput with every fault."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"not UTF-8 at byte {error.start + 1}") from None
    if not text.strip(" \t\r\n"):
        return None
    try:
        found = members(text)
    except JsonFault as fault:
        raise InvalidInput(str(fault)) from None
    return _record(_unrepeated(found), rules)


def _unrepeated(found: list[Member]) -> dict[str, Member]:
    by_key = {member.key: member for member in found}
    if len(by_key) != len(found):
        keys = [member.key for member in found]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise InvalidInput(f"the key {repeated!r} is given twice")
    return by_key


def _record(found: dict[str, Member], rules: LineRules) -> Record:
    kind = _kind(found)
    if kind == "event":
        fields = _fields(found, EVENT_KEYS, "data")
        return event_row(_with_defaults(fields, rules, ("trace_id", "level", "source")), rules.event)
    if kind == "trace":
        known = {key: member for key, member in found.items() if key not in TRACE_DERIVED}
        return trace_statement(_fields(known, TRACE_KEYS, "metadata"))
    return metric_row(_fields(found, METRIC_KEYS, "labels"), rules.clock)


def _kind(found: dict[str, Member]) -> str:
    said = found.pop("kind", None)
    if said is not None and said.value is not None:
        if said.value not in KINDS:
            raise InvalidInput(f"kind: {str(said.value)[:60]!r} is not one of {', '.join(KINDS)}")
        return str(said.value)
    if "event_type" in found:
        return "event"
    if "name" in found:
        return "metric" if "value" in found else "trace"
    raise InvalidInput("neither an event (event_type), a trace (name) nor a metric (name and value)")


def _fields(found: dict[str, Member], known: frozenset[str], home: str) -> dict[str, Any]:
    """The known fields; every unknown one moves into the object called `home`, its text unchanged."""
    fields = {key: member.value for key, member in found.items() if key in known}
    for name in _INSTANTS:
        if not isinstance(fields.get(name), str | None):
            raise InvalidInput(f"{name}: must be an RFC 3339 date-time")
    extras = [(key, member.text) for key, member in found.items() if key not in known]
    inside = found.get(home)
    if inside is not None and inside.value is not None:
        if not isinstance(inside.value, dict):
            raise InvalidInput(f"{home}: not a JSON object")
        fields[home] = JsonObject(check_object(inside.text, home))
    if extras:
        base = fields.get(home)
        text = base.text if isinstance(base, JsonObject) else EMPTY_OBJECT
        fields[home] = JsonObject(add_members(text, extras, home))
    return fields


def _with_defaults(fields: dict[str, Any], rules: LineRules, names: tuple[str, ...]) -> dict[str, Any]:
    for name in names:
        if fields.get(name) is None and name in rules.defaults:
            fields[name] = rules.defaults[name]
    return fields
