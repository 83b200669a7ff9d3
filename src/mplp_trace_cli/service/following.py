"""The use cases of watching: listeners of this module, and streams of what any process records."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.domain.errors import FeatureDisabled, InvalidInput, NotFound, StoreBusy
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.service.base import ServiceBase, Wiring, request_of
from mplp_trace_cli.storage.forking import WAIT_SECONDS

if TYPE_CHECKING:
    from mplp_trace_cli.domain.event import Event
    from mplp_trace_cli.domain.questions import EventFilter
    from mplp_trace_cli.service.listening import EventListener
    from mplp_trace_cli.storage.following import Follower
    from mplp_trace_cli.storage.inbox import Entry

POLL_SECONDS = 0.05
_BUSY_SECONDS = 1.0
"""How long following waits for the store before it begins without what is in it."""


class EventStream:
    """The events that are recorded from now on, by any process; to be iterated over, or with `async for`.

    It ends when it is closed, from any thread, or when its module is. Use it as a context manager.
    """

    def __init__(self, follower: Follower, wanted: EventFilter | None) -> None:
        self._follower = follower
        self._wanted = wanted
        self._ready: deque[Event] = deque()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._held = False

    def rows(self) -> list[EventRow]:
        """What is there now of the next events, as plain values; raises the errors of the inbox."""
        with self._lock:
            return self._next_rows()

    def _next_rows(self) -> list[EventRow]:
        return [] if self._closing.is_set() else self._passing(self._follower.poll())

    def _passing(self, rows: list[EventRow]) -> list[EventRow]:
        if self._wanted is None:
            return rows
        from mplp_trace_cli.domain.event import Event
        from mplp_trace_cli.domain.matching import matches

        wanted = self._wanted
        return [row for row in rows if matches(Event.from_row(row), wanted)]

    @property
    def is_behind(self) -> bool:
        """True when there may be more to read at once."""
        return self._follower.is_behind

    def _fill(self) -> None:
        """Makes the next events ready, when there are some."""
        from mplp_trace_cli.domain.event import Event

        with self._lock:
            if not self._ready:
                self._ready.extend(map(Event.from_row, self._next_rows()))

    def __iter__(self) -> EventStream:
        return self

    def __next__(self) -> Event:
        while not self._closing.is_set():
            self._fill()
            if self._ready:
                return self._ready.popleft()
            if not self.is_behind:
                self._closing.wait(POLL_SECONDS)
        raise StopIteration

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        import asyncio

        while not self._closing.is_set():
            if self._ready:
                return self._ready.popleft()
            # In a thread, because a look may have to wait for the disk; it only makes events ready, so that
            # none is lost when whoever awaits it is cancelled.
            await asyncio.to_thread(self._fill)
            if not self._ready and not self.is_behind:
                await asyncio.sleep(POLL_SECONDS)
        raise StopAsyncIteration

    def before_fork(self) -> None:
        """Closes the inbox, which is opened again at the next look."""
        self._held = self._lock.acquire(timeout=WAIT_SECONDS)
        if self._held:
            self._follower.close()

    def after_fork(self, *, in_child: bool) -> None:
        """Goes on; a stream of the parent gives nothing in the child."""
        if in_child:
            self._lock, self._closing = threading.Lock(), threading.Event()
            self._closing.set()
        elif self._held:
            self._lock.release()

    def close(self) -> None:
        """Ends it; whoever waits for the next event gets none."""
        self._closing.set()
        with self._lock:
            self._follower.close()

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        import asyncio

        self._closing.set()
        await asyncio.to_thread(self.close)  # which waits for a look that is under way


class Tail(NamedTuple):
    """The newest events, oldest first, and what comes after them."""

    rows: list[EventRow]
    stream: EventStream | None
    busy: StoreBusy | None = None
    """Why only what waits in the inbox was looked at."""


class FollowingService(ServiceBase):
    """Tells of events as they are recorded; light to import, since each method imports what it needs."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self._listeners: tuple[EventListener, ...] = ()
        self._streams: list[EventStream] = []

    # -- forks -------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Closes the inbox and those that streams read."""
        super().before_fork()
        for stream in self._streams:
            stream.before_fork()

    def after_fork(self, *, in_child: bool) -> None:
        """Goes on; the listeners and streams of the parent are not the child's."""
        for stream in self._streams:
            stream.after_fork(in_child=in_child)
        if in_child:
            self._listeners, self._streams = (), []
        super().after_fork(in_child=in_child)

    # -- listeners ---------------------------------------------------------------------------------

    def add_event_listener(
        self, callback: Callable[[Event], None], filter: EventFilter | Mapping[str, Any] | None = None
    ) -> EventListener:
        """Calls `callback` for each event recorded through this module, in order, in a thread of its own.

        What it gives counts the events that were delivered, at which the callback raised, and that were
        dropped because too many waited. Raises FeatureDisabled; InvalidInput for a filter or a callback that
        is none.
        """
        from mplp_trace_cli.domain.questions import EventFilter
        from mplp_trace_cli.service.listening import EventListener

        self._require_monitoring()
        if not callable(callback):
            raise InvalidInput(f"callback: {callback!r} cannot be called")
        wanted = None if filter is None else _checked(request_of(EventFilter, filter, {}))
        listener = EventListener(callback, wanted)
        with self._lock:
            self._listeners = (*self._listeners, listener)
        return listener

    def remove_event_listener(self, callback: Callable[[Event], None]) -> None:
        """Stops calling `callback`, once it has heard of what was recorded before, or after 5 s."""
        with self._lock:
            leaving = [one for one in self._listeners if one.callback == callback]
            self._listeners = tuple(one for one in self._listeners if one not in leaving)
        _drain(leaving)

    def _tell(self, events: Iterable[EventRow | Event]) -> None:
        """For use under the lock, right after the commit, so that listeners hear in the order of arrival."""
        for event in events:
            for listener in self._listeners:
                listener.offer(event)

    def _tell_entries(self, entries: Sequence[Entry]) -> None:
        from mplp_trace_cli.storage.following import event_of
        from mplp_trace_cli.storage.inbox import EVENT, EVENT_WITH_ID

        events = (event_of(body) for kind, body in entries if kind in (EVENT, EVENT_WITH_ID))
        self._tell(row for row in events if row is not None)

    # -- following ---------------------------------------------------------------------------------

    def follow(self, filter: EventFilter | Mapping[str, Any] | None = None, **given: Any) -> EventStream:
        """The events that any process records from now on, and that pass the filter or its fields.

        Raises FeatureDisabled, InvalidInput, StoreMissing.
        """
        from mplp_trace_cli.domain.questions import EventFilter

        self._require_monitoring()
        wanted = _checked(request_of(EventFilter, filter, given))
        return self._stream(None if wanted == EventFilter() else wanted)

    def tail(self, wanted: EventFilter, traces: Sequence[str], most: int, *, follow: bool) -> Tail:
        """The newest events, and what follows them without a gap or a repeat.

        `traces` are ids, prefixes or `@last`. Who follows gets what the inbox has when the store is busy.
        """
        if not follow:
            with self.reading() as db:
                return Tail(_newest(db, _resolved(db, wanted, traces), most), None)
        self._require_monitoring()
        stream = self._stream(_checked(wanted))
        with contextlib.ExitStack() as failed:
            failed.enter_context(stream)
            busy = None
            try:
                with self.reading(_BUSY_SECONDS) as db:
                    wanted = _resolved(db, wanted, traces)
                    rows = _newest(db, wanted, most, stream._follower.until_here(db))
            except StoreBusy as error:
                busy = error
                wanted = wanted._replace(trace_ids=[self._recent(text) for text in traces])
                rows = _newest_in_inbox(stream._follower, wanted, most)
            stream._wanted = _checked(wanted)
            failed.pop_all()
        return Tail(rows, stream, busy)

    def _stream(self, wanted: EventFilter | None) -> EventStream:
        from mplp_trace_cli.storage.following import Follower

        stream = EventStream(Follower(self.paths, self._store), wanted)
        with self._lock:
            self._streams = [one for one in self._streams if not one._closing.is_set()] + [stream]
        return stream

    def _recent(self, text: str) -> str:
        """The id that is meant among the newest traces, which the inbox knows."""
        from mplp_trace_cli.storage.inbox import Inbox
        from mplp_trace_cli.storage.recording import LAST, ambiguous

        with Inbox(self.paths, writable=False) as inbox:
            ids = [trace_id for trace_id, _ in inbox.recent("" if text == LAST else text)]
        if text in ids:
            return text
        if not ids:
            raise NotFound(f"there is no trace {text} among the newest", hint="close what holds the store")
        if len(ids) > 1 and text != LAST:
            raise ambiguous(text, ids)
        return ids[0]

    def _require_monitoring(self) -> None:
        if not self._wiring.options.enable_real_time_monitoring:
            raise FeatureDisabled("real-time monitoring is off", hint="enable_real_time_monitoring = true")

    def _end_watching(self) -> None:
        """Ends streams, and listeners once they have heard of what waits, or after 5 s."""
        with self._lock:
            listeners, self._listeners = self._listeners, ()
            streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()
        _drain(listeners)


def _drain(listeners: Sequence[EventListener]) -> None:
    if not listeners:
        return
    from mplp_trace_cli.service.listening import DRAIN_SECONDS

    until = time.monotonic() + DRAIN_SECONDS
    for listener in listeners:
        listener.close(until - time.monotonic())


def _checked(wanted: EventFilter) -> EventFilter:
    """A filter that is good for `matches`; raises InvalidInput where the SQL of it would."""
    from mplp_trace_cli.analysis.filters import event_condition
    from mplp_trace_cli.domain.matching import in_lists

    event_condition(wanted)
    return in_lists(wanted)


def _resolved(db: Any, wanted: EventFilter, traces: Sequence[str]) -> EventFilter:
    from mplp_trace_cli.analysis.lookup import resolve_trace

    return wanted._replace(trace_ids=[resolve_trace(db, text) for text in traces]) if traces else wanted


def _newest(
    db: Any, wanted: EventFilter, most: int, until: tuple[str, list[int]] | None = None
) -> list[EventRow]:
    from mplp_trace_cli.analysis.queries import newest_events

    return [EventRow(*row) for row in newest_events(db, wanted, most, until)]


def _newest_in_inbox(follower: Follower, wanted: EventFilter, most: int) -> list[EventRow]:
    from mplp_trace_cli.domain.event import Event
    from mplp_trace_cli.domain.matching import matches

    checked = _checked(wanted)
    return follower.newest_in_inbox(lambda row: matches(Event.from_row(row), checked), most)
