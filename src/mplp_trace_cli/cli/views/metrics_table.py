"""Metrics as people read them: figures with their unit, a small chart, fewer columns where room is short."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli.views.tables import is_wide
from mplp_trace_cli.domain.metrics_data import MetricSeries
from mplp_trace_cli.domain.words import humane_bytes, humane_duration, humane_rate

CELLS = 16
BARS = "▁▂▃▄▅▆▇█"
LEVEL = "▄"
"""What does not change."""
NOTHING = "·"


class _Shown(NamedTuple):
    """A column for people, and whether it needs a wide terminal."""

    column: Column
    text: Callable[[MetricSeries], object]
    wide_only: bool = False


def for_people(series: Sequence[MetricSeries], *, bucketed: bool) -> Answer:
    """The series for a table or markdown; a column in which nothing stands is left out."""
    first = _BUCKET if bucketed else ()
    last = () if bucketed else _TREND
    shown = [each for each in (*first, *_COLUMNS, *last) if is_wide() or not each.wide_only]
    cells = [[each.text(one) for one in series] for each in shown]
    said = [(each.column, texts) for each, texts in zip(shown, cells, strict=True) if any(texts)]
    return Answer(tuple(column for column, _ in said), list(zip(*(texts for _, texts in said), strict=True)))


def _title(series: MetricSeries) -> str:
    """`queue_depth queue=mail`, which folds between its words."""
    return " ".join([series.name, *(f"{key}={value}" for key, value in series.labels.items())])


def _value(series: MetricSeries) -> str:
    """The first figure, with its unit."""
    return figure(series.value, series.unit, named=True)


def _in_unit(name: str) -> Callable[[MetricSeries], str]:
    return lambda series: figure(getattr(series, name), series.unit)


def _rate(series: MetricSeries) -> str:
    return "" if series.rate is None else humane_rate(series.rate)


def figure(value: float | None, unit: str | None, *, named: bool = False) -> str:
    """A figure in the unit that people read best; any other unit stands behind it when it is to be named."""
    if value is None:
        return ""
    if unit in _SCALED:
        return _SCALED[unit](value)
    if not named or not unit:
        return _short(value)
    return f"{_short(value)} {unit[:-1] if value == 1 and unit.endswith('s') else unit}"


_SCALED: dict[str | None, Callable[[float], str]] = {
    "ms": humane_duration,
    "s": lambda value: humane_duration(value * 1_000),
    "percent": lambda value: f"{_short(value)}%",
    "%": lambda value: f"{_short(value)}%",
    "share": lambda value: f"{_short(100 * value)}%",
    "bytes": humane_bytes,
    "events/s": humane_rate,
    "bytes/s": lambda value: f"{humane_bytes(value)}/s",
}


def _short(value: float) -> str:
    """Four digits that count, more only before the point."""
    if 1_000 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def chart(values: Sequence[float | None]) -> str:
    """A bar a value, from the least to the greatest; a dot where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    least, span = min(known), max(known) - min(known)
    return "".join(NOTHING if value is None else _bar(value - least, span) for value in values)


def _bar(above: float, span: float) -> str:
    if not span or not math.isfinite(span):
        return LEVEL
    return BARS[min(len(BARS) - 1, int(above / span * len(BARS)))]


_BUCKET = (_Shown(Column("bucket (UTC)", Kind.INSTANT), lambda series: series.bucket),)
_COLUMNS = (
    _Shown(Column("metric"), _title),
    _Shown(Column("type"), lambda series: series.type, wide_only=True),
    _Shown(Column("value", Kind.FIGURE), _value),
    _Shown(Column("avg", Kind.FIGURE), _in_unit("avg"), wide_only=True),
    _Shown(Column("min", Kind.FIGURE), _in_unit("min")),
    _Shown(Column("max", Kind.FIGURE), _in_unit("max")),
    _Shown(Column("p95", Kind.FIGURE), _in_unit("p95"), wide_only=True),
    _Shown(Column("rate", Kind.FIGURE), _rate, wide_only=True),
)
_TREND = (_Shown(Column("trend"), lambda series: chart(series.trend)),)
