"""What `diff` shows to people: both traces, and below an event's own line what differs in it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.tables import is_wide, short_id
from mplp_trace_cli.domain.comparing.changes import Change
from mplp_trace_cli.domain.comparing.diff import DiffKind, DiffRow, Pace, TraceDiff
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.words import humane_duration

_SIGNS = {
    DiffKind.MISSING: ("-", "red"),
    DiffKind.NEW: ("+", "green"),
    DiffKind.MOVED: ("↕", "magenta"),
    DiffKind.SLOWER: ("▲", "yellow"),
    DiffKind.FASTER: ("▼", "cyan"),
    DiffKind.CHANGED: ("~", "blue"),
    DiffKind.SAME: ("=", "dim"),
}
"""Each kind can be told by its sign, without its colour too."""
_NARROW_STEPS = 2
_TERMINAL_CHANGES, _TERMINAL_LETTERS = 8, 60


def write_for_people(found: TraceDiff, rows: Sequence[DiffRow], chosen: str) -> None:
    """Both traces, how many events of each kind, and the rows; as a table or as markdown."""
    formats.write(_traces(found), chosen)
    changes = [_change_text(change) for change in found.changes if change.path != "status"]
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items() if count)
    for lines in (changes, [counts]):
        if any(lines):
            output.answer("")
        for line in filter(None, lines):
            output.answer(output.visible(line))
    if rows:
        output.answer("")
        if chosen == "table" and (sys.stdout.isatty() or output.paints(sys.stdout)):
            _print_rows(rows)
        else:
            formats.write(_flat(rows), chosen)


def _traces(found: TraceDiff) -> Answer:
    columns = (
        Column(""),
        Column("trace"),
        *([Column("name")] if is_wide() else []),
        Column("status"),
        Column("duration", Kind.DURATION),
        Column("Δ"),
        Column("Δ%"),
        Column("events", Kind.NUMBER),
        Column("errors", Kind.NUMBER),
    )
    rows = []
    for sign, trace in (("-", found.first), ("+", found.second)):
        trace_id = short_id(trace.trace_id) if sys.stdout.isatty() else trace.trace_id
        names = [trace.name] if is_wide() else []
        deltas = _deltas(found.pace) if sign == "+" else ("", "")
        errors = sum(map(Event.is_error, trace.events)) or None
        figures = (trace.duration_ms, *deltas, len(trace.events), errors)
        rows.append((sign, trace_id, *names, trace.status.value, *figures))
    return Answer(columns, rows)


def _flat(rows: Iterable[DiffRow]) -> Answer:
    """A row a line, as wide as it takes."""
    names = ("kind", "event", "took", "Δ", "Δ%", "what changed")
    return Answer(tuple(map(Column, names)), [_cells(row) for row in rows])


def _cells(row: DiffRow) -> tuple[str, ...]:
    event = _path(row) + (f" {row.message}" if row.message else "")
    return (_word(row), event, _took(row.pace), *_deltas(row.pace), "; ".join(_details(row)))


def _print_rows(rows: Iterable[DiffRow]) -> None:
    """A table whose event folds, with what changed below it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold"
    )
    table.add_column("kind", no_wrap=True)
    table.add_column("event", overflow="fold")
    for name in ("Δ", "Δ%"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(_word(row), style=_SIGNS[row.kind][1]), _event(row), *map(Text, _deltas(row.pace)))
    formats.show(table)


def _event(row: DiffRow) -> Any:
    from rich.text import Text

    above, _, _ = _path(row).rpartition(row.event_type)
    what = Text.assemble((output.visible(above), "dim"), output.visible(row.event_type))
    if row.message:
        what.append(f" {output.visible(row.message)}", style="dim")
    took = _took(row.pace)
    for line in [*([f"took {took}"] if took else []), *_details(row)]:
        what.append(f"\n  {output.visible(line)}")
    return what


def _word(row: DiffRow) -> str:
    return f"{_SIGNS[row.kind][0]} {row.kind.value}"


def _path(row: DiffRow) -> str:
    place = row.second or row.first
    path = place.named if place else ""
    steps = path.split("/")
    return path if is_wide() or len(steps) <= _NARROW_STEPS else "/".join(["…", *steps[-_NARROW_STEPS:]])


def _took(pace: Pace) -> str:
    sides = [None if side is None else humane_duration(side) for side in (pace.first_ms, pace.second_ms)]
    return " → ".join(dict.fromkeys(side for side in sides if side is not None))


def _deltas(pace: Pace) -> tuple[str, str]:
    if not pace.delta_ms:
        return "", ""
    sign = "+" if pace.delta_ms > 0 else ""
    percent = pace.delta_percent
    return f"{sign}{humane_duration(pace.delta_ms)}", "" if percent is None else f"{percent:+,.0f}%"


def _details(row: DiffRow) -> list[str]:
    """Where it was, and what changed: `level "info" → "error"`, `+data.error "late"`, `-data.rows 345`."""
    shown = row.changes[:_TERMINAL_CHANGES] if sys.stdout.isatty() else row.changes
    details = [*_way(row), *map(_change_text, shown)]
    left = len(row.changes) - len(shown)
    return [*details, *([f"{left:,} more"] if left else [])]


def _way(row: DiffRow) -> list[str]:
    if row.kind is not DiffKind.MOVED or row.first is None or row.second is None:
        return []
    if row.first.named != row.second.named:
        return [f"from {row.first.named}"]
    return [f"from place {row.first.position} to {row.second.position}"]


def _change_text(change: Change) -> str:
    if change.first is None or change.second is None:
        sign = "+" if change.first is None else "-"
        return f"{sign}{change.path} {_cut(change.second or change.first or '')}"
    return f"{change.path} {_cut(change.first)} → {_cut(change.second)}"


def _cut(text: str) -> str:
    too_long = sys.stdout.isatty() and len(text) > _TERMINAL_LETTERS
    return f"{text[: _TERMINAL_LETTERS - 1]}…" if too_long else text
