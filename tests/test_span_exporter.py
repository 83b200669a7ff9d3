"""The span exporter: what real programs record with it, when their traces end, and what never gets lost."""

from __future__ import annotations

import json
import logging
import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from mplp_trace_cli.domain.times import parse_instant
from mplp_trace_cli.domain.trace import TraceEndRow, TraceRow
from mplp_trace_cli.domain.w3c import w3c_trace_id
from mplp_trace_cli.integrations.opentelemetry import MplpTraceExporter
from mplp_trace_cli.integrations.span_rows import SpanReader, Surroundings
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.spans import DERIVED, SpanBatch, end_span_traces, record_spans
from tests.conftest import Cli, examples
from tests.helpers_spans import CONFIGURED, request_of, run_program

RESOURCE = Resource({"service.name": "shop", "host.name": "h1"}, "https://example.org/1")
NOBODY = Surroundings()
REMOTE_SPAN = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1))


def rows(cli: Cli, *question: str) -> list[dict[str, Any]]:
    """What an asking command answers."""
    found = json.loads(cli.ok(*question, "--json"))
    assert isinstance(found, list)
    return found


def provider(*exporters: Any) -> TracerProvider:
    """A provider that exports each span as it ends."""
    made = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    for exporter in exporters:
        made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture
def exporter(cli: Cli) -> Iterator[MplpTraceExporter]:
    """An exporter into the store of `cli` that ends traces at the export after their root's."""
    made = MplpTraceExporter(cli.db, grace_seconds=0)
    yield made
    made.shutdown()


# -- a program ----------------------------------------------------------------------------------------


PROGRAM = """
from opentelemetry.trace import Link, SpanKind
with tracer.start_as_current_span("GET /cart", kind=SpanKind.SERVER) as root:
    root.set_attributes({"http.method": "GET", "items": 5, "total": 5.0, "ids": ["a", "b"]})
    root.add_event("cache miss", {"key": "cart:7"})
    try:
        with tracer.start_as_current_span("SELECT", links=[Link(root.get_span_context(), {"why": "w"})]):
            raise ValueError("no such table")
    except ValueError:
        pass
with tracer.start_as_current_span("nightly"):
    pass
"""


def test_a_program_configured_by_its_environment_records_its_spans(cli: Cli) -> None:
    """Traces, tree, events, links and status of a real program are in the store when it has ended."""
    done = run_program(cli, PROGRAM)
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    traces = {row["name"]: row for row in rows(cli, "query")}
    assert set(traces) == {"GET /cart", "nightly"}
    trace = traces["GET /cart"]
    assert (trace["context_id"], trace["status"], trace["trace_type"]) == ("shop", "completed", "custom")
    assert trace["metadata"] == {"otlp": {}}
    miss, raised, select, root = rows(cli, "events", "--trace", trace["trace_id"])
    assert [root["event_type"], miss["event_type"], select["event_type"], raised["event_type"]] == [
        *("GET /cart", "cache miss", "SELECT", "exception")
    ]
    assert [row["parent_event_id"] for row in (root, miss, select, raised)] == [
        *(None, root["event_id"], root["event_id"], select["event_id"])
    ]
    assert {row["source"] for row in (root, miss, select, raised)} == {"shop"}
    assert root["data"].pop("otlp")["kind"] == "server"
    assert root["data"] == {"http.method": "GET", "items": 5, "total": 5.0, "ids": ["a", "b"]}
    assert (select["level"], select["message"]) == ("error", "ValueError: no such table")
    otlp = select["data"]["otlp"]
    linked = {"trace_id": trace["trace_id"], "span_id": root["event_id"]}
    assert otlp["links"] == [{**linked, "attributes": {"why": "w"}, "flags": 256}]
    assert otlp["scope"] == {"name": "shop", "version": "1.2"}
    assert otlp["resource"]["attributes"]["service.name"] == "shop"
    assert (raised["level"], raised["message"]) == ("error", "no such table")
    assert "Traceback" in raised["data"]["exception.stacktrace"]
    assert select["duration_ms"] == (otlp["end_ns"] - otlp["start_ns"]) / 1e6
    assert rows(cli, "events", "--data", "http.method=GET")[0]["event_id"] == root["event_id"]
    assert rows(cli, "rejects", "list") == []
    assert cli("doctor").code == 0


def test_what_was_exported_survives_a_kill(cli: Cli) -> None:
    """Nothing is lost of a batch whose export had returned; its trace stays open."""
    code = """
with tracer.start_as_current_span("job"):
    with tracer.start_as_current_span("step"):
        pass
trace.get_tracer_provider().force_flush()
os.kill(os.getpid(), 9)
"""
    assert run_program(cli, code).code == -signal.SIGKILL
    assert [row["event_type"] for row in rows(cli, "events")] == ["step", "job"]
    assert [row["status"] for row in rows(cli, "query")] == ["active"]


def test_a_forked_child_and_its_parent_both_record(cli: Cli) -> None:
    """A child that is forked after its parent has recorded opens the store anew."""
    code = """
with tracer.start_as_current_span("before"):
    pass
trace.get_tracer_provider().force_flush()
child = os.fork()
with tracer.start_as_current_span("child" if not child else "parent"):
    pass
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    done = run_program(cli, code)
    assert (done.code, done.stderr) == (0, "")
    found = {row["name"]: row["status"] for row in rows(cli, "query")}
    assert found == {"before": "completed", "child": "completed", "parent": "completed"}
    assert cli("doctor").code == 0


def test_two_processes_record_into_one_trace(cli: Cli) -> None:
    """The first makes the trace, whoever has the root names and ends it, and neither is refused."""
    inner = """
from mplp_trace_cli.integrations.opentelemetry import attach_parent_from_environment
attach_parent_from_environment()
with tracer.start_as_current_span("work"):
    pass
"""
    outer = """
import subprocess
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
with tracer.start_as_current_span("orchestrate"):
    carrier = {}
    TraceContextTextMapPropagator().inject(carrier)
    env = {**os.environ, "TRACEPARENT": carrier["traceparent"], "OTEL_SERVICE_NAME": "worker"}
    subprocess.run([sys.executable, "-c", os.environ["INNER"]], env=env, check=True)
"""
    done = run_program(cli, outer, {"INNER": CONFIGURED + inner})
    assert (done.code, done.stderr) == (0, "")
    (trace,) = rows(cli, "query")
    assert (trace["name"], trace["context_id"], trace["status"]) == ("orchestrate", "shop", "completed")
    work, root = rows(cli, "events")
    assert work["parent_event_id"] == root["event_id"]
    assert (root["source"], work["source"]) == ("shop", "worker")
    assert trace["duration_ms"] == pytest.approx(root["duration_ms"], abs=0.01)
    assert cli("doctor").code == 0


def test_under_run_spans_belong_to_the_trace_around_them(cli: Cli) -> None:
    """What hangs below $TRACEPARENT is recorded in $MPLP_TRACE_ID, below its step, and is not ended."""
    cli.ok("create", "nightly", "--trace-id", "run-1")
    step = cli.ok("record", "stage_started", "--trace", "run-1", "--set", "stage=build")
    code = """
from mplp_trace_cli.integrations.opentelemetry import attach_parent_from_environment
attach_parent_from_environment()
with tracer.start_as_current_span("compile"):
    with tracer.start_as_current_span("link"):
        pass
"""
    outer = f"00-{w3c_trace_id('run-1')}-00f067aa0ba902b7-01"
    around = {"MPLP_TRACE_ID": "run-1", "MPLP_PARENT_EVENT_ID": step, "TRACEPARENT": outer}
    done = run_program(cli, code, around)
    assert (done.code, done.stderr) == (0, "")
    assert [(row["trace_id"], row["status"]) for row in rows(cli, "query")] == [("run-1", "active")]
    _, linked, compiled = rows(cli, "events", "--trace", "run-1")
    assert (compiled["event_type"], compiled["parent_event_id"]) == ("compile", step)
    assert (linked["event_type"], linked["parent_event_id"]) == ("link", compiled["event_id"])
    assert compiled["data"]["otlp"]["trace_id"] == w3c_trace_id("run-1")
    assert compiled["data"]["otlp"]["parent"] == "00f067aa0ba902b7"
    cli.ok("complete", "run-1")


# -- when traces end ------------------------------------------------------------------------------------


def test_a_span_after_the_end_of_its_trace_is_recorded(cli: Cli, exporter: MplpTraceExporter) -> None:
    """It is one more event of the finished trace; the end stays where it was."""
    tracer = provider(exporter).get_tracer("t")
    root = tracer.start_span("root")
    late = tracer.start_span("late", set_span_in_context(root))
    root.end()
    exporter.force_flush()
    (before,) = rows(cli, "query")
    late.end()
    (after,) = rows(cli, "query")
    assert (before["status"], before["completed_at"]) == ("completed", after["completed_at"])
    assert [row["event_type"] for row in rows(cli, "events")] == ["root", "late"]
    assert rows(cli, "rejects", "list") == []


def test_a_span_within_the_grace_is_counted_in(cli: Cli) -> None:
    """The trace ends when the last of the spans did that came before its end was recorded."""
    exporter = MplpTraceExporter(cli.db, grace_seconds=60)
    tracer = provider(exporter).get_tracer("t")
    root = tracer.start_span("root", start_time=1_000_000_000)
    late = tracer.start_span("late", set_span_in_context(root), start_time=2_000_000_000)
    root.end(3_000_000_000)
    assert rows(cli, "query")[0]["status"] == "active"
    late.end(9_000_000_000)
    exporter.shutdown()
    (trace,) = rows(cli, "query")
    assert (trace["status"], trace["duration_ms"]) == ("completed", 8_000.0)


def test_a_process_that_ends_leaves_the_begin_of_a_trace_to_its_root(cli: Cli) -> None:
    """Whoever has but a part of a trace does not fold it: its root, which comes later, still names it."""
    outer, inner = (MplpTraceExporter(cli.db, grace_seconds=60) for _ in range(2))
    tracer = provider(outer).get_tracer("t")
    root = tracer.start_span("root", start_time=1_000_000_000)
    tracer.start_span("first", set_span_in_context(root), start_time=2_000_000_000).end(3_000_000_000)
    away = NonRecordingSpan(
        SpanContext(*root.get_span_context()[:2], is_remote=True, trace_flags=TraceFlags(1))
    )
    provider(inner).get_tracer("t").start_span("work", set_span_in_context(away)).end()
    inner.shutdown()
    root.end(4_000_000_000)
    outer.shutdown()
    (trace,) = rows(cli, "query")
    assert (trace["name"], trace["started_at"]) == ("root", "1970-01-01T00:00:01.000000Z")


def test_the_grace_ends_without_another_export(cli: Cli) -> None:
    """A program that idles has its traces ended all the same."""
    exporter = MplpTraceExporter(cli.db, grace_seconds=0.05)
    provider(exporter).get_tracer("t").start_span("root").end()
    deadline = time.monotonic() + 10
    while rows(cli, "query", "--status", "completed") == [] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert rows(cli, "query")[0]["status"] == "completed"
    exporter.shutdown()


def test_a_failed_root_fails_its_trace(cli: Cli, exporter: MplpTraceExporter) -> None:
    """Its status is that of the root, whatever its children say."""
    tracer = provider(exporter).get_tracer("t")
    for status in (StatusCode.ERROR, StatusCode.OK):
        root = tracer.start_span(f"root {status.name}")
        child = tracer.start_span("child", set_span_in_context(root))
        child.set_status(Status(StatusCode.ERROR, "child"))
        child.end()
        root.set_status(Status(status))
        root.end()
    exporter.shutdown()
    found = {row["name"]: row["status"] for row in rows(cli, "query")}
    assert found == {"root ERROR": "failed", "root OK": "completed"}


def test_a_trace_is_named_after_its_root_although_children_come_first(cli: Cli) -> None:
    """Each span comes in a batch of its own, the root last; nobody has looked meanwhile."""
    exporter = MplpTraceExporter(cli.db)
    with provider(exporter).get_tracer("t").start_as_current_span("root") as root:
        provider(exporter).get_tracer("t").start_span("child").end()
    exporter.shutdown()
    (trace,) = rows(cli, "query")
    assert isinstance(root, ReadableSpan)
    assert root.start_time is not None
    assert trace["name"] == "root"
    assert abs(parse_instant(trace["started_at"]) - root.start_time // 1_000) <= 1


def test_a_root_with_a_remote_parent_ends_its_trace_at_shutdown(cli: Cli) -> None:
    """Nobody else has begun it, so nobody else would end it."""
    exporter = MplpTraceExporter(cli.db, grace_seconds=0)
    remote = set_span_in_context(NonRecordingSpan(REMOTE_SPAN))
    provider(exporter).get_tracer("t").start_span("serve", remote).end()
    exporter.shutdown()
    (trace,) = rows(cli, "query")
    assert (trace["trace_id"], trace["status"]) == (f"{0xABC:032x}", "completed")


def test_a_trace_that_another_process_began_is_not_ended_for_a_remote_parent(cli: Cli) -> None:
    """It is that process's to end."""
    trace_id = f"{0xABC:032x}"
    cli.ok("create", "begun elsewhere", "--trace-id", trace_id)
    exporter = MplpTraceExporter(cli.db, grace_seconds=0)
    remote = set_span_in_context(NonRecordingSpan(REMOTE_SPAN))
    provider(exporter).get_tracer("t").start_span("serve", remote).end()
    exporter.shutdown()
    (trace,) = rows(cli, "query")
    assert (trace["name"], trace["status"]) == ("begun elsewhere", "active")


def test_begins_and_ends_that_are_told_twice_are_no_rejects(cli: Cli) -> None:
    """An inbox that does not remember a trace takes it anew, and the fold drops what is there already."""
    begin = TraceRow("t" * 32, "shop", None, "custom", "root", None, DERIVED, "[]", 1_000_000, None)
    with Inbox(StorePaths.at(str(cli.db))) as inbox:
        for status in ("completed", "failed"):
            assert record_spans(inbox, SpanBatch([begin], [])) == {begin.trace_id}
            assert record_spans(inbox, SpanBatch([begin], [])) == set()
            end_span_traces(inbox, [TraceEndRow(begin.trace_id, status, 2_000_000)], 3_000_000)
            end_span_traces(inbox, [TraceEndRow(begin.trace_id, "cancelled", 2_000_000)], 3_000_000)
            inbox.db.execute("DELETE FROM recent_traces")
            cli.ok("flush")
    assert rows(cli, "rejects", "list") == []
    assert [(row["status"], row["duration_ms"]) for row in rows(cli, "query")] == [("completed", 1_000.0)]


def test_a_begin_of_another_kind_that_is_told_twice_is_a_reject(cli: Cli) -> None:
    """Only what spans tell may be told again."""
    begin = TraceRow("t1", "shop", None, "custom", "root", None, "{}", "[]", 1_000_000, None)
    with Inbox(StorePaths.at(str(cli.db))) as inbox:
        for _ in range(2):
            record_spans(inbox, SpanBatch([begin], []))
            inbox.db.execute("DELETE FROM recent_traces")
            inbox.db.execute("DELETE FROM open_traces")
    cli.ok("flush")
    assert [row["reason"] for row in rows(cli, "rejects", "list")] == ["could not be folded: start"]


# -- what cannot be recorded, and what is in the way ----------------------------------------------------


def test_what_cannot_be_recorded_is_a_reject_and_the_others_are_recorded(
    cli: Cli, exporter: MplpTraceExporter
) -> None:
    """A huge span, and text that UTF-8 cannot hold, are kept with their reasons; retry takes them later."""
    tracer = provider(exporter).get_tracer("t")
    with tracer.start_as_current_span("root") as root:
        root.add_event("huge", {"text": "x" * 2_000_000})
        tracer.start_span("bad \ud800 name").end()
        tracer.start_span("good").end()
    assert {row["event_type"] for row in rows(cli, "events")} == {"root", "good"}
    reasons = {row["reason"] for row in rows(cli, "rejects", "list")}
    assert any("more than the 1,048,576 allowed" in reason for reason in reasons)
    assert "event_type: has a lone surrogate" in reasons
    (cli.folder / "more.toml").write_text("[event_config]\nmax_event_bytes = 4000000\n")
    cli("rejects", "retry", "--all", "--config", str(cli.folder / "more.toml"))
    assert "huge" in {row["event_type"] for row in rows(cli, "events")}


def test_nothing_is_opened_before_the_first_export(cli: Cli) -> None:
    """A program may make the exporter and fork before it records."""
    exporter = MplpTraceExporter(cli.db)
    assert exporter.force_flush()
    exporter.shutdown()
    assert list(cli.folder.iterdir()) == []


def test_after_shutdown_nothing_is_recorded(cli: Cli, exporter: MplpTraceExporter) -> None:
    """Shutting down twice is fine; an export afterwards fails."""
    span = provider(exporter).get_tracer("t").start_span("root")
    span.end()
    exporter.shutdown()
    exporter.shutdown()
    assert isinstance(span, ReadableSpan)
    assert exporter.export([span]) is SpanExportResult.FAILURE
    assert exporter.force_flush()
    assert len(rows(cli, "events")) == 1


def test_trouble_is_logged_once_and_the_spans_are_tried_again(
    cli: Cli, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that cannot be written is the program's trouble at no time."""
    folder = cli.folder / "later"
    folder.write_text("a file where the folder is to be")
    exporter = MplpTraceExporter(folder / "traces.duckdb")
    tracer = provider(exporter).get_tracer("t")
    with caplog.at_level(logging.WARNING, "mplp_trace_cli"):
        tracer.start_span("first").end()
        tracer.start_span("second").end()
    assert len(caplog.records) == 1
    assert caplog.records[0].name == "mplp_trace_cli"
    folder.unlink()
    tracer.start_span("third").end()
    exporter.shutdown()
    found = json.loads(cli.ok("events", "--db", str(folder / "traces.duckdb"), "--json"))
    assert [row["event_type"] for row in found] == ["first", "second", "third"]


def test_recording_is_not_traced_itself(cli: Cli) -> None:
    """Also where nobody but the exporter sees to it, what happens in it makes no spans."""
    (cli.folder / "file").write_text("")
    exporter = MplpTraceExporter(cli.folder / "file" / "traces.duckdb")
    suppressed: list[object] = []

    def heard(record: logging.LogRecord) -> bool:
        suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        return False

    logger = logging.getLogger("mplp_trace_cli")
    logger.addFilter(heard)
    try:
        assert exporter.export(spans_of_all_kinds()) is SpanExportResult.FAILURE
    finally:
        logger.removeFilter(heard)
    assert suppressed == [True]
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


def test_without_the_sdk_one_error_names_the_extra() -> None:
    """The packages come with the extra `otlp`."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "try:\n    import mplp_trace_cli.integrations.opentelemetry\n"
        "except ImportError as error:\n    print(error)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said == (
        "the span exporter needs packages that are not installed: pip install 'mplp-trace[otlp]'\n"
    )


# -- what an event says -----------------------------------------------------------------------------------


def spans_of_all_kinds() -> list[ReadableSpan]:
    """Spans that have everything a span can have."""
    kept = InMemorySpanExporter()
    limits = SpanLimits(max_span_attributes=12, max_events=3, max_links=2)
    made = TracerProvider(resource=RESOURCE, shutdown_on_exit=False, span_limits=limits)
    made.add_span_processor(SimpleSpanProcessor(kept))
    tracer = made.get_tracer("lib", "0.1", "https://example.org/2", {"scope.key": True})
    state = TraceState([("vendor", "1"), ("other", "2")])
    remote = SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    outer = tracer.start_span("outer", set_span_in_context(NonRecordingSpan(remote)), SpanKind.CONSUMER)
    for number in range(4):
        outer.add_event(f"event {number}", {"n": number, "b": b"\x00\xff"})
    inner = tracer.start_span(
        *("", set_span_in_context(outer), SpanKind.CLIENT),
        links=[Link(remote, {"a": 1.5}), Link(outer.get_span_context()), Link(remote)],
    )
    inner.set_attributes({"text": 'é\u2028\t"', "int": -(2**63), "double": 1e300, "whole": 5.0, "bool": True})
    inner.set_attributes({"list": ["a", "b"], "numbers": [1, 2], "doubles": [0.5, math.inf], "empty": []})
    inner.set_attributes({"nan": math.nan, "bytes": b"\x01", "flags": [True, False], "one more": 1})
    inner.set_status(Status(StatusCode.ERROR, "it broke"))
    inner.record_exception(ValueError("no"))
    inner.end()
    odd = tracer.start_span("odd", attributes={"otlp": "mine", "b": 2})
    odd.set_status(StatusCode.OK)
    odd.end()
    outer.end()
    return list(kept.get_finished_spans())


def test_importing_the_same_spans_gives_the_same_events(cli: Cli) -> None:
    """Whether a program records its spans itself or sends them as OTLP, they become the same events."""
    spans = spans_of_all_kinds()
    exporter = MplpTraceExporter(cli.db)
    assert exporter.export(spans) is SpanExportResult.SUCCESS
    exporter.shutdown()
    (cli.folder / "spans.pb").write_bytes(request_of(spans).SerializeToString())
    cli.ok("import", str(cli.folder / "spans.pb"), "--db", str(cli.folder / "imported.duckdb"))
    ours = rows(cli, "events")
    theirs = rows(cli, "events", "--db", str(cli.folder / "imported.duckdb"))
    assert len(ours) == 7
    for events in (ours, theirs):
        events.sort(key=lambda row: str(row["event_id"]))
    assert json.dumps(ours) == json.dumps(theirs)  # the order of the members included
    pairs = [rows(cli, "query"), rows(cli, "query", "--db", str(cli.folder / "imported.duckdb"))]
    for traces in pairs:
        traces.sort(key=lambda row: str(row["trace_id"]))
    assert pairs[0] == pairs[1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "doubleValue", "bytesValue", "é"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=examples(15))
@given(st.dictionaries(st.text(max_size=4) | st.just("otlp"), VALUES, max_size=4))
def test_any_attributes_become_data(attributes: Mapping[str, Any]) -> None:
    """Whatever a program sets as an attribute, the event is recorded and its data is JSON that says it."""
    reader = SpanReader(1 << 20, NOBODY)
    context = SpanContext(1, 2, is_remote=False)
    reader.read(ReadableSpan("name", context, resource=RESOURCE, attributes=attributes, start_time=1))
    (body,), rejects = reader.take()
    data = json.loads(json.loads(body)[5], parse_constant=pytest.fail)
    otlp = data.pop("otlp")
    assert rejects == []
    if "otlp" in attributes or "" in attributes:
        assert data == {}
        assert [pair["key"] for pair in otlp["attributes"]] == list(attributes)
    else:
        assert list(data) == list(attributes)
        plain = {key: one for key, one in attributes.items() if type(one) in (bool, int, str)}
        assert {key: data[key] for key in plain} == plain


def test_no_span_is_lost_between_batches_of_many_threads(cli: Cli) -> None:
    """A batch processor, several threads, more spans than its queue takes at once."""
    code = """
import threading
def work(number):
    for turn in range(200):
        with tracer.start_as_current_span(f"job {number}"):
            tracer.start_span("step").end()
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    done = run_program(cli, code, {"OTEL_BSP_MAX_QUEUE_SIZE": "4000"})
    assert (done.code, done.stderr) == (0, "")
    counted = json.loads(
        cli.ok("sql", "SELECT count(*) AS n, count(DISTINCT trace_id) AS t FROM events", "--json")
    )
    assert counted == [{"n": 1600, "t": 800}]
    assert {row["status"] for row in rows(cli, "query")} == {"completed"}
