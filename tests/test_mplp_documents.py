"""MPLP v1.0 trace documents: valid whatever is exported, and the way back restores all of it.

The other way round too: what others write to the schemas is recorded, and comes out as they said it.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType
from mplp_trace_cli.domain.json_text import members
from mplp_trace_cli.domain.times import format_instant, parse_instant
from mplp_trace_cli.interchange.exporting.chosen import ExportedTrace
from mplp_trace_cli.interchange.mplp.parts import DocumentRules, EventCells, event_text, header_of
from mplp_trace_cli.interchange.mplp.quick import quick_line
from mplp_trace_cli.interchange.mplp.reading import looks_like
from mplp_trace_cli.interchange.mplp.records import Home, Times, event_fields, reads_back, trace_fields
from mplp_trace_cli.interchange.mplp.words import folded_type, mapped_id
from tests.conftest import Cli, examples
from tests.mplp_schemas import faults
from tests.test_export import HARD, data_texts, ids, instants, kept, names, stores, texts
from tests.test_golden_formats import check

QUICKLY = settings(
    max_examples=examples(3),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
V4 = "123e4567-e89b-42d3-a456-426614174000"
OTHER = "550e8400-e29b-41d4-a716-446655440000"
CONTEXT = "00000000-0000-4000-8000-00000000000c"
PLAN = "00000000-0000-4000-8000-0000000000a1"


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a file, in whatever shape."""
    if path.name.endswith(".mplp.jsonl"):
        return [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    found = json.loads(path.read_text())
    return found if isinstance(found, list) else [found]


def by_trace(cli: Cli) -> dict[str, Any]:
    """The store as plain values: traces in order, and the events of each in the order of their arrival."""
    found = kept(cli)
    events = defaultdict(list)
    for row in found["events"]:
        events[row[1]].append(row)
    return {"traces": found["traces"], "events": dict(events)}


def moved(there: Cli, back: Cli, name: str = "out.mplp.json") -> Path:
    """Exports one store and imports it into another; nothing may be rejected."""
    path = there.folder / name
    with initialize_trace_module(TraceModuleOptions(data_source=str(there.db))) as module:
        module.trace_management_service.export_traces(destination=str(path)).unwrap()
    with initialize_trace_module(TraceModuleOptions(data_source=str(back.db))) as module:
        report = module.trace_management_service.import_files(files=[str(path)]).unwrap()
    assert report.counts.rejected == report.counts.repeated == 0
    return path


def recorded(cli: Cli, *found: Any) -> dict[str, Any]:
    """Imports documents, which must all be good."""
    path = cli.folder / "in.mplp.json"
    path.write_text(json.dumps(found[0] if len(found) == 1 else found))
    counts: dict[str, Any] = json.loads(cli.ok("import", path, "--again"))
    assert counts["rejected"] == 0
    return counts


def exported(cli: Cli, *arguments: str) -> Any:
    """The documents of a store."""
    return json.loads(cli.ok("export", "-o", "-", "--format", "mplp", *arguments))


# -- out -------------------------------------------------------------------------------------------


def test_the_sample_is_valid_and_comes_back(sample_store: Cli, cli: Cli, conformance: Path) -> None:
    """What the sample project gives validates; imported it gives the same store, and the same file."""
    path = moved(Cli(sample_store.folder), cli, "sample.mplp.json")
    found = documents(path)
    assert len(found) > 100
    assert [fault for document in found[::10] for fault in faults(conformance, document)] == []
    assert by_trace(cli) == by_trace(sample_store)
    again = moved(cli, Cli(cli.folder / "again"))
    assert again.read_bytes() == path.read_bytes()


def test_the_checks_can_fail(sample_store: Cli, conformance: Path) -> None:
    """The schemas of the protocol find a wrong id, time, type and key, below references too."""
    document = exported(sample_store, "--trace", "nightly-etl-2026-03-02")
    wrong: list[Callable[[Any], object]] = [
        lambda one: one.update(extra=1),
        lambda one: one["meta"].update(protocol_version="1"),
        lambda one: one["root_span"].update(span_id="x"),
        lambda one: one.update(started_at="2026-13-01T00:00:00Z"),
        lambda one: one["events"][0].update(event_type="stage_started"),
        lambda one: one["segments"][0].update(status="done"),
    ]
    for change in wrong:
        changed = json.loads(json.dumps(document))
        change(changed)
        assert len(faults(conformance, changed)) == 1


def test_the_hard_types(cli: Cli, conformance: Path) -> None:
    """The golden file: every hard type in documents, valid, and with everything but the metrics back."""
    cli.ok("import", HARD)
    done = cli("export", "-o", cli.folder / "hard.mplp.json", "--include-metrics")
    note, told = done.stderr.splitlines()
    assert (done.code, note) == (0, "MPLP documents carry no metrics: 3 metric samples left out")
    assert "metric" not in told
    raw = (cli.folder / "hard.mplp.json").read_bytes()
    check("hard.mplp.json", raw)
    assert [fault for one in json.loads(raw) for fault in faults(conformance, one)] == []
    back = Cli(cli.folder / "back")
    moved(cli, back)
    assert by_trace(back) == by_trace(cli)


def test_shapes(cli: Cli, conformance: Path) -> None:
    """One trace alone is a document, any other number an array; `.mplp.jsonl` has one a line; gzip too."""
    cli.ok("create", "one", "--trace-id", "t1")
    cli.ok("record", "note", "--trace", "t1", "--data", '{"n": 1.10}')
    assert exported(cli)["root_span"]["attributes"]["name"] == "one"
    cli.ok("create", "two", "--trace-id", "t2")
    assert [one["root_span"]["attributes"]["name"] for one in exported(cli)] == ["one", "two"]
    assert exported(cli, "--trace", "t2")["trace_id"] == mapped_id("t2")
    assert "events" not in exported(cli, "--trace", "t1", "--no-include-events")
    for name in ("a.mplp.jsonl", "a.mplp.jsonl.gz", "a.mplp.json.zst"):
        back = Cli(cli.folder / f"{name}.d")
        back.folder.mkdir()
        moved(cli, back, name)
        assert by_trace(back) == by_trace(cli)
    lines = gzip.decompress((cli.folder / "a.mplp.jsonl.gz").read_bytes())
    assert lines == (cli.folder / "a.mplp.jsonl").read_bytes()
    assert [faults(conformance, json.loads(line)) for line in lines.splitlines()] == [[], []]


def test_nothing_to_export(cli: Cli) -> None:
    """No trace: an empty array, and no line at all."""
    cli.ok("create", "one")
    assert exported(cli, "--name", "none") == []
    cli.ok("export", "-o", cli.folder / "none.mplp.jsonl", "--name", "none")
    assert (cli.folder / "none.mplp.jsonl").read_bytes() == b""


def test_segments_of_stages_and_durations(cli: Cli, conformance: Path) -> None:
    """A stage is one segment from its start to its end, others stand before their timestamp; parents link."""
    lines = [
        {"name": "n", "trace_id": "t", "started_at": "2026-03-02T09:00:00Z", "status": "active"},
        stage("s1", "started", "09:00:00", stage="plan"),
        {"event_type": "llm_call", "duration_ms": 250, "parent_event_id": "s1", **at("09:00:01", "call")},
        {"event_type": "thought", "parent_event_id": "s1", **at("09:00:01", "thought")},
        {"event_type": "tool", "level": "error", "duration_ms": 1, **at("09:00:01", "tool")},
        {**stage("s2", "completed", "09:00:02", stage="plan", status="failure"), "parent_event_id": "s1"},
        stage("s3", "started", "09:00:03", stage="left open"),
        {**stage("s4", "completed", "09:00:04", stage="lone", status="success"), "duration_ms": 1000},
    ]
    cli.ok("import", "-", stdin="\n".join(map(json.dumps, lines)))
    document = exported(cli)
    assert faults(conformance, document) == []
    found = {one["label"]: one for one in document["segments"]}
    spans = {
        label: (one["status"], *(one.get(name, "")[17:19] for name in ("started_at", "finished_at")))
        for label, one in found.items()
    }
    assert spans == {
        "plan": ("failed", "00", "02"),
        "llm_call": ("completed", "00", "01"),
        "tool": ("failed", "00", "01"),
        "left open": ("running", "03", ""),
        "lone": ("completed", "03", "04"),
    }
    assert found["llm_call"]["started_at"] == "2026-03-02T09:00:00.750000Z"
    assert found["llm_call"]["parent_segment_id"] == found["plan"]["segment_id"]
    assert "parent_segment_id" not in found["tool"]
    assert found["llm_call"]["attributes"]["mplp_trace"] == {"event_id": "call"}


def at(time: str, event_id: str) -> dict[str, Any]:
    """Where and when."""
    return {"trace_id": "t", "timestamp": f"2026-03-02T{time}Z", "event_id": event_id}


def stage(event_id: str, what: str, time: str, **data: str) -> dict[str, Any]:
    """An event about a stage."""
    return {"event_type": f"stage_{what}", "data": data, **at(time, event_id)}


@pytest.mark.parametrize(
    ("event_type", "folded"),
    [
        ("plan.created", "plan.created"),
        ("stage_started", "stage.started"),
        ("StageStarted", "stage.started"),
        ("step 2", "step2"),
        ("a..b", "a.b"),
        ("42", "event42"),
        ("日本", "event"),
        ("a\n", "a"),
        ("x_" * 400, "x" + ".x" * 399),
    ],
)
def test_types_in_the_dotted_form(event_type: str, folded: str) -> None:
    """What the schema allows stays; words are lower case with dots between, digits join the word before."""
    assert folded_type(event_type) == folded


def test_ids_are_stable() -> None:
    """A UUID v4 stays, any other id gives the same one always; capitals and other versions are no v4."""
    assert mapped_id(V4) == V4
    assert mapped_id("trace-123") == "050b3527-5fef-4c7a-ae02-c3e98bf2fdf9"
    assert len({mapped_id(one) for one in (V4, V4.upper(), V4.replace("-42", "-12"), f"{V4}\n", "")}) == 5


def test_a_plan_id_in_the_metadata(cli: Cli) -> None:
    """One that fits is told at the top too, another is not."""
    cli.ok("create", "a", "--meta", f"plan_id={PLAN}")
    cli.ok("create", "b", "--meta", "plan_id=plan-7")
    first, second = exported(cli)
    assert (first["plan_id"], "plan_id" in second) == (PLAN, False)


# -- there and back --------------------------------------------------------------------------------

statuses = st.sampled_from(list(TraceStatus)).map(str)
any_ids = ids | st.just(V4) | st.sampled_from([OTHER, "evt-1"])
hard_data = data_texts | st.sampled_from(
    [
        '{"mplp_trace":{}}',
        '{"level":"warn","data":{"x":1},"mplp_trace":{"event_id":"x"}}',
        '{"level":"warn","message":"m","duration_ms":0}',
        '{"\\u006cevel":"warn"}',
        '{"level":1,"message":null,"duration_ms":-1,"parent_event_id":""}',
        '{"d":' + "[" * 480 + "]" * 480 + "}",
    ]
)
documents_kept = st.sampled_from(
    [
        '{"mplp_document":{"meta":{"protocol_version":"1.0.0","schema_version":"2.0.0"},"root_span":'
        f'{{"trace_id":"{V4}","span_id":"{OTHER}"}}}}}}',
        '{"mplp_document":{}}',
        '{"mplp_document":1,"plan_id":"x"}',
        '{"mplp_document":{"meta":{"protocol_version":"one"},"status":"pending","plan_id":7,"x":1}}',
        '{"mplp_document":{"governance":{"locked":true},"root_span":{"a":1}},"more":1.10}',
    ]
)
events_kept = st.builds(
    EventCells,
    trace_id=st.just("t"),
    event_id=any_ids,
    event_type=names | st.sampled_from(["plan.created", "mplp.segment", "stage_started", "Über"]),
    level=st.sampled_from(list(Level)).map(str),
    message=st.none() | texts,
    data=hard_data,
    duration_ms=st.none() | st.sampled_from(["0.0", "12.5", "1e+300", "0.1"]),
    parent_event_id=st.none() | texts | any_ids,
    source=st.none() | texts | st.just("mplp-trace"),
    timestamp=instants,
)
traces_kept = st.builds(
    ExportedTrace,
    trace_id=any_ids,
    context_id=names | any_ids,
    execution_id=st.none() | texts,
    trace_type=st.sampled_from(list(TraceType)).map(str),
    name=names,
    description=st.none() | texts,
    status=statuses,
    metadata=hard_data | documents_kept,
    tags=st.lists(texts, max_size=3, unique=True).map(json.dumps),
    started_at=instants,
    completed_at=st.none(),
    expires_at=st.none() | instants,
)


@settings(max_examples=examples(15))
@given(event=events_kept, of_others=st.booleans())
def test_any_event_is_valid_and_read_back(conformance: Path, event: EventCells, of_others: bool) -> None:
    """Alone in a document of ours or of others."""
    home = Home(V4, "t")
    text = event_text(DocumentRules(f'"{V4}"', home, of_others, event.timestamp), event)
    assert text is not None
    assert "\n" not in text
    assert faults(conformance, whole(events=[json.loads(text)])) == []
    fields = event_fields(text, home)
    assert reads_back(fields, event.plain())
    assert parse_instant(json.loads(fields["timestamp"])) == event.timestamp
    quick = quick_line(text, home)
    if quick is not None:
        assert {one.key: one.text for one in members(quick.decode())}["data"] == event.data
        assert json.loads(quick) == {"kind": "event", **plainly(fields)}


def plainly(fields: dict[str, str]) -> dict[str, Any]:
    """The values of fields; a line of events has a source in any case."""
    return {"source": None, **{name: json.loads(text) for name, text in fields.items()}}


def test_events_of_our_own_are_read_the_quick_way() -> None:
    """Whatever ids and texts it has; what may repeat a key, or looks like that, is read the exact way."""
    event = EventCells("t", "e", "stage_started", "warn", "m\n", '{"a":1.10}', "1.0", "p", None, 0)
    rules, home = DocumentRules(f'"{V4}"', Home(V4, "t"), False, 0), Home(V4, "t")
    for odd in (event, event._replace(event_id=V4, event_type="a.b", source="s", parent_event_id=None)):
        assert quick_line(event_text(rules, odd) or "", home) is not None
    text = event_text(rules, event) or ""
    for doubtful in (
        text.replace('"level":"warn"', '"level":"warn","level":"info"'),
        text.replace('{"a":1.10}', '{"level":1}'),
        text.replace('{"a":1.10}', '{"a":\n1}'),
        text.replace('"source":', '"source":"x","source":', 1),
        text.replace(f'"trace_id":"{V4}"', f'"trace_id":"{OTHER}"'),
    ):
        assert doubtful != text
        assert quick_line(doubtful, home) is None


@settings(max_examples=examples(15))
@given(trace=traces_kept)
def test_any_trace_is_valid_and_read_back(conformance: Path, trace: ExportedTrace) -> None:
    """Whatever its metadata claim to be."""
    if trace.status != "active":
        trace = trace._replace(completed_at=trace.started_at + 1)
    text = "{" + ",".join(header_of(trace)[0]) + "}"
    assert faults(conformance, json.loads(text)) == []
    fields = trace_fields({one.key: one for one in members(text)}, Times())
    assert reads_back(fields, trace.plain())
    for name in ("started_at", "completed_at", "expires_at"):
        said, value = json.loads(fields.get(name, "null")), getattr(trace, name)
        assert said == (None if value is None else format_instant(value))


def whole(**parts: Any) -> dict[str, Any]:
    """A document with all that it must have."""
    return {
        "meta": {"protocol_version": "1.0.0", "schema_version": "1.0.0"},
        "trace_id": V4,
        "context_id": CONTEXT,
        "root_span": {"trace_id": V4, "span_id": OTHER},
        "status": "completed",
        **parts,
    }


@QUICKLY
@given(fill=stores(), name=st.sampled_from(["out.mplp.json", "out.mplp.jsonl"]))
def test_any_store_there_and_back(conformance: Path, fill: Callable[[Any], None], name: str) -> None:
    """Whatever the library recorded is valid in documents, and comes back from them as it was."""
    with tempfile.TemporaryDirectory() as folder:
        there, back = Cli(Path(folder, "there")), Cli(Path(folder, "back"))
        there.folder.mkdir()
        back.folder.mkdir()
        with initialize_trace_module(TraceModuleOptions(data_source=str(there.db))) as module:
            fill(module.trace_management_service)
        found = documents(moved(there, back, name))
        assert [fault for one in found for fault in faults(conformance, one)] == []
        assert by_trace(back) == by_trace(there)


# -- documents of others ---------------------------------------------------------------------------

FULL = whole(
    meta={
        "protocol_version": "1.0.0",
        "schema_version": "2.1.0",
        "created_at": "2026-03-02T10:00:00+01:00",
        "created_by": "agent-planner",
        "updated_at": "2026-03-02T11:00:00Z",
        "tags": ["production", "high-priority"],
        "cross_cutting": ["security", "event-bus"],
    },
    governance={
        "lifecyclePhase": "review",
        "truthDomain": "architecture",
        "locked": True,
        "lastConfirmRef": {"id": OTHER, "module": "confirm", "description": "ok"},
    },
    plan_id=PLAN,
    root_span={
        "trace_id": V4,
        "span_id": OTHER,
        "parent_span_id": PLAN,
        "context_id": CONTEXT,
        "attributes": {"name": "Nightly", "description": "d", "user_id": "u-1", "n": 1.5},
    },
    status="failed",
    started_at="2026-03-02T10:00:00.000000+01:00",
    finished_at="2026-03-02T09:05:00Z",
    segments=[
        {
            "segment_id": "00000000-0000-4000-8000-000000000001",
            "label": "design",
            "status": "failed",
            "started_at": "2026-03-02T09:00:00Z",
            "finished_at": "2026-03-02T09:00:01.5Z",
            "attributes": {"agent": "a-1"},
        },
        {
            "segment_id": "00000000-0000-4000-8000-000000000002",
            "parent_segment_id": "00000000-0000-4000-8000-000000000001",
            "label": "sketch",
            "status": "skipped",
        },
    ],
    events=[
        {
            "event_id": "00000000-0000-4000-8000-000000000003",
            "event_type": "execution.started",
            "source": "runtime.ael",
            "timestamp": "2026-03-02T09:00:00.000Z",
            "trace_id": V4,
            "data": {"n": 1, "level": "warn", "message": "careful", "duration_ms": 12.5},
        },
        {
            "event_id": "00000000-0000-4000-8000-000000000004",
            "event_type": "execution.completed",
            "source": "runtime.ael",
            "timestamp": "2026-03-02T09:00:02Z",
        },
    ],
)


def test_a_full_document_of_others(cli: Cli, conformance: Path) -> None:
    """All of it finds a place, in fields that can be asked; exported again it says what it said."""
    assert faults(conformance, FULL) == []
    counts = recorded(cli, FULL)
    assert (counts["traces"], counts["events"]) == (1, 4)
    [trace] = json.loads(cli.ok("query", "--json"))
    assert (trace["name"], trace["description"], trace["status"]) == ("Nightly", "d", "failed")
    assert (trace["trace_id"], trace["context_id"]) == (V4, CONTEXT)
    assert trace["tags"] == ["production", "high-priority"]
    assert trace["started_at"] == "2026-03-02T09:00:00.000000Z"
    assert trace["duration_ms"] == 300_000
    events = {one["event_id"][-1]: one for one in json.loads(cli.ok("events", "--json"))}
    assert (events["1"]["message"], events["1"]["level"], events["1"]["duration_ms"]) == (
        "design",
        "error",
        1500,
    )
    assert events["1"]["timestamp"] == "2026-03-02T09:00:01.500000Z"
    assert events["1"]["data"]["attributes"] == {"agent": "a-1"}
    assert events["2"]["parent_event_id"] == FULL["segments"][0]["segment_id"]
    assert (events["3"]["level"], events["3"]["message"], events["3"]["duration_ms"]) == (
        "warn",
        "careful",
        12.5,
    )
    assert json.loads(cli.ok("query", "--meta", f"mplp_document.plan_id={PLAN}", "--json"))
    again = exported(cli)
    assert faults(conformance, again) == []
    assert substance(again) == substance(FULL)


def substance(document: Any) -> Any:
    """A document without what says nothing: the form of times, an event's mention of its own trace."""
    made = json.loads(json.dumps(document))
    for event in made.get("events", ()):
        event.setdefault("trace_id", made["trace_id"])
        if event.get("data") in (None, {}):
            event.pop("data", None)
    for holder in (made, *made.get("events", ())):
        for name in ("started_at", "finished_at", "timestamp"):
            if name in holder:
                holder[name] = parse_instant(holder[name])
    return made


def test_only_what_is_required(cli: Cli, conformance: Path) -> None:
    """The shortest documents are traces too; where they say no time, it is when they came."""
    statuses = {"pending": "active", "running": "active", "completed": "completed", "failed": "failed"}
    shortest = [{**whole(status=one), "trace_id": str(uuid4())} for one in (*statuses, "cancelled")]
    recorded(cli, *shortest)
    rows = {one["trace_id"]: one for one in json.loads(cli.ok("query", "--json"))}
    for document, again in zip(shortest, exported(cli), strict=True):
        row = rows[document["trace_id"]]
        assert row["name"] == row["trace_id"]
        assert row["status"] == statuses.get(document["status"], document["status"])
        assert faults(conformance, again) == []
        times = {name: again.pop(name) for name in ("started_at", "finished_at") if name in again}
        assert times.keys() == {"started_at"} | ({"finished_at"} if row["status"] != "active" else set())
        assert again == document


def test_times_that_are_not_said(cli: Cli) -> None:
    """A start is the earliest event, else when the document was made; an end is the latest event."""
    early, late = (
        {"event_id": str(uuid4()), "event_type": "e", "source": "s", "timestamp": f"2026-03-02T09:0{at}:00Z"}
        for at in (1, 5)
    )
    created = {"protocol_version": "1.0.0", "schema_version": "1.0.0", "created_at": "2026-03-01T00:00:00Z"}
    bare = {"segment_id": OTHER, "label": "l", "status": "pending"}
    recorded(
        cli,
        whole(events=[late, early], segments=[bare]),
        {**whole(meta=created), "trace_id": OTHER},
        {**whole(meta=created, status="running", finished_at="2026-03-01T01:00:00Z"), "trace_id": PLAN},
    )
    rows = {one["trace_id"]: one for one in json.loads(cli.ok("query", "--json"))}
    spans = {name: (one["started_at"][:16], (one["completed_at"] or "")[:16]) for name, one in rows.items()}
    assert spans == {
        V4: ("2026-03-02T09:01", "2026-03-02T09:05"),
        OTHER: ("2026-03-01T00:00", "2026-03-01T00:00"),
        PLAN: ("2026-03-01T00:00", ""),
    }
    [segment] = json.loads(cli.ok("events", "--event-type", "mplp.segment", "--json"))
    assert segment["timestamp"] == "2026-03-02T09:01:00.000000Z"
    assert exported(cli, "--trace", PLAN)["finished_at"] == "2026-03-01T01:00:00Z"
    assert exported(cli, "--trace", V4)["segments"] == [bare]


def test_what_happens_after_an_import(cli: Cli, conformance: Path) -> None:
    """Events and an end that are recorded here later are in the document too, and it stays what it was."""
    pending = whole(status="pending", governance=FULL["governance"], root_span=FULL["root_span"])
    recorded(cli, pending)
    cli.ok("record", "my_event", "--trace", V4, "--level", "error", "--message", "m", "--duration-ms", "5")
    before = exported(cli)
    assert (before["status"], before["root_span"]) == ("pending", FULL["root_span"])
    cli.ok("complete", V4)
    after = exported(cli)
    assert faults(conformance, before) == faults(conformance, after) == []
    assert (after["status"], after["governance"]) == ("completed", FULL["governance"])
    assert after["root_span"]["span_id"] == OTHER
    assert after["root_span"]["attributes"]["user_id"] == "u-1"
    assert [event["data"]["mplp_trace"]["event_type"] for event in after["events"]] == ["my_event"]
    back = Cli(cli.folder / "back")
    back.folder.mkdir()
    moved(cli, back)
    assert by_trace(back) == by_trace(cli)


def test_what_others_add_to_a_document_of_ours(cli: Cli, conformance: Path) -> None:
    """It is kept, comes out again, and our own part is restored all the same."""
    cli.ok("create", "mine", "--trace-id", "mine", "--meta", f"plan_id={PLAN}", "--meta", "n=1")
    changed = {**exported(cli), "governance": FULL["governance"], "x_more": [1]}
    back = Cli(cli.folder / "back")
    back.folder.mkdir()
    recorded(back, changed)
    [trace] = json.loads(back.ok("query", "--json"))
    document = {"governance": FULL["governance"], "x_more": [1]}
    assert (trace["trace_id"], trace["name"]) == ("mine", "mine")
    assert trace["metadata"] == {"plan_id": PLAN, "n": 1, "mplp_document": document}
    again = exported(back)
    assert faults(conformance, again) == []
    assert (again["governance"], again["plan_id"]) == (FULL["governance"], PLAN)


def test_members_in_any_order(cli: Cli, sample_store: Cli) -> None:
    """A document with its keys sorted, events before what says whose they are, gives the same trace."""
    document = exported(sample_store, "--trace", "nightly-etl-2026-03-02")
    path = cli.folder / "sorted.mplp.json"
    path.write_text(json.dumps(document, sort_keys=True, indent=2))
    cli.ok("import", path)
    assert exported(cli)["root_span"] == document["root_span"]
    assert exported(cli) == document
    recorded(Cli(cli.folder), dict(sorted(FULL.items())))


def test_more_than_the_schema_knows(cli: Cli, conformance: Path) -> None:
    """Members that no schema names are kept in metadata and data; what is exported is valid."""
    event = {**FULL["events"][1], "x_mark": 7, "trace_id": OTHER}
    segment = {**FULL["segments"][0], "x_cost": 1.5}
    recorded(cli, whole(x_team={"a": [1]}, events=[event], segments=[segment]))
    [trace] = json.loads(cli.ok("query", "--json"))
    assert trace["metadata"]["mplp_document"]["x_team"] == {"a": [1]}
    data = {one["event_id"]: one["data"] for one in json.loads(cli.ok("events", "--json"))}
    assert data[event["event_id"]] == {"x_mark": 7, "trace_id": OTHER}
    assert data[segment["segment_id"]]["x_cost"] == 1.5
    assert faults(conformance, exported(cli)) == []


def is_of_others(data: str) -> bool:
    """True for data that others may write: not what only this program does, not too deep for a test."""
    return "[[" not in data and '"data"' not in data


documents_of_others = st.builds(
    lambda extra, segments, events: {**whole(), **extra, "segments": segments, "events": events},
    st.fixed_dictionaries(
        {"status": st.sampled_from(["pending", "running", "completed", "failed", "cancelled"])},
        optional={
            "governance": st.sampled_from([{}, FULL["governance"]]),
            "plan_id": st.just(PLAN),
            "meta": st.just(FULL["meta"]),
            "root_span": st.sampled_from([FULL["root_span"], {"trace_id": OTHER, "span_id": V4}]),
            "started_at": st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T01:00:00.25+01:00"]),
        },
    ),
    st.lists(
        st.fixed_dictionaries(
            {"label": texts, "status": st.sampled_from(["pending", "skipped", "failed", "completed"])},
            optional={
                "parent_segment_id": st.just(OTHER),
                "started_at": st.just("2026-01-01T00:00:01Z"),
                "finished_at": st.just("2026-01-01T00:00:03.000001Z"),
                "attributes": data_texts.map(json.loads),
            },
        ),
        max_size=2,
    ),
    st.lists(
        st.fixed_dictionaries(
            {
                "event_type": st.sampled_from(["a", "plan.created", "mplp.segment"]),
                "source": texts,
                "timestamp": st.just("2026-01-01T00:00:02Z"),
            },
            optional={"data": st.none() | hard_data.filter(is_of_others).map(json.loads)},
        ),
        max_size=3,
    ),
)


@QUICKLY
@given(drawn=st.lists(documents_of_others, min_size=2, max_size=6))
def test_any_document_of_others_comes_back(conformance: Path, drawn: list[dict[str, Any]]) -> None:
    """What is exported is what was imported; only times that were not said are told as well."""
    for document in drawn:
        document["trace_id"] = str(uuid4())
        for segment in document["segments"]:
            segment["segment_id"] = str(uuid4())
        for event in document["events"]:
            event["event_id"] = str(uuid4())
        assert faults(conformance, document) == []
    with tempfile.TemporaryDirectory() as folder:
        there, back = Cli(Path(folder, "there")), Cli(Path(folder, "back"))
        there.folder.mkdir()
        back.folder.mkdir()
        path = there.folder / "in.json"
        path.write_text(json.dumps(drawn))
        with initialize_trace_module(TraceModuleOptions(data_source=str(there.db))) as module:
            report = module.trace_management_service.import_files(files=[str(path)]).unwrap()
            assert report.counts.rejected == 0
        found = documents(moved(there, back))
        assert by_trace(back) == by_trace(there)
    for document, again in zip(drawn, found, strict=True):
        assert faults(conformance, again) == []
        for name in ("segments", "events"):
            if not document[name]:
                del document[name]
        for name in {"started_at", "finished_at"} - document.keys():
            again.pop(name, None)
        assert substance(again) == substance(document)


# -- what cannot be recorded -----------------------------------------------------------------------


def rejects(cli: Cli) -> list[tuple[str, str]]:
    """Why, and the text."""
    listed = json.loads(cli.ok("rejects", "list", "--json"))
    return [(one["reason"], cli("rejects", "show", str(one["id"]), "--raw").stdout) for one in listed]


def test_bad_documents_and_events(cli: Cli) -> None:
    """Each is rejected with its reason and its text; the good ones beside it are recorded."""
    good = {**FULL["events"][1]}
    events = [good, {"event_type": "no.time"}, 7, {**good, "event_id": "x", "timestamp": "today"}]
    nameless = {name: value for name, value in whole(events=[good]).items() if name != "trace_id"}
    found = [
        whole(events=events, segments=[{"label": "l"}]),
        "text",
        nameless,
        {**whole(status="done", meta=[]), "trace_id": OTHER},
    ]
    (cli.folder / "bad.json").write_text(json.dumps(found))
    done = cli("import", "bad.json")
    assert done.code == 1
    counts = json.loads(done.stdout)
    assert (counts["traces"], counts["events"], counts["rejected"]) == (1, 1, 8)
    told = dict(rejects(cli))
    assert told["timestamp: required"] == '{"event_type": "no.time"}'
    assert told["not a JSON object"] in ("7", '"text"')
    assert told["segment_id: required; status: required"] == '{"label": "l"}'
    assert json.loads(told["its document does not say of which trace"]) == good
    assert "trace_id: required" in told
    assert any("meta: not a JSON object; status: 'done' is not one of pending" in reason for reason in told)
    assert any(reason.startswith("timestamp: 'today' is not") for reason in told)


def test_a_broken_line_leaves_the_others_alone(cli: Cli) -> None:
    """In lines a document that ends in the middle is one reject."""
    lines = [json.dumps(whole()), json.dumps(whole())[:-40], "", json.dumps({**whole(), "trace_id": OTHER})]
    done = cli("import", "-", "--input-format", "mplp", stdin="\n".join(lines))
    counts = json.loads(done.stdout)
    assert (done.code, counts["traces"], counts["rejected"]) == (1, 2, 1)
    [(reason, raw)] = rejects(cli)
    assert raw.rstrip("\n") == lines[1]
    assert "is not a JSON document" in reason


def test_a_document_cut_short_is_broken(cli: Cli) -> None:
    """A document alone, or an array, that ends in the middle records nothing."""
    for text in (json.dumps([whole(), whole()])[:-40], json.dumps(whole(), indent=1)[:-9]):
        (cli.folder / "cut.mplp.json").write_text(text)
        done = cli("import", "cut.mplp.json")
        assert (done.code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: cut.mplp.json is not a JSON document")
    packed = gzip.compress(f"{json.dumps(whole())}\n{json.dumps(whole())}\n".encode())[:-30]
    (cli.folder / "cut.mplp.jsonl.gz").write_bytes(packed)
    assert cli("import", "cut.mplp.jsonl.gz").code == 2


def test_data_that_would_break_out_of_its_line(cli: Cli) -> None:
    """Data as text must be one JSON object: a second line in it is a fault."""
    smuggled = '{}\n{"kind":"trace","name":"smuggled","trace_id":"s"}'
    event = {**FULL["events"][1], "data": {"level": "info", "data": smuggled, "mplp_trace": {}}}
    (cli.folder / "bad.mplp.json").write_text(json.dumps(whole(events=[event])))
    assert json.loads(cli("import", "bad.mplp.json").stdout)["rejected"] == 1
    assert [one["trace_id"] for one in json.loads(cli.ok("query", "--json"))] == [V4]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([FULL], indent=2),
        f"{json.dumps(FULL)}\n{json.dumps({**FULL, 'trace_id': OTHER})}\n",
        "\ufeff" + json.dumps({"events": [], **whole()}),
    ],
)
def test_documents_are_known_by_their_members(cli: Cli, text: str) -> None:
    """Whatever the file is called, and from standard input."""
    cli.ok("import", "-", stdin=text)
    assert V4 in cli.ok("query", "--json")


def test_other_json_is_not_taken_for_documents() -> None:
    """Records of our own stay what they are, with `root_span` and `meta` in their data."""
    record = {"name": "n", "trace_id": "t", "metadata": {"root_span": 1, "meta": {"protocol_version": "1"}}}
    for text in (json.dumps([record]), json.dumps(record), json.dumps({"traces": [record]})):
        assert not looks_like(text.encode(), "x.json")
    for event in ('{"event_type":"e","root_span":{}}', '{"root_span":{},"kind":"event"}\n{}'):
        assert not looks_like(event.encode(), "x.jsonl")
    assert looks_like(json.dumps([whole()]).encode(), "x.json")
    assert looks_like(b"", "x.mplp.jsonl.gz")
