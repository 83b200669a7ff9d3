"""A body of OTLP's JSON form as the bytes of its protobuf form; needs the packages of the extra `otlp`."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.interchange.otlp.batches import Body

_IDS = frozenset(("traceId", "spanId", "parentSpanId"))
_INTEGERS = frozenset(
    ("intValue", "asInt", "count", "zeroCount", "bucketCounts")
    + tuple(f"{name}TimeUnixNano" for name in ("start", "end", "observed"))
    + ("timeUnixNano",)
)
_DOUBLES = frozenset(
    ("doubleValue", "asDouble", "sum", "min", "max", "value", "quantile", "zeroThreshold", "explicitBounds")
)
_snake_names: dict[str, str] = {}


def serializer() -> Callable[[Body], bytes]:
    """What turns a body into bytes; raises MissingExtra. Bytes of one signal may follow each other."""
    try:
        from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
        from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
        from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
    except ImportError:
        raise missing_extra("otlp", "OTLP in protobuf") from None
    messages: dict[str, Any] = {"traces": TracesData, "logs": LogsData, "metrics": MetricsData}
    return lambda body: messages[body.signal](**_fields(body.content)).SerializeToString()


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    return {_snake(name): _field(name, inner) for name, inner in value.items()}


def _field(name: str, value: Any) -> Any:
    """A member's value as its protobuf message takes it."""
    if isinstance(value, dict):
        return _fields(value)
    if isinstance(value, list):
        return [_field(name, one) for one in value]
    if name in _IDS:
        return bytes.fromhex(value)
    if name in _INTEGERS:
        return int(value)
    if name == "bytesValue":
        return base64.b64decode(value)
    return float(value) if name in _DOUBLES else value


def _snake(name: str) -> str:
    found = _snake_names.get(name)
    if found is None:
        found = _snake_names[name] = re.sub("([A-Z])", r"_\1", name).lower()
    return found
