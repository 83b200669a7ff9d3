"""The summary of a trace against the same figures computed another way."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli import Event, Level, Trace
from mplp_trace_cli.domain.summary import Spread, spread, summarize

VALUES = st.floats(-1e12, 1e12) | st.integers(-5, 5).map(float)


def percentile(values: Sequence[float], share: Fraction) -> Fraction:
    """The continuous percentile, in exact arithmetic."""
    ordered = [Fraction(value) for value in sorted(values)]
    rank = share * (len(ordered) - 1)
    low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    return low + (high - low) * (rank - math.floor(rank))


@given(st.lists(VALUES, min_size=1, max_size=40))
def test_a_spread_is_what_exact_arithmetic_says(values: list[float]) -> None:
    """Count, bounds, mean and percentiles, whatever the order of the values."""
    found = spread(values, "ms")
    assert (found.count, found.min, found.max, found.unit) == (len(values), min(values), max(values), "ms")
    assert close(found.avg, statistics.fmean(values), values)
    for got, share in ((found.p50, 50), (found.p95, 95), (found.p99, 99)):
        assert close(got, percentile(values, Fraction(share, 100)), values)
    assert close(found.p50, statistics.median(values), values)
    if len(values) > 1:
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        assert close(found.p95, cuts[94], values)
        assert close(found.p99, cuts[98], values)
    assert spread(list(reversed(values)), "ms") == found


def close(got: float, expected: float | Fraction, values: Sequence[float]) -> bool:
    """Equal but for the rounding of floats of that size."""
    return abs(Fraction(got) - Fraction(expected)) <= Fraction(max(map(abs, values))) * Fraction(
        1, 10**12
    ) + Fraction(1, 10**300)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7.0], Spread(1, 7, 7, 7, 7, 7, 7, None)),
        ([4.0, 1.0, 3.0, 2.0], Spread(4, 1, 4, 2.5, 2.5, 3.8499999999999996, 3.9699999999999998, None)),
        ([float(at) for at in range(101)], Spread(101, 0, 100, 50, 50, 95, 99, None)),
        ([1.7e308] * 3, Spread(3, 1.7e308, 1.7e308, 1.7e308, 1.7e308, 1.7e308, 1.7e308, None)),
        ([0.0] * 9, Spread(9, 0, 0, 0, 0, 0, 0, None)),
    ],
)
def test_known_spreads(values: list[float], expected: Spread) -> None:
    """Values that can be checked by hand."""
    assert spread(values) == expected


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_a_spread_of_any_numbers_is_finite(values: list[float]) -> None:
    """Every figure lies between the smallest and the largest value, up to the largest float there is."""
    found = spread(values)
    slack = max(map(abs, values)) * 1e-12
    for figure in (found.avg, found.p50, found.p95, found.p99):
        assert math.isfinite(figure)
        assert found.min - slack <= figure <= found.max + slack


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "event_type": st.sampled_from(["a", "b", "performance_metric"]),
            "level": st.sampled_from([level.value for level in Level]),
            "duration_ms": st.none() | st.floats(0, 1e9),
            "data": st.fixed_dictionaries(
                {},
                optional={
                    "metric_name": st.sampled_from(["m", "n", None, 5]),
                    "metric_value": VALUES | st.sampled_from([None, "5", True]),
                    "metric_unit": st.sampled_from(["ms", "%", None]),
                },
            ),
        }
    ),
    max_size=12,
)


@given(EVENTS)
def test_a_summary_counts_what_is_there(described: list[dict[str, Any]]) -> None:
    """Counts by level and the spreads by name and type are those of the events, and of nothing else."""
    trace = Trace("t", "c", "custom", "n", "active", "2026-03-02T09:00:00Z")  # type: ignore[arg-type]
    for at, fields in enumerate(described):
        trace.add_event(Event(f"e{at}", "t", timestamp="2026-03-02T09:00:00Z", **fields))  # type: ignore[arg-type]
    summary = trace.generate_summary()
    levels = [fields["level"] for fields in described]
    assert summary.total_events == len(described)
    assert dict(summary.events_by_level) == {level.value: levels.count(level.value) for level in Level}
    assert summary.error_count == levels.count("error") + levels.count("critical")
    assert summary.warning_count == levels.count("warn")
    assert summary.total_duration is None
    durations: dict[str, list[float]] = {}
    metrics: dict[str, list[float]] = {}
    units: dict[str, str | None] = {}
    for fields in described:
        data, took = fields["data"], fields["duration_ms"]
        if took is not None:
            durations.setdefault(fields["event_type"], []).append(took)
        name, value = data.get("metric_name"), data.get("metric_value")
        if fields["event_type"] == "performance_metric" and isinstance(name, str) and type(value) is float:
            metrics.setdefault(name, []).append(value)
            units[name] = data.get("metric_unit")
    assert dict(summary.event_durations) == {kind: spread(all_, "ms") for kind, all_ in durations.items()}
    assert dict(summary.performance_metrics) == {
        name: spread(all_, units[name]) for name, all_ in metrics.items()
    }


def test_a_summary_tells_how_long_its_trace_took() -> None:
    """total_duration is the duration of the trace, not the sum of its events."""
    trace = Trace("t", "c", "custom", "n", "active", "2026-03-02T09:00:00Z")  # type: ignore[arg-type]
    trace.complete(trace.started_at.replace(minute=1))
    assert trace.generate_summary().total_duration == 60_000
    empty = summarize([], 5.0)
    assert (empty.total_events, empty.total_duration, dict(empty.event_durations)) == (0, 5.0, {})
    assert dict(empty.events_by_level) == dict.fromkeys(("debug", "info", "warn", "error", "critical"), 0)
