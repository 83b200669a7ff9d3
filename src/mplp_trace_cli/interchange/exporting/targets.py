"""Where an export goes: a file or folder that appears whole or not at all, or standard output."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import shutil
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, cast

from mplp_trace_cli.domain.errors import StorageFailed
from mplp_trace_cli.domain.visible import visible
from mplp_trace_cli.interchange.pipes import widen
from mplp_trace_cli.storage.paths import sync

if TYPE_CHECKING:
    from mplp_trace_cli.storage.paths import StorePaths

STDOUT = "-"
BLOCK_BYTES = 1 << 20
GZIP_LEVEL = 1
ENTRIES = ("traces", "events", "metrics")
_SUFFIX = r"\.(csv(\.gz|\.zst)?|parquet)"
_TABLE_FILE = re.compile(rf"({'|'.join(ENTRIES)}){_SUFFIX}|(traces|logs|metrics)\.pb(\.gz|\.zst)?")
_PARTITION = re.compile(r"(day|month|context_id)=.*", re.DOTALL)
_PART_FILE = re.compile(rf"data_\d+{_SUFFIX}")


@contextlib.contextmanager
def whole_file(path: str, umask: int, store: StorePaths) -> Iterator[str]:
    """A draft beside `path` that takes its place when the block ends well, and is gone otherwise.

    A device or a named pipe is written into as it stands: to replace it would take it from everybody. Of a
    link the file that it leads to is replaced. Raises InvalidInput for what belongs to the store.
    """
    store.check_output(path)
    if is_special(path):
        with os_errors(path):
            yield path
        return
    final = os.path.realpath(path)
    draft = _draft(final)
    try:
        with os_errors(path):
            yield draft
            os.chmod(draft, 0o666 & ~umask)
            sync(draft)
            os.replace(draft, final)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)


@contextlib.contextmanager
def whole_folder(path: str, umask: int, store: StorePaths) -> Iterator[str]:
    """The same for a folder; one that an earlier export made is replaced, any other is refused.

    The draft lies one folder deeper than its place: the `*` of polars and DuckDB matches a leading dot too,
    and who reads `lake/*/events.parquet` would get what is not finished.
    """
    store.check_output(path)
    final = os.path.realpath(path)
    if os.path.lexists(final) and not is_export(final):
        raise StorageFailed(
            f"{path} is there already and was not made by an export", hint="name a new folder with -o"
        )
    around = _draft(final)
    draft = os.path.join(around, "export")
    try:
        with os_errors(path):
            os.makedirs(draft)
            yield draft
            _set_modes(draft, umask)
            _swap(draft, final)
    finally:
        shutil.rmtree(around, ignore_errors=True)


@contextlib.contextmanager
def os_errors(path: str) -> Iterator[None]:
    """Turns an OSError about `path` into StorageFailed, but for a closed pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror or error}") from error


def is_special(path: str) -> bool:
    """True for what is there and is neither a file nor a folder: a device, a named pipe."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def _draft(path: str) -> str:
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise StorageFailed(f"{folder}: no such folder", hint=f"mkdir -p {folder}")
    return os.path.join(folder, f".{name}.{uuid.uuid4().hex[:12]}.part")


def partitions(path: str) -> set[str]:
    """The names of the partitions of an export, as `day=2026-03-02`; of anything else, none."""
    return {name for table in ENTRIES for name in _names(os.path.join(path, table))}


def _names(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def is_export(path: str) -> bool:
    """True for a folder that has nothing in it but what an export writes, down to the last file."""
    return os.path.isdir(path) and all(map(_is_exported, os.scandir(path)))


def _is_exported(entry: os.DirEntry[str]) -> bool:
    if entry.name not in ENTRIES:
        return entry.is_file(follow_symlinks=False) and _TABLE_FILE.fullmatch(entry.name) is not None
    return entry.is_dir(follow_symlinks=False) and all(map(_is_partition, os.scandir(entry)))


def _is_partition(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False) or not _PARTITION.fullmatch(entry.name):
        return False
    return all(
        part.is_file(follow_symlinks=False) and _PART_FILE.fullmatch(part.name) for part in os.scandir(entry)
    )


def _swap(draft: str, path: str) -> None:
    if not os.path.lexists(path):
        os.rename(draft, path)
        return
    if _exchanged(draft, path):
        return
    os.rename(path, f"{draft}.old")
    os.rename(draft, path)


def _exchanged(draft: str, path: str) -> bool:
    """Swaps two paths in one step where the system can: between two renames nothing would be there."""
    import ctypes

    one, other, swap = os.fsencode(draft), os.fsencode(path), 2
    libc = ctypes.CDLL(None)
    if hasattr(libc, "renamex_np"):  # macOS
        return bool(libc.renamex_np(one, other, swap) == 0)
    here = -100  # AT_FDCWD
    return hasattr(libc, "renameat2") and bool(libc.renameat2(here, one, here, other, swap) == 0)


def _set_modes(folder: str, umask: int) -> None:
    for at, _, names in os.walk(folder):
        os.chmod(at, 0o777 & ~umask)
        for name in names:
            os.chmod(os.path.join(at, name), 0o666 & ~umask)


@contextlib.contextmanager
def text_stream(path: str, compression: str) -> Iterator[IO[bytes]]:
    """A stream of bytes into a file or standard output, compressed on the way."""
    with os_errors(path), contextlib.ExitStack() as stack:
        if path == STDOUT:
            raw: IO[bytes] = _standard_output(compression)
        else:
            raw = stack.enter_context(open(path, "wb" if is_special(path) else "xb"))
        yield stack.enter_context(_compressed(raw, compression))
    if path == STDOUT:
        sys.stdout.buffer.flush()


def _standard_output(compression: str) -> IO[bytes]:
    """Standard output as it is; on a terminal only what a terminal may show."""
    if not sys.stdout.isatty():
        return sys.stdout.buffer
    if compression != "none":
        raise StorageFailed("compressed bytes are not for a terminal", hint="-o FILE, or a pipe")
    return cast(IO[bytes], _Visible(sys.stdout.buffer))


class _Visible:
    """Writes text line by line, with every control character in it written out."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode

    def write(self, data: bytes) -> int:
        lines = self._decode(data).split("\n")
        self._inner.write("\n".join(map(visible, lines)).encode())
        return len(data)


def _compressed(raw: IO[bytes], compression: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    if compression == "gzip":
        from isal import igzip

        packed: Any = igzip.IGzipFile("", fileobj=raw, mode="wb", compresslevel=GZIP_LEVEL, mtime=0)  # type: ignore[no-untyped-call]
        return packed  # type: ignore[no-any-return]
    if compression == "zstd":
        import pyarrow as pa

        return pa.CompressedOutputStream(_Unclosed(raw), "zstd")  # type: ignore[no-any-return]
    return contextlib.nullcontext(raw)


class _Unclosed:
    """Keeps the stream below open when the compressor above it closes."""

    def __init__(self, inner: IO[bytes]) -> None:
        self.write = inner.write
        self.flush = inner.flush
        self.closed = False

    def close(self) -> None:
        self.closed = True


def pump(write: Callable[[str], None], stream: IO[bytes]) -> None:
    """Runs `write(path)`, where path is a pipe, and passes on to `stream` what comes out of it."""
    inlet, outlet = os.pipe()
    widen(inlet)
    failure: list[BaseException] = []
    abandoned = threading.Event()

    def drain() -> None:
        try:
            with open(inlet, "rb", buffering=0) as pipe:
                while (block := pipe.read(BLOCK_BYTES)) and not abandoned.is_set():
                    stream.write(block)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=drain, name="mplp-trace-export")
    thread.start()
    try:
        try:
            write(f"/dev/fd/{outlet}")
        except BaseException:
            # What was stopped may keep its own descriptor of the pipe: the end of it would never come.
            abandoned.set()
            _wake(outlet)
            raise
        finally:
            os.close(outlet)
            thread.join()
    except BaseException:
        if not failure:  # known only now: a writer fails too when the drain has left
            raise
    if failure:
        raise failure[0]


def _wake(outlet: int) -> None:
    """Gives whoever waits at the other end of a pipe something to read; a full pipe has that already."""
    os.set_blocking(outlet, False)
    with contextlib.suppress(OSError):
        os.write(outlet, b"\n")
