"""The summary of a trace: counts by level, and how values and durations spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mplp_trace_cli.domain.checks import as_number
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.event import Event


@dataclass(frozen=True)
class Spread:
    """How a set of values spreads; percentiles interpolate linearly between ranks."""

    count: int
    min: float
    max: float
    avg: float
    p50: float
    p95: float
    p99: float
    unit: str | None = None


@dataclass(frozen=True)
class TraceSummary:
    """What a trace amounts to.

    `total_duration` is in ms, None while active; `performance_metrics` is keyed by metric_name,
    `event_durations` (ms) by event_type.
    """

    total_events: int
    events_by_level: Mapping[str, int]
    total_duration: float | None
    error_count: int
    warning_count: int
    performance_metrics: Mapping[str, Spread] = field(default_factory=dict)
    event_durations: Mapping[str, Spread] = field(default_factory=dict)


def summarize(events: Iterable[Event], total_duration: float | None) -> TraceSummary:
    """The summary of `events`, whose trace took `total_duration` ms."""
    levels = {level.value: 0 for level in Level}
    measured: dict[str, list[float]] = {}
    units: dict[str, str | None] = {}
    durations: dict[str, list[float]] = {}
    for event in events:
        levels[event.level.value] += 1
        if event.duration_ms is not None:
            durations.setdefault(event.event_type, []).append(event.duration_ms)
        if event.event_type == "performance_metric":
            _take_metric(event, measured, units)
    return TraceSummary(
        total_events=sum(levels.values()),
        events_by_level=levels,
        total_duration=total_duration,
        error_count=levels["error"] + levels["critical"],
        warning_count=levels["warn"],
        performance_metrics={name: spread(got, units[name]) for name, got in measured.items()},
        event_durations={name: spread(got, "ms") for name, got in durations.items()},
    )


def _take_metric(event: Event, measured: dict[str, list[float]], units: dict[str, str | None]) -> None:
    name, value = event.data.get("metric_name"), as_number(event.data.get("metric_value"))
    if isinstance(name, str) and value is not None:
        measured.setdefault(name, []).append(value)
        unit = event.data.get("metric_unit")
        units[name] = unit if isinstance(unit, str) else None


def spread(values: Sequence[float], unit: str | None = None) -> Spread:
    """How `values` (at least one) spread."""
    ordered = sorted(values)
    p50, p95, p99 = (_percentile(ordered, share) for share in (0.5, 0.95, 0.99))
    average = sum(ordered) / len(ordered)
    if not math.isfinite(average):  # the sum is more than a float holds, the mean is not
        average = max(ordered[0], min(ordered[-1], sum(value / len(ordered) for value in ordered)))
    return Spread(len(ordered), ordered[0], ordered[-1], average, p50, p95, p99, unit)


def _percentile(ordered: Sequence[float], share: float) -> float:
    rank = share * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    part = rank - low
    span = ordered[high] - ordered[low]
    if not math.isfinite(span):
        return ordered[low] * (1 - part) + ordered[high] * part
    return ordered[low] + span * part
