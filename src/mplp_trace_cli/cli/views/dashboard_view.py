"""How a dashboard looks on a terminal: the figures that matter first, a chart a metric, the top errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.chart import Chart, sparkline
from mplp_trace_cli.domain.dashboard import FIGURES, SUMMARY_FIGURES, DashboardData, TopError, Trend
from mplp_trace_cli.domain.times import DAY_US, format_instant
from mplp_trace_cli.domain.visible import visible
from mplp_trace_cli.domain.words import humane_duration, humane_rate, humane_share, rate_unit

PIPED_WIDTH = 80
SIDE_BY_SIDE = 110
"""From so many columns on two charts stand beside each other."""
GAP = 4
COLUMN_GAP = 2
HEAD_ROWS = 4
"""Lines of the title of the errors, of their heading with its rule, and of what stands below all."""
LEAST_ERRORS = 3
NOTHING = "–"
ARROWS = {"up": "▲", "down": "▼", "flat": "→"}
VERDICTS = {"better": "green", "worse": "red", "neutral": "dim"}
COLOURS = {"ms": "blue", "share": "red", "/s": "green"}

Line = tuple[tuple[str, str], ...]
"""A line of the screen: texts, each with its style."""


class Room(NamedTuple):
    """How much of a screen there is; rows None is as many as it takes."""

    width: int
    rows: int | None = None
    is_piped: bool = False

    @property
    def is_wide(self) -> bool:
        """True where charts stand beside each other and tables have every column."""
        return self.width >= SIDE_BY_SIDE


class View(NamedTuple):
    """What is shown: lines, and below them the table of the top errors, None where there are none."""

    lines: list[Line]
    errors: Answer | None


def room_here() -> Room:
    """The terminal's width, or 80 columns where it is piped."""
    return Room(formats.console().width) if sys.stdout.isatty() else Room(PIPED_WIDTH, is_piped=True)


def dashboard_view(data: DashboardData, room: Room) -> View:
    """The dashboard for so much room; where it has to fit a screen, smaller charts and fewer errors."""
    lines = [_title(data), (), *_numbers(data), ()]
    if not data.summary.total_traces and not data.summary.error_count:
        return View([*lines, (("Nothing started and nothing failed in this window.", "dim"),)], None)
    charts = _charts(data, room)
    if room.rows is not None and len(lines) + len(charts) + HEAD_ROWS + LEAST_ERRORS > room.rows:
        charts = _sparklines(data, room.width)
    lines += charts
    if not data.top_errors:
        return View([*lines, (("No errors in this window.", "dim"),)], None)
    most = None if room.rows is None else max(0, room.rows - len(lines) - HEAD_ROWS)
    if most == 0:
        return View(lines, None)
    return View([*lines, (("Top errors", "bold"),)], _errors(data.top_errors[:most], room))


def _title(data: DashboardData) -> Line:
    start, end = (format_instant(one)[:16].replace("T", " ") for one in (data.start, data.end))
    last = end[11:] if start[:10] == end[:10] else end
    return (("Dashboard", "bold"), (f"  {start} – {last} UTC, by {data.group_by}", ""))


# -- the numbers ---------------------------------------------------------------------------------------


def _numbers(data: DashboardData) -> list[Line]:
    columns = []
    for name in SUMMARY_FIGURES:
        trend = data.performance_trends[name]
        told = teller(name, [trend.current])(trend.current)
        columns.append(
            [((FIGURES[name].title.lower(), "dim"),), ((told, "bold"),), (trend_text(name, trend),)]
        )
    return beside(columns, [max(map(_length, column)) for column in columns])


def beside(columns: Sequence[Sequence[Line]], widths: Iterable[int]) -> list[Line]:
    """Columns of as many lines beside each other, each as wide as given, with a gap between them."""
    *padded, last = [
        [(*line, (" " * (width + GAP - _length(line)), "")) for line in column]
        for column, width in zip(columns, widths, strict=True)
    ]
    last = [line[:-1] for line in last]
    return [tuple(part for line in row for part in line) for row in zip(*padded, last, strict=True)]


def _length(line: Line) -> int:
    return sum(len(text) for text, _ in line)


def teller(name: str, values: Sequence[float | None]) -> Callable[[float | None], str]:
    """How values of a figure are told, all in the same unit."""
    unit = FIGURES[name].unit
    per = rate_unit(max((value for value in values if value is not None), default=0.0))
    tellers: dict[str, Callable[[float], str]] = {
        "ms": humane_duration,
        "share": humane_share,
        "/s": lambda value: humane_rate(value, per),
        "": lambda value: f"{value:,.0f}",
    }
    tell = tellers[unit]
    return lambda value: NOTHING if value is None else tell(value)


def trend_text(name: str, trend: Trend) -> tuple[str, str]:
    """`▲ 39%`: how a figure changed against the window before, coloured by whether that is good."""
    if trend.previous is None:
        return "nothing before", "dim"
    if trend.current is None:
        return "nothing now", "dim"
    change = _change(name, trend, trend.current - trend.previous)
    return f"{ARROWS[trend.direction]} {change}", VERDICTS[trend.verdict]


def _change(name: str, trend: Trend, difference: float) -> str:
    if trend.direction == "flat":
        return "as before"
    if FIGURES[name].unit == "share":
        return f"{abs(difference) * 100:.1f} points"
    if trend.change is None:
        return "from 0"
    return f"{abs(trend.change):.0%}" if abs(trend.change) < 10 else f"{trend.change + 1:,.0f} ×"


# -- the charts ----------------------------------------------------------------------------------------


def _charts(data: DashboardData, room: Room) -> list[Line]:
    across = 2 if room.is_wide and len(data.metrics) > 1 else 1
    each = (room.width - GAP * (across - 1)) // across
    drawn = [_chart(data, name, each) for name in data.metrics]
    lines: list[Line] = []
    for at in range(0, len(drawn), across):
        row = drawn[at : at + across]
        lines += [*(beside(row, [each] * len(row)) if across > 1 else row[0]), ()]
    return lines


def _chart(data: DashboardData, name: str, width: int) -> list[Line]:
    figure = FIGURES[name]
    values = [point.values[name] for point in data.timeseries]
    tell = teller(name, values)
    trend = data.performance_trends[name]
    title = ((figure.title, "bold"), (f"  {tell(trend.current)}  ", ""), trend_text(name, trend))
    drawn = Chart(values, _labels(data), tell, width).lines()
    return [title, *(((line, COLOURS.get(figure.unit, "cyan")),) for line in drawn)]


def _labels(data: DashboardData) -> list[str]:
    """When each bucket begins, as short as it can be: the time of day, or where a day begins its date."""
    by_day = data.group_by in ("day", "week")
    return [
        format_instant(point.bucket)[5:10]
        if by_day or point.bucket % DAY_US == 0
        else format_instant(point.bucket)[11:16]
        for point in data.timeseries
    ]


def _sparklines(data: DashboardData, width: int) -> list[Line]:
    """A line a metric, for a screen that has to hold everything."""
    names = max((len(FIGURES[name].title) for name in data.metrics), default=0)
    lines: list[Line] = []
    for name in data.metrics:
        values = [point.values[name] for point in data.timeseries]
        tell, trend = teller(name, values), data.performance_trends[name]
        peak = f"peak {tell(max((value for value in values if value is not None), default=None))}"
        head = f"{FIGURES[name].title:<{names}}  {tell(trend.current):>9}  "
        line = sparkline(values, max(8, width - len(head) - len(peak) - 2))
        lines.append(((head, "bold"), (line, COLOURS.get(FIGURES[name].unit, "cyan")), (f"  {peak}", "")))
    return [*lines, ()]


# -- the errors ----------------------------------------------------------------------------------------


def _errors(errors: Sequence[TopError], room: Room) -> Answer:
    wide = room.is_wide or room.is_piped
    columns = [Column("count", Kind.COUNT), Column("traces", Kind.COUNT), Column("last (UTC)")]
    columns += [Column("event"), Column("error")] if wide else [Column("error")]
    rows = []
    for error in errors:
        last = format_instant(error.last_seen)[5:16].replace("T", " ")
        event = [error.event_type] if wide else []
        rows.append((error.count, error.traces, last, *event, error.pattern))
    return Answer(tuple(columns), rows if room.rows is None else _on_one_line(columns, rows, room.width))


def _on_one_line(
    columns: Sequence[Column], rows: Sequence[tuple[Any, ...]], width: int
) -> list[tuple[Any, ...]]:
    """The rows with their last cell cut to what the others leave of the width, so that none folds."""
    told = [[column.name for column in columns[:-1]]]
    told += [
        [formats.people_text(*pair) for pair in zip(columns[:-1], row[:-1], strict=True)] for row in rows
    ]
    taken = sum(max(map(len, cells)) + COLUMN_GAP for cells in zip(*told, strict=True))
    return [(*row[:-1], shortened(row[-1], max(10, width - taken))) for row in rows]


def shortened(text: str, width: int) -> str:
    """The text, as far as it fits on one line of so many cells."""
    from rich.cells import cell_len, set_cell_size

    shown = visible(text)
    return shown if cell_len(shown) <= width else f"{set_cell_size(shown, width - 1)}…"
