"""csv and its kin as an input: a header, then rows, read as a stream of Arrow batches.

Cells are taken as bytes, so that one that is no text spoils its own row alone. A cell with nothing in it is
NULL, one with a pair of quotes is empty text.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.decoding.translating import Fault
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.json.lines import is_large
from mplp_trace_cli.interchange.sources import BOM, Chunk, Readable, first_bytes, without_bom
from mplp_trace_cli.interchange.tables.columns import table_plan
from mplp_trace_cli.interchange.tables.foreign_bytes import Marker, restored, restored_batch
from mplp_trace_cli.interchange.tables.rows import decoded_table, packed

_DELIMITERS = ",;\t|"
_SUFFIXES = (".csv", ".tsv", ".tab")
_TABBED = (".tsv", ".tab")
_KNOWN = ({"event_type"}, {"name", "value"}, {"name", "trace_id"})
_BLOCK_BYTES = 2 << 20
"""A row must fit into it; many are under way at once."""
FIRST_ROW = 2
"""The number of the first row: the header is line 1."""


def looks_like(head: bytes, path: str) -> bool:
    """True for a name that says so, and for a first line that names the fields of a record."""
    if _suffix(path) in _SUFFIXES:
        return True
    line = head.removeprefix(BOM).partition(b"\n")[0]
    if _suffix(path) or line[:1] in b"{[":
        return False
    text = line.decode("utf-8", "replace")
    names = set(_cells(text, _delimiter(text, path)))
    return len(names) > 1 and any(known <= names for known in _KNOWN)


def _suffix(path: str) -> str:
    return os.path.splitext(path.lower().removesuffix(".gz").removesuffix(".zst"))[1]


def _read(opened: Opened) -> Iterator[Decoded]:
    name = opened.source.name
    head = without_bom(opened.head, name)
    delimiter, header = _header(head, opened)
    plan = table_plan(header, opened.mapping, {}, is_text=True)
    rows = _Rows(_Joined(head, opened.stream), delimiter, len(header), name)
    pieces = (Chunk(0, 0, packed(batch, faults)) for batch, faults in rows.batches())
    yield from decoded_table(pieces, opened.rules, plan, parallel=is_large(opened), first=FIRST_ROW)


FORMAT = InputFormat(_read, has_columns=True)


def _header(head: bytes, opened: Opened) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns."""
    name = opened.source.name
    try:
        text = head.decode("utf-8", "strict" if b"\n" not in head else "replace")
    except UnicodeDecodeError:
        raise BrokenFile(f"{name} is not UTF-8", hint="iconv -f LATIN1 -t UTF-8 FILE > NEW") from None
    delimiter = _delimiter(text.partition("\n")[0], opened.source.path)
    names = _cells(text, delimiter)
    if not any(names):
        raise BrokenFile(
            f"{name} has no header", hint="the first line must name the columns, as in event_type,trace_id"
        )
    if any("\ufffd" in one for one in names):
        raise BrokenFile(f"{name} is not UTF-8", hint="iconv -f LATIN1 -t UTF-8 FILE > NEW")
    return delimiter, names


def _delimiter(line: str, path: str) -> str:
    if _suffix(path) in _TABBED:
        return "\t"
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _cells(text: str, delimiter: str) -> list[str]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return next(reader, [])
    except csv.Error:
        return []


class _Joined(io.RawIOBase):
    """A file for Arrow: the bytes that were read already, then the rest, with a line break at the end.

    It gives as many bytes as are asked for if there are: from fewer Arrow makes blocks too small for rows.
    """

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream
        self._marker = Marker()
        self._ahead = b""
        self._is_over = False
        self.tail = b""
        """The last bytes that were read."""

    @property
    def has_marks(self) -> bool:
        """True once something that was given is no UTF-8, and marked."""
        return self._marker.has_marked

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        while len(self._ahead) < size and not self._is_over:
            self._ahead += self._marker.marked(self._next(size - len(self._ahead)))
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def _next(self, size: int) -> bytes:
        data = self._head.read(size)
        data += first_bytes(self._stream, size - len(data))
        if len(data) < size:
            self._is_over = True
            if (self.tail + data)[-1:] != b"\n":
                data += b"\n"
        self.tail = (self.tail + data)[-len(b'"\r\n') :]
        return data


class _Rows:
    """The rows of a file, and the lines that are none."""

    def __init__(self, file: _Joined, delimiter: str, width: int, name: str) -> None:
        self._file = file
        self._delimiter = delimiter
        self._names = [str(at) for at in range(width)]
        self._name = name
        self._bad: deque[tuple[int, Fault]] = deque()

    def batches(self) -> Iterator[tuple[pa.RecordBatch, list[Fault]]]:
        """Batches, each with the faults between its rows; the lines of a fault count from the batch."""
        number = FIRST_ROW
        with self._errors(), pa.PythonFile(self._file, mode="r") as file, self._opened(file) as reader:
            for batch, is_last in _with_end(reader):
                if is_last:
                    self._require_closed(batch)
                faults = self._faults(number, batch.num_rows)
                yield restored_batch(batch) if self._file.has_marks else batch, faults
                number += batch.num_rows + len(faults)
            if self._bad:
                yield pa.RecordBatch.from_pylist([], batch_schema(self._names)), self._faults(number, 0)

    def _require_closed(self, batch: pa.RecordBatch) -> None:
        """Raises BrokenFile when the last cell took in the end of the file: its quotes are never closed."""
        cell = batch.columns[-1][-1].as_py() if batch.num_rows else None
        if cell and cell.endswith(b"\n") and not self._file.tail.endswith((b'"\n', b'"\r\n')):
            raise BrokenFile(
                f"{self._name} is no csv that can be read: it ends in quotes that are never closed"
            )

    def _faults(self, first: int, rows: int) -> list[Fault]:
        """What is wrong before the last of so many rows, and right behind it."""
        faults: list[Fault] = []
        while self._bad and self._bad[0][0] <= first + rows + len(faults):
            number, fault = self._bad.popleft()
            faults.append(fault._replace(line=number - first))
        return faults

    def _reject(self, row: Any) -> str:
        cells, names = counted(row.actual_columns, "cell"), counted(row.expected_columns, "column")
        fault = Fault(0, restored(row.text), f"{cells}, where the header has {names}")
        self._bad.append((row.number, fault))
        return "skip"

    def _opened(self, file: pa.PythonFile) -> pa_csv.CSVStreamingReader:
        return pa_csv.open_csv(
            file,
            read_options=pa_csv.ReadOptions(
                use_threads=False,  # only then rows that are none come with their number
                block_size=_BLOCK_BYTES,
                column_names=self._names,
                skip_rows_after_names=1,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=self._delimiter,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=self._reject,
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=batch_schema(self._names),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise BrokenFile(f"{self._name}: {str(error).splitlines()[0]}") from error
            reason = "a row of more than 2 MB, or quotes that are never closed"
            raise BrokenFile(f"{self._name} is no csv that can be read: {reason}") from error


def _with_end(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """Each batch, and whether it is the last."""
    before = None
    for batch in batches:
        if before is not None:
            yield before, False
        before = batch
    if before is not None:
        yield before, True


def batch_schema(names: list[str]) -> pa.Schema:
    """Columns of bytes."""
    return pa.schema([(name, pa.binary()) for name in names])
