"""Listeners: each hears of events in a thread of its own, so that a slow one keeps nobody from recording."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.matching import matches
from mplp_trace_cli.domain.questions import EventFilter

MOST_WAITING = 10_000
"""Events that wait for one listener; what comes beyond that it does not hear of."""
DRAIN_SECONDS = 5.0
PAUSE_SECONDS = 0.005
"""How long a listener lets events gather: woken for each of them it would take turns with whoever records."""
TELL_SECONDS = 10.0
"""How often it is logged that a listener is slow."""

Callback = Callable[[Event], None]

_log = logging.getLogger("mplp_trace_cli")


class EventListener:
    """A callback with its queue and its thread, and the counts of what became of its events."""

    def __init__(self, callback: Callback, wanted: EventFilter | None) -> None:
        self.callback = callback
        self.delivered = 0
        """Events that the callback has returned from, having raised or not."""
        self.failed = 0
        """Those of them at which it raised."""
        self.dropped = 0
        """Events that came while its queue was full; its filter was not asked about them."""
        self._wanted = wanted
        self._waiting: SimpleQueue[EventRow | Event | None] = SimpleQueue()
        self._stopped = False
        self._told_at = -TELL_SECONDS
        self._told = 0
        self._thread = threading.Thread(target=self._run, name="mplp-trace-listener", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events that are still to be heard."""
        return self._waiting.qsize()

    def offer(self, event: EventRow | Event) -> None:
        """Puts an event at the end of the queue where there is room; never waits, never raises."""
        if self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(event)
            return
        self.dropped += 1
        if time.monotonic() - self._told_at >= TELL_SECONDS:
            self._tell_dropped()

    def _tell_dropped(self) -> None:
        self._told_at = time.monotonic()
        missed, self._told = self.dropped - self._told, self.dropped
        with contextlib.suppress(Exception):  # a handler of the program's own may raise
            _log.warning("listener %r is slow: %d events were not delivered", self.callback, missed)

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None and not self._stopped:
            try:
                self._hear(event if isinstance(event, Event) else Event.from_row(event))
            except BaseException:  # also one that means to end the program: this thread is not its own
                self.failed += 1
                _log.exception("an event listener raised; recording goes on")
            if self._waiting.empty():
                time.sleep(PAUSE_SECONDS)

    def _hear(self, event: Event) -> None:
        if self._wanted is None or matches(event, self._wanted):
            try:
                self.callback(event)
            finally:
                self.delivered += 1

    def close(self, seconds: float = DRAIN_SECONDS) -> None:
        """Waits at most so long until what waits was heard; afterwards the callback is not called again."""
        self._waiting.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, seconds))
        self._stopped = True
        if self.dropped > self._told:
            self._tell_dropped()
