"""Decoding chunks in order: in this process for a little, in two worker processes for a lot.

A chunk is lines of ours, or a piece of a foreign format, which a translator turns into such lines first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from mplp_trace_cli.interchange.decoding.batches import (
    Decoded,
    DecodingRules,
    decode_chunk,
    decode_translation,
)
from mplp_trace_cli.interchange.decoding.lines import LineDecoder
from mplp_trace_cli.interchange.decoding.translating import Translated, Translator
from mplp_trace_cli.interchange.decoding.workers import in_workers
from mplp_trace_cli.interchange.sources import Chunk


def decoded(
    chunks: Iterable[Chunk],
    rules: DecodingRules,
    translator: Translator | None = None,
    *,
    parallel: bool,
    first: int = 1,
) -> Iterator[Decoded]:
    """Decodes chunks, in their order; pieces of a foreign format are translated on the way.

    What comes of a translator's chunk are its lines, numbered on from those before, the first `first`.
    """
    if translator is not None:
        yield from _numbered(_translated(chunks, rules, translator, parallel), first)
    elif parallel:
        yield from in_workers(chunks, rules, None)
    else:
        decoder = LineDecoder(rules.line_rules())
        for chunk in chunks:
            yield decode_chunk(decoder, chunk)


def decode_translated(
    pieces: Iterable[Translated], rules: DecodingRules, first: int = 1
) -> Iterator[Decoded]:
    """Decodes what was translated in this process; the first line has the number `first`."""
    decoder = LineDecoder(rules.line_rules())
    yield from _numbered((decode_translation(decoder, 0, piece) for piece in pieces), first)


def _translated(
    chunks: Iterable[Chunk], rules: DecodingRules, translator: Translator, parallel: bool
) -> Iterator[Decoded]:
    if parallel:
        yield from in_workers(chunks, rules, translator)
        return
    decoder = LineDecoder(rules.line_rules())
    for chunk in chunks:
        yield decode_translation(decoder, chunk.offset, translator.translate(chunk.data))


def _numbered(pieces: Iterable[Decoded], first: int = 1) -> Iterator[Decoded]:
    import pyarrow.compute as pc  # 40 ms, which no worker needs to begin, and our own lines not at all

    number = first
    for chunk, events, others, _ in pieces:
        shifted = pc.add(events.column("number"), number)
        moved = pa.RecordBatch.from_arrays([shifted, *events.columns[1:]], schema=events.schema)
        lines = [line._replace(number=line.number + number) for line in others]
        yield Decoded(chunk._replace(number=number), moved, lines)
        number += chunk.data.count(b"\n")
