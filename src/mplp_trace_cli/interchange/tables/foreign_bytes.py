"""Bytes that are not UTF-8, on their way through a reader that takes UTF-8 alone: marked, and had back.

Arrow hands on a row with too many cells as text, and what is no text would end the reading. A mark is a
noncharacter, which text for others never has (Unicode, 23.7); where it stands all the same, it stands twice.
"""

from __future__ import annotations

import codecs
import re

import pyarrow as pa
import pyarrow.compute as pc

_MARK = "\U0010ffff"
_MARK_BYTES = _MARK.encode()
_NO_TEXT = re.compile("[\udc80-\udcff]")
_MARKED = re.compile(f"{_MARK}(.)", re.DOTALL)
_LOW = 0xDC00
"""A byte that is no text is decoded as this and its number (`surrogateescape`)."""


class Marker:
    """Marks a stream of bytes, piece by piece."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.has_marked = False
        """True once there was something to mark."""

    def marked(self, data: bytes) -> bytes:
        """The piece in UTF-8; the beginning of a character at its end comes with the next piece."""
        if data.isascii() and not self._decoder.getstate()[0]:
            return data
        text = self._decoder.decode(data)
        if _MARK in text or _NO_TEXT.search(text):
            self.has_marked = True
            text = _NO_TEXT.sub(_as_marked, text.replace(_MARK, _MARK * 2))
        return text.encode()


def restored(text: str) -> bytes:
    """What a text was before it was marked."""
    return _MARKED.sub(_as_it_was, text).encode("utf-8", "surrogateescape")


def restored_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same for every cell of columns of bytes."""
    return pa.RecordBatch.from_arrays(
        [_restored_column(column) for column in batch.columns], batch.schema.names
    )


def _restored_column(column: pa.Array) -> pa.Array:
    if not pc.any(pc.match_substring(column, _MARK_BYTES), min_count=0).as_py():
        return column
    cells = [cell and restored(cell.decode()) for cell in column.to_pylist()]
    return pa.array(cells, column.type)


def _as_marked(found: re.Match[str]) -> str:
    return _MARK + chr(ord(found[0]) - _LOW)


def _as_it_was(found: re.Match[str]) -> str:
    return _MARK if found[1] == _MARK else chr(ord(found[1]) + _LOW)
