"""Metrics: what is recorded, and that every figure is what a second computation in plain Python gives."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_trace_cli import (
    MetricsConfig,
    RecordMetricRequest,
    TimeRange,
    TraceManagementService,
    TraceModuleOptions,
    initialize_trace_module,
)
from mplp_trace_cli.analysis.metrics import Cells
from mplp_trace_cli.domain.errors import FeatureDisabled, InvalidInput
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.metrics_data import MetricsData, MetricSeries
from tests.conftest import examples
from tests.helpers_storage import START_OF_TIME, Clock, service_at

HOUR = 3_600_000_000
NOON = START_OF_TIME - START_OF_TIME % HOUR

LABELS = ("{}", '{"a":"1","b":"é"}', '{ "b": "\\u00e9", "a": "1" }', '{"a":"2"}', '{"":""}')
VALUES = st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False).map(lambda value: round(value, 6))


@st.composite
def samples(draw: st.DrawFn) -> MetricRow:
    """A sample of few names, units and labels within four hours."""
    type_ = draw(st.sampled_from(["gauge", "counter", "histogram"]))
    value = draw(VALUES)
    return MetricRow(
        draw(st.sampled_from(["size", "cpu_usage"])),
        type_,
        abs(value) if type_ == "counter" else value,
        draw(st.sampled_from([None, "ms", "s"])),
        draw(st.sampled_from([None, "help"])),
        draw(st.sampled_from(LABELS)),
        None,
        NOON + draw(st.integers(0, 4 * HOUR)),
    )


def expected_series(
    rows: Sequence[MetricRow], start: int, end: int
) -> dict[tuple[Any, ...], list[MetricRow]]:
    """The samples of each series in [start, end), the newest last; a unit left out is the one said last."""
    said: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.timestamp):
        if row.unit is not None:
            said[row.name] = row.unit
    series = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.timestamp):
        if start <= row.timestamp < end:
            labels = tuple(sorted(json.loads(row.labels).items()))
            series[row.name, row.type, row.unit or said.get(row.name), labels].append(row)
    return series


def percentile(values: Sequence[float], share: float) -> float:
    """The same as `statistics.quantiles(…, method="inclusive")`, for any share."""
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    low = math.floor(rank)
    above = ordered[min(low + 1, len(ordered) - 1)]
    return ordered[low] + (above - ordered[low]) * (rank - low)


def check_series(series: MetricSeries, rows: Sequence[MetricRow], seconds: float) -> None:
    """Compares the figures of a series with those of its samples."""
    values = [row.value for row in rows]
    figures: dict[str, float] = {}
    if series.type == "counter":
        figures = {"value": math.fsum(values), "sum": math.fsum(values), "rate": math.fsum(values) / seconds}
    else:
        mean = statistics.fmean(values)
        figures = {"avg": mean, "min": min(values), "max": max(values)}
        figures |= {f"p{share}": percentile(values, share / 100) for share in (50, 95, 99)}
        figures["value"] = mean if series.type == "histogram" else values[-1]
        if series.type == "histogram":
            figures["sum"] = math.fsum(values)
    assert series.count == len(values)
    assert series.timestamp == rows[-1].timestamp
    for name in ("value", "sum", "rate", "avg", "min", "max", "p50", "p95", "p99"):
        got = getattr(series, name)
        if name in figures:
            assert got == pytest.approx(figures[name], rel=1e-9, abs=1e-6), name
        else:
            assert got is None, name


def key(series: MetricSeries) -> tuple[Any, ...]:
    """What makes a series."""
    return series.name, series.type, series.unit, tuple(sorted(series.labels.items()))


@settings(max_examples=examples(6))
@given(rows=st.lists(samples(), max_size=40), start=st.integers(0, 2 * HOUR), length=st.integers(1, 3 * HOUR))
def test_figures_of_samples(rows: list[MetricRow], start: int, length: int) -> None:
    """Series and their figures over a range, and in each bucket of it, are those of a plain computation."""
    rows = list(
        {row.timestamp: row for row in rows}.values()
    )  # the order of equal instants is that of arrival
    begin, end = NOON + start, NOON + start + length
    with TemporaryDirectory() as folder, service_at(Path(folder, "a.duckdb")) as service:
        service.record_samples(rows)
        range_ = TimeRange(begin, end)
        data = service.get_metrics(range_, ["system", "custom"], trend=16).unwrap()
        wanted = expected_series(rows, begin, end)
        assert {key(one) for one in data} == set(wanted)
        for one in data:
            assert one.category == ("system" if one.name == "cpu_usage" else "custom")
            check_series(one, wanted[key(one)], length / 1e6)
            check_trend(one, wanted[key(one)], begin, length)
        check_buckets(service, rows, begin, end)


def check_trend(series: MetricSeries, rows: Sequence[MetricRow], start: int, length: int) -> None:
    """The trend is the means, or sums, over sixteen parts of the range."""
    width = math.ceil(length / 16)
    for part, got in enumerate(series.trend):
        values = [row.value for row in rows if (row.timestamp - start) // width == part]
        want = (math.fsum if series.type == "counter" else statistics.fmean)(values) if values else None
        assert got == (None if want is None else pytest.approx(want, rel=1e-9, abs=1e-6))


def check_buckets(service: TraceManagementService, rows: Sequence[MetricRow], start: int, end: int) -> None:
    """Each series has each bucket of the range, an empty one counts none; the ends are cut to the range."""
    data = service.get_metrics(TimeRange(start, end), ["system", "custom"], bucket="1h").unwrap()
    buckets = range(start - start % HOUR, end, HOUR)
    keys = set(expected_series(rows, start, end))
    assert sorted((repr(key(one)), one.bucket) for one in data) == sorted(
        (repr(each), bucket) for each in keys for bucket in buckets
    )
    units = expected_series(rows, start, end)
    for one in data:
        assert one.bucket is not None
        begin, stop = max(start, one.bucket), min(end, one.bucket + HOUR)
        inside = [row for row in units[key(one)] if begin <= row.timestamp < stop]
        if inside:
            check_series(one, inside, (stop - begin) / 1e6)
        else:
            assert (one.count, one.value) == (0, 0.0 if one.type == "counter" else None)


# -- from traces and events ------------------------------------------------------------------------

TRACES = st.lists(
    st.tuples(
        st.integers(0, 3 * HOUR),
        st.one_of(
            st.none(),
            st.tuples(st.sampled_from(["completed", "failed", "cancelled"]), st.integers(1, 3 * HOUR)),
        ),
        st.lists(
            st.tuples(st.integers(0, 4 * HOUR), st.sampled_from(["info", "warn", "error", "critical"])),
            max_size=4,
        ),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=examples(5))
@given(traces=TRACES, start=st.integers(0, 2 * HOUR), length=st.integers(1, 3 * HOUR))
def test_application_metrics(traces: list[Any], start: int, length: int) -> None:
    """Requests, response time, error rate, active traces and events a second, whole and in buckets."""
    begin, end = NOON + start, NOON + start + length
    with TemporaryDirectory() as folder, service_at(Path(folder, "a.duckdb"), Clock()) as service:
        for number, (at, ending, events) in enumerate(traces):
            trace_id = f"t{number}"
            service.create_trace(context_id="c", name="n", trace_id=trace_id, started_at=NOON + at).unwrap()
            service.record_events(
                {"trace_id": trace_id, "event_type": "e", "level": level, "timestamp": NOON + when}
                for when, level in events
            ).unwrap()
            if ending is not None:
                service.end_trace(trace_id=trace_id, status=ending[0], at=NOON + at + ending[1]).unwrap()
        range_ = TimeRange(begin, end)
        data = service.get_metrics(range_, ["application"]).unwrap()
        got = {one.name: one.value for one in data}
        assert got == pytest.approx(plain_application(traces, start, start + length), nan_ok=True)
        buckets = service.get_metrics(range_, ["application"], bucket="1h").unwrap()
    cells = Cells.buckets(begin, end, HOUR)
    for cell in range(cells.count):
        low = max(begin, cells.begin(cell)) - NOON
        high = min(end, cells.begin(cell) + HOUR) - NOON
        got = {one.name: one.value for one in buckets if one.bucket == cells.begin(cell)}
        assert got == pytest.approx(plain_application(traces, low, high))


def plain_application(traces: Sequence[Any], start: int, end: int) -> dict[str, float | None]:
    """The application metrics over [start, end) in plain Python."""
    started = [one for one in traces if start <= one[0] < end]
    durations = [one[1][1] / 1_000 for one in started if one[1]]
    bad = [
        one
        for one in started
        if (one[1] and one[1][0] == "failed") or any(level in ("error", "critical") for _, level in one[2])
    ]
    active = [one for one in traces if one[0] < end and (one[1] is None or one[0] + one[1][1] >= end)]
    events = [when for one in traces for when, _ in one[2] if start <= when < end]
    return {
        "request_count": len(started),
        "response_time_avg": statistics.fmean(durations) if durations else None,
        "error_rate": len(bad) / len(started) if started else None,
        "active_traces": len(active),
        "events_per_second": len(events) / ((end - start) / 1e6),
    }


def test_an_expired_trace_has_finished(tmp_path: Path) -> None:
    """Past its time it counts into the response time and is not active any more."""
    clock = Clock()
    with service_at(tmp_path / "a.duckdb", clock) as service:
        service.create_trace(context_id="c", name="n", timeout=2_000).unwrap()
        before = figures(service.get_metrics(metric_types=["application"]).unwrap())
        clock.pass_seconds(10)
        after = figures(service.get_metrics(metric_types=["application"]).unwrap())
    assert (before["active_traces"], before["response_time_avg"]) == (1, None)
    assert (after["active_traces"], after["response_time_avg"]) == (0, 2_000)


def figures(data: MetricsData) -> dict[str, float | None]:
    """The first figure of each metric, by name."""
    return {one.name: one.value for one in data}


def test_an_empty_store_has_application_metrics_alone(service: TraceManagementService) -> None:
    """Counts are 0, means and shares are None; nothing is refused."""
    service.create_trace(context_id="c", name="n", started_at=0).unwrap()
    data = service.get_metrics().unwrap()
    assert (data.system, data.custom) == ({}, {})
    assert figures(data) == {
        "request_count": 0,
        "response_time_avg": None,
        "error_rate": None,
        "active_traces": 1,
        "events_per_second": 0,
    }


def test_performance_metrics_are_custom_gauges(service: TraceManagementService) -> None:
    """Their tags are labels; what has no name or no number is none, whatever else is in the data."""
    trace = service.create_trace(context_id="c", name="n").unwrap().trace_id
    for value in (3, 1.5, 2**70):
        data = {"metric_name": "lat", "metric_value": value, "metric_unit": "ms", "tags": {"m": "x"}}
        service.record_event(trace_id=trace, event_type="performance_metric", data=data).unwrap()
    service.record_event(trace_id=trace, event_type="other", data={"metric_name": "no", "metric_value": 1})
    (lat,) = service.get_metrics(metric_types=["custom"]).unwrap().custom["lat"]
    assert (lat.type, lat.unit, lat.labels, lat.value, lat.count) == ("gauge", "ms", {"m": "x"}, 2.0**70, 3)


def test_odd_performance_metrics_hurt_nobody(tmp_path: Path) -> None:
    """Unchecked events with texts for numbers, empty names, wrong tags or lone surrogates are passed over."""
    options = TraceModuleOptions(data_source=str(tmp_path / "a.duckdb"))
    options = options._replace(event_config=options.event_config._replace(validate_standard_events=False))
    with initialize_trace_module(options) as module:
        service = module.trace_management_service
        trace = service.create_trace(context_id="c", name="n").unwrap().trace_id
        for data in (
            '{"metric_name":"text","metric_value":"7"}',
            '{"metric_name":"","metric_value":7}',
            '{"metric_name":"bool","metric_value":true}',
            '{"metric_name":"huge","metric_value":1e999}',
            '{"metric_name":"lone","metric_value":1,"x":"\\ud800"}',
            '{"metric_name":["list"],"metric_value":null}',
            "{}",
            '{"metric_name":"good","metric_value":7,"tags":[1]}',
        ):
            service.record_event(trace_id=trace, event_type="performance_metric", data=data).unwrap()
        assert {"good"} <= set(service.get_metrics().unwrap().custom) <= {"good", "['list']", '["list"]'}


# -- recording -------------------------------------------------------------------------------------


def test_a_sample_comes_back_as_it_went_in(service: TraceManagementService) -> None:
    """The request object, keywords and one dict are the same; the answer is the sample."""
    fields: dict[str, Any] = {
        "name": "h",
        "value": 3,
        "type": "histogram",
        "unit": "ms",
        "help": "How long",
        "labels": {"k": "v"},
        "buckets": [1, 2.5],
        "timestamp": NOON,
    }
    given = [
        service.record_metric(RecordMetricRequest(**fields)),
        service.record_metric(**fields),
        service.record_metric(fields),
    ]
    one, two, three = (result.unwrap() for result in given)
    assert one == two == three
    assert (one.value, one.labels, one.buckets, one.timestamp) == (3.0, {"k": "v"}, (1.0, 2.5), NOON)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "m"}, "value: required"),
        ({"name": "", "value": 1}, "name: required"),
        ({"name": "m", "value": math.nan}, "value: must be a finite number"),
        ({"name": "m", "value": True}, "value: must be a finite number"),
        (
            {"name": "m", "value": -1, "type": "counter"},
            "value: a counter only goes up: must not be negative",
        ),
        ({"name": "m", "value": 1, "type": "gouge"}, "type: 'gouge' is not one of"),
        ({"name": "m", "value": 1, "labels": {"k": 1}}, "labels: must be an object of texts"),
        ({"name": "m", "value": 1, "buckets": [2, 1]}, "buckets: must be ascending numbers"),
        ({"name": "m\ud800", "value": 1}, "name: has a lone surrogate"),
    ],
)
def test_a_bad_sample_is_refused(
    service: TraceManagementService, fields: Mapping[str, Any], said: str
) -> None:
    """With what is wrong with it."""
    error = service.record_metric(fields).error
    assert isinstance(error, InvalidInput)
    assert error.message.startswith(said)


def test_a_name_of_two_types_is_two_series(service: TraceManagementService) -> None:
    """Nothing that was recorded is hidden."""
    for type_ in ("gauge", "counter"):
        service.record_metric(name="m", value=2, type=type_).unwrap()
    series = service.get_metrics().unwrap().custom["m"]
    assert [(one.type, one.value) for one in series] == [("counter", 2), ("gauge", 2)]


def test_values_as_large_as_floats_get(service: TraceManagementService) -> None:
    """Where a sum is more than a float holds there is no mean; the rest is there."""
    for value in (1.7e308, 1.7e308, -5e-324):
        service.record_metric(name="m", value=value).unwrap()
    (series,) = service.get_metrics(trend=4).unwrap().custom["m"]
    assert (series.avg, series.max, series.min, series.value) == (None, 1.7e308, -5e-324, -5e-324)


# -- options ---------------------------------------------------------------------------------------


def options(tmp_path: Path, **config: Any) -> TraceModuleOptions:
    """Options over a new store with this metrics_config."""
    return TraceModuleOptions(data_source=str(tmp_path / "a.duckdb"), metrics_config=MetricsConfig(**config))


def test_a_declaration_says_what_samples_do_not(tmp_path: Path) -> None:
    """Type, unit, help and buckets; its value is told while there is no sample."""
    declared = {
        "jobs": {"type": "counter", "unit": "jobs", "help": "Done", "value": 5},
        "h": {"type": "histogram", "buckets": [1, 2]},
    }
    with initialize_trace_module(options(tmp_path, custom_metrics=declared)) as module:
        service = module.trace_management_service
        service.create_trace(context_id="c", name="n").unwrap()
        (before,) = service.get_metrics().unwrap().custom["jobs"]
        assert (before.type, before.value, before.count, before.help) == ("counter", 5, 0, "Done")
        assert service.record_metric(name="h", value=1).unwrap().buckets == (1, 2)
        sample = service.record_metric(name="jobs", value=1).unwrap()
        assert (sample.type, sample.unit, sample.help) == ("counter", "jobs", "Done")
        (after,) = service.get_metrics().unwrap().custom["jobs"]
        assert (after.value, after.count) == (1, 1)
        assert service.record_metric(name="jobs", value=-1, type="gauge").unwrap().type == "gauge"


def test_custom_metrics_can_be_off(tmp_path: Path) -> None:
    """Then recording one is refused."""
    with initialize_trace_module(options(tmp_path, enable_custom_metrics=False)) as module:
        error = module.trace_management_service.record_metric(name="m", value=1).error
        assert isinstance(error, FeatureDisabled)


def test_metric_types_are_what_is_told_when_nobody_asks(tmp_path: Path) -> None:
    """Another category is told when it is asked for; a word that is none is refused."""
    with initialize_trace_module(options(tmp_path, metric_types=("custom",))) as module:
        service = module.trace_management_service
        service.record_metric(name="m", value=1).unwrap()
        assert [one.name for one in service.get_metrics().unwrap()] == ["m"]
        assert service.get_metrics(metric_types=["application"]).unwrap().application
        assert "sistem" in str(service.get_metrics(metric_types=["sistem"]).error)


def test_without_aggregation_nothing_comes_from_events(tmp_path: Path) -> None:
    """Application metrics are refused, or left out where nobody asks for them; samples are told."""
    given = options(tmp_path)._replace(enable_event_aggregation=False)
    with initialize_trace_module(given) as module:
        service = module.trace_management_service
        trace = service.create_trace(context_id="c", name="n").unwrap().trace_id
        data = {"metric_name": "lat", "metric_value": 1, "metric_unit": "ms"}
        service.record_event(trace_id=trace, event_type="performance_metric", data=data).unwrap()
        service.record_metric(name="m", value=1).unwrap()
        assert [one.name for one in service.get_metrics().unwrap()] == ["m"]
        assert isinstance(service.get_metrics(metric_types=["application"]).error, FeatureDisabled)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"collection_interval": 0}, "metrics_config.collection_interval: must be greater than 0"),
        ({"aggregation_window": math.nan}, "metrics_config.aggregation_window: must be greater than 0"),
        ({"metric_types": ("system", "sistem")}, "metrics_config.metric_types: 'sistem'"),
        ({"custom_metrics": {"m": {"type": "gouge"}}}, "metrics_config.custom_metrics.m: type: 'gouge'"),
        ({"custom_metrics": {"m": {"buckets": [2, 1]}}}, "metrics_config.custom_metrics.m: buckets: must be"),
        (
            {"custom_metrics": {"m": {"value": "x"}}},
            "metrics_config.custom_metrics.m: value: must be a finite",
        ),
        ({"custom_metrics": {"m": {"kind": "x"}}}, "metrics_config.custom_metrics.m.kind: there is no such"),
        ({"custom_metrics": {"m": "gauge"}}, "metrics_config.custom_metrics.m: must be a table"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    """A module is not made with options that nothing could be measured with."""
    with pytest.raises(InvalidInput) as caught:
        initialize_trace_module(options(tmp_path, **config))
    assert caught.value.message.startswith(said)


# -- asking ----------------------------------------------------------------------------------------


def test_names_are_globs(service: TraceManagementService) -> None:
    """They choose among samples, events and application metrics alike."""
    for name in ("queue.mail", "queue.print", "other"):
        service.record_metric(name=name, value=1).unwrap()
    assert set(service.get_metrics(names=["queue.*"]).unwrap().custom) == {"queue.mail", "queue.print"}
    assert [one.name for one in service.get_metrics(names=["*_r?te"]).unwrap()] == ["error_rate"]


def test_an_empty_range_has_nothing_to_divide_by(service: TraceManagementService) -> None:
    """A range of no length has no series."""
    service.record_metric(name="m", value=1, type="counter").unwrap()
    assert list(service.get_metrics(TimeRange(NOON, NOON)).unwrap()) == []


def test_the_wrong_way_round_is_refused(service: TraceManagementService) -> None:
    """A range that ends before it starts, or starts in the future without an end; a bucket without a unit."""
    assert isinstance(service.get_metrics(TimeRange(2, 1)).error, InvalidInput)
    assert isinstance(service.get_metrics(TimeRange("9999-01-01T00:00:00Z")).error, InvalidInput)
    assert isinstance(service.get_metrics(bucket="5").error, InvalidInput)


def test_rows_are_plain_values(service: TraceManagementService) -> None:
    """Instants are text, labels a mapping."""
    service.record_metric(name="m", value=1, timestamp=NOON, labels={"k": "v"}).unwrap()
    (row,) = service.get_metrics(TimeRange(NOON, NOON + 1), ["custom"], bucket="1d").unwrap().rows
    assert row["bucket"] == "2027-01-15T00:00:00.000000Z"
    assert (row["category"], row["labels"], row["timestamp"]) == (
        "custom",
        {"k": "v"},
        "2027-01-15T08:00:00.000000Z",
    )
