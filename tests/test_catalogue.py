"""The catalogue of lifecycle events, and recorders that stamp their source."""

from __future__ import annotations

import pytest

from mplp_trace_cli import TraceModule
from mplp_trace_cli.domain.catalogue import CATALOGUE, events_of, source_of
from tests.conftest import Cli
from tests.test_completion import complete

NAMED = {
    "context": "context_created context_status_changed",
    "plan": "plan_created task_status_changed plan_completed",
    "confirm": "confirmation_created approval_submitted confirmation_completed",
    "role": "role_created role_assigned permission_checked",
    "extension": "extension_activated extension_executed",
    "core": "workflow_started stage_started stage_completed stage_failed workflow_completed workflow_failed",
}


def test_it_knows_what_the_documents_name() -> None:
    """Exactly the lifecycle events of the six modules, each of one source."""
    assert {source: tuple(names.split()) for source, names in NAMED.items()} == dict(CATALOGUE)
    for source, names in CATALOGUE.items():
        assert events_of(source) == names
        assert all(source_of(name) == source for name in names)


def test_what_it_does_not_know() -> None:
    """An unknown type and an unknown source."""
    assert (source_of("cache_miss"), events_of("billing")) == (None, ())


@pytest.mark.parametrize(("source", "event_type"), [("plan", "plan_created"), ("billing", "y")])
def test_a_recorder_stamps_its_source(module: TraceModule, source: str, event_type: str) -> None:
    """Known and unknown ones alike; the other fields are those of an event."""
    recorder = module.for_source(source)
    assert recorder.events == events_of(source)
    with module.trace("t") as trace:
        assert trace.trace_id is not None
        event = recorder.record(trace.trace_id, event_type, level="warn", data={"n": 1}).unwrap()
    assert (event.source, event.event_type, event.level.value, dict(event.data)) == (
        source,
        event_type,
        "warn",
        {"n": 1},
    )


def test_a_recorder_answers_as_the_service_does(module: TraceModule) -> None:
    """What cannot be recorded is a result with an error."""
    recorder = module.for_source("core")
    assert recorder.record("nowhere", "x").success is False
    with module.trace("t") as trace:
        assert trace.trace_id is not None
        refused = recorder.record(trace.trace_id, "workflow_started")
    assert refused.error is not None
    assert refused.error.message.startswith("data.workflow_id: required")


def test_the_shell_completes_types(cli: Cli) -> None:
    """Lifecycle events and standard events; the first word may be any other."""
    assert complete(cli, "mplp-trace record plan_") == ["plan_created", "plan_completed"]
    assert complete(cli, "mplp-trace record perf") == ["performance_metric"]
