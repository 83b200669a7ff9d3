"""A command with a trace or a stage around it: what is recorded before it starts and after it has ended.

Recording never stands in the way of the command: what goes wrong with it is one warning, unless the caller
would rather not run a command that is not recorded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from mplp_trace_cli.config import CONTEXT_VARIABLE, PARENT_VARIABLE, TRACE_VARIABLE
from mplp_trace_cli.domain.enums import TraceStatus
from mplp_trace_cli.domain.errors import StorageFailed, TraceError
from mplp_trace_cli.domain.json_text import add_members, dumps, members
from mplp_trace_cli.domain.requests import CreateTraceRequest, EndTraceRequest, RecordEventRequest
from mplp_trace_cli.process.child import Ended, Start, hold_signals, run_child
from mplp_trace_cli.process.outcome import level_of, message_of, outcome_of
from mplp_trace_cli.process.standard_error import StandardError
from mplp_trace_cli.process.surroundings import (
    as_given,
    command_line,
    described,
    readable,
    traced_environment,
)
from mplp_trace_cli.service import TraceManagementService

_SHELLS = ("bash", "dash", "fish", "ksh", "mksh", "sh", "zsh")
STARTED, COMPLETED = "command_started", "command_completed"
STAGE_STARTED, STAGE_COMPLETED = "stage_started", "stage_completed"

Opened = Callable[[], AbstractContextManager[TraceManagementService]]
"""Opens the store; it is closed while the command runs, however long that is."""


class Begun(NamedTuple):
    """A recording that has begun: the environment of the command, and what to do when it has ended."""

    environment: Mapping[str, str]
    end: Callable[[Ended], None]


class Wrapping(NamedTuple):
    """How a command is run."""

    command: Sequence[str]
    umask: int
    warn: Callable[[str], None]
    require_recording: bool = False


class Stage(NamedTuple):
    """A stage as it was asked for; without a trace it is in that of the environment."""

    name: str
    trace_id: str
    message: str | None = None
    data: str | None = None
    source: str | None = None


def wrap(begin: Callable[[], Begun], wrapping: Wrapping) -> Ended:
    """Runs the command with its recording around it; raises TraceError where that is required and fails."""
    held = hold_signals()
    begun = _begun(begin, wrapping)
    environment = os.environ if begun is None else begun.environment
    start = Start(wrapping.command, as_given(environment), wrapping.umask)
    ended = run_child(start, held, None if begun is None else _listening(wrapping.command))
    if begun is not None:
        try:
            begun.end(ended)
        except Exception as fault:
            wrapping.warn(f"the end of the command is not recorded: {reason_of(fault)}")
    return ended


def _listening(command: Sequence[str]) -> StandardError | None:
    if _is_typed_at(command):
        return None
    try:
        return StandardError()
    except OSError:  # too many open files: the command has its standard error from us, unheard
        return None


def _is_typed_at(command: Sequence[str]) -> bool:
    """True for a shell that prompts: it controls jobs at the terminal of its session alone."""
    shell, *options = command
    is_shell = os.path.basename(shell) in _SHELLS and all(word.startswith("-") for word in options)
    return is_shell and os.isatty(0) and os.isatty(2)


def _begun(begin: Callable[[], Begun], wrapping: Wrapping) -> Begun | None:
    try:
        return begin()
    except Exception as fault:  # one of ours too: whatever it is, the command is to run
        if wrapping.require_recording:
            if isinstance(fault, TraceError):
                raise
            raise StorageFailed(reason_of(fault)) from fault
        wrapping.warn(f"not recorded: {reason_of(fault)}")
        return None


def reason_of(fault: Exception) -> str:
    """Why something was not recorded, on one line."""
    if isinstance(fault, TraceError):
        return fault.message
    if isinstance(fault, OSError):
        name = f"{fault.filename}: " if fault.filename else ""
        return f"{name}{fault.strerror or fault}"
    return f"{type(fault).__name__}: {fault}".splitlines()[0]


# -- a trace ---------------------------------------------------------------------------------------


def begin_run(
    opened: Opened,
    asked: Callable[[TraceManagementService], CreateTraceRequest],
    command: Sequence[str],
    shared_context: str | None,
) -> Begun:
    """Records a new trace around a command; the traces that it makes itself get `shared_context`."""
    about, shown = described(command), command_line(command)
    with opened() as service:
        first = RecordEventRequest("", STARTED, message=shown, data=about)
        trace_id, event_id = service.start_trace(asked(service), first).unwrap()
        store = service.paths.store
    environment = traced_environment(os.environ, trace_id, store, event_id)
    del environment[PARENT_VARIABLE]  # what the command records stands beside its start, not below it
    if shared_context is not None:
        environment[CONTEXT_VARIABLE] = shared_context

    def end(ended: Ended) -> None:
        status = TraceStatus.FAILED if ended.code else TraceStatus.COMPLETED
        last = _last((trace_id, COMPLETED, shown), {**outcome_of(ended), **about}, ended)
        with opened() as service:
            service.finish_trace(EndTraceRequest(trace_id, status), last).unwrap()

    return Begun(environment, end)


def _last(what: tuple[str, str, str], data: Mapping[str, Any], ended: Ended) -> RecordEventRequest:
    """The event that says how a command ended; `what` is its trace, its type, and what has ended."""
    trace_id, event_type, name = what
    return RecordEventRequest(
        trace_id,
        event_type,
        level_of(ended),
        message_of(name, ended),
        data,
        duration_ms=ended.duration_ms,
    )


# -- a stage ---------------------------------------------------------------------------------------


def begin_step(
    opened: Opened, asked: Callable[[TraceManagementService], Stage], command: Sequence[str]
) -> Begun:
    """Records the start of a stage around a command, below the stage that this process is in."""
    about = described(command)
    with opened() as service:
        stage = asked(service)
        name = readable(stage.name)
        event_id = service.record_row(_first_of_stage(stage, about)).unwrap().event_id
        store = service.paths.store

    def end(ended: Ended) -> None:
        data = {"stage": name, **outcome_of(ended), **about}
        last = _last((stage.trace_id, STAGE_COMPLETED, name), data, ended)
        placed = last._replace(parent_event_id=event_id, source=stage.source)
        with opened() as service:
            service.record_row(placed).unwrap()

    return Begun(traced_environment(os.environ, stage.trace_id, store, event_id), end)


def _first_of_stage(stage: Stage, about: Mapping[str, object]) -> RecordEventRequest:
    name = readable(stage.name)
    is_current = stage.trace_id == os.environ.get(TRACE_VARIABLE)
    return RecordEventRequest(
        stage.trace_id,
        STAGE_STARTED,
        message=stage.message or name,
        data=_stage_data(name, about, stage.data),
        parent_event_id=os.environ.get(PARENT_VARIABLE) or None if is_current else None,
        source=stage.source,
    )


def _stage_data(name: str, about: Mapping[str, object], data: str | None) -> str:
    given = {member.key for member in members(data or "{}")} - {"stage"}
    said = {"stage": name, **about}
    own = [(key, dumps(value, key)) for key, value in said.items() if key not in given]
    return add_members(data or "{}", own, "--set")
