"""The time line of a trace: where in it an event was, as a bar of a few cells."""

from __future__ import annotations

from typing import NamedTuple

from mplp_trace_cli.analysis.results import TraceWithEvents
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.times import from_datetime
from mplp_trace_cli.domain.words import humane_duration


class TimeLine(NamedTuple):
    """From the first to the last instant that is shown, in microseconds, and how many cells it has."""

    start: int
    end: int
    cells: int

    @classmethod
    def of(cls, found: TraceWithEvents, cells: int) -> TimeLine:
        """The time line of a trace and the events of it that are shown."""
        return cls(*found.span, cells)

    def since_start(self, event: Event) -> str:
        """How long after the start it was."""
        return f"+{humane_duration((from_datetime(event.timestamp) - self.start) / 1_000)}"

    def bar(self, event: Event) -> str:
        """The event on the line; it is stamped when what it measures is over."""
        width = max(1, self.end - self.start)
        last = from_datetime(event.timestamp) - self.start
        first = last - round(min((event.duration_ms or 0) * 1_000, last))
        begin = min(self.cells - 1, first * self.cells // width)
        stop = min(self.cells, max(begin + 1, -(-last * self.cells // width)))
        return " " * begin + ("━" * (stop - begin) if event.duration_ms else "╸")
