"""The wire format of protobuf, as far as it takes to cut request bodies into pieces and tell their signals.

The three kinds of request are built alike, so that one walk does for all: field 1 holds elements, each with
its resource (1), its scopes (2) and a schema URL (3); each scope has itself (1), its records (2) and a schema
URL (3). Source: https://protobuf.dev/programming-guides/encoding/ and opentelemetry-proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mplp_trace_cli.domain.errors import BrokenFile

VARINT, I64, LEN, I32 = 0, 1, 2, 5
ELEMENT = 0x0A
"""The tag of field 1 with a length: what a request is a sequence of."""
_SCOPES = 0x12
"""The tag of field 2 with a length: scopes in an element, records in a scope."""
_MOST_VARINT = 10
_SNIFFED_RECORDS = 20
_FIRST = 64
_TAB = 0x09
"""Text has no byte below it; a message soon has one."""

Buffer = memoryview


class WireFault(ValueError):
    """Bytes that are not what they should be; `is_short` when more of them might be."""

    def __init__(self, reason: str, *, is_short: bool = False) -> None:
        super().__init__(reason)
        self.is_short = is_short


class Field(NamedTuple):
    """A field of a message: its number and type, where it begins, its value and its end."""

    number: int
    wire_type: int
    start: int
    value: int
    end: int


def fields(data: Buffer, at: int, end: int) -> Iterator[Field]:
    """The fields between two places; raises WireFault."""
    while at < end:
        start = at
        tag, at = varint(data, at, end)
        value = at
        wire_type = tag & 7
        if wire_type == LEN:
            size, value = varint(data, at, end)
            at = value + size
        elif wire_type == VARINT:
            _, at = varint(data, at, end)
        elif wire_type in (I64, I32):
            at += 8 if wire_type == I64 else 4
        else:
            raise WireFault(f"a field of type {wire_type}")
        if tag < 8:
            raise WireFault("a field of the number 0")
        if at > end:
            yield Field(tag >> 3, wire_type, start, value, end)
            raise WireFault("it ends in the middle of a field", is_short=True)
        yield Field(tag >> 3, wire_type, start, value, at)


def varint(data: Buffer | bytes, at: int, end: int) -> tuple[int, int]:
    """The number at a place and where it ends; raises WireFault."""
    number = shift = 0
    for place in range(at, min(at + _MOST_VARINT, end)):
        byte = data[place]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + 1
        shift += 7
    raise WireFault("it ends in the middle of a number", is_short=at + _MOST_VARINT > end)


def with_length(tag: int, parts: list[bytes | Buffer]) -> bytes:
    """A field of these bytes."""
    size = sum(map(len, parts))
    head = bytearray((tag,))
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return b"".join((head, *parts))


# -- splitting ---------------------------------------------------------------------------------------


def split_element(element: Buffer, most: int) -> Iterator[bytes]:
    """A large element as several of about `most` bytes, each with its tag, its resource and its scope."""
    around, scopes = _parted(element)
    most = max(most, sum(map(len, around)))  # else what every piece repeats would be most of each
    parts: list[bytes | Buffer] = []
    size = 0
    for scope in scopes:
        for part in _split_scope(scope, most):
            if size and size + len(part) > most:
                yield with_length(ELEMENT, [*around, *parts])
                parts, size = [], 0
            parts.append(part)
            size += len(part)
    if parts or not scopes:
        yield with_length(ELEMENT, [*around, *parts])


def _split_scope(scope: Buffer, most: int) -> Iterator[bytes]:
    if len(scope) <= most:
        yield with_length(_SCOPES, [scope])
        return
    around, records = _parted(scope)
    most = max(most, sum(map(len, around)))
    parts: list[bytes | Buffer] = []
    size = 0
    for record in records:
        if size and size + len(record) > most:
            yield with_length(_SCOPES, [*around, *parts])
            parts, size = [], 0
        parts.append(with_length(_SCOPES, [record]))
        size += len(record)
    yield with_length(_SCOPES, [*around, *parts])


def _parted(message: Buffer) -> tuple[list[bytes | Buffer], list[Buffer]]:
    """The fields that every piece repeats, and the values of those that are dealt out."""
    around: list[bytes | Buffer] = []
    dealt: list[Buffer] = []
    for field in fields(message, 0, len(message)):
        if (field.number, field.wire_type) == (2, LEN):
            dealt.append(message[field.value : field.end])
        else:
            around.append(message[field.start : field.end])
    return around, dealt


# -- signals -----------------------------------------------------------------------------------------


class _Shape(NamedTuple):
    """The fields of a record by number, and those of which one must be there to be sure."""

    fields: dict[int, int]
    certain: frozenset[tuple[int, int]]


_ID_BYTES = 16
SPANS, LOGS, METRICS = "spans", "logs", "metrics"
_SHAPES = {
    SPANS: _Shape(
        {
            **dict.fromkeys((1, 2, 3, 4, 5, 9, 11, 13, 15), LEN),
            **dict.fromkeys((6, 10, 12, 14), VARINT),
            7: I64,
            8: I64,
            16: I32,
        },
        frozenset(((6, VARINT), (7, I64), (8, I64), (16, I32))),
    ),
    LOGS: _Shape(
        {
            **dict.fromkeys((3, 5, 6, 9, 10, 12), LEN),
            1: I64,
            2: VARINT,
            7: VARINT,
            8: I32,
            11: I64,
        },
        frozenset(((1, I64), (11, I64), (2, VARINT), (8, I32))),
    ),
    METRICS: _Shape(
        dict.fromkeys((1, 2, 3, 5, 7, 9, 10, 11, 12), LEN),
        frozenset(((1, LEN),)),
    ),
}


def signal_of(element: Buffer) -> str | None:
    """What the records of an element are; None when it has none. Raises WireFault for anything else.

    Told by the types of their fields; fields of other numbers are those of newer versions. What says next
    to nothing is a log record: a span has its ids, a metric its name.
    """
    fitting = [LOGS, SPANS, METRICS]
    seen: set[tuple[int, int]] = set()
    records = 0
    for record in _records(element):
        found = {(field.number, field.wire_type) for field in fields(record, 0, len(record))}
        fitting = [one for one in fitting if _fits(found, _SHAPES[one])]
        if METRICS in fitting and not _has_text_first(record):
            fitting.remove(METRICS)
        seen |= found
        records += 1
        if len(fitting) <= 1 or records == _SNIFFED_RECORDS:
            break
    if records and not fitting:
        raise WireFault("neither spans, log records nor metrics")
    sure = [one for one in fitting if seen & _SHAPES[one].certain]
    return (sure or fitting)[0] if records else None


def _fits(found: set[tuple[int, int]], shape: _Shape) -> bool:
    return all(shape.fields.get(number, wire_type) == wire_type for number, wire_type in found)


def _has_text_first(record: Buffer) -> bool:
    """True unless field 1 is there and no text: a metric's name is one, the id of a trace hardly ever."""
    first = [record[field.value : field.end] for field in fields(record, 0, len(record)) if field.number == 1]
    try:
        return all(str(one, "utf-8").isprintable() or len(one) != _ID_BYTES for one in first)
    except UnicodeDecodeError:
        return False


def _records(element: Buffer) -> Iterator[Buffer]:
    for scope in _nested(element):
        yield from _nested(scope)


def _nested(message: Buffer) -> Iterator[Buffer]:
    """The messages in field 2; raises WireFault when the others are not those of an element or a scope."""
    for field in fields(message, 0, len(message)):
        if field.number <= 3 and field.wire_type != LEN:
            raise WireFault(f"field {field.number} is no message")
        if field.number == 2:
            yield message[field.value : field.end]


def begins_a_request(head: bytes) -> bool:
    """True for bytes that begin a request of spans, log records or metrics; they may be cut anywhere."""
    data = memoryview(head)
    last = 0
    try:
        for field in fields(data, 0, len(data)):
            if (field.number, field.wire_type) != (1, LEN):
                return False
            last = field.end
            if signal_of(data[field.value : field.end]) is not None:
                return True
    except WireFault as fault:
        return fault.is_short and last == len(data) and min(head[:_FIRST], default=0x20) < _TAB
    return False


def broken(name: str, fault: WireFault | str) -> BrokenFile:
    """The error of a file that is no protobuf of OTLP."""
    return BrokenFile(f"{name} is not OTLP in protobuf: {fault}")
