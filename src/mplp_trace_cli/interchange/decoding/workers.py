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
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

import pyarrow as pa

from mplp_trace_cli.domain.errors import StorageFailed
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
    """What is in chunks, in their order; raises what decoding raised, StorageFailed when a worker dies."""
    waiting: deque[tuple[int, Future[Decoded]]] = deque()
    handed_out = 0
    with contextlib.ExitStack() as ended:
        workers = [
            ended.enter_context(contextlib.closing(_Worker(rules, translator))) for _ in range(WORKERS)
        ]
        for turn, chunk in enumerate(chunks):
            waiting.append((len(chunk.data), workers[turn % WORKERS].hand_out(chunk)))
            handed_out += len(chunk.data)
            if len(waiting) >= IN_FLIGHT and handed_out >= IN_FLIGHT_BYTES:
                size, future = waiting.popleft()
                handed_out -= size
                yield future.result()
        while waiting:
            yield waiting.popleft()[1].result()


class _Worker:
    """One decoding process, and the thread that speaks with it."""

    def __init__(self, rules: DecodingRules, translator: Translator | None) -> None:
        self._process = subprocess.Popen(
            # -P: nothing of the folder that one happens to be in is imported.
            [sys.executable, "-P", "-m", __spec__.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is the parent's to answer, also while this one starts
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        widen(self._in.fileno(), self._out.fileno())
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(_send, self._in, pickle.dumps((rules, translator)))

    def hand_out(self, chunk: Chunk) -> Future[Decoded]:
        """What is in a chunk, once those before it were decoded."""
        return self._thread.submit(self._decoded, chunk)

    def _decoded(self, chunk: Chunk) -> Decoded:
        try:
            _send(self._in, _HEAD.pack(chunk.number, chunk.offset, chunk.skipped))
            _send(self._in, chunk.data)
            answer = pickle.loads(_receive(self._out))
            events = b"" if isinstance(answer, Exception) else _receive(self._out)
        except (OSError, EOFError) as error:
            raise StorageFailed("a decoding process died", hint="is there enough memory?") from error
        if isinstance(answer, Exception):
            raise answer
        made, others = answer
        if made is not None:
            chunk = Chunk(0, chunk.offset, made, is_made=True)
        return Decoded(chunk, _unpacked(events), others)

    def close(self) -> None:
        """Ends the process, whatever it was doing."""
        self._process.kill()
        self._process.wait()
        self._thread.shutdown(cancel_futures=True)
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
    frame = stream.read(size)
    if len(frame) < size:
        raise EOFError
    return frame


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
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody waits for an answer: it ends without a word
    gc.disable()  # millions of plain tuples, no cycles: the collector would only walk them
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError):
        rules, translator = pickle.loads(_receive(stdin))
        decoder = LineDecoder(rules.line_rules())
        while True:
            number, offset, skipped = _HEAD.unpack(_receive(stdin))
            chunk = Chunk(number, offset, _receive(stdin), skipped)
            for frame in _answer(decoder, translator, chunk):
                _send(stdout, frame)


def _answer(decoder: LineDecoder, translator: Translator | None, chunk: Chunk) -> list[bytes | pa.Buffer]:
    """The frames that tell what is in a chunk; an error alone, which is the parent's to judge."""
    try:
        if translator is None:
            made, found = None, decode_chunk(decoder, chunk)
        else:
            found = decode_translation(decoder, chunk.offset, translator.translate(chunk.data))
            made = found.chunk.data
    except Exception as error:
        error.add_note(traceback.format_exc())
        return [pickle.dumps(error)]
    return [pickle.dumps((made, found.others)), packed(found.events)]


if __name__ == "__main__":
    from mplp_trace_cli.storage.no_pandas import leave_pandas_out

    leave_pandas_out()
    _serve()
