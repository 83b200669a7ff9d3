"""The span exporter: a program that is instrumented with OpenTelemetry records locally, without a collector.

    OTEL_TRACES_EXPORTER=mplp_trace opentelemetry-instrument python program.py

Owns the exporter's life within the SDK: opened in the process that exports, never in the way of the program,
never traced itself. Which events spans become is `span_rows`, which traces they make up `span_recording`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextvars import Token
from typing import Any

from mplp_trace_cli.config import load_options, resolve_store
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.module import wall_clock
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.forking import join
from mplp_trace_cli.storage.paths import StorePaths

try:
    from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context, attach, detach, set_value
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from mplp_trace_cli.integrations.span_recording import GRACE_SECONDS, SpanRecording
    from mplp_trace_cli.integrations.span_rows import SpanReader
except ModuleNotFoundError as missing:
    if missing.name is None or not missing.name.startswith("opentelemetry"):
        raise
    absent = missing_extra("otlp", "the span exporter")
    raise ImportError(f"{absent.message}: {absent.hint}") from missing

FOLD_EVENTS = 50_000
"""So many events are folded in the background: an inbox that grows for ever is slow to look at."""
RETRY_SECONDS = 5.0
"""How long after something went wrong a trace is ended again."""

_log = logging.getLogger("mplp_trace_cli")


class MplpTraceExporter(SpanExporter):
    """Records spans into the store: `db`, else `$MPLP_TRACE_DB`, else where the command line records.

    A trace ends `grace_seconds` after its root span did, so that spans which end later still count.
    For any span processor of the SDK; what goes wrong is logged, once of each kind.
    """

    def __init__(
        self, db: str | os.PathLike[str] | None = None, *, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self._db = None if db is None else os.path.abspath(db)
        self._grace = grace_seconds
        self._told: set[str] = set()
        self._is_shut_down = False
        self._start_anew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_method_of_living(self._start_anew))

    def _start_anew(self) -> None:
        """Has nothing open, as in a forked child: the traces of its parent are the parent's to end."""
        self._lock = threading.RLock()
        self._recording: SpanRecording | None = None
        self._timer: threading.Timer | None = None

    # -- what the SDK calls --------------------------------------------------------------------------

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Records a batch in one durable transaction; whatever goes wrong, nothing is raised."""
        done = not self._is_shut_down and self._done(lambda: self._opened().record(spans))
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Ends the traces whose root has ended; spans that were exported are recorded already."""
        recording = self._recording
        return recording is None or self._is_shut_down or self._done(recording.flush)

    def shutdown(self) -> None:
        """Ends the traces that are this process's to end, and folds when nobody has the store."""
        with self._lock:
            if self._is_shut_down:
                return
            self._is_shut_down = True
            recording, timer = self._recording, self._timer
        if timer is not None:
            timer.cancel()
            timer.join()
        if recording is not None:
            self._done(recording.close)
            if not recording.is_inner:  # else another process may have more to say of its trace
                self._done_untraced(recording.service.fold_if_free)
            self._done_untraced(recording.service.close)

    # -- recording -----------------------------------------------------------------------------------

    def _opened(self) -> SpanRecording:
        if self._recording is None:
            options = load_options()
            paths = StorePaths.at(resolve_store(self._db, options))
            service = TraceManagementService(
                Wiring(paths, options, wall_clock, new_id, durable=options.durable)
            )
            join(service)
            reader = SpanReader(options.event_config.max_event_bytes)
            self._recording = SpanRecording(service, reader, self._grace)
        return self._recording

    def _done(self, work: Callable[[], object]) -> bool:
        """Does it while nobody else records, and sees to what comes later; False when it went wrong."""
        with self._lock:
            done = self._done_untraced(work)
            self._see_to_later(0.0 if done else RETRY_SECONDS)
        return done

    def _done_untraced(self, work: Callable[[], object]) -> bool:
        """Does it, and makes no spans of that; False when it went wrong, which is logged."""
        with _untraced():
            try:
                work()
            except TraceError as error:
                self._tell(error.code, error.message)
            except Exception as error:
                self._tell(type(error).__name__, "spans could not be recorded", exc_info=True)
            else:
                return True
        return False

    def _tell(self, kind: str, message: str, **more: Any) -> None:
        if kind not in self._told:
            self._told.add(kind)
            _log.warning("OpenTelemetry: %s", message, **more)

    # -- what is done later, by another thread -------------------------------------------------------

    def _see_to_later(self, least_seconds: float) -> None:
        recording = self._recording
        if recording is None or self._timer is not None or self._is_shut_down:
            return
        now = time.monotonic()
        due = now if recording.unfolded >= FOLD_EVENTS else recording.next_end
        if due is None:
            return
        self._timer = threading.Timer(max(least_seconds, due - now), self._later)
        self._timer.daemon = True
        try:
            self._timer.start()
        except RuntimeError:  # the interpreter is about to end, and `shutdown` sees to it
            self._timer = None

    def _later(self) -> None:
        with self._lock:
            self._timer = None
            recording = self._recording
        if recording is None:
            return
        if recording.unfolded >= FOLD_EVENTS:
            recording.unfolded = 0
            # Without the lock: the program goes on recording meanwhile.
            self._done_untraced(recording.service.fold_if_free)
        self._done(recording.end_due)


def attach_parent_from_environment() -> Token[Context]:
    """Makes the span that `$TRACEPARENT` names the parent of those that this thread starts from now on.

    For programs whose SDK does not read the environment; `opentelemetry.context.detach` undoes it.
    """
    carrier = {name: os.environ.get(name.upper(), "") for name in ("traceparent", "tracestate")}
    return attach(TraceContextTextMapPropagator().extract(carrier))


@contextlib.contextmanager
def _untraced() -> Iterator[None]:
    """What happens inside makes no spans: an instrumented sqlite3 would trace its own recording."""
    token = attach(set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        yield
    finally:
        detach(token)


def _method_of_living(method: Callable[[], None]) -> Callable[[], None]:
    """Calls a method for as long as its object lives, without keeping it alive."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        living = reference()
        if living is not None:
            living()

    return call
