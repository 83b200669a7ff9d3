"""Wiring: paths, clock, ids, inbox and store become a service; a module folds in the background."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mplp_trace_cli.config import (
    MetricsConfig,
    TraceModuleOptions,
    check_options,
    load_options,
    resolve_store,
)
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.metric_catalog import MetricCategory
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.paths import StorePaths

if TYPE_CHECKING:
    import logging

    from mplp_trace_cli.domain.metric import MetricRow

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
    """Folds every few seconds, while something waits and nobody has the store, until it is stopped."""

    def __init__(self, service: TraceManagementService, seconds: float = FOLD_SECONDS) -> None:
        self._service = service
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mplp-trace-fold", daemon=True)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            with contextlib.suppress(TraceError):
                self._service.fold_if_free()

    def __enter__(self) -> FoldingThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


class CollectingThread:
    """Measures the system each interval and records the mean of each window, until it is stopped.

    What goes wrong is logged and never reaches the program; what could not be recorded is tried again.
    """

    def __init__(self, service: TraceManagementService, config: MetricsConfig) -> None:
        self._service = service
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

        sampler, means = self._service.system_sampler(_log().warning), Means()
        sampler.sample()  # the reading that the first rates count from
        due = time.monotonic() + self._window
        while not self._stopping.wait(self._interval):
            means.add(sampler.sample())
            if time.monotonic() >= due:
                self._record(sample_rows(means.take(), self._service.now()))
                due = time.monotonic() + self._window
        self._record(sample_rows(means.take(), self._service.now()))

    def _record(self, rows: list[MetricRow]) -> None:
        self._kept = [*self._kept, *rows][-MOST_KEPT:]
        try:
            if self._kept:
                self._service.record_samples(self._kept)
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


class TraceModule:
    """The Trace module over one store; use it as a context manager, or `close` it."""

    def __init__(self, options: TraceModuleOptions) -> None:
        self.options = options
        paths = StorePaths.at(
            resolve_store(None, options) if options.data_source is None else options.data_source
        )
        wiring = Wiring(paths, options, wall_clock, new_id, durable=options.durable)
        self.trace_management_service = TraceManagementService(wiring)
        self._open = contextlib.ExitStack()
        self._open.enter_context(FoldingThread(self.trace_management_service))
        config = options.metrics_config
        if options.enable_metrics_collection and MetricCategory.SYSTEM in config.metric_types:
            self._open.enter_context(CollectingThread(self.trace_management_service, config))
        self._closed = False

    def close(self) -> None:
        """Folds what waits, when nobody has the store, and closes the files. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._open.close()
        try:
            self.trace_management_service.fold_if_free()
        except TraceError as error:
            _log().warning("what was recorded stays in the inbox for now: %s", error.message)
        self.trace_management_service.close()

    def __enter__(self) -> TraceModule:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def initialize_trace_module(options: TraceModuleOptions | None = None) -> TraceModule:
    """The Trace module with the given options, or those of the config file that counts.

    Without options `$MPLP_TRACE_DB` names the store before the file does, as on the command line.
    Raises ConfigInvalid, InvalidInput for an option that cannot be, StoreDamaged for a path that is a folder.
    """
    if options is not None:
        check_options(options)
    if options is None:
        loaded = load_options()
        options = loaded._replace(data_source=resolve_store(None, loaded))
    return TraceModule(options)
