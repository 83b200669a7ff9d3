"""Chrome traces out and in: pictures that nest, nothing lost on the way back, and files of others."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.interchange.chrome import reading
from mplp_trace_cli.interchange.chrome.lanes import Lanes, Place
from mplp_trace_cli.interchange.chrome.reading import ChromeDocument, looks_like
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage.groups import Counts
from tests.conftest import Cli, examples
from tests.test_export import HARD, kept, stores
from tests.test_golden_formats import check

Element = dict[str, Any]
EPOCH = "2026-03-02T10:00:00Z"
START_US = 1_772_445_600_000_000


# -- what a viewer needs ----------------------------------------------------------------------------


def check_picture(document: dict[str, Any]) -> None:
    """What Perfetto asks of a trace: threads of one process, slices that nest, whole arrows, numbers."""
    elements: list[Element] = document["traceEvents"]
    processes: dict[int, int] = {}
    named = {one["tid"]: one["args"]["name"] for one in elements if one["name"] == "thread_name"}
    for one in elements:
        assert one["ph"] in "MXBiCsf"
        assert isinstance(one["pid"], int) and isinstance(one["tid"], int) and one["name"] is not None
        assert processes.setdefault(one["tid"], one["pid"]) == one["pid"]
        assert one["ph"] in "MC" or (isinstance(one["ts"], int) and one["tid"] in named)
        if "event_id" in one.get("args", ()):
            lane = one["args"].get("source") or "events"
            assert named[one["tid"]].rstrip("0123456789").rstrip() == lane.rstrip("0123456789").rstrip()
        if one["ph"] == "C":
            assert all(
                isinstance(value, int | float) and math.isfinite(value) for value in one["args"].values()
            )
    slices = [one for one in elements if one["ph"] in "XB"]
    check_nesting((one["tid"], one["ts"], end_of(one)) for one in slices)
    check_arrows(elements, slices)


def end_of(one: Element) -> float:
    """When a slice ends."""
    return float("inf") if one["ph"] == "B" else one["ts"] + one["dur"]


def check_nesting(slices: Iterator[tuple[int, int, float]]) -> None:
    """The slices of a thread lie in one another or apart, as they stand and with the longer ones first."""
    threads = defaultdict(list)
    for tid, start, end in slices:
        assert start <= end
        threads[tid].append((start, end))
    for found in threads.values():
        for order in (
            sorted(found, key=lambda one: one[0]),
            sorted(found, key=lambda one: (one[0], -one[1])),
        ):
            stack: list[float] = []
            for start, end in order:
                while stack and stack[-1] <= start:
                    stack.pop()
                assert not stack or end <= stack[-1]
                stack.append(end)


def check_arrows(elements: list[Element], slices: list[Element]) -> None:
    """Each arrow begins once and ends once later, at the beginnings of two slices."""
    begins = {one["id"]: one for one in elements if one["ph"] == "s"}
    ends = {one["id"]: one for one in elements if one["ph"] == "f"}
    assert begins.keys() == ends.keys()
    assert len(begins) + len(ends) == sum(one["ph"] in "sf" for one in elements)
    beginnings = {(one["tid"], one["ts"]) for one in slices}
    for number, begin in begins.items():
        assert begin["ts"] <= ends[number]["ts"] and ends[number]["bp"] == "e"
        assert {(one["tid"], one["ts"]) for one in (begin, ends[number])} <= beginnings


# -- out --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on the store of hard types; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("hard"))
    made.ok("import", HARD)
    return made


def exported(cli: Cli, *options: str) -> dict[str, Any]:
    """An export, which must be a good picture."""
    document: dict[str, Any] = json.loads(cli("export", "-o", "-", "--format", "chrome", *options).raw)
    check_picture(document)
    return document


def test_golden(hard: Cli) -> None:
    """The bytes of an export with everything that is hard to write."""
    raw = hard("export", "-o", "-", "--format", "chrome", "--include-metrics").raw
    check("export.chrome.json", raw)
    check_picture(json.loads(raw))


@pytest.mark.parametrize("name", ["a.chrome.json", "a.perfetto.json.gz"])
def test_there_and_back(hard: Cli, tmp_path: Path, name: str) -> None:
    """The suffix tells the format, and a file of it is known by what is in it."""
    done = hard("export", "-o", tmp_path / name, "--include-metrics")
    assert (done.code, len(done.stderr.splitlines())) == (0, 1)
    other = Cli(tmp_path)
    other.ok("import", name)
    assert kept(other) == kept(hard)


def test_the_parts_of_an_export(cli: Cli, hard: Cli) -> None:
    """Nothing at all, traces alone, and one trace of several."""
    cli.ok("init")
    assert exported(cli)["traceEvents"] == []
    phases = Counter(one["ph"] for one in exported(hard, "--no-include-events")["traceEvents"])
    assert phases == {"M": 24, "X": 5, "B": 1}
    exported(hard, "--context", "default", "--context", "far", "--context", "ctx-ünï")
    some = exported(hard, "--trace", "t-failed")["traceEvents"]
    assert [one["cat"] for one in some if one["ph"] in "iX"] == ["trace", "error"]


def as_lines(records: list[Element]) -> str:
    """JSON lines, written as tightly as can be."""
    return "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in records)


def recorded(cli: Cli, *events: Element, **trace: Any) -> None:
    """Imports a trace `t` and its events."""
    lines: list[Element] = [{"kind": "trace", "trace_id": "t", "name": "n", "started_at": EPOCH, **trace}]
    lines += [{"trace_id": "t", "event_type": "e", **event} for event in events]
    cli.ok("import", "-", stdin=as_lines(lines))


def at(seconds: float) -> str:
    """That many seconds after the beginning."""
    return f"2026-03-02T10:00:{seconds:09.6f}Z"


def test_a_slice_ends_when_its_event_is_stamped(cli: Cli) -> None:
    """As in the time line of `show`."""
    recorded(
        cli,
        {"event_type": "ours", "timestamp": at(5), "duration_ms": 2000},
        {"event_type": "none", "timestamp": at(5), "level": "warn"},
        {"event_type": "zero", "timestamp": at(5), "duration_ms": 0, "level": "critical"},
        {"event_type": "odd", "timestamp": at(5), "duration_ms": 0.00049},
        {"event_type": "long", "timestamp": at(5), "duration_ms": 1e300},
    )
    found = {one["name"]: one for one in exported(cli)["traceEvents"] if one["ph"] in "iX"}
    assert (found["ours"]["ts"] - START_US, found["ours"]["dur"]) == (3_000_000, 2_000_000)
    assert (found["none"]["ph"], found["none"]["s"], found["none"]["cname"]) == ("i", "t", "bad")
    assert (found["zero"]["dur"], found["zero"]["cat"], found["zero"]["cname"]) == (0, "critical", "terrible")
    assert (found["odd"]["dur"], found["odd"]["duration_ms"]) == (0, 0.00049)
    assert found["long"]["duration_ms"] == 1e300
    cli.ok("export", "-o", "a.chrome.json")
    other = Cli(cli.folder / "other")
    other.folder.mkdir()
    other.ok("import", cli.folder / "a.chrome.json")
    assert kept(other) == kept(cli)


def test_lanes(cli: Cli) -> None:
    """A child lies on its parent where they fit; what overlaps goes into a further lane of its source."""
    recorded(
        cli,
        {"event_id": "a", "timestamp": at(10), "duration_ms": 10_000, "source": "core"},
        {
            "event_id": "in",
            "timestamp": at(4),
            "duration_ms": 2_000,
            "parent_event_id": "a",
            "source": "core",
        },
        {
            "event_id": "by",
            "timestamp": at(5),
            "duration_ms": 2_500,
            "parent_event_id": "a",
            "source": "core",
        },
        {
            "event_id": "far",
            "timestamp": at(5),
            "duration_ms": 1_000,
            "parent_event_id": "a",
            "source": "plan",
        },
        {"event_id": "dot", "timestamp": at(3), "parent_event_id": "in", "source": "core"},
        {"event_id": "own", "timestamp": at(9), "duration_ms": 1_000, "source": "core"},
        {"event_id": "self", "timestamp": at(9), "duration_ms": 1, "parent_event_id": "self"},
    )
    elements = exported(cli)["traceEvents"]
    names = {one["tid"]: one["args"]["name"] for one in elements if one["name"] == "thread_name"}
    lanes = {one["args"].get("event_id"): names[one["tid"]] for one in elements if one["ph"] in "Xi"}
    assert lanes == {
        "a": "core",
        "in": "core",
        "by": "core 2",
        "far": "plan",
        "dot": "core",
        "own": "core",
        "self": "events",
    }
    arrows = [(names[one["tid"]], one["ts"] - START_US) for one in elements if one["ph"] in "sf"]
    assert arrows == [("core", 0), ("core 2", 2_500_000), ("core", 0), ("plan", 4_000_000)]


def test_counters_add_up(cli: Cli) -> None:
    """What a counter went up by is added up in order of time, for each of its labels; a gauge is as it is."""
    samples = [
        {"name": "c", "type": "counter", "value": 2, "timestamp": at(2)},
        {"name": "c", "type": "counter", "value": 1, "timestamp": at(1)},
        {"name": "c", "type": "counter", "value": 5, "timestamp": at(3), "labels": {"a": "b"}},
        {"name": "g", "value": 4, "unit": "ms", "timestamp": at(4)},
        {"name": "g", "value": 3, "unit": "ms", "timestamp": at(5)},
        {"name": "big", "type": "counter", "value": 1e308, "timestamp": at(1)},
        {"name": "big", "type": "counter", "value": 1e308, "timestamp": at(2)},
    ]
    cli.ok("import", "-", stdin=as_lines(samples))
    elements = exported(cli, "--include-metrics")["traceEvents"]
    assert [(one["name"], one["args"]) for one in elements if one["ph"] == "C"] == [
        ("c", {"value": 3}),
        ("c", {"value": 1}),
        ('c {"a":"b"}', {"value": 5}),
        ("g", {"ms": 4}),
        ("g", {"ms": 3}),
        ("big", {"value": 1e308}),
        ("big", {"value": 1e308}),
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 12),
            st.none() | st.integers(0, 9),
            st.none() | st.integers(0, 20),
        ),
        max_size=25,
    )
)
def test_any_lanes_nest(drawn: list[tuple[int, int, int | None, int | None]]) -> None:
    """Whatever overlaps, slices of a lane nest, and a child without an arrow lies right on its parent."""
    events = sorted((start, number, one) for number, one in enumerate(drawn) for start in [one[1]])
    places: list[Place] = [
        (
            1,
            "ab"[source],
            number,
            parent if parent is not None and parent < len(drawn) else None,
            start,
            None if lasted is None else start + lasted,
        )
        for start, number, (source, _, lasted, parent) in events
    ]
    lanes = Lanes(len(places), first_tid=2)
    opened = list(lanes.place(places))
    assert {lane.tid for lane in opened} == set(lanes.tids)
    slices = {
        number: (lanes.tids[number], start, stop)
        for _, _, number, _, start, stop in places
        if stop is not None
    }
    check_nesting(iter(slices[number] for _, _, number, _, _, stop in places if stop is not None))
    pointed = {arrow.child for arrow in lanes.arrows()}
    for _, _, number, parent, start, stop in places:
        if stop is not None and parent in slices and parent != number and number not in pointed:
            tid, begun, ended = slices[parent]
            assert begun > start or (tid == slices[number][0] and stop <= ended) or begun == start


@settings(
    max_examples=examples(3),
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    stores(),
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 5), st.integers(0, 6)), max_size=8),
)
def test_any_store_there_and_back(
    fill: Callable[[TraceManagementService], None], spans: list[tuple[int, int | None, int]]
) -> None:
    """Whatever was recorded comes back as it was, and is a good picture."""
    with tempfile.TemporaryDirectory() as folder:
        there, back = Cli(Path(folder, "there")), Cli(Path(folder, "back"))
        path = Path(folder, "out.chrome.json")
        with initialize_trace_module(TraceModuleOptions(data_source=str(there.db))) as module:
            service = module.trace_management_service
            fill(service)
            service.create_trace(context_id="c", name="s", trace_id="overlaps").unwrap()
            events = [
                {
                    "trace_id": "overlaps",
                    "event_id": str(number),
                    "event_type": "e",
                    "timestamp": START_US + end,
                    "duration_ms": None if lasted is None else lasted / 1000,
                    "parent_event_id": str(parent),
                }
                for number, (end, lasted, parent) in enumerate(spans)
            ]
            service.record_events(events).unwrap()
            service.export_traces(destination=str(path), include_metrics=True).unwrap()
        with initialize_trace_module(TraceModuleOptions(data_source=str(back.db))) as module:
            report = module.trace_management_service.import_files(files=[str(path)]).unwrap()
        assert report.counts.rejected == report.counts.repeated == 0
        assert kept(back) == kept(there)
        check_picture(json.loads(path.read_bytes()))


def test_data_as_deep_as_can_be(cli: Cli) -> None:
    """Data of the deepest allowed, metadata too, and escapes that only JSON's own grammar allows."""
    deep = '{"a":' * 499 + '"\\ud800"' + "}" * 499
    cli.ok(
        "import",
        "-",
        stdin=f'{{"kind":"trace","trace_id":"t","name":"n","metadata":{deep}}}\n'
        f'{{"trace_id":"t","event_type":"e","data":{deep}}}\n',
    )
    cli.ok("export", "-o", "a.chrome.json")
    other = Cli(cli.folder / "other")
    other.folder.mkdir()
    other.ok("import", cli.folder / "a.chrome.json")
    assert kept(other) == kept(cli)


# -- in ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loader:
    """A store that files of others are imported into, and what is in it then."""

    service: TraceManagementService
    folder: Path

    def load(self, given: Any, name: str = "app.trace.json", **options: Any) -> Counts:
        """Imports a file: a text, or what is to be written as JSON."""
        path = self.folder / name
        path.write_text(given if isinstance(given, str) else json.dumps(given), encoding="utf-8")
        return self.service.import_files(files=[str(path)], **options).unwrap().counts

    def events(self, given: Any, name: str = "app.trace.json") -> list[Element]:
        """The events there are when a file, of which nothing is rejected, was imported too."""
        assert self.load(given, name).rejected == 0
        return self.rows("SELECT * REPLACE (epoch_us(timestamp) AS timestamp) FROM events ORDER BY seq")

    def rows(self, query: str) -> list[Element]:
        """The rows of a query; what is a JSON object is read."""
        with self.service.reading() as db:
            found = db.execute(query)
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        for row in rows:
            row |= {key: json.loads(row[key]) for key in ("data", "metadata", "labels") if key in row}
        return rows

    def trace(self) -> Element:
        """The one trace there is."""
        (found,) = self.rows(
            "SELECT name, status, trace_type, epoch_us(started_at) AS begun, duration_ms, metadata"
            " FROM traces"
        )
        return found

    def reasons(self) -> list[str]:
        """Why elements were rejected."""
        return [row["reason"] for row in self.rows("SELECT reason FROM rejects ORDER BY id")]


@pytest.fixture
def loader(service: TraceManagementService, tmp_path: Path) -> Loader:
    """An empty store."""
    return Loader(service, tmp_path)


def element(ph: str, ts: float, **more: Any) -> Element:
    """An element of process 1 and thread 2."""
    return {"ph": ph, "ts": START_US + ts, "pid": 1, "tid": 2, "name": "x", **more}


def test_pairs_slices_and_instants(loader: Loader) -> None:
    """They lie in one another by time, thread by thread; names of threads are sources; data hold all else."""
    events = loader.events(
        {
            "displayTimeUnit": "ns",
            "traceEvents": [
                {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "server"}},
                {"ph": "M", "name": "thread_name", "pid": 1, "tid": 2, "args": {"name": "worker"}},
                element("B", 0, name="outer", cat="io", args={"a": 1, "b": 1.5}),
                element("X", 10, name="inner", dur=20.5, extra=True),
                element("i", 15, name="dot", s="t"),
                element("E", 100, args={"b": 2}, tts=7),
                element("X", 5, name="elsewhere", dur=1, tid=9),
                element("B", 90, name="open", tid=8),
                element("v", 6, name="memory", args={"dumps": {}}),
            ],
        },
    )
    found = {event["event_type"]: event for event in events}
    assert found["inner"]["parent_event_id"] == found["outer"]["event_id"]
    assert found["dot"]["parent_event_id"] == found["inner"]["event_id"]
    assert found["elsewhere"]["parent_event_id"] is None
    assert (found["outer"]["duration_ms"], found["inner"]["duration_ms"]) == (0.1, 0.0205)
    assert found["outer"]["timestamp"] == START_US + 100
    assert (found["outer"]["source"], found["elsewhere"]["source"]) == ("worker", "server")
    data = {"ph": "B", "ts": START_US, "pid": 1, "tid": 2, "cat": "io", "args": {"a": 1, "b": 2}}
    assert found["outer"]["data"] == {**data, "end": {"ts": START_US + 100, "tts": 7}}
    assert found["inner"]["data"]["extra"] is True
    assert found["memory"]["data"]["args"] == {"dumps": {}}
    assert (found["open"]["duration_ms"], found["open"]["data"]["ph"]) == (None, "B")
    trace = loader.trace()
    assert (trace["name"], trace["status"], trace["trace_type"]) == ("server", "completed", "custom")
    assert (trace["begun"], trace["duration_ms"]) == (START_US, 0.1)
    assert trace["metadata"]["chrome"]["displayTimeUnit"] == "ns"
    assert len(trace["metadata"]["chrome"]["metadata_events"]) == 2


def test_the_order_in_a_file_does_not_matter(loader: Loader) -> None:
    """Slices are often written when they are over; of two that begin together the longer holds the other."""
    events = loader.events(
        [
            element("X", 0, dur=5, name="in"),
            element("X", 0, dur=9, name="out"),
            element("X", 9, dur=1, name="after"),
        ],
    )
    found = {event["event_type"]: event for event in events}
    assert found["in"]["parent_event_id"] == found["out"]["event_id"]
    assert found["out"]["parent_event_id"] is found["after"]["parent_event_id"] is None


def test_async_pairs_and_arrows(loader: Loader) -> None:
    """Halves across threads are found by id; an arrow makes a slice the parent of one that lies in none."""
    events = loader.events(
        [
            element("b", 0, name="request", cat="net", id="0x1"),
            element("b", 1, name="request", cat="net", id="0x2"),
            element("n", 2, name="byte", cat="net", id="0x1", tid=3),
            element("e", 10, name="request", cat="net", id="0x1", tid=4),
            element("e", 20, name="request", cat="net", id="0x2"),
            element("X", 30, name="send", dur=10, tid=1),
            element("s", 35, name="flow", cat="f", id=7, tid=1),
            element("X", 50, name="handle", dur=10, tid=2),
            element("f", 50, name="flow", cat="f", id=7, tid=2, bp="e"),
            element("s", 36, name="lost", cat="f", id=8, tid=1),
            element("s", 37, name="next", cat="f", id=9, tid=1),
            element("f", 61, name="next", cat="f", id=9, tid=5),
            element("X", 70, name="later", dur=10, tid=5),
        ],
    )
    found = {event["event_type"]: event for event in events if event["event_type"] != "request"}
    assert sorted(e["duration_ms"] for e in events if e["event_type"] == "request") == [0.01, 0.019]
    assert found["handle"]["parent_event_id"] == found["send"]["event_id"]
    assert found["later"]["parent_event_id"] == found["send"]["event_id"]
    assert found["byte"]["parent_event_id"] == events[0]["event_id"]
    assert "flow" not in found and "next" not in found
    assert found["lost"]["data"]["id"] == 8


def test_counters_are_gauges(loader: Loader) -> None:
    """A sample for each number, numbers in text too; what is none is rejected."""
    loader.load(
        [
            element("C", 0, name="heap", args={"used": 5, "free": "2.5"}),
            element("C", 1, name="load", args={"value": 1.5}, id="a"),
            element("C", 2, name="bad", args={"value": None}),
            element("C", 3, name="none"),
        ]
    )
    rows = loader.rows("SELECT name, type, value, labels FROM metrics ORDER BY seq")
    assert [tuple(row.values()) for row in rows] == [
        ("heap.used", "gauge", 5, {"pid": "1"}),
        ("heap.free", "gauge", 2.5, {"pid": "1"}),
        ("load", "gauge", 1.5, {"pid": "1", "id": "a"}),
    ]
    assert loader.rows("SELECT * FROM traces") == []
    assert loader.reasons() == ["args.value: must be a number", "args: a counter has an object of numbers"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"ph": "E"}, "ends nothing that began"),
        ({"ph": "X", "dur": -1}, "dur: must not be negative"),
        ({"ph": "X", "dur": "long"}, "dur: must be a number of microseconds"),
        ({"ph": "X", "dur": 1e300}, "dur: out of range"),
        ({"ph": "i", "ts": None}, "ts: required"),
        ({"ph": "i", "ts": True}, "ts: must be a number of microseconds"),
        ({"ph": "i", "ts": 1e30}, "ts: out of range"),
        ({"ph": 5}, "ph: must be text"),
        ({"ph": None}, "ph: required"),
        ({"ph": "i", "name": 5}, "name: must be text"),
        ({"ph": "X", "name": "stage_started"}, "data.stage: required for stage_started"),
    ],
)
def test_what_is_rejected(loader: Loader, bad: Element, reason: str) -> None:
    """With its reason and its text; all else of the file is taken."""
    counts = loader.load([element("i", 0), {**element("i", 1), **bad}])
    assert (counts.events, counts.rejected) == (1, 1)
    assert loader.reasons() == [reason]


def test_what_is_no_element(loader: Loader) -> None:
    """Anything but an object, keys that are given twice, text that is not Unicode."""
    loader.load(
        '[{"ph":"i","ts":1},5,[],{"ph":"i","ph":"i","ts":1},{"ph":"i","ts":1,"name":"\\ud800"}]',
        input_format="chrome",
    )
    assert loader.reasons() == [
        "not a JSON object",
        "not a JSON object",
        "the key 'ph' is given twice",
        "event_type: has a lone surrogate or bytes that are not UTF-8",
    ]


def elements_of(text: str) -> tuple[list[str], str | None]:
    """The texts of the elements, read a few characters at a time, and what the end cut."""
    stream = io.BytesIO(text.encode())
    document = ChromeDocument(stream, stream.read(3), "a.json")
    return list(document.elements()), document.cut


def test_lists_that_nobody_closed(loader: Loader) -> None:
    """The end may be missing, also in the middle of an element, and there may be a comma before it."""
    good = '{"ph":"i", "name":"a\\u00e9", "ts":-12.5e3, "args":{"a":[true,null,"é"]}}'
    for text in (
        f"[{good}",
        f"[{good},",
        f"[{good},]\n",
        f'{{"traceEvents":[{good},',
        f'{{"traceEvents":[{good}]',
    ):
        assert elements_of(text) == ([good], None), text
    for number in range(1, len(good)):
        cut = good[:number]
        assert elements_of(f"[{good},{cut}") == ([good], cut)
        assert elements_of(f'{{"a":1,"traceEvents":[{good},{cut}') == ([good], cut)
    counts = loader.load(f"[{good},{good[:20]}")
    assert (counts.events, counts.rejected) == (1, 1)
    assert loader.reasons() == ["cut short: the file ends in the middle of it"]


@pytest.mark.parametrize("text", ["[%s %s]", "[%s,{]", "[%s,%s] x", '{"traceEvents":[%s}', "[%s,{'a':1}]"])
def test_what_is_broken_as_a_whole(loader: Loader, text: str) -> None:
    """Nothing of it is taken."""
    with pytest.raises(TraceError, match="JSON document"):
        loader.load(text.replace("%s", json.dumps(element("i", 0))))
    assert loader.rows("SELECT * FROM events") == []


def test_members_on_several_lines(loader: Loader) -> None:
    """What stands beside the elements may be written on lines of its own, in files of others as in ours."""
    given = {"otherData": {"v": "1", "w": [1, 2]}, "traceEvents": [element("i", 0)]}
    counts = loader.load(json.dumps(given, indent=2))
    assert (counts.traces, counts.events, counts.rejected) == (1, 1, 0)
    assert loader.trace()["metadata"]["chrome"]["otherData"] == given["otherData"]


def test_clocks_that_began_some_other_time(loader: Loader) -> None:
    """A file that says when its clock began is believed, else its last event is when it was written."""
    small = [{"ph": "i", "name": "a", "ts": "1000"}, {"ph": "X", "name": "b", "ts": 2000.25, "dur": 1000}]
    said: list[Element] = [{"baseTimeNanoseconds": START_US * 1000}, {"metadata": {"startTime": EPOCH}}]
    for number, more in enumerate(said):
        events = loader.events({"traceEvents": small, **more}, f"{number}.json")[-2:]
        first = START_US + (1000 if number == 0 else 0)
        assert [event["timestamp"] for event in events] == [first, first + 2000]
    path = loader.folder / "c.json"
    path.write_text(json.dumps([*small, {"ph": "i", "ts": 5000}]))
    os.utime(path, ns=(0, START_US * 1000))
    loader.service.import_files(files=[str(path)]).unwrap()
    assert loader.rows("SELECT epoch_us(timestamp) AS at FROM events ORDER BY seq")[-1] == {"at": START_US}


def test_the_same_file_again(loader: Loader) -> None:
    """One file is one trace, whose ids come from its bytes: packed or not, it is the same again."""
    text = json.dumps([element("B", 0), element("E", 5), element("i", 3, name="dot")])
    first = loader.events(text, "run 7.json")
    again = loader.load(text, "run 7.json", again=True)
    assert (again.repeated, again.events, again.rejected) == (3, 0, 0)
    (loader.folder / "other.json.gz").write_bytes(gzip.compress(text.encode()))
    assert (
        loader.service.import_files(files=[str(loader.folder / "other.json.gz")]).unwrap().counts.events == 0
    )
    assert loader.rows("SELECT count(*) AS n FROM events") == [{"n": len(first)}]
    assert loader.trace()["name"] == "run 7"


def test_a_foreign_trace_out_again(loader: Loader) -> None:
    """What others wrote is drawn as they meant it when it is exported."""
    loader.load([element("B", 0), element("X", 10, dur=20, name="y"), element("E", 50)])
    path = loader.folder / "out.chrome.json"
    loader.service.export_traces(destination=str(path)).unwrap()
    document = json.loads(path.read_bytes())
    check_picture(document)
    slices = [one for one in document["traceEvents"] if one["ph"] == "X" and one["cat"] != "trace"]
    assert [(one["name"], one["ts"] - START_US, one["dur"]) for one in slices] == [
        ("x", 0, 50),
        ("y", 10, 20),
    ]


def test_pieces_of_any_size(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines go on in pieces, and their numbers with them."""
    monkeypatch.setattr(reading, "_PIECE_BYTES", 50)
    counts = loader.load([*(element("i", n) for n in range(9)), 7])
    assert (counts.events, counts.rejected) == (9, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"traceEvents":[]}', True),
        ('\ufeff {"otherData":{"a":"}"},"traceEvents" : [', True),
        ('[{"ph":"B","ts":1}', True),
        ('[ {"name":"x","ph":"X"},', True),
        ('{"traceEvents":5}', False),
        ('{"event_type":"e","data":{"traceEvents":[]}}\n', False),
        ('{"kind":"trace","name":"traceEvents"}\n{"a":1}', False),
        ('{"event_type":"e","trace_id":"t","traceEvents":[1]}\n{"event_type":"e"}', False),
        ('[{"event_type":"e","ph":"x"}]', False),
        ('[{"name":"n"}]', False),
        ("[]", False),
        ("", False),
        ("text", False),
        ("[{", False),
    ],
)
def test_what_is_taken_for_a_chrome_trace(text: str, found: bool) -> None:
    """By the list in an object, or by the phase of the first element of a list."""
    assert looks_like(text.encode(), "a.json") is found


def test_an_empty_file_is_told_by_its_name() -> None:
    """Where there is nothing to look at."""
    assert looks_like(b"", "a.chrome.json.gz") and not looks_like(b"", "a.json")
