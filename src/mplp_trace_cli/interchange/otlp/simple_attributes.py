"""Attributes that are plain texts, integers or doubles, from their bytes straight to members of JSON text.

Most attributes that were not read before are such ones, with a key that was: what is known of a key is
remembered. For an attribute of any other kind, or written in another way than most senders do, there is no
member here; whoever asks then reads it as a whole.
"""

from __future__ import annotations

import struct
from math import isfinite

from mplp_trace_cli.interchange.otlp.values import quoted

Member = tuple[str, str]
"""The key of an attribute, and the JSON text of it as a member of an object."""

MOST_KEYS = 1_000
"""Keys that are remembered; others are read anew each time."""

_KEY, _MOST_VARINT = 0x0A, 0x7F
_TEXTS = {size + 4: bytes((0x12, size + 2, 0x0A, size)) for size in range(126)}
_INTEGERS = {size + 3: bytes((0x12, size + 1, 0x18)) for size in range(1, 10)}
"""The bytes of a value before a text, and before an integer from 0 on, by how many there are in all."""
_DOUBLE, _DOUBLE_SIZE = b"\x12\x09\x21", 11
_double = struct.Struct("<d").unpack_from


class ProtobufMembers(dict[bytes, Member]):
    """The members of attributes in protobuf; keeps each key and the text before its value by their bytes."""

    def member(self, raw: bytes) -> Member | None:
        """The member of a simple KeyValue, else None."""
        if len(raw) < 2 or raw[0] != _KEY or raw[1] > _MOST_VARINT:
            return None
        at = raw[1] + 2
        size = len(raw) - at
        try:
            key, before = self[raw[:at]]
            if raw[at : at + 4] == _TEXTS.get(size):
                return key, before + quoted(raw[at + 4 :].decode())
        except UnicodeDecodeError:
            return None
        number = _number(raw[at:], size)
        return None if number is None else (key, before + number)

    def __missing__(self, raw: bytes) -> Member:
        key = raw[2:].decode()
        found = key, f"{quoted(key)}:"
        if len(self) < MOST_KEYS:
            self[raw] = found
        return found


def _number(value: bytes, size: int) -> str | None:
    """The text of a value that is an integer or a finite double."""
    kind = value[:3]
    if kind == _INTEGERS.get(size):
        if value[-1] > _MOST_VARINT or min(value[3:-1], default=0x80) <= _MOST_VARINT:
            return None
        number = 0
        for byte in value[:2:-1]:
            number = number << 7 | byte & 0x7F
        return str(number)
    if kind != _DOUBLE or size != _DOUBLE_SIZE:
        return None
    (double,) = _double(value, 3)
    return repr(double) if isfinite(double) else None


_HEAD, _MIDDLE, _VALUE = b'{"key":"', b'","value":{"', b'Value":'
_MOST_DIGITS = 18
_QUOTES = 7
"""Of all before `_VALUE`."""


class JsonMembers(dict[bytes, tuple[str, str, bytes]]):
    """The members of attributes in OTLP/JSON; keeps each key, the text before its value, and its kind."""

    def member(self, raw: bytes) -> Member | None:
        """The member of a simple KeyValue, else None."""
        head, _, value = raw.partition(_VALUE)
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
        key, middle, kind = head[len(_HEAD) :].partition(_MIDDLE)
        is_simple = head.startswith(_HEAD) and middle and head.count(b'"') == _QUOTES and b"\\" not in head
        if not is_simple:
            return "", "", b""
        name = key.decode()
        found = name, f'"{name}":', kind
        if len(self) < MOST_KEYS:
            self[head] = found
        return found
