"""Decoding chunks in order: in this process for a little, in two worker processes for a lot.

A chunk is lines of ours, or a piece of a foreign format, which a translator turns into such lines first.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, NamedTuple

import pyarrow as pa

from mplp_trace_cli.domain.errors import BrokenFile, StorageFailed
from mplp_trace_cli.domain.event_row import EventRules
from mplp_trace_cli.domain.ids import IdPool
from mplp_trace_cli.domain.lines import LineRules
from mplp_trace_cli.interchange.decoder import Columns, LineDecoder
from mplp_trace_cli.interchange.pipes import widen
from mplp_trace_cli.interchange.rows import checked_rows, with_lines
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.interchange.translating import Events, Translated, Translator
from mplp_trace_cli.storage.groups import Line

WORKERS = 2
IN_FLIGHT = 12
IN_FLIGHT_BYTES = 32 << 20
"""Chunks handed out ahead, the more the smaller they are: enough for the workers to go on while a whole row
group is inserted."""
_PART_BYTES = 1 << 18
"""Lines whose values are put into columns at once: while these are still near to the processor."""
_LENGTH = struct.Struct("<Q")
_HEAD = struct.Struct("<QQQ")
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


_Found = tuple[pa.RecordBatch, list[Line]]


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
        yield from _in_workers(chunks, rules, None)
    else:
        decoder = LineDecoder(rules.line_rules())
        for chunk in chunks:
            yield Decoded(chunk, *_decode(decoder, chunk))


def decode_translated(
    pieces: Iterable[Translated], rules: DecodingRules, first: int = 1
) -> Iterator[Decoded]:
    """Decodes what was translated in this process; the first line has the number `first`."""
    decoder = LineDecoder(rules.line_rules())
    yield from _numbered((_decode_translated(decoder, 0, piece) for piece in pieces), first)


def _translated(
    chunks: Iterable[Chunk], rules: DecodingRules, translator: Translator, parallel: bool
) -> Iterator[Decoded]:
    if parallel:
        yield from _in_workers(chunks, rules, translator)
        return
    decoder = LineDecoder(rules.line_rules())
    for chunk in chunks:
        yield _decode_translated(decoder, chunk.offset, translator.translate(chunk.data))


def _decode_translated(decoder: LineDecoder, offset: int, translated: Translated) -> Decoded:
    """The events and lines of a translation, numbered from 0."""
    chunk = Chunk(0, offset, translated.lines, is_made=True)
    events, others = _decode(decoder, chunk)
    if translated.events is not None:
        chunk, events, others, _ = _with_rows(decoder, translated.events, Decoded(chunk, events, others))
    faults = [Line(fault.line, offset, fault.raw, None, reason=fault.reason) for fault in translated.faults]
    return Decoded(chunk, events, sorted([*(line._replace(offset=offset) for line in others), *faults]))


def _with_rows(decoder: LineDecoder, given: Events, read: Decoded) -> Decoded:
    """The events that were given as rows, and what was read of the lines beside them."""
    rows, bad = checked_rows(given, decoder.rules.event, PARTED)
    places = given.line_places
    others = [line._replace(number=places[line.number]) for line in read.others]
    if read.events.num_rows:
        rows = with_lines(rows, read.events, places)
    # Nothing of a row is asked for later but its number.
    return Decoded(read.chunk._replace(data=b"\n" * given.lines), rows, others + bad)


def _numbered(pieces: Iterable[Decoded], first: int = 1) -> Iterator[Decoded]:
    import pyarrow.compute as pc  # 40 ms, which no worker needs to begin, and our own lines not at all

    number = first
    for chunk, events, others, _ in pieces:
        shifted = pc.add(events.column("number"), number)
        moved = pa.RecordBatch.from_arrays([shifted, *events.columns[1:]], schema=events.schema)
        lines = [line._replace(number=line.number + number) for line in others]
        yield Decoded(chunk._replace(number=number), moved, lines)
        number += chunk.data.count(b"\n")


def _decode(decoder: LineDecoder, chunk: Chunk) -> _Found:
    batches, others = list[pa.RecordBatch](), list[Line]()
    for found in decoder.parts(chunk, _PART_BYTES):
        batches.append(_batch(found))
        others += found.others
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches() or batches[:1]
    return batch, others


def _batch(found: Columns) -> pa.RecordBatch:
    columns = (found.numbers, *found.events)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _in_workers(
    chunks: Iterable[Chunk], rules: DecodingRules, translator: Translator | None
) -> Iterator[Decoded]:
    workers = [_Worker(rules, translator) for _ in range(WORKERS)]
    pools = [ThreadPoolExecutor(1) for _ in workers]
    waiting: deque[tuple[int, Future[Decoded]]] = deque()
    handed_out = 0
    try:
        for turn, chunk in enumerate(chunks):
            at = turn % WORKERS
            waiting.append((len(chunk.data), pools[at].submit(workers[at].decode, chunk)))
            handed_out += len(chunk.data)
            if len(waiting) >= IN_FLIGHT and handed_out >= IN_FLIGHT_BYTES:
                size, future = waiting.popleft()
                handed_out -= size
                yield future.result()
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        for worker in workers:
            worker.stop()
        for pool in pools:
            pool.shutdown(cancel_futures=True)


class _Worker:
    """One decoding process; frames go in and out over its standard streams."""

    def __init__(self, rules: DecodingRules, translator: Translator | None) -> None:
        self._translates = translator is not None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mplp_trace_cli.interchange.decoding"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is the parent's to answer, also while this one starts
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        widen(self._in.fileno(), self._out.fileno())
        _send(self._in, pickle.dumps((rules, translator)))

    def decode(self, chunk: Chunk) -> Decoded:
        try:
            _send(self._in, _HEAD.pack(chunk.number, chunk.offset, chunk.skipped))
            _send(self._in, chunk.data)
            if self._translates:
                broken: BrokenFile | None = pickle.loads(_receive(self._out))
                if broken is not None:
                    raise broken
                chunk = Chunk(0, chunk.offset, _receive(self._out), is_made=True)
            events, others = _receive(self._out), _receive(self._out)
        except (OSError, EOFError) as error:
            raise StorageFailed("a decoding process died", hint="is there enough memory?") from error
        return Decoded(chunk, _unpacked(events), pickle.loads(others))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._out.close()
        with contextlib.suppress(OSError):
            self._in.close()


def _send(stream: IO[bytes], frame: bytes | pa.Buffer) -> None:
    stream.write(_LENGTH.pack(len(frame)))
    stream.write(frame)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (size,) = _LENGTH.unpack(head)
    return stream.read(size)


def packed(events: pa.RecordBatch) -> pa.Buffer:
    """A batch as bytes, with what its columns share."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events.schema) as stream:
        stream.write_batch(events)
    return sink.getvalue()


def _unpacked(data: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(data) as stream:
        return stream.read_next_batch()


def _serve() -> None:
    """The worker's loop: rules first, then chunks, until its input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    gc.disable()  # millions of plain tuples, no cycles: the collector would only walk them
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    rules, translator = pickle.loads(_receive(stdin))
    decoder = LineDecoder(rules.line_rules())
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            number, offset, skipped = _HEAD.unpack(_receive(stdin))
            data = _receive(stdin)
            if translator is None:
                events, others = _decode(decoder, Chunk(number, offset, data, skipped))
            else:
                try:
                    chunk, events, others, _ = _decode_translated(decoder, offset, translator.translate(data))
                except BrokenFile as error:
                    _send(stdout, pickle.dumps(error))
                    continue
                _send(stdout, pickle.dumps(None))
                _send(stdout, chunk.data)
            _send(stdout, packed(events))
            _send(stdout, pickle.dumps(others))


if __name__ == "__main__":
    # Run as a module this file is `__main__`; its classes must be the ones the parent pickles.
    from mplp_trace_cli.interchange.decoding import _serve as serve

    serve()
