"""Dashboards: every figure against a second computation in plain Python, and what the command shows."""

from __future__ import annotations

import html
import json
import re
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import DashboardData, TimeRange, TraceManagementService
from mplp_trace_cli.analysis.dashboard import suiting_unit
from mplp_trace_cli.domain.buckets import UNITS, parse_bucket
from mplp_trace_cli.domain.dashboard import FIGURES
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import DAY_US
from tests.conftest import ROOT, Cli, examples
from tests.helpers_storage import Clock, service_at
from tests.plain_figures import ERRORS, Exported, Row, bucket_of, exported, percentile
from tests.terminal import Screen
from tests.test_aggregation import made_lines
from tests.test_filters import ask

SECOND = 1_000_000
FEW = settings(
    max_examples=examples(5),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
INCIDENT = ("--since", "2026-03-04", "--until", "2026-03-04")


# -- the plain computation -----------------------------------------------------------------------------


def plain_figures(traces: list[Row], events: list[Row], seconds: float) -> dict[str, float | None]:
    """Every figure of a window or bucket from its traces and its events."""
    durations = [trace["duration_ms"] for trace in traces if trace["duration_ms"] is not None]
    finished = [trace for trace in traces if trace["status"] != "active"]
    completed = [trace for trace in finished if trace["status"] == "completed"]
    mean = sum(durations) / len(durations) if durations else None
    return {
        "response_time": mean,
        "p95_response_time": percentile(durations, 0.95) if durations else None,
        "error_rate": sum(t["has_errors"] for t in traces) / len(traces) if traces else None,
        "success_rate": len(completed) / len(finished) if finished else None,
        "throughput": len(traces) / seconds,
        "total_traces": len(traces),
        "average_duration": mean,
        "error_count": sum(event["level"] in ERRORS for event in events),
        "event_count": len(events),
    }


def inside(found: Exported, start: int, end: int) -> tuple[list[Row], list[Row]]:
    """The traces that started in [start, end), and the events that happened there."""
    traces = [trace for trace in found.traces if start <= trace["started_at"] < end]
    return traces, [event for event in found.events if start <= event["timestamp"] < end]


def folded(event: Row) -> str:
    """The message of an error with ids, hex and numbers folded away, word by word."""
    text = event.get("message") or event["event_type"]
    text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>", text, flags=re.I)
    words = re.split(r"(\w+)", text, flags=re.ASCII)
    for at in range(1, len(words), 2):
        word = words[at]
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", word):
            words[at] = "<hex>"
        elif re.fullmatch(r"[0-9]+", word):
            words[at] = "<n>"
        elif re.fullmatch(r"[0-9a-fA-F]{8,}", word):
            words[at] = "<id>"
        else:
            parts = re.split(r"([0-9A-Za-z]+)", word)
            words[at] = "".join(
                "<id>" if re.search("[0-9][A-Za-z]+[0-9]", part) else re.sub("[0-9]+", "<n>", part)
                for part in parts
            )
    return re.sub(r"<n>([.,:]<n>)+", "<n>", "".join(words))


def close(value: float | None) -> Any:
    """The same number but for the last bits of a sum."""
    return None if value is None else pytest.approx(value, rel=1e-12)


def check(data: DashboardData, found: Exported) -> None:
    """Everything that a dashboard says is what plain Python says."""
    start, end = data.start, data.end
    whole = plain_figures(*inside(found, start, end), (end - start) / SECOND)
    before = plain_figures(*inside(found, start - (end - start), start), (end - start) / SECOND)
    for name, value in data.summary._asdict().items():
        assert value == close(whole[name]), name
    for name, trend in data.performance_trends.items():
        assert (trend.current, trend.previous) == (close(whole[name]), close(before[name])), name
    width = parse_bucket(data.group_by)
    assert [point.bucket for point in data.timeseries] == list(range(bucket_of(start, width), end, width))
    for point in data.timeseries:
        first, last = max(point.bucket, start), min(point.bucket + width, end)
        figures = plain_figures(*inside(found, first, last), (last - first) / SECOND)
        assert point.total_traces == figures["total_traces"]
        assert point.values == {name: close(figures[name]) for name in data.metrics}
    errors = [event for event in inside(found, start, end)[1] if event["level"] in ERRORS]
    counts = Counter(map(folded, errors))
    assert [error.count for error in data.top_errors] == sorted(counts.values(), reverse=True)[:10]
    for error in data.top_errors:
        alike = [event for event in errors if folded(event) == error.pattern]
        assert error.count == len(alike)
        assert error.traces == len({event["trace_id"] for event in alike})
        assert error.first_seen == min(event["timestamp"] for event in alike)
        assert error.last_seen == max(event["timestamp"] for event in alike)
        newest = [event for event in alike if event["timestamp"] == error.last_seen]
        assert (error.message, error.trace_id) in [(one.get("message"), one["trace_id"]) for one in newest]


MESSAGES = st.sampled_from(
    [
        None,
        "",
        "order 17 failed",
        "order 9 failed",
        "at 0x7fFe, after 12.5 s",
        "at 0x10, after 1 s",
        "request 3f2a91bc refused by db-3",
        "request a0b1c2d3 refused by db-12",
        "run c9671beb-cfc7-498a-b026-5d381472e26d lost",
        "ch_3d8cf4a1 unpaid, ch_9ab1 too",
        "10.0.0.1:8080 is down",
        "été 2026: naïve 5µs",
    ]
)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """A request over the times that the made stores use."""
    start = draw(st.integers(-3, 40))
    length = draw(st.sampled_from([1, 7, 30, 90, 3_600, 7_300]))
    return {
        "time_range": {"start": start * SECOND, "end": (start + length) * SECOND},
        "metrics": draw(st.lists(st.sampled_from(list(FIGURES)), min_size=1, unique=True)),
        "group_by": draw(st.sampled_from([None, *UNITS])),
    }


@FEW
@given(made_lines(), st.data())
def test_every_figure_twice(lines: list[dict[str, Any]], data: st.DataObject) -> None:
    """Summary, time series, top errors and trends are what plain Python makes of the exported rows."""
    for line in lines:
        message = data.draw(MESSAGES) if "event_type" in line else None
        if message is not None:
            line["message"] = message

    def compare(service: TraceManagementService) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = exported(service, Path(folder, "all.jsonl"))
        for _ in range(4):
            check(service.get_dashboard_data(data.draw(windows())).unwrap(), found)

    ask(lines, compare)


def test_the_sample_project_twice(sample_store: Cli, tmp_path: Path) -> None:
    """The same over five days of a real store's shape, with every figure."""
    with service_at(sample_store.db) as service:
        found = exported(service, tmp_path / "all.jsonl")
        for day in (None, "2026-03-04"):
            start = f"{day or '2026-03-02'}T00:00:00Z"
            end = f"{'2026-03-05' if day else '2026-03-07'}T00:00:00Z"
            data = service.get_dashboard_data(
                time_range=TimeRange(start, end), metrics=list(FIGURES)
            ).unwrap()
            assert data.top_errors
            check(data, found)


# -- facts ---------------------------------------------------------------------------------------------


def test_the_last_day_is_the_window(tmp_path: Path) -> None:
    """Without a range it is the last 24 hours, by hour; the window before is the day before."""
    clock = Clock()
    with service_at(tmp_path / "traces.duckdb", clock) as service:
        for hours in (1, 23, 30):
            service.create_trace(
                context_id="c", name="n", started_at=clock.now - hours * 3_600 * SECOND
            ).unwrap()
        data = service.get_dashboard_data().unwrap()
    assert (data.end, data.end - data.start, data.group_by) == (clock.now, DAY_US, "hour")
    assert data.summary.total_traces == 2
    assert data.performance_trends["total_traces"].previous == 1
    assert data.performance_trends["total_traces"].change == 1.0


def test_the_ways_to_ask(tmp_path: Path) -> None:
    """A request, keywords, one mapping, or the three arguments in order all ask the same."""
    clock = Clock()
    span = {"start": clock.now - DAY_US, "end": clock.now}
    with service_at(tmp_path / "traces.duckdb", clock) as service:
        service.create_trace(context_id="c", name="n").unwrap()
        ways = [
            service.get_dashboard_data({"time_range": span, "metrics": ["error_rate"], "group_by": "day"}),
            service.get_dashboard_data(time_range=span, metrics=["error_rate"], group_by="day"),
            service.get_dashboard_data(span, ["error_rate"], "day"),
            service.get_dashboard_data(TimeRange(**span), ["error_rate"], "day"),
        ]
        first = ways[0].unwrap()
        assert all(way.unwrap() == first for way in ways)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"metrics": ["speed"]}, "metrics: 'speed' is not one of response_time"),
        ({"group_by": "fortnight"}, "group_by: 'fortnight' is not one of minute, hour, day, week"),
        ({"time_range": {"start": "2026-03-02T00:00:00Z", "end": "2026-03-02T00:00:00Z"}}, "ends before"),
        ({"time_range": {"from": 1}}, "time_range.from"),
        ({"time_range": {"start": 0, "end": DAY_US * 365}, "group_by": "minute"}, "525,600 buckets"),
    ],
)
def test_what_cannot_be_shown(tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    """A wrong figure, bucket or window is told with the right ones."""
    with service_at(tmp_path / "traces.duckdb") as service:
        service.create_trace(context_id="c", name="n").unwrap()
        error = service.get_dashboard_data(asked).error
    assert isinstance(error, InvalidInput)
    assert said in error.message


@pytest.mark.parametrize(
    ("hours", "unit"),
    [(1, "minute"), (2, "minute"), (3, "hour"), (96, "hour"), (97, "day"), (24 * 200, "week")],
)
def test_buckets_suit_the_window(hours: int, unit: str) -> None:
    """A window has from a dozen to a few hundred buckets."""
    assert suiting_unit(hours * 3_600 * SECOND) == unit


def test_trends_know_what_is_good(sample_store: Cli) -> None:
    """More errors are worse, less success is worse, more traffic is neither; nothing before has no share."""
    trends = json.loads(sample_store.ok("dashboard", *INCIDENT, "--json"))["performance_trends"]
    told = {name: (trend["direction"], trend["verdict"]) for name, trend in trends.items()}
    assert told["error_rate"] == ("up", "worse")
    assert told["success_rate"] == ("down", "worse")
    assert told["throughput"] == ("up", "neutral")
    first = json.loads(
        sample_store.ok("dashboard", "--since", "2026-03-02", "--until", "2026-03-02", "--json")
    )
    assert first["performance_trends"]["response_time"]["change"] is None
    assert first["performance_trends"]["throughput"]["previous"] == 0


# -- the command ---------------------------------------------------------------------------------------


def test_an_empty_window_says_so(sample_store: Cli) -> None:
    """Where nothing started and nothing failed there are no charts of nothing."""
    shown = sample_store.ok("dashboard", "--since", "2020-01-01", "--until", "2020-01-01")
    assert shown.endswith("Nothing started and nothing failed in this window.")


def test_what_grew_from_nothing_says_so_in_no_unit(cli: Cli) -> None:
    """The charts and the summary tell a rate in units of their own."""
    cli.ok("create", "x", "--started-at", "2026-03-02T09:30:00Z")
    shown = cli.ok("dashboard", "--since", "2026-03-02T09:00:00Z", "--until", "2026-03-02T10:00:00Z")
    assert re.search(r"^Throughput  \S+  ▲ from 0$", shown, re.MULTILINE), shown


def test_rows_of_the_time_series(sample_store: Cli) -> None:
    """csv and jsonl have a row a bucket."""
    rows = sample_store.ok("dashboard", *INCIDENT, "--format", "csv", "--metrics", "event_count").splitlines()
    assert rows[0] == "bucket,total_traces,event_count"
    assert len(rows) == 25
    lines = sample_store.ok("dashboard", *INCIDENT, "--format", "jsonl").splitlines()
    assert sum(json.loads(line)["total_traces"] for line in lines) == 53


def test_watching_as_json(sample_store: Cli) -> None:
    """`--watch --format json` is a line a refresh, until it is interrupted."""
    process = sample_store.start("dashboard", *INCIDENT, "--watch", "--interval", "200ms", "--json")
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, b"")
    assert all(line["summary"]["total_traces"] == 53 for line in lines)


def test_watching_needs_a_terminal(sample_store: Cli) -> None:
    """A table that is piped cannot be refreshed in place, and an interval of nothing is refused."""
    done = sample_store("dashboard", "--watch")
    assert (done.code, done.stderr) == (2, "error: --watch: needs a terminal, or --format json\n")
    done = sample_store("dashboard", "--watch", "--interval", "1ms", "--json")
    assert (done.code, done.stderr) == (2, "error: --interval: from 200ms to 1d\n")
    done = sample_store("dashboard", "--watch", "--interval", "99999999999999d", "--json")
    assert (done.code, done.stderr) == (2, "error: --interval: from 200ms to 1d\n")
    done = sample_store("dashboard", "--watch", "--html", "page.html")
    assert (done.code, done.stderr.splitlines()[0]) == (2, "error: --watch and --html: one of them")
    done = sample_store("dashboard", "--html", "")
    assert (done.code, done.stderr.splitlines()[0]) == (2, "error: --html: names no file")


def test_an_end_alone_has_the_day_before_it(sample_store: Cli) -> None:
    """Without a beginning the window is the 24 hours before its end, whenever that was."""
    data = json.loads(sample_store.ok("dashboard", "--until", "2026-03-04", "--json"))
    assert data["time_range"] == {
        "start": "2026-03-04T00:00:00.000000Z",
        "end": "2026-03-05T00:00:00.000000Z",
    }
    assert data["summary"]["total_traces"] == 53


def test_watching_on_a_terminal(cli: Cli) -> None:
    """It refreshes in place with what comes meanwhile, fits the screen, and gives the terminal back."""
    trace = cli.ok("create", "watched")
    with Screen(cli, "dashboard", "--watch", "--interval", "200ms", rows=24) as screen:
        screen.wait_for("No errors in this window.")
        cli.ok("record", "boom", "--trace", trace, "--level", "error", "--message", "disk 7 is full")
        screen.wait_for("disk <n> is full")
        screen.interrupt()
    assert screen.code == 130
    assert screen.raw.endswith(LEFT), "the terminal is as it was"
    assert len(screen.frame.splitlines()) <= 24


def test_a_watched_screen_follows_the_size_of_its_terminal(sample_store: Cli) -> None:
    """It is drawn anew when the terminal is resized, however long the interval."""
    with Screen(sample_store, "dashboard", *INCIDENT, "--watch", "--interval", "1h", rows=40) as screen:
        screen.wait_for("Ctrl-C ends")
        screen.resize(columns=44, rows=20)
        screen.wait_until(lambda frame: len(frame.splitlines()) == 20)
        assert max(map(len, screen.frame.splitlines())) <= 44
        screen.interrupt()
    assert screen.code == 130


LEFT = b"\x1b[?25h\x1b[?1049l"
"""The cursor is shown again and the other screen left."""


def test_the_picture_of_the_readme() -> None:
    """It shows what the dashboard shows, weighs little, and fetches nothing."""
    picture = (ROOT / "docs" / "dashboard.svg").read_text(encoding="utf-8")
    drawn = html.unescape(re.sub(r"<[^>]*>", "", picture)).replace("\xa0", " ")
    golden = (ROOT / "tests" / "golden" / "dashboard.table").read_text(encoding="utf-8")
    errors = [line.split("  ")[-1] for line in golden.partition("Top errors")[2].splitlines()[3:]]
    assert len(errors) == 10
    for text in ("Dashboard", "▲ 22.3 points", "7m 56s┤", *errors):
        assert text in drawn, text
    assert len(picture) < 300_000
    assert not re.search(r"(?:href|src|url)\s*[=(]\s*[\"']?(?!#)", picture)
