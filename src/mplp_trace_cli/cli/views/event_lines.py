"""Events as people watch them: a line each, in columns whose widths never change.

On a terminal a line is cut to its width, and the day stands on a line of its own where it is another than
before; when piped a line is whole. Painted by hand, because a table of Rich's has to know all its rows.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.views.tables import WIDE, short_id
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.words import humane_duration

_PAINT = {"debug": "2", "warn": "33", "error": "31", "critical": "1;31"}
_DAY = "2"


class _Column(NamedTuple):
    """How wide a column is, and whether its text stands at its right end."""

    width: int
    right: bool = False


_TIME, _LEVEL, _DURATION = _Column(12), _Column(8), _Column(7, right=True)
_LONG_TIME = _Column(23)
_NARROW = (_TIME, _LEVEL, _Column(8), _Column(18), _DURATION)
_ROOMY = (_TIME, _LEVEL, _Column(8), _Column(28), _DURATION, _Column(12))
_PIPED = (_LONG_TIME, *_ROOMY[1:])
"""Time, level, trace, event type, duration and, where there is room, source; the message comes last."""


def event_lines(rows: Iterable[EventRow]) -> Iterator[str]:
    """A line an event, and on a terminal one for each day."""
    if not sys.stdout.isatty():
        for row in rows:
            yield _whole(row)
        return
    day = format_instant(time.time_ns() // 1_000)[:10]
    for row in rows:
        its_day = format_instant(row.timestamp)[:10]
        if its_day != day:
            day = its_day
            yield _painted(day, _DAY)
        yield _cut_to(row, shutil.get_terminal_size().columns)


def _whole(row: EventRow) -> str:
    moment = format_instant(row.timestamp)[:23].replace("T", " ")
    cells = [_padded(text, column) for text, column in zip(_texts(row, moment), _PIPED, strict=True)]
    return _line(row.level, [*cells, output.visible(row.message or "")], "  ")


def _cut_to(row: EventRow, width: int) -> str:
    columns = _ROOMY if width >= WIDE else _NARROW
    texts = _texts(row, format_instant(row.timestamp)[11:23])
    cells = [_fitted(text, one) for text, one in zip(texts, columns, strict=False)]
    left = width - sum(map(cell_len, cells)) - len(cells)
    return _line(row.level, [*cells, _cut(output.visible(row.message or ""), left)], " ")


def _texts(row: EventRow, moment: str) -> list[str]:
    duration = "" if row.duration_ms is None else humane_duration(row.duration_ms)
    shown = (short_id(row.trace_id), row.event_type, duration, row.source or "")
    return [moment, row.level, *map(output.visible, shown)]


def _line(level: str, cells: list[str], gap: str) -> str:
    line = gap.join(cells).rstrip()
    if level not in _PAINT or not output.paints(sys.stdout):
        return line
    start = len(cells[0]) + len(gap)
    return (
        line[:start] + _painted(line[start : start + len(level)], _PAINT[level]) + line[start + len(level) :]
    )


def _painted(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if output.paints(sys.stdout) else text


def _fitted(text: str, column: _Column) -> str:
    """The text at the width of its column; a number that is cut would be another number."""
    return _padded(text if column.right else _cut(text, column.width), column)


def _padded(text: str, column: _Column) -> str:
    space = " " * (column.width - cell_len(text))
    return space + text if column.right else text + space


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}…" if width > 0 else ""
