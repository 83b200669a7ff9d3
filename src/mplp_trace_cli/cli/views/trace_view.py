"""How one trace looks to people: what it is, how it went, its events as a tree with a time line."""

from __future__ import annotations

from typing import Any, NamedTuple

from mplp_trace_cli.analysis.answers import Column, Kind
from mplp_trace_cli.analysis.results import TraceWithEvents
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.standard_errors import print_standard_errors
from mplp_trace_cli.cli.views.tables import is_wide
from mplp_trace_cli.cli.views.timeline import TimeLine
from mplp_trace_cli.cli.views.tree import Leaf, tree_of
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, dumps, members
from mplp_trace_cli.domain.processes import PROCESS_KEY, process_of
from mplp_trace_cli.domain.times import format_instant, from_datetime
from mplp_trace_cli.domain.words import counted, humane_duration

WIDE_CELLS, NARROW_CELLS = 16, 10
GAP_CELLS = 2
MIN_ROOM = 12
_COLUMNS = (
    Column("event"),
    Column("level"),
    Column("at", Kind.FIGURE),
    Column("took", Kind.FIGURE),
    Column("time line"),
)


class _Row(NamedTuple):
    """An event of the table: its place in the tree, and the cells beside it."""

    leaf: Leaf
    level: str
    at: str
    took: str
    bar: str


def print_trace(found: TraceWithEvents, flat: bool) -> None:
    """The trace, and its events as a tree or in order of time."""
    trace = found.trace
    status = trace.status.value
    formats.print_line([(trace.name, "bold"), ("  ", ""), (status, formats.word_style(status))])
    _print_facts(_facts(found))
    if found.events:
        output.answer("")
        _print_events(_rows(found, flat))
        print_standard_errors(found.events)
    left = found.summary.total_events - len(found.events)
    if left:
        output.note(f"{counted(left, 'more event')} not shown (--events {found.summary.total_events})")


def _facts(found: TraceWithEvents) -> list[tuple[str, str]]:
    trace, summary = found.trace, found.summary
    started = format_instant(from_datetime(trace.started_at))
    ended = trace.completed_at and format_instant(from_datetime(trace.completed_at))
    took = trace.duration_ms
    facts = [
        ("trace", trace.trace_id),
        ("context", trace.context_id),
        ("execution", trace.execution_id),
        ("type", trace.trace_type.value),
        ("about", trace.description),
        ("tags", ", ".join(trace.tags)),
        *_metadata(trace.metadata.text),
        ("started", started),
        ("ended", f"{ended}, after {humane_duration(took)}" if ended and took is not None else None),
        ("expires", trace.expires_at and format_instant(from_datetime(trace.expires_at))),
        ("events", _levels(summary.total_events, summary.events_by_level)),
        *_figures(found),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _metadata(text: str) -> list[tuple[str, str]]:
    """The metadata as it was given, and in words the process that `run` and `--pid` note in it."""
    process = process_of(text)
    if process is None:
        return [("metadata", text)] if text != EMPTY_OBJECT else []
    rest = ",".join(f"{dumps(m.key, 'metadata')}:{m.text}" for m in members(text) if m.key != PROCESS_KEY)
    noted = ("process", f"{process.pid} on {process.host}")
    return [("metadata", f"{{{rest}}}"), noted] if rest else [noted]


def _levels(total: int, by_level: Any) -> str:
    some = ", ".join(f"{count:,} {level}" for level, count in by_level.items() if count)
    return f"{total:,} ({some})" if some else "none"


def _figures(found: TraceWithEvents) -> list[tuple[str, str]]:
    figures = []
    for name, spread in found.summary.performance_metrics.items():
        unit = f" {spread.unit}" if spread.unit else ""
        values = f"avg {spread.avg:,.6g}, p95 {spread.p95:,.6g}, max {spread.max:,.6g}{unit}"
        figures.append((name, f"{values} × {spread.count:,}"))
    return figures


def _print_facts(facts: list[tuple[str, str]]) -> None:
    if not formats.is_painted():
        width = max(len(output.visible(name)) for name, _ in facts)
        for name, value in facts:
            output.answer(f"{output.visible(name):<{width}}  {output.visible(value)}")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(output.visible(name)), Text(output.visible(value), overflow="fold"))
    formats.show(table)


def _rows(found: TraceWithEvents, flat: bool) -> list[_Row]:
    time_line = TimeLine.of(found, WIDE_CELLS if is_wide() else NARROW_CELLS)
    rows = []
    for leaf in [Leaf("", "", event) for event in found.events] if flat else tree_of(found.events):
        event = leaf.event
        took = "" if event.duration_ms is None else humane_duration(event.duration_ms)
        rows.append(_Row(leaf, event.level.value, time_line.since_start(event), took, time_line.bar(event)))
    return rows


def _print_events(rows: list[_Row]) -> None:
    if not formats.is_painted():
        formats.print_plain(_COLUMNS, [[_whole(row.leaf), *row[1:]] for row in rows])
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold"
    )
    others = [column.name for column in _COLUMNS[1:]]
    widths = [max(map(len, cells)) for cells in zip(others, *(row[1:] for row in rows), strict=True)]
    least = MIN_ROOM + max(_beside(row.leaf) for row in rows)
    shown, room = _that_fit(widths, formats.console().width, least)
    for column in _COLUMNS[: 1 + shown]:
        table.add_column(column.name, justify="right" if column.kind is Kind.FIGURE else "left", no_wrap=True)
    for row in rows:
        line = Text(row.bar, style="red" if row.leaf.event.is_error() else "blue")
        level = formats.styled("level", row.level)
        cells = (level, row.at, row.took, line)
        table.add_row(_folded(row.leaf, room), *cells[:shown])
    formats.show(table)


def _that_fit(widths: list[int], width: int, least: int) -> tuple[int, int]:
    """How many columns stand beside the event, and its room: on a narrow terminal the last ones give way."""
    for shown in range(len(widths), 0, -1):
        room = width - sum(GAP_CELLS + one for one in widths[:shown])
        if room >= least:
            return shown, room
    return 0, width


def _whole(leaf: Leaf) -> str:
    """The event's type and message behind the lines of the tree."""
    event = leaf.event
    return f"{leaf.guide}{event.event_type}" + (f" {event.message}" if event.message else "")


def _beside(leaf: Leaf) -> int:
    """How many cells the lines of the tree take."""
    return max(len(leaf.guide), len(leaf.below))


def _folded(leaf: Leaf, room: int) -> Any:
    """The event's type and message, folded so that the lines of the tree go on beside every line."""
    from rich.text import Text

    event = leaf.event
    what = Text(output.visible(event.event_type))
    if event.message:
        what.append(f" {output.visible(event.message)}", style="dim")
    lines = what.wrap(formats.console(), max(MIN_ROOM, room - _beside(leaf)))
    for line in lines:
        line.rstrip()  # the space at which it was folded would stand beyond the room
    guides = [leaf.guide, *[leaf.below] * (len(lines) - 1)]
    return Text("\n").join(
        Text.assemble((guide, "dim"), line) for guide, line in zip(guides, lines, strict=True)
    )
