"""Recording into the inbox: what may be recorded in which trace, decided inside the transaction.

Opens the store only for an id that is not open, to tell an unknown trace from a finished one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from mplp_trace_cli.domain.errors import (
    AlreadyExists,
    AmbiguousId,
    InvalidInput,
    NotFound,
    TraceError,
    TraceFinished,
)
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.storage.inbox import (
    END,
    EVENT,
    EVENT_WITH_ID,
    METRIC,
    START,
    Entry,
    Inbox,
    OpenTrace,
    encode_body,
)
from mplp_trace_cli.storage.paths import StorePaths

if TYPE_CHECKING:
    from mplp_trace_cli.domain.metric import MetricRow
    from mplp_trace_cli.domain.trace import KnownTrace, TraceRow

LOOKUP_SECONDS = 0.5
LAST = "@last"


class Ending(NamedTuple):
    """How a trace is to end; `at` None is now, `note` is an event to record beside the end."""

    status: str
    at: int | None = None
    note: EventRow | None = None


class Recorder:
    """Records into one inbox. Not for two threads at once."""

    def __init__(self, paths: StorePaths, *, durable: bool = True) -> None:
        self.paths = paths
        self.inbox = Inbox(paths, full_sync=durable)
        if not os.path.exists(paths.store) and self.inbox.store_id is None:
            self._make_store()

    def _make_store(self) -> None:
        from mplp_trace_cli.storage.store import Store  # only the first command on a path pays for duckdb

        Store(self.paths).make()

    def close(self) -> None:
        """Closes the inbox."""
        self.inbox.close()

    # -- one trace, one event ----------------------------------------------------------------------

    def start_trace(self, row: TraceRow, now: int, *, given_id: bool, first: EventRow | None = None) -> None:
        """Records a new trace and its first event durably; raises AlreadyExists for an id that is taken."""
        taken = given_id and self._is_taken(row.trace_id, now)
        with self.inbox.writing():
            if taken or (given_id and self._is_known(row.trace_id)):
                raise AlreadyExists(f"there is a trace {row.trace_id} already")
            self.inbox.append([(START, encode_body(row))])
            if first is not None:
                self.inbox.append([(EVENT, encode_body(first))])
            self.inbox.add_open([open_trace_of(row)])

    def _is_taken(self, trace_id: str, now: int) -> bool:
        if self._is_known(trace_id):
            return True
        try:
            return self._look_up(trace_id, now) is not None
        except NotFound:  # the store cannot be asked, and recording goes on: the fold rejects a second start
            return False

    def _is_known(self, trace_id: str) -> bool:
        return self.inbox.open_trace(trace_id) is not None or self.inbox.is_recent(trace_id)

    def record_event(self, row: EventRow, now: int, *, given_id: bool) -> None:
        """Records one event durably; raises NotFound or TraceFinished."""
        kind = EVENT_WITH_ID if given_id else EVENT
        if self.inbox.record_event(row, kind, now):
            return
        self.require_open(row.trace_id, now)
        if not self.inbox.record_event(row, kind, now):
            raise TraceFinished(f"trace {row.trace_id} has just ended")

    def record_metrics(self, rows: Iterable[MetricRow]) -> None:
        """Records samples durably, all of them in one transaction."""
        with self.inbox.writing():
            self.inbox.append((METRIC, encode_body(row)) for row in rows)

    def end_trace(
        self, trace_id: str, ending: Ending, now: int, noted: list[EventRow] | None = None
    ) -> KnownTrace:
        """Ends a trace durably and gives it; the same end again changes nothing.

        The note goes into `noted` when it was recorded.

        Raises NotFound; TraceFinished when it ended another way; InvalidInput for an end before its start.
        """
        with self.inbox.writing():
            trace = self.inbox.open_trace(trace_id)
            if trace is not None and not trace.is_over(now):
                return self._end(trace, ending, now, noted)
        known = self._finished(trace_id, trace, now)
        if known is None:
            return self.end_trace(trace_id, ending, now, noted)
        if known.end is not None and known.end.status != ending.status:
            raise TraceFinished(f"trace {trace_id} is already {known.end.status}")
        return known

    def _end(self, trace: OpenTrace, ending: Ending, now: int, noted: list[EventRow] | None) -> KnownTrace:
        if ending.at is not None and ending.at < trace.started_at:
            raise InvalidInput("at: the trace would end before it starts")
        at = max(trace.started_at + 1, now if ending.at is None else ending.at)
        entries: list[Entry] = []
        if ending.note is not None:
            note = ending.note._replace(timestamp=at)
            entries.append((EVENT, encode_body(note)))
            if noted is not None:
                noted.append(note)
        entries.append((END, encode_body((trace.trace_id, ending.status, at))))
        self.inbox.append(entries)
        self.inbox.remove_open([trace.trace_id])
        return _known_of(trace, ending.status, at)

    # -- which trace is meant ----------------------------------------------------------------------

    def require_open(self, trace_id: str, now: int) -> None:
        """Makes sure that a trace is open; raises NotFound or TraceFinished."""
        known = self._finished(trace_id, self.inbox.open_trace(trace_id), now)
        if known is not None and known.end is not None:
            raise TraceFinished(
                f"trace {trace_id} is {known.end.status}: nothing more can be recorded in it",
                hint="mplp-trace create NAME",
            )

    def resolve(self, text: str, now: int) -> str:
        """The id of the open trace that an id, a unique prefix or `@last` means.

        Raises AmbiguousId; NotFound for `@last` when none is open. An id that nothing matches is
        returned as it is.
        """
        if text == LAST:
            newest = self.inbox.newest_open(now)
            if newest is None:
                raise NotFound("no trace is open", hint="mplp-trace create NAME")
            return newest.trace_id
        if self.inbox.open_trace(text):
            return text
        matches = self.inbox.open_ids_like(text, 6)
        if len(matches) > 1:
            raise ambiguous(text, matches)
        return matches[0] if matches else text

    def _finished(self, trace_id: str, trace: OpenTrace | None, now: int) -> KnownTrace | None:
        """A finished trace; None for one that is open, if need be from now on."""
        if trace is not None:
            return _known_of(trace, "expired", trace.expires_at or now) if trace.is_over(now) else None
        known = self._look_up(trace_id, now)
        if known is None:
            raise NotFound(f"there is no trace {trace_id}", hint="mplp-trace query")
        if known.end is not None:
            return known
        self._reopen(known)
        return None

    def _reopen(self, known: KnownTrace) -> None:
        with self.inbox.writing():
            if not self.inbox.has_waiting_end(known.row.trace_id):
                self.inbox.add_open([open_trace_of(known.row)])

    def _look_up(self, trace_id: str, now: int) -> KnownTrace | None:
        try:
            return self.look_up([trace_id], now).get(trace_id)
        except NotFound:
            ended = self._ended_lately(trace_id)
            if ended is None:
                raise
            return ended

    def _ended_lately(self, trace_id: str) -> KnownTrace | None:
        """A trace whose beginning and end the inbox still has: it keeps for a minute what is folded."""
        from mplp_trace_cli.domain.trace import KnownTrace, TraceEndRow, TraceRow

        kept = self.inbox.kept_ending(trace_id)
        if kept is None:
            return None
        start, end = map(json.loads, kept)
        return KnownTrace(TraceRow(*start), TraceEndRow(*end))

    def look_up(self, trace_ids: Iterable[str], now: int) -> dict[str, KnownTrace]:
        """What is kept of traces that are not open; raises NotFound when the store cannot be asked."""
        from mplp_trace_cli.storage.fold import Pair
        from mplp_trace_cli.storage.known import known_traces
        from mplp_trace_cli.storage.store import Store, StoreSettings

        store = Store(self.paths, StoreSettings(busy_seconds=LOOKUP_SECONDS))
        ids = list(trace_ids)
        try:
            return known_traces(Pair(store, self.inbox, now), ids)
        except TraceError as error:
            raise NotFound(
                f"trace {ids[0]} is not open: unknown or finished "
                f"(the store cannot be asked: {error.message})",
                hint=error.hint,
            ) from error


def open_trace_of(row: TraceRow) -> OpenTrace:
    """The open trace of a beginning."""
    return OpenTrace(row.trace_id, row.started_at, row.expires_at, encode_body(row))


def trace_row_of(trace: OpenTrace) -> TraceRow:
    """The beginning of an open trace."""
    from mplp_trace_cli.domain.trace import TraceRow

    return TraceRow(*json.loads(trace.body))


def _known_of(trace: OpenTrace, status: str, ended_at: int) -> KnownTrace:
    from mplp_trace_cli.domain.trace import KnownTrace, TraceEndRow

    return KnownTrace(trace_row_of(trace), TraceEndRow(trace.trace_id, status, ended_at))


def ambiguous(text: str, matches: list[str]) -> AmbiguousId:
    """The error for a prefix of several ids."""
    shown = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
    return AmbiguousId(f"{text!r} begins several ids: {shown}", hint="give more of the id")
