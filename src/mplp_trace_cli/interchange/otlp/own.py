"""Our own events, traces and metric samples inside OTLP: what they are called there, and the way back.

They lie under the scope SCOPE and have the attribute KIND; other attributes of ours, all in RESERVED, say
what OTLP has no place for. Reading is here, writing is in own_records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import check_object
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.w3c import w3c_span_id

SCOPE = "mplp-trace"
RESERVED = "mplp."
KIND = "mplp.kind"
MARK = '{"otlp":{}}'
"""The metadata of a trace that was made of records of OTLP, and so is no span itself."""
NO_SOURCE = "mplp-trace"
"""The service of what has no source."""
NS = 1_000
"""Nanoseconds of a microsecond."""
_encode = msgspec.json.encode


class OwnSpan(NamedTuple):
    """The parts of a span that may be one of our events or traces; attributes in their plain form."""

    trace_id: str
    """Lowercase hexadecimal digits, as are the other ids."""
    span_id: str
    parent_span_id: str
    name: str
    start_ns: int
    end_ns: int
    is_error: bool
    status_message: str
    attributes: Mapping[str, Any]
    service_name: str | None


class OwnPoint(NamedTuple):
    """The parts of a metric point that may be one of our samples; attributes in their plain form."""

    name: str
    unit: str
    description: str
    type: str
    """gauge, counter (of a sum) or histogram."""
    value: float
    """Of a histogram its sum."""
    bounds: Sequence[float]
    time_ns: int
    attributes: Mapping[str, Any]


def is_own(scope_name: object, attributes: Mapping[str, Any]) -> bool:
    """True for a record that says it is one of ours."""
    return scope_name == SCOPE and KIND in attributes


def own_span_line(span: OwnSpan) -> bytes | None:
    """The JSON line of the event or trace that a span was made of; None for a span that is not ours."""
    make = {"event": _event, "trace": _trace}.get(str(span.attributes.get(KIND)))
    return None if make is None else _line(make, span)


def own_point_line(point: OwnPoint) -> bytes | None:
    """The JSON line of the sample that a metric point was made of; None for a point that is not ours."""
    return _line(_metric, point) if point.attributes.get(KIND) == "metric" else None


def root_span_id(trace_id: str) -> str:
    """The id of the span that stands for one of our traces."""
    return w3c_span_id(f"trace:{trace_id}")


def _line(make: Any, record: OwnSpan | OwnPoint) -> bytes | None:
    try:
        fields = make(record, record.attributes)
        return _encode({name: value for name, value in fields.items() if value is not None})
    except (InvalidInput, TypeError, ValueError, OverflowError):
        return None  # somebody else's use of our names


def _event(span: OwnSpan, said: Mapping[str, Any]) -> dict[str, Any]:
    trace_id = said.get("mplp.trace_id", span.trace_id)
    return {
        "kind": "event",
        "event_id": said.get("mplp.event_id", span.span_id),
        "trace_id": trace_id,
        "event_type": span.name,
        "level": said.get("mplp.level", "error" if span.is_error else "info"),
        "message": said.get("mplp.message", span.status_message or None),
        "data": _object(said, "mplp.data"),
        "timestamp": said.get("mplp.timestamp") or _instant(span.end_ns),
        "duration_ms": _duration(span, said),
        "parent_event_id": said.get("mplp.parent_event_id", _parent(span, trace_id)),
        "source": said.get("mplp.source", None if span.service_name == NO_SOURCE else span.service_name),
    }


def _trace(span: OwnSpan, said: Mapping[str, Any]) -> dict[str, Any]:
    status = said.get("mplp.status", "active")
    ended = None if status == "active" else said.get("mplp.completed_at") or _instant(span.end_ns)
    return {
        "kind": "trace",
        "trace_id": said.get("mplp.trace_id", span.trace_id),
        "context_id": said.get("mplp.context_id"),
        "execution_id": said.get("mplp.execution_id"),
        "trace_type": said.get("mplp.trace_type"),
        "name": span.name,
        "description": said.get("mplp.description"),
        "status": status,
        "metadata": _object(said, "mplp.metadata"),
        "tags": said.get("mplp.tags"),
        "started_at": said.get("mplp.started_at") or _instant(span.start_ns),
        "completed_at": ended,
        "expires_at": said.get("mplp.expires_at"),
    }


def _metric(point: OwnPoint, said: Mapping[str, Any]) -> dict[str, Any]:
    buckets = said.get("mplp.buckets")
    return {
        "kind": "metric",
        "name": point.name,
        "type": point.type,
        "value": point.value,
        "unit": said.get("mplp.unit", point.unit or None),
        "help": said.get("mplp.help", point.description or None),
        "labels": _object(said, "mplp.labels"),
        "buckets": _numbers(buckets) if buckets is not None else list(point.bounds) or None,
        "timestamp": said.get("mplp.timestamp") or _instant(point.time_ns),
    }


def _object(said: Mapping[str, Any], name: str) -> Any:
    """The object whose text has that name; without one, of the attributes that are not ours."""
    text = said.get(name)
    if text is not None:
        return msgspec.Raw(check_object(text, name).encode())
    return {key: value for key, value in said.items() if not key.startswith(RESERVED)} or None


def _numbers(text: str) -> msgspec.Raw:
    msgspec.json.decode(text, type=list[float])
    return msgspec.Raw(" ".join(text.split()).encode())


def _instant(nanoseconds: int) -> str:
    return format_instant(nanoseconds // NS)


def _duration(span: OwnSpan, said: Mapping[str, Any]) -> float | None:
    if said.get("mplp.instant") is True:
        return None
    exact: float | None = said.get("mplp.duration_ms")
    return (span.end_ns - span.start_ns) / 1e6 if exact is None else exact


def _parent(span: OwnSpan, trace_id: str) -> str | None:
    root = root_span_id(trace_id)
    return None if span.parent_span_id in ("", root) else span.parent_span_id
