"""What is chosen as JSON lines, and as a JSON document with the events inside their traces.

DuckDB renders the rows; text goes through a pipe into a faster compressor than its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from mplp_trace_cli.interchange.exporting.chosen import LINES, Export, copy_query, line_query
from mplp_trace_cli.interchange.exporting.targets import pump
from mplp_trace_cli.storage.rows import rows_of


def write(export: Export, stream: IO[bytes]) -> list[str]:
    """Writes what is chosen; it carries everything, so there is nothing to tell."""
    if export.plan.format == "jsonl":
        _write_lines(export, stream)
    else:
        _write_document(export, stream)
    return []


def _write_lines(export: Export, stream: IO[bytes]) -> None:
    for table in export.plan.tables:
        query = f"SELECT line FROM ({line_query(table, with_kind=True)})"
        pump(lambda pipe, query=query: copy_query(export.db, query, pipe, LINES), stream)  # type: ignore[misc]


def _write_document(export: Export, stream: IO[bytes]) -> None:
    stream.write(b'{"traces":[' if export.plan.include_metrics else b"[")
    traces = line_query("traces", with_kind=False)
    if export.plan.include_events:
        _write_all(stream, _nested(export, traces))
    else:
        _write_all(stream, _separated(export, f"SELECT line FROM ({traces}) ORDER BY seq"))
    stream.write(b"]")
    if export.plan.include_metrics:
        stream.write(b',"metrics":[')
        metrics = line_query("metrics", with_kind=False)
        _write_all(stream, _separated(export, f"SELECT line FROM ({metrics})"))
        stream.write(b"]}")
    stream.write(b"\n")


def _write_all(stream: IO[bytes], pieces: Iterator[str]) -> None:
    for piece in pieces:
        stream.write(piece.encode())


def _separated(export: Export, query: str) -> Iterator[str]:
    mark = "\n"
    for (line,) in rows_of(export.db, query):
        yield mark + line
        mark = ",\n"
    yield "\n"


def _nested(export: Export, traces: str) -> Iterator[str]:
    """Pieces of text: each trace with its events inside, in order."""
    events = line_query("events", with_kind=False)
    query = (
        f"SELECT t.line, trace_id, e.line FROM ({traces}) AS t LEFT JOIN ({events}) AS e USING (trace_id) "
        "ORDER BY t.seq, trace_id, e.timestamp, e.seq"
    )
    current, end = None, "\n"
    for trace, trace_id, event in rows_of(export.db, query):
        if trace_id == current:
            yield f",\n{event}"
            continue
        yield f'{end}{trace[:-1]},"events":[{event or ""}'
        current, end = trace_id, "]},\n"
    yield "\n" if current is None else "]}\n"
