"""`show`: one trace, its summary, and its events as a tree with a time line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mplp_trace_cli.analysis.lookup import LAST, get_trace, resolve_trace
from mplp_trace_cli.analysis.results import TraceWithEvents
from mplp_trace_cli.cli import formats, output, values
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.pages import Html, write_page
from mplp_trace_cli.cli.query import events_command
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.tables import is_wide
from mplp_trace_cli.cli.timeline import TimeLine
from mplp_trace_cli.cli.tree import Leaf, tree_of
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.times import format_instant, from_datetime
from mplp_trace_cli.domain.trace import Trace
from mplp_trace_cli.domain.words import counted, humane_duration

SHOWN_EVENTS = 200
WIDE_CELLS, NARROW_CELLS = 16, 10
GAP_CELLS = 2
MIN_ROOM = 12


def show_command(
    trace: Annotated[
        str | None,
        typer.Argument(
            metavar="TRACE",
            help="An id, a unique prefix, or @last; $MPLP_TRACE_ID, else @last.",
            autocompletion=values.complete_trace,
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="How many events; 200 in tables, else all.")
    ] = None,
    flat: Annotated[bool, typer.Option("--flat", help="In order of time, not as a tree.")] = False,
    html: Html = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """Show a trace: what it is, how it went, and its events as a tree with a time line."""
    chosen = "html" if html else formats.chosen_format(format_, json_)
    if chosen in ("jsonl", "csv", "markdown"):
        events_command(
            trace=[trace or os.environ.get(values.TRACE_VARIABLE) or LAST], limit=events, format_=chosen
        )
        return
    most = SHOWN_EVENTS if events is None and chosen == "table" else events
    with open_service() as service, service.reading() as db:
        named = trace or os.environ.get(values.TRACE_VARIABLE) or LAST
        found = get_trace(db, resolve_trace(db, named), most)
    if html:
        _write_page(html, found, flat)
    elif chosen == "json":
        output.answer(_as_json(found))
    else:
        _print(found, flat)


def _write_page(path: str, found: TraceWithEvents, flat: bool) -> None:
    from mplp_trace_cli.report.trace_page import trace_page

    write_page(path, trace_page(found, flat=flat))


def _as_json(found: TraceWithEvents) -> str:
    """The trace with its summary and events in one object; data and metadata keep their own text."""
    fields = _trace_fields(found.trace)
    parts = [f"{json.dumps(name)}:{text}" for name, text in fields.items()]
    parts.append(f'"summary":{json.dumps(asdict(found.summary), ensure_ascii=False)}')
    parts.append(f'"events":[{",".join(map(_event_json, found.events))}]')
    return formats.safe_json("{" + ",".join(parts) + "}")


def _trace_fields(trace: Trace) -> dict[str, str]:
    plain = ("trace_id", "context_id", "execution_id", "trace_type", "name", "description", "status")
    fields = {name: json.dumps(getattr(trace, name), ensure_ascii=False) for name in plain}
    fields["metadata"] = trace.metadata.text
    fields["tags"] = json.dumps(trace.tags, ensure_ascii=False)
    for name in ("started_at", "completed_at", "expires_at"):
        moment = getattr(trace, name)
        fields[name] = "null" if moment is None else f'"{format_instant(from_datetime(moment))}"'
    fields["duration_ms"] = json.dumps(trace.duration_ms)
    return fields


def _event_json(event: Event) -> str:
    row = event.to_row()._asdict()
    row["timestamp"] = format_instant(row["timestamp"])
    texts = (f'"{k}":{v if k == "data" else json.dumps(v, ensure_ascii=False)}' for k, v in row.items())
    return "{" + ",".join(texts) + "}"


# -- for people ------------------------------------------------------------------------------------


def _print(found: TraceWithEvents, flat: bool) -> None:
    from rich.text import Text

    trace = found.trace
    title = Text.assemble(
        (output.visible(trace.name), "bold"), "  ", formats.styled("status", trace.status.value)
    )
    formats.show(title)
    _print_facts(_facts(found))
    if found.events:
        output.answer("")
        _print_events(found, flat)
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
        ("metadata", trace.metadata.text if trace.metadata else None),
        ("started", started),
        ("ended", f"{ended}, after {humane_duration(took)}" if ended and took is not None else None),
        ("expires", trace.expires_at and format_instant(from_datetime(trace.expires_at))),
        ("events", _levels(summary.total_events, summary.events_by_level)),
        *_figures(found),
    ]
    return [(name, str(value)) for name, value in facts if value]


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
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(output.visible(name)), Text(output.visible(value), overflow="fold"))
    formats.show(table)


def _print_events(found: TraceWithEvents, flat: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold"
    )
    table.add_column("event", no_wrap=True)
    others = ("level", "at", "took", "time line")
    for name in others:
        table.add_column(name, justify="right" if name in ("at", "took") else "left", no_wrap=True)
    time_line = TimeLine.of(found, WIDE_CELLS if is_wide() else NARROW_CELLS)
    rows = []
    for leaf in [Leaf("", "", event) for event in found.events] if flat else tree_of(found.events):
        event = leaf.event
        took = "" if event.duration_ms is None else humane_duration(event.duration_ms)
        rows.append((leaf, (event.level.value, time_line.since_start(event), took, time_line.bar(event))))
    widths = (max(map(len, cells)) for cells in zip(others, *(cells for _, cells in rows), strict=True))
    room = formats.console().width - sum(GAP_CELLS + width for width in widths)
    for leaf, (level, at, took, bar) in rows:
        line = Text(bar, style="red" if leaf.event.is_error() else "blue")
        table.add_row(_folded(leaf, max(MIN_ROOM, room)), formats.styled("level", level), at, took, line)
    formats.show(table)


def _folded(leaf: Leaf, room: int) -> Any:
    """The event's type and message, folded so that the lines of the tree go on beside every line."""
    from rich.text import Text

    event = leaf.event
    what = Text(output.visible(event.event_type))
    if event.message:
        what.append(f" {output.visible(event.message)}", style="dim")
    beside = max(len(leaf.guide), len(leaf.below))
    lines = what.wrap(formats.console(), max(MIN_ROOM, room - beside))
    for line in lines:
        line.rstrip()  # the space at which it was folded would stand beyond the room
    guides = [leaf.guide, *[leaf.below] * (len(lines) - 1)]
    return Text("\n").join(
        Text.assemble((guide, "dim"), line) for guide, line in zip(guides, lines, strict=True)
    )


show_command.example = "mplp-trace show @last"  # type: ignore[attr-defined]
