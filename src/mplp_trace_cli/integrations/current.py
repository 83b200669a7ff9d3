"""Traces, steps and events in the words of a program: they find the module, and each other, by themselves.

Without a module of the caller's there is one for the whole program, made when it is first needed from the
config file that counts, and closed when the interpreter ends.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack

from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.module import TraceModule, initialize_trace_module
from mplp_trace_cli.service.complaints import complain
from mplp_trace_cli.service.scopes import (
    Scope,
    StepScope,
    TraceScope,
    current_scope,
    innermost,
    place_now,
    set_place,
    trace_request,
)
from mplp_trace_cli.storage.forking import in_child

if TYPE_CHECKING:
    from mplp_trace_cli.domain.requests import EventFields, TraceFields
    from mplp_trace_cli.service import TraceManagementService

P = ParamSpec("P")
R = TypeVar("R")


class _Default:
    """The module of the whole program, or none yet."""

    def __init__(self) -> None:
        self.module: TraceModule | None = None
        self.new_lock()

    def new_lock(self) -> None:
        """A lock that no thread holds."""
        self.making = threading.Lock()


_default = _Default()
in_child(_default.new_lock)


def default_module() -> TraceModule:
    """The module of the whole program; raises ConfigInvalid, StoreDamaged for a path that is a folder."""
    if _default.module is None:
        with _default.making:
            if _default.module is None:
                _default.module = initialize_trace_module()
    return _default.module


def use_module(module: TraceModule | None) -> None:
    """Makes `module` that of the whole program; None: the next use makes one from the config again."""
    _default.module = module


def default_service() -> TraceManagementService:
    """The service of the module of the whole program."""
    return default_module().trace_management_service


def trace(name: str, **options: Unpack[TraceFields]) -> TraceScope:
    """A new trace around a `with` or `async with` block, in the module of the program.

    `options` are the fields of `CreateTraceRequest`. It ends as completed; as failed when an exception leaves
    the block, which is recorded; as cancelled for KeyboardInterrupt and asyncio's CancelledError.
    """
    return TraceScope(default_service, trace_request(name, **options))


def step(stage: str, *, data: Mapping[str, Any] | None = None, source: str | None = None) -> StepScope:
    """A stage of the current trace around a `with` or `async with` block; without a trace it opens one."""
    return StepScope(here_or_default, stage, data=data, source=source)


def event(
    event_type: str,
    message: str | None = None,
    *,
    level: str | None = None,
    data: Mapping[str, Any] | str | None = None,
    **fields: Unpack[EventFields],
) -> str | None:
    """Records an event below the current step and gives its id; None where no trace is open.

    `fields` are the others of `RecordEventRequest`: `duration_ms` is in ms, a time a datetime, RFC 3339 text
    or microseconds since 1970.
    """
    scope = current()
    return None if scope is None else scope.event(event_type, message, level=level, data=data, **fields)


def current() -> Scope | None:
    """The innermost step or trace that is open here, else the trace that the environment names, or None."""
    try:
        return current_scope(here_or_default)
    except TraceError as error:  # the config cannot be read
        complain(error)
        return None


def here_or_default() -> TraceManagementService:
    """The service that the innermost scope records with, else that of the module of the program."""
    scope = innermost()
    return default_service() if scope is None or scope.service is None else scope.service


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function with the trace and step that are current now, for a thread or an executor to call.

    `pool.submit(carry(work), row)`, `pool.map(carry(work), rows)`, `Thread(target=carry(work))`. Tasks of
    asyncio and `asyncio.to_thread` carry them by themselves.
    """
    place = place_now()

    @functools.wraps(function)
    def carried(*args: P.args, **given: P.kwargs) -> R:
        before = place_now()
        set_place(place)
        try:
            return function(*args, **given)
        finally:
            set_place(before)

    return carried
