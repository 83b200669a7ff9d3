"""`@traced`: the function is what it was, and each call is an event."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_trace_cli import Event, Scope, TraceModule, current, event, step, traced, use_module
from mplp_trace_cli.domain.captured import captured
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import parse
from tests.conftest import examples


@pytest.fixture(autouse=True)
def _used(module: TraceModule) -> Iterator[None]:
    """The module of the test is that of the program."""
    use_module(module)
    yield
    use_module(None)


def events(module: TraceModule, event_type: str | None = None) -> list[Event]:
    """All events there are, or those of a type, in the order of arrival."""
    found = module.trace_management_service.query_events().unwrap().events
    return [one for one in found if event_type in (None, one.event_type)]


def calls(module: TraceModule) -> list[dict[str, Any]]:
    """The data of the calls."""
    return [dict(one.data) for one in events(module, "function_call")]


@traced
def double(number: int, *, times: int = 2) -> int:
    """Doubles."""
    return number * times


class Shop:
    """Has methods of every kind."""

    @traced(capture_args=True)
    def plain(self, count: int) -> int:
        """Gives it back."""
        return count

    @traced
    @classmethod
    def below(cls) -> str:
        """With the decorator above."""
        return cls.__name__

    @classmethod
    @traced
    def above(cls) -> str:
        """With the decorator below."""
        return cls.__name__

    @staticmethod
    @traced
    def static(word: str) -> str:
        """Gives it back."""
        return word

    @traced
    @staticmethod
    def static_below(word: str) -> str:
        """Gives it back."""
        return word


def test_a_call_is_an_event(module: TraceModule) -> None:
    """With its name, duration, source and outcome; without a trace it opens one of its own name."""
    assert double(21) == 42
    (call,) = events(module)
    assert dict(call.data) == {"function": "double", "status": "success"}
    assert (call.event_type, call.source, call.level.value, call.message) == (
        "function_call",
        __name__,
        "info",
        "double",
    )
    assert call.duration_ms is not None
    (trace,) = module.trace_management_service.query_traces().unwrap().traces
    assert (trace.name, trace.status.value, trace.trace_id) == ("double", "completed", call.trace_id)


def test_it_is_still_that_function(module: TraceModule) -> None:
    """Name, docstring, signature and kind stay."""
    assert (double.__name__, double.__doc__) == ("double", "Doubles.")
    assert list(inspect.signature(double).parameters) == ["number", "times"]

    @traced
    async def one() -> None: ...

    @traced
    async def many() -> AsyncIterator[int]:
        yield 1

    @traced
    def some() -> Iterator[int]:
        yield 1

    assert inspect.iscoroutinefunction(one)
    assert inspect.isasyncgenfunction(many)
    assert inspect.isgeneratorfunction(some)


def test_methods(module: TraceModule) -> None:
    """Methods, class methods and static methods, the decorator on either side; no `self` is captured."""
    shop = Shop()
    assert (shop.plain(3), Shop.above(), shop.static("a")) == (3, "Shop", "a")
    assert (Shop.below(), shop.static_below("b")) == ("Shop", "b")
    told = calls(module)
    assert [one["function"].split(".")[1] for one in told] == [
        "plain",
        "above",
        "static",
        "below",
        "static_below",
    ]
    assert told[0]["arguments"] == {"count": 3}


def test_calls_within_calls_make_a_tree(module: TraceModule) -> None:
    """What happens inside a call hangs on it, in one trace."""

    @traced
    def outer() -> None:
        event("noted", data={"a": 1})
        with step("work"):
            double(1)

    outer()
    found = {one.message or one.event_type: one for one in events(module)}
    whole = next(one for name, one in found.items() if name.endswith("outer"))
    stage = next(one for one in events(module) if one.event_type == "stage_started")
    assert found["noted"].parent_event_id == stage.parent_event_id == whole.event_id
    assert found["double"].parent_event_id == stage.event_id
    assert len({one.trace_id for one in events(module)}) == 1


def test_an_exception_is_recorded_and_goes_on(module: TraceModule) -> None:
    """It is the same object, with one frame more; told once, however many calls it leaves."""
    raised = KeyError("no such order")

    @traced
    def inner() -> None:
        raise raised

    @traced(level="debug")
    def outer() -> None:
        inner()

    with pytest.raises(KeyError) as caught:
        outer()
    assert caught.value is raised
    names = [frame.name for frame in traceback.extract_tb(raised.__traceback__)]
    assert names == ["test_an_exception_is_recorded_and_goes_on", "called", "outer", "called", "inner"]
    (told,) = events(module, "exception")
    assert (told.level.value, told.data["type"], told.message) == (
        "error",
        "KeyError",
        "KeyError: 'no such order'",
    )
    assert "raise raised" in told.data["traceback"]
    assert [(one["status"]) for one in calls(module)] == ["failure", "failure"]
    assert [one.level.value for one in events(module, "function_call")] == ["warn", "warn"]
    (trace,) = module.trace_management_service.query_traces().unwrap().traces
    assert trace.status == "failed"


def test_arguments_and_results(module: TraceModule) -> None:
    """Only when they are asked for: all, or some by name; what is no JSON as its repr, cut short."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    @traced(capture_args=True, capture_result=True, name="all")
    def everything(first: object, *rest: object, word: str = "x", **more: object) -> object:
        return first

    @traced(capture_args=["user"], source="login")
    def login(user: str, password: str) -> None:
        return None

    everything(Odd(), 1, 2, extra=[None, 1.5])
    everything("y" * 10_000)
    login("ann", password="secret")
    with pytest.raises(TypeError):
        login("ann")  # type: ignore[call-arg]
    first, second, third, wrong = calls(module)
    assert first["arguments"]["rest"] == [1, 2]
    assert first["arguments"]["more"] == {"extra": [None, 1.5]}
    assert first["arguments"]["word"] == "x"
    assert first["result"].startswith("<Odd instance at")
    assert len(second["result"]) == 2_001
    assert third["arguments"] == {"user": "ann"}
    assert wrong == {"function": first_word(login), "status": "failure", "arguments": {}}
    assert "secret" not in str([one.data.text for one in events(module)])
    assert events(module, "function_call")[2].source == "login"


def first_word(function: Any) -> str:
    """The name a function is recorded under."""
    return str(function.__qualname__)


def test_options_that_cannot_be() -> None:
    """They are refused where the function is defined."""
    with pytest.raises(InvalidInput, match="level"):
        traced(level="loud")(double)
    with pytest.raises(InvalidInput, match="no argument 'b'"):
        traced(capture_args=["b"])(lambda a: a)
    with pytest.raises(InvalidInput, match="list of names"):
        traced(capture_args="a")(lambda a: a)
    with pytest.raises(InvalidInput, match="not a function"):
        traced(Shop)


def test_generators(module: TraceModule) -> None:
    """Send, throw, close and the value returned pass through; the call is current inside alone."""

    @traced
    def talk() -> Generator[str, str, str]:
        said = yield "hello"
        with step("listening"):
            try:
                yield said.upper()
            except ValueError as error:
                event("heard", str(error))
                yield "sorry"
        return "bye"

    talking = talk()
    assert (next(talking), current()) == ("hello", None)
    assert (talking.send("what"), current()) == ("WHAT", None)
    assert talking.throw(ValueError("no")) == "sorry"
    with pytest.raises(StopIteration) as over:
        next(talking)
    assert over.value.value == "bye"
    (call,) = events(module, "function_call")
    assert (call.data["items"], call.data["status"]) == (3, "success")
    stage = events(module, "stage_started")[0]
    assert stage.parent_event_id == call.event_id
    assert events(module, "heard")[0].parent_event_id == stage.event_id


def test_a_generator_left_early_and_one_that_fails(module: TraceModule) -> None:
    """Leaving early is no failure and its `finally` runs; an exception of its own is one."""
    ended = []

    @traced
    def numbers(most: int) -> Iterator[int]:
        try:
            yield from range(most)
            raise OSError("broken")
        finally:
            ended.append(most)

    for number in numbers(5):
        if number == 1:
            break
    with pytest.raises(OSError, match="broken"):
        list(numbers(2))
    assert ended == [5, 2]
    assert [(one["items"], one["status"]) for one in calls(module)] == [(2, "success"), (2, "failure")]


def test_async_functions_and_tasks(module: TraceModule) -> None:
    """Tasks side by side each have their own place in the tree."""

    @traced
    async def fetch(name: str) -> str:
        await asyncio.sleep(0.001)
        event("fetched", name)
        await asyncio.to_thread(event, "parsed", name)
        return name

    @traced
    async def whole() -> list[str]:
        return [*await asyncio.gather(fetch("a"), fetch("b"), fetch("c"))]

    assert asyncio.run(whole()) == ["a", "b", "c"]
    parents = {one.event_id: one for one in events(module, "function_call")}
    for kind in ("fetched", "parsed"):
        under = [parents[one.parent_event_id or ""] for one in events(module, kind)]
        assert len({one.event_id for one in under}) == 3
        assert len({one.parent_event_id for one in under}) == 1
    assert len({one.trace_id for one in events(module)}) == 1


def test_async_generators(module: TraceModule) -> None:
    """Iterated over, sent to, thrown into and closed; the consumer never sees its scopes."""

    @traced
    async def pages() -> Any:
        with step("reading"):
            for number in range(9):
                try:
                    got = yield number
                    event("got", data={"got": got})
                except ValueError:
                    yield "again"

    async def consume() -> None:
        stream = pages()
        assert await anext(stream) == 0
        assert current() is None
        assert await stream.asend("x") == 1
        assert await stream.athrow(ValueError()) == "again"
        await stream.aclose()
        assert [one async for one in pages()] == list(range(9))

    asyncio.run(consume())
    assert [(one["items"], one["status"]) for one in calls(module)] == [(3, "success"), (9, "success")]
    assert events(module, "got")[0].data["got"] == "x"
    assert len(events(module, "stage_completed")) == 2


def test_a_cancelled_task(module: TraceModule) -> None:
    """It is cancelled, and so is its trace; nothing is told at level error."""

    @traced
    async def wait() -> None:
        await asyncio.sleep(30)

    async def cancel() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    (trace,) = module.trace_management_service.query_traces().unwrap().traces
    assert trace.status == "cancelled"
    assert [one.level.value for one in events(module)] == ["warn", "warn"]


def test_what_cannot_be_recorded_hurts_nobody(
    module: TraceModule, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The function runs, and one line in the log says why; so with a fault that nobody has foreseen."""
    monkeypatch.setattr("mplp_trace_cli.service.complaints._told", {})
    trace = module.trace("over")
    with caplog.at_level(logging.WARNING, "mplp_trace_cli"), trace:
        trace.complete()
        assert [double(number) for number in range(50)] == [2 * number for number in range(50)]
        monkeypatch.setattr(Scope, "made", lambda *_, **_given: 1 / 0)
        assert [double(number) for number in range(50)] == [2 * number for number in range(50)]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert "is completed: nothing more can be recorded" in caplog.messages[0]
    assert "ZeroDivisionError" in caplog.messages[1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(15))
@given(value=values, most=st.integers(1, 60))
def test_a_captured_value_is_json(value: object, most: int) -> None:
    """Whatever it is: JSON text of bounded length, and the value itself where that fits."""
    text = captured(value, most)
    parse(text)
    assert len(text) <= 12 * most + 20  # an escaped character has twelve at most
    if isinstance(value, int | str) and len(str(value)) <= most // 8:
        assert parse(text) == value


def test_an_exception_that_is_no_text_is_told(module: TraceModule) -> None:
    """Half of a surrogate pair in it, or in the name of a step, keeps nothing from being recorded."""

    @traced
    def read() -> None:
        raise ValueError("\udcff.txt")

    with pytest.raises(ValueError, match="txt"), module.trace("t"), step("\ud800"):
        read()
    told = [(one.event_type, one.message) for one in events(module)]
    assert told == [
        ("stage_started", "\\ud800"),
        ("exception", "ValueError: \\udcff.txt"),
        (
            "function_call",
            "test_an_exception_that_is_no_text_is_told.<locals>.read: ValueError: \\udcff.txt",
        ),
        ("stage_completed", "\\ud800: ValueError: \\udcff.txt"),
    ]
