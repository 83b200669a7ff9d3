"""The page of a trace: its facts, its errors, and its events as a waterfall to be searched and zoomed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mplp_trace_cli.analysis.results import TraceWithEvents
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.summary import Spread
from mplp_trace_cli.domain.times import from_datetime
from mplp_trace_cli.domain.tree import Node, tree_of
from mplp_trace_cli.domain.words import counted, humane_duration
from mplp_trace_cli.report.frame import Page, asset, moment, own_script, rows_of, text

_LEVELS = {level: at for at, level in enumerate(Level)}
_SIGNS = {"active": "●", "completed": "✓", "failed": "✕", "cancelled": "⊘", "expired": "◷"}
_SPREAD = ("count", "min", "avg", "p50", "p95", "p99", "max")


def trace_page(found: TraceWithEvents, *, flat: bool = False) -> str:
    """The page as one HTML file; `flat` has the events in order of time, not as a tree."""
    trace, summary = found.trace, found.summary
    nodes = [Node(event, 0, False, False) for event in found.events] if flat else tree_of(found.events)
    left = summary.total_events - len(found.events)
    body = "\n".join(
        (
            _head(found),
            _facts(found),
            asset("trace.html") if nodes else '<p class="none">No events.</p>',
            _spreads("Measured", summary.performance_metrics),
            _spreads("Durations by event type", summary.event_durations),
        )
    )
    notes = ["mplp-trace", f"trace {trace.trace_id}"]
    notes += [f"the first {len(found.events):,} of {counted(summary.total_events, 'event')}"] if left else []
    return Page(
        title=f"{trace.name} · {trace.status.value}",
        body=body,
        styles=("base.css", "trace.css"),
        scripts=[own_script("words.js", "events.js", "details.js", "waterfall.js", "trace.js")] * bool(nodes),
        data=_data(found, nodes),
        notes=notes,
    ).html()


def _data(found: TraceWithEvents, nodes: list[Node]) -> dict[str, Any]:
    """What the scripts show: instants in microseconds since the first one."""
    start, end = found.span
    return {
        "levels": [level.value for level in Level],
        "span": end - start,
        "events": [_event(node.event, node.depth, start) for node in nodes],
    }


def _event(event: Event, depth: int, start: int) -> list[Any]:
    instant = from_datetime(event.timestamp)
    return [
        depth,
        _LEVELS[event.level],
        instant - start,
        event.duration_ms,
        event.event_type,
        event.message,
        event.source,
        event.event_id,
        event.parent_event_id,
        moment(instant),
        event.data.text,
    ]


def _head(found: TraceWithEvents) -> str:
    trace = found.trace
    status = trace.status.value
    about = f'<p class="about">{text(trace.description)}</p>' if trace.description else ""
    tags = "".join(f"<li>{text(tag)}</li>" for tag in trace.tags)
    tagged = f'<ul class="tags" aria-label="Tags">{tags}</ul>' if tags else ""
    return (
        f'<header><p class="kind">Trace · {text(trace.trace_type.value)}</p><h1>{text(trace.name)}</h1>'
        f'<p class="status {status}"><span aria-hidden="true">{_SIGNS[status]}</span> {status}</p>'
        f"{about}{tagged}</header>"
    )


def _facts(found: TraceWithEvents) -> str:
    trace, summary = found.trace, found.summary
    took = trace.duration_ms
    figures = [
        ("Duration", "still active" if took is None else humane_duration(took), ""),
        ("Events", f"{summary.total_events:,}", _levels(summary.events_by_level)),
        ("Errors", f"{summary.error_count:,}", "error or critical"),
        ("Warnings", f"{summary.warning_count:,}", ""),
    ]
    facts = [
        ("Started", moment(from_datetime(trace.started_at))),
        ("Ended", trace.completed_at and moment(from_datetime(trace.completed_at))),
        ("Expires", trace.expires_at and moment(from_datetime(trace.expires_at))),
        ("Trace", trace.trace_id),
        ("Context", trace.context_id),
        ("Execution", trace.execution_id),
        ("Metadata", trace.metadata.text if trace.metadata else None),
    ]
    return (
        f'<dl class="figures">{"".join(_figure(*figure) for figure in figures)}</dl>'
        f'<dl class="facts">{"".join(_fact(name, value) for name, value in facts if value)}</dl>'
    )


def _figure(name: str, value: str, note: str) -> str:
    alarm = ' class="alarm"' if name == "Errors" and value != "0" else ""
    small = f"<dd><small>{text(note)}</small></dd>" if note else ""
    return f"<div{alarm}><dt>{name}</dt><dd>{text(value)}</dd>{small}</div>"


def _fact(name: str, value: str) -> str:
    return f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>"


def _levels(by_level: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {level}" for level, count in by_level.items() if count)


def _spreads(title: str, spreads: Mapping[str, Spread]) -> str:
    if not spreads:
        return ""
    head = "".join(f'<th scope="col" class="number">{name}</th>' for name in _SPREAD)
    cells = ([text(name), *(_value(spread, part) for part in _SPREAD)] for name, spread in spreads.items())
    return (
        f'<details class="spreads"><summary>{title} <small>{len(spreads):,}</small></summary>'
        f'<div class="wide" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>'
        f'<th scope="col">name</th>{head}</tr></thead>'
        f"<tbody>{rows_of(cells, len(_SPREAD))}</tbody></table></div></details>"
    )


def _value(spread: Spread, part: str) -> str:
    value = getattr(spread, part)
    if part == "count":
        return f"{value:,}"
    if spread.unit == "ms":
        return humane_duration(value)
    return text(f"{value:,.6g} {spread.unit or ''}".rstrip())
