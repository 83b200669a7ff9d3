"""Files of protobuf as pieces: request bodies one after the other, or each after its length.

A piece is a request body again: a large one is cut between its elements and, where one element has nearly
everything, between its scopes and records.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from tempfile import TemporaryFile

from mplp_trace_cli.interchange.otlp.wire import (
    ELEMENT,
    LEN,
    WireFault,
    begins_a_request,
    broken,
    split_element,
    with_length,
)
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, Chunk, Readable, first_bytes

PIECE_BYTES = 1 << 20
HELD_BYTES = 64 << 20
"""A body of more is laid on the disk while it is cut."""
_LENGTH = struct.Struct(">I")


def is_body(head: bytes) -> bool:
    """True for the first bytes of a request body."""
    return head[:1] == bytes((ELEMENT,)) and begins_a_request(head)


def is_framed(head: bytes) -> bool:
    """True for the first bytes of request bodies that come after their lengths."""
    if len(head) <= _LENGTH.size:
        return False
    (size,) = _LENGTH.unpack_from(head)
    return size > 0 and is_body(head[_LENGTH.size : _LENGTH.size + size])


def body_pieces(stream: Readable, head: bytes, name: str) -> Iterator[Chunk]:
    """The pieces of request bodies that follow each other; raises BrokenFile."""
    tape = _Tape(stream, head)
    return _pieces(_elements(tape, None), tape, name)


def framed_pieces(stream: Readable, head: bytes, name: str) -> Iterator[Chunk]:
    """The pieces of request bodies that come after their lengths; raises BrokenFile."""
    tape = _Tape(stream, head)
    return _pieces(_framed_elements(tape), tape, name)


def _pieces(elements: Iterator[bytes], tape: _Tape, name: str) -> Iterator[Chunk]:
    """Small elements together, each with its tag."""
    parts: list[bytes] = []
    size = offset = 0
    try:
        for element in elements:
            parts.append(element)
            size += len(element)
            if size >= PIECE_BYTES:
                yield Chunk(0, offset, b"".join(parts))
                parts.clear()
                size, offset = 0, tape.at
        if parts:
            yield Chunk(0, offset, b"".join(parts))
    except WireFault as fault:
        raise broken(name, fault) from None


def _framed_elements(tape: _Tape) -> Iterator[bytes]:
    while head := tape.read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise WireFault("it ends in the middle of a length")
        (size,) = _LENGTH.unpack(head)
        if size > PIECE_BYTES:
            yield from _elements(tape, tape.at + size)
        else:
            yield tape.exactly(size)


def _elements(tape: _Tape, end: int | None) -> Iterator[bytes]:
    """The elements up to a place, or to the end of the file, none of much more than a piece."""
    while end is None or tape.at < end:
        tag = tape.varint(may_end=end is None)
        if tag is None:
            return
        if tag < 8:
            raise WireFault("a field of the number 0")
        if tag != ELEMENT:
            tape.skip(tag & 7)
            continue
        size = tape.varint() or 0
        if size <= PIECE_BYTES:
            yield with_length(ELEMENT, [tape.exactly(size)])
        elif size <= HELD_BYTES:
            yield from split_element(memoryview(tape.exactly(size)), PIECE_BYTES)
        else:
            yield from _split_on_disk(tape, size)
    if end is not None and tape.at > end:
        raise WireFault("a message goes beyond the length of its body")


def _split_on_disk(tape: _Tape, size: int) -> Iterator[bytes]:
    with TemporaryFile() as file:
        for start in range(0, size, CHUNK_BYTES):
            file.write(tape.exactly(min(CHUNK_BYTES, size - start)))
        file.flush()
        # A map is closed when nothing refers to it any more, which views of parts of it do.
        yield from split_element(
            memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)), PIECE_BYTES
        )


class _Tape:
    """A stream, read in exact amounts."""

    def __init__(self, stream: Readable, head: bytes) -> None:
        self._stream = stream
        self._buffer = head
        self._next = 0
        self.at = 0
        """How many bytes were read."""

    def read(self, size: int) -> bytes:
        """So many bytes, fewer at the end."""
        end = self._next + size
        if end > len(self._buffer):
            rest = self._buffer[self._next :]
            self._buffer = rest + first_bytes(self._stream, max(CHUNK_BYTES, size - len(rest)))
            self._next, end = 0, size
        found = self._buffer[self._next : end]
        self._next += len(found)
        self.at += len(found)
        return found

    def exactly(self, size: int) -> bytes:
        """So many bytes; raises WireFault at the end."""
        found = self.read(size)
        if len(found) < size:
            raise WireFault("it ends in the middle of a message")
        return found

    def varint(self, *, may_end: bool = False) -> int | None:
        """The next number; None at the end, where there may be one."""
        number = shift = 0
        while shift < 70:
            byte = self.read(1)
            if not byte:
                if may_end and not shift:
                    return None
                raise WireFault("it ends in the middle of a number")
            number |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return number
            shift += 7
        raise WireFault("a number of more than 64 bits")

    def skip(self, wire_type: int) -> None:
        """Goes past the value of a field of a newer version."""
        if wire_type == LEN:
            left = self.varint() or 0
            while left:  # whatever length it says, no more is held than a part of it
                left -= len(self.exactly(min(left, CHUNK_BYTES)))
        elif wire_type == 0:
            self.varint()
        elif wire_type in (1, 5):
            self.exactly(8 if wire_type == 1 else 4)
        else:
            raise WireFault(f"a field of type {wire_type}")
