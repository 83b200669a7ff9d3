"""Does an event pass a filter? The same answer in Python that the store gives in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.json_text import JsonFault, parse
from mplp_trace_cli.domain.questions import EventFilter, time_range_of
from mplp_trace_cli.domain.times import from_datetime

_MISSING = object()


def matches(event: Event, wanted: EventFilter) -> bool:
    """True when the event passes every part of the filter, which is a valid one."""
    return (
        _one_of(event.trace_id, wanted.trace_ids)
        and _one_of(event.level, wanted.levels)
        and _one_of(event.source, wanted.sources)
        and (
            not wanted.event_types or any(fnmatchcase(event.event_type, glob) for glob in wanted.event_types)
        )
        and (wanted.min_level is None or _rank(event.level) >= _rank(wanted.min_level))
        and _within(event, wanted)
        and _holds(event.data, wanted.data)
        and (not wanted.text or _mentions(event, wanted.text))
    )


def in_lists(wanted: EventFilter) -> EventFilter:
    """The same filter in which a text that stands by itself is a list of one, and every list is held."""
    lists: dict[str, Any] = {}
    for name in ("trace_ids", "event_types", "levels", "sources", "text"):
        value = getattr(wanted, name)
        lists[name] = (value,) if isinstance(value, str) else tuple(value or ())
    return wanted._replace(**lists)


def _one_of(value: str | None, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted


def _rank(level: str) -> int:
    return list(Level).index(Level(level))


def _within(event: Event, wanted: EventFilter) -> bool:
    duration = event.duration_ms
    if wanted.min_duration_ms is not None and (duration is None or duration < wanted.min_duration_ms):
        return False
    if wanted.max_duration_ms is not None and (duration is None or duration > wanted.max_duration_ms):
        return False
    start, end = time_range_of(wanted.time_range).bounds()
    at = from_datetime(event.timestamp)
    return (start is None or at >= start) and (end is None or at < end)


def _holds(data: Mapping[str, Any], pairs: Sequence[tuple[str, str]] | Mapping[str, Any]) -> bool:
    if isinstance(pairs, Mapping):
        pairs = [(key, json.dumps(value)) for key, value in pairs.items()]
    by_key: dict[str, list[str]] = {}
    for key, value in pairs:
        by_key.setdefault(key, []).append(value)
    return all(any(_equals(_at(data, key), value) for value in wanted) for key, wanted in by_key.items())


def _at(data: Mapping[str, Any], path: str) -> Any:
    if path in data:
        return data[path]
    value: Any = data
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _equals(value: Any, wanted: str) -> bool:
    if value is _MISSING:
        return False
    if isinstance(value, str) and value == wanted:
        return True
    try:
        return _same_json(value, parse(wanted))
    except JsonFault:
        return False


def _same_json(a: Any, b: Any) -> bool:
    """Python's equality, but true is not 1, at any depth."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same_json(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same_json, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _mentions(event: Event, wanted: Sequence[str]) -> bool:
    places = [text.lower() for text in (event.message or "", event.event_type, event.data.text)]
    return any(text.lower() in place for text in wanted for place in places)
