"""JSON lines as an input: the format of our own, and what a file is taken for that is nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, chunks, without_bom

RECORD_KEYS = ("event_type", "kind")
"""Keys that stand at the top of a line of our own, and of no document of another format."""
PARALLEL_FROM_BYTES = 2 * CHUNK_BYTES


def looks_like(_head: bytes, _path: str) -> bool:
    """True for every file."""
    return True


def is_large(opened: Opened) -> bool:
    """True for a file that is worth two processes."""
    size = opened.source.size
    return len(opened.head) >= CHUNK_BYTES and (size is None or size > PARALLEL_FROM_BYTES)


def _read(opened: Opened) -> Iterator[Decoded]:
    head = without_bom(opened.head, opened.source.name)
    pieces = chunks(opened.stream, head, len(opened.head) - len(head))
    return decoded(pieces, opened.rules, parallel=is_large(opened))


FORMAT = InputFormat(_read)
