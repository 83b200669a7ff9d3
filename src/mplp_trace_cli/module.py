"""Wiring: paths, clock, ids, inbox and store become a service; a module folds in the background.

A module that nobody closes is closed when the interpreter ends. After a fork parent and child both have one
that works: the child's folds in a thread of its own from when it records on, and measures nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from mplp_trace_cli.config import (
    MetricsConfig,
    TraceModuleOptions,
    load_options,
    options_of,
    resolve_store,
)
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.metric_catalog import MetricCategory
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.forking import join
from mplp_trace_cli.storage.paths import StorePaths

if TYPE_CHECKING:
    import logging

    from mplp_trace_cli.domain.metric import MetricRow
    from mplp_trace_cli.domain.requests import TraceFields
    from mplp_trace_cli.service.scopes import StepScope, TraceScope
    from mplp_trace_cli.service.sources import SourceRecorder

FOLD_SECONDS = 5.0
MOST_KEPT = 1_000
"""Samples that wait for an inbox that cannot be written."""


def wall_clock() -> int:
    """The present in microseconds since 1970."""
    return time.time_ns() // 1_000


def open_service(
    db: str | None = None,
    config: str | None = None,
    on_wait: Callable[[str], None] | None = None,
    on_damage: Callable[[str], None] | None = None,
) -> TraceManagementService:
    """A service for one command: durable, and folding only when it is asked something."""
    options = load_options(config)
    paths = StorePaths.at(resolve_store(db, options))
    wiring = Wiring(paths, options, wall_clock, new_id, durable=True, on_wait=on_wait, on_damage=on_damage)
    return TraceManagementService(wiring)


class FoldingThread:
    """Folds every few seconds, while something waits and nobody has the store, until it is stopped.

    It keeps no service alive: it ends when nobody has it any more.
    """

    def __init__(self, service: TraceManagementService, seconds: float = FOLD_SECONDS) -> None:
        self._service = weakref.ref(service)
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mplp-trace-fold", daemon=True)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds) and _fold(self._service()):
            pass

    def __enter__(self) -> FoldingThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def _fold(service: TraceManagementService | None) -> bool:
    """Folds what waits; False when there is no such service any more."""
    if service is not None:
        with contextlib.suppress(TraceError):
            service.fold_if_free()
    return service is not None


class CollectingThread:
    """Measures the system each interval and records the mean of each window, until it is stopped.

    What goes wrong is logged and never reaches the program; what could not be recorded is tried again.
    """

    def __init__(self, service: TraceManagementService, config: MetricsConfig) -> None:
        self._service = weakref.ref(service)
        self._interval = config.collection_interval / 1_000
        self._window = config.aggregation_window / 1_000
        self._kept: list[MetricRow] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mplp-trace-collect", daemon=True)

    def _run(self) -> None:
        try:
            self._collect()
        except Exception:
            _log().exception("measuring the system has ended; the program goes on")

    def _collect(self) -> None:
        from mplp_trace_cli.sampling import Means, sample_rows  # psutil, in this thread and when it is wanted

        service = self._service()
        if service is None:
            return
        sampler, means = service.system_sampler(_log().warning), Means()
        del service
        sampler.sample()  # the reading that the first rates count from
        due = time.monotonic() + self._window
        while not self._stopping.wait(self._interval) and self._service() is not None:
            means.add(sampler.sample())
            if time.monotonic() >= due:
                self._record(sample_rows(means.take(), wall_clock()))
                due = time.monotonic() + self._window
        self._record(sample_rows(means.take(), wall_clock()))

    def _record(self, rows: list[MetricRow]) -> None:
        self._kept = [*self._kept, *rows][-MOST_KEPT:]
        service = self._service()
        try:
            if self._kept and service is not None:
                service.record_samples(self._kept)
            self._kept = []
        except TraceError as error:
            _log().warning("system metrics are kept for the next time: %s", error.message)

    def __enter__(self) -> CollectingThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def _log() -> logging.Logger:
    import logging  # 4 ms that no command need pay

    return logging.getLogger("mplp_trace_cli")


class _Background:
    """The threads of one module, and what becomes of them in a fork and at the end."""

    def __init__(self, service: TraceManagementService, options: TraceModuleOptions) -> None:
        self._service = weakref.ref(service)
        self._threads = contextlib.ExitStack()
        self._process = os.getpid()
        self.is_closed = False
        self._threads.enter_context(FoldingThread(service))
        config = options.metrics_config
        if options.enable_metrics_collection and MetricCategory.SYSTEM in config.metric_types:
            self._threads.enter_context(CollectingThread(service, config))

    def resume(self) -> None:
        """Folds in a forked child too, once it records: its parent may be gone. The parent measures."""
        service = self._service()
        if service is not None and self._process != os.getpid() and not self.is_closed:
            self._process = os.getpid()
            self._threads.enter_context(FoldingThread(service))

    def before_fork(self) -> None:
        """Nothing: the threads go on in the parent, and what they do is waited for by others."""

    def after_fork(self, *, in_child: bool) -> None:
        """A child has no threads but the one that forked."""
        if in_child:
            self._threads = contextlib.ExitStack()

    def close(self) -> None:
        """Ends the threads, folds what waits when nobody has the store, and closes the files."""
        if self.is_closed:
            return
        self.is_closed = True
        self._threads.close()
        service = self._service()
        if service is None:
            return
        try:
            service.fold_if_free()
        except TraceError as error:
            _log().warning("what was recorded stays in the inbox for now: %s", error.message)
        service.close()


_backgrounds: weakref.WeakKeyDictionary[TraceManagementService, _Background] = weakref.WeakKeyDictionary()
"""Of each service that somebody has: it may outlive its module."""


def _close_all() -> None:
    """Closes what was left open, when the interpreter ends."""
    for background in list(_backgrounds.values()):
        try:
            background.close()
        except Exception as error:
            _log().warning("a module could not be closed: %r", error)


class TraceModule:
    """The Trace module over one store; use it as a context manager, or `close` it."""

    def __init__(self, options: TraceModuleOptions) -> None:
        self.options = options
        paths = StorePaths.at(
            resolve_store(None, options) if options.data_source is None else options.data_source
        )
        wiring = Wiring(paths, options, wall_clock, new_id, durable=options.durable)
        self.trace_management_service = TraceManagementService(wiring)
        self._background = _started(self.trace_management_service, options)

    def trace(self, name: str, **options: Unpack[TraceFields]) -> TraceScope:
        """A new trace around a `with` or `async with` block, which ends as the block does.

        `options` are the fields of `CreateTraceRequest`; `context_id` is by default `$MPLP_CONTEXT_ID`, else
        `default`. Raises InvalidInput for a field there is not; the block's own faults when it is entered.
        """
        from mplp_trace_cli.service.scopes import TraceScope, trace_request

        return TraceScope(self._service, trace_request(name, **options))

    def step(
        self, stage: str, *, data: Mapping[str, Any] | None = None, source: str | None = None
    ) -> StepScope:
        """A stage of the current trace around a `with` or `async with` block."""
        from mplp_trace_cli.service.scopes import StepScope

        return StepScope(self._service, stage, data=data, source=source)

    def for_source(self, source: str) -> SourceRecorder:
        """A recorder of the events of one module: `plan`, `context`, or any other."""
        from mplp_trace_cli.service.sources import SourceRecorder

        return SourceRecorder(self.trace_management_service, source)

    def _service(self) -> TraceManagementService:
        return self.trace_management_service

    def close(self) -> None:
        """Folds what waits, when nobody has the store, and closes the files. Closing twice is fine."""
        self._background.close()

    def __enter__(self) -> TraceModule:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _started(service: TraceManagementService, options: TraceModuleOptions) -> _Background:
    """The background of a service, known to whoever forks and to whoever ends the interpreter."""
    import atexit

    if not _backgrounds:
        atexit.unregister(_close_all)
        atexit.register(
            _close_all
        )  # anew: whoever registers last is called first, and logging is ended later
    join(service)  # before there are threads
    background = _backgrounds[service] = _Background(service, options)
    join(background)
    service.when_opened = background.resume
    return background


def initialize_trace_module(
    options: TraceModuleOptions | Mapping[str, Any] | None = None,
) -> TraceModule:
    """The Trace module with the given options, or those of the config file that counts.

    Without options `$MPLP_TRACE_DB` names the store before the file does, as on the command line.
    Raises ConfigInvalid, InvalidInput for an option that cannot be, StoreDamaged for a path that is a folder.
    """
    if options is not None:
        return TraceModule(options_of(options))
    loaded = load_options()
    return TraceModule(loaded._replace(data_source=resolve_store(None, loaded)))
