"""The trace and the step that are open here: context managers, and what is recorded inside of them.

The innermost scope is kept in a context variable, so that each thread and each asyncio task has its own. What
is wrong in the words a scope is opened with is raised; from then on recording never raises into the program:
what goes wrong is logged.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from mplp_trace_cli.config import CONTEXT_VARIABLE, DB_VARIABLE, PARENT_VARIABLE, TRACE_VARIABLE
from mplp_trace_cli.domain.captured import captured, captured_object, cut, object_text
from mplp_trace_cli.domain.enums import Level, TraceStatus
from mplp_trace_cli.domain.errors import (
    AlreadyExists,
    ConfigInvalid,
    InvalidInput,
    NotFound,
    TraceError,
    TraceFinished,
)
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.json_text import JsonObject, dumps
from mplp_trace_cli.domain.requests import CreateTraceRequest, EndTraceRequest
from mplp_trace_cli.service.complaints import complain

if TYPE_CHECKING:
    from mplp_trace_cli.domain.requests import EventFields
    from mplp_trace_cli.service import TraceManagementService

MOST_TRACEBACK = 8_000
"""Characters of a traceback that are kept: its end, which says the most."""
MOST_FRAMES = 50
MOST_OUTPUT = 100_000
FORGET_SECONDS = 60.0
"""How long nothing is tried in a trace that was found to be over."""
RESERVED = ("stage", "status", "output")
"""Members of a step's data that say what it is and how it ended."""

Service = Callable[[], "TraceManagementService"]
_RAISED = (InvalidInput, AlreadyExists, ConfigInvalid)
_INFO = Level.INFO.value
_MARK = "_mplp_trace_id"


class Place:
    """A scope that was entered, and where that was done."""

    __slots__ = ("outer", "scope")

    def __init__(self, scope: Scope, outer: Place | None) -> None:
        self.scope = scope
        self.outer = outer


_current: ContextVar[Place | None] = ContextVar("mplp_trace_scope", default=None)
_over: dict[str, float] = {}
"""Traces that take no more events, and when that was found: asking the store each time would be slow."""


class Scope:
    """Where events go: a trace, and the event they hang on.

    `trace_id` is None where nothing can be recorded.
    """

    def __init__(
        self, service: TraceManagementService | None, trace_id: str | None, parent: str | None
    ) -> None:
        self.service = service
        self.trace_id = trace_id
        self.event_id = parent
        """What is recorded inside hangs on this event; None where it hangs on the trace."""
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} trace_id={self.trace_id!r} event_id={self.event_id!r}>"

    def event(
        self,
        event_type: str,
        message: str | None = None,
        *,
        level: str | None = None,
        data: Mapping[str, Any] | str | None = None,
        **fields: Unpack[EventFields],
    ) -> str | None:
        """Records an event in here and gives its id; None, and a line in the log, when that is not possible.

        `fields` are the others of `RecordEventRequest`. A value of `data` that JSON cannot say becomes what
        `repr` says of it.
        """
        if self.service is None or self.trace_id is None:
            return None
        given = {"trace_id": self.trace_id, "parent_event_id": self.event_id, **fields}
        given |= {"event_type": event_type, "message": message, "level": level, "data": _sayable(data)}
        try:
            row = self.service.event_row(given)
        except TraceError as error:
            complain(error)
            return None
        return row.event_id if self.keep(row) else None

    def step(
        self, stage: str, *, data: Mapping[str, Any] | None = None, source: str | None = None
    ) -> StepScope:
        """A step in here, for a `with` block: see `StepScope`."""
        return StepScope(self._own_service, stage, within=self, data=data, source=source)

    def _own_service(self) -> TraceManagementService:
        if self.service is None:
            raise InvalidInput("nothing can be recorded here")
        return self.service

    def keep(self, row: EventRow) -> bool:
        """Records a valid event; False, and a line in the log, when that is not possible."""
        if self.service is None or is_over(row.trace_id):
            return False
        try:
            self.service.record_valid(row)
        except (NotFound, TraceFinished) as error:
            note_over(row.trace_id)
            complain(error)
            return False
        except TraceError as error:
            complain(error)
            return False
        return True

    def made(self, event_type: str, data: str, **fields: Any) -> EventRow:
        """An event in here, of values that are known to be valid."""
        assert self.service is not None
        assert self.trace_id is not None
        usual: dict[str, Any] = {
            "level": _INFO,
            "message": None,
            "duration_ms": None,
            "parent_event_id": self.event_id,
            "source": None,
        }
        event_id, timestamp = fields.pop("event_id", None), fields.pop("timestamp", None)
        return EventRow(
            event_id=event_id or new_id(),
            trace_id=self.trace_id,
            event_type=event_type,
            data=data,
            timestamp=self.service.now() if timestamp is None else timestamp,
            **{**usual, **fields},
        )

    def is_of(self, service: TraceManagementService) -> bool:
        """True where it records into the store of that service, or nowhere."""
        own = self.service
        return own is None or own is service or own.paths.store == service.paths.store

    @property
    def records(self) -> bool:
        """True where events can be recorded, by the process that opened it."""
        return self.trace_id is not None and self._process == os.getpid()

    def note_exception(self, error: BaseException) -> None:
        """Records an exception once a trace, in the innermost scope that it leaves."""
        if self.trace_id is None or getattr(error, _MARK, None) == self.trace_id:
            return
        said = exception_object(error)
        level = Level.ERROR if outcome_of(error) is TraceStatus.FAILED else Level.WARN
        self.keep(self.made("exception", said.text, level=level.value, message=headline(error)))
        try:
            setattr(error, _MARK, self.trace_id)
        except Exception:  # one that takes no attributes is told of again by the scope around
            return

    # -- the innermost one -------------------------------------------------------------------------

    def enter(self) -> None:
        """Makes this the innermost scope."""
        _current.set(Place(self, _current.get()))

    def leave(self) -> None:
        """Makes the one around it the innermost again; changes nothing where it was not entered."""
        inner, place = None, _current.get()
        while place is not None and place.scope is not self:
            inner, place = place, place.outer
        if place is None:
            return
        if inner is None:
            _current.set(place.outer)
        else:  # it is left before what was entered inside of it
            inner.outer = place.outer


class TraceScope(Scope):
    """A trace around a block, with `with` or `async with`.

    It ends as completed, as failed when an exception leaves the block, which is recorded and goes on, and as
    cancelled for KeyboardInterrupt and for asyncio's CancelledError. `sys.exit(0)` is a normal end.
    """

    def __init__(self, service: Service, request: CreateTraceRequest) -> None:
        super().__init__(None, None, None)
        self._open_service = service
        self._request = request
        self.status: TraceStatus | None = None
        """How it ended; None before."""

    def open(self) -> None:
        """Begins it, without making it the innermost scope; one that is open already goes on."""
        if self.records and self.status is None:
            return
        self._process = os.getpid()
        self.status, self.trace_id = None, None
        try:
            self.service = self._open_service()
            self.trace_id = self.service.create_trace(self._request).unwrap().trace_id
        except _RAISED:
            raise
        except TraceError as error:
            complain(error)

    def __enter__(self) -> Self:
        self.open()
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        self.close(error)

    def close(self, error: BaseException | None) -> None:
        """Ends it as a block does that `error` has left, unless it was ended before."""
        if not self.records or self.status is not None:
            return
        status = outcome_of(error)
        if error is not None and status is not TraceStatus.COMPLETED:
            self.note_exception(error)
        self._end(status)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def complete(self) -> None:
        """Ends it now, as completed."""
        self._end(TraceStatus.COMPLETED)

    def fail(self, message: str | None = None) -> None:
        """Ends it now, as failed; the message becomes an error event."""
        self._end(TraceStatus.FAILED, message)

    def cancel(self) -> None:
        """Ends it now, as cancelled."""
        self._end(TraceStatus.CANCELLED)

    def _end(self, status: TraceStatus, message: str | None = None) -> None:
        if self.service is None or self.trace_id is None or self.status is not None:
            return
        self.status = status
        ended = self.service.end_trace(EndTraceRequest(self.trace_id, status, message=message))
        if ended.error is not None:
            complain(ended.error)


class StepScope(Scope):
    """A stage of the current trace around a block: stage_started and stage_completed, with its duration.

    What is recorded inside hangs on stage_started, and so do steps within it. Where no trace is open it opens
    one around itself, of its own name. `output` is kept with the end. One that is entered while it is open
    goes on until it is left for the last time.
    """

    def __init__(
        self,
        service: Service,
        stage: str,
        *,
        data: Mapping[str, Any] | None = None,
        source: str | None = None,
        within: Scope | None = None,
    ) -> None:
        super().__init__(None, None, None)
        if not isinstance(stage, str) or not stage:
            raise InvalidInput("stage: required")
        self.stage = stage
        self.output: Any = None
        """Kept with the end: any JSON, else what `repr` says."""
        self._open_service = service
        self._source = source
        self._within = within
        self._data: dict[str, Any] = {}
        self._failure: str | None = None
        self._trace: TraceScope | None = None
        self._started = 0.0
        self._entered = 0
        self.set_data(**(data or {}))

    def set_data(self, **data: Any) -> None:
        """More members of the data of its end; what is given before it begins is in its beginning too."""
        taken = [name for name in RESERVED if name in data]
        if taken:
            raise InvalidInput(f"{taken[0]}: is said by the step itself")
        self._data.update(data)

    def fail(self, message: str) -> None:
        """Says that it has failed though no exception leaves it; `message` is why."""
        self._failure = str(message)

    def __enter__(self) -> Self:
        if not self._entered:
            self._begin()
        self._entered += 1
        self.enter()
        self._started = self._started or time.perf_counter()
        return self

    def _begin(self) -> None:
        self._process = os.getpid()
        self._failure = self._trace = None
        self._started = 0.0
        around = self._around()
        self.service, self.trace_id, self.event_id = around.service, around.trace_id, around.event_id
        if self.trace_id is not None:
            data = {"stage": self.stage, **self._data}
            text = captured_object(data).text
            row = self.made("stage_started", text, message=cut(self.stage), source=self._source)
            if self.keep(row):
                self.event_id = row.event_id

    def _around(self) -> Scope:
        around = self._within or current_scope(self._open_service)
        if around is None:
            self._trace = around = TraceScope(self._open_service, trace_request(self.stage))
            self._trace.__enter__()
        return around

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        took = (time.perf_counter() - self._started) * 1_000
        self.leave()
        self._entered = max(0, self._entered - 1)
        if not self._entered:
            self._finish(error, took)

    def _finish(self, error: BaseException | None, took: float) -> None:
        if self.records:
            failed = error is not None and outcome_of(error) is not TraceStatus.COMPLETED
            if error is not None and failed:
                self.note_exception(error)
            self.keep(self._ended(took, error if failed else None))
        if self._trace is not None:
            if self._failure is not None and error is None:
                self._trace.fail()
            self._trace.__exit__(None, error, None)

    def _ended(self, took: float, error: BaseException | None) -> EventRow:
        why = self._failure if error is None else headline(error)
        status = "success" if why is None else "failure"
        members = [("stage", dumps(self.stage, "stage")), ("status", dumps(status, "status"))]
        if self.output is not None:
            members.append(("output", captured(self.output, MOST_OUTPUT)))
        members += [(name, captured(value)) for name, value in self._data.items()]
        level = Level.INFO if why is None else Level.ERROR if error is None else Level.WARN
        return self.made(
            "stage_completed",
            object_text(members).text,
            duration_ms=took,
            level=level.value,
            message=cut(self.stage if why is None else f"{self.stage}: {why}"),
            source=self._source,
        )

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def innermost() -> Scope | None:
    """The innermost scope that was opened in this program, in this thread or task."""
    place = _current.get()
    return None if place is None else place.scope


def place_now() -> Place | None:
    """Where this thread or task is among the scopes."""
    return _current.get()


def set_place(place: Place | None) -> None:
    """Goes to another place; for whoever goes back."""
    _current.set(place)


def current_scope(service: Service) -> Scope | None:
    """The innermost scope, else the trace that the environment names; of that service.

    `mplp-trace run` and `step` put `$MPLP_TRACE_ID` and `$MPLP_PARENT_EVENT_ID` there.
    """
    place = _current.get()
    if place is not None and place.scope.service is not None:
        wanted = service()
        while place is not None and not place.scope.is_of(wanted):
            place = place.outer
    return _scope_of_environment(service) if place is None else place.scope


def _scope_of_environment(service: Service) -> Scope | None:
    trace_id = os.environ.get(TRACE_VARIABLE)
    if not trace_id:
        return None
    opened = service()
    store = os.environ.get(DB_VARIABLE)
    if store and os.path.realpath(os.path.expanduser(store)) != opened.paths.store:
        return None
    return Scope(opened, trace_id, os.environ.get(PARENT_VARIABLE) or None)


def trace_request(name: str, **options: Any) -> CreateTraceRequest:
    """The request for a new trace; raises InvalidInput for an option that there is not."""
    context = options.pop("context_id", None) or os.environ.get(CONTEXT_VARIABLE) or "default"
    unknown = sorted(set(options) - set(CreateTraceRequest._fields))
    if unknown:
        raise InvalidInput(f"{unknown[0]}: CreateTraceRequest has no such field")
    return CreateTraceRequest(context_id=context, name=name, **options)


def is_over(trace_id: str) -> bool:
    """True for a trace that was found to take no more events, not long ago."""
    if not _over:
        return False
    found = _over.get(trace_id)
    return found is not None and time.monotonic() - found < FORGET_SECONDS


def note_over(trace_id: str) -> None:
    """Notes that a trace takes no more events."""
    if len(_over) > 1_000:
        _over.clear()
    _over[trace_id] = time.monotonic()


# -- exceptions ----------------------------------------------------------------------------------------


def outcome_of(error: BaseException | None) -> TraceStatus:
    """How a block has ended that this left: normally, failed or cancelled."""
    if error is None or isinstance(error, GeneratorExit):
        return TraceStatus.COMPLETED
    if isinstance(error, SystemExit):
        return TraceStatus.FAILED if error.code else TraceStatus.COMPLETED
    asyncio = sys.modules.get("asyncio")
    if isinstance(error, KeyboardInterrupt) or (asyncio and isinstance(error, asyncio.CancelledError)):
        return TraceStatus.CANCELLED
    return TraceStatus.FAILED


def headline(error: BaseException) -> str:
    """`ValueError: what it says`, on one line."""
    name = type(error).__name__
    try:
        said = str(error)
    except Exception:  # of the program's own class
        return name
    return cut(" ".join(f"{name}: {said}".split())) if said else name


def exception_object(error: BaseException) -> JsonObject:
    """Type, message and the end of the traceback of an exception, for `data`; never raises."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    said = {"type": name, "message": headline(error), "traceback": _traceback_text(error)}
    return object_text((key, dumps(text, key)) for key, text in said.items())


def _traceback_text(error: BaseException) -> str:
    import traceback  # 3 ms, for who has one to tell

    try:
        told = traceback.TracebackException(type(error), error, error.__traceback__, limit=-MOST_FRAMES)
        text = "".join(told.format()).rstrip("\n")
    except Exception:
        return headline(error)
    return text if len(text) <= MOST_TRACEBACK else f"…{text[-MOST_TRACEBACK:]}"


def _sayable(data: Mapping[str, Any] | str | None) -> JsonObject | str | None:
    if not isinstance(data, Mapping):
        return data
    try:
        text = dumps(dict(data) if data else {}, "data")
    except InvalidInput:
        return captured_object(data)
    return data if isinstance(data, JsonObject) else JsonObject(text)
