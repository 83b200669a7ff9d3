"""`@traced`: a call of a function becomes an event with its duration, and what happens inside hangs on it.

The function comes first: what cannot be recorded is logged, and its result and exceptions are its own.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast, overload

from mplp_trace_cli.domain.captured import captured, object_text
from mplp_trace_cli.domain.enums import Level, TraceStatus, parse_word
from mplp_trace_cli.domain.errors import InvalidInput, TraceError
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.json_text import dumps
from mplp_trace_cli.integrations.current import here_or_default
from mplp_trace_cli.service.complaints import complain, complain_of_fault
from mplp_trace_cli.service.scopes import (
    Place,
    Scope,
    TraceScope,
    current_scope,
    headline,
    outcome_of,
    place_now,
    set_place,
    trace_request,
)

if TYPE_CHECKING:
    from mplp_trace_cli.module import TraceModule
    from mplp_trace_cli.service.scopes import Service

P = ParamSpec("P")
R = TypeVar("R")

EVENT_TYPE = "function_call"
_FAILING = frozenset((Level.WARN.value, Level.ERROR.value, Level.CRITICAL.value))
"""Levels that a call which failed keeps; of any other it is told at warn, and its exception at error."""


class _Plan(NamedTuple):
    """How the calls of one function are recorded."""

    name: str
    name_text: str
    """The same as JSON."""
    level: str
    source: str | None
    service: Service
    arguments: Callable[[tuple[Any, ...], Mapping[str, Any]], str] | None
    """Gives the JSON text of the arguments; None where they are not wanted."""
    captures_result: bool

    def call(self, args: tuple[Any, ...], given: Mapping[str, Any]) -> _Call:
        """One call, which begins now. Never raises."""
        call = _Call(self)
        try:
            call.begin(args, given)
        except TraceError as error:
            complain(error)
        except Exception as fault:
            complain_of_fault(fault)
        return call


class _Call(Scope):
    """One call of a function: a scope, which ends once. A context manager around the whole of it."""

    def __init__(self, plan: _Plan) -> None:
        super().__init__(None, None, None)
        self.result: Any = None
        self.items: int | None = None
        """How many a generator has given."""
        self.inside = _Inside(self)
        self._plan = plan
        self._parent: str | None = None
        self._trace: TraceScope | None = None
        self._arguments: str | None = None
        self._started = 0.0

    def begin(self, args: tuple[Any, ...], given: Mapping[str, Any]) -> None:
        """Finds the trace, or opens one around the call, and takes down the arguments."""
        around = current_scope(self._plan.service)
        if around is None:
            self._trace = around = TraceScope(self._plan.service, trace_request(self._plan.name))
            self._trace.open()
        self.service, self.trace_id, self._parent = around.service, around.trace_id, around.event_id
        self.event_id = new_id()
        if self._plan.arguments is not None:
            self._arguments = self._plan.arguments(args, given)
        self._started = time.perf_counter()

    def __enter__(self) -> _Call:
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        self.end(error)

    def end(self, error: BaseException | None) -> None:
        """Records how it ended. Never raises."""
        took = (time.perf_counter() - self._started) * 1_000
        try:
            if self.records:
                self._record_end(error, took)
            if self._trace is not None:
                self._trace.close(error)
        except Exception as fault:
            complain_of_fault(fault)

    def _record_end(self, error: BaseException | None, took: float) -> None:
        failed = error is not None and outcome_of(error) is not TraceStatus.COMPLETED
        if error is not None and failed:
            self.note_exception(error)
        name, level = self._plan.name, self._plan.level
        row = self.made(
            EVENT_TYPE,
            self._data(failed),
            event_id=self.event_id,
            parent_event_id=self._parent,
            level=Level.WARN.value if failed and level not in _FAILING else level,
            message=f"{name}: {headline(error)}" if error is not None and failed else name,
            duration_ms=took,
            source=self._plan.source,
        )
        self.keep(row)

    def _data(self, failed: bool) -> str:
        members = [("function", self._plan.name_text), ("status", '"failure"' if failed else '"success"')]
        if self._arguments is not None:
            members.append(("arguments", self._arguments))
        if self.items is not None:
            members.append(("items", str(self.items)))
        if self._plan.captures_result and not failed:
            members.append(("result", captured(self.result)))
        return object_text(members).text


class _Inside:
    """A context manager around each piece of a call that runs in pieces: between them it is not current."""

    def __init__(self, call: _Call) -> None:
        self._inner: Place | None = Place(call, None)
        self._outer: Place | None = None

    def __enter__(self) -> None:
        self._outer = place_now()
        set_place(self._inner)

    def __exit__(self, *_: object) -> None:
        self._inner = place_now()
        set_place(self._outer)


@overload
def traced(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def traced(
    *,
    name: str | None = None,
    level: str = "info",
    capture_args: bool | Collection[str] = False,
    capture_result: bool = False,
    source: str | None = None,
    module: TraceModule | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def traced(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Records each call of a function: plain, async, generator or async generator.

    `name` is by default the function's, `source` its module. `capture_args` takes down all arguments, or
    those of the names; `capture_result` what it returns. A generator's call lasts as long as it is iterated
    over. Where no trace is open the call opens one around itself. Raises InvalidInput for options that cannot
    be.
    """
    if function is None:
        return functools.partial(_traced, options=_Options(**options))
    return _traced(function, _Options(**options))


class _Options(NamedTuple):
    """What may be said of a traced function."""

    name: str | None = None
    level: str = Level.INFO.value
    capture_args: bool | Collection[str] = False
    capture_result: bool = False
    source: str | None = None
    module: TraceModule | None = None


def _traced(function: Any, options: _Options) -> Any:
    if isinstance(function, classmethod | staticmethod):
        return type(function)(_traced(function.__func__, options))
    if isinstance(function, type) or not callable(function):
        raise InvalidInput(f"traced: {function!r} is not a function")
    wrapped = _wrapper_of(function)(function, _plan_of(function, options))
    return functools.update_wrapper(wrapped, function)


def _plan_of(function: Callable[..., Any], options: _Options) -> _Plan:
    name = options.name or getattr(function, "__qualname__", None) or type(function).__qualname__
    module = options.module
    return _Plan(
        name,
        dumps(name, "name"),
        parse_word(Level, options.level, "level").value,
        options.source or getattr(function, "__module__", None),
        here_or_default if module is None else lambda: module.trace_management_service,
        _arguments_of(function, options.capture_args) if options.capture_args else None,
        options.capture_result,
    )


def _arguments_of(
    function: Callable[..., Any], wanted: bool | Collection[str]
) -> Callable[[tuple[Any, ...], Mapping[str, Any]], str]:
    if isinstance(wanted, str):
        raise InvalidInput("capture_args: must be True or a list of names")
    signature = inspect.signature(function)
    names = _own(list(signature.parameters)) if wanted is True else list(cast("Collection[str]", wanted))
    for name in names:
        if name not in signature.parameters:
            raise InvalidInput(f"capture_args: {function!r} has no argument {name!r}")

    def arguments(args: tuple[Any, ...], given: Mapping[str, Any]) -> str:
        try:
            bound = signature.bind(*args, **given)
        except TypeError:  # the function will say so itself
            return "{}"
        bound.apply_defaults()
        return object_text((name, captured(bound.arguments[name])) for name in names).text

    return arguments


def _own(names: list[str]) -> list[str]:
    """The arguments of a function without the object or the class that a method is called on."""
    return names[1:] if names and names[0] in ("self", "cls") else names


# -- the four kinds --------------------------------------------------------------------------------

Wrapper = Callable[[Callable[..., Any], _Plan], Callable[..., Any]]


def _wrapper_of(function: Callable[..., Any]) -> Wrapper:
    if inspect.iscoroutinefunction(function):
        return _coroutine
    if inspect.isasyncgenfunction(function):
        return _async_generator
    return _generator if inspect.isgeneratorfunction(function) else _function


def _function(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    def called(*args: Any, **given: Any) -> Any:
        with plan.call(args, given) as call:
            call.result = function(*args, **given)
            return call.result

    return called


def _coroutine(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    async def awaited(*args: Any, **given: Any) -> Any:
        with plan.call(args, given) as call:
            call.result = await function(*args, **given)
            return call.result

    return awaited


def _generator(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    def iterated(*args: Any, **given: Any) -> Generator[Any, Any, Any]:
        call, inner = plan.call(args, given), function(*args, **given)
        call.items, resume, sent = 0, inner.send, None
        try:
            while True:
                with call.inside:
                    item = resume(sent)
                call.items += 1
                try:
                    resume, sent = inner.send, (yield item)
                except GeneratorExit:
                    with call.inside:
                        inner.close()
                    raise
                except BaseException as error:
                    resume, sent = inner.throw, error
        except StopIteration as stop:
            call.result = stop.value
        except BaseException as error:
            call.end(error)
            raise
        finally:
            sent = None  # an exception in it would hold this frame, and the frame it
        call.end(None)
        return call.result

    return iterated


def _async_generator(function: Callable[..., Any], plan: _Plan) -> Callable[..., Any]:
    async def iterated(*args: Any, **given: Any) -> AsyncGenerator[Any, Any]:
        call, inner = plan.call(args, given), function(*args, **given)
        call.items, resume, sent = 0, inner.asend, None
        try:
            while True:
                with call.inside:
                    item = await resume(sent)
                call.items += 1
                try:
                    resume, sent = inner.asend, (yield item)
                except GeneratorExit:
                    with call.inside:
                        await inner.aclose()
                    raise
                except BaseException as error:
                    resume, sent = inner.athrow, error
        except StopAsyncIteration:
            call.end(None)
        except BaseException as error:
            call.end(error)
            raise
        finally:
            sent = None

    return iterated
