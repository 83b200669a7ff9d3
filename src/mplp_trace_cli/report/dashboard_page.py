"""The page of a dashboard: the figures of a window, a chart for each metric, and the most frequent errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.domain.dashboard import (
    FIGURES,
    SUMMARY_FIGURES,
    TOP_ERRORS,
    DashboardData,
    Figure,
    TopError,
    Trend,
)
from mplp_trace_cli.domain.times import DAY_US, SECOND_US, format_instant
from mplp_trace_cli.domain.words import counted, humane_duration
from mplp_trace_cli.report import charts
from mplp_trace_cli.report.frame import Page, own_script, rows_of, text

_ARROWS = {"up": "▲", "down": "▼", "flat": "→"}
_WIDTHS = {"minute": 60 * SECOND_US, "hour": 3_600 * SECOND_US, "day": DAY_US, "week": 7 * DAY_US}
_RATES = ((1, "/s"), (60, "/min"), (3_600, "/h"), (86_400, "/d"))
_NOTHING = "–"
_MOST_CHARACTERS = 400


class Scale(NamedTuple):
    """How the values of a figure are shown: multiplied by `factor`, with `unit`."""

    factor: float
    unit: str

    def text(self, value: float | None) -> str:
        """The value as people read it."""
        if value is None:
            return _NOTHING
        if self.unit == "ms":
            return humane_duration(value)
        if self.unit == "share":
            return f"{value:.1%}"
        scaled = value * self.factor
        shown = f"{scaled:,.0f}" if scaled == int(scaled) or scaled >= 1_000 else f"{scaled:.3g}"
        return f"{shown}{self.unit}"


def dashboard_page(data: DashboardData) -> str:
    """The page as one HTML file; raises MissingExtra where the extra `report` is not installed."""
    sections = [_section(data, FIGURES[name]) for name in data.metrics]
    body = "\n".join(
        (
            _head(data),
            _figures(data),
            f'<div class="charts">{"".join(section.html for section in sections)}</div>',
            _errors(data.top_errors),
        )
    )
    return Page(
        title=f"Dashboard · {_window(data)}",
        body=body,
        styles=("base.css", "dashboard.css"),
        scripts=[charts.bundle(), own_script("dashboard.js")],
        data=[section.chart for section in sections if section.chart],
        notes=("mplp-trace", "times are UTC"),
    ).html()


def _head(data: DashboardData) -> str:
    return (
        f'<header><p class="kind">Dashboard</p><h1>{_window(data)}</h1>'
        f'<p class="about">{_length(data)}, by {text(data.group_by)}; changes are against the '
        f"{_length(data)} before</p></header>"
    )


def _window(data: DashboardData) -> str:
    return f"{_minute(data.start)} – {_minute(data.end)} UTC"


def _length(data: DashboardData) -> str:
    """`24 hours`, `7 days`: in the largest unit that says it in whole numbers, a single day in hours."""
    length = data.end - data.start
    for name in ("day", "hour", "minute"):
        count, rest = divmod(length, _WIDTHS[name])
        if not rest and (count > 1 or name == "minute"):
            return counted(count, name)
    return humane_duration(length / 1_000)


def _minute(instant: int) -> str:
    return format_instant(instant)[:16].replace("T", " ")


# -- the big numbers -------------------------------------------------------------------------------


def _figures(data: DashboardData) -> str:
    cards = (_card(FIGURES[name], getattr(data.summary, name), data) for name in SUMMARY_FIGURES)
    return f'<dl class="figures">{"".join(cards)}</dl>'


def _card(figure: Figure, value: float | None, data: DashboardData) -> str:
    scale = _scale(figure, [value])
    trend = _trend(data.performance_trends.get(figure.name), scale)
    return f"<div><dt>{figure.title}</dt><dd>{scale.text(value)}</dd><dd>{trend}</dd></div>"


def _trend(trend: Trend | None, scale: Scale) -> str:
    """An arrow, by how much, and what it was: never by colour alone."""
    if trend is None:
        return ""
    if trend.previous is None:
        return "<small>nothing to compare with</small>"
    verdict = f", {trend.verdict}" if trend.verdict != "neutral" else ""
    change = "" if trend.change is None else f" {_percent(abs(trend.change))}"
    arrow = f'<span class="trend {trend.verdict}">{_ARROWS[trend.direction]}{change}</span>'
    return f"{arrow} <small>was {scale.text(trend.previous)}{verdict}</small>"


def _percent(share: float) -> str:
    return f"{share:,.0%}" if share >= 0.095 else f"{share:.1%}"


def _scale(figure: Figure, values: Sequence[float | None]) -> Scale:
    if figure.unit != "/s":
        return Scale(1, figure.unit)
    most = max((value for value in values if value is not None), default=0)
    return Scale(*next((rate for rate in _RATES if most * rate[0] >= 1), _RATES[-1 if most else 0]))


# -- a metric --------------------------------------------------------------------------------------


class _Section(NamedTuple):
    html: str
    chart: dict[str, Any] | None


def _section(data: DashboardData, figure: Figure) -> _Section:
    trend = data.performance_trends.get(figure.name)
    values = [point.values.get(figure.name) for point in data.timeseries]
    scale = _scale(figure, [*values, trend.current if trend else None])
    marks = _marks(data, values, scale)
    current = f'<p class="current">{scale.text(trend.current)}</p>' if trend else ""
    head = f"<h2>{figure.title}</h2>{current}<p>{_trend(trend, scale)}</p>"
    if all(value is None for value in values):
        return _Section(f'<section>{head}<p class="none">No values in this window.</p></section>', None)
    chart = charts.Chart(figure.title, scale.unit, _colour(figure), not figure.unit)
    spec = charts.specification(chart, marks)
    place = f"chart-{figure.name}"
    drawn = f'<div class="chart" id="{place}" role="img" aria-label="{text(spec["description"])}"></div>'
    return _Section(
        f"<section>{head}{drawn}{_table(figure, marks)}</section>",
        {"place": place, "spec": spec, "rows": charts.rows_of(marks)},
    )


def _colour(figure: Figure) -> str:
    return "var(--error)" if figure.name.startswith("error") else "var(--accent)"


def _marks(data: DashboardData, values: Sequence[float | None], scale: Scale) -> list[charts.Mark]:
    width = _WIDTHS[data.group_by]
    return [
        charts.Mark(
            point.bucket / 1_000,
            (point.bucket + width) / 1_000,
            None if value is None else value * scale.factor,
            format_instant(point.bucket)[:10] if width >= DAY_US else _minute(point.bucket),
            scale.text(value),
            f"{point.total_traces:,}",
        )
        for point, value in zip(data.timeseries, values, strict=True)
    ]


def _table(figure: Figure, marks: Sequence[charts.Mark]) -> str:
    rows = rows_of(((mark.when, mark.text, mark.traces) for mark in marks), 2)
    return (
        f'<details><summary>As a table</summary><div class="wide" tabindex="0" role="region" '
        f'aria-label="{figure.title} as a table"><table><thead><tr><th scope="col">UTC</th>'
        f'<th scope="col" class="number">{figure.title}</th><th scope="col" class="number">Traces</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></details>"
    )


# -- errors ----------------------------------------------------------------------------------------

_HEADS = ("Error", "Event", "Newest trace", "First seen", "Last seen", "Traces", "Count")


def _errors(errors: Sequence[TopError]) -> str:
    if not errors:
        return (
            '<section class="top"><h2>Top errors</h2><p class="none">No errors in this window.</p></section>'
        )
    first, *others = _HEADS
    heads = f'<th scope="col">{first}</th>' + "".join(
        f'<th scope="col"{_class(head)}>{head}</th>' for head in others
    )
    return (
        f'<section class="top"><h2>Top errors <small>{_how_many(len(errors))}</small></h2>'
        f'<table class="errors"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(map(_error_row, errors))}</tbody></table></section>"
    )


def _how_many(errors: int) -> str:
    """How many kinds are shown; as many as there may be are said to be only the first."""
    return f"the {errors} most frequent" if errors == TOP_ERRORS else counted(errors, "kind")


def _class(head: str) -> str:
    return "" if head in _HEADS[:3] else ' class="number"'


def _error_row(error: TopError) -> str:
    first, *others = _error_cells(error)
    cells = (
        f'<td{_class(head)} data-head="{head}">{cell}</td>'
        for head, cell in zip(_HEADS[1:], others, strict=True)
    )
    return f'<tr><th scope="row">{first}</th>{"".join(cells)}</tr>'


def _error_cells(error: TopError) -> list[str]:
    newest = error.message if error.message and error.message != error.pattern else None
    said = f"<small>newest: {text(_shortened(newest))}</small>" if newest else ""
    source = f"<small>{text(_shortened(error.source))}</small>" if error.source else ""
    return [
        f"<span>{text(_shortened(error.pattern))}</span>{said}",
        f"<span>{text(_shortened(error.event_type))}</span>{source}",
        f"<code>{text(error.trace_id)}</code>",
        _minute(error.first_seen),
        _minute(error.last_seen),
        f"{error.traces:,}",
        f"{error.count:,}",
    ]


def _shortened(said: str) -> str:
    return said if len(said) <= _MOST_CHARACTERS else f"{said[:_MOST_CHARACTERS]}…"
