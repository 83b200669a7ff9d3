"""What metrics amount to over a range of time: series and their figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mplp_trace_cli.domain.metric_catalog import MetricCategory
from mplp_trace_cli.domain.questions import TimeRange
from mplp_trace_cli.domain.times import format_instant


@dataclass(frozen=True)
class MetricsRequest:
    """Which range (the last 24 hours), which categories, which names (globs), and in which buckets.

    `metric_types` None is those of the options; `bucket` is a width such as `1m`; `trend` is into how many
    parts the range is divided for a small chart of each series.
    """

    time_range: TimeRange | Mapping[str, Any] | None = None
    metric_types: Sequence[str] | None = None
    names: Sequence[str] = ()
    bucket: str | None = None
    trend: int = 0


FIGURES = ("value", "count", "sum", "rate", "avg", "min", "max", "p50", "p95", "p99")


@dataclass(frozen=True)
class MetricSeries:
    """A metric with one set of labels, over a range or one bucket of it; None where a figure has no meaning.

    `value` is what one looks at first: of a gauge the newest, of a counter the sum of its increments, of a
    histogram the mean, of an application metric the figure of the range. `rate` is the sum per second.
    Percentiles interpolate linearly. Instants are microseconds since 1970.
    """

    category: str
    name: str
    type: str
    unit: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    help: str | None = None
    value: float | None = None
    count: int | None = None
    sum: float | None = None
    rate: float | None = None
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    timestamp: int | None = None
    """When the newest sample was measured."""
    bucket: int | None = None
    """Where the bucket begins."""
    trend: tuple[float | None, ...] = ()
    """How it went: means of a gauge or histogram, sums of a counter, over equal parts of the range."""


BySeries = Mapping[str, tuple[MetricSeries, ...]]


@dataclass(frozen=True)
class MetricsData:
    """Metrics over [start, end), in microseconds since 1970: by name, the series in order of their labels."""

    start: int
    end: int
    system: BySeries = field(default_factory=dict)
    application: BySeries = field(default_factory=dict)
    custom: BySeries = field(default_factory=dict)

    @property
    def time_range(self) -> TimeRange:
        """The range."""
        return TimeRange(self.start, self.end)

    def __iter__(self) -> Iterator[MetricSeries]:
        for category in MetricCategory:
            for series in getattr(self, category.value).values():
                yield from series

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The series as mappings: instants as RFC 3339 text."""
        return [_plain(series) for series in self]


ROW_FIELDS = ("category", "name", "type", "labels", "unit", *FIGURES, "timestamp", "help")


def _plain(series: MetricSeries) -> dict[str, Any]:
    row = {name: getattr(series, name) for name in ROW_FIELDS}
    if series.bucket is not None:
        row = {"bucket": format_instant(series.bucket), **row}
    row["timestamp"] = None if series.timestamp is None else format_instant(series.timestamp)
    return row
