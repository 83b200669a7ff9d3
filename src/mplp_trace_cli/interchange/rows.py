"""Events that a translator gives as their values, looked at as lines are: at once, the doubted one by one."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules, event_row
from mplp_trace_cli.domain.standard import STANDARD_EVENTS
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.interchange.translating import Events, Row
from mplp_trace_cli.storage.groups import Line

_WIDEST = 4
"""Bytes of a character."""
_OVERHEAD = 4_096
"""More than the ids of an event have."""
_TIMESTAMP = EventRow._fields.index("timestamp")


def checked_rows(events: Events, rules: EventRules, schema: pa.Schema) -> tuple[pa.RecordBatch, list[Line]]:
    """The valid events as a batch of that schema, whose first column is the place, and the others."""
    rows, places, bad = events.rows, events.places, []
    doubted = set(_doubted(rows, rules))
    if doubted:
        kept: list[tuple[int, Row]] = []
        for at, (place, row) in enumerate(zip(places, rows, strict=True)):
            if at in doubted:
                try:
                    kept.append((place, _judged(row, rules)))
                except InvalidInput as fault:
                    bad.append(Line(place, 0, line_of(row), None, reason=fault.message))
            else:
                kept.append((place, row))
        places, rows = [place for place, _ in kept], [row for _, row in kept]
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] or [[]] * len(EventRow._fields)
    columns[_TIMESTAMP] = [rules.clock() if one is None else one for one in columns[_TIMESTAMP]]
    values = zip((places, *columns), schema, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(one, field.type) for one, field in values], schema=schema
    ), bad


def with_lines(rows: pa.RecordBatch, lines: pa.RecordBatch, places: Any) -> pa.RecordBatch:
    """Rows and what was read of lines, whose numbers are places among `places`, in their order."""
    moved = pc.take(pa.array(places, pa.int64()), lines.column("number"))
    there = pa.RecordBatch.from_arrays([moved, *lines.columns[1:]], schema=rows.schema)
    both = pa.Table.from_batches([rows, there]).sort_by("number").combine_chunks()
    return pa.RecordBatch.from_arrays(
        [
            column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            for column in both.columns
        ],
        schema=rows.schema,
    )


def _doubted(rows: list[Row], rules: EventRules) -> list[int]:
    most = (rules.max_event_bytes - _OVERHEAD) // (3 * _WIDEST)
    standard = STANDARD_EVENTS if rules.validate_standard_events else {}
    doubted = []
    for at, (_, _, event_type, _, message, data, _, _, _, _) in enumerate(rows):
        longest = max(len(data), len(event_type), len(message or ""))
        if longest > most or event_type in standard:
            doubted.append(at)
    return doubted


def _judged(row: Row, rules: EventRules) -> Row:
    return event_row(dict(zip(EventRow._fields, row, strict=True)), rules)


def line_of(row: Row) -> bytes:
    """What the rejects show of an event: the line that it would be."""
    said: dict[str, Any] = dict(zip(EventRow._fields, row, strict=True))
    said["data"] = msgspec.Raw(said["data"].encode())
    said["timestamp"] = None if row[_TIMESTAMP] is None else format_instant(said["timestamp"])
    return msgspec.json.encode({name: value for name, value in said.items() if value is not None})
