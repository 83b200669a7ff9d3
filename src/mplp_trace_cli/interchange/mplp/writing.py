"""MPLP v1.0 trace documents as an output: what is written is valid against the schemas of the protocol.

One trace alone is one document, and so is each line of a `.jsonl`; any other number is an array of documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import IO, Any, NamedTuple

from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.exporting.chosen import Export, ExportedTrace
from mplp_trace_cli.interchange.mplp.parts import (
    DocumentRules,
    EventCells,
    event_text,
    header_of,
)
from mplp_trace_cli.interchange.mplp.segments import segments_of
from mplp_trace_cli.interchange.mplp.words import is_by_line
from mplp_trace_cli.storage.rows import rows_of
from mplp_trace_cli.storage.sql import statement

_SEGMENTS = 1


class _Shape(NamedTuple):
    """What stands around documents, and between their parts."""

    opening: bytes
    between: bytes
    closing: bytes
    gap: str


_ALONE = _Shape(b"", b"", b"\n", "\n")
_ARRAY = _Shape(b"[", b",\n", b"]\n", "\n")
_BY_LINE = _Shape(b"", b"\n", b"\n", "")


def write(export: Export, stream: IO[bytes]) -> list[str]:
    """Writes what is chosen; tells what documents cannot carry."""
    shape = _shape(export.plan.destination, export.count("traces"))
    rows = rows_of(export.db, statement("mplp_parts"), {"with_events": export.plan.include_events})
    stream.write(shape.opening)
    for number, (_, parts) in enumerate(groupby(rows, itemgetter(1))):
        stream.write(shape.between if number else b"")
        for piece in _document(parts, shape.gap):
            stream.write(piece.encode())
    stream.write(shape.closing)
    return _notes(export)


def _shape(destination: str, traces: int) -> _Shape:
    if is_by_line(destination):
        return _BY_LINE if traces else _BY_LINE._replace(closing=b"")
    return _ALONE if traces == 1 else _ARRAY


def _document(parts: Iterable[tuple[Any, ...]], gap: str) -> Iterator[str]:
    rows = iter(parts)
    trace = ExportedTrace(*next(rows)[1:])
    members, rules = header_of(trace)
    yield "{" + f",{gap}".join(members)
    for part, cells in groupby(rows, itemgetter(0)):
        events = (EventCells(*row[1:-1]) for row in cells)
        if part == _SEGMENTS:
            yield from _list("segments", segments_of(trace, rules, events), gap)
        else:
            yield from _list("events", _event_texts(rules, events), gap)
    yield "}"


def _event_texts(rules: DocumentRules, events: Iterable[EventCells]) -> Iterator[str]:
    return (text for text in (event_text(rules, event) for event in events) if text)


def _list(name: str, texts: Iterator[str], gap: str) -> Iterator[str]:
    """A list of one or more as a member of the document."""
    mark = f',{gap}"{name}":[{gap}'
    closing = ""
    for text in texts:
        yield mark + text
        mark, closing = f",{gap}", f"{gap}]"
    yield closing


def _notes(export: Export) -> list[str]:
    samples = export.count("metrics") if export.plan.include_metrics else 0
    if not samples:
        return []
    return [f"MPLP documents carry no metrics: {counted(samples, 'metric sample')} left out"]
