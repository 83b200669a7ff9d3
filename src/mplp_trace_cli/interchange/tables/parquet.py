"""Parquet as an input: batches of rows with their types, a few at a time however large the file is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, Chunk
from mplp_trace_cli.interchange.tables.arrow_json import JSON, TEXTS, UUIDS
from mplp_trace_cli.interchange.tables.columns import table_plan
from mplp_trace_cli.interchange.tables.rows import decoded_table, packed

_MAGIC = b"PAR1"
_BATCH_ROWS = 16_384
_PARALLEL_FROM_ROWS = 4 * _BATCH_ROWS
_HOLDS = {"JSON": JSON, "UUID": UUIDS, "ENUM": TEXTS, "STRING": TEXTS}


def looks_like(head: bytes, path: str) -> bool:
    """True for a file that begins as Parquet does, and for a name that says so."""
    return head.startswith(_MAGIC) or path.lower().endswith(".parquet")


def _read(opened: Opened) -> Iterator[Decoded]:
    name = opened.source.name
    with _seekable(opened) as file, _table(file, name) as table:
        with _errors(name):
            names, holds = table.schema_arrow.names, _holds(table)
        plan = table_plan(names, opened.mapping, holds, is_text=False)
        pieces = (Chunk(0, 0, packed(batch, [])) for batch in _batches(table, name))
        parallel = table.metadata.num_rows > _PARALLEL_FROM_ROWS
        yield from decoded_table(pieces, opened.rules, plan, parallel=parallel)


FORMAT = InputFormat(_read, has_columns=True)


@contextlib.contextmanager
def _table(file: Any, name: str) -> Iterator[pq.ParquetFile]:
    with _errors(name):
        table = pq.ParquetFile(file, buffer_size=1 << 20)
    with table:
        yield table


def _batches(table: pq.ParquetFile, name: str) -> Iterator[pa.RecordBatch]:
    if table.metadata.num_row_groups == 0:
        return  # which Arrow 18 cannot read
    with _errors(name):
        for batch in table.iter_batches(_BATCH_ROWS, use_threads=False):
            yield _positional(batch)


def _positional(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its columns named by their places: two may have one name."""
    return pa.RecordBatch.from_arrays(batch.columns, [str(at) for at in range(batch.num_columns)])


def _holds(table: pq.ParquetFile) -> Mapping[int, str]:
    """What the file says its columns hold, where the type of Arrow does not say it."""
    told = {
        column.path: _HOLDS.get(column.logical_type.type)
        for column in map(table.schema.column, range(len(table.schema)))
    }
    found = ((at, told.get(name)) for at, name in enumerate(table.schema_arrow.names))
    return {at: holds for at, holds in found if holds is not None}


@contextlib.contextmanager
def _seekable(opened: Opened) -> Iterator[Any]:
    """The file itself where it lies as it is, else a copy of the stream; read to its end for the digest."""
    path = opened.source.path
    if _lies_as_it_is(path):
        while opened.stream.read(CHUNK_BYTES):
            pass
        yield path
        return
    with tempfile.TemporaryFile() as copy:
        _spool(opened, copy)
        yield copy


def _lies_as_it_is(path: str) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _spool(opened: Opened, copy: IO[bytes]) -> None:
    copy.write(opened.head)
    while data := opened.stream.read(CHUNK_BYTES):
        copy.write(data)
    copy.seek(0)


@contextlib.contextmanager
def _errors(name: str) -> Iterator[None]:
    """Turns what Arrow says of a broken file into BrokenFile."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BrokenFile(
            f"{name} is no Parquet file that can be read: {str(error).splitlines()[0]}"
        ) from error
