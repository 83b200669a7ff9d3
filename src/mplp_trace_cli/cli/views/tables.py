"""Traces and events as people read them: fewer columns, shorter times and ids where room is short."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.times import DAY_US, SECOND_US, format_instant
from mplp_trace_cli.domain.words import humane_rate, rate_unit

WIDE = 100
_DAY_AND_MINUTE, _TIME_OF_YEAR = slice(0, 16), slice(5, 19)


class _Shown(NamedTuple):
    """A column for people: its heading, the field it shows, its kind, whether it needs a wide terminal."""

    heading: str
    field: str
    kind: Kind = Kind.TEXT
    wide_only: bool = False


_TRACES = (
    _Shown("trace", "trace_id"),
    _Shown("name", "name"),
    _Shown("context", "context_id", wide_only=True),
    _Shown("status", "status"),
    _Shown("started (UTC)", "started_at", Kind.INSTANT),
    _Shown("duration", "duration_ms", Kind.DURATION),
    _Shown("events", "event_count", Kind.COUNT),
    _Shown("errors", "error_count", Kind.COUNT),
)
_EVENTS = (
    _Shown("time (UTC)", "timestamp", Kind.INSTANT),
    _Shown("trace", "trace_id"),
    _Shown("level", "level"),
    _Shown("event", "event_type"),
    _Shown("source", "source", wide_only=True),
    _Shown("duration", "duration_ms", Kind.DURATION),
    _Shown("message", "message"),
)


def traces_for_people(answer: Answer) -> Answer:
    """Traces for a table or markdown."""
    return _for_people(answer, _TRACES, _DAY_AND_MINUTE)


def events_for_people(answer: Answer) -> Answer:
    """Events for a table or markdown."""
    return _for_people(answer, _EVENTS, _TIME_OF_YEAR)


def groups_for_people(answer: Answer) -> Answer:
    """Groups for a table or markdown: times no finer than they are, the rates of a column in one unit."""
    rows = list(answer.rows)
    columns, cells = [], []
    for at, column in enumerate(answer.columns):
        values = [row[at] for row in rows]
        tell = _IN_ONE_FORM.get(column.kind)
        columns.append(Column(_heading(column), _TOLD.get(column.kind, column.kind)))
        cells.append(values if tell is None else tell(values))
    return Answer(tuple(columns), list(zip(*cells, strict=True)), answer.total)


def _heading(column: Column) -> str:
    """The name of a figure in words, which may stand below each other; that of a key as it is."""
    return column.name.replace("_", " ") if column.kind in _FIGURES else column.name


_FIGURES = (Kind.COUNT, Kind.DURATION, Kind.SHARE, Kind.RATE)


def _in_one_precision(instants: list[int]) -> list[str]:
    """`2026-03-02`, `2026-03-02 09:15` or with seconds, whatever all of them need."""
    length = next((length for step, length in _PRECISIONS if all(one % step == 0 for one in instants)), 26)
    return [format_instant(one)[:length].replace("T", " ") for one in instants]


def _in_one_unit(rates: list[float | None]) -> list[str | None]:
    unit = rate_unit(max((rate for rate in rates if rate is not None), default=0.0))
    return [None if rate is None else humane_rate(rate, unit) for rate in rates]


_PRECISIONS = ((DAY_US, 10), (60 * SECOND_US, 16), (SECOND_US, 19))
_IN_ONE_FORM: dict[Kind, Callable[[list[Any]], list[Any]]] = {
    Kind.INSTANT: _in_one_precision,
    Kind.RATE: _in_one_unit,
}
_TOLD = {Kind.INSTANT: Kind.TEXT, Kind.RATE: Kind.FIGURE}


def is_wide() -> bool:
    """True where every column has room: on a wide terminal, and in what is piped."""
    return not sys.stdout.isatty() or formats.console().width >= WIDE


def short_id(value: str) -> str:
    """The first part of a UUID, which is a prefix that commands take; any other id as it is."""
    return value[:8] if len(value) == 36 and value.count("-") == 4 else value


def shown_id(value: str) -> str:
    """The id as tables have it: short on a terminal."""
    return short_id(value) if sys.stdout.isatty() else value


def _for_people(answer: Answer, columns: tuple[_Shown, ...], short_time: slice) -> Answer:
    wide = is_wide()
    rows = list(answer.rows)
    if not wide and _spans_years(answer, columns, rows):
        short_time = _DAY_AND_MINUTE
    shown = [column for column in columns if wide or not column.wide_only]
    places = [answer.names.index(column.field) for column in shown]

    def cell(column: _Shown, value: Any) -> Any:
        if column.heading == "trace":
            return shown_id(value)
        if column.kind is Kind.INSTANT and not wide:
            return formats.humane_instant(value)[short_time]
        return None if column.heading == "errors" and not value else value

    def row(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(cell(column, values[at]) for column, at in zip(shown, places, strict=True))

    kinds = [Kind.TEXT if column.kind is Kind.INSTANT and not wide else column.kind for column in shown]
    headings = (Column(column.heading, kind) for column, kind in zip(shown, kinds, strict=True))
    return Answer(tuple(headings), map(row, rows), answer.total)


def _spans_years(answer: Answer, columns: tuple[_Shown, ...], rows: list[tuple[Any, ...]]) -> bool:
    at = next(answer.names.index(one.field) for one in columns if one.kind is Kind.INSTANT)
    return len({formats.humane_instant(row[at])[:4] for row in rows}) > 1
