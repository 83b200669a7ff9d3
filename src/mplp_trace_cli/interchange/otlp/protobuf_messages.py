"""The messages of opentelemetry-proto as far as they are read for each record, made for speed.

The fields and their numbers are those of the protocol. But what often says the same again, attributes above
all, is declared as the bytes that it is on the wire: they are looked up among those that were read before,
and only what is new is parsed, by opentelemetry-proto.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from mplp_trace_cli.interchange.otlp.wire import LOGS, METRICS, SPANS

_BYTES, _TEXT, _INT32, _UINT32, _FIXED32, _FIXED64, _MESSAGE = 12, 9, 5, 13, 7, 6, 11
_PACKAGE = "mplp_trace.otlp"
_EVENT = (
    ("time_unix_nano", 1, _FIXED64),
    ("name", 2, _TEXT),
    ("attributes", 3, [_BYTES]),
    ("dropped_attributes_count", 4, _UINT32),
)
_SPAN = (
    ("trace_id", 1, _BYTES),
    ("span_id", 2, _BYTES),
    ("trace_state", 3, _TEXT),
    ("parent_span_id", 4, _BYTES),
    ("flags", 16, _FIXED32),
    ("name", 5, _TEXT),
    ("kind", 6, _INT32),
    ("start_time_unix_nano", 7, _FIXED64),
    ("end_time_unix_nano", 8, _FIXED64),
    ("attributes", 9, [_BYTES]),
    ("dropped_attributes_count", 10, _UINT32),
    ("events", 11, ["Event"]),
    ("dropped_events_count", 12, _UINT32),
    ("links", 13, [_BYTES]),
    ("dropped_links_count", 14, _UINT32),
    ("status", 15, _BYTES),
)
_LOG = (
    ("time_unix_nano", 1, _FIXED64),
    ("observed_time_unix_nano", 11, _FIXED64),
    ("severity_number", 2, _INT32),
    ("severity_text", 3, _TEXT),
    ("body", 5, [_BYTES]),
    ("attributes", 6, [_BYTES]),
    ("dropped_attributes_count", 7, _UINT32),
    ("flags", 8, _FIXED32),
    ("trace_id", 9, _BYTES),
    ("span_id", 10, _BYTES),
    ("event_name", 12, _TEXT),
)


def _scope(records: list[Any]) -> tuple[tuple[str, int, Any], ...]:
    return (("scope", 1, _BYTES), ("records", 2, records), ("schema_url", 3, _TEXT))


def _element(scope: str) -> tuple[tuple[str, int, Any], ...]:
    return (("resource", 1, _BYTES), ("scopes", 2, [scope]), ("schema_url", 3, _TEXT))


_MESSAGES = {
    "Request": (("elements", 1, [_BYTES]),),
    "Event": _EVENT,
    "Span": _SPAN,
    "Log": _LOG,
    "Spans": _scope(["Span"]),
    "Logs": _scope(["Log"]),
    "Metrics": _scope([_BYTES]),
    "SpansElement": _element("Spans"),
    "LogsElement": _element("Logs"),
    "MetricsElement": _element("Metrics"),
}


def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="mplp_trace_otlp.proto", package=_PACKAGE, syntax="proto3")
    for name, members in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for member, number, kind in members:
            _add_field(message, member, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: Any) -> None:
    """Adds a field; a list of one kind is a repeated field, and a text the name of a message."""
    repeated = isinstance(kind, list)
    kind = kind[0] if repeated else kind
    field = message.field.add(name=name, number=number)
    field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED if repeated else _OPTIONAL
    if isinstance(kind, str):
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = kind


_OPTIONAL = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
_POOL = _pool()


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Request = _message("Request")
ELEMENTS = {
    SPANS: _message("SpansElement"),
    LOGS: _message("LogsElement"),
    METRICS: _message("MetricsElement"),
}
