"""The bulk way from JSON lines to valid records: blocks of them the quick way, the doubted ones one by one.

It accepts exactly the lines that `domain.lines.read_line` accepts and gives the same rows; a property test
holds the two together.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_columns import EventColumns
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.json_text import dumps
from mplp_trace_cli.domain.lines import LineRules, read_line
from mplp_trace_cli.domain.times import MAX_INSTANT, MIN_INSTANT
from mplp_trace_cli.domain.trace import TraceStatement
from mplp_trace_cli.interchange.decoding.blocks import (
    DOUBTS,
    NO_OBJECT,
    Block,
    BlockDecoder,
    Id,
    Text,
    Zoned,
    is_odd_id,
    microseconds,
)
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.storage.groups import Line


class _TraceLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    trace_id: Id
    kind: Literal["trace"]
    context_id: Text | None = None
    execution_id: str | None = None
    trace_type: (
        Literal["workflow_execution", "module_operation", "api_request", "background_task", "custom"] | None
    ) = None
    name: Text | None = None
    description: str | None = None
    metadata: msgspec.Raw = NO_OBJECT
    tags: list[str] | None = None
    started_at: Zoned | None = None
    expires_at: Zoned | None = None
    status: Literal["active", "completed", "failed", "cancelled", "expired"] | None = None
    completed_at: Zoned | None = None


_TRACE_KEYS = tuple(b'"%s"' % name.encode() for name in _TraceLine.__struct_fields__)
_SHORT = 1_000
_BLOCK_BYTES = 1 << 17
"""Lines that are read at once: as many as a processor keeps near at hand while it looks at them."""
_PARTS = 16
"""Into so many parts a block is cut of which nothing is certain as a whole."""


class Columns(NamedTuple):
    """A decoded chunk: its events, the numbers of their lines, and the lines that are no events."""

    events: EventColumns
    numbers: Sequence[int]
    others: list[Line]
    gives_ids: bool
    """True when any event came with an id of its own."""

    def lines(self, chunk: Chunk) -> list[Line]:
        """All of the chunk in the order of its lines, each with its record or its reason."""
        raws = chunk.data.split(b"\n")
        offsets = list(_offsets(raws, chunk.offset))
        places = (number - chunk.number for number in self.numbers)
        events = [
            Line(chunk.number + place, offsets[place], raws[place], row, self.gives_ids)
            for place, row in zip(places, self.events.rows(), strict=True)
        ]
        return sorted(events + self.others)


class LineDecoder:
    """Decodes chunks of JSON lines under one set of rules."""

    def __init__(self, rules: LineRules) -> None:
        self.rules = rules
        self._blocks = BlockDecoder(rules)
        self._decode_trace = msgspec.json.Decoder(_TraceLine).decode

    def columns(self, chunk: Chunk) -> Columns:
        """The lines of a chunk that are not blank: its events in one place, all else in another."""
        (whole,) = self.parts(chunk, len(chunk.data) + 1)
        return whole

    def parts(self, chunk: Chunk, size: int) -> Iterator[Columns]:
        """The same in parts of `size` bytes of lines or little more; at least one."""
        found = _Found()
        if chunk.skipped:
            skipped = f"a line of {len(chunk.data) + chunk.skipped:,} bytes"
            found.others.append(Line(chunk.number, chunk.offset, chunk.data, None, reason=skipped))
            yield found.columns()
            return
        number, offset, end = chunk.number, chunk.offset, chunk.offset + size
        lines = io.BytesIO(chunk.data)
        while raws := lines.readlines(_BLOCK_BYTES):
            self._read_block(raws, number, offset, found)
            number, offset = number + len(raws), offset + sum(map(len, raws))
            if offset >= end:
                yield found.columns()
                found, end = _Found(), offset + size
        yield found.columns()

    def _read_block(self, raws: list[bytes], number: int, offset: int, found: _Found) -> None:
        certain = self._blocks.read(raws)
        if certain is not None:
            found.add(certain, number)
            start = 0
            for place in certain.doubted:
                offset += sum(map(len, raws[start:place]))
                start = place
                self._read_line(number + place, offset, raws[place], found)
        elif len(raws) == 1:
            self._read_line(number, offset, raws[0], found)
        else:
            size = -(-len(raws) // _PARTS)
            for start in range(0, len(raws), size):
                part = raws[start : start + size]
                self._read_block(part, number + start, offset, found)
                offset += sum(map(len, part))

    def _read_line(self, number: int, offset: int, raw: bytes, found: _Found) -> None:
        raw = raw.removesuffix(b"\n")
        try:
            record = self._trace(raw) or read_line(raw, self.rules)
        except InvalidInput as fault:
            found.others.append(Line(number, offset, raw, None, reason=fault.message))
            return
        if isinstance(record, EventRow):
            found.alone.append((number, record))
        elif record is not None:
            found.others.append(Line(number, offset, raw, record))

    def _trace(self, raw: bytes) -> TraceStatement | None:
        """What a line certainly says of a trace, else None."""
        try:
            found = self._decode_trace(raw)
            metadata = str(found.metadata, "utf-8")
        except DOUBTS:
            return None
        moments = [found.started_at, found.expires_at, found.completed_at]
        started, expires, completed = (None if one is None else microseconds(one) for one in moments)
        instants = [at for at in (started, expires, completed) if at is not None]
        if not _is_plain(raw, found, metadata) or not all(
            MIN_INSTANT <= at <= MAX_INSTANT for at in instants
        ):
            return None
        return TraceStatement(
            found.trace_id,
            found.context_id,
            found.execution_id,
            found.trace_type,
            found.name,
            found.description,
            metadata or None,
            None if found.tags is None else dumps(list(dict.fromkeys(found.tags)), "tags"),
            started,
            expires,
            found.status,
            completed,
        )


def _is_plain(raw: bytes, found: _TraceLine, metadata: str) -> bool:
    """True for a line about a trace that has nothing in it which only the one-line way can judge."""
    if len(raw) > _SHORT or b"\r" in raw or any(raw.count(key) > 1 for key in _TRACE_KEYS):
        return False
    if b"\\u00" in raw or metadata[:1] not in ("", "{") or is_odd_id(found.trace_id):
        return False
    return found.completed_at is None or found.status not in (None, "active")


class _Found:
    """What was found in a chunk so far."""

    def __init__(self) -> None:
        self.alone: list[tuple[int, EventRow]] = []
        """Events that were read one by one, with the numbers of their lines."""
        self.others: list[Line] = []
        self._events = EventColumns.of([])
        self._numbers: list[int] = []
        self._gives_ids = False

    def add(self, block: Block, number: int) -> None:
        """Adds what is certain of a block whose first line has that number."""
        self._numbers.extend([number + place for place in block.places])
        self._events.extend(block.events)
        self._gives_ids = self._gives_ids or block.gives_ids

    def columns(self) -> Columns:
        """All of it, in the order of the lines."""
        if not self.alone:
            return Columns(self._events, self._numbers, self.others, self._gives_ids)
        rows = sorted([*zip(self._numbers, self._events.rows(), strict=True), *self.alone])
        numbers = [number for number, _ in rows]
        return Columns(EventColumns.of([row for _, row in rows]), numbers, self.others, gives_ids=True)


def _offsets(raws: list[bytes], first: int) -> Iterator[int]:
    return accumulate((len(raw) + 1 for raw in raws), initial=first)
