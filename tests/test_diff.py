"""`diff`: how two traces are aligned, what counts as a difference, and that it stays quick."""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli import DiffRow, Event, Trace, TraceDiff
from mplp_trace_cli.domain.comparing.alignment import aligned
from mplp_trace_cli.domain.comparing.changes import Change, json_changes
from mplp_trace_cli.domain.comparing.diff import diff_traces
from mplp_trace_cli.domain.errors import InvalidInput, NotFound
from mplp_trace_cli.domain.json_text import JsonObject
from mplp_trace_cli.service import TraceManagementService
from tests.conftest import Cli

WHEN = "2026-03-02T09:00:00Z"
MANY = 4_000


def event(event_id: str, event_type: str = "x", parent: str | None = None, **more: Any) -> Event:
    """An event of the trace `t`."""
    level = more.pop("level", "info")
    return Event(event_id, "t", event_type, level, WHEN, parent_event_id=parent, **more)  # type: ignore[arg-type]


def trace(events: Sequence[Event] = (), **more: Any) -> Trace:
    """A trace with those events."""
    made = Trace("t", "c", "workflow_execution", "n", "active", WHEN, **more)  # type: ignore[arg-type]
    made.events = list(events)
    return made


def compared(first: Sequence[Event], second: Sequence[Event], threshold: float = 10) -> TraceDiff:
    """Two traces that differ in their events alone."""
    return diff_traces(trace(first), trace(second), threshold)


def kinds(found: TraceDiff) -> list[tuple[str | None, ...]]:
    """Each difference with the ids of both sides."""
    rows = found.differences
    return [
        (row.kind.value, *(side.event_id if side else None for side in (row.first, row.second)))
        for row in rows
    ]


# -- facts by hand ---------------------------------------------------------------------------------


def test_ids_and_times_do_not_count() -> None:
    """The same events under other ids, at other times and in other traces are the same."""
    later = Event("2", "u", "x", "info", "2030-01-01T00:00:00Z")  # type: ignore[arg-type]
    assert compared([event("1")], [later]).is_same


def test_what_is_on_one_side_only_is_missing_or_new() -> None:
    """With all that hangs below it."""
    a = [event("1", "run"), event("2", "read", "1"), event("3", "row", "2")]
    b = [event("1", "run"), event("4", "write", "1")]
    assert kinds(compared(a, b)) == [("missing", "2", None), ("missing", "3", None), ("new", None, "4")]


def test_brothers_are_aligned_in_order_and_a_repeat_is_new() -> None:
    """A retry among equal types is the one that is new, since the others have their messages."""
    a = [event("1", "try", message="first"), event("2", "try", message="last"), event("3", "end")]
    b = [event("4", "try", message="first"), event("5", "try", message="again")]
    b += [event("6", "try", message="last"), event("7", "end")]
    assert kinds(compared(a, b)) == [("new", None, "5")]


def test_equal_types_with_other_messages_are_changed() -> None:
    """Where nothing fits better, an event of the same type stands for it."""
    found = compared([event("1", message="a")], [event("2", message="b")])
    (row,) = found.differences
    assert (row.kind, row.changes) == ("changed", (Change("message", '"a"', '"b"'),))


def test_the_alignment_is_the_one_that_is_least_unlike() -> None:
    """One event more at the front is one new event, not many that changed; and the other way round."""
    a = [event(str(n), data={"n": n}, message=str(n)) for n in range(9)]
    b = [event("new", data={"n": -1}, message="-1"), *a]
    assert kinds(compared(a, b)) == [("new", None, "new")]
    a = [event(f"a{n}", message=f"a{n}") for n in range(9)]
    b = [event(f"b{n}", message=f"b{n}") for n in range(9)]
    found = compared([event("same"), *a], [*b, event("same")])
    assert found.counts == {**dict.fromkeys(found.counts, 0), "changed": 10}


def test_an_event_elsewhere_has_moved_with_what_hangs_below_it() -> None:
    """Only the head of what moved is called moved; the place is told on both sides."""
    a = [event("1", "one"), event("2", "two"), event("3", "task", "1"), event("4", "leaf", "3")]
    b = [event("1", "one"), event("2", "two"), event("3", "task", "2"), event("4", "leaf", "3")]
    found = compared(a, b)
    (row,) = found.differences
    assert row.first is not None
    assert row.second is not None
    assert (row.kind, row.first.path, row.second.path) == ("moved", "one/task", "two/task")


def test_brothers_that_changed_places_have_moved() -> None:
    """One of two is said to have moved, and from where to where."""
    found = compared([event("1", "a"), event("2", "b")], [event("3", "b"), event("4", "a")])
    (row,) = found.differences
    assert row.first is not None
    assert row.second is not None
    assert (row.kind, {row.first.position, row.second.position}) == ("moved", {1, 2})


def test_what_ends_in_another_order_stands_for_itself() -> None:
    """Of calls side by side the slow one ends last: it is the one that moved, compared with its own like."""
    a = [event(f"a{q}", "call", message="search", data={"q": q}, duration_ms=50) for q in "abcd"]
    b = [event(f"b{q}", "call", message="search", data={"q": q}, duration_ms=52) for q in "acd"]
    b.append(event("bb", "call", message="search", data={"q": "b"}, duration_ms=500))
    (row,) = compared(a, b).differences
    assert kinds(compared(a, b)) == [("moved", "ab", "bb")]
    assert (row.pace.first_ms, row.pace.second_ms, row.changes) == (50, 500, ())


def test_a_place_names_the_stages_above() -> None:
    """For people; the path itself is of types alone, and a stage has a name only where it is text."""
    stages = [event(f"s{n}", "stage_started", data={"stage": n}) for n in ("moon", 7)]
    calls = [event(f"c{n}", "call", f"s{n}") for n in ("moon", 7)]
    places = [row.second for row in compared([], [*stages, *calls]).rows]
    assert [(place.path, place.named) for place in places if place] == [
        ("stage_started", "stage_started"),
        ("stage_started/call", "stage_started moon/call"),
        ("stage_started", "stage_started"),
        ("stage_started/call", "stage_started/call"),
    ]


def test_children_of_a_new_parent_have_moved() -> None:
    """A wrapper around two events is one new event and two that moved below it."""
    a = [event("1", "x"), event("2", "y")]
    b = [event("0", "wrapper"), event("1", "x", "0"), event("2", "y", "0")]
    assert compared(a, b).counts["moved"] == 2
    assert [row.kind.value for row in compared(a, b).differences] == ["new", "moved", "moved"]


@pytest.mark.parametrize(
    ("first", "second", "threshold", "kind"),
    [
        (100, 111, 10, "slower"),
        (100, 110, 10, "same"),
        (111, 100, 10, "faster"),
        (110, 100, 10, "same"),
        (1, 1.9, 10, "same"),
        (1, 2, 10, "slower"),
        (0, 1, 10, "slower"),
        (0, 0.9, 10, "same"),
        (1, 1.1, 0, "slower"),
        (5, 5, 0, "same"),
        (100, 149, 50, "same"),
        (100, 151, 50, "slower"),
        (1e308, 1.7e308, 10, "slower"),
    ],
)
def test_when_a_duration_counts(first: float, second: float, threshold: float, kind: str) -> None:
    """More than the threshold above the shorter, and at least 1 ms; with 0 every difference."""
    (row,) = compared([event("1", duration_ms=first)], [event("2", duration_ms=second)], threshold).rows
    assert row.kind == kind


def test_deltas_are_of_the_first() -> None:
    """In ms and in percent; there is no percentage of nothing."""
    (row,) = compared([event("1", duration_ms=200.1)], [event("2", duration_ms=100.3)]).rows
    assert (row.pace.delta_ms, row.pace.delta_percent) == (-99.8, -49.875)
    (row,) = compared([event("1", duration_ms=0)], [event("2", duration_ms=5)]).rows
    assert (row.pace.delta_ms, row.pace.delta_percent) == (5, None)
    (row,) = compared([event("1")], [event("2", duration_ms=5)]).rows
    assert (row.kind, row.changes) == ("changed", (Change("duration_ms", None, "5.0"),))


@pytest.mark.parametrize("threshold", [-1, float("nan"), float("inf"), "x"])
def test_a_threshold_is_a_percentage(threshold: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidInput, match="threshold"):
        compared([], [], threshold)


@pytest.mark.parametrize(
    ("first", "second", "changes"),
    [
        ('{"a":1,"b":2}', '{ "b": 2, "a": 1 }', []),
        ('{"a":1.10}', '{"a":11e-1}', []),
        (
            '{"a":9007199254740993}',
            '{"a":9007199254740992}',
            [("d.a", "9007199254740993", "9007199254740992")],
        ),
        ('{"a":0.1}', '{"a":0.1000000000000000000001}', [("d.a", "0.1", "0.1000000000000000000001")]),
        ('{"a":1}', '{"a":"1"}', [("d.a", "1", '"1"')]),
        ('{"a":1}', '{"a":true}', [("d.a", "1", "true")]),
        ('{"a":null}', "{}", [("d.a", "null", None)]),
        ("{}", '{"a":{"n":[1.0,"é",{}]}}', [("d.a", None, '{"n":[1.0,"é",{}]}')]),
        ('{"a":[1,2]}', '{"a":[1,3,4]}', [("d.a[1]", "2", "3"), ("d.a[2]", None, "4")]),
        ('{"a":[]}', '{"a":{}}', [("d.a", "[]", "{}")]),
        ('{"a.b":1,"":2}', '{"a.b":2,"":3}', [('d[""]', "2", "3"), ('d["a.b"]', "1", "2")]),
        ('{"a":1e999999999999999999999}', '{"a":1}', [("d.a", "1e999999999999999999999", "1")]),
        ('{"a":1e999999999}', '{"a":1e-999999999}', [("d.a", "1e999999999", "1e-999999999")]),
        ('{"a":"\\ud800"}', '{"a":"\\ud801"}', [("d.a", '"\\ud800"', '"\\ud801"')]),
    ],
)
def test_data_is_compared_by_value(first: str, second: str, changes: list[Any]) -> None:
    """Path by path, numbers exactly; key order, spaces and spellings of a number do not count."""
    assert json_changes("d", first, second) == [Change(*change) for change in changes]
    swapped = [Change(path, b, a) for path, a, b in changes]
    assert json_changes("d", second, first) == swapped


def test_deeply_nested_data_is_compared() -> None:
    """As deep as JSON may be here."""
    first = '{"a":' * 499 + "1" + "}" * 499
    (change,) = json_changes("d", first, first.replace("1", "2"))
    assert (change.first, change.second) == ("1", "2")
    (change,) = json_changes("d", '{"a":0}', first)
    assert change.second == first[5:-1]


def test_the_fields_of_a_trace() -> None:
    """Name, status, tags, metadata and duration count; ids, executions and times do not."""
    first = trace(tags=["a"], metadata=JsonObject('{"v":1,"w":1}'), execution_id="e1")
    second = Trace(
        *("u", "c", "workflow_execution", "m", "failed", WHEN),  # type: ignore[arg-type]
        execution_id="e2",
        tags=["a", "b"],
        metadata=JsonObject('{"w":1,"v":2}'),
    )
    found = diff_traces(first, second)
    changed = {change.path: (change.first, change.second) for change in found.changes}
    assert changed == {
        "name": ('"n"', '"m"'),
        "status": ('"active"', '"failed"'),
        "tags": ('["a"]', '["a","b"]'),
        "metadata.v": ("1", "2"),
    }
    assert not found.is_same


def test_which_process_it_was_does_not_count() -> None:
    """What `run` notes differs in every run; another `process` than that is a value as any other."""
    first, second = (
        trace(metadata=JsonObject(f'{{"process":{{"pid":{pid},"host":"h","started":"{WHEN}"}},"v":1}}'))
        for pid in (1, 2)
    )
    assert diff_traces(first, second).is_same
    first, second = (trace(metadata=JsonObject(f'{{"process":"{word}"}}')) for word in ("a", "b"))
    assert [change.path for change in diff_traces(first, second).changes] == ["metadata.process"]


# -- properties ------------------------------------------------------------------------------------

NODES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(-3, 12),
        st.sampled_from([None, "m", "n"]),
        st.sampled_from([{}, {"k": 1}, {"k": 2}]),
        st.sampled_from([None, 0, 100, 200]),
    ),
    max_size=14,
)


def grown(nodes: Sequence[tuple[str, int, str | None, dict[str, int], float | None]]) -> list[Event]:
    """The events of some nodes: each with its type, parent, message, data and duration."""
    return [
        event(
            f"e{at}",
            kind,
            f"e{parent}" if parent >= 0 else None,
            message=message,
            data=data,
            duration_ms=took,
        )
        for at, (kind, parent, message, data, took) in enumerate(nodes)
    ]


@given(NODES)
def test_a_trace_is_the_same_as_itself(nodes: Any) -> None:
    """Whatever hangs below what, circles included."""
    assert compared(grown(nodes), grown(nodes)).is_same


@given(NODES, NODES)
def test_every_event_appears_once(first: Any, second: Any) -> None:
    """On its side, and what stands for each other has the same type."""
    a, b = grown(first), grown(second)
    rows = compared(a, b).rows
    assert Counter(row.first.event_id for row in rows if row.first) == Counter(one.event_id for one in a)
    assert Counter(row.second.event_id for row in rows if row.second) == Counter(one.event_id for one in b)
    types_a, types_b = ({one.event_id: one.event_type for one in side} for side in (a, b))
    for row in rows:
        if row.first and row.second:
            assert types_a[row.first.event_id] == types_b[row.second.event_id] == row.event_type


def mirrored(row: DiffRow) -> tuple[Any, ...]:
    """A row as it would be the other way round."""
    turned = {"missing": "new", "new": "missing", "slower": "faster", "faster": "slower"}
    delta = None if row.pace.delta_ms is None else -row.pace.delta_ms or 0.0
    changes = tuple((change.path, change.second, change.first) for change in row.changes)
    return turned.get(row.kind.value, row.kind.value), row.second, row.first, delta, changes


def plain(row: DiffRow) -> tuple[Any, ...]:
    """The same parts of a row as it is."""
    changes = tuple((change.path, change.first, change.second) for change in row.changes)
    return row.kind.value, row.first, row.second, row.pace.delta_ms, changes


@given(NODES, NODES)
def test_the_other_way_round_is_the_mirror_image(first: Any, second: Any) -> None:
    """Missing becomes new, slower faster, and each change turns round."""
    a, b = grown(first), grown(second)
    there, back = compared(a, b).rows, compared(b, a).rows
    assert Counter(map(repr, map(plain, there))) == Counter(map(repr, map(mirrored, back)))


@given(NODES, st.data())
def test_without_one_leaf_one_is_missing(nodes: Any, data: Any) -> None:
    """And nothing else differs."""
    events = grown(nodes)
    parents = {one.parent_event_id for one in events}
    leaves = [one for one in events if one.event_id not in parents]
    if leaves:
        gone = data.draw(st.sampled_from(leaves))
        found = compared(events, [one for one in events if one is not gone])
        (row,) = found.differences
        assert (row.kind, row.event_type, row.message) == ("missing", gone.event_type, gone.message)


@given(NODES, st.data())
def test_one_longer_duration_is_one_slower_event(nodes: Any, data: Any) -> None:
    """And nothing else differs."""
    events = grown(nodes)
    timed = [at for at, one in enumerate(events) if one.duration_ms is not None]
    if timed:
        at = data.draw(st.sampled_from(timed))
        other = list(events)
        other[at] = replace(events[at], duration_ms=1_000)
        assert kinds(compared(events, other)) == [("slower", f"e{at}", f"e{at}")]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=12), st.data())
def test_an_alignment_ascends_and_pairs_equals(first: Any, data: Any) -> None:
    """On both sides; the last key of a pair is equal."""
    keys = [((fine, coarse), coarse) for fine, coarse in first]
    others = data.draw(st.permutations(keys))
    pairs = aligned(keys, others)
    assert pairs == sorted(set(pairs))
    assert [y for _, y in pairs] == sorted({y for _, y in pairs})
    assert all(keys[x][-1] == others[y][-1] for x, y in pairs)


# -- many events -----------------------------------------------------------------------------------


def test_chains_and_crowds_of_thousands() -> None:
    """No recursion, and nothing quadratic: each of these would not end in the time of a test."""
    drawn = random.Random(1)
    chain = [event(f"e{n}", "x", f"e{n - 1}") for n in range(MANY)]
    assert kinds(compared(chain, chain[:-1])) == [("missing", f"e{MANY - 1}", None)]
    crowd = [event(f"e{n}", "x") for n in range(MANY)]
    assert compared(crowd, crowd[:-7]).counts["missing"] == 7
    assert compared(chain, crowd).counts["moved"] == MANY - 1
    mixed = [event(f"e{n}", drawn.choice("abc"), data={"n": n}) for n in range(MANY)]
    kept = [one for one in mixed if drawn.random() > 0.1]
    found = compared(mixed, kept)
    assert len(found.differences) == found.counts["missing"] == MANY - len(kept)
    others = [event(f"o{n}", f"o{n}") for n in range(MANY)]
    assert compared(mixed, others).counts["new"] == MANY
    circle = [event(f"e{n}", "x", f"e{(n - 1) % MANY}") for n in range(MANY)]
    assert compared(circle, circle).is_same


# -- the service and the command -------------------------------------------------------------------


def test_the_service_compares_exact_ids(service: TraceManagementService) -> None:
    """An unknown id is an error of the result, and so is a bad threshold."""
    ids = []
    for took in (100, 105):
        ids.append(service.create_trace(context_id="c", name="n").unwrap().trace_id)
        service.record_event(trace_id=ids[-1], event_type="x", duration_ms=took).unwrap()
    first, second = ids
    assert service.diff_traces(first, second).unwrap().is_same
    found = service.diff_traces(first, second, threshold=1).unwrap()
    assert [row.kind.value for row in found.differences] == ["slower"]
    with pytest.raises(NotFound):
        service.diff_traces(first, second[:8]).unwrap()
    with pytest.raises(InvalidInput):
        service.diff_traces(first, second, threshold=-1).unwrap()


BASELINE, INCIDENT = "checkout-baseline-01", "checkout-incident-01"


def test_the_incident_of_the_sample_project(sample_store: Cli) -> None:
    """The failed checkout differs from the one the day before by timeouts, retries and what follows."""
    done = sample_store("diff", "checkout-base", INCIDENT, "--json")
    answer = json.loads(done.stdout)
    assert (done.code, done.stderr) == (1, "")
    assert answer["first"]["status"], answer["second"]["status"] == ("completed", "failed")
    assert (answer["first"]["event_count"], answer["second"]["event_count"]) == (42, 38)
    summary = answer["summary"]
    assert (summary["missing"], summary["new"], summary["slower"], summary["changed"]) == (11, 7, 5, 4)
    assert len(answer["differences"]) == 27
    assert {change["path"] for change in summary["changes"]} >= {"status", "metadata.deploy.version"}
    new = [row for row in answer["differences"] if row["kind"] == "new"]
    assert [row["event_type"] for row in new].count("retry") == 3
    (timeout,) = [
        row for row in answer["differences"] if row["delta_percent"] and row["delta_percent"] > 5_000
    ]
    assert {"path": "data.ok", "first": True, "second": False} in timeout["changes"]


def test_every_format_has_the_same_rows(sample_store: Cli) -> None:
    """json, jsonl and csv tell the same; a table shows 50 and says how many there are."""
    rows = json.loads(sample_store("diff", BASELINE, INCIDENT, "--json").stdout)["differences"]
    done = sample_store("diff", BASELINE, INCIDENT, "--format", "jsonl")
    assert [json.loads(line) for line in done.stdout.splitlines()] == rows
    assert done.stderr.startswith("the traces differ in status, tags, metadata.")
    done = sample_store("diff", BASELINE, INCIDENT, "--format", "csv")
    cells = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["kind"], json.loads(row["changes"])) for row in cells] == [
        (row["kind"], row["changes"]) for row in rows
    ]
    done = sample_store("diff", BASELINE, INCIDENT, "--limit", "3")
    assert done.stderr == "3 of 27 differences (--limit)\n"
    assert (
        sample_store("diff", BASELINE, INCIDENT, "--all", "--limit", "1").stderr
        == "1 of 49 events (--limit)\n"
    )


def test_ends_and_refusals(sample_store: Cli) -> None:
    """0 for the same, 1 for differences and unknown ids, 2 for what cannot be."""
    done = sample_store("diff", "@last", "@last")
    assert (done.code, done.stderr) == (0, "no difference\n")
    assert sample_store("diff", "@last", "@last", "--format", "csv").stdout.count("\n") == 1
    for arguments, code, said in (
        ((BASELINE, "nothing"), 1, "there is no trace nothing"),
        ((BASELINE, "checkout"), 1, "'checkout' begins several ids"),
        ((BASELINE, INCIDENT, "--threshold", "x"), 2, "--threshold: 'x' is not a number"),
        ((BASELINE, INCIDENT, "--threshold", "nan"), 2, "--threshold: 'nan' is not a percentage"),
        ((BASELINE, INCIDENT, "--threshold", "-1%"), 2, "--threshold: '-1%' is not a percentage"),
        ((BASELINE,), 2, "TRACE is missing"),
    ):
        done = sample_store("diff", *arguments)
        assert (done.code, done.stdout) == (code, "")
        assert said in done.stderr.splitlines()[0]
    everything = json.loads(sample_store("diff", BASELINE, INCIDENT, "--threshold", "0", "--json").stdout)
    assert everything["summary"]["slower"] >= 5
    wide = json.loads(sample_store("diff", BASELINE, INCIDENT, "--threshold", "100000", "--json").stdout)
    assert wide["summary"]["slower"] == 0
