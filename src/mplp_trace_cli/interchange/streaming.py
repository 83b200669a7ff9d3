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
GROUP_BYTES = 4 << 20


def groups(descriptor: int, name: str) -> Iterator[Chunk]:
    """Chunks of whole lines from an open file descriptor, none held back longer than GROUP_SECONDS."""
    reader = _Reader(descriptor)
    number, offset, rest = 1, 0, b""
    while not reader.ended:
        rest += reader.some(GROUP_BYTES)
        if offset == 0 and number == 1 and rest:
            mark = len(rest)
            rest = without_bom(rest, name)
            offset += mark - len(rest)
        cut = len(rest) if reader.ended else rest.rfind(b"\n") + 1
        if cut:
            yield Chunk(number, offset, rest[:cut])
            number, offset = number + rest.count(b"\n", 0, cut), offset + cut
        rest = rest[cut:]
        if len(rest) > MAX_LINE_BYTES:
            skipped, after = reader.to_line_end()
            yield Chunk(number, offset, rest, skipped)
            number, offset, rest = number + 1, offset + len(rest) + skipped, after


class _Reader:
    """Reads what is there, waiting a moment for more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.ended = False
        widen(descriptor)

    def some(self, most: int) -> bytes:
        """What arrives until `most` bytes are there or GROUP_SECONDS after the first of them."""
        parts = [self._read()]
        size = len(parts[0])
        deadline = time.monotonic() + GROUP_SECONDS
        while not self.ended and size < most:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._descriptor], [], [], left)[0]:
                break
            parts.append(self._read())
            size += len(parts[-1])
        return b"".join(parts)

    def _read(self) -> bytes:
        data = os.read(self._descriptor, CHUNK_BYTES)
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
