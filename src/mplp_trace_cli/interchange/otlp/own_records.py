"""Our own events, traces and metric samples as records of OTLP, in its JSON form.

Attributes are what a reader of the other tool looks for; what they cannot say to the letter is said once more
as text, under the names that `own` reads back.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.w3c import is_span_id, is_trace_id, w3c_span_id, w3c_trace_id
from mplp_trace_cli.interchange.exporting.chosen import ExportedTrace
from mplp_trace_cli.interchange.otlp.own import KIND, NO_SOURCE, NS, RESERVED, SCOPE, root_span_id
from mplp_trace_cli.interchange.otlp.values import OTLP, are_int64, is_deeper, key_values, otlp_value

Json = dict[str, Any]

LATEST_NS = (1 << 63) - 1
"""The last instant that every reader can hold; OTLP has none before 1970."""
MAX_DEPTH = 16
"""Levels of values in values: readers of protobuf refuse a message in which there are very many."""
INTERNAL, OK, ERROR, DELTA = 1, 1, 2, 1
_ERRORS = ("error", "critical")
_KIND_EVENT: Json = {"key": KIND, "value": {"stringValue": "event"}}
_INSTANT: Json = {"key": "mplp.instant", "value": {"boolValue": True}}
_ODD_SOURCES = ("", NO_SOURCE)
_LONG_NUMBER = re.compile("[0-9]{19}")
_encode, _decode = msgspec.json.encode, msgspec.json.decode


class _TraceIds(NamedTuple):
    """What a trace is called in OTLP, and the attribute that says its own id where that is another."""

    w3c: str
    root: str
    said: tuple[Json, ...]


@lru_cache(1_000)
def _ids_of(trace_id: str) -> _TraceIds:
    said = () if is_trace_id(trace_id) else (_text("mplp.trace_id", trace_id),)
    return _TraceIds(w3c_trace_id(trace_id), root_span_id(trace_id), said)


def own_home(source: str | None) -> tuple[Json, Json]:
    """The resource and the scope of what came from a source."""
    service = source or NO_SOURCE
    resource = {"attributes": [_text("service.name", service)]}
    return resource, {"name": SCOPE}


def event_span(event: EventRow, *, has_root: bool) -> Json:
    """An event as a span; without a parent it hangs on the span of its trace, where there is one."""
    trace = _ids_of(event.trace_id)
    start, end = _bounds(event)
    span: Json = {
        "traceId": trace.w3c,
        "spanId": w3c_span_id(event.event_id),
        "name": event.event_type,
        "kind": INTERNAL,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": _event_attributes(event, trace, end - start),
    }
    if event.parent_event_id is not None:
        span["parentSpanId"] = w3c_span_id(event.parent_event_id)
    elif has_root:
        span["parentSpanId"] = trace.root
    if event.level in _ERRORS:
        span["status"] = {"code": ERROR, "message": event.message} if event.message else {"code": ERROR}
    return span


def trace_span(trace: ExportedTrace) -> Json:
    """A trace as the span on which its events hang; while it is active it has no end."""
    ids = _ids_of(trace.trace_id)
    said = _texts(
        ("status", trace.status),
        ("context_id", trace.context_id),
        ("execution_id", trace.execution_id),
        ("trace_type", trace.trace_type),
        ("description", trace.description),
        ("started_at", _odd_instant(trace.started_at)),
        ("completed_at", _odd_instant(trace.completed_at)),
        ("expires_at", None if trace.expires_at is None else format_instant(trace.expires_at)),
    )
    if trace.tags != "[]":
        said.append({"key": "mplp.tags", "value": otlp_value(_decode(trace.tags))})
    span: Json = {
        "traceId": ids.w3c,
        "spanId": ids.root,
        "name": trace.name,
        "kind": INTERNAL,
        "startTimeUnixNano": str(_nanoseconds(trace.started_at)),
        "attributes": [_text(KIND, "trace"), *ids.said, *said, *_object("metadata", trace.metadata)],
    }
    if trace.completed_at is not None:
        span["endTimeUnixNano"] = str(_nanoseconds(trace.completed_at))
    code = {"completed": OK, "failed": ERROR}.get(trace.status)
    if code is not None:
        span["status"] = {"code": code}
    return span


def sample_metric(sample: MetricRow) -> Json:
    """A sample as a metric with one point: a counter's increment is a delta."""
    header = {"name": sample.name, "unit": sample.unit, "description": sample.help}
    kept = {name: text for name, text in header.items() if text}
    bounds = [] if sample.buckets is None else [float(bound) for bound in _decode(sample.buckets)]
    point: Json = {
        "timeUnixNano": str(_nanoseconds(sample.timestamp)),
        "attributes": [_text(KIND, "metric"), *_sample_attributes(sample, bounds)],
    }
    if sample.type == "histogram":
        return kept | {"histogram": _one_point(point | _observation(sample.value, bounds), DELTA)}
    point["asDouble"] = sample.value
    if sample.type == "counter":
        return kept | {"sum": _one_point(point, DELTA) | {"isMonotonic": True}}
    return kept | {"gauge": {"dataPoints": [point]}}


def _text(key: str, text: str) -> Json:
    return {"key": key, "value": {"stringValue": text}}


def _texts(*pairs: tuple[str, str | None]) -> list[Json]:
    return [_text(RESERVED + name, text) for name, text in pairs if text is not None]


def _nanoseconds(instant: int) -> int:
    return min(max(0, instant * NS), LATEST_NS)


def _odd_instant(instant: int | None) -> str | None:
    """The text of an instant that OTLP cannot hold."""
    if instant is None or _nanoseconds(instant) == instant * NS:
        return None
    return format_instant(instant)


def _bounds(event: EventRow) -> tuple[int, int]:
    """When it began and ended: an event is stamped when what it measures is over."""
    end = _nanoseconds(event.timestamp)
    lasted = min(event.duration_ms or 0.0, LATEST_NS / 1e6)
    return max(0, end - round(lasted * 1e6)), end


def _event_attributes(event: EventRow, trace: _TraceIds, lasted_ns: int) -> list[Json]:
    """What a span has no place for, then the data; of most events that is little."""
    attributes = [_KIND_EVENT, *trace.said]
    is_error = event.level in _ERRORS
    if not is_span_id(event.event_id):
        attributes.append(_text("mplp.event_id", event.event_id))
    if event.level != ("error" if is_error else "info"):
        attributes.append(_text("mplp.level", event.level))
    if event.message is not None and not (is_error and event.message):
        attributes.append(_text("mplp.message", event.message))
    if event.source in _ODD_SOURCES:
        attributes.append(_text("mplp.source", event.source or ""))
    if event.duration_ms is None:
        attributes.append(_INSTANT)
    elif lasted_ns / 1e6 != event.duration_ms:
        attributes.append({"key": "mplp.duration_ms", "value": {"doubleValue": event.duration_ms}})
    said = _texts(
        ("parent_event_id", _odd_parent(event, trace)), ("timestamp", _odd_instant(event.timestamp))
    )
    return [*attributes, *said, *_object("data", event.data)]


def _odd_parent(event: EventRow, trace: _TraceIds) -> str | None:
    """The id of a parent that the parent's span id does not give back."""
    parent = event.parent_event_id
    return None if parent is None or (is_span_id(parent) and parent != trace.root) else parent


def _object(name: str, text: str) -> list[Json]:
    """An object's members as attributes, and its text when they do not give it back to the letter."""
    if text == "{}":
        return []
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return _texts((name, text))  # escapes of half characters are beyond UTF-8
    if text.count("{") + text.count("[") > MAX_DEPTH and is_deeper(value, MAX_DEPTH):
        return _texts((name, text))
    same = _encode(value) == text.encode() and (_LONG_NUMBER.search(text) is None or are_int64(value))
    if RESERVED in text or '"otlp"' in text or '""' in text:
        plain = {key: inner for key, inner in value.items() if _is_plain(key)}
        same = same and len(plain) == len(value)
        value = plain
    return key_values(value) if same else [*key_values(value), *_texts((name, text))]


def _is_plain(key: str) -> bool:
    """True for a key that an attribute can have, and that is nobody's own."""
    return key not in ("", OTLP) and not key.startswith(RESERVED)


def _sample_attributes(sample: MetricRow, bounds: list[float]) -> list[Json]:
    buckets = _encode(bounds).decode() if bounds else None
    said = _texts(
        ("unit", sample.unit if sample.unit == "" else None),
        ("help", sample.help if sample.help == "" else None),
        ("buckets", None if sample.buckets == buckets and _is_histogram(sample) else sample.buckets),
        ("timestamp", _odd_instant(sample.timestamp)),
    )
    return [*said, *_object("labels", sample.labels)]


def _is_histogram(sample: MetricRow) -> bool:
    return sample.type == "histogram"


def _one_point(point: Json, temporality: int) -> Json:
    return {"aggregationTemporality": temporality, "dataPoints": [point]}


def _observation(value: float, bounds: list[float]) -> Json:
    """A histogram of one observed value; a bucket ends with its bound."""
    observed: Json = {"count": "1", "sum": value, "min": value, "max": value}
    if bounds:
        place = sum(bound < value for bound in bounds)
        counts = ["1" if at == place else "0" for at in range(len(bounds) + 1)]
        observed |= {"explicitBounds": bounds, "bucketCounts": counts}
    return observed
