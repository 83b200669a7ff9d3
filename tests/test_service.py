"""The library: every method in each way to call it, results, listeners, closing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mplp_trace_cli import (
    CreateTraceRequest,
    EndTraceRequest,
    Event,
    EventConfig,
    EventFilter,
    ExportRequest,
    ImportRequest,
    Level,
    OperationResult,
    Pagination,
    RecordEventRequest,
    Trace,
    TraceFilter,
    TraceModuleOptions,
    TraceStatus,
    initialize_trace_module,
)
from mplp_trace_cli.domain.errors import InvalidInput, NotFound, TraceError, TraceFinished
from mplp_trace_cli.domain.questions import TraceAggregation
from mplp_trace_cli.module import TraceModule
from mplp_trace_cli.service import TraceManagementService

TRACE = {"context_id": "ctx", "name": "Nightly", "trace_type": "custom", "tags": ["a"], "metadata": {"k": 1}}


@pytest.fixture
def trace(service: TraceManagementService) -> str:
    """The id of an active trace."""
    return service.create_trace(context_id="ctx", name="x").unwrap().trace_id


def error_of(result: OperationResult[Any]) -> TraceError:
    """The error of a result that has one."""
    assert (result.success, result.data) == (False, None)
    assert result.error is not None
    return result.error


# -- ways to call ----------------------------------------------------------------------------------


def test_create_trace_three_ways(service: TraceManagementService) -> None:
    """A request object, keywords and one dict make the same trace, and it is there at once."""
    results = [
        service.create_trace(CreateTraceRequest(**TRACE)),  # type: ignore[arg-type]
        service.create_trace(**TRACE),
        service.create_trace(TRACE),
        service.create_trace(
            CreateTraceRequest("ctx", "Nightly"), trace_type="custom", tags=["a"], metadata={"k": 1}
        ),
    ]
    for result in results:
        trace = result.unwrap()
        assert isinstance(trace, Trace)
        assert (trace.context_id, trace.name, trace.trace_type, trace.tags) == (
            "ctx",
            "Nightly",
            "custom",
            ["a"],
        )
        assert (dict(trace.metadata), trace.status, trace.duration_ms) == ({"k": 1}, TraceStatus.ACTIVE, None)
        assert service.get_trace_by_id(trace.trace_id).unwrap().trace == trace
    assert len({result.unwrap().trace_id for result in results}) == 4


def test_record_event_three_ways(service: TraceManagementService, trace: str) -> None:
    """The same for an event; what is given back is what is kept."""
    values: dict[str, Any] = {"trace_id": trace, "event_type": "step", "level": "warn", "data": {"n": 1}}
    events = [
        service.record_event(RecordEventRequest(**values)).unwrap(),
        service.record_event(**values).unwrap(),
        service.record_event(values).unwrap(),
    ]
    assert all((event.level, dict(event.data)) == (Level.WARN, {"n": 1}) for event in events)
    assert service.get_trace_by_id(trace).unwrap().events == events


def test_record_events_all_or_nothing(service: TraceManagementService, trace: str) -> None:
    """Many at once are one transaction: counted, or the error of the first bad one and nothing kept."""
    wanted: list[RecordEventRequest | Mapping[str, Any]] = [
        RecordEventRequest(trace, "a"),
        {"trace_id": trace, "event_type": "b"},
    ]
    assert service.record_events(wanted).unwrap().events == 2
    assert error_of(service.record_events([*wanted, {"trace_id": "nowhere", "event_type": "c"}])).code
    assert error_of(service.record_events([*wanted, {"trace_id": trace}])).code == "invalid_input"
    assert service.query_events().unwrap().total == 2
    assert service.record_events([]).unwrap().events == 0


@pytest.mark.parametrize(
    ("method", "status"),
    [("complete_trace", "completed"), ("fail_trace", "failed"), ("cancel_trace", "cancelled")],
)
def test_ends(service: TraceManagementService, trace: str, method: str, status: str) -> None:
    """Ending gives the trace; again changes nothing; another end is refused; nothing can be recorded."""
    ended = getattr(service, method)(trace).unwrap()
    assert (ended.status, ended.duration_ms > 0) == (status, True)
    assert getattr(service, method)(trace).unwrap() == ended
    other = service.cancel_trace if status != "cancelled" else service.complete_trace
    assert isinstance(error_of(other(trace)), TraceFinished)
    assert isinstance(error_of(service.record_event(trace_id=trace, event_type="late")), TraceFinished)
    assert isinstance(error_of(service.complete_trace("nowhere")), NotFound)


@pytest.mark.parametrize("method", ["complete_trace", "fail_trace", "cancel_trace"])
def test_ends_in_every_way_to_call(service: TraceManagementService, method: str) -> None:
    """An id, a keyword or one dict; time and message are those of an end."""
    end = getattr(service, method)
    for trace_id in "abc":
        service.create_trace(context_id="c", name="x", trace_id=trace_id).unwrap()
    assert end("a").unwrap().trace_id == "a"
    assert end(trace_id="b").unwrap().trace_id == "b"
    ended = end({"trace_id": "c", "message": "why", "at": "2999-01-01T00:00:00Z"}).unwrap()
    found = service.get_trace_by_id({"trace_id": "c", "max_events": 1}).unwrap()
    assert ([event.message for event in found.events], ended.completed_at.year) == (["why"], 2999)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"status": "active"}, "status: a trace does not end as active"),
        ({"status": "done"}, "status: 'done' is not one of active, completed, "),
        ({"status": None}, "status: 'None' is not one of "),
        ({"status": "failed", "trace_id": 5}, "trace_id: must be text"),
        ({"status": "failed", "trace_id": None}, "trace_id: must be text"),
    ],
)
def test_an_end_that_is_none_ends_nothing(
    service: TraceManagementService, trace: str, asked: dict[str, Any], said: str
) -> None:
    """The trace goes on taking events, and can be ended."""
    assert error_of(service.end_trace({"trace_id": trace, **asked})).message.startswith(said)
    service.record_event(trace_id=trace, event_type="goes_on").unwrap()
    service.complete_trace(trace).unwrap()
    assert service.flush().unwrap() == 3
    assert service.get_trace_by_id(trace).unwrap().trace.status == "completed"


def test_what_is_no_request_is_said(service: TraceManagementService, trace: str) -> None:
    """Another type than the request or a mapping is an invalid input, as any other is."""
    wrong: Any = RecordEventRequest(trace, "e")
    for result, name in (
        (service.create_trace(wrong), "CreateTraceRequest"),
        (service.record_event(trace), "RecordEventRequest"),  # type: ignore[arg-type]
        (service.record_events([trace]), "RecordEventRequest"),  # type: ignore[list-item]
        (service.query_traces(5), "TraceFilter"),  # type: ignore[arg-type]
    ):
        error = error_of(result)
        assert (error.code, error.message.partition(":")[0]) == ("invalid_input", name)
    assert error_of(service.get_trace_by_id(5)).message == "trace_id: must be text"  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="callback: 5 cannot be called"):
        service.add_event_listener(5)  # type: ignore[arg-type]


def test_end_trace_at_a_time_with_a_message(service: TraceManagementService) -> None:
    """An end has its own request: when, and why."""
    made = service.create_trace(context_id="c", name="x", started_at="2026-03-02T09:00:00Z").unwrap()
    request = EndTraceRequest(made.trace_id, TraceStatus.FAILED, "2026-03-02T09:00:01Z", "disk full")
    assert service.end_trace(request).unwrap().duration_ms == 1_000.0
    (event,) = service.get_trace_by_id(made.trace_id).unwrap().events
    assert (event.message, event.level, event.timestamp.second) == ("disk full", Level.ERROR, 1)


def test_query_ways(service: TraceManagementService, trace: str) -> None:
    """Filters and pages are objects or dicts; a result has rows, entities, the page and the total."""
    for at in range(5):
        service.record_event(trace_id=trace, event_type=f"e{at}", data={"n": at}).unwrap()
    by_object = service.query_events(EventFilter(data={"n": 3})).unwrap()
    by_dict = service.query_events({"data": {"n": 3}}).unwrap()
    assert by_object.rows == by_dict.rows == by_object.rows
    assert by_object.rows[0]["data"] == {"n": 3}
    page = service.query_events(pagination={"page": 2, "limit": 2, "sort": "event_type:desc"}).unwrap()
    assert ([event.event_type for event in page.events], page.page, page.limit, page.total) == (
        ["e2", "e1"],
        2,
        2,
        5,
    )
    found = service.query_traces(TraceFilter(context_ids=["ctx"]), pagination=Pagination(limit=1)).unwrap()
    assert ([one.trace_id for one in found.traces], found.total) == ([trace], 1)
    assert found.rows[0]["event_count"] == 5
    assert error_of(service.query_traces(aggregation=TraceAggregation(["no"]))).code == "invalid_input"


def test_get_trace_by_id(service: TraceManagementService, trace: str) -> None:
    """Events in order of time, then of arrival; the summary is of all, however many are given."""
    for name, stamp in (("b", "09:00:01"), ("c", "09:00:01"), ("a", "09:00:00")):
        service.record_event(
            trace_id=trace, event_type=name, timestamp=f"2026-03-02T{stamp}Z", duration_ms=5
        ).unwrap()
    found = service.get_trace_by_id(trace, max_events=2).unwrap()
    assert [event.event_type for event in found.events] == ["a", "b"]
    assert (found.summary.total_events, found.summary.event_durations["c"].avg) == (3, 5.0)
    assert isinstance(error_of(service.get_trace_by_id(trace[:8])), NotFound)


def test_export_and_import(service: TraceManagementService, trace: str, tmp_path: Path) -> None:
    """Both take a request, keywords or a dict, and report what was moved."""
    service.record_event(trace_id=trace, event_type="e").unwrap()
    service.complete_trace(trace).unwrap()
    path = str(tmp_path / "out.jsonl")
    for report in (
        service.export_traces(ExportRequest(path)).unwrap(),
        service.export_traces(destination=path, filter=TraceFilter(trace_ids=[trace])).unwrap(),
        service.export_traces({"destination": path, "filter": {"trace_ids": [trace]}}).unwrap(),
    ):
        assert (report.destination, report.format, report.traces, report.events) == (path, "jsonl", 1, 1)
        assert (report.files, report.bytes) == ((path,), Path(path).stat().st_size)
    options = TraceModuleOptions(data_source=str(tmp_path / "other.duckdb"))
    with initialize_trace_module(options) as other:
        target = other.trace_management_service
        assert target.import_files(ImportRequest([path])).unwrap().counts.events == 1
        assert target.import_files({"files": [path]}).unwrap().skipped == [path]
        assert target.get_trace_by_id(trace).unwrap() == service.get_trace_by_id(trace).unwrap()


def test_keeping(service: TraceManagementService, trace: str) -> None:
    """`flush`, `info`, `doctor`, the rejects: the figures of a store."""
    assert service.info().unwrap().waiting == 1
    assert service.flush().unwrap() == 1
    assert (service.info().unwrap().waiting, service.info().unwrap().traces) == (0, 1)
    assert {finding.state for finding in service.doctor().unwrap()} == {"ok"}
    assert service.retry_rejects().unwrap().rejected == 0
    assert service.clear_rejects().unwrap() == 0
    assert (service.resolve_open(trace[:6]), service.resolve_trace("@last")) == (trace, trace)


# -- results ---------------------------------------------------------------------------------------


def test_results_carry_every_fault(service: TraceManagementService) -> None:
    """An error has a code, one line with every fault, and details; `unwrap` raises it."""
    error = error_of(service.record_event(trace_id="@x", event_type="", level="loud", duration_ms=-1))
    assert error.code == "invalid_input"
    assert len(error.details["problems"]) == 4
    assert "\n" not in error.message
    with pytest.raises(TraceError, match="duration_ms"):
        service.record_event(trace_id="t", event_type="e", duration_ms=-1).unwrap()
    assert "name: required" in error_of(service.create_trace(context_id="c")).message
    assert "colour: " in error_of(service.create_trace(context_id="c", name="x", colour="red")).message


def test_record_event_names_what_is_missing_or_unknown(service: TraceManagementService, trace: str) -> None:
    """In the same words, whichever way it is called."""
    unknown = {"trace_id": trace, "event_type": "e", "colour": "red"}
    for fields, said in (
        ({}, "event_type: required; trace_id: required"),
        ({"trace_id": trace}, "event_type: required"),
        ({"event_type": "e"}, "trace_id: required"),
        (unknown, "colour: RecordEventRequest has no such field"),
    ):
        assert error_of(service.record_event(**fields)).message == said
        assert error_of(service.record_event(fields)).message == said


def test_a_request_names_only_what_it_must_have(service: TraceManagementService) -> None:
    """A field with a default is not asked for: create_trace makes a trace_id itself."""
    assert error_of(service.create_trace(name="n")).message == "context_id: required"
    assert error_of(service.create_trace({"context_id": "c"})).message == "name: required"
    assert error_of(service.export_traces(format="jsonl")).message == "destination: required"


# -- listeners -------------------------------------------------------------------------------------


def test_listeners_hear_in_order(service: TraceManagementService, trace: str) -> None:
    """Each event recorded through this module, one or many, in order; a filter narrows; removing ends it."""
    heard: list[str] = []
    warned: list[str] = []

    def hear(event: Event) -> None:
        heard.append(event.event_type)

    def hear_warnings(event: Event) -> None:
        warned.append(event.event_type)

    service.add_event_listener(hear)
    service.add_event_listener(hear_warnings, EventFilter(min_level="warn", data={"n": 1}))
    service.record_event(trace_id=trace, event_type="a").unwrap()
    service.record_events(
        [
            {"trace_id": trace, "event_type": "b", "level": "error", "data": {"n": 1}},
            {"trace_id": trace, "event_type": "c", "level": "error", "data": {"n": 2}},
        ]
    ).unwrap()
    assert not service.record_event(trace_id="nowhere", event_type="refused").success
    service.remove_event_listener(hear)
    service.record_event(trace_id=trace, event_type="d").unwrap()
    service.remove_event_listener(hear_warnings)
    assert (heard, warned) == (["a", "b", "c"], ["b"])


def test_a_listener_that_raises_hurts_nobody(
    service: TraceManagementService, trace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; recording succeeds, and the next listener hears."""
    heard: list[Event] = []

    def raises(event: Event) -> None:
        raise RuntimeError("mine")

    service.add_event_listener(raises)
    service.add_event_listener(heard.append)
    with caplog.at_level(logging.ERROR, "mplp_trace_cli"):
        event = service.record_event(trace_id=trace, event_type="a").unwrap()
        service.remove_event_listener(raises)
    service.remove_event_listener(heard.append)
    assert heard == [event]
    assert "an event listener raised" in caplog.text
    assert service.query_events().unwrap().total == 1


def test_listeners_can_be_switched_off(tmp_path: Path) -> None:
    """`enable_real_time_monitoring=False` refuses them, saying which option it is."""
    options = TraceModuleOptions(data_source=str(tmp_path / "t.duckdb"), enable_real_time_monitoring=False)
    with initialize_trace_module(options) as module, pytest.raises(TraceError) as refused:
        module.trace_management_service.add_event_listener(print)
    assert (refused.value.code, refused.value.hint) == (
        "feature_disabled",
        "enable_real_time_monitoring = true",
    )


# -- the module ------------------------------------------------------------------------------------


def test_a_module_folds_when_it_closes(tmp_path: Path) -> None:
    """What was recorded is in the store afterwards; closing twice is fine, leaving the context too."""
    store = tmp_path / "traces.duckdb"
    with initialize_trace_module(TraceModuleOptions(data_source=str(store))) as module:
        module.trace_management_service.create_trace(context_id="c", name="x").unwrap()
        module.close()
        module.close()
    with initialize_trace_module(TraceModuleOptions(data_source=str(store))) as again:
        info = again.trace_management_service.info().unwrap()
    assert (info.waiting, info.traces) == (0, 1)


def test_options_hold(tmp_path: Path) -> None:
    """Level, size and checks of events are options of the module."""
    config = EventConfig(max_event_bytes=100, default_level="debug", validate_standard_events=False)
    options = TraceModuleOptions(data_source=str(tmp_path / "t.duckdb"), event_config=config)
    with initialize_trace_module(options) as module:
        service = module.trace_management_service
        trace = service.create_trace(context_id="c", name="x").unwrap().trace_id
        assert service.record_event(trace_id=trace, event_type="stage_started").unwrap().level == "debug"
        assert (
            "more than the 100"
            in error_of(service.record_event(trace_id=trace, event_type="x" * 101)).message
        )


@pytest.mark.parametrize("is_replaced", [True, False])
def test_what_goes_into_an_inbox_that_is_there_no_more_is_not_acknowledged(
    module: TraceModule, tmp_path: Path, is_replaced: bool
) -> None:
    """Somebody removed it, or put another in its place, under an open module."""
    service = module.trace_management_service
    trace = service.create_trace(context_id="c", name="x").unwrap().trace_id
    inbox = tmp_path / "traces.duckdb.inbox"
    inbox.rename(tmp_path / "elsewhere")
    if is_replaced:
        inbox.write_bytes((tmp_path / "elsewhere").read_bytes())
    for answer in (
        service.record_event(trace_id=trace, event_type="a"),
        service.create_trace(context_id="c", name="y"),
    ):
        error = error_of(answer)
        assert (error.code, "was replaced or removed" in error.message) == ("store_busy", True)


def test_two_modules_on_one_store(module: TraceModule, tmp_path: Path) -> None:
    """Each sees what the other recorded, folded or not."""
    first = module.trace_management_service
    with initialize_trace_module(TraceModuleOptions(data_source=str(tmp_path / "traces.duckdb"))) as other:
        second = other.trace_management_service
        trace = first.create_trace(context_id="c", name="x").unwrap().trace_id
        second.record_event(trace_id=trace, event_type="a").unwrap()
        second.flush().unwrap()
        first.record_event(trace_id=trace, event_type="b").unwrap()
        for service in (first, second):
            assert [one.event_type for one in service.get_trace_by_id(trace).unwrap().events] == ["a", "b"]


def test_every_public_name_is_there() -> None:
    """`from mplp_trace_cli import *` takes them all, each from its home."""
    import mplp_trace_cli

    for name in mplp_trace_cli.__all__:
        assert getattr(mplp_trace_cli, name).__name__ == name
