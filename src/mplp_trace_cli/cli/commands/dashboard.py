"""`dashboard`: how things go, in a picture that a person understands at once."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import filters, output, values
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.pages import Html, write_page
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.tables import groups_for_people
from mplp_trace_cli.domain.buckets import UNITS
from mplp_trace_cli.domain.dashboard import DEFAULT_METRICS, FIGURES, DashboardData, DashboardRequest
from mplp_trace_cli.domain.errors import InvalidInput, StoreBusy
from mplp_trace_cli.domain.times import format_instant, from_datetime

if TYPE_CHECKING:
    from mplp_trace_cli.service import TraceManagementService
    from mplp_trace_cli.storage.paths import StorePaths

_LEAST_INTERVAL, _MOST_INTERVAL = 0.2, 86_400.0
_GLANCE = 0.1
"""How often a resting screen looks at its size, in seconds."""
_KINDS = {"ms": Kind.DURATION, "share": Kind.SHARE, "/s": Kind.RATE, "": Kind.COUNT}


def dashboard_command(
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Where the window begins: a time, a date, 2h; 24h before its end."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Where it ends; now.")] = None,
    metrics: Annotated[
        str,
        typer.Option(
            metavar="METRIC,…",
            help=f"What to chart: {', '.join(FIGURES)}; by default {', '.join(DEFAULT_METRICS)}.",
            show_default=False,
        ),
    ] = ",".join(DEFAULT_METRICS),
    group_by: Annotated[
        str | None,
        typer.Option(metavar="|".join(UNITS), help="How wide a bucket is; what suits the window."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh in place until Ctrl-C.")] = False,
    interval: Annotated[str, typer.Option(metavar="DURATION", help="With --watch: how often.")] = "2s",
    html: Html = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """Show how things go: the figures that matter, charts over time, the top errors, trends."""
    if watch and html is not None:
        raise InvalidInput("--watch and --html: one of them", hint="mplp-trace dashboard --html FILE")
    chosen = "html" if html is not None else formats.chosen_format(format_, json_)
    asked = Asked(
        filters.Span(since, until, None, None), tuple(name.strip() for name in metrics.split(",")), group_by
    )
    seconds = _seconds(interval)
    with open_service() as service:
        if watch:
            _watch(service, asked, chosen, seconds)
        data = asked.answer(service)
        if html is not None:
            _write_page(html, data, service.paths)
        else:
            _write(data, chosen)
            _tell_where(data, service)


class Asked:
    """The window as typed: an age is counted anew at each refresh."""

    def __init__(self, span: filters.Span, metrics: tuple[str, ...], group_by: str | None) -> None:
        self._span = span
        self._metrics = metrics
        self._group_by = group_by

    def answer(self, service: TraceManagementService) -> DashboardData:
        """The dashboard of the window as it is now."""
        time_range = self._span.fields(service.now())["time_range"]
        request = DashboardRequest(time_range, self._metrics, self._group_by)
        return service.get_dashboard_data(request).unwrap()


def _write_page(path: str, data: DashboardData, store: StorePaths) -> None:
    from mplp_trace_cli.report.dashboard_page import dashboard_page  # needs the extra `report`

    write_page(path, lambda: dashboard_page(data), store)


def _write(data: DashboardData, chosen: str) -> None:
    if chosen == "json":
        output.answer(as_json(data))
    elif chosen == "table":
        from mplp_trace_cli.cli.views.dashboard_view import dashboard_view, room_here

        view = dashboard_view(data, room_here())
        for line in view.lines:
            formats.print_line(line)
        if view.errors is not None:
            formats.print_table(view.errors.columns, view.errors.rows)
    else:
        formats.write(timeseries(data), chosen, shown=groups_for_people)


def _tell_where(data: DashboardData, service: TraceManagementService) -> None:
    """Says of an empty window when the newest trace began, where there is one."""
    if data.summary.total_traces or data.summary.error_count:
        return
    newest = service.query_traces(limit=1).unwrap().traces
    if newest:
        began = format_instant(from_datetime(newest[0].started_at))
        output.note(f"the newest trace started {began[:16].replace('T', ' ')} UTC (--since {began[:10]})")


def as_json(data: DashboardData) -> str:
    """The dashboard as one object; instants in RFC 3339."""
    document = {
        "time_range": {"start": format_instant(data.start), "end": format_instant(data.end)},
        "group_by": data.group_by,
        "metrics": list(data.metrics),
        "summary": data.summary._asdict(),
        "timeseries": [
            {"bucket": format_instant(point.bucket), "total_traces": point.total_traces, **point.values}
            for point in data.timeseries
        ],
        "top_errors": [_error_fields(vars(error)) for error in data.top_errors],
        "performance_trends": {name: trend._asdict() for name, trend in data.performance_trends.items()},
    }
    return formats.safe_json(json.dumps(document, ensure_ascii=False))


def _error_fields(error: dict[str, Any]) -> dict[str, Any]:
    seen = {name: format_instant(error[name]) for name in ("first_seen", "last_seen")}
    return {**error, **seen}


def timeseries(data: DashboardData) -> Answer:
    """The buckets as rows."""
    charted = [name for name in data.metrics if name != "total_traces"]
    columns = [Column("bucket", Kind.INSTANT), Column("total_traces", Kind.COUNT)]
    columns += [Column(name, _KINDS[FIGURES[name].unit]) for name in charted]
    rows = [(p.bucket, p.total_traces, *(p.values[name] for name in charted)) for p in data.timeseries]
    return Answer(tuple(columns), rows, len(rows))


# -- watching ------------------------------------------------------------------------------------------


def _seconds(interval: str) -> float:
    seconds = values.duration(interval, "--interval") or 0.0
    if not _LEAST_INTERVAL * 1_000 <= seconds <= _MOST_INTERVAL * 1_000:
        raise InvalidInput(f"--interval: from {_LEAST_INTERVAL * 1_000:.0f}ms to 1d")
    return seconds / 1_000


def _watch(service: TraceManagementService, asked: Asked, chosen: str, seconds: float) -> None:
    """Shows the dashboard again and again; on a terminal in place, as JSON one line each time."""
    if chosen in ("json", "jsonl"):
        while True:
            output.answer(as_json(asked.answer(service)))
            sys.stdout.flush()
            time.sleep(seconds)
    if chosen != "table" or not sys.stdout.isatty():
        raise InvalidInput("--watch: needs a terminal, or --format json")
    from rich.live import Live

    console = formats.console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        shown = asked.answer(service)
        while True:
            live.update(_screen(shown, console, service.now()), refresh=True)
            _rest(console, seconds)
            try:
                shown = asked.answer(service)
            except StoreBusy:
                continue  # what is shown stays until the store is free


def _rest(console: Any, seconds: float) -> None:
    """Waits so long, or until the terminal has another size."""
    size, until = console.size, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and console.size == size:
        time.sleep(min(left, _GLANCE))


def _screen(data: DashboardData, console: Any, now: int) -> Any:
    from rich.console import Group

    from mplp_trace_cli.cli.views.dashboard_view import Room, dashboard_view

    view = dashboard_view(data, Room(console.width, console.height))
    parts = [formats.painted_line(line) for line in view.lines]
    if view.errors is not None:
        parts.append(formats.folding_table(list(view.errors.columns), view.errors.rows))
    seen = f"as of {format_instant(now)[11:19]} UTC, Ctrl-C ends"
    return Group(*parts, formats.painted_line([(seen, "dim")]))


dashboard_command.example = "mplp-trace dashboard --since 7d --group-by day"  # type: ignore[attr-defined]
