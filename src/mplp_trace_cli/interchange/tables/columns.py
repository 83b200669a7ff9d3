"""Which column of a table is which field: what its rows are, where each field comes from, what is left over.

Decided once a file, from the names of its columns and the mapping; what does not fit is said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mplp_trace_cli.domain.enums import nearest_word, unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.foreign import require_unit
from mplp_trace_cli.domain.lines import EVENT_KEYS, KINDS, METRIC_KEYS, TRACE_DERIVED, TRACE_KEYS
from mplp_trace_cli.domain.questions import ColumnMapping
from mplp_trace_cli.domain.time_formats import time_reader
from mplp_trace_cli.domain.visible import visible

KEYS = {"event": EVENT_KEYS, "trace": TRACE_KEYS, "metric": METRIC_KEYS}
HOMES = {"event": "data", "trace": "metadata", "metric": "labels"}
"""The object that takes the columns which are no fields."""
FIELDS = tuple(sorted(set().union(*KEYS.values(), ("kind",))))
"""Every field that a column or a default can be named for."""
_MUST_BE_THERE: Mapping[str, Sequence[str]] = {
    "event": ("event_type", "trace_id"),
    "trace": (),
    "metric": ("name", "value"),
}
_SHOWN_COLUMNS = 12


@dataclass(frozen=True)
class TablePlan:
    """How the rows of one table become lines; the names are those of its columns, each once."""

    names: tuple[str, ...]
    fields: Mapping[str, int]
    """The place of the column of each field."""
    kind: str
    """What a row is whose kind no column tells; empty when a column must."""
    mapping: ColumnMapping
    holds: Mapping[int, str]
    """What columns hold beyond what their type says."""
    is_text: bool
    """True where every cell is text whose type nobody told, as in csv."""

    @property
    def is_of_events(self) -> bool:
        """True when every row is an event."""
        return self.kind == "event" and "kind" not in self.fields

    def of_kind(self, kind: str) -> dict[str, int]:
        """The columns of the fields of one kind."""
        return {name: at for name, at in self.fields.items() if name in KEYS[kind]}

    def extras(self, kind: str) -> list[int]:
        """The columns that are no fields of that kind."""
        taken = {*self.of_kind(kind).values(), self.fields.get("kind")}
        derived = TRACE_DERIVED if kind == "trace" else ()
        return [at for at, name in enumerate(self.names) if at not in taken and name not in derived]


def check_mapping(mapping: ColumnMapping) -> None:
    """Raises InvalidInput for a field, a format of times or a unit that there is not."""
    for option, given in (("map", mapping.fields), ("default", mapping.defaults)):
        for name in given:
            if name not in FIELDS:
                raise InvalidInput(f"{option}: {unknown_word(FIELDS, name)}")
    if mapping.defaults.get("kind", KINDS[0]) not in KINDS:
        raise InvalidInput(f"default: kind: {unknown_word(KINDS, mapping.defaults['kind'])}")
    if mapping.time_format is not None:
        time_reader(mapping.time_format)
    require_unit(mapping.duration_unit)


def table_plan(
    header: Sequence[str], mapping: ColumnMapping, holds: Mapping[int, str], *, is_text: bool
) -> TablePlan:
    """The plan of a table with these columns; raises InvalidInput when it does not fit the mapping."""
    names = unique_names(header)
    fields = {name: at for at, name in enumerate(names) if name in FIELDS and name not in mapping.fields}
    taken = {field: _place(names, column, field) for field, column in mapping.fields.items()}
    # A column that is named for one field is not another one by its name as well.
    fields = {name: at for name, at in fields.items() if at not in taken.values()} | taken
    kind = _kind(fields, mapping, names)
    return TablePlan(names, fields, kind, mapping, holds, is_text)


def unique_names(header: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, each once: a repeated one gets a number, one without a name its place."""
    names: dict[str, None] = {}
    given = frozenset(header)
    numbers: dict[str, int] = {}
    """The number to try next for a name: of thousands with one name each is not tried again."""
    for place, name in enumerate(header, start=1):
        free = name or f"column_{place}"
        number = numbers.get(name, 2)
        while free in names or (free != name and free in given):
            free = f"{name or 'column'}_{number if name else place + number}"
            number += 1
        if name:
            numbers[name] = number
        names[free] = None
    return tuple(names)


def _place(names: Sequence[str], column: str, field: str) -> int:
    if column in names:
        return names.index(column)
    near = nearest_word([name.lower() for name in names], column)
    if near:
        folded = {name.lower(): name for name in names}
        word = near.removeprefix(" (did you mean ").removesuffix("?)")
        near = f"--map {field}={folded[word]}"
    raise InvalidInput(f"map: there is no column {visible(column)!r} in {listed(names)}", hint=near or None)


def listed(names: Sequence[str]) -> str:
    """The names of columns for a message, the first of them where there are many."""
    shown = ", ".join(visible(name)[:40] for name in names[:_SHOWN_COLUMNS])
    return f"{shown}, … ({len(names)} columns)" if len(names) > _SHOWN_COLUMNS else shown


def _kind(fields: Mapping[str, int], mapping: ColumnMapping, names: Sequence[str]) -> str:
    there = fields.keys() | mapping.defaults.keys()
    kind = mapping.defaults.get("kind", "")
    if not kind and "event_type" in there:
        kind = "event"
    elif not kind and {"name", "value"} <= there:
        kind = "metric"
    elif not kind and {"name", "trace_id"} <= there:
        kind = "trace"
    if "kind" not in fields:
        _require(kind, there, names)
    return kind


def _require(kind: str, there: set[str], names: Sequence[str]) -> None:
    if not kind:
        raise InvalidInput(
            "neither events (event_type), traces (name, trace_id) nor metrics (name, value): the first line "
            f"names {listed(names)}",
            hint="--map event_type=COLUMN,timestamp=COLUMN",
        )
    missing = next((name for name in _MUST_BE_THERE[kind] if name not in there), None)
    if missing is None:
        return
    hint = "--default trace_id=ID --create-missing" if missing == "trace_id" else f"--map {missing}=COLUMN"
    raise InvalidInput(f"{missing}: no column has the name, of {listed(names)}", hint=hint)
