"""What every use case stands on: the wiring, how a call is answered, one consistent moment to read."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from mplp_trace_cli.config import TraceModuleOptions
from mplp_trace_cli.domain.errors import InvalidInput, TraceError
from mplp_trace_cli.domain.event_row import EventRules
from mplp_trace_cli.domain.requests import OperationResult
from mplp_trace_cli.storage.forking import WAIT_SECONDS, is_clean, unforked
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.recording import Recorder

if TYPE_CHECKING:
    from mplp_trace_cli.storage.fold import Pair
    from mplp_trace_cli.storage.store import Connection, Store

Result = TypeVar("Result")
Asked = TypeVar("Asked")
P = ParamSpec("P")
Itself = TypeVar("Itself", bound="ServiceBase")


class Wiring(NamedTuple):
    """What a service is made of: where it keeps, what time it is, how ids are made."""

    paths: StorePaths
    options: TraceModuleOptions
    clock: Callable[[], int]
    new_id: Callable[[], str]
    durable: bool
    on_wait: Callable[[str], None] | None = None
    """Told when a call has to wait for the store, and what was purged because the options say so."""
    on_damage: Callable[[str], None] | None = None
    """Told when a log of the store had to be set aside; None is Python's logging."""

    @property
    def event_rules(self) -> EventRules:
        """What events are held to."""
        config = self.options.event_config
        return EventRules(
            self.clock,
            self.new_id,
            config.max_event_bytes,
            config.default_level,
            config.validate_standard_events,
        )


def operation(
    method: Callable[Concatenate[Itself, P], Result],
) -> Callable[Concatenate[Itself, P], OperationResult[Result]]:
    """A use case: an error of ours becomes its result; a fault in the program stays an exception."""

    @functools.wraps(method)
    def answered(self: Itself, /, *args: P.args, **given: P.kwargs) -> OperationResult[Result]:
        try:
            return OperationResult(True, method(self, *args, **given))
        except TraceError as error:
            return OperationResult(False, error=error)

    return answered


def request_of(
    kind: type[Asked], given: Asked | Mapping[str, Any] | None, keywords: Mapping[str, Any]
) -> Asked:
    """The request object, from itself, from one mapping of its fields, or from keywords."""
    if given is not None and not isinstance(given, Mapping):
        if not isinstance(given, kind):
            said = type(given).__name__
            raise InvalidInput(f"{kind.__name__}: must be one, or a mapping of its fields, not {said}")
        if not keywords:
            return given
        given = {name: getattr(given, name) for name in kind.__annotations__}
    values = {**(given or {}), **keywords}
    known = set(kind.__annotations__)
    unknown = sorted(set(values) - known)
    if unknown:
        raise InvalidInput(f"{unknown[0]}: {kind.__name__} has no such field")
    try:
        return kind(**values)
    except TypeError as error:
        said = "; ".join(f"{name}: required" for name in sorted(_required(kind) - set(values)))
        raise InvalidInput(said or f"{kind.__name__}: {error}") from None


def request_or_range(given: Any) -> tuple[Any, dict[str, Any]]:
    """A request as it is, or a time range (`TimeRange`, or a mapping of start and end) as a field of one."""
    is_bounds = isinstance(given, Mapping) and set(given) <= {"start", "end"}
    if is_bounds or type(given).__name__ == "TimeRange":  # which need not be imported for that
        return None, {"time_range": given}
    return given, {}


def _nothing() -> None:
    return None


def _required(kind: type[Any]) -> set[str]:
    import inspect  # 10 ms, for a mistake alone

    parameters = inspect.signature(kind).parameters.values()
    return {one.name for one in parameters if one.default is one.empty}


class ServiceBase:
    """The files, the clock and the lock that all use cases of one service share."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._lock = threading.RLock()
        self._recorder: Recorder | None = None
        self._rules = wiring.event_rules
        self._held = False
        self.when_opened: Callable[[], None] = _nothing
        """Called when the inbox is opened for recording, for the first time or anew."""

    @property
    def paths(self) -> StorePaths:
        """The files of the store."""
        return self._wiring.paths

    def now(self) -> int:
        """The present in microseconds since 1970."""
        return self._wiring.clock()

    @property
    def recorder(self) -> Recorder:
        """The open recorder; the first use makes the files."""
        recorder = self._recorder
        if recorder is not None:
            return recorder
        with self._lock:
            if self._recorder is None:
                self._recorder = Recorder(self._wiring.paths, durable=self._wiring.durable)
                self.when_opened()
            return self._recorder

    def _close_recorder(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    # -- forks -------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Waits until nobody records, and closes the inbox: it is opened again when it is wanted."""
        self._held = self._lock.acquire(timeout=WAIT_SECONDS)
        if self._held:
            self._close_recorder()

    def after_fork(self, *, in_child: bool) -> None:
        """Lets others record; the child with a lock and an inbox of its own."""
        if in_child:
            self._lock, self._recorder = threading.RLock(), None
        elif self._held:
            self._lock.release()

    @contextlib.contextmanager
    def reading(self, busy_seconds: float | None = None) -> Iterator[Connection]:
        """One consistent moment of all that was recorded; raises the errors of the store.

        `busy_seconds` is how long a busy store is waited for, where that is not the usual time.
        """
        from mplp_trace_cli.storage.fold import Pair, fold_if_free, overlay
        from mplp_trace_cli.storage.reading import inbox_to_read

        store, now = self._store(busy_seconds), self._wiring.clock()
        with contextlib.ExitStack() as stack, unforked():
            with inbox_to_read(store) as inbox:
                if inbox is not None and is_clean():
                    pair = Pair(store, inbox, now)
                    fold_if_free(pair)
                    self._tidy(pair)
                db = stack.enter_context(overlay(store, inbox, now))
            yield db  # with the inbox closed: a fork in here leaves the child one that it may use

    @contextlib.contextmanager
    def pair(self) -> Iterator[Pair]:
        """The store and an inbox of its own, so that long work keeps nobody from recording."""
        from mplp_trace_cli.storage.fold import Pair

        with unforked(), contextlib.closing(Recorder(self._wiring.paths)) as recorder:
            yield Pair(self._store(), recorder.inbox, self._wiring.clock())

    def _tidy(self, pair: Pair) -> None:
        """Purges what the options do not keep, at most once a day; after a fold. Never fails."""
        options = self._wiring.options
        if options.retention_period_days is None and options.max_store_size is None:
            return
        from mplp_trace_cli.storage.keeping.retention import retention_rules, tidy_if_due

        tidy_if_due(pair, retention_rules(options), self._wiring.on_wait or (lambda _said: None))

    def _store(self, busy_seconds: float | None = None) -> Store:
        from mplp_trace_cli.storage.store import Store, StoreSettings

        options = self._wiring.options
        settings = StoreSettings(options.memory_limit, options.threads)
        if busy_seconds is not None:
            settings = settings._replace(busy_seconds=busy_seconds)
        return Store(self._wiring.paths, settings, self._wiring.on_wait, self._wiring.on_damage)
