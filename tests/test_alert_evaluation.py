"""What conditions come to: every figure twice, and the same as `query` and the others say."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import TraceAggregation, TraceManagementService
from mplp_trace_cli.analysis.alert_evaluation import evaluate
from mplp_trace_cli.analysis.alert_language import parse_condition
from mplp_trace_cli.analysis.alert_rules import ParsedRule
from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertReading, AlertRule
from mplp_trace_cli.domain.alerts.conditions import Figure, comparisons
from mplp_trace_cli.domain.alerts.figures import FIGURES, METRIC_FUNCTIONS, Subject
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.times import parse_instant
from tests.conftest import Cli, examples
from tests.helpers_storage import service_at
from tests.plain_figures import ERRORS, Exported, Row, exported, keys_of, percentile
from tests.test_aggregation import made_lines
from tests.test_filters import WORDS, ask, stamp

SECOND = 1_000_000
FEW = settings(
    max_examples=examples(5),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def rule_of(condition: str, window: float, *group_by: str, name: str = "r") -> ParsedRule:
    """A rule over a window of so many seconds."""
    return ParsedRule(
        AlertRule(name, condition, round(window * SECOND), group_by=group_by), parse_condition(condition)
    )


def readings(service: TraceManagementService, rules: Sequence[ParsedRule], at: int) -> list[AlertReading]:
    """What the rules come to in the store."""
    with service.reading() as db:
        return evaluate(db, rules, at)


# -- traces and events, in plain Python ------------------------------------------------------------

TIMES: dict[str, Callable[[list[float]], float]] = {
    "avg": lambda values: math.fsum(values) / len(values),
    "response": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
    **{f"p{n}": (lambda values, n=n: percentile(values, n / 100)) for n in (50, 90, 95, 99)},  # type: ignore[misc]
}
COLUMNS = {"context": "context_id", "execution": "execution_id", "name": "name", "status": "status"}


def takes(figure: Figure, row: Row, of_traces: bool) -> bool:
    """True when the filters of a figure take a row; values of one key widen."""
    wanted: dict[str, set[str]] = {}
    for key, value in figure.filters:
        wanted.setdefault(key, set()).add(value)
    levels = list(Level)
    for key, values in wanted.items():
        if key == "tag":
            found = bool(values & set(row.get("tags") or []))
        elif key == "min_level":
            found = levels.index(Level(row["level"])) >= levels.index(Level(next(iter(values))))
        elif key == "type":
            found = row["trace_type" if of_traces else "event_type"] in values
        else:
            found = row.get(COLUMNS.get(key, key)) in values
        if not found:
            return False
    return True


def plain_figure(figure: Figure, traces: list[Row], events: list[Row], start: int, at: int) -> float | None:
    """A figure of the traces and events of a group."""
    seconds = (at - start) / SECOND
    taken = [row for row in traces if takes(figure, row, True)] if figure.subject is Subject.TRACES else []
    if figure.name == "active_traces":
        open_then = [row for row in taken if row["started_at"] < at <= (row.get("completed_at") or at)]
        return len(open_then)
    inside = [row for row in taken if start <= row["started_at"] < at]
    happened = [row for row in events if start <= row["timestamp"] < at]
    if figure.subject is Subject.EVENTS:
        happened = [row for row in happened if takes(figure, row, False)]
    finished = [row for row in inside if row["status"] != "active"]
    if "response_time" in figure.name:
        durations = [row["duration_ms"] for row in inside if row["duration_ms"] is not None]
        return TIMES[figure.name.split("_")[0]](durations) if durations else None
    return {
        "error_rate": share(sum(row["has_errors"] for row in inside), len(inside)),
        "success_rate": share(sum(row["status"] == "completed" for row in finished), len(finished)),
        "request_count": len(inside),
        "trace_count": len(inside),
        "throughput": len(inside) / seconds,
        "event_count": len(happened),
        "error_count": sum(row["level"] in ERRORS for row in happened),
        "events_per_second": len(happened) / seconds,
    }[figure.name]


def share(part: float, whole: float) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None


def plain_readings(rule: ParsedRule, found: Exported, at: int) -> list[tuple[Any, Any]]:
    """The groups of a rule with their figures."""
    start = at - rule.rule.window_us
    figures = list(dict.fromkeys(one.figure for one in comparisons(rule.condition)))
    subjects = {figure.subject for figure in figures}
    groups: dict[tuple[Any, ...], tuple[list[Row], list[Row]]] = {} if rule.rule.group_by else {(): ([], [])}
    for at_row, rows in enumerate(found):
        subject = (Subject.TRACES, Subject.EVENTS)[at_row]
        for row in rows if subject in subjects else []:
            for key in keys_of(row, rule.rule.group_by):
                groups.setdefault(key, ([], []))[at_row].append(row)
    told = []
    for key, (traces, events) in groups.items():
        values = [plain_figure(figure, traces, events, start, at) for figure in figures]
        counts = [plain_figure(behind(figure), traces, events, start, at) for figure in figures]
        if any(counts) or not rule.rule.group_by:
            told.append((tuple(zip(rule.rule.group_by, key, strict=True)), values))
    return sorted(told, key=lambda one: [(value is None, value or "") for _, value in one[0]])


def behind(figure: Figure) -> Figure:
    """The count that tells whether there is something to a figure."""
    if figure.name == "active_traces":
        return Figure(figure.name)
    return Figure("request_count" if figure.subject is Subject.TRACES else "event_count")


VALUES = {
    "context": WORDS,
    "execution": WORDS,
    "name": ["a", "b"],
    "status": ["completed", "failed", "active"],
    "tag": WORDS,
    "level": ["info", "error"],
    "min_level": ["warn"],
    "source": ["plan", "core"],
    "trace_type": ["workflow_execution", "custom"],
}
OF_TRACES = ["trace_type", "status", "context_id", "execution_id", "name", "tag", "meta.k", "meta.d.k"]
OF_EVENTS = ["event_type", "level", "source", "trace_id", "data.k", "context_id", "execution_id", "name"]
OF_BOTH = ["context_id", "execution_id", "name", "trace_type"]


@st.composite
def made_figures(draw: st.DrawFn, names: list[str]) -> str:
    """A figure of these, with some filters, as it is written."""
    name = draw(st.sampled_from(names))
    traces = FIGURES[name].subject is Subject.TRACES
    keys = ["type", "context", "execution", "name"] + (
        ["status", "tag"] if traces else ["level", "min_level", "source", "trace_type"]
    )
    types = ["workflow_execution", "api_request"] if traces else ["a", "b.c"]
    pairs = {
        key: draw(st.sampled_from(types if key == "type" else VALUES[key]))
        for key in draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))
    }
    return str(Figure(name, "", tuple(sorted(pairs.items()))))


@st.composite
def made_rules(draw: st.DrawFn) -> ParsedRule:
    """A rule with figures of one kind or of both, and groups that fit."""
    by_subject = {
        subject: [name for name, known in FIGURES.items() if known.subject is subject] for subject in Subject
    }
    traces, events = by_subject[Subject.TRACES], by_subject[Subject.EVENTS]
    names, keys = draw(
        st.sampled_from([(traces, OF_TRACES), (events, OF_EVENTS), (traces + events, OF_BOTH)])
    )
    figures = draw(st.lists(made_figures(names), min_size=1, max_size=3))
    limit = {"error_rate": "50%", "success_rate": "0.5"}
    parts = [
        f"{one} {draw(st.sampled_from(['>', '<=']))} {limit.get(one.split('(')[0], '3')}" for one in figures
    ]
    group_by = draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))
    word = draw(st.sampled_from([" and ", " or "]))
    return rule_of(word.join(parts), draw(st.sampled_from([1, 10.5, 60, 1_000])), *group_by)


@FEW
@given(
    made_lines(), st.lists(st.lists(made_rules(), min_size=1, max_size=4), min_size=5, max_size=5), st.data()
)
def test_every_figure_twice(
    lines: list[dict[str, Any]], sets: list[list[ParsedRule]], data: st.DataObject
) -> None:
    """Whatever rules are evaluated together, each comes to what plain Python makes of the exported rows."""

    def compare(service: TraceManagementService) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = exported(service, Path(folder, "all.jsonl"))
        traces = {trace["trace_id"]: trace for trace in found.traces}
        for event in found.events:
            event |= {key: traces[event["trace_id"]].get(key) for key in OF_BOTH}
        for rules in sets:
            at = data.draw(st.integers(0, 400)) * SECOND // 4
            told = readings(service, rules, at)
            wanted = [each for rule in rules for each in plain_readings(rule, found, at)]
            assert len(told) == len(wanted)
            for reading, (group, values) in zip(told, wanted, strict=True):
                assert reading.group == group
                assert [figure.value for figure in reading.figures] == [close(value) for value in values]

    ask(lines, compare)


def close(value: float | None) -> Any:
    """The same number but for the last bits of a sum."""
    return None if value is None else pytest.approx(value, rel=1e-12)


# -- metrics, in plain Python ----------------------------------------------------------------------

LABELS: list[dict[str, str]] = [{}, {"host": "a"}, {"host": "b", "x.y": "1"}]
TO_MS = {"ms": 1.0, "s": 1_000.0, "m": 60_000.0, None: 1.0}


@st.composite
def made_samples(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Lines of samples of a gauge, a counter and a histogram, and events that measure the gauge."""
    lines: list[dict[str, Any]] = [
        {"kind": "trace", "trace_id": "t", "context_id": "c", "name": "n", "started_at": stamp(0)}
    ]
    kinds = {"depth": "gauge", "pages": "counter", "latency": "histogram"}
    for _ in range(draw(st.integers(0, 15))):
        name = draw(st.sampled_from(list(kinds)))
        value = draw(st.integers(0, 100)) / 4
        at, labels = stamp(draw(st.integers(0, 80)) * SECOND), draw(st.sampled_from(LABELS))
        if name == "depth" and draw(st.booleans()):
            data = {"metric_name": name, "metric_value": value, "metric_unit": "jobs", "tags": labels}
            lines.append({"event_type": "performance_metric", "trace_id": "t", "timestamp": at, "data": data})
            continue
        unit = {"depth": "jobs", "pages": None, "latency": draw(st.sampled_from(["ms", "s", "bytes"]))}[name]
        lines.append(
            {
                "kind": "metric",
                "name": name,
                "type": kinds[name],
                "value": value,
                "timestamp": at,
                "labels": labels,
                **({"unit": unit} if unit else {}),
            }
        )
    return lines


def as_samples(lines: list[dict[str, Any]]) -> list[Row]:
    """The samples of these lines in order of arrival."""
    samples = []
    for line in lines[1:]:
        data = line.get("data", {})
        samples.append(
            {
                "name": data.get("metric_name") or line["name"],
                "value": data.get("metric_value", line.get("value")),
                "unit": data.get("metric_unit") or line.get("unit"),
                "labels": data.get("tags", line.get("labels")),
                "at": parse_instant(line["timestamp"]),
            }
        )
    return samples


def plain_metric(figure: Figure, unit: str, samples: list[Row], start: int, at: int) -> float | None:
    """A metric over a window, in milliseconds where a unit is wanted."""
    wanted = dict(figure.filters)
    taken = [
        row
        for row in sorted(samples, key=lambda row: row["at"])
        if start <= row["at"] < at
        and row["name"] == figure.name
        and all(row["labels"].get(key) == value for key, value in wanted.items())
        and (not unit or row["unit"] in TO_MS)
    ]
    values = [row["value"] * (TO_MS[row["unit"]] if unit else 1) for row in taken]
    newest = {
        (row["unit"], json.dumps(row["labels"])): value for row, value in zip(taken, values, strict=True)
    }
    own = {"depth": "last", "pages": "sum", "latency": "avg"}
    function = own[figure.name] if figure.function == "metric" else figure.function
    if function == "count":
        return len(taken)
    if not values:
        return None
    plain: Mapping[str, Callable[[list[float]], float]] = {**TIMES, "sum": math.fsum}
    return max(newest.values()) if function == "last" else plain[function](values)


@st.composite
def made_metric_rules(draw: st.DrawFn) -> ParsedRule:
    """A rule over metrics, by label or not, in a unit or not."""
    function = draw(st.sampled_from(METRIC_FUNCTIONS))
    name = draw(st.sampled_from(["depth", "pages", "latency"]))
    labels = draw(st.sampled_from([(), (("host", "a"),), (("host", "b"), ("x.y", "1"))]))
    unit = draw(st.sampled_from(["", "s"])) if name == "latency" and function != "count" else ""
    group_by = draw(st.sampled_from([(), ("labels.host",)]))
    window = draw(st.sampled_from([1, 20, 1_000]))
    return rule_of(f"{Figure(name, function, labels)} > 3{unit}", window, *group_by)


@FEW
@given(made_samples(), st.lists(made_metric_rules(), min_size=12, max_size=12), st.data())
def test_every_metric_twice(
    lines: list[dict[str, Any]], rules: list[ParsedRule], data: st.DataObject
) -> None:
    """Every function over every type of metric, with units, labels and groups, is what plain Python says."""
    samples = as_samples(lines)
    # The newest of a series is by arrival among equal instants, in which two ways of recording have no order.
    moments = [(row["name"], row["at"]) for row in samples]
    samples = [row for row in samples if moments.count((row["name"], row["at"])) == 1]
    kept = {(row["name"], row["at"]) for row in samples}
    lines = lines[:1] + [
        line
        for line in lines[1:]
        if (line.get("name") or line["data"]["metric_name"], parse_instant(line["timestamp"])) in kept
    ]

    def compare(service: TraceManagementService) -> None:
        at = data.draw(st.integers(0, 90)) * SECOND
        told = {id(rule): readings(service, [rule], at) for rule in rules}
        assert readings(service, rules, at) == [each for rule in rules for each in told[id(rule)]]
        for rule in rules:
            start = at - rule.rule.window_us
            (comparison,) = comparisons(rule.condition)
            hosts: list[Any] = [...]
            if rule.rule.group_by:
                inside = [r for r in samples if start <= r["at"] < at and r["name"] == comparison.figure.name]
                hosts = sorted(
                    {row["labels"].get("host") for row in inside}, key=lambda h: (h is None, h or "")
                )
            assert [dict(one.group).get("labels.host", ...) for one in told[id(rule)]] == hosts
            for reading, host in zip(told[id(rule)], hosts, strict=True):
                rows = [row for row in samples if host is ... or row["labels"].get("host") == host]
                value = plain_metric(comparison.figure, comparison.unit, rows, start, at)
                assert reading.figures[0].value == close(value)
                assert reading.holds == (value is not None and value > comparison.threshold)

    ask(lines, compare)


# -- the same as everywhere ------------------------------------------------------------------------


def test_the_same_as_query_events_dashboard_and_metrics(sample_store: Cli) -> None:
    """Over one range a condition's figures are those of the commands that show them."""
    start, end = parse_instant("2026-03-04T00:00:00Z"), parse_instant("2026-03-05T00:00:00Z")
    span = {"start": start, "end": end}
    names = [name for name in FIGURES if name != "active_traces"]
    with service_at(sample_store.db) as service:
        rules = [rule_of(f"{name} > 0", 86_400, name=name) for name in names]
        told = {one.rule: one.figures[0].value for one in readings(service, rules, end)}
        metrics = [
            "count",
            "error_rate",
            "throughput",
            *(f"{n}_duration" for n in ("avg", "min", "max", "p50")),
        ]
        ask_for = TraceAggregation(metrics=[*metrics, "p90_duration", "p95_duration", "p99_duration"])
        (row,) = service.query_traces({"time_range": span}, ask_for).unwrap().answer.rows
        query = ["request_count", "error_rate", "throughput"]
        query += [f"{n}_response_time" for n in ("avg", "min", "max", "p50", "p90", "p95", "p99")]
        assert [told[name] for name in query] == [close(value) for value in row]
        counts = TraceAggregation(metrics=["count", "error_count", "throughput"])
        (row,) = service.query_events({"time_range": span}, counts).unwrap().answer.rows
        assert [told[name] for name in ("event_count", "error_count", "events_per_second")] == list(row)
        data = service.get_dashboard_data(
            time_range=span, metrics=["p95_response_time", "error_rate"]
        ).unwrap()
        assert told["success_rate"] == close(data.summary.success_rate)
        assert told["error_count"] == data.summary.error_count
        found = service.get_metrics(time_range=span).unwrap().application
        (active,) = readings(service, [rule_of("active_traces >= 0", 86_400)], end)
        assert active.figures[0].value == found["active_traces"][0].value
        assert told["response_time_avg"] == close(found["response_time_avg"][0].value)


def test_units_of_system_metrics(cli: Cli) -> None:
    """A metric in percent is compared with %, one in kB/s with /s; a bare number is as it was recorded."""
    cli.ok("metrics", "set", "cpu_usage", "93", "--unit", "percent")
    cli.ok("metrics", "set", "hits", "0.93", "--unit", "share")
    cli.ok("metrics", "set", "bare", "93")
    cli.ok("metrics", "set", "traffic", "2", "--unit", "kB/s")
    cli.ok("metrics", "set", "wait_seconds", "2")
    conditions = ["cpu_usage > 90%", "cpu_usage > 90", "hits > 90%", "bare > 90%", "traffic > 1500/s"]
    with service_at(cli.db) as service:
        at = service.now() + 1
        rules = [
            rule_of(condition, 60) for condition in [*conditions, "wait_seconds > 1500ms", "traffic > 1%"]
        ]
        told = readings(service, rules, at)
    assert [one.holds for one in told] == [True] * 6 + [False]
    assert [one.figures[0] for one in told] == [
        AlertFigure("cpu_usage", 0.93, "share"),
        AlertFigure("cpu_usage", 93.0, ""),
        AlertFigure("hits", 0.93, "share"),
        AlertFigure("bare", 0.93, "share"),
        AlertFigure("traffic", 2_000.0, "/s"),
        AlertFigure("wait_seconds", 2_000.0, "ms"),
        AlertFigure("traffic", None, "share"),
    ]


def test_where_there_is_nothing(cli: Cli) -> None:
    """Counts and rates of nothing are 0; shares, times and metrics are none, and hold nothing."""
    cli.ok("create", "n", "--trace-id", "t")
    conditions = {
        "throughput < 1/min": 0.0,
        "event_count < 1": 0.0,
        "count(m) < 1": 0.0,
        "error_rate >= 0": None,
        "p95_response_time != 1": None,
        "m != 1": None,
    }
    with service_at(cli.db) as service:
        told = readings(service, [rule_of(one, 1, name=one) for one in conditions], SECOND)
        assert readings(service, [rule_of("error_rate > 0", 1, "context_id")], SECOND) == []
        assert readings(service, [], SECOND) == []
    assert {one.rule: one.figures[0].value for one in told} == conditions
    assert {one.rule: one.holds for one in told} == {
        condition: value is not None for condition, value in conditions.items()
    }


def test_text_from_outside_is_bound(cli: Cli) -> None:
    """Filters, labels, paths and names that look like SQL are values."""
    hostile = "x' OR true; DROP TABLE events; --"
    cli.ok("create", hostile, "--trace-id", "t", "--context", hostile, "--meta", f"{hostile}=1")
    cli.ok("record", hostile, "--trace", "t", "--source", hostile)
    cli.ok("metrics", "set", hostile, "3", "--label", f"{hostile}={hostile}")
    quoted = str(Figure(hostile, "max", ((hostile, hostile),)))
    source = str(Figure("event_count", "", (("context", hostile), ("source", hostile))))
    with service_at(cli.db) as service:
        at = service.now() + 1
        rules = [
            rule_of(f"{quoted} == 3", 60, f"labels.{hostile}"),
            rule_of(f"{source} == 1", 60, "name", f"data.{hostile}"),
            rule_of("request_count == 1", 60, f"meta.{hostile}"),
        ]
        told = readings(service, rules, at)
    assert [one.holds for one in told] == [True, True, True]
    assert [[value for _, value in one.group] for one in told] == [[hostile], [hostile, None], ["1"]]


def test_a_metric_in_two_units_is_two_figures(tmp_path: Path) -> None:
    """Each with its own unit, in seconds as they were recorded and in milliseconds; the same unit is one."""
    with service_at(tmp_path / "traces.duckdb") as service:
        at = service.now()
        service.record_metric(name="lat", value=2.5, unit="s", timestamp=at - SECOND).unwrap()
        rule = rule_of("max(lat) > 2s or max(lat) > 1m or max(lat) > 100000", 60)
        (reading,) = readings(service, [rule], at)
    assert reading.holds
    assert reading.figures == (
        AlertFigure("max(lat) in ms", 2_500.0, "ms"),
        AlertFigure("max(lat)", 2.5, ""),
    )
