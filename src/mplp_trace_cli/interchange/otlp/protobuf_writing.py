"""A body of OTLP's JSON form as the bytes of its protobuf form; needs the packages of the extra `otlp`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.interchange.otlp.batches import Body

_IDS = frozenset(("traceId", "spanId", "parentSpanId"))
_BITS_32 = range(-(1 << 31), 1 << 31)
_BITS_64 = range(-(1 << 63), 1 << 63)
_UNSIGNED_32 = range(1 << 32)
_UNSIGNED_64 = range(1 << 64)

Convert = Callable[[Any], Any]


class Serializer:
    """Turns bodies into bytes; those of bodies of one signal may follow each other."""

    def __init__(self) -> None:
        """Raises MissingExtra."""
        try:
            from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
            from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
            from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
        except ImportError:
            raise missing_extra("otlp", "OTLP in protobuf") from None
        self._messages: dict[str, Any] = {"traces": TracesData, "logs": LogsData, "metrics": MetricsData}
        self._fields: dict[str, dict[str, tuple[str, Convert]]] = {}
        self.unknown = 0
        """Members that the messages have no field for, which were left out."""

    def serialized(self, body: Body) -> bytes:
        """The bytes of a body."""
        message = self._messages[body.signal]
        written: bytes = message(**self._values(body.content, message.DESCRIPTOR)).SerializeToString()
        return written

    def _values(self, said: dict[str, Any], descriptor: Any) -> dict[str, Any]:
        """The members of an object as the fields of its message."""
        fields = self._fields.get(descriptor.full_name) or self._known(descriptor)
        values = {}
        for name, value in said.items():
            try:
                field, convert = fields[name]
                values[field] = convert(value)
            except (LookupError, TypeError, ValueError, OverflowError, AttributeError):
                self.unknown += 1
        return values

    def _known(self, descriptor: Any) -> dict[str, tuple[str, Convert]]:
        fields = {field.camelcase_name: (field.name, self._of_field(field)) for field in descriptor.fields}
        self._fields[descriptor.full_name] = fields
        return fields

    def _of_field(self, field: Any) -> Convert:
        convert = self._converter(field)
        is_repeated = isinstance(field.default_value, list)
        return _list_of(convert) if is_repeated else convert

    def _converter(self, field: Any) -> Convert:
        if field.message_type is not None:
            inner = field.message_type
            return lambda value: self._values(value, inner)
        if field.type == field.TYPE_BYTES:
            return bytes.fromhex if field.camelcase_name in _IDS else base64.b64decode
        if field.type in (field.TYPE_STRING, field.TYPE_BOOL):
            return _checked(str if field.type == field.TYPE_STRING else bool)
        if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
            return float
        return _integers_of(_range_of(field))


def _list_of(convert: Convert) -> Convert:
    def all_of(values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise TypeError(values)
        return list(map(convert, values))

    return all_of


def _checked(kind: type) -> Convert:
    def same(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(value)
        return value

    return same


def _range_of(field: Any) -> range:
    if field.type in (field.TYPE_INT64, field.TYPE_SFIXED64, field.TYPE_SINT64):
        return _BITS_64
    if field.type in (field.TYPE_UINT64, field.TYPE_FIXED64):
        return _UNSIGNED_64
    return _UNSIGNED_32 if field.type in (field.TYPE_UINT32, field.TYPE_FIXED32) else _BITS_32


def _integers_of(allowed: range) -> Convert:
    def integer(value: Any) -> int:
        found = int(value)
        if found not in allowed:
            raise OverflowError(found)
        return found

    return integer
