"""OTLP for tests: bodies in JSON as messages of opentelemetry-proto, and what an import makes of either."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.interchange.decoding.rows import whole
from mplp_trace_cli.interchange.decoding.translating import Translated
from mplp_trace_cli.interchange.otlp.json_reading import JsonTranslator
from mplp_trace_cli.interchange.otlp.protobuf_reading import ProtobufTranslator

Json = dict[str, Any]
MESSAGES: dict[str, Any] = {
    "resourceSpans": TracesData,
    "resourceLogs": LogsData,
    "resourceMetrics": MetricsData,
}
IDS = ("traceId", "spanId", "parentSpanId")


def encoded(body: Json) -> bytes:
    """A body of OTLP/JSON in protobuf."""
    (name,) = body
    message = ParseDict(with_base64_ids(body), MESSAGES[name]())
    data: bytes = message.SerializeToString()
    return data


def framed(bodies: Iterable[bytes]) -> bytes:
    """Bodies as the collector's file exporter writes them, each after its length."""
    return b"".join(struct.pack(">I", len(body)) + body for body in bodies)


def json_line(body: Json) -> bytes:
    """A body as a line."""
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def from_json(*bodies: Json | bytes) -> Translated:
    """What comes of bodies of OTLP/JSON."""
    lines = [one if isinstance(one, bytes) else json_line(one) for one in bodies]
    return JsonTranslator().translate(b"".join(lines))


def from_protobuf(*bodies: bytes) -> Translated:
    """What comes of request bodies in protobuf."""
    return ProtobufTranslator("file").translate(b"".join(bodies))


def rows_of(translated: Translated) -> list[EventRow]:
    """The events of a translation, which has nothing else."""
    assert translated.faults == []
    assert translated.lines == b""
    assert translated.events is not None
    return list(map(whole, translated.events.rows))


def with_base64_ids(body: Json) -> Json:
    """A body with its ids as older senders write them."""
    changed: Json = _each_id(body, lambda value: _base64(bytes.fromhex(value)))
    return changed


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _each_id(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_each_id(one, change) for one in value]
    if isinstance(value, dict):
        return {
            key: change(one) if key in IDS and isinstance(one, str) else _each_id(one, change)
            for key, one in value.items()
        }
    return value
