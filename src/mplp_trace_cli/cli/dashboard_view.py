"""How a dashboard looks on a terminal: the figures that matter first, a chart a metric, the top errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.cli import formats, output
from mplp_trace_cli.cli.chart import Chart, sparkline
from mplp_trace_cli.domain.dashboard import FIGURES, SUMMARY_FIGURES, DashboardData, TopError, Trend
from mplp_trace_cli.domain.times import DAY_US, format_instant
from mplp_trace_cli.domain.words import humane_duration, humane_rate, humane_share, rate_unit

PIPED_WIDTH = 80
SIDE_BY_SIDE = 110
"""From so many columns on two charts stand beside each other."""
GAP = 4
NOTHING = "–"
ARROWS = {"up": "▲", "down": "▼", "flat": "→"}
VERDICTS = {"better": "green", "worse": "red", "neutral": "dim"}
COLOURS = {"ms": "blue", "share": "red", "/s": "green"}


class Room(NamedTuple):
    """How much of a screen there is; rows None is as many as it takes."""

    width: int
    rows: int | None = None
    is_piped: bool = False

    @property
    def is_wide(self) -> bool:
        """True where charts stand beside each other and tables have every column."""
        return self.width >= SIDE_BY_SIDE


def room_here() -> Room:
    """The terminal's width, or 80 columns where it is piped."""
    return Room(formats.console().width) if sys.stdout.isatty() else Room(PIPED_WIDTH, is_piped=True)


def dashboard_view(data: DashboardData, room: Room) -> list[Any]:
    """What to print, one after the other."""
    from rich.text import Text

    parts: list[Any] = [_title(data), Text(), _numbers(data), Text()]
    if not data.summary.total_traces and not data.summary.error_count:
        return [*parts, Text("Nothing started and nothing failed in this window.", style="dim")]
    parts += _sparklines(data, room.width) if room.rows is not None else _charts(data, room)
    if data.top_errors:
        most = len(data.top_errors) if room.rows is None else max(0, room.rows - 11 - len(data.metrics))
        parts += [
            Text("Top errors", style="bold"),
            _errors(data.top_errors[:most], room.is_wide or room.is_piped),
        ]
    else:
        parts.append(Text("No errors in this window.", style="dim"))
    return parts


def _title(data: DashboardData) -> Any:
    from rich.text import Text

    start, end = (format_instant(one)[:16].replace("T", " ") for one in (data.start, data.end))
    last = end[11:] if start[:10] == end[:10] else end
    return Text.assemble(("Dashboard", "bold"), f"  {start} – {last} UTC, by {data.group_by}")


# -- the numbers ---------------------------------------------------------------------------------------


def _numbers(data: DashboardData) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 4, 0, 0))
    for _ in SUMMARY_FIGURES:
        table.add_column(no_wrap=True)
    table.add_row(*(Text(FIGURES[name].title.lower(), style="dim") for name in SUMMARY_FIGURES))
    trends = [data.performance_trends[name] for name in SUMMARY_FIGURES]
    told = (
        teller(name, [trend.current])(trend.current)
        for name, trend in zip(SUMMARY_FIGURES, trends, strict=True)
    )
    table.add_row(*(Text(text, style="bold") for text in told))
    table.add_row(*(trend_text(name, trend) for name, trend in zip(SUMMARY_FIGURES, trends, strict=True)))
    return table


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


def trend_text(name: str, trend: Trend) -> Any:
    """`▲ 39%`: how a figure changed against the window before, coloured by whether that is good."""
    from rich.text import Text

    if trend.current is None or trend.previous is None:
        return Text("nothing before" if trend.previous is None else "nothing now", style="dim")
    return Text(f"{ARROWS[trend.direction]} {_change(name, trend)}", style=VERDICTS[trend.verdict])


def _change(name: str, trend: Trend) -> str:
    assert trend.current is not None
    assert trend.previous is not None
    if trend.direction == "flat":
        return "as before"
    if FIGURES[name].unit == "share":
        return f"{abs(trend.current - trend.previous) * 100:.1f} points"
    if trend.change is None:
        return f"from {teller(name, [])(trend.previous)}"
    return f"{abs(trend.change):.0%}" if abs(trend.change) < 10 else f"{trend.change + 1:,.0f} ×"


# -- the charts ----------------------------------------------------------------------------------------


def _charts(data: DashboardData, room: Room) -> list[Any]:
    from rich.table import Table
    from rich.text import Text

    across = 2 if room.is_wide and len(data.metrics) > 1 else 1
    each = (room.width - GAP * (across - 1)) // across
    drawn = [_chart(data, name, each) for name in data.metrics]
    parts: list[Any] = []
    for at in range(0, len(drawn), across):
        row = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        for _ in range(across):
            row.add_column(no_wrap=True, width=each)
        row.add_row(*drawn[at : at + across])
        parts += [row, Text()]
    return parts


def _chart(data: DashboardData, name: str, width: int) -> Any:
    from rich.text import Text

    figure = FIGURES[name]
    values = [point.values[name] for point in data.timeseries]
    tell = teller(name, values)
    chart = Chart(values, _labels(data), tell, width)
    trend = data.performance_trends[name]
    title = Text.assemble((figure.title, "bold"), f"  {tell(trend.current)}  ", trend_text(name, trend))
    body = Text("\n".join(chart.lines()), style=COLOURS.get(figure.unit, "cyan"))
    return Text("\n").join([title, body])


def _labels(data: DashboardData) -> list[str]:
    """When each bucket begins, as short as it can be: the time of day, or where a day begins its date."""
    if data.group_by in ("day", "week"):
        return [format_instant(point.bucket)[5:10] for point in data.timeseries]
    return [
        format_instant(point.bucket)[5:10]
        if point.bucket % DAY_US == 0
        else format_instant(point.bucket)[11:16]
        for point in data.timeseries
    ]


def _sparklines(data: DashboardData, width: int) -> list[Any]:
    """A line a metric, for a screen that has to hold everything."""
    from rich.text import Text

    names = max((len(FIGURES[name].title) for name in data.metrics), default=0)
    lines: list[Any] = []
    for name in data.metrics:
        values = [point.values[name] for point in data.timeseries]
        tell, trend = teller(name, values), data.performance_trends[name]
        peak = f"peak {tell(max((value for value in values if value is not None), default=None))}"
        head = f"{FIGURES[name].title:<{names}}  {tell(trend.current):>9}  "
        line = sparkline(values, max(8, width - len(head) - len(peak) - 2))
        colour = COLOURS.get(FIGURES[name].unit, "cyan")
        lines.append(Text.assemble((head, "bold"), (line, colour), f"  {peak}"))
    return [*lines, Text()]


# -- the errors ----------------------------------------------------------------------------------------


def _errors(errors: Sequence[TopError], wide: bool) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold"
    )
    for name in ("count", "traces"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last (UTC)", no_wrap=True)
    if wide:
        table.add_column("event", no_wrap=True)
    table.add_column("error", overflow="fold")
    for error in errors:
        last = format_instant(error.last_seen)[5:16].replace("T", " ")
        event = [Text(output.visible(error.event_type))] if wide else []
        count, pattern = Text(f"{error.count:,}", style="red"), Text(output.visible(error.pattern))
        table.add_row(count, f"{error.traces:,}", last, *event, pattern)
    return table
