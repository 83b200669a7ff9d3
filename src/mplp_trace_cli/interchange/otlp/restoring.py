"""Events that came from OTLP, as the records they were: the other direction of `records` and `points`.

An event is only taken for a record when an import of that record would give the same event, but for the order
of the members of its data; anybody may write a member `otlp` into it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.w3c import is_span_id, is_trace_id
from mplp_trace_cli.interchange.otlp import records
from mplp_trace_cli.interchange.otlp.batches import Home, Record
from mplp_trace_cli.interchange.otlp.points import KINDS, TEMPORALITIES
from mplp_trace_cli.interchange.otlp.values import (
    OTLP,
    are_int64,
    is_deeper,
    is_verbatim,
    key_values,
    otlp_value,
    pairs_of,
    text,
)

Json = dict[str, Any]
Back = Callable[[Any], Any]

KEPT_HOMES = 1_000
MAX_DEPTH = 32
"""Levels of data: those of an attribute are three messages each, and readers of protobuf take a hundred."""
_STATUSES = ("", "ok", "error")
_SIGNALS = {"span": "traces", "event": "traces", "log": "logs", "metric": "metrics"}
_EVERY = frozenset(("signal", "resource", "scope", "attributes"))
_encode, _decode = msgspec.json.encode, msgspec.json.decode


class SpanEvent(NamedTuple):
    """An event of a span: it goes into its span."""

    body: Json


class NotARecordError(ValueError):
    """An event that no record of OTLP was made into."""


class _Kept(NamedTuple):
    """A home and what its records are measured by."""

    home: Home
    lines: records.Home


class Restorer:
    """Turns events into the records of OTLP that they came from."""

    def __init__(self) -> None:
        self._homes: dict[bytes, _Kept] = {}
        self._resources: dict[bytes, Json] = {}

    def restored(self, event: EventRow) -> Record | SpanEvent | None:
        """The record of an event; None for an event of ours."""
        try:
            data = _decode(event.data)
            _require(_encode(data) == event.data.encode() or text(data) == event.data)
            _require(
                event.data.count("}") + event.data.count("]") <= MAX_DEPTH or not is_deeper(data, MAX_DEPTH)
            )
            otlp = data.pop(OTLP)
            _require(are_int64(data))
            home, lines = self._home(otlp)
            body = _MAKE[otlp["signal"]](event, data, otlp, lines)
        except (InvalidInput, LookupError, TypeError, ValueError, AttributeError, RecursionError):
            return None
        if otlp["signal"] == "event":
            return SpanEvent(body)
        return Record(home, body, 2 * len(event.data))

    def _home(self, otlp: Json) -> _Kept:
        resource, scope = otlp.get("resource", {}), otlp.get("scope", {})
        key = _encode((_SIGNALS[otlp["signal"]], resource, scope))
        kept = self._homes.get(key)
        if kept is None:
            if len(self._homes) >= KEPT_HOMES:
                self._homes.clear()
                self._resources.clear()
            around = self._resources.setdefault(_encode(resource), _around("resource", resource, _RESOURCE))
            home = Home(_SIGNALS[otlp["signal"]], around, _around("scope", scope, _SCOPE))
            kept = self._homes[key] = _Kept(home, records.Home(resource, scope))
        return kept


# -- spans -------------------------------------------------------------------------------------------


def _span(event: EventRow, data: Json, otlp: Json, lines: records.Home) -> Json:
    start, end = _count(otlp.get("start_ns", 0)), _count(otlp.get("end_ns", 0))
    code = _number_of(otlp.get("status", {}).get("code", 0), _STATUSES)
    message = _text(otlp.get("status", {}).get("message", ""))
    body: Json = {
        "traceId": _trace_id(event, otlp, lines),
        "spanId": _span_id(event, otlp),
        "name": _name(event, otlp, "span"),
        "kind": _number_of(otlp.get("kind", 0), records.KINDS),
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        **_attributes(data, otlp),
        **_back(otlp, _SPAN, _SPAN_ELSEWHERE),
    }
    if "parent" in otlp or event.parent_event_id is not None:
        body["parentSpanId"] = _parent(event, otlp.get("parent"))
    if code or message:
        body["status"] = {"code": code, "message": message} if message else {"code": code}
    lasted = (end - start) / 1e6 if end >= start > 0 else None
    _require(event.duration_ms == lasted, event.level == ("error" if code == records.ERROR else "info"))
    _require(event.message == (message or None))
    _require_common(event, end or start, lines)
    return body


def _span_event(event: EventRow, data: Json, otlp: Json, lines: records.Home) -> Json:
    name = _name(event, otlp, "event")
    said = data.get("exception.message") if name == "exception" else None
    _require(event.level == ("error" if name == "exception" else "info"), event.duration_ms is None)
    _require(event.message is None or event.message == said)
    _require_common(event, _count(otlp.get("time_ns", 0)), lines)
    return {"name": name, **_attributes(data, otlp), **_back(otlp, _SPAN_EVENT, _SPAN_EVENT_ELSEWHERE)}


def _trace_id(event: EventRow, otlp: Json, lines: records.Home) -> str:
    if "no_trace" not in otlp:
        _require(is_trace_id(event.trace_id), "trace_id" not in otlp)
        return event.trace_id
    given = _text(otlp.get("trace_id", ""))
    _require(event.trace_id == lines.trace_id, not is_trace_id(given))
    return given


def _span_id(event: EventRow, otlp: Json) -> str:
    if "span_id" not in otlp:
        _require(is_span_id(event.event_id) or event.event_id.startswith("span-"))
        return event.event_id if is_span_id(event.event_id) else ""
    given = _text(otlp["span_id"])
    _require(event.event_id.startswith("span-"), not is_span_id(given))
    return given


def _parent(event: EventRow, given: Any) -> str:
    if given is not None:
        _require(event.parent_event_id is None, not is_span_id(given))
        return _text(given)
    _require(is_span_id(event.parent_event_id or ""))
    return event.parent_event_id or ""


def _link(link: Json) -> Json:
    return _back(link, _LINK)


# -- log records and metric points -------------------------------------------------------------------


def _log(event: EventRow, data: Json, otlp: Json, lines: records.Home) -> Json:
    body = {**_attributes(data, otlp), **_back(otlp, _LOG, _LOG_ELSEWHERE)}
    trace_id, span_id = _trace_id(event, otlp, lines), otlp.get("span_id", event.parent_event_id)
    _require(is_span_id(span_id or "") == (event.parent_event_id is not None), event.duration_ms is None)
    _require(event.event_id.startswith("log-"), event.parent_event_id in (None, span_id))
    _require(event.event_type == (otlp.get("event_name") or "log"))
    level = records.level_of(otlp.get("severity_number", 0), otlp.get("severity_text", ""))
    _require(event.level == level)
    _require_common(event, otlp.get("time_ns") or otlp.get("observed_ns") or 0, lines)
    named = {"traceId": trace_id, "spanId": _text(span_id or "")}
    return body | {name: one for name, one in named.items() if one}


def _metric(event: EventRow, data: Json, otlp: Json, lines: records.Home) -> Json:
    kind, point = otlp["kind"], otlp["point"]
    _require(event.event_id.startswith("metric-"), event.trace_id == lines.trace_id)
    _require(event.event_type == "performance_metric", set(data) <= _STANDARD, event.level == "info")
    _require(event.parent_event_id is None, event.duration_ms is None, event.message is None)
    _require_common(event, point.get("time_ns", 0), lines)
    said: Json = {"dataPoints": [{**_back(point, _POINT), **_attributes({}, otlp)}]}
    if "temporality" in otlp:
        said["aggregationTemporality"] = _number_of(otlp["temporality"], TEMPORALITIES)
    if otlp.get("monotonic") is True:
        said["isMonotonic"] = True
    header = {name: _text(otlp.get(name, data[f"metric_{name}"])) for name in ("name", "unit")}
    return {**header, **_back(otlp, _METRIC, _METRIC_ELSEWHERE), _MEMBERS[kind]: said}


# -- what they share ---------------------------------------------------------------------------------


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise NotARecordError


def _require_common(event: EventRow, time_ns: int, lines: records.Home) -> None:
    """The source is that of the resource; the time, where one was given, the given one."""
    _require(event.source == lines.service, not time_ns or event.timestamp == time_ns // 1_000)


def _name(event: EventRow, otlp: Json, instead: str) -> str:
    if "name" not in otlp:
        return event.event_type
    _require(otlp["name"] == "", event.event_type == instead)
    return ""


def _attributes(data: Json, otlp: Json) -> Json:
    """The attributes: the rest of the data, or a list that could not be an object."""
    given = otlp.get("attributes")
    if isinstance(given, list):
        pairs_of(given)
        _require(not data)
    else:
        given = key_values(data if given is None else given)
    return {"attributes": given} if given else {}


def _back(kept: Json, fields: Mapping[str, tuple[str, Back]], elsewhere: Any = ()) -> Json:
    """The members that are kept under other names; raises for one that nobody knows."""
    body: Json = {}
    for name, value in kept.items():
        if name in fields:
            camel, back = fields[name]
            body[camel] = back(value)
        elif name == "unknown":
            _require(_TAKEN.isdisjoint(value))
            body |= value
        else:
            _require(name in elsewhere)
    return body


def _around(name: str, kept: Json, fields: Mapping[str, tuple[str, Back]]) -> Json:
    """The members of a ResourceSpans, or of a ScopeSpans, but for its list."""
    inner = _back(kept, fields, {"schema_url"})
    around: Json = {name: inner}
    if "schema_url" in kept:
        around["schemaUrl"] = _text(kept["schema_url"])
    return around


def _text(value: Any) -> str:
    _require(isinstance(value, str))
    return str(value)


def _integer(value: Any) -> int:
    _require(type(value) is int, -(1 << 31) <= value < 1 << 32)
    return int(value)


def _count(value: Any) -> int:
    _require(type(value) is int, 0 <= value < 1 << 64)
    return int(value)


def _long(value: Any) -> str:
    """An integer of 64 bits, which OTLP/JSON has as text."""
    _require(type(value) is int, -(1 << 63) <= value < 1 << 64)
    return str(value)


def _double(value: Any) -> Any:
    """A double: a number, or the word for what is none."""
    if is_verbatim(value):
        return value["doubleValue"]
    _require(type(value) in (int, float))
    return value


def _list_of(back: Back) -> Back:
    def all_of(values: Any) -> list[Any]:
        _require(isinstance(values, list))
        return list(map(back, values))

    return all_of


def _number_of(value: Any, names: Any) -> int:
    return names.index(value) if isinstance(value, str) else _integer(value)


def _key_values(attributes: Any) -> list[Any]:
    if isinstance(attributes, list):
        pairs_of(attributes)
    return key_values(attributes)


def _objects(values: Any) -> list[Any]:
    _require(isinstance(values, list))
    return list(values)


_DROPPED = {"dropped_attributes_count": ("droppedAttributesCount", _integer)}
_FLAGS = {"flags": ("flags", _integer)}
_RESOURCE: dict[str, tuple[str, Back]] = {
    "attributes": ("attributes", _key_values),
    **_DROPPED,
    "entity_refs": ("entityRefs", _objects),
}
_SCOPE: dict[str, tuple[str, Back]] = {
    "name": ("name", _text),
    "version": ("version", _text),
    "attributes": ("attributes", _key_values),
    **_DROPPED,
}
_LINK: dict[str, tuple[str, Back]] = {
    "trace_id": ("traceId", _text),
    "span_id": ("spanId", _text),
    "trace_state": ("traceState", _text),
    "attributes": ("attributes", _key_values),
    **_FLAGS,
    **_DROPPED,
}
_SPAN: dict[str, tuple[str, Back]] = {
    "trace_state": ("traceState", _text),
    **_FLAGS,
    "links": ("links", _list_of(_link)),
    **_DROPPED,
    "dropped_events_count": ("droppedEventsCount", _integer),
    "dropped_links_count": ("droppedLinksCount", _integer),
}
_SPAN_ELSEWHERE = (
    _EVERY
    | {"kind", "start_ns", "end_ns", "status", "name", "parent", "span_id"}
    | {
        "no_trace",
        "trace_id",
    }
)
_SPAN_EVENT: dict[str, tuple[str, Back]] = {"time_ns": ("timeUnixNano", _long), **_DROPPED}
_SPAN_EVENT_ELSEWHERE = _EVERY | {"name"}
_LOG: dict[str, tuple[str, Back]] = {
    "time_ns": ("timeUnixNano", _long),
    "observed_ns": ("observedTimeUnixNano", _long),
    "severity_number": ("severityNumber", _integer),
    "severity_text": ("severityText", _text),
    "body": ("body", otlp_value),
    **_FLAGS,
    **_DROPPED,
    "event_name": ("eventName", _text),
}
_LOG_ELSEWHERE = _EVERY | {"no_trace", "trace_id", "span_id"}
_METRIC: dict[str, tuple[str, Back]] = {
    "description": ("description", _text),
    "metadata": ("metadata", _key_values),
}
_METRIC_ELSEWHERE = _EVERY | {"kind", "temporality", "monotonic", "point", "name", "unit"}
_STANDARD = {"metric_name", "metric_value", "metric_unit", "tags"}
_MEMBERS = {kind.name: member for member, kind in KINDS.items()}
_EXEMPLAR: dict[str, tuple[str, Back]] = {
    "time_ns": ("timeUnixNano", _long),
    "int": ("asInt", _long),
    "double": ("asDouble", _double),
    "span_id": ("spanId", _text),
    "trace_id": ("traceId", _text),
    "attributes": ("filteredAttributes", _key_values),
}
_BUCKETS: dict[str, tuple[str, Back]] = {
    "offset": ("offset", _integer),
    "bucket_counts": ("bucketCounts", _list_of(_long)),
}
_QUANTILE: dict[str, tuple[str, Back]] = {"quantile": ("quantile", _double), "value": ("value", _double)}
_POINT: dict[str, tuple[str, Back]] = {
    "start_ns": ("startTimeUnixNano", _long),
    "time_ns": ("timeUnixNano", _long),
    **_FLAGS,
    "int": ("asInt", _long),
    "double": ("asDouble", _double),
    "count": ("count", _long),
    "sum": ("sum", _double),
    "min": ("min", _double),
    "max": ("max", _double),
    "bucket_counts": ("bucketCounts", _list_of(_long)),
    "explicit_bounds": ("explicitBounds", _list_of(_double)),
    "scale": ("scale", _integer),
    "zero_count": ("zeroCount", _long),
    "zero_threshold": ("zeroThreshold", _double),
    "positive": ("positive", lambda buckets: _back(buckets, _BUCKETS)),
    "negative": ("negative", lambda buckets: _back(buckets, _BUCKETS)),
    "exemplars": ("exemplars", _list_of(lambda exemplar: _back(exemplar, _EXEMPLAR))),
    "quantile_values": ("quantileValues", _list_of(lambda one: _back(one, _QUANTILE))),
}
_TABLES = (
    _RESOURCE,
    _SCOPE,
    _LINK,
    _SPAN,
    _SPAN_EVENT,
    _LOG,
    _METRIC,
    _EXEMPLAR,
    _BUCKETS,
    _QUANTILE,
    _POINT,
)
_TAKEN = frozenset(camel for table in _TABLES for camel, _ in table.values()).union(
    KINDS,
    ("events", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "status", "unit"),
    ("dataPoints", "aggregationTemporality", "isMonotonic", "resource", "scope"),
)
"""The names of OTLP/JSON that no unknown member has."""
_MAKE: dict[str, Callable[[EventRow, Json, Json, records.Home], Json]] = {
    "span": _span,
    "event": _span_event,
    "log": _log,
    "metric": _metric,
}
