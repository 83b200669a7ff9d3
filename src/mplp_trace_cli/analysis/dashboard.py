"""Dashboards: the figures of a window of time, bucket by bucket, its errors, and the window before.

Traces are placed by when they started, events by when they happened. Both windows are computed together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.domain.buckets import UNITS, bucket_start, bucket_starts, parse_bucket
from mplp_trace_cli.domain.dashboard import (
    FIGURES,
    SUMMARY_FIGURES,
    TOP_ERRORS,
    DashboardData,
    DashboardRequest,
    DashboardSummary,
    TimePoint,
    TopError,
    Trend,
)
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import time_range_of
from mplp_trace_cli.domain.times import DAY_US, MIN_INSTANT, SECOND_US
from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

THIS, BEFORE = "this", "before"
_Place = str | int | None
FLAT = 0.01
"""A change of less than so much is none."""
_P95 = "p95_response_time"
_SUITING = ((2 / 24, "minute"), (4, "hour"), (180, "day"))
"""Up to how many days which buckets suit a window; beyond that, weeks."""


class _Window(NamedTuple):
    """The window [start, end), and how its buckets are made; all in microseconds."""

    start: int
    end: int
    group_by: str

    @property
    def before(self) -> int:
        """Where the window before this one begins."""
        return max(MIN_INSTANT, self.start - (self.end - self.start))

    @property
    def width(self) -> int:
        """How wide a bucket is."""
        return parse_bucket(self.group_by)

    @property
    def values(self) -> dict[str, int]:
        """What its statements bind."""
        origin = bucket_start(MIN_INSTANT, self.width)
        bounds = {"before": self.before, "start": self.start, "end": self.end}
        return {**bounds, "width": self.width, "origin": origin}

    def seconds_of(self, bucket: int) -> float:
        """How much of a bucket lies in the window."""
        return (min(bucket + self.width, self.end) - max(bucket, self.start)) / SECOND_US


class _Group(NamedTuple):
    """What was counted of the traces of a window or a bucket."""

    traces: int = 0
    completed: int = 0
    finished: int = 0
    with_errors: int = 0
    response_time: float | None = None
    p95_response_time: float | None = None


class _Counted(NamedTuple):
    """Everything that was counted, by window (THIS, BEFORE) or by where a bucket begins."""

    traces: Mapping[_Place, _Group]
    errors: Mapping[_Place, int]
    events: Mapping[_Place, int]

    def figures(self, place: _Place, seconds: float) -> dict[str, float | None]:
        """Every figure of a window or bucket."""
        group = self.traces.get(place, _Group())
        return {
            "response_time": group.response_time,
            "p95_response_time": group.p95_response_time,
            "error_rate": _share(group.with_errors, group.traces),
            "success_rate": _share(group.completed, group.finished),
            "throughput": _share(group.traces, seconds),
            "total_traces": group.traces,
            "average_duration": group.response_time,
            "error_count": self.errors.get(place, 0),
            "event_count": self.events.get(place, 0),
        }


def dashboard(db: Connection, asked: DashboardRequest, now: int) -> DashboardData:
    """The dashboard of a window, by default of the last 24 hours; raises InvalidInput."""
    metrics = _known_metrics(asked.metrics)
    window = _window(asked, now)
    starts = bucket_starts(window.start, window.end, window.width)
    named = tuple(dict.fromkeys((*SUMMARY_FIGURES, *metrics)))
    counted = _count(db, window, metrics)
    current = counted.figures(THIS, (window.end - window.start) / SECOND_US)
    previous = counted.figures(BEFORE, (window.start - window.before) / SECOND_US)
    return DashboardData(
        window.start,
        window.end,
        window.group_by,
        metrics,
        _summary(current),
        tuple(_point(counted, bucket, window, metrics) for bucket in starts),
        _top_errors(db, window),
        {name: _trend(name, current[name], previous[name]) for name in named},
    )


def _summary(figures: Mapping[str, float | None]) -> DashboardSummary:
    return DashboardSummary(
        int(figures["total_traces"] or 0),
        figures["success_rate"],
        figures["average_duration"],
        int(figures["error_count"] or 0),
    )


def _known_metrics(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in FIGURES:
            raise InvalidInput(f"metrics: {unknown_word(tuple(FIGURES), name)}")
    return tuple(dict.fromkeys(names))


def _window(asked: DashboardRequest, now: int) -> _Window:
    start, end = time_range_of(asked.time_range).bounds()
    end = end if end is not None else max(now, start or now)
    start = start if start is not None else end - DAY_US
    if end <= start:
        raise InvalidInput("the range ends before it starts, or as it starts")
    if asked.group_by is not None and asked.group_by not in UNITS:
        raise InvalidInput(f"group_by: {unknown_word(UNITS, asked.group_by)}")
    return _Window(start, end, asked.group_by or suiting_unit(end - start))


def suiting_unit(length: int) -> str:
    """The buckets that suit a window of so many microseconds."""
    return next((unit for days, unit in _SUITING if length <= days * DAY_US), "week")


def _count(db: Connection, window: _Window, metrics: Sequence[str]) -> _Counted:
    """Runs the statements: one scan of the traces, one of the events, one more where events are counted."""
    values = window.values
    bounds = {"before": window.before, "end": window.end}
    db.execute(statement("dashboard_traces"), bounds)
    db.execute(statement("dashboard_errors"), bounds)
    p95 = "quantile_cont(duration_ms, 0.95)" if _P95 in metrics else "NULL"
    inner = {name: values[name] for name in ("start", "width", "origin")}
    figures = db.execute(statement("dashboard_figures").format(p95=p95), inner).fetchall()
    errors = db.execute(statement("dashboard_error_counts"), values).fetchall()
    events = (
        db.execute(statement("dashboard_event_counts"), values).fetchall() if "event_count" in metrics else []
    )
    return _Counted(
        {_place(row): _Group(*row[2:]) for row in figures},
        {_place(row): row[2] for row in errors},
        {_place(row): row[2] for row in events},
    )


def _place(row: tuple[Any, ...]) -> _Place:
    """The window or bucket that a row is about; None for what is in no bucket of this window."""
    is_now, bucket = row[:2]
    if is_now is None:
        return None if bucket is None else int(bucket)
    return THIS if is_now else BEFORE


def _point(counted: _Counted, bucket: int, window: _Window, metrics: Sequence[str]) -> TimePoint:
    figures = counted.figures(bucket, window.seconds_of(bucket))
    return TimePoint(bucket, int(figures["total_traces"] or 0), {name: figures[name] for name in metrics})


def _top_errors(db: Connection, window: _Window) -> tuple[TopError, ...]:
    values = {"start": window.start, "end": window.end, "most": TOP_ERRORS}
    return tuple(TopError(*row) for row in db.execute(statement("top_errors"), values).fetchall())


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _trend(name: str, current: float | None, previous: float | None) -> Trend:
    change = None if current is None or not previous else (current - previous) / previous
    if (
        current is None
        or previous is None
        or abs(current - previous) < FLAT * abs(previous)
        or current == previous
    ):
        return Trend(current, previous, change, "flat", "neutral")
    direction = "up" if current > previous else "down"
    more_is = FIGURES[name].more_is
    verdict = more_is if direction == "up" else {"better": "worse", "worse": "better"}.get(more_is, more_is)
    return Trend(current, previous, change, direction, verdict)
