"""Groups and their figures, each against a second computation in plain Python over the exported rows."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import Pagination, TraceAggregation, TraceManagementService, TraceModuleOptions
from mplp_trace_cli.analysis.measures import EVENTS, METRICS, TRACES
from mplp_trace_cli.cli import options
from mplp_trace_cli.domain.buckets import bucket_start, parse_bucket
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import DAY_US, format_instant, parse_instant
from mplp_trace_cli.module import initialize_trace_module
from tests.conftest import Cli, examples
from tests.helpers_storage import Clock, service_at
from tests.plain_figures import Exported, bucket_of, exported, figure, keys_of
from tests.test_filters import ask, made_traces, stamp

SECOND = 1_000_000
FEW = settings(
    max_examples=examples(3),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
TRACE_KEYS = ["trace_type", "status", "context_id", "execution_id", "name", "tag", "meta.k", "meta.d.k"]
EVENT_KEYS = ["event_type", "level", "source", "trace_id", "context_id", "data.k", "data.d.k"]
TRACE_PATHS = ["sum(meta.k)", "avg(meta.d.k)"]
EVENT_PATHS = ["sum(data.k)", "avg(data.k)", "min(data.d.k)", "max(data.k)", "p95(data.k)", "p50(data.d.k)"]
BUCKETS = [None, "1s", "1m", "2s", "1d", "week"]
NUMBERS = [0, 1, -2, 2.5, 1e3, "7", "x", True, None, [1], {"k": 4}]


@st.composite
def made_lines(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Lines of traces with events of every level, with and without durations, and data of every kind."""
    lines = draw(made_traces())
    traces = [line["trace_id"] for line in lines]
    numbers = st.dictionaries(
        st.sampled_from(["k", "d", "d.k"]),
        st.sampled_from(NUMBERS) | st.dictionaries(st.just("k"), st.sampled_from(NUMBERS)),
        max_size=2,
    )
    for at in range(draw(st.integers(0, 20))):
        event = {
            "event_id": f"e{at}",
            "trace_id": draw(st.sampled_from(traces)),
            "event_type": draw(st.sampled_from(["a", "b.c"])),
            "level": draw(st.sampled_from(["debug", "info", "warn", "error", "critical"])),
            "source": draw(st.none() | st.sampled_from(["plan", "core"])),
            "duration_ms": draw(st.none() | st.sampled_from([0.0, 1.5, 250.0, 1e9])),
            "timestamp": stamp(draw(st.integers(0, 200)) * SECOND // 4),
            "data": draw(numbers),
        }
        lines.append({name: value for name, value in event.items() if value is not None})
    return lines


def some(names: list[str], most: int) -> st.SearchStrategy[list[str]]:
    """None or some of the names."""
    return st.lists(st.sampled_from(names), max_size=most, unique=True)


def plain_rows(found: Exported, view: str, asked: TraceAggregation, span: tuple[int, int] | None) -> Any:
    """The groups with their figures, computed without SQL; a span is in microseconds."""
    of_traces = view == "traces"
    moment = "started_at" if of_traces else "timestamp"
    rows = [row for row in getattr(found, view) if span is None or span[0] <= row[moment] < span[1]]
    width = None if asked.time_bucket is None else parse_bucket(asked.time_bucket)
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        for key in keys_of(row, asked.group_by):
            bucket = () if width is None else (bucket_of(row[moment], width),)
            groups.setdefault((*bucket, *key), []).append(row)
    if width is not None and span is not None:
        starts = range(bucket_of(span[0], width), span[1], width)
        keys = {key[1:] for key in groups} if asked.group_by else {()}
        groups = {(start, *key): groups.get((start, *key), []) for key in keys for start in starts}
    if width is None and not asked.group_by:
        groups.setdefault((), [])
    moments = [row[moment] for row in rows]
    reach = span or ((min(moments), max(moments)) if moments else (0, 0))
    return {
        key: [figure(name, inside, of_traces, _seconds(key, width, span, reach)) for name in asked.metrics]
        for key, inside in groups.items()
    }


def _seconds(key: Any, width: int | None, span: tuple[int, int] | None, reach: tuple[int, int]) -> float:
    if width is None:
        return (reach[1] - reach[0]) / SECOND
    first: int = key[0]
    last = first + width
    return (last - first if span is None else min(last, span[1]) - max(first, span[0])) / SECOND


def asked_rows(service: TraceManagementService, view: str, asked: TraceAggregation, span: Any) -> Any:
    """The same from the store, keyed by group."""
    query = service.query_traces if view == "traces" else service.query_events
    given = {} if span is None else {"time_range": {"start": span[0], "end": span[1]}}
    result = query(given, asked).unwrap()
    keys = len(result.answer.columns) - len(asked.metrics)
    rows = {row[:keys]: list(row[keys:]) for row in result.answer.rows}
    assert len(rows) == result.total, "a group is there twice, or the total is another"
    return rows


@st.composite
def questions(draw: st.DrawFn, view: str) -> tuple[TraceAggregation, tuple[int, int] | None]:
    """Groups, figures, a bucket, and a range of time or none."""
    keys, paths = (TRACE_KEYS, TRACE_PATHS) if view == "traces" else (EVENT_KEYS, EVENT_PATHS)
    metrics = draw(st.lists(st.sampled_from([*METRICS, *paths]), min_size=1, max_size=6, unique=True))
    span = draw(st.none() | st.tuples(st.integers(-2, 5), st.integers(6, 90)))
    asked = TraceAggregation(draw(some(keys, 2)), metrics, draw(st.sampled_from(BUCKETS)))
    return asked, None if span is None else (span[0] * SECOND + 250_000, span[1] * SECOND)


def agree(got: Any, wanted: Any) -> None:
    """Both have the same groups with the same figures, but for the last bits of a sum."""
    assert got.keys() == wanted.keys()
    for key, figures in wanted.items():
        for mine, other in zip(got[key], figures, strict=True):
            assert mine == other if None in (mine, other) else mine == pytest.approx(other, rel=1e-12), key


@pytest.mark.parametrize("view", ["traces", "events"])
@FEW
@given(made_lines(), st.data())
def test_every_figure_twice(view: str, lines: list[dict[str, Any]], data: st.DataObject) -> None:
    """Whatever is grouped, by whatever, over whatever range: the store says what plain Python says."""

    def compare(service: TraceManagementService) -> None:
        with tempfile.TemporaryDirectory() as folder:
            found = exported(service, Path(folder, "all.jsonl"))
        for _ in range(6):
            asked, span = data.draw(questions(view))
            agree(asked_rows(service, view, asked, span), plain_rows(found, view, asked, span))

    ask(lines, compare)


@FEW
@given(made_lines())
def test_counts_agree(lines: list[dict[str, Any]]) -> None:
    """Groups add up to the whole, and the figures of traces to those of the rows and of the events."""

    def compare(service: TraceManagementService) -> None:
        metrics = ["count", "error_count", "event_count"]
        whole = service.query_traces(metrics=metrics).unwrap().rows[0]
        for key in ("trace_type", "status", "context_id", "execution_id", "name", "meta.k"):
            groups = service.query_traces(group_by=[key], metrics=metrics).unwrap().rows
            assert {name: sum(row[name] for row in groups) for name in metrics} == whole
        rows = service.query_traces().unwrap().rows
        assert whole["count"] == len(rows)
        assert whole["event_count"] == sum(row["event_count"] for row in rows)
        events = service.query_events(metrics=metrics).unwrap().rows[0]
        assert events["count"] == events["event_count"] == whole["event_count"]
        assert events["error_count"] == whole["error_count"] == sum(row["error_count"] for row in rows)

    ask(lines, compare)


@FEW
@given(made_lines())
def test_pages_make_the_whole(lines: list[dict[str, Any]]) -> None:
    """Pages of groups, put together, are all groups, each page knowing how many there are."""

    def compare(service: TraceManagementService) -> None:
        asked = TraceAggregation(["event_type", "level"], ["count", "avg_duration"])
        whole = list(service.query_events(None, asked).unwrap().answer.rows)
        paged = []
        for page in range(1, len(whole) // 2 + 3):
            got = service.query_events(None, asked, Pagination(page, 2)).unwrap()
            assert got.total == len(whole)
            paged += list(got.answer.rows)
        assert paged == whole

    ask(lines, compare)


@pytest.mark.parametrize("width", ["1m", "15m", "1h", "1d", "1w", "7m", "week"])
@given(instant=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
@example(instant=0)
def test_buckets_hold_their_instants(width: str, instant: int) -> None:
    """A bucket begins at or before its instants, ends after them, and a week begins on a Monday."""
    size = parse_bucket(width)
    start = bucket_start(instant, size)
    assert start <= instant < start + size
    assert (start - parse_instant("2000-01-03T00:00:00Z")) % size == 0


# -- facts ---------------------------------------------------------------------------------------------


@pytest.fixture
def spread(tmp_path: Path, clock: Clock) -> Any:
    """Three traces at ten past, an hour apart; the second failed."""
    with service_at(tmp_path / "traces.duckdb", clock) as service:
        for hour, end in ((3, "completed"), (2, "failed"), (1, None)):
            started = clock.now - hour * 3_600 * SECOND + 600 * SECOND
            trace = service.create_trace(context_id="c", name=f"run {hour}", started_at=started).unwrap()
            if end:
                at = started + hour * 1_000_000
                service.end_trace(trace_id=trace.trace_id, status=end, at=at).unwrap()
        yield service


def test_a_range_without_an_end_ends_now(spread: TraceManagementService, clock: Clock) -> None:
    """Buckets are filled up to the present; a throughput counts the part of a bucket that is in the range."""
    start = clock.now - 5 * 3_600 * SECOND - 1_800 * SECOND
    result = spread.query_traces(
        {
            "time_range": {"start": start},
            "time_bucket": "1h",
            "metrics": ["count", "throughput", "avg_duration"],
        }
    ).unwrap()
    assert [row["count"] for row in result.rows] == [0, 0, 0, 1, 1, 1]
    assert [row["avg_duration"] for row in result.rows] == [None, None, None, 3_000.0, 2_000.0, None]
    assert result.rows[3]["throughput"] == 1 / 3_600
    assert result.rows[0]["bucket"] == format_instant(clock.now - 6 * 3_600 * SECOND)


def test_without_a_range_no_bucket_is_made_up(spread: TraceManagementService) -> None:
    """Only buckets that something fell into are there."""
    rows = spread.query_traces(time_bucket="30m", metrics=["count"]).unwrap().rows
    assert [row["count"] for row in rows] == [1, 1, 1]


def test_a_range_without_a_start_begins_with_what_is_first(
    spread: TraceManagementService, clock: Clock
) -> None:
    """Filled from the first row that matches to the end that is given."""
    asked = {"time_range": {"end": clock.now + 3_600 * SECOND}, "time_bucket": "1h", "metrics": ["count"]}
    assert [row["count"] for row in spread.query_traces(asked).unwrap().rows] == [1, 1, 1, 0]


def test_the_documents_call(spread: TraceManagementService) -> None:
    """Filter, aggregation and page may stand in one mapping, flat or by name, or in keywords."""
    flat = spread.query_traces({"context_ids": ["c"], "limit": 2, "page": 2}).unwrap()
    named = spread.query_traces(
        {"filter": {"context_ids": ["c"]}, "pagination": {"limit": 2, "page": 2}}
    ).unwrap()
    keywords = spread.query_traces(context_ids=["c"], pagination=Pagination(2, 2)).unwrap()
    assert [one.name for one in flat.traces] == ["run 3"]
    assert flat.rows == named.rows == keywords.rows
    assert flat.total == 3
    grouped = spread.query_traces({"aggregation": {"group_by": ["status"], "metrics": ["count"]}}).unwrap()
    assert grouped.rows == spread.query_traces(group_by=["status"], metrics=["count"]).unwrap().rows
    assert grouped.traces == []
    unknown = spread.query_traces({"contexts": ["c"]})
    assert unknown.error is not None
    assert "contexts" in unknown.error.message


def test_arrow_has_real_types(spread: TraceManagementService) -> None:
    """Instants, lists and numbers are such in Arrow, whether rows or groups, and in an empty answer too."""
    rows = spread.query_traces().unwrap().to_arrow()
    assert rows.num_rows == 3
    assert rows.schema.field("started_at").type == pyarrow.timestamp("us", "UTC")
    assert rows.schema.field("tags").type == pyarrow.list_(pyarrow.string())
    assert rows.schema.field("event_count").type == pyarrow.int64()
    assert rows.column("duration_ms").to_pylist() == [None, 2_000.0, 3_000.0]
    asked = TraceAggregation(["status"], ["count", "p95_duration"], "1h")
    groups = spread.query_traces(None, asked).unwrap().to_arrow()
    nothing = spread.query_traces({"names": ["no such"]}, asked).unwrap().to_arrow()
    assert groups.schema == nothing.schema
    assert [str(kind) for kind in groups.schema.types] == [
        "timestamp[us, tz=UTC]",
        "string",
        "int64",
        "double",
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"group_by": ["colour"]}, "group_by: 'colour' is not one of trace_type"),
        ({"metrics": ["averge_duration"]}, "did you mean avg_duration?"),
        ({"metrics": ["sum(data.x)"]}, "the path must begin with meta."),
        ({"metrics": ["sum(meta.)"]}, "the path must begin with meta."),
        ({"time_bucket": "1"}, "bucket: '1' has no unit"),
        ({"time_bucket": "soon"}, "is not a duration"),
        ({"time_bucket": "0s"}, "less than a millisecond"),
        (
            {"time_bucket": "1s", "time_range": {"start": "2000-01-01T00:00:00Z"}},
            "buckets, more than 100,000",
        ),
        ({"group_by": ["status"], "sort": "name"}, "sort: 'name' is not one of status, count"),
        (
            {"group_by": ["status"], "metrics": ["count"], "sort": "p95_duration"},
            "sort: 'p95_duration' is not one of the figures asked for: status, count",
        ),
    ],
)
def test_what_cannot_be_grouped(spread: TraceManagementService, asked: dict[str, Any], said: str) -> None:
    """A wrong name or bucket is told with the right ones."""
    error = spread.query_traces(asked).error
    assert isinstance(error, InvalidInput)
    assert said in error.message


def test_switched_off(tmp_path: Path) -> None:
    """Without event aggregation groups of events and dashboards are refused, rows are not."""
    options = TraceModuleOptions(data_source=str(tmp_path / "t.duckdb"), enable_event_aggregation=False)
    with initialize_trace_module(options) as module:
        service = module.trace_management_service
        service.create_trace(context_id="c", name="n").unwrap()
        for result in (service.query_events(metrics=["count"]), service.get_dashboard_data()):
            assert result.error is not None
            assert result.error.hint == "enable_event_aggregation = true"
        assert service.query_events().unwrap().rows == []


SURROGATES = r"""
{"kind":"trace","trace_id":"t","name":"half an emoji","metadata":{"team":"ops","note":"\ud83d"}}
{"trace_id":"t","event_type":"llm","data":{"tokens":100,"out":"whole \ud83d\ude00"}}
{"trace_id":"t","event_type":"llm","data":{"tokens":900,"deep":{"x":5},"out":"cut \ud83d"}}
"""


def test_a_lone_surrogate_hides_nothing(cli: Cli) -> None:
    """A text that is cut in the middle of an emoji leaves the other values of its object to be asked for."""
    cli.ok("record", "-", stdin=SURROGATES)
    asked = json.loads(cli.ok("events", "--metric", "sum(data.tokens),max(data.deep.x)", "--json"))
    assert asked == [{"sum(data.tokens)": 1_000.0, "max(data.deep.x)": 5.0}]
    assert len(json.loads(cli.ok("events", "--data", "tokens=900", "--json"))) == 1
    assert json.loads(cli.ok("query", "--group-by", "meta.team", "--metric", "count", "--json")) == [
        {"meta.team": "ops", "count": 1}
    ]
    assert len(json.loads(cli.ok("query", "--meta", "team=ops", "--json"))) == 1


def test_whole_numbers_are_told_apart(spread: TraceManagementService) -> None:
    """Ids of 64 bits that a double takes for one are two; others are equal however they are written."""
    trace = next(one.trace_id for one in spread.query_traces(status=["active"]).unwrap().traces)
    for text in ("1234567890123456789", "1234567890123456790", "12", "12.0", "1.2e1"):
        event = {"trace_id": trace, "event_type": "e", "data": f'{{"id":{text}}}'}
        spread.record_event(event).unwrap()
    found = spread.query_events(data=[("id", "1234567890123456790")]).unwrap().events
    assert [event.data.text for event in found] == ['{"id":1234567890123456790}']
    assert spread.query_events(data=[("id", "12")]).unwrap().total == 3


def test_nothing_of_a_page_is_still_counted(spread: TraceManagementService) -> None:
    """A limit of 0 gives no row and the total."""
    none = spread.query_traces(None, TraceAggregation(["status"]), Pagination(1, 0)).unwrap()
    assert (none.rows, none.total) == ([], 3)


def test_traces_without_events_sort_as_zero(spread: TraceManagementService) -> None:
    """By the count of their events they come first."""
    trace = next(one.trace_id for one in spread.query_traces(status=["active"]).unwrap().traces)
    spread.record_event(trace_id=trace, event_type="e", level="error").unwrap()
    for field in ("event_count", "error_count"):
        rows = spread.query_traces(sort=field).unwrap().rows
        assert [row[field] for row in rows] == [0, 0, 1]


def test_a_field_may_look_like_an_order(spread: TraceManagementService) -> None:
    """A column whose name ends in :desc can be sorted by, either way."""
    asked = TraceAggregation(["meta.x:desc"], ["count"])
    for sort in ("meta.x:desc", "meta.x:desc:desc"):
        assert spread.query_traces(None, asked, {"sort": sort}).unwrap().total == 1


def test_groups_in_buckets_are_bounded(tmp_path: Path) -> None:
    """Many groups in many buckets are refused before they fill the memory."""
    lines = [{"kind": "trace", "trace_id": f"t{at}", "name": f"n{at}"} for at in range(200)]
    with service_at(tmp_path / "t.duckdb") as service:
        file = tmp_path / "in.jsonl"
        file.write_text("\n".join(map(json.dumps, lines)))
        service.import_files(files=[str(file)]).unwrap()
        asked = TraceAggregation(["name"], ["count"], "1m")
        error = service.query_traces({"time_range": {"start": service.now() - 40 * DAY_US}}, asked).error
        assert isinstance(error, InvalidInput)
        assert error.message == "bucket: groups and buckets make more than 1,000,000 rows"
        assert service.query_traces(None, asked).unwrap().total == 200


def test_the_first_bucket_of_all(tmp_path: Path) -> None:
    """A bucket that would begin before the year 1 begins with it."""
    with service_at(tmp_path / "t.duckdb") as service:
        first = service.create_trace(context_id="c", name="n", started_at="0001-01-01T00:00:00Z").unwrap()
        for bucket in ("1w", "30d"):
            (row,) = service.query_traces(time_bucket=bucket, metrics=["count"]).unwrap().rows
            assert row == {"bucket": "0001-01-01T00:00:00.000000Z", "count": 1}
        service.record_event(trace_id=first.trace_id, event_type="e", duration_ms=1e308).unwrap()
        service.record_event(trace_id=first.trace_id, event_type="e", duration_ms=1e308).unwrap()
        assert service.query_events(metrics=["sum_duration", "max_duration"]).unwrap().rows == [
            {"sum_duration": None, "max_duration": 1e308}
        ]


@pytest.mark.parametrize(
    "given",
    [
        {"tags": [1]},
        {"tags": 5},
        {"metadata": {"s": {1}}},
        {"metadata": [("s", 12)]},
        {"metadata": ["s"]},
        {"time_range": "24h"},
        {"time_range": {"start": 1.5}},
        {"group_by": [None]},
        {"metrics": [None]},
        {"time_bucket": 60},
        {"limit": "5"},
        {"limit": 2.5},
        {"limit": 2**70},
        {"min_duration_ms": "x"},
        {"group_by": ["meta.\ud800"]},
        {"metrics": ["sum(meta.\ud800)"]},
    ],
)
def test_what_no_filter_can_be(spread: TraceManagementService, given: dict[str, Any]) -> None:
    """A value of the wrong kind is told as such, never raised."""
    error = spread.query_traces(given).error
    assert isinstance(error, InvalidInput)
    assert error.message


def test_one_text_is_a_list_of_one(spread: TraceManagementService) -> None:
    """Where a list of texts is asked for, a text by itself will do; None is none."""
    assert spread.query_traces(status="failed", tags=None).unwrap().total == 1
    assert spread.query_traces(group_by="status", metrics="count").unwrap().total == 3


# -- the commands --------------------------------------------------------------------------------------


def test_groups_as_a_table(sample_store: Cli) -> None:
    """Shares are %, durations humane, the rates of a column in one unit."""
    got = sample_store.ok(
        "query", "--group-by", "trace_type", "--metric", "count,avg_duration,error_rate,throughput"
    )
    heads = re.split(r"  +", got.splitlines()[0].strip())
    assert heads == ["trace_type", "count", "avg duration", "error rate", "throughput"]
    assert got.splitlines()[2].split() == ["workflow_execution", "93", "1m", "55s", "24.7%", "19.1/d"]


def test_metrics_over_paths(sample_store: Cli) -> None:
    """A metric over a path takes commas and repeats as the others do."""
    one = sample_store.ok(
        "events", "--metric", "count,p95(data.metric_value)", "--metric", "max_duration", "--json"
    )
    assert list(json.loads(one)[0]) == ["count", "p95(data.metric_value)", "max_duration"]


def test_the_help_names_what_there_is() -> None:
    """Every field and metric of the options is one, and none is left out."""
    assert set(options.METRICS) == set(METRICS)
    for subject, keys in ((TRACES, options.TRACE_KEYS), (EVENTS, options.EVENT_KEYS)):
        assert (*subject.keys, f"{subject.paths}PATH") == keys


def test_groups_are_counted(sample_store: Cli) -> None:
    """What is not shown of the groups is said, and a page beyond the last says so."""
    done = sample_store("events", "--group-by", "event_type", "--metric", "count", "--limit", "2")
    assert done.stderr == "1-2 of 26 groups (--limit, --page)\n"
    done = sample_store("events", "--group-by", "event_type", "--limit", "20", "--page", "3")
    assert done.stderr == "none of 26 groups (--limit, --page)\n"


def test_a_bare_figure(sample_store: Cli) -> None:
    """A metric alone is one row over everything that matches."""
    assert (
        sample_store.ok("query", "--status", "failed", "--metric", "count", "--format", "csv") == "count\n23"
    )
