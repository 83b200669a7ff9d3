"""Rows of a table as JSON lines of ours: column by column, in Arrow, whatever the file was.

A piece is a batch of rows with the faults that were found before they were rows; it is made by `packed` in
the process that reads the file, and translated in another.
"""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from json.encoder import encode_basestring
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mplp_trace_cli.domain.checks import NOT_UTF8, has_surrogate
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.foreign import duration_text, folded_level, number_text
from mplp_trace_cli.domain.json_text import add_members, value_text
from mplp_trace_cli.domain.lines import KINDS
from mplp_trace_cli.domain.time_formats import rfc3339, time_reader
from mplp_trace_cli.domain.times import DAY_US, checked_instant, format_instant
from mplp_trace_cli.interchange.decoding.batches import Decoded, DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.decoding.translating import Fault, Translated
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.interchange.tables.arrow_json import (
    TEXT,
    TEXTS,
    all_match,
    cell_texts,
    counts,
    each,
    json_texts,
    json_value,
    quoted,
)
from mplp_trace_cli.interchange.tables.columns import HOMES, KEYS, TablePlan

_INSTANTS = frozenset(("timestamp", "started_at", "completed_at", "expires_at"))
_NUMBERS = frozenset(("duration_ms", "value"))
_OBJECTS = frozenset(("data", "metadata", "labels", "tags", "buckets"))
_MAY_BE_EMPTY = frozenset(
    ("message", "parent_event_id", "source", "execution_id", "description", "unit", "help")
)
"""The fields in which empty text is a value; in all others it says nothing."""


def packed(batch: pa.RecordBatch, faults: list[Fault]) -> bytes:
    """A piece: rows, and the faults that stand between them, each at its place."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pickle.dumps((sink.getvalue().to_pybytes(), faults))


def decoded_table(
    pieces: Iterable[Chunk], rules: DecodingRules, plan: TablePlan, *, parallel: bool, first: int = 1
) -> Iterator[Decoded]:
    """The records of pieces; `first` is the number of the first row."""
    for found in decoded(pieces, rules, TableTranslator(plan), parallel=parallel, first=first):
        yield found._replace(is_certain=plan.is_of_events)


class TableTranslator:
    """Turns pieces of a table into lines."""

    def __init__(self, plan: TablePlan) -> None:
        """Raises InvalidInput for a default that its field cannot have."""
        self._plan = plan
        self._defaults = {
            name: default_text(plan, name, value) for name, value in plan.mapping.defaults.items()
        }

    def translate(self, piece: bytes, /) -> Translated:
        """The lines of a piece: one a row, blank for a row without any value."""
        data, before = pickle.loads(piece)
        batch = next(iter(pa.ipc.open_stream(data)), None)
        if batch is None:
            return Translated(b"\n" * len(before), before)
        rows = _Rows(self._plan, self._defaults, batch)
        lines = rows.lines()
        places = _places(batch.num_rows, before)
        faults = [Fault(places[row], rows.raw(row), reason) for row, reason in sorted(rows.faults.items())]
        return Translated(_with_blanks(lines, places, before), sorted([*faults, *before]))


def _places(rows: int, before: list[Fault]) -> list[int]:
    taken = {fault.line for fault in before}
    return [place for place in range(rows + len(before)) if place not in taken]


def _with_blanks(lines: pa.Array, places: list[int], before: list[Fault]) -> bytes:
    if before:
        at = {place: row for row, place in enumerate(places)}
        order = [at.get(place) for place in range(len(places) + len(before))]
        lines = lines.take(pa.array(order, pa.int64()))
    ended = pc.binary_join_element_wise(lines, "", "\n", null_handling="replace", null_replacement="")
    # The values of the column lie one behind the other: they are the lines.
    values = ended.buffers()[2]
    return values.slice(0, pc.sum(pc.binary_length(ended)).as_py() or 0).to_pybytes() if values else b""


def _is_readable(cell: pa.Scalar) -> bool:
    try:
        cell.as_py()
    except UnicodeDecodeError:
        return False
    return True


class _Rows:
    """A batch on its way to lines, and what is wrong with which row."""

    def __init__(self, plan: TablePlan, defaults: Mapping[str, str], batch: pa.RecordBatch) -> None:
        self.faults: dict[int, str] = {}
        self._plan = plan
        self._defaults = defaults
        self._size = batch.num_rows
        self._columns = [self._utf8(column, at) for at, column in enumerate(batch.columns)]

    def lines(self) -> pa.Array:
        """A line a row; NULL for a fault, and for a row of csv without any value."""
        kinds = self._kinds()
        found = [self._of_kind(kind) for kind in dict.fromkeys(kinds) if kind in KINDS]
        if not found:
            return pa.nulls(self._size, TEXT)
        lines = found[0] if len(found) == 1 and len(set(kinds)) == 1 else self._chosen(kinds, found)
        return self._without_faults(lines)

    def raw(self, row: int) -> bytes:
        """The text of a row, as csv would have it."""
        out = io.StringIO()
        cells = [cell_texts(column.slice(row, 1))[0].as_py() for column in self._columns]
        csv.writer(out, lineterminator="").writerow(cells)
        return out.getvalue().encode("utf-8", "surrogateescape")

    def _chosen(self, kinds: list[str], found: list[pa.Array]) -> pa.Array:
        order = [kind for kind in dict.fromkeys(kinds) if kind in KINDS]
        texts = dict(zip(order, (lines.to_pylist() for lines in found), strict=True))
        return pa.array([texts[kind][row] if kind in texts else None for row, kind in enumerate(kinds)], TEXT)

    def _kinds(self) -> list[str]:
        """What each row is; one that is nothing known is a fault."""
        at = self._plan.fields.get("kind")
        if at is None:
            return [self._plan.kind] * self._size
        said = [one or self._plan.kind for one in cell_texts(self._columns[at]).to_pylist()]
        for row, kind in enumerate(said):
            if kind not in KINDS:
                reason = f"kind: {unknown_word(KINDS, kind)}" if kind else "kind: required"
                self.faults.setdefault(row, reason)
        return said

    def _utf8(self, column: pa.Array, at: int) -> pa.Array:
        """A column of csv as text, of parquet as it is; a cell that is not UTF-8 is a fault of its row."""
        try:
            if self._plan.is_text:
                return column.cast(TEXT)
            column.validate(full=True)  # text is what the file has in its place: nobody has looked at it
            return column
        except pa.ArrowInvalid:
            return self._with_faults(column, at)

    def _with_faults(self, column: pa.Array, at: int) -> pa.Array:
        """The column with what can be shown of the cells that are not UTF-8."""
        if self._plan.is_text or pa.types.is_string(column.type):
            cells = column.cast(pa.binary()).to_pylist()
            return pa.array([self._decoded(cell, row, at) for row, cell in enumerate(cells)], TEXT)
        bad = {row for row, cell in enumerate(column) if not _is_readable(cell)}
        for row in bad:
            self.faults.setdefault(row, f"{self._plan.names[at]}: not UTF-8")
        return column.take(pa.array([None if row in bad else row for row in range(self._size)], pa.int64()))

    def _decoded(self, cell: bytes | None, row: int, at: int) -> str | None:
        try:
            return None if cell is None else cell.decode()
        except UnicodeDecodeError:
            self.faults.setdefault(row, f"{self._plan.names[at]}: not UTF-8")
            return cell.decode("utf-8", "backslashreplace") if cell is not None else None

    def _without_faults(self, lines: pa.Array) -> pa.Array:
        wrong = set(self.faults)
        if self._plan.is_text and self._columns:
            empty = self._columns[0].is_null()
            for column in self._columns[1:]:
                empty = pc.and_(empty, column.is_null())
            blank = set(pc.indices_nonzero(empty).to_pylist())
            self.faults = {row: reason for row, reason in self.faults.items() if row not in blank}
            wrong |= blank
        if not wrong:
            return lines
        return lines.take(pa.array([None if row in wrong else row for row in range(self._size)], pa.int64()))

    def _of_kind(self, kind: str) -> pa.Array:
        """The lines as they are when every row is of one kind."""
        fields = self._plan.of_kind(kind)
        home = HOMES[kind]
        wanted = [*fields, *(name for name in self._defaults if name not in fields)]
        members = [_member(name, self._field(name, kind)) for name in wanted if name != home]
        members = [one for one in members if one is not None]
        body = self._home(kind, self._field(home, kind))
        head = pa.repeat(pa.scalar(f'"kind":"{kind}"', TEXT), self._size)
        joined = _joined([head, *members, *([] if body is None else [_member(home, body)])])
        return _enclosed(joined)

    def _field(self, name: str, kind: str) -> pa.Array | None:
        """The JSON texts of a field, its default filled in; None for one that is nowhere."""
        if name not in KEYS[kind]:
            return None
        at = self._plan.fields.get(name)
        default = self._defaults.get(name)
        texts = None if at is None else self._texts(name, at)
        if default is None:
            return texts
        filled = pa.scalar(default, TEXT)
        return pa.repeat(filled, self._size) if texts is None else pc.fill_null(texts, filled)

    def _texts(self, name: str, at: int) -> pa.Array:
        column, holds = self._columns[at], self._plan.holds.get(at)
        if not self._plan.is_text:
            if name in _INSTANTS and (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
                return self._checked(counts(column), _typed_instant(column.type, name))
            if name in _OBJECTS and not _is_text(column.type):
                return json_texts(column, holds)
            if name == "duration_ms" and pa.types.is_duration(column.type):
                return json_texts(column)
        texts = cell_texts(column, holds or TEXTS)
        told = texts if name in _MAY_BE_EMPTY else pc.if_else(pc.equal(texts, ""), _NOTHING, texts)
        at_once = _at_once(told, name, self._plan)
        return self._checked(told, cell_reader(self._plan, name)) if at_once is None else at_once

    def _checked(self, values: pa.Array, read: Callable[[Any], str]) -> pa.Array:
        """What `read` makes of each value; where it raises, the row is a fault."""
        reasons: dict[str, str] = {}

        def tried(value: Any) -> str:
            try:
                return read(value)
            except InvalidInput as fault:
                mark = f"\0{len(reasons)}"
                reasons[mark] = fault.message
                return mark

        texts = each(values, tried)
        if reasons:
            for row, text in enumerate(texts.to_pylist()):
                if text in reasons:
                    self.faults[row] = "; ".join(filter(None, (self.faults.get(row), reasons[text])))
        return texts

    def _home(self, kind: str, given: pa.Array | None) -> pa.Array | None:
        """The object of the columns that are no fields, behind what the table has for it already."""
        extras = self._plan.extras(kind)
        members: list[pa.Array] = [_member(self._plan.names[at], self._extra(kind, at)) for at in extras]
        if not members:
            return given
        if given is None:
            return _enclosed(_joined(members))
        rows = zip(given.to_pylist(), *(one.to_pylist() for one in members), strict=True)
        return pa.array(
            [self._added(row, kind, base, list(more)) for row, (base, *more) in enumerate(rows)], TEXT
        )

    def _added(self, row: int, kind: str, base: str | None, members: list[str | None]) -> str | None:
        told = [one for one in members if one is not None]
        if base is None:
            return f"{{{','.join(told)}}}"
        if not told or not base.startswith("{"):
            return base  # no object: what reads the line says so
        pairs = [
            (name, member) for name, member in zip(self._extra_names(kind), members, strict=True) if member
        ]
        try:
            return add_members(base, [(name, one[len(_key(name)) :]) for name, one in pairs], HOMES[kind])
        except InvalidInput as fault:
            self.faults.setdefault(row, fault.message)
            return base

    def _extra_names(self, kind: str) -> list[str]:
        return [self._plan.names[at] for at in self._plan.extras(kind)]

    def _extra(self, kind: str, at: int) -> pa.Array:
        column, holds = self._columns[at], self._plan.holds.get(at)
        if kind == "metric":
            return quoted(cell_texts(column, holds))
        return _guessed(column) if self._plan.is_text else json_texts(column, holds)


def cell_reader(plan: TablePlan, name: str) -> Callable[[str], str]:
    """What makes of the text of a cell the JSON text of a field; raises InvalidInput."""
    mapping = plan.mapping
    if name in _INSTANTS:
        return partial(_instant_json, name=name, time_format=mapping.time_format)
    readers: Mapping[str, Callable[[str], str]] = {
        "level": lambda text: f'"{folded_level(text)}"',
        "duration_ms": lambda text: duration_text(text, mapping.duration_unit),
        "value": lambda text: number_text(text) or encode_basestring(text),
        **dict.fromkeys(_OBJECTS, json_value),
    }
    return readers.get(name, encode_basestring)


def default_text(plan: TablePlan, name: str, value: str) -> str:
    """The JSON text of a default, which is read as a cell is; raises InvalidInput."""
    if has_surrogate(value):
        raise InvalidInput(f"default: {name}: {NOT_UTF8}")
    try:
        return cell_reader(plan, name)(value) if value or name in _MAY_BE_EMPTY else "null"
    except InvalidInput as fault:
        raise InvalidInput(f"default: {fault.message}") from None


def _instant_json(text: str, name: str, time_format: str | None) -> str:
    if time_format is None:
        return encode_basestring(rfc3339(text))
    try:
        return f'"{format_instant(time_reader(time_format)(text))}"'
    except InvalidInput as fault:
        raise InvalidInput(f"{name}: {fault.message}") from None


def _typed_instant(kind: pa.DataType, name: str) -> Callable[[int], str]:
    """What reads the integers of a type of times; digits past the microsecond are rounded half up."""
    unit = getattr(kind, "unit", "ms" if kind == pa.date64() else "day")
    times, per = _SCALES[unit]

    def read(count: int) -> str:
        instant = (count * times + per // 2) // per
        return f'"{format_instant(checked_instant(instant, f"{name}: {count} {unit} since 1970"))}"'

    return read


_SCALES = {"day": (DAY_US, 1), "s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""How many microseconds a count of each unit is, as a fraction."""


def _is_text(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return "string" in str(kind) or "binary" in str(kind)


def _at_once(texts: pa.Array, name: str, plan: TablePlan) -> pa.Array | None:
    """The JSON texts of a whole column, when what has to be looked at one by one is not in it."""
    if name in _INSTANTS:
        certain = plan.mapping.time_format is None and all_match(texts, _RFC3339)
        return quoted(texts) if certain else None
    if name in _NUMBERS:
        certain = (name == "value" or plan.mapping.duration_unit == "ms") and all_match(texts, _NUMBER)
        return texts if certain else None
    return None if name == "level" or name in _OBJECTS else quoted(texts)


_RFC3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_PERHAPS_JSON = r'^[{\["\-0-9tfn \t\r\n]'
_NOTHING = pa.scalar(None, TEXT)


def _guessed(column: pa.Array) -> pa.Array:
    """Cells whose type nobody told: JSON where one parses as JSON, else text."""
    if all_match(column, _NUMBER):
        return column
    perhaps = pc.fill_null(pc.match_substring_regex(column, _PERHAPS_JSON), pa.scalar(False))
    return pc.replace_with_mask(quoted(column), perhaps, each(column.filter(perhaps), value_text))


def _key(name: str) -> str:
    return f"{encode_basestring(name)}:"


def _member(name: str, texts: pa.Array | None) -> Any:
    if texts is None:
        return None
    return pc.binary_join_element_wise(pa.scalar(_key(name), TEXT), texts, "")


def _joined(members: list[pa.Array]) -> pa.Array:
    """The members that are there, with commas; told to skip NULL, Arrow drops the rows that are all NULL."""
    led = [pc.binary_join_element_wise("", one, ",") for one in members]
    joined = pc.binary_join_element_wise(*led, "", null_handling="replace", null_replacement="")
    return pc.ascii_ltrim(joined, characters=",")


def _enclosed(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("{", texts, "}", "")
