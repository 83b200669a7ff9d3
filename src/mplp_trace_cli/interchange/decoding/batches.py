"""What a piece of input becomes: its events as one Arrow batch, all else as lines; in this process.

A piece is lines of ours, or what a translator made of a piece of a foreign format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from mplp_trace_cli.domain.event_row import EventRules
from mplp_trace_cli.domain.ids import IdPool
from mplp_trace_cli.domain.lines import LineRules
from mplp_trace_cli.interchange.decoding.lines import Columns, LineDecoder
from mplp_trace_cli.interchange.decoding.rows import checked_rows, with_lines
from mplp_trace_cli.interchange.decoding.translating import Events, Translated
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.storage.groups import Line

_PART_BYTES = 1 << 18
"""Lines whose values are put into columns at once: while these are still near to the processor."""
_TEXT = pa.string()
SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("event_id", _TEXT),
        ("trace_id", _TEXT),
        ("event_type", _TEXT),
        ("level", _TEXT),
        ("message", _TEXT),
        ("data", _TEXT),
        ("timestamp", pa.int64()),
        ("duration_ms", pa.float64()),
        ("parent_event_id", _TEXT),
        ("source", _TEXT),
    ]
)
PARTED = SCHEMA.append(pa.field("data_end", pa.dictionary(pa.int32(), _TEXT)))
"""Of events whose data is cut in two, as many have the same end."""


@dataclass(frozen=True)
class DecodingRules:
    """The rules of lines as plain values, so that they can be sent to another process."""

    now: int
    max_event_bytes: int
    default_level: str
    validate_standard_events: bool

    def line_rules(self) -> LineRules:
        """The same as rules of lines."""
        event = EventRules(
            clock=lambda: self.now,
            new_id=IdPool(),
            max_event_bytes=self.max_event_bytes,
            default_level=self.default_level,
            validate_standard_events=self.validate_standard_events,
        )
        return LineRules(event)


class Decoded(NamedTuple):
    """A chunk and what was in it: events as an Arrow batch (with their line number), all else as lines."""

    chunk: Chunk
    events: pa.RecordBatch
    others: list[Line]
    is_certain: bool = False
    """True when no trace of these events can come later in the file: none has to wait for one."""


def decode_chunk(decoder: LineDecoder, chunk: Chunk) -> Decoded:
    """What is in a chunk of lines of ours."""
    batches, others = list[pa.RecordBatch](), list[Line]()
    for found in decoder.parts(chunk, _PART_BYTES):
        batches.append(_batch(found))
        others += found.others
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches() or batches[:1]
    return Decoded(chunk, batch, others)


def _batch(found: Columns) -> pa.RecordBatch:
    columns = (found.numbers, *found.events)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def decode_translation(decoder: LineDecoder, offset: int, translated: Translated) -> Decoded:
    """What is in a translation, numbered from 0; its piece began at `offset`."""
    found = decode_chunk(decoder, Chunk(0, offset, translated.lines, is_made=True))
    if translated.events is not None:
        found = _with_rows(decoder, translated.events, found)
    others = [line._replace(offset=offset) for line in found.others]
    faults = [Line(fault.line, offset, fault.raw, None, reason=fault.reason) for fault in translated.faults]
    return found._replace(others=sorted([*others, *faults]))


def _with_rows(decoder: LineDecoder, given: Events, read: Decoded) -> Decoded:
    """The events that were given as rows, and what was read of the lines beside them."""
    rows, bad = checked_rows(given, decoder.rules.event, PARTED)
    places = given.line_places
    others = [line._replace(number=places[line.number]) for line in read.others]
    if read.events.num_rows:
        rows = with_lines(rows, read.events, places)
    # Nothing of a row is asked for later but its number.
    return Decoded(read.chunk._replace(data=b"\n" * given.lines), rows, others + bad)
