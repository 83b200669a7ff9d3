"""Attributes that are plain texts, integers or doubles, from their bytes straight to members of JSON text.

Most attributes that were not read before are such ones, with a key that was: what is known of a key is
remembered. For an attribute of any other kind, or written in another way than most senders do, there is no
member here; whoever asks then reads it as a whole.
"""

from __future__ import annotations

import struct
from math import isfinite
from typing import NamedTuple

from mplp_trace_cli.interchange.otlp.values import quoted

Member = tuple[str, str]
"""The key of an attribute, and the JSON text of it as a member of an object."""

MOST_HEADS = 10_000
"""Ways in which an attribute begins that are remembered; others are read anew each time."""

_KEY, _VALUE, _TEXT, _INTEGER, _DOUBLE = 0x0A, 0x12, 0x0A, 0x18, 0x21
"""Tags of a KeyValue, and of the value in it."""
_MOST_VARINT = 0x7F
_CONTINUED = (0, 0, 0x80, 0x8080)
"""Those of the highest bits that are set in a varint of so many bytes."""
_MOST_INTEGER_BYTES = 9
"""Of those that are not negative."""
_double = struct.Struct("<d").unpack_from


class _Head(NamedTuple):
    """What the bytes of a KeyValue before the value itself say; `size` is that of the whole."""

    key: str
    before: str
    kind: int
    start: int
    size: int


_NO_HEAD = _Head("", "", 0, 0, 0)


class ProtobufMembers(dict[bytes, _Head]):
    """The members of attributes in protobuf; keeps what their first bytes say."""

    def member(self, raw: bytes) -> Member | None:
        """The member of a simple KeyValue, else None."""
        try:
            key, before, kind, start, size = self[raw[: raw[1] + 5]]
            if len(raw) != size:
                return None
            if kind == _TEXT:
                return (
                    (key, before + quoted(raw[start + 1 :].decode()))
                    if raw[start] == size - start - 1
                    else None
                )
        except (IndexError, UnicodeDecodeError):
            return None
        number = _integer(raw[start:]) if kind == _INTEGER else _finite(raw, start)
        return None if number is None else (key, before + number)

    def __missing__(self, head: bytes) -> _Head:
        at = len(head) - 3
        if head[0] != _KEY or head[1] != at - 2 or head[1] > _MOST_VARINT or head[at] != _VALUE:
            return _NO_HEAD
        key, inner, kind = head[2:at].decode(), head[at + 1], head[at + 2]
        sizes = {_TEXT: range(2, 128), _INTEGER: range(2, 2 + _MOST_INTEGER_BYTES), _DOUBLE: (9,)}
        if inner not in sizes.get(kind, ()):
            return _NO_HEAD
        found = _Head(key, f"{quoted(key)}:", kind, at + 3, at + 2 + inner)
        if len(self) < MOST_HEADS:
            self[head] = found
        return found


def _integer(value: bytes) -> str | None:
    """The text of a varint that is not negative; None for bytes that are something else too."""
    if len(value) < len(_CONTINUED):
        bits = int.from_bytes(value, "little")
        is_one = bits & 0x808080 == _CONTINUED[len(value)]
        return str(bits & 0x7F | bits >> 1 & 0x3F80 | bits >> 2 & 0x1FC000) if is_one else None
    number = 0
    for byte in reversed(value):
        number = number << 7 | byte & 0x7F
    is_one = value[-1] <= _MOST_VARINT and min(value[:-1], default=0x80) > _MOST_VARINT
    return str(number) if is_one else None


def _finite(raw: bytes, start: int) -> str | None:
    (double,) = _double(raw, start)
    return repr(double) if isfinite(double) else None


_JSON_HEAD, _JSON_MIDDLE, _JSON_VALUE = b'{"key":"', b'","value":{"', b'Value":'
_MOST_DIGITS = 18
_QUOTES = 7
"""Of all before `_JSON_VALUE`."""


class JsonMembers(dict[bytes, tuple[str, str, bytes]]):
    """The members of attributes in OTLP/JSON; keeps each key, the text before its value, and its kind."""

    def member(self, raw: bytes) -> Member | None:
        """The member of a simple KeyValue, else None."""
        head, _, value = raw.partition(_JSON_VALUE)
        key, before, kind = self[head]
        if kind == b"string":
            if value[:1] != b'"' or value[-3:] != b'"}}' or value.count(b'"') != 2 or b"\\" in value:
                return None
            return key, before + value[:-2].decode()
        if kind == b"int":
            number = value[1:-3]
            if value[:1] != b'"' or value[-3:] != b'"}}' or not number.isdigit():
                return None
            if len(number) > _MOST_DIGITS or number[:1] == b"0" != number:
                return None
            return key, before + number.decode()
        return self._double(key, before, value) if kind == b"double" else None

    def _double(self, key: str, before: str, value: bytes) -> Member | None:
        if value[-2:] != b"}}":
            return None
        try:
            double = float(value[:-2])
        except ValueError:
            return None
        return (key, before + repr(double)) if isfinite(double) else None

    def __missing__(self, head: bytes) -> tuple[str, str, bytes]:
        key, middle, kind = head[len(_JSON_HEAD) :].partition(_JSON_MIDDLE)
        is_simple = (
            head.startswith(_JSON_HEAD) and middle and head.count(b'"') == _QUOTES and b"\\" not in head
        )
        if not is_simple:
            return "", "", b""
        name = key.decode()
        found = name, f'"{name}":', kind
        if len(self) < MOST_HEADS:
            self[head] = found
        return found
