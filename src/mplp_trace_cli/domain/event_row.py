"""A valid event as plain values, and the rules that make it one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mplp_trace_cli.domain.checks import Checker
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.ids import MAX_LENGTH, new_id
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, parse
from mplp_trace_cli.domain.standard import STANDARD_EVENTS, standard_problems

MAX_EVENT_BYTES = 1 << 20
_MOST_OF_IDS = 2 * MAX_LENGTH + len(Level.CRITICAL)
"""Characters of an event's own id, its trace's and its level."""


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
    row = EventRow(
        check.identity("event_id") or rules.new_id(),
        _required_id(check, "trace_id"),
        event_type,
        check.word("level", Level) or rules.default_level,
        check.text("message"),
        data,
        _timestamp(check, rules),
        check.duration("duration_ms"),
        check.text("parent_event_id"),
        check.text("source"),
    )
    if event_type in STANDARD_EVENTS and rules.validate_standard_events:
        check.problems += _standard_problems(event_type, fields.get("data"), data)
    if not check.problems:
        _check_size(row, check, rules.max_event_bytes)
    check.finish()
    return row


def _timestamp(check: Checker, rules: EventRules) -> int:
    if check.fields.get("timestamp") is not None:
        return check.instant("timestamp") or 0
    try:
        return rules.clock()
    except InvalidInput as fault:  # there is no present by which to say when it happened
        check.problems.append(fault.message)
        return 0


def _standard_problems(event_type: str, given: object, data: str) -> list[str]:
    # What is right in a dict is right in its JSON, so that is parsed only where something seems wrong: it may
    # be right all the same, with a tuple for a list. A dict that JSON cannot say has left an empty object.
    if type(given) is dict and data != EMPTY_OBJECT and not standard_problems(event_type, given):
        return []
    return standard_problems(event_type, parse(data))


def _required_id(check: Checker, name: str) -> str:
    value = check.identity(name)
    if value is None and check.fields.get(name) is None:
        check.problems.append(f"{name}: required")
    return value or ""


def _check_size(row: EventRow, check: Checker, most: int) -> None:
    told = (
        len(row.event_type) + len(row.message or "") + len(row.parent_event_id or "") + len(row.source or "")
    )
    if (_MOST_OF_IDS + told + len(row.data)) * 4 <= most:
        return
    size = sum(len(text.encode()) for text in row if isinstance(text, str))
    if size > most:
        check.problems.append(too_large(size, most))


def too_large(size: int, most: int) -> str:
    """What is wrong with an event of so many bytes."""
    return f"event: {size:,} bytes of text, more than the {most:,} allowed"
