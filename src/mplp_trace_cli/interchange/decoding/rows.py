"""Events that a translator gives as their values, looked at as lines are: at once, the doubted one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules, event_row, too_large
from mplp_trace_cli.domain.standard import STANDARD_EVENTS
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.interchange.decoding.translating import Events, Row
from mplp_trace_cli.storage.groups import Line

_WIDEST = 4
"""Bytes of a character."""
_OVERHEAD = 4_096
"""More than the ids of an event have."""
_END_SHOWN = 1_024
"""Characters of what events share that a reject keeps, where that alone is more than an event may have."""
_TYPE, _DATA, _TIMESTAMP = map(EventRow._fields.index, ("event_type", "data", "timestamp"))


def checked_rows(events: Events, rules: EventRules, schema: pa.Schema) -> tuple[pa.RecordBatch, list[Line]]:
    """The valid events as a batch of that schema, from the place to the end of the data, and the others."""
    rows, places, bad = events.rows, events.places, list[Line]()
    columns = _columns(rows)
    doubted = _doubted(columns, rules)
    if doubted:
        rows, places, bad = _judged(events, doubted, rules)
        columns = _columns(rows)
    if None in columns[_TIMESTAMP]:
        columns[_TIMESTAMP] = [rules.clock() if one is None else one for one in columns[_TIMESTAMP]]
    values = zip((places, *columns[:-1]), schema, strict=False)
    arrays = [pa.array(one, field.type) for one, field in values]
    return pa.RecordBatch.from_arrays([*arrays, _shared(columns[-1])], schema=schema), bad


def _columns(rows: list[Row]) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) or [()] * (len(EventRow._fields) + 1)


def _shared(texts: Sequence[str]) -> pa.DictionaryArray:
    """Texts of which there are few, each once."""
    places: dict[str, int] = {}
    at = [places.setdefault(one, len(places)) for one in texts]
    return pa.DictionaryArray.from_arrays(pa.array(at, pa.int32()), pa.array([*places], pa.string()))


def with_lines(rows: pa.RecordBatch, lines: pa.RecordBatch, places: Any) -> pa.RecordBatch:
    """Rows and what was read of lines, whose numbers are places among `places`, in their order."""
    import pyarrow.compute as pc  # 40 ms, which most files do not need

    moved = pc.take(pa.array(places, pa.int64()), lines.column("number"))
    columns = [moved, *lines.columns[1:], _shared([""] * lines.num_rows)]
    there = pa.RecordBatch.from_arrays(columns, schema=rows.schema)
    both = pa.Table.from_batches([rows, there]).unify_dictionaries().combine_chunks()
    (batch,) = both.to_batches()
    return batch.sort_by("number")


def _doubted(columns: Sequence[Sequence[Any]], rules: EventRules) -> set[int]:
    """The places of those that are to be looked at: long ones, and standard events."""
    most = (rules.max_event_bytes - _OVERHEAD) // (3 * _WIDEST)
    standard = STANDARD_EVENTS if rules.validate_standard_events else frozenset()
    _, _, types, _, messages, datas, *_, ends = columns
    long = max(map(len, datas), default=0) + max(map(len, set(ends)), default=0)
    kinds = set(types)
    others = map(len, (*kinds, *filter(None, set(messages))))
    if long <= most and max(others, default=0) <= most and standard.isdisjoint(kinds):
        return set()
    texts = enumerate(zip(types, messages, datas, ends, strict=True))
    return {
        at
        for at, (event_type, message, data, end) in texts
        if max(len(data) + len(end), len(event_type), len(message or "")) > most or event_type in standard
    }


def _judged(events: Events, doubted: set[int], rules: EventRules) -> tuple[list[Row], list[int], list[Line]]:
    """The rows that are valid and their places, and the others."""
    rows, places, bad = [], [], []
    sizes = _Sizes()
    for at, (place, row) in enumerate(zip(events.places, events.rows, strict=True)):
        try:
            kept = _valid(row, rules, sizes) if at in doubted else row
        except InvalidInput as fault:
            bad.append(Line(place, 0, _shown(row, rules), None, reason=fault.message))
        else:
            rows.append(kept)
            places.append(place)
    return rows, places, bad


class _Sizes(dict[str, int]):
    """The bytes of texts that many events share, each counted once."""

    def __missing__(self, text: str) -> int:
        self[text] = len(text.encode())
        return self[text]


def _valid(row: Row, rules: EventRules, sizes: _Sizes) -> Row:
    """The row; raises InvalidInput. It is not put together for that, else each would have what many share."""
    if rules.validate_standard_events and row[_TYPE] in STANDARD_EVENTS:
        return *event_row(whole(row)._asdict(), rules), ""
    size = sum(len(one.encode()) for one in row[:-1] if isinstance(one, str)) + sizes[row[-1]]
    if size > rules.max_event_bytes:
        raise InvalidInput(too_large(size, rules.max_event_bytes))
    return row


def _shown(row: Row, rules: EventRules) -> bytes:
    """The line that a bad row would be; cut short, so that it is none, where what many share is too much."""
    if len(row[-1]) > rules.max_event_bytes:
        row = *row[:-1], row[-1][:_END_SHOWN]
    return line_of(whole(row))


def whole(row: Row) -> EventRow:
    """The values of an event with all of its data."""
    values: list[Any] = list(row[:-1])
    values[_DATA] += row[-1]
    return EventRow._make(values)


def line_of(row: EventRow) -> bytes:
    """What the rejects show of an event: the line that it would be."""
    said = row._asdict()
    said["data"] = msgspec.Raw(said["data"].encode())
    said["timestamp"] = None if row.timestamp is None else format_instant(row.timestamp)
    return msgspec.json.encode({name: value for name, value in said.items() if value is not None})
