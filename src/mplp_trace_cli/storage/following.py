"""Following: the events that any process records from a moment on, once each, in order of arrival.

Read from the inbox alone, whose one writer at a time makes the order of seq the order of commits. The store
is opened for two things only: what a follower who was stopped for long finds dropped from the inbox, and
which ids a trace had before, so that the repeat of a given id is not shown.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import StoreMissing, TraceError, WrongPair
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.times import MAX_INSTANT, MIN_INSTANT
from mplp_trace_cli.storage.inbox import END, EVENT, EVENT_WITH_ID, START, Inbox, decoded_anyhow
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.reading import open_inbox
from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection, Store

ENTRIES_AT_ONCE = 1_000
BYTES_AT_ONCE = 8 << 20
MOST_IDS = 200_000
"""How many ids of events are remembered, at some 70 bytes each."""
ASKING_SECONDS = 0.2
"""How long the store is waited for when it is only asked which ids there are."""
LAST_ENTRIES = 10_000
"""How far back the inbox is looked through for the newest events."""

_LEVELS = frozenset(Level)
_NEW = "SELECT seq, CAST(kind AS TEXT), CAST(body AS TEXT) FROM entries WHERE seq > ? ORDER BY seq LIMIT ?"
_NEWEST = (
    "SELECT CAST(kind AS TEXT), CAST(body AS TEXT) FROM entries WHERE seq <= ? ORDER BY seq DESC LIMIT ?"
)

_Entry = tuple[int, str, str]


class _Look(NamedTuple):
    """One consistent look into the inbox."""

    first: int | None
    """The oldest entry that is there."""
    folded: int
    """How far it is folded: nothing beyond that was ever dropped."""
    entries: list[_Entry]


def event_of(body: str) -> EventRow | None:
    """The event in the body of an entry; None for what the fold would reject."""
    try:
        row = EventRow(*json.loads(body))
    except (ValueError, TypeError):
        return None
    texts = (row.event_id, row.trace_id, row.event_type, row.data)
    others = (row.message, row.parent_event_id, row.source)
    if not all(isinstance(text, str) for text in (*texts, *(one for one in others if one is not None))):
        return None
    if row.level not in _LEVELS:
        return None
    if type(row.timestamp) is not int or not MIN_INSTANT <= row.timestamp <= MAX_INSTANT:
        return None
    if row.duration_ms is None:
        return row
    return row._replace(duration_ms=float(row.duration_ms)) if type(row.duration_ms) in (int, float) else None


class Follower:
    """What is recorded after this was opened. Not for two threads at once.

    Raises StoreMissing where there is nothing to follow; WrongPair when another inbox takes the place of
    this one. Without an inbox, in a folder that cannot be written, it waits for one.
    """

    def __init__(self, paths: StorePaths, open_store: Callable[[], Store]) -> None:
        self._paths = paths
        self._open_store = open_store
        self._known = _KnownIds()
        self._inbox: Inbox | None = None
        self._inbox_id: str | None = None
        self._version: int | None = None
        self._state: tuple[object, ...] | None = None
        self.is_behind = False
        """True when there may be more to read at once."""
        self.position = 0
        """The last entry that was seen."""
        self._open()
        if self._inbox is not None:
            self._begin(self._inbox)

    def _begin(self, inbox: Inbox) -> None:
        self._inbox_id = inbox.inbox_id
        with inbox.errors():
            (last,) = inbox.db.execute("SELECT coalesce(max(seq), 0) FROM entries").fetchone()
        self.position = max(last, inbox.folded_seq)

    def close(self) -> None:
        """Closes the inbox; the next look would open it again."""
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None
        self._state = None

    # -- what is new -------------------------------------------------------------------------------

    def poll(self) -> list[EventRow]:
        """The next events, a bounded number of them; none while there is nothing new."""
        inbox = self._opened()
        if inbox is None or not self._has_news(inbox):
            return []
        while True:
            look = self._look(inbox)
            missed = self._missed(inbox, look)
            rows = self._from_store(inbox, missed[0]) if missed else self._from_entries(inbox, look.entries)
            if rows or not self.is_behind:
                return rows

    def _opened(self) -> Inbox | None:
        """The inbox that lies there now; opened anew when it is another file than before."""
        if self._state != self._state_of_file():
            if self._inbox is not None and not os.path.exists(self._paths.inbox):
                raise StoreMissing(f"the inbox {self._paths.inbox} is gone", hint="put it back")
            self.close()
            self._open()
        return self._inbox

    def _open(self) -> None:
        before = self._state_of_file()
        self._inbox = open_inbox(self._paths)
        self._state = self._state_of_file()
        if before is not None and self._state is not None and self._state[:2] != before[:2]:
            self._state = None  # it was replaced while it was opened
        self._version = None
        if self._inbox is not None:
            self._inbox.db.text_factory = decoded_anyhow

    def _state_of_file(self) -> tuple[object, ...] | None:
        try:
            found = os.stat(self._paths.inbox)
        except OSError:
            return None
        if self._inbox is None or not self._inbox.is_still:
            return (found.st_dev, found.st_ino)
        has_journal = os.path.exists(f"{self._paths.inbox}-wal")
        return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, has_journal)

    def _has_news(self, inbox: Inbox) -> bool:
        with inbox.errors():
            (version,) = inbox.db.execute("PRAGMA data_version").fetchone()
        has_news = self.is_behind or version != self._version
        self._version = version
        return has_news

    def _look(self, inbox: Inbox) -> _Look:
        with inbox.errors():
            inbox.db.execute("BEGIN")
            try:
                self._check_same(inbox)
                (first,) = inbox.db.execute("SELECT min(seq) FROM entries").fetchone()
                return _Look(first, inbox.folded_seq, self._new_entries(inbox.db))
            finally:
                if inbox.db.in_transaction:
                    inbox.db.execute("COMMIT")

    def _check_same(self, inbox: Inbox) -> None:
        inbox_id = inbox.inbox_id
        if self._inbox_id is None:
            self._inbox_id = inbox_id
        if inbox_id != self._inbox_id or inbox.last_seq < self.position:
            raise WrongPair(
                f"{self._paths.inbox} was replaced by another while it was followed", hint="follow anew"
            )

    def _new_entries(self, db: sqlite3.Connection) -> list[_Entry]:
        """The next entries without a number left out between them."""
        found: list[_Entry] = []
        size = 0
        cursor = db.execute(_NEW, (self.position, ENTRIES_AT_ONCE))
        self.is_behind = True
        for entry in cursor:
            if found and entry[0] != found[-1][0] + 1:
                break
            found.append(entry)
            size += len(entry[2])
            if size > BYTES_AT_ONCE:
                break
        else:
            self.is_behind = len(found) == ENTRIES_AT_ONCE
        cursor.close()
        return found

    def _from_entries(self, inbox: Inbox, entries: Sequence[_Entry]) -> list[EventRow]:
        if not entries:
            return []
        if entries[0][0] != self.position + 1:  # a load may have come between, which nobody follows
            self._known.forget()
        self.position = entries[-1][0]
        events = [(kind, event_of(body)) for _, kind, body in entries if kind in (EVENT, EVENT_WITH_ID)]
        given = {row.trace_id for kind, row in events if row is not None and kind == EVENT_WITH_ID}
        for trace_id in _ids_of(entries, START):
            self._known.traces.add(trace_id)
        unknown = given - self._known.traces
        if unknown:
            self._learn(inbox, unknown, entries[0][0])
        rows = [row for kind, row in events if row is not None and self._known.is_new(row, kind)]
        self._known.traces.difference_update(_ids_of(entries, END))
        return rows

    # -- what the inbox has dropped ----------------------------------------------------------------

    def _missed(self, inbox: Inbox, look: _Look) -> list[tuple[int, int]]:
        """The spans of seq that were dropped unseen, each after its first number and up to its second."""
        upto = look.folded if look.first is None else min(look.folded, look.first - 1)
        if upto <= self.position:
            return []
        return _without(inbox.reserved(), self.position, upto)

    def _from_store(self, inbox: Inbox, span: tuple[int, int]) -> list[EventRow]:
        from mplp_trace_cli.storage.fold import Pair, check_pair
        from mplp_trace_cli.storage.rows import rows_of
        from mplp_trace_cli.storage.store import seq_base

        store = self._open_store()
        rows: list[EventRow] = []
        size, low, high = 0, *span
        self._known.forget()
        with store.reading() as db:
            check_pair(db, Pair(store, inbox, 0))
            base = seq_base(db, inbox.inbox_id) or 0
            bounds = {"low": base + low, "high": base + high}
            for seq, *cells in rows_of(db, statement("missed_events"), bounds):
                rows.append(EventRow(*cells))
                size += len(cells[5])
                if len(rows) == ENTRIES_AT_ONCE or size > BYTES_AT_ONCE:
                    high = seq - base
                    break
        self.position, self.is_behind = high, True
        return rows

    # -- repeated ids ------------------------------------------------------------------------------

    def _learn(self, inbox: Inbox, trace_ids: Iterable[str], before: int) -> None:
        """Remembers the events that these traces had before that seq, as far as the files can be asked."""
        wanted = json.dumps(sorted(trace_ids))
        with inbox.errors():
            pairs = inbox.db.execute(statement("waiting_event_ids"), (before, wanted, MOST_IDS)).fetchall()
        with contextlib.suppress(TraceError):  # a store that cannot be asked keeps nobody from following
            pairs += self._kept_ids(inbox, wanted, before)
        for trace_id, event_id in pairs:
            self._known.add(trace_id, event_id)
        self._known.traces.update(json.loads(wanted))

    def _kept_ids(self, inbox: Inbox, trace_ids: str, before: int) -> list[tuple[str, str]]:
        from mplp_trace_cli.storage.store import Store, next_seq_base, seq_base

        settings = self._open_store().settings._replace(busy_seconds=ASKING_SECONDS)
        with Store(self._paths, settings).reading() as db:
            base = seq_base(db, inbox.inbox_id)
            upto = next_seq_base(db) + 1 if base is None else base + before
            values = {"traces": trace_ids, "before": upto, "most": MOST_IDS}
            return db.execute(statement("kept_event_ids"), values).fetchall()

    # -- where following begins --------------------------------------------------------------------

    def until_here(self, db: Connection) -> tuple[str, list[int]]:
        """A condition over the view `events`, and its values: true for every event that is not followed."""
        from mplp_trace_cli.storage.store import next_seq_base, seq_base

        if self._inbox is None:
            return "true", []
        base = seq_base(db, self._inbox.inbox_id)
        if base is None:
            base = next_seq_base(db)
        blocks = [block for block in self._inbox.reserved() if block[1] > self.position]
        loaded = " OR seq BETWEEN ? AND ?" * len(blocks)
        bounds = [bound for low, high in blocks for bound in (base + low + 1, base + high)]
        return f"(seq <= ?{loaded})", [base + self.position, *bounds]

    def newest_in_inbox(self, passes: Callable[[EventRow], bool], most: int) -> list[EventRow]:
        """The newest events before those that are followed, oldest first: among the last in the inbox."""
        if self._inbox is None:
            return []
        with self._inbox.errors():
            found = self._inbox.db.execute(_NEWEST, (self.position, LAST_ENTRIES)).fetchall()
        rows: dict[tuple[str, str], EventRow] = {}
        for kind, body in reversed(found):
            row = event_of(body) if kind in (EVENT, EVENT_WITH_ID) else None
            if row is not None and passes(row):
                rows.setdefault((row.trace_id, row.event_id), row)
        ordered = sorted(rows.values(), key=lambda row: row.timestamp)
        return ordered[len(ordered) - min(most, len(ordered)) :]


class _KnownIds:
    """The events that some traces are known to have: the last MOST_IDS at least, twice that at most."""

    def __init__(self) -> None:
        self.traces: set[str] = set()
        """Those of which every event is remembered, as far as there is room."""
        self._recent: set[int] = set()
        self._older: set[int] = set()

    def is_new(self, row: EventRow, kind: str) -> bool:
        """False for the repeat of a given id; remembers what it is asked about."""
        if row.trace_id not in self.traces:
            return True
        key = hash((row.trace_id, row.event_id))
        if kind == EVENT_WITH_ID and (key in self._recent or key in self._older):
            return False
        self._remember(key)
        return True

    def add(self, trace_id: str, event_id: str) -> None:
        """Remembers an event."""
        self._remember(hash((trace_id, event_id)))

    def _remember(self, key: int) -> None:
        self._recent.add(key)
        if len(self._recent) >= MOST_IDS:
            self._older, self._recent = self._recent, set()

    def forget(self) -> None:
        """Remembers nothing, so that it is asked for anew."""
        self.traces.clear()
        self._recent.clear()
        self._older.clear()


def _ids_of(entries: Iterable[_Entry], wanted: str) -> list[str]:
    """The traces whose beginning or end is among the entries."""
    found = []
    for _, kind, body in entries:
        if kind == wanted:
            with contextlib.suppress(ValueError, LookupError, TypeError):
                found.append(str(json.loads(body)[0]))
    return found


def _without(blocks: Iterable[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """What is left of a span when ascending blocks are taken out of it."""
    left = []
    for start, end in blocks:
        if end > low and start < high:
            if start > low:
                left.append((low, start))
            low = end
    if low < high:
        left.append((low, high))
    return left
