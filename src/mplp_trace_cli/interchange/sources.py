"""Input files as bytes: opened, decompressed and cut into chunks of whole lines."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

from mplp_trace_cli.domain.errors import BrokenFile

STDIN = "-"
CHUNK_BYTES = 4 << 20
MAX_LINE_BYTES = 16 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Readable(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class Chunk(NamedTuple):
    """Whole lines: the number of the first (from 1), where it begins in the file, and the bytes.

    `skipped` counts the bytes that were left out of a single line too long to keep.
    """

    number: int
    offset: int
    data: bytes
    skipped: int = 0
    is_made: bool = False
    """True for lines that were made of something else: none of them begins anywhere in the file."""


class Source:
    """One input, its name, its size where it is known, and the digest of what was read of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = "stdin" if path == STDIN else path
        self.size: int | None = None
        self.bytes_read = 0
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes read so far, as they lie in the file."""
        return self._digest.hexdigest()

    @contextlib.contextmanager
    def open(self) -> Iterator[Readable]:
        """The decompressed bytes; raises BrokenFile for what cannot be opened."""
        with self._raw() as raw:
            counted = io.BufferedReader(_Counted(raw, self._count), 1 << 20)
            with _decompressed(counted, self.name) as stream:
                yield stream

    def _raw(self) -> contextlib.AbstractContextManager[BinaryIO]:
        if self.path == STDIN:
            return contextlib.nullcontext(sys.stdin.buffer)
        if os.path.isdir(self.path):
            raise BrokenFile(f"{self.path} is a folder, not a file", hint=f"mplp-trace import {self.path}/*")
        try:
            file = open(self.path, "rb")  # noqa: SIM115 - handed to the caller's with
        except OSError as error:
            raise BrokenFile(f"{self.path}: {error.strerror}") from error
        status = os.fstat(file.fileno())
        self.size = status.st_size or None
        return file

    def _count(self, data: memoryview) -> None:
        self.bytes_read += len(data)
        self._digest.update(data)


def file_digest(path: str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Counted(io.RawIOBase):
    def __init__(self, inner: BinaryIO, count: Callable[[memoryview], None]) -> None:
        self._inner = inner
        self._count = count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size: int = self._inner.readinto(buffer)  # type: ignore[attr-defined]
        self._count(memoryview(buffer)[:size])
        return size


class _Checked:
    """Reads, and says in one line what is wrong with a compressed stream."""

    def __init__(self, stream: Readable, name: str, *faults: type[Exception]) -> None:
        """`faults` are what the decompressor raises beside the errors of Python."""
        self._stream = stream
        self._name = name
        self._faults = faults

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except EOFError:
            raise BrokenFile(f"{self._name} is cut short: its compressed data has no end") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise BrokenFile(f"{self._name} cannot be read: {reason}") from error
        except self._faults as error:
            raise BrokenFile(f"{self._name} cannot be decompressed: {error}") from error


@contextlib.contextmanager
def _decompressed(raw: io.BufferedReader[Any], name: str) -> Iterator[Readable]:
    try:
        head = raw.peek(4)[:4]
    except OSError as error:
        raise BrokenFile(f"{name} cannot be read: {error.strerror}") from error
    if head.startswith(_GZIP):
        from isal import igzip, igzip_lib

        with igzip.IGzipFile(fileobj=raw) as stream:  # type: ignore[no-untyped-call]
            yield _Checked(stream, name, cast(type[Exception], igzip_lib.error))
    elif head.startswith(_ZSTD):
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
            yield _Checked(stream, name)
    else:
        yield _Checked(raw, name)


def first_bytes(stream: Readable, size: int) -> bytes:
    """Up to `size` bytes from the beginning, however small the pieces in which they come."""
    parts: list[bytes] = []
    while size > 0 and (data := stream.read(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def without_bom(head: bytes, name: str) -> bytes:
    """The first bytes without a UTF-8 mark; raises BrokenFile for UTF-16."""
    if head.startswith(_UTF16) or (len(head) > 1 and 0 in head[:2]):
        raise BrokenFile(f"{name} is UTF-16, not UTF-8", hint="iconv -f UTF-16 -t UTF-8 FILE > NEW")
    return head.removeprefix(BOM)


def chunks(
    stream: Readable, head: bytes, first_offset: int = 0, longest: int = MAX_LINE_BYTES
) -> Iterator[Chunk]:
    """Cuts a stream, whose first bytes are `head`, into chunks of whole lines of up to `longest` bytes."""
    number, offset = 1, first_offset
    rest = head
    while True:
        data = stream.read(CHUNK_BYTES)
        whole, rest = _cut(rest, data)
        if whole:
            yield Chunk(number, offset, whole)
            number, offset = number + whole.count(b"\n"), offset + len(whole)
        if not data:
            return
        if len(rest) > longest:
            skipped, after = _skip_line(stream)
            yield Chunk(number, offset, rest, skipped)
            number, offset = number + 1, offset + len(rest) + skipped
            rest = after


def _cut(rest: bytes, data: bytes) -> tuple[bytes, bytes]:
    """The whole lines of what was left and what was read, which is nothing at the end; and the rest."""
    cut = data.rfind(b"\n") + 1
    if cut:
        return b"".join((rest, memoryview(data)[:cut])), data[cut:]
    whole = rest + data
    cut = whole.rfind(b"\n") + 1 if data else len(whole)
    return whole[:cut], whole[cut:]


def _skip_line(stream: Readable) -> tuple[int, bytes]:
    skipped = 0
    while data := stream.read(CHUNK_BYTES):
        end = data.find(b"\n") + 1
        if end:
            return skipped + end, data[end:]
        skipped += len(data)
    return skipped, b""
