"""Each filter against a plain computation in Python, and the SQL of events against `matches`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import (
    EventFilter,
    Level,
    Pagination,
    TimeRange,
    TraceFilter,
    TraceModuleOptions,
    TraceStatus,
    TraceType,
    initialize_trace_module,
)
from mplp_trace_cli.analysis.filters import Condition
from mplp_trace_cli.analysis.queries import query_events, query_traces
from mplp_trace_cli.domain.matching import matches
from mplp_trace_cli.domain.times import to_datetime
from mplp_trace_cli.service import TraceManagementService
from tests.conftest import Cli, examples

SMALL = settings(
    max_examples=examples(5),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
SECOND = 1_000_000
WORDS = ["a", "ab", "A.b", "x y", "é", "%", "[a]"]
GLOBS = ["*", "a*", "?", "[ab]*", "*.b", "x y", "zz", "*é"]
VALUES = [1, 1.0, "1", "a", True, False, None, {"b": 1}, [1], "true", 1.5, ""]
WANTED = ["1", "1.0", "a", "true", "null", '"a"', '"1"', '{"b":1}', "[1]", "[1.0]", "1.5", "", "b"]
PATHS = ["k", "k.b", "d.k", "nothing"]

instants = st.integers(0, 3).map(lambda n: n * SECOND)
ranges = st.builds(
    lambda pair: TimeRange(*sorted(pair)) if None not in pair else TimeRange(*pair),
    st.tuples(st.none() | instants, st.none() | instants),
)
objects = st.dictionaries(
    st.sampled_from(["k", "d", "d.k"]),
    st.one_of(st.sampled_from(VALUES), st.dictionaries(st.sampled_from(["k", "b"]), st.sampled_from(VALUES))),
    max_size=2,
)
durations = st.none() | st.sampled_from([0.0, 1_000.0, 1_500.0])
pairs = st.lists(st.tuples(st.sampled_from(PATHS), st.sampled_from(WANTED)), max_size=2)


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    """None, one or two of the values."""
    return st.lists(st.sampled_from(values), max_size=2, unique=True)


@st.composite
def made_traces(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Lines of up to twelve traces."""
    lines: list[dict[str, Any]] = []
    for at in range(draw(st.integers(1, 12))):
        started, took = draw(instants), draw(st.sampled_from([None, 1_000.0, 1_500.0]))
        line = {
            "kind": "trace",
            "trace_id": f"t{at}",
            "context_id": draw(st.sampled_from(WORDS)),
            "execution_id": draw(st.none() | st.sampled_from(WORDS)),
            "trace_type": draw(st.sampled_from(list(TraceType))),
            "name": draw(st.sampled_from(WORDS)),
            "description": draw(st.none() | st.sampled_from(WORDS)),
            "metadata": draw(objects),
            "tags": draw(some(WORDS)),
            "started_at": stamp(started),
        }
        if took is not None:
            line["status"] = draw(st.sampled_from(["completed", "failed", "cancelled"]))
            line["completed_at"] = stamp(started + int(took * 1_000))
        lines.append(line)
    return lines


def stamp(instant: int) -> str:
    """The instant as RFC 3339."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def ask(lines: list[dict[str, Any]], question: Any) -> Any:
    """What a question says about a store with exactly these lines."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "in.jsonl")
        file.write_text("\n".join(map(json.dumps, lines)))
        options = TraceModuleOptions(data_source=str(Path(folder, "traces.duckdb")))
        with initialize_trace_module(options) as module:
            counts = module.trace_management_service.import_files(files=[str(file)]).unwrap().counts
            assert counts.rejected == 0
            return question(module.trace_management_service)


# -- the plain computation -------------------------------------------------------------------------


def at_path(value: Mapping[str, Any], path: str) -> Any:
    """The value under the literal key, else along the dotted path, else Ellipsis."""
    if path in value:
        return value[path]
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ...
        value = value[part]
    return value


def canonical(value: Any) -> str:
    """JSON text in which equal values are equal: 1 is 1.0 and True is not 1, at any depth."""
    if isinstance(value, dict):
        return f"{{{[(key, canonical(value[key])) for key in sorted(value)]}}}"
    if isinstance(value, list):
        return str([canonical(element) for element in value])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(float(value)) if number else json.dumps(value)


def holds(value: Mapping[str, Any], wanted: list[tuple[str, str]]) -> bool:
    """Every key holds one of its wanted values, as text or as JSON."""

    def equal(found: Any, text: str) -> bool:
        try:
            as_json = json.loads(text)
        except ValueError:
            return bool(found == text)
        return found is not ... and (found == text or canonical(found) == canonical(as_json))

    keys = {key for key, _ in wanted}
    return all(any(equal(at_path(value, key), text) for k, text in wanted if k == key) for key in keys)


def within(value: float | None, least: float | None, most: float | None) -> bool:
    """Within both bounds; nothing is within a bound when there is no value."""
    if value is None:
        return least is None and most is None
    return (least is None or value >= least) and (most is None or value <= most)


def in_range(value: int, time_range: TimeRange) -> bool:
    """From the start, before the end."""
    start, end = time_range.bounds()
    return (start is None or value >= start) and (end is None or value < end)


def contains(texts: list[str], wanted: list[str]) -> bool:
    """One of the wanted stands in one of the texts, whatever its case."""
    return not wanted or any(one.lower() in text.lower() for one in wanted for text in texts)


def passes(line: dict[str, Any], failing: set[str], wanted: TraceFilter) -> bool:
    """Does a trace pass a filter?"""
    started = micros(line["started_at"])
    took = (micros(line["completed_at"]) - started) / 1_000 if "completed_at" in line else None
    status = line.get("status", "active")
    has_errors = status == "failed" or line["trace_id"] in failing
    texts = [line["name"], line["description"] or "", json.dumps(line["metadata"]), " ".join(line["tags"])]
    checks = (
        not wanted.context_ids or line["context_id"] in wanted.context_ids,
        not wanted.execution_ids or line["execution_id"] in wanted.execution_ids,
        not wanted.trace_ids or line["trace_id"] in wanted.trace_ids,
        not wanted.trace_types or line["trace_type"] in wanted.trace_types,
        not wanted.status or status in wanted.status,
        not wanted.names or any(fnmatchcase(line["name"], glob) for glob in wanted.names),
        not wanted.tags or bool(set(line["tags"]) & set(wanted.tags)),
        holds(line["metadata"], list(wanted.metadata)),  # type: ignore[arg-type]
        isinstance(wanted.time_range, TimeRange) and in_range(started, wanted.time_range),
        wanted.has_errors in (None, has_errors),
        within(took, wanted.min_duration_ms, wanted.max_duration_ms),
        contains(texts, list(wanted.text)),
    )
    return all(checks)


def micros(text: str) -> int:
    """RFC 3339 back to microseconds; all of these are in 1970."""
    from datetime import datetime

    return round(datetime.fromisoformat(text).timestamp() * SECOND)


trace_filters = st.builds(
    TraceFilter,
    context_ids=some(WORDS),
    execution_ids=some(WORDS),
    trace_ids=some(["t0", "t1", "t"]),
    trace_types=some(list(TraceType)),
    status=some(list(TraceStatus)),
    names=some(GLOBS),
    tags=some(WORDS),
    metadata=pairs,
    time_range=ranges,
    has_errors=st.none() | st.booleans(),
    min_duration_ms=durations,
    max_duration_ms=durations,
    text=some(["A", "é", "B", "%"]),
)
ONE_BY_ONE = (
    "context_ids",
    "execution_ids",
    "trace_ids",
    "trace_types",
    "status",
    "names",
    "tags",
    "metadata",
    "time_range",
    "has_errors",
    "min_duration_ms",
    "max_duration_ms",
    "text",
)


def single(wanted: TraceFilter, name: str) -> TraceFilter:
    """The filter with that field alone."""
    return TraceFilter(**{"time_range": TimeRange(), name: getattr(wanted, name)})


@SMALL
@given(
    lines=made_traces(), wanted=st.lists(trace_filters, min_size=2, max_size=4), failing=some(["t0", "t1"])
)
def test_trace_filters(lines: list[dict[str, Any]], wanted: list[TraceFilter], failing: list[str]) -> None:
    """Each field alone, and all together, select what a plain computation selects."""
    ids = {line["trace_id"] for line in lines}
    failed = set(failing) & ids
    events = [
        {"event_type": "e", "trace_id": one, "level": level, "timestamp": stamp(0)}
        for one, level in zip(sorted(failed), ("error", "critical"), strict=False)
    ]
    filters = [*wanted, *(single(one, name) for one in wanted for name in ONE_BY_ONE)]

    def question(service: TraceManagementService) -> None:
        assert service.query_traces(filters[0]).success
        with service.reading() as db:
            rows = [list(query_traces(db, one, Pagination()).rows) for one in filters]
        for one, answer in zip(filters, rows, strict=True):
            found = {row[0] for row in answer}
            assert found == {line["trace_id"] for line in lines if passes(line, failed, one)}, one

    ask([*lines, *events], question)


event_filters = st.builds(
    EventFilter,
    trace_ids=some(["t", "u"]),
    event_types=some(GLOBS),
    levels=some(list(Level)),
    min_level=st.none() | st.sampled_from(list(Level)),
    sources=some(WORDS),
    data=pairs,
    time_range=ranges,
    min_duration_ms=durations,
    max_duration_ms=durations,
    text=some(["A", "é", "B", "%", "1"]),
)
event_lines = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(WORDS),
        "trace_id": st.sampled_from(["t", "u"]),
        "level": st.sampled_from(list(Level)),
        "message": st.none() | st.sampled_from(WORDS),
        "data": objects,
        "timestamp": instants.map(stamp),
        "duration_ms": durations,
        "source": st.none() | st.sampled_from(WORDS),
    }
)
EVENT_FIELDS = (
    *("trace_ids", "event_types", "levels", "min_level", "sources", "data", "time_range"),
    *("min_duration_ms", "max_duration_ms", "text"),
)


def event_passes(line: dict[str, Any], wanted: EventFilter) -> bool:
    """Does an event pass a filter?"""
    levels = list(Level)
    texts = [line["message"] or "", line["event_type"], json.dumps(line["data"])]
    return all(
        (
            not wanted.trace_ids or line["trace_id"] in wanted.trace_ids,
            not wanted.event_types or any(fnmatchcase(line["event_type"], one) for one in wanted.event_types),
            not wanted.levels or line["level"] in wanted.levels,
            wanted.min_level is None or levels.index(line["level"]) >= levels.index(Level(wanted.min_level)),
            not wanted.sources or line["source"] in wanted.sources,
            holds(line["data"], list(wanted.data)),  # type: ignore[arg-type]
            not isinstance(wanted.time_range, TimeRange)
            or in_range(micros(line["timestamp"]), wanted.time_range),
            within(line["duration_ms"], wanted.min_duration_ms, wanted.max_duration_ms),
            contains(texts, list(wanted.text)),
        )
    )


@SMALL
@given(
    lines=st.lists(event_lines, min_size=1, max_size=16),
    wanted=st.lists(event_filters, min_size=2, max_size=4),
)
def test_event_filters(lines: list[dict[str, Any]], wanted: list[EventFilter]) -> None:
    """The SQL, `matches` of listeners and followers, and a plain computation select the same events."""
    named = [{"event_id": f"e{at}", **line} for at, line in enumerate(lines)]
    traces = [{"kind": "trace", "trace_id": one, "name": one} for one in ("t", "u")]
    singles = [EventFilter(**{name: getattr(one, name)}) for one in wanted for name in EVENT_FIELDS]

    def question(service: TraceManagementService) -> None:
        events = service.query_events().unwrap().events
        filters = [*wanted, *singles]
        with service.reading() as db:
            rows = [list(query_events(db, one, Pagination()).rows) for one in filters]
        for one, answer in zip(filters, rows, strict=True):
            found = {row[0] for row in answer}
            assert found == {line["event_id"] for line in named if event_passes(line, one)}, one
            assert found == {event.event_id for event in events if matches(event, one)}, one

    ask([*traces, *named], question)


globs = st.text("ab-]![*?\\é^\n", max_size=6)


@settings(max_examples=examples(25), deadline=None)
@given(glob=globs, texts=st.lists(st.text("ab-]!\\é\n", max_size=4), max_size=8))
def test_globs_mean_in_sql_what_they_mean_in_python(glob: str, texts: list[str]) -> None:
    """Any glob, over characters: `?` is one character of any script, a backslash is itself."""
    condition = Condition()
    condition.globs("t", [glob])
    query = f"SELECT t FROM (SELECT unnest(?::VARCHAR[]) AS t) {condition.where}"
    with duckdb.connect() as db:
        found = db.execute(query, [texts, *condition.values]).fetchall()
    assert sorted(text for (text,) in found) == sorted(text for text in texts if fnmatchcase(text, glob))


# -- what a store is asked in words ----------------------------------------------------------------


def test_a_literal_key_comes_before_a_path(service: TraceManagementService) -> None:
    """K is tried as one literal key, then as a path; V matches equal JSON or equal text."""
    trace = service.create_trace(context_id="c", name="x").unwrap().trace_id
    for at, data in enumerate(
        [
            '{"a.b":1,"a":{"b":2}}',
            '{"a":{"b":1.0}}',
            '{"a":{"b":"1"}}',
            '{"a~b/c":{"":[1, 2]}}',
            '{"a":[{"b":1}]}',
        ]
    ):
        service.record_event(trace_id=trace, event_type="e", event_id=str(at), data=data).unwrap()

    def found(key: str, value: str) -> str:
        events = service.query_events(EventFilter(data=[(key, value)])).unwrap().events
        return "".join(sorted(event.event_id for event in events))

    assert found("a.b", "1") == "012"
    assert found("a.b", "2") == ""
    assert found("a.b", '"1"') == "2"
    assert found("a~b/c.", "[1,2]") == "3"
    assert found("a~b/c", '{"": [1, 2]}') == "3"


EQUAL = '{"x": {"z": [1, {"k": null}], "y": true}, "a.b": "1"}'


@pytest.mark.parametrize(
    ("wanted", "is_equal"),
    [
        ('{"a.b":"1","x":{"y":true,"z":[1.0,{"k":null}]}}', True),
        ('{"a.b":1,"x":{"y":true,"z":[1,{"k":null}]}}', False),
        ('{"a.b":"1","x":{"y":1,"z":[1,{"k":null}]}}', False),
        ('{"a.b":"1","x":{"y":true,"z":[{"k":null},1]}}', False),
        ('{"a.b":"1","x":{"y":true,"z":[1,{}]}}', False),
        ('{"a.b":"1","x":{"y":true,"z":[1]}}', False),
        ('{"a.b":"1"}', False),
        (json.dumps([0] * 3_000), False),
        ("[" * 400 + "]" * 400, False),
    ],
)
def test_objects_are_equal_whatever_the_order_of_their_keys(
    service: TraceManagementService, wanted: str, is_equal: bool
) -> None:
    """Equal JSON: members in any order, elements in theirs, numbers by value; whoever asks or listens."""
    trace = service.create_trace(context_id="c", name="x").unwrap().trace_id
    event = service.record_event(trace_id=trace, event_type="e", data=f'{{"v":{EQUAL}}}').unwrap()
    question = EventFilter(data=[("v", wanted)])
    assert service.query_events(question).unwrap().total == is_equal
    assert matches(event, question) == is_equal


def test_numbers_past_a_double_are_compared_as_text_too(service: TraceManagementService) -> None:
    """A great number finds itself."""
    trace = service.create_trace(context_id="c", name="x").unwrap().trace_id
    service.record_event(trace_id=trace, event_type="e", data='{"n":1180591620717411303424}').unwrap()
    for text in ("1180591620717411303424", "1.180591620717411303424e21"):
        assert service.query_events(EventFilter(data=[("n", text)])).unwrap().total == 1


def test_bare_dates(tmp_path: Path) -> None:
    """`--since` is inclusive, `--until` exclusive, but a bare date includes its day; no zone is UTC."""
    cli = Cli(tmp_path)
    lines = [
        json.dumps({"name": "x", "trace_id": f"t{at}", "started_at": text})
        for at, text in enumerate(
            (
                "2026-03-01T23:59:59.999999Z",
                "2026-03-02T00:00:00Z",
                "2026-03-02T23:59:59.999999Z",
                "2026-03-03T00:00:00Z",
            )
        )
    ]
    cli.ok("import", "-", stdin="\n".join(lines))

    def found(*arguments: str) -> str:
        return "".join(
            row["trace_id"][1]
            for row in json.loads(cli.ok("query", "--sort", "trace_id", *arguments, "--json"))
        )

    assert found("--since", "2026-03-02", "--until", "2026-03-02") == "12"
    assert found("--until", "2026-03-02T00:00:00Z") == "0"
    assert found("--since", "2026-03-02 01:00:00+01:00", "--until", "2026-03-02T23:59:59.999999") == "1"
    assert found("--since", "7d") == ""
