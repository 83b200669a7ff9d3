"""What a dashboard says: figures of a window of time, how they went, and against the window before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from mplp_trace_cli.domain.questions import TimeRange


class Figure(NamedTuple):
    """A figure that a dashboard can chart: its name, its unit, and whether more of it is good."""

    name: str
    title: str
    unit: str
    """`ms`, `share` (0 to 1, shown as %), `/s`, or empty for a plain count."""
    more_is: str = "neutral"
    """`better`, `worse` or `neutral`."""


FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure("response_time", "Response time", "ms", "worse"),
        Figure("p95_response_time", "Response time, p95", "ms", "worse"),
        Figure("error_rate", "Error rate", "share", "worse"),
        Figure("success_rate", "Success rate", "share", "better"),
        Figure("throughput", "Throughput", "/s"),
        Figure("total_traces", "Traces", ""),
        Figure("average_duration", "Average duration", "ms", "worse"),
        Figure("error_count", "Errors", "", "worse"),
        Figure("event_count", "Events", ""),
    )
}
"""The figures by name, in the order in which they are documented."""

DEFAULT_METRICS = ("response_time", "error_rate", "throughput")
SUMMARY_FIGURES = ("total_traces", "success_rate", "average_duration", "error_count")
TOP_ERRORS = 10
"""How many kinds of errors a dashboard names at the most."""


class DashboardRequest(NamedTuple):
    """Which window (the last 24 hours), which figures, and how wide the buckets are.

    `metrics` are names of FIGURES; `group_by` is minute, hour, day or week, None for what suits the window.
    """

    time_range: TimeRange | Mapping[str, object] | None = None
    metrics: Sequence[str] = DEFAULT_METRICS
    group_by: str | None = None


class DashboardSummary(NamedTuple):
    """The window in four figures.

    `success_rate` is completed ÷ finished, a share from 0 to 1; `average_duration` is in ms, over finished
    traces; both are None where no trace has finished. `error_count` counts events at error or critical.
    """

    total_traces: int
    success_rate: float | None
    average_duration: float | None
    error_count: int


class TimePoint(NamedTuple):
    """One bucket: where it begins (microseconds since 1970), its traces, and a value for each figure."""

    bucket: int
    total_traces: int
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class TopError:
    """Errors whose messages are alike: numbers, ids and hex folded away.

    Instants are microseconds since 1970; `message` and `trace_id` are those of the newest one.
    """

    pattern: str
    count: int
    traces: int
    event_type: str
    source: str | None
    first_seen: int
    last_seen: int
    message: str | None
    trace_id: str


class Trend(NamedTuple):
    """A figure in this window and in the one of the same length before it.

    `change` is (current - previous) ÷ previous, None where there is nothing to divide by; `direction` is
    `up`, `down` or `flat`; `verdict` is `better`, `worse` or `neutral`.
    """

    current: float | None
    previous: float | None
    change: float | None
    direction: str
    verdict: str


class DashboardData(NamedTuple):
    """A whole dashboard over [start, end), in microseconds since 1970."""

    start: int
    end: int
    group_by: str
    metrics: tuple[str, ...]
    summary: DashboardSummary
    timeseries: tuple[TimePoint, ...] = ()
    top_errors: tuple[TopError, ...] = ()
    performance_trends: Mapping[str, Trend] = MappingProxyType({})
    """For the figures of the summary and for each of `metrics`."""
