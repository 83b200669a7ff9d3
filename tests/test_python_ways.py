"""Traces and steps as blocks: how they end, where events go, threads, the environment, the end."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mplp_trace_cli import (
    Event,
    Trace,
    TraceModule,
    TraceModuleOptions,
    carry,
    current,
    event,
    initialize_trace_module,
    step,
    trace,
    use_module,
)
from mplp_trace_cli.domain.errors import AlreadyExists, InvalidInput
from mplp_trace_cli.domain.json_text import JsonObject
from tests.conftest import Cli


@pytest.fixture(autouse=True)
def _used(module: TraceModule, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module of the test is that of the program, and what goes wrong is told anew."""
    monkeypatch.setattr("mplp_trace_cli.service.complaints._told", {})
    monkeypatch.setattr("mplp_trace_cli.service.scopes._over", {})
    use_module(module)
    yield
    use_module(None)


def traces(module: TraceModule) -> dict[str, Trace]:
    """All traces by name."""
    return {one.name: one for one in module.trace_management_service.query_traces().unwrap().traces}


def events(module: TraceModule) -> list[Event]:
    """All events in the order of arrival."""
    return list(module.trace_management_service.query_events().unwrap().events)


# -- how they end ----------------------------------------------------------------------------------


def test_blocks_that_are_left_out_of_order_leave_nothing_behind(module: TraceModule) -> None:
    """The innermost is always one that is open, in this thread; what is left elsewhere changes nothing."""
    first, second, elsewhere = module.trace("first"), module.trace("second"), step("elsewhere")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert current() is second
    second.__exit__(None, None, None)
    assert current() is None
    with module.trace("around") as around:
        entering = threading.Thread(target=elsewhere.__enter__)
        entering.start()
        entering.join()
        elsewhere.__exit__(None, None, None)
        assert current() is around


def test_a_block_that_is_entered_twice_is_left_twice(module: TraceModule, tmp_path: Path) -> None:
    """It is one trace, and another module finds its way past it."""
    with module.trace("t") as one, one, step("s") as inner, inner, inner:
        event("e")
    assert current() is None
    assert [found.status.value for found in traces(module).values()] == ["completed"]
    other = initialize_trace_module(TraceModuleOptions(data_source=str(tmp_path / "other.duckdb")))
    with other, step("s") as inner, inner, other.step("own"):
        event("e")


def test_a_trace_is_what_its_options_say(module: TraceModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields of CreateTraceRequest; the context from the environment; an unknown field is refused."""
    monkeypatch.setenv("MPLP_CONTEXT_ID", "shop")
    with module.trace("Nightly", tags=["etl"], metadata={"k": 1}, timeout=60_000, trace_type="custom") as one:
        assert (one.status, current()) == (None, one)
    with trace("Other", context_id="mine"):
        pass
    made = traces(module)
    assert (made["Nightly"].trace_id, made["Nightly"].tags) == (one.trace_id, ["etl"])
    assert (made["Nightly"].context_id, made["Other"].context_id) == ("shop", "mine")
    assert (made["Nightly"].status, one.status, current()) == ("completed", "completed", None)
    assert made["Nightly"].expires_at is not None
    with pytest.raises(InvalidInput, match="colour: CreateTraceRequest has no such field"):
        trace("x", colour="red")  # type: ignore[call-arg]
    with pytest.raises(InvalidInput, match="name: required"), trace(""):
        pass
    with pytest.raises(AlreadyExists), trace("x", trace_id=one.trace_id):
        pass


@pytest.mark.parametrize(
    ("error", "status", "stage", "levels"),
    [
        (ValueError("no"), "failed", "failure", ["error", "warn"]),
        (SystemExit(3), "failed", "failure", ["error", "warn"]),
        (SystemExit(0), "completed", "success", ["info"]),
        (GeneratorExit(), "completed", "success", ["info"]),
        (KeyboardInterrupt(), "cancelled", "failure", ["warn", "warn"]),
        (asyncio.CancelledError(), "cancelled", "failure", ["warn", "warn"]),
    ],
)
def test_how_a_block_ends(
    module: TraceModule, error: BaseException, status: str, stage: str, levels: list[str]
) -> None:
    """An exception ends a trace as what it means, is told once, in the innermost step, and goes on."""
    with pytest.raises(type(error)) as caught, trace("t"), step("outer"), step("inner"):
        raise error
    assert caught.value is error
    assert traces(module)["t"].status == status
    told = events(module)
    assert [one.data["status"] for one in told if one.event_type == "stage_completed"] == [stage] * 2
    assert [one.level.value for one in told[2:-1]] == levels
    if stage == "failure":
        assert (told[2].event_type, told[2].parent_event_id) == ("exception", told[1].event_id)


def test_ended_by_hand(module: TraceModule) -> None:
    """A trace may be ended before its block; a step may fail without an exception."""
    with trace("failed") as one:
        one.fail("no disk")
    with trace("cancelled") as two:
        two.cancel()
        two.complete()
    with step("alone") as stage:
        stage.fail("nothing to do")
    assert {name: one.status.value for name, one in traces(module).items()} == {
        "failed": "failed",
        "cancelled": "cancelled",
        "alone": "failed",
    }
    told = {one.event_type: one for one in events(module)}
    assert told["trace_failed"].message == "no disk"
    assert (told["stage_completed"].level.value, told["stage_completed"].message) == (
        "error",
        "alone: nothing to do",
    )


def test_steps_make_a_tree(module: TraceModule) -> None:
    """Events hang on the step they are in; the end of a step has its duration, data and output."""
    with trace("t") as whole, step("outer", data={"n": 1}, source="core") as outer:
        event("in_outer")
        with outer.step("inner") as inner:
            event("in_inner", "text", level="warn", data={"odd": object}, duration_ms=3)
            inner.output = {"rows": 3}
            inner.set_data(more=[1])
        whole.event("on_the_trace")
    started, in_outer, inner_started, in_inner, inner_ended, on_trace, ended = events(module)
    assert (started.data.text, started.source, started.message) == (
        '{"stage":"outer","n":1}',
        "core",
        "outer",
    )
    assert in_outer.parent_event_id == inner_started.parent_event_id == started.event_id
    assert in_inner.parent_event_id == inner_ended.parent_event_id == inner_started.event_id
    assert (in_inner.message, dict(in_inner.data), in_inner.duration_ms) == (
        "text",
        {"odd": "<class 'object'>"},
        3,
    )
    assert inner_ended.data.text == '{"stage":"inner","status":"success","output":{"rows":3},"more":[1]}'
    assert on_trace.parent_event_id is None
    assert (ended.data["n"], ended.parent_event_id) == (1, started.event_id)
    assert ended.duration_ms is not None
    assert inner_ended.duration_ms is not None
    assert ended.duration_ms > inner_ended.duration_ms
    with pytest.raises(InvalidInput, match="status: is said by the step itself"):
        step("x", data={"status": "y"})


def test_what_event_is_given_is_kept(module: TraceModule) -> None:
    """A mapping as its JSON; a JSON object and text to the letter; what JSON cannot say as `repr` says it."""
    with module.trace("t"):
        for data in ({"a": 1}, {}, None, JsonObject('{"a":1.50,"a":2}'), '{ "a": 1 }', {"a": {1}}):
            event("e", data=data)
    kept = ['{"a":1}', "{}", "{}", '{"a":1.50,"a":2}', '{ "a": 1 }', '{"a":"{1}"}']
    assert [one.data.text for one in events(module)] == kept


def test_nothing_that_is_recorded_inside_raises(
    module: TraceModule, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong event, a trace that is over and one that expired are told in the log, once each."""
    with trace("t") as one:
        assert event("x", level="loud") is None
        assert event("") is None
        assert event("fine") is not None
        one.complete()
        assert [event("late") for _ in range(5)] == [None] * 5
        with step("late"):
            pass
    assert event("nowhere") is None
    assert [record.message[:20] for record in caplog.records if record.name == "mplp_trace_cli"] == [
        "not recorded: level:",
        "not recorded: trace ",
    ]
    assert [one.event_type for one in events(module)] == ["fine"]


def test_a_store_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The block runs, everything in it does nothing, and one line says why."""
    (tmp_path / "file").write_text("")
    with (
        initialize_trace_module(
            TraceModuleOptions(data_source=str(tmp_path / "file" / "t.duckdb"))
        ) as broken,
        broken.trace("t") as one,
        step("s") as stage,
    ):
        assert (one.trace_id, stage.trace_id, event("x")) == (None, None, None)
        stage.output = 1
    assert len([record for record in caplog.records if record.name == "mplp_trace_cli"]) == 1


# -- where they are current ------------------------------------------------------------------------


def test_tasks_and_async_blocks(module: TraceModule) -> None:
    """Tasks have the step they were made in, and steps of their own side by side."""

    async def work(name: str) -> None:
        async with step(name):
            await asyncio.sleep(0.001)
            event("worked", name)

    async def main() -> None:
        async with trace("t"), step("all"):
            await asyncio.gather(*(work(name) for name in "abc"))

    asyncio.run(main())
    found = events(module)
    stages = {one.event_id: one for one in found if one.event_type == "stage_started"}
    for one in found:
        if one.event_type == "worked":
            own = stages[one.parent_event_id or ""]
            assert own.data["stage"] == one.message
            assert stages[own.parent_event_id or ""].data["stage"] == "all"


def _mapped(number: int) -> str | None:
    return event("mapped", data={"n": number})


def test_threads_and_executors(module: TraceModule) -> None:
    """`carry` takes the current step into threads, many at once; without it a thread has none."""
    with trace("t"), step("all") as stage, ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(carry(_mapped), range(50)))
        assert pool.submit(carry(lambda: current() is stage)).result()
        assert pool.submit(current).result() is None
        thread = threading.Thread(target=carry(event), args=("threaded",))
        thread.start()
        thread.join()
    told = [one for one in events(module) if one.event_type in ("mapped", "threaded")]
    assert {one.event_id for one in told[:50]} == set(ids)
    assert {one.parent_event_id for one in told} == {stage.event_id}
    assert len(told) == 51


def test_two_modules(module: TraceModule, tmp_path: Path) -> None:
    """A step of another module does not go into the trace of the first."""
    with initialize_trace_module(TraceModuleOptions(data_source=str(tmp_path / "other.duckdb"))) as other:
        with module.trace("mine"), other.step("theirs"), module.step("inner"), step("innermost"):
            pass
        assert set(traces(other)) == {"theirs"}
        assert [one.data["stage"] for one in events(other)] == ["theirs", "theirs"]
    assert [one.data["stage"] for one in events(module)][:2] == ["inner", "innermost"]
    assert set(traces(module)) == {"mine"}


def test_the_store_of_the_environment_may_begin_with_a_tilde(
    module: TraceModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the same store as that of a module that was made with it: what is recorded is not dropped."""
    service = module.trace_management_service
    folder, name = os.path.split(service.paths.store)
    monkeypatch.setenv("HOME", folder)
    monkeypatch.setenv("MPLP_TRACE_DB", f"~/{name}")
    monkeypatch.setenv("MPLP_TRACE_ID", service.create_trace(context_id="c", name="n").unwrap().trace_id)
    event("kept")
    assert [one.event_type for one in events(module)] == ["kept"]


def test_the_trace_of_the_environment(module: TraceModule, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `run` and `step` have set is current where the program has opened nothing; of the same store."""
    monkeypatch.delenv("MPLP_TRACE_DB", raising=False)
    service = module.trace_management_service
    around = service.create_trace(context_id="c", name="around").unwrap()
    monkeypatch.delenv("MPLP_TRACE_DB", raising=False)
    monkeypatch.setenv("MPLP_TRACE_ID", around.trace_id)
    monkeypatch.setenv("MPLP_PARENT_EVENT_ID", "parent-1")
    event("one")
    with module.step("two"):
        pass
    with trace("own"):
        event("three")
    monkeypatch.setenv("MPLP_TRACE_DB", "/elsewhere/t.duckdb")
    with step("four"):
        pass
    kept = {(one.event_type, one.message): one for one in events(module)}
    assert kept["one", None].parent_event_id == kept["stage_started", "two"].parent_event_id == "parent-1"
    assert kept["one", None].trace_id == kept["stage_completed", "two"].trace_id == around.trace_id
    assert kept["three", None].parent_event_id is None
    assert set(traces(module)) == {"around", "own", "four"}


# -- the end ---------------------------------------------------------------------------------------

FORGETS = """
import sys, threading, time
from mplp_trace_cli import event, initialize_trace_module, step, trace, traced

def late(one):
    time.sleep(0.3)
    one.event("late")

@traced
def main():
    event("said")

if sys.argv[1] == "default":
    main()
else:
    module = initialize_trace_module()
    module.trace_management_service.add_event_listener(lambda event: None)
    block = module.trace("t")
    one = block.__enter__()
    threading.Thread(target=late, args=(one,)).start()
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""


@pytest.mark.parametrize(("how", "kept"), [("default", 2), ("threads", 1)])
def test_a_program_that_forgets_to_close(cli: Cli, how: str, kept: int) -> None:
    """Nothing is lost, threads that still run are waited for, all is folded, and nothing is printed."""
    words = [sys.executable, "-W", "error", "-c", FORGETS, how]
    done = subprocess.run(
        words, capture_output=True, text=True, env=cli.environment(), timeout=50, cwd=cli.folder
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert '"waiting":0' in cli.ok("info", "--json").replace(" ", "")
    assert cli.ok("events", "--format", "jsonl").count('"event_id"') == kept


def test_a_module_that_nobody_has(tmp_path: Path) -> None:
    """It is collected, and its thread ends, unless somebody has its service still."""
    options = TraceModuleOptions(data_source=str(tmp_path / "t.duckdb"))
    service = initialize_trace_module(options).trace_management_service
    gc.collect()
    assert service.create_trace(context_id="c", name="n").success
    service.close()
    gone = weakref.ref(service)
    del service
    gc.collect()
    assert gone() is None
