"""Worker processes that decode: two of them, whose standard streams carry frames both ways.

This module is both sides: what hands chunks out and takes batches back in their order, and what runs as
`python -m` in each worker.
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
from typing import IO

import pyarrow as pa

from mplp_trace_cli.domain.errors import BrokenFile, StorageFailed
from mplp_trace_cli.interchange.decoding.batches import (
    Decoded,
    DecodingRules,
    decode_chunk,
    decode_translation,
)
from mplp_trace_cli.interchange.decoding.lines import LineDecoder
from mplp_trace_cli.interchange.decoding.translating import Translator
from mplp_trace_cli.interchange.pipes import widen
from mplp_trace_cli.interchange.sources import Chunk

WORKERS = 2
IN_FLIGHT = 12
IN_FLIGHT_BYTES = 32 << 20
"""Chunks handed out ahead, the more the smaller they are: enough for the workers to go on while a whole row
group is inserted."""
_LENGTH = struct.Struct("<Q")
_HEAD = struct.Struct("<QQQ")


def in_workers(
    chunks: Iterable[Chunk], rules: DecodingRules, translator: Translator | None
) -> Iterator[Decoded]:
    """What is in chunks, in their order; pieces of a foreign format are translated on the way."""
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
            [sys.executable, "-m", __spec__.name],
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
                _, events, others, _ = decode_chunk(decoder, Chunk(number, offset, data, skipped))
            else:
                try:
                    chunk, events, others, _ = decode_translation(decoder, offset, translator.translate(data))
                except BrokenFile as error:
                    _send(stdout, pickle.dumps(error))
                    continue
                _send(stdout, pickle.dumps(None))
                _send(stdout, chunk.data)
            _send(stdout, packed(events))
            _send(stdout, pickle.dumps(others))


if __name__ == "__main__":
    _serve()
