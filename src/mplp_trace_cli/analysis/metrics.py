"""What metrics amount to over a range: series of samples, and figures computed from traces and events.

| metric | type | over the range |
|---|---|---|
| request_count | application | traces that started in it |
| response_time_avg (ms) | application | mean duration of those that have finished |
| error_rate (share) | application | those with errors ÷ those that started; None without any |
| active_traces | application | started before its end, and not ended before it |
| events_per_second | application | events in it ÷ its seconds |
| any other | gauge, histogram | value (newest; or the mean), count, avg, min, max, p50, p95, p99 |
| any other | counter | value and sum (of the increments), count, rate (sum ÷ seconds) |
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.analysis.filters import Condition
from mplp_trace_cli.domain.buckets import bucket_starts, parse_bucket
from mplp_trace_cli.domain.enums import MetricType, parse_word
from mplp_trace_cli.domain.errors import FeatureDisabled, InvalidInput
from mplp_trace_cli.domain.globs import glob_regex
from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.domain.metric_catalog import APPLICATION_METRICS, SYSTEM_METRICS, MetricCategory
from mplp_trace_cli.domain.metrics_data import MetricsData, MetricSeries, MetricsRequest
from mplp_trace_cli.domain.questions import TimeRange
from mplp_trace_cli.domain.times import DAY_US, MIN_INSTANT, SECOND_US
from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.config import TraceModuleOptions
    from mplp_trace_cli.storage.store import Connection

DEFAULT_RANGE_US = DAY_US


@dataclass(frozen=True)
class Cells:
    """[start, end) cut into cells of `width`, counted from `origin`; in microseconds since 1970."""

    start: int
    end: int
    origin: int
    width: int

    @classmethod
    def whole(cls, start: int, end: int) -> Cells:
        """One cell."""
        return cls(start, end, start, max(1, end - start))

    @classmethod
    def parts(cls, start: int, end: int, count: int) -> Cells:
        """At most `count` cells of the same width."""
        return cls(start, end, start, max(1, -((start - end) // count)))

    @classmethod
    def buckets(cls, start: int, end: int, width: int) -> Cells:
        """A cell a bucket; raises InvalidInput for too many."""
        return cls(start, end, bucket_starts(start, end, width).start, width)

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(range(self.origin, self.end, self.width))

    def begin(self, cell: int) -> int:
        """Where a cell begins, also when the range begins later."""
        return self.origin + cell * self.width

    def seconds(self, cell: int) -> float:
        """How much of a cell lies in the range."""
        begin = self.begin(cell)
        return (min(self.end, begin + self.width) - max(self.start, begin)) / SECOND_US


class Question(NamedTuple):
    """Which metrics over which range, every default filled in."""

    start: int
    end: int
    categories: frozenset[str]
    names: Sequence[str] = ()
    bucket: int | None = None
    """The width of a bucket in microseconds; None for figures of the whole range."""
    fill: bool = False
    """True: buckets without samples are told too."""
    trend: int = 0
    from_events: bool = True
    """False: performance_metric events do not count."""
    declared: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    @property
    def cells(self) -> Cells:
        """What is told apart in time."""
        if self.bucket is None:
            return Cells.whole(self.start, self.end)
        return Cells.buckets(self.start, self.end, self.bucket)

    def names_match(self, name: str) -> bool:
        """True for a name that is asked for."""
        return not self.names or any(re.fullmatch(glob_regex(glob), name, re.DOTALL) for glob in self.names)


def question_of(asked: MetricsRequest, options: TraceModuleOptions, now: int) -> Question:
    """The question that a request asks; raises InvalidInput, FeatureDisabled."""
    given = asked.time_range or TimeRange()
    range_ = TimeRange(**given) if isinstance(given, Mapping) else given
    said_start, said_end = range_.bounds()
    end = now + 1 if said_end is None else said_end  # what was measured this very moment counts
    start = max(MIN_INSTANT, end - DEFAULT_RANGE_US) if said_start is None else said_start
    if end < start:
        raise InvalidInput("the range begins in the future")
    config = options.metrics_config
    return Question(
        start,
        end,
        _categories(asked.metric_types, options),
        asked.names,
        None if asked.bucket is None else parse_bucket(asked.bucket),
        fill=said_start is not None,
        trend=asked.trend,
        from_events=options.enable_event_aggregation,
        declared=config.custom_metrics,
    )


def _categories(asked: Sequence[str] | None, options: TraceModuleOptions) -> frozenset[str]:
    words = options.metrics_config.metric_types if asked is None else asked
    found = {parse_word(MetricCategory, word, "metric_types").value for word in words}
    if not options.enable_event_aggregation:
        if asked is not None and MetricCategory.APPLICATION in found:
            raise FeatureDisabled(
                "application metrics come from traces and events, whose aggregation is off",
                hint="enable_event_aggregation = true",
            )
        found.discard(MetricCategory.APPLICATION)
    return frozenset(found)


def get_metrics(db: Connection, question: Question) -> MetricsData:
    """The series that a question asks for, in order of name, type, unit and labels."""
    found = [*_application(db, question), *_samples(db, question)]
    by_category: dict[str, dict[str, list[MetricSeries]]] = {each.value: {} for each in MetricCategory}
    for series in found:
        by_category[series.category].setdefault(series.name, []).append(series)
    named = {
        category: {name: tuple(some) for name, some in names.items()}
        for category, names in by_category.items()
    }
    return MetricsData(question.start, question.end, **named)


# -- from traces and events ------------------------------------------------------------------------


def _application(db: Connection, question: Question) -> list[MetricSeries]:
    names = [name for name in APPLICATION_METRICS if question.names_match(name)]
    if MetricCategory.APPLICATION not in question.categories or not names:
        return []
    cells = question.cells
    figures = application_figures(db, cells)
    trends = (
        application_figures(db, Cells.parts(question.start, question.end, question.trend))
        if question.trend
        else []
    )
    return [
        MetricSeries(
            MetricCategory.APPLICATION.value,
            name,
            MetricType.GAUGE.value,
            APPLICATION_METRICS[name].unit,
            help=APPLICATION_METRICS[name].help,
            value=each[name],
            bucket=None if question.bucket is None else cells.begin(cell),
            trend=tuple(part[name] for part in trends),
        )
        for name in names
        for cell, each in enumerate(figures)
    ]


def application_figures(db: Connection, cells: Cells) -> list[dict[str, float | None]]:
    """The application metrics of each cell, by name."""
    bound = {
        "start": cells.start,
        "end": cells.end,
        "origin": cells.origin,
        "width": cells.width,
        "cells": cells.count,
    }
    rows = db.execute(statement("application_metrics"), bound).fetchall()
    return [_figures_of(row, cells.seconds(row[0])) for row in rows]


def _figures_of(row: tuple[Any, ...], seconds: float) -> dict[str, float | None]:
    _, requests, response_time, error_rate, active, events = row
    return {
        "request_count": int(requests),
        "response_time_avg": response_time,
        "error_rate": error_rate,
        "active_traces": int(active),
        "events_per_second": events / seconds,
    }


# -- from samples ----------------------------------------------------------------------------------


def _samples(db: Connection, question: Question) -> list[MetricSeries]:
    if not question.categories - {MetricCategory.APPLICATION}:
        return []
    stage_readings(db, question)
    trends = _trends(db, question) if question.trend else {}
    rows = [_Row(*row) for row in _rows(db, question.cells)]
    found = [_series(row, question, trends.get(row.key, ())) for row in rows]
    if question.bucket is None:
        return [*found, *_declared(db, question, {row.name for row in rows})]
    return found if not question.fill else list(_filled(rows, question))


class _Row(NamedTuple):
    """A row of metric_series.sql."""

    category: str
    name: str
    type: str
    unit: str | None
    labels: str
    cell: int
    samples: int
    newest: float
    sum: float
    min: float
    max: float
    percentiles: tuple[float, ...]
    timestamp: int | None
    help: str | None

    @property
    def key(self) -> tuple[str | None, ...]:
        """What makes a series."""
        return self[:5]

    @property
    def mean(self) -> float | None:
        """None where the sum is more than a float holds."""
        return _finite(self.sum / self.samples)

    @property
    def headline(self) -> float | None:
        """The figure that one looks at first."""
        if self.type == MetricType.COUNTER:
            return _finite(self.sum)
        return self.mean if self.type == MetricType.HISTOGRAM else self.newest


def stage_readings(db: Connection, question: Question) -> None:
    """Puts the samples that a question is about into the temporary table `reading`."""
    range_ = TimeRange(question.start, question.end)
    system, samples, events, event_names, categories = (Condition() for _ in range(5))
    system.one_of("name", tuple(SYSTEM_METRICS))
    samples.between("timestamp", range_)
    samples.globs("name", question.names)
    events.add("event_type = 'performance_metric'")
    events.between("timestamp", range_)
    if not question.from_events or MetricCategory.CUSTOM not in question.categories:
        events.add("false")
    event_names.globs("name", question.names)
    categories.one_of("category", sorted(question.categories))
    query = statement("metric_readings").format(
        is_system=system.sql,
        samples=samples.where,
        events=events.where,
        event_names=f"AND {event_names.sql}" if question.names else "",
        categories=categories.sql,
    )
    conditions = (system, samples, events, event_names, categories)
    db.execute(query, [value for condition in conditions for value in condition.values])


def _rows(db: Connection, cells: Cells) -> list[tuple[Any, ...]]:
    bound = {"origin": cells.origin, "width": cells.width}
    return db.execute(statement("metric_series"), bound).fetchall()


def _trends(db: Connection, question: Question) -> dict[tuple[str | None, ...], tuple[float | None, ...]]:
    """How each series went, by its key."""
    cells = Cells.parts(question.start, question.end, question.trend)
    found: dict[tuple[str | None, ...], list[float | None]] = {}
    for row in (_Row(*row) for row in _rows(db, cells)):
        parts = found.setdefault(row.key, [None] * cells.count)
        parts[row.cell] = _finite(row.sum) if row.type == MetricType.COUNTER else row.mean
    return {key: tuple(parts) for key, parts in found.items()}


def _series(row: _Row, question: Question, trend: tuple[float | None, ...] = ()) -> MetricSeries:
    cells = question.cells
    return MetricSeries(
        row.category,
        row.name,
        row.type,
        row.unit,
        labels_of(row.labels),
        row.help,
        value=row.headline,
        count=row.samples,
        timestamp=row.timestamp,
        bucket=None if question.bucket is None else cells.begin(row.cell),
        trend=trend,
        **_spread(row, cells.seconds(row.cell)),
    )


def _spread(row: _Row, seconds: float) -> dict[str, float | None]:
    """The figures that have a meaning for the type of the metric."""
    sum_ = _finite(row.sum)
    if row.type == MetricType.COUNTER:
        return {"sum": sum_, "rate": None if sum_ is None else sum_ / seconds}
    figures: dict[str, float | None] = {"avg": row.mean, "min": row.min, "max": row.max}
    if row.type == MetricType.HISTOGRAM:
        figures["sum"] = sum_
    return figures | dict(zip(("p50", "p95", "p99"), map(_finite, row.percentiles), strict=True))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def labels_of(text: str) -> Mapping[str, str]:
    """The labels of their JSON text."""
    labels: Mapping[str, str] = parse(text)
    return labels


def _filled(rows: Iterable[_Row], question: Question) -> Iterator[MetricSeries]:
    """Every bucket of every series; one without samples counts none."""
    cells = question.cells
    by_key: dict[tuple[str | None, ...], dict[int, _Row]] = {}
    for row in rows:
        by_key.setdefault(row.key, {})[row.cell] = row
    for found in by_key.values():
        one = next(iter(found.values()))
        for cell in range(cells.count):
            yield _series(found[cell], question) if cell in found else _nothing(one, cell, question)


def _nothing(row: _Row, cell: int, question: Question) -> MetricSeries:
    none = 0.0 if row.type == MetricType.COUNTER else None
    return MetricSeries(
        row.category,
        row.name,
        row.type,
        row.unit,
        labels_of(row.labels),
        row.help,
        value=none,
        count=0,
        sum=none,
        rate=none,
        bucket=question.cells.begin(cell),
    )


def _declared(db: Connection, question: Question, told: set[str]) -> list[MetricSeries]:
    """The custom metrics of the options that nothing was ever recorded of, with the value declared."""
    if MetricCategory.CUSTOM not in question.categories:
        return []
    wanted = {
        name: declared
        for name, declared in question.declared.items()
        if declared.get("value") is not None and name not in told and question.names_match(name)
    }
    return [
        MetricSeries(
            MetricCategory.CUSTOM.value,
            name,
            str(wanted[name].get("type", MetricType.GAUGE.value)),
            wanted[name].get("unit"),
            help=wanted[name].get("help"),
            value=float(wanted[name]["value"]),
            count=0,
        )
        for name in unrecorded(db, wanted)
    ]


def unrecorded(db: Connection, names: Iterable[str]) -> list[str]:
    """Those of the names that no sample has."""
    condition = Condition()
    condition.one_of("name", list(names))
    if not condition.parts:
        return []
    query = f"SELECT DISTINCT name FROM metrics {condition.where}"
    recorded = {name for (name,) in db.execute(query, condition.values).fetchall()}
    return [name for name in names if name not in recorded]
