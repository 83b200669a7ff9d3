"""Input files as bytes: opened, decompressed, cut into chunks of whole lines, or refused as a whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.interchange import sources
from mplp_trace_cli.interchange.sources import Chunk, Source, chunks, file_digest, first_bytes, without_bom

TEXT = b"".join(b'{"line":%d}\n' % at for at in range(5_000))


def zstd(data: bytes) -> bytes:
    """One frame of zstd."""
    packed: bytes = pa.compress(data, "zstd", asbytes=True)
    return packed


def read(path: Path, data: bytes) -> bytes:
    """What a source gives for a file of these bytes."""
    path.write_bytes(data)
    with Source(str(path)).open() as stream:
        return b"".join(iter(lambda: stream.read(1_000), b""))


@pytest.mark.parametrize(
    "packed",
    [
        TEXT,
        gzip.compress(TEXT),
        gzip.compress(TEXT[:700]) + gzip.compress(b"") + gzip.compress(TEXT[700:]),
        gzip.compress(TEXT) + b"\x00" * 20,
        zstd(TEXT),
        zstd(TEXT[:700]) + zstd(TEXT[700:]),
    ],
    ids=["plain", "gzip", "gzip members", "gzip padded", "zstd", "zstd frames"],
)
def test_compressed_files_are_read_as_they_are(tmp_path: Path, packed: bytes) -> None:
    """By their first bytes, whatever the name, in one part or in many; the digest is of the file itself."""
    path = tmp_path / "lines.txt"
    assert read(path, packed) == TEXT
    source = Source(str(path))
    with source.open() as stream:
        while stream.read(1 << 20):
            pass
    assert (source.bytes_read, source.size) == (len(packed), len(packed))
    assert source.digest == hashlib.sha256(packed).hexdigest() == file_digest(str(path))


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    """Compressed or not."""
    for packed in (b"", gzip.compress(b""), zstd(b"")):
        assert read(tmp_path / "empty", packed) == b""


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_compressed_file_cut_short_is_broken(tmp_path: Path, pack: object) -> None:
    """Wherever it ends early, it is refused in one line that names it."""
    packed = pack(os.urandom(3_000) + TEXT)  # type: ignore[operator]
    path = tmp_path / "cut"
    for end in (4, 5, 11, len(packed) // 2, len(packed) - 1):
        with pytest.raises(BrokenFile) as caught:
            read(path, packed[:end])
        assert str(path) in caught.value.message
        assert "\n" not in caught.value.message


def test_a_damaged_gzip_is_broken(tmp_path: Path) -> None:
    """A changed byte inside is found by its checksum."""
    packed = bytearray(gzip.compress(os.urandom(3_000) + TEXT))
    packed[1_000] ^= 0xFF
    with pytest.raises(BrokenFile, match="cannot be"):
        read(tmp_path / "damaged", bytes(packed))


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    """A folder with a hint, a missing file by its name."""
    with pytest.raises(BrokenFile, match="is a folder") as caught, Source(str(tmp_path)).open():
        pass
    assert caught.value.hint
    with pytest.raises(BrokenFile, match="No such file"), Source(str(tmp_path / "none")).open():
        pass


def test_a_mark_of_utf_8_is_dropped_and_utf_16_is_refused() -> None:
    """Of UTF-16 either byte order, with its mark or without."""
    assert without_bom(b'\xef\xbb\xbf{"a":1}', "f") == b'{"a":1}'
    for head in (b"", b"{", b"{}", b"\xef\xbb", b"\xc3\xbf", b"\n\n\x00"):
        assert without_bom(head, "f") == head
    for text in ("utf-16", "utf-16-le", "utf-16-be"):
        for order in (b"", b"\xff\xfe", b"\xfe\xff"):
            with pytest.raises(BrokenFile, match="f is UTF-16, not UTF-8") as caught:
                without_bom(order + '{"a":1}'.encode(text), "f")
            assert caught.value.hint == "iconv -f UTF-16 -t UTF-8 FILE > NEW"


class Trickle(io.BytesIO):
    """A stream that gives fewer bytes than it is asked for, like a pipe."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most three bytes."""
        return super().read(min(size or 0, 3))


def test_first_bytes_wait_for_a_slow_stream() -> None:
    """As many as are asked for, or all there are."""
    assert first_bytes(Trickle(b"0123456789"), 7) == b"0123456"
    assert first_bytes(Trickle(b"0123456789"), 70) == b"0123456789"


@given(
    st.lists(st.sampled_from([b"\n", b"a", b"bb\n", b"c" * 5, b"d" * 40, b"\r\n"]), max_size=20).map(
        b"".join
    ),
    st.integers(1, 9),
    st.integers(4, 12),
    st.booleans(),
    st.integers(0, 5),
)
def test_chunks_are_the_lines_of_a_stream(
    data: bytes, size: int, most: int, slow: bool, at_first: int
) -> None:
    """However it is cut, lines keep their bytes, numbers and offsets; of a line too long, its size."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sources, "CHUNK_BYTES", size)
        patched.setattr(sources, "MAX_LINE_BYTES", most)
        stream = Trickle(data[at_first:]) if slow else io.BytesIO(data[at_first:])
        found = list(chunks(stream, data[:at_first], 3))
    assert_covers(found, data, most)


def assert_covers(found: list[Chunk], data: bytes, most: int) -> None:
    """The chunks are the data, one behind the other, each beginning where its number and offset say."""
    at, number = 0, 1
    for chunk in found:
        assert (chunk.number, chunk.offset) == (number, at + 3)
        assert data[at:].startswith(chunk.data)
        at += len(chunk.data) + chunk.skipped
        number = data.count(b"\n", 0, at) + 1
        assert at == len(data) or data[at - 1 : at] == b"\n"
        if chunk.skipped:
            assert len(chunk.data) > most
            assert b"\n" not in chunk.data
            assert b"\n" not in data[at - chunk.skipped : at - 1]
    assert at == len(data)


def test_a_long_file_is_cut_at_line_ends() -> None:
    """With the true sizes, numbers and offsets go on over the chunks."""
    line = b'{"a":"' + b"x" * 1_000_000 + b'"}\n'
    data = line * 9 + b"end"
    found = list(chunks(io.BytesIO(data), b""))
    assert len(found) > 2
    assert b"".join(chunk.data for chunk in found) == data
    for chunk in found:
        assert (chunk.offset, chunk.skipped) == ((chunk.number - 1) * len(line), 0)
