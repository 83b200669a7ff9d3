"""A stream of JSON lines as groups, each durable soon after its first line arrived."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

from mplp_trace_cli.interchange.pipes import widen
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, MAX_LINE_BYTES, Chunk, without_bom

GROUP_SECONDS = 0.1
"""How long a line waits for others: half of the 200 ms within which it is durable."""
GROUP_BYTES = 512 << 10
GROUP_LINES = 2_000
"""How much is one transaction, of usual lines and of the shortest: what the slowest take 200 ms for."""


def groups(descriptor: int, name: str, stop: int | None = None) -> Iterator[Chunk]:
    """Chunks of whole lines from an open file descriptor, none held back longer than GROUP_SECONDS.

    When there is something to read from `stop`, what was read so far ends it, without a line cut short.
    """
    reader = _Reader(descriptor, stop)
    number, offset, rest = 1, 0, b""
    while not reader.ended:
        rest += reader.some(GROUP_BYTES)
        if offset == 0 and number == 1 and rest:
            mark = len(rest)
            rest = without_bom(rest, name)
            offset += mark - len(rest)
        cut = len(rest) if reader.ended and not reader.stopped else rest.rfind(b"\n") + 1
        if cut:
            for lines in _pieces(rest[:cut]):
                yield Chunk(number, offset, lines)
                number, offset = number + lines.count(b"\n"), offset + len(lines)
        rest = rest[cut:]
        if len(rest) > MAX_LINE_BYTES:
            skipped, after = reader.to_line_end()
            yield Chunk(number, offset, rest, skipped)
            number, offset, rest = number + 1, offset + len(rest) + skipped, after


def _pieces(data: bytes) -> Iterator[bytes]:
    """Whole lines in pieces of about GROUP_LINES."""
    size = len(data) // (data.count(b"\n") // GROUP_LINES + 1) + 1
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + size - 1) + 1 or len(data)
        yield data[start:end]
        start = end


class _Reader:
    """Reads what is there, waiting a moment for more."""

    def __init__(self, descriptor: int, stop: int | None) -> None:
        self._descriptor = descriptor
        self._awaited = [descriptor] if stop is None else [descriptor, stop]
        self._stop = stop
        self.ended = False
        self.stopped = False
        """True when it was told to end, which is not the end of the last line."""
        widen(descriptor)

    def some(self, most: int) -> bytes:
        """What arrives until `most` bytes are there or GROUP_SECONDS after the first of them."""
        parts = [self._read(most)]
        size = len(parts[0])
        deadline = time.monotonic() + GROUP_SECONDS
        while not self.ended and size < most:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select(self._awaited, [], [], left)[0]:
                break
            parts.append(self._read(most - size))
            size += len(parts[-1])
        return b"".join(parts)

    def _read(self, most: int = CHUNK_BYTES) -> bytes:
        self.stopped = self._stop in select.select(self._awaited, [], [])[0]
        data = b"" if self.stopped else os.read(self._descriptor, most)
        self.ended = not data
        return data

    def to_line_end(self) -> tuple[int, bytes]:
        """Skips the rest of a line; how many bytes it was, and what came after it."""
        skipped = 0
        while data := self._read():
            end = data.find(b"\n") + 1
            if end:
                return skipped + end, data[end:]
            skipped += len(data)
        return skipped, b""
