"""The inbox: a SQLite file that takes every record in one short durable transaction.

Owns the tables of `sql/inbox.sql`. Never waits for a reader of the store and never opens it; imports
nothing but the standard library, because every recording command pays for what is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.errors import StoreBusy, StoreDamaged
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.storage.paths import StorePaths, make_once
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.sqlite_files import SqliteFile, new_file

INBOX_VERSION = 1
ROWS_AT_ONCE = 100
"""Rows in one statement of a bulk: each statement has a cost of its own."""
RECENT_TRACES = 1_000
MOST_BLOCKS = 1_000
FOLLOWERS_US = 60_000_000
BATCH_ENTRIES = 50_000
BATCH_BYTES = 32 << 20
DELETE_CHUNK = 5_000

START, END, METRIC, REJECT = "start", "end", "metric", "reject"
EXPIRED = "expired"
EVENT, EVENT_WITH_ID = "event", "event_with_id"
"""An event whose id was given is looked for among all events at the fold; a generated one need not be."""
KINDS = frozenset((START, END, METRIC, REJECT, EVENT, EVENT_WITH_ID))

Entry = tuple[str, str]
"""A kind and a body: the row as a JSON array."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_RECORD_EVENT = """
INSERT INTO entries (kind, body) SELECT ?, ? WHERE EXISTS (
    SELECT 1 FROM open_traces WHERE trace_id = ? AND (expires_at IS NULL OR expires_at > ?))
"""
"""In no file of its own: each command that records would read it."""
_FLAT = str.maketrans("\t\n", "  ")


class OpenTrace(NamedTuple):
    """A trace that still takes events; `body` is its TraceRow as a JSON array."""

    trace_id: str
    started_at: int
    expires_at: int | None
    body: str

    def is_over(self, now: int) -> bool:
        """True when its time has run out."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def ends_at(self) -> int:
        """When it ends unless somebody ends it before; of a trace that expires."""
        return max(self.expires_at or 0, self.started_at + 1)


class Batch(NamedTuple):
    """Entries to fold: one line each of seq, kind and body between tabs, and the last seq."""

    lines: str
    last_seq: int
    entries: int


def encode_body(row: Sequence[object]) -> str:
    """The body of an entry: the row as a JSON array, on one line and without tabs."""
    return _ENCODER.encode(row)


def _identity(path: str) -> tuple[int, int] | None:
    """Which file a path names, None for none; raises OSError where that may not be seen."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


class Inbox(SqliteFile):
    """One open inbox. Not for two threads at once."""

    kind = "inbox"
    version = INBOX_VERSION

    def __init__(self, paths: StorePaths, *, full_sync: bool = True, writable: bool = True) -> None:
        if writable and not os.path.exists(paths.inbox):
            paths.make_folder()
            _refuse_orphan(paths.inbox)
            make_once(paths.inbox, _make)
        self._identity: tuple[int, int] | None = None
        with contextlib.suppress(OSError):  # what is wrong is said when it is opened
            self._identity = _identity(paths.inbox)
        super().__init__(paths.inbox, writable=writable)
        if writable:
            self._require_in_place()
            with self.errors():
                self.db.execute(f"PRAGMA synchronous={'FULL' if full_sync else 'NORMAL'}")

    # -- recording -------------------------------------------------------------------------------

    def record_event(self, row: EventRow, kind: str, now: int) -> bool:
        """Records one event durably; False when its trace is not open."""
        with self.errors():
            done = self.db.execute(_RECORD_EVENT, (kind, encode_body(row), row.trace_id, now))
        if done.rowcount != 1:
            return False
        self._require_in_place()
        return True

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that alone may write; raises StoreBusy when its file is no more the inbox."""
        with super().writing() as db:
            yield db
        self._require_in_place()

    def _require_in_place(self) -> None:
        # Looked at after the commit: what is in the file before a repair renames it, the repair takes over.
        try:
            is_in_place = _identity(self.path) == self._identity
        except OSError:  # a program that gave up its rights has the file all the same
            return
        if not is_in_place:
            raise StoreBusy(
                f"the inbox {self.path} was replaced or removed while it was open",
                hint="open the store again, and record this once more",
            )

    def append(self, entries: Iterable[Entry]) -> None:
        """Records entries; for use inside `writing`."""
        self.db.executemany("INSERT INTO entries (kind, body) VALUES (?, ?)", entries)

    def append_bodies(self, kind: str, bodies: Sequence[str]) -> None:
        """Records entries of one kind; for use inside `writing`."""
        insert = f"INSERT INTO entries (kind, body) VALUES ('{kind}', ?)"
        whole = len(bodies) // ROWS_AT_ONCE * ROWS_AT_ONCE
        columns = [bodies[place:whole:ROWS_AT_ONCE] for place in range(ROWS_AT_ONCE)]
        self.db.executemany(insert + f", ('{kind}', ?)" * (ROWS_AT_ONCE - 1), zip(*columns, strict=True))
        self.db.executemany(insert, zip(bodies[whole:]))

    def add_open(self, traces: Iterable[OpenTrace]) -> None:
        """Makes traces known as open; for use inside `writing`."""
        rows = list(traces)
        self.db.executemany("INSERT OR IGNORE INTO open_traces VALUES (?, ?, ?, ?)", rows)
        names = [(row.trace_id, json.loads(row.body)[4]) for row in rows[-RECENT_TRACES:]]
        self.db.executemany("INSERT INTO recent_traces (trace_id, name) VALUES (?, ?)", names)
        self.db.execute(
            "DELETE FROM recent_traces WHERE id <= (SELECT max(id) FROM recent_traces) - ?",
            (RECENT_TRACES,),
        )

    def remove_open(self, trace_ids: Iterable[str]) -> None:
        """Takes traces off the open ones; for use inside `writing`."""
        rows = ((trace_id,) for trace_id in trace_ids)
        self.db.executemany("DELETE FROM open_traces WHERE trace_id = ?", rows)

    def end_overdue(self, traces: Iterable[OpenTrace], but: Collection[str]) -> None:
        """Takes traces off the open ones and records that they expired, but for some that ended before."""
        with self.writing() as db:
            for trace in traces:
                was = db.execute("DELETE FROM open_traces WHERE trace_id = ?", (trace.trace_id,)).rowcount
                if was and trace.trace_id not in but:
                    self.append([(END, encode_body((trace.trace_id, EXPIRED, trace.ends_at)))])

    def forget_traces(self, trace_ids: Collection[str]) -> None:
        """Knows some traces no more: neither as open nor for completion."""
        with self.writing() as db:
            self.remove_open(trace_ids)
            rows = ((trace_id,) for trace_id in trace_ids)
            db.executemany("DELETE FROM recent_traces WHERE trace_id = ?", rows)

    def reserve(self, count: int) -> int:
        """Sets `count` numbers of seq aside for a bulk load; returns the last one before them."""
        with self.writing() as db:
            (before,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
            db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'entries'", (count,))
            self._note_blocks([*self.reserved(), (before, before + count)])
            return int(before)

    def release(self, used: int, reserved: int) -> None:
        """Gives back the numbers after `used`, if none beyond `reserved` was given out meanwhile."""
        with self.writing() as db:
            query = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'entries' AND seq = ?"
            if db.execute(query, (used, reserved)).rowcount:
                ends = ((low, used if high == reserved else high) for low, high in self.reserved())
                self._note_blocks([(low, high) for low, high in ends if high > low])

    def reserved(self) -> list[tuple[int, int]]:
        """The blocks of seq that were set aside, each after the first number and up to the second."""
        value = self._meta("reserved")
        return [] if value is None else [(low, high) for low, high in json.loads(str(value))]

    def _note_blocks(self, blocks: Sequence[tuple[int, int]]) -> None:
        text = json.dumps(blocks[-MOST_BLOCKS:])
        self.db.execute("INSERT OR REPLACE INTO meta VALUES ('reserved', ?)", (text,))

    # -- looking ---------------------------------------------------------------------------------

    def open_trace(self, trace_id: str) -> OpenTrace | None:
        """The open trace of that id, even when its time has run out."""
        return self._one("SELECT * FROM open_traces WHERE trace_id = ?", trace_id)

    def newest_open(self, now: int) -> OpenTrace | None:
        """The open trace that started last."""
        return self._one(
            "SELECT * FROM open_traces WHERE expires_at IS NULL OR expires_at > ? "
            "ORDER BY started_at DESC, rowid DESC LIMIT 1",
            now,
        )

    def overdue(self, now: int, most: int = -1) -> list[OpenTrace]:
        """The open traces whose time has run out, the first `most` of them."""
        query = "SELECT * FROM open_traces WHERE expires_at <= ? ORDER BY expires_at LIMIT ?"
        with self.errors():
            return [OpenTrace(*row) for row in self.db.execute(query, (now, most))]

    def known_ids(self) -> list[str]:
        """The ids of the open and of the newest traces."""
        with self.errors():
            rows = self.db.execute(
                "SELECT trace_id FROM open_traces UNION SELECT trace_id FROM recent_traces"
            )
            return [row[0] for row in rows]

    def newest_seq(self) -> int:
        """The seq of the newest entry that is there; any that comes later has a greater one."""
        with self.errors():
            return int(self.db.execute("SELECT coalesce(max(seq), 0) FROM entries").fetchone()[0])

    def traces_after(self, seq: int) -> set[str]:
        """The traces that entries beyond seq are about."""
        place = "CASE WHEN kind LIKE 'event%' THEN '$[1]' ELSE '$[0]' END"
        trace_id = f"CASE WHEN json_valid(body) THEN json_extract(body, {place}) END"
        query = f"SELECT {trace_id} FROM entries WHERE seq > ? AND kind <> '{METRIC}' AND kind <> '{REJECT}'"
        with self.errors():
            return {row[0] for row in self.db.execute(query, (seq,))}

    def _one(self, query: str, value: object) -> OpenTrace | None:
        with self.errors():
            row = self.db.execute(query, (value,)).fetchone()
        return OpenTrace(*row) if row else None

    def open_ids(self) -> set[str]:
        """The ids of all open traces."""
        with self.errors():
            return {row[0] for row in self.db.execute("SELECT trace_id FROM open_traces")}

    def open_ids_like(self, prefix: str, most: int) -> list[str]:
        """Up to `most` ids of open traces that begin with `prefix`."""
        query = "SELECT trace_id FROM open_traces WHERE substr(trace_id, 1, ?) = ? ORDER BY 1 LIMIT ?"
        with self.errors():
            return [row[0] for row in self.db.execute(query, (len(prefix), prefix, most))]

    def recent(self, prefix: str) -> list[tuple[str, str]]:
        """Ids and names of the newest traces whose id begins with `prefix`, newest first."""
        query = (
            "SELECT trace_id, name FROM recent_traces WHERE substr(trace_id, 1, ?) = ? "
            "GROUP BY trace_id ORDER BY max(id) DESC"
        )
        with self.errors():
            return list(self.db.execute(query, (len(prefix), prefix)))

    def is_recent(self, trace_id: str) -> bool:
        """True for one of the newest traces; one that is not open any more has ended."""
        query = "SELECT 1 FROM recent_traces WHERE trace_id = ? LIMIT 1"
        with self.errors():
            return self.db.execute(query, (trace_id,)).fetchone() is not None

    def kept_ending(self, trace_id: str) -> tuple[str, str] | None:
        """The newest beginning and end of a trace as they were recorded, where both are still here."""
        said = "CASE WHEN json_valid(body) THEN json_extract(body, '$[0]') END"
        query = f"SELECT body FROM entries WHERE kind = ? AND {said} = ? ORDER BY seq DESC LIMIT 1"
        with self.errors():
            found = [self.db.execute(query, (kind, trace_id)).fetchone() for kind in (START, END)]
        return (found[0][0], found[1][0]) if all(found) else None

    def has_waiting_end(self, trace_id: str) -> bool:
        """True when the end of that trace is recorded and not folded yet."""
        said = "CASE WHEN json_valid(body) THEN json_extract(body, '$[0]') END"
        query = f"SELECT 1 FROM entries WHERE kind = 'end' AND {said} = ? LIMIT 1"
        with self.errors():
            return self.db.execute(query, (trace_id,)).fetchone() is not None

    def waiting_ends(self) -> set[str]:
        """The traces whose end is recorded and not folded yet."""
        trace_id = "CASE WHEN json_valid(body) THEN json_extract(body, '$[0]') END"
        query = f"SELECT {trace_id} FROM entries WHERE kind = 'end' AND seq > ?"
        with self.errors():
            return {row[0] for row in self.db.execute(query, (self.folded_seq,))}

    # -- folding ---------------------------------------------------------------------------------

    @property
    def inbox_id(self) -> str:
        """The random id of this file."""
        return str(self._meta("inbox_id"))

    @property
    def store_id(self) -> str | None:
        """The id of the store this inbox has folded into; None before the first fold."""
        value = self._meta("store_id")
        return None if value is None else str(value)

    @property
    def tidied_at(self) -> int | None:
        """When somebody last set about purging what the options do not keep, or is to have done so."""
        value = self._meta("tidied_at")
        return None if value is None else int(str(value))

    def note_tidied(self, before: int | None, now: int) -> bool:
        """Notes that somebody sets about it now; False when another has done so since `before` was read."""
        with self.writing() as db:
            if self.tidied_at != before:
                return False
            db.execute("INSERT OR REPLACE INTO meta VALUES ('tidied_at', ?)", (now,))
            return True

    def _meta(self, key: str) -> object:
        with self.errors():
            row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def _note(self, key: str, value: object) -> None:
        """For use inside `writing`."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def taken_seq(self) -> int | None:
        """How far a fold has set out to come; None in an inbox from before that was noted."""
        value = self._meta("taken_seq")
        return None if value is None else int(str(value))

    def note_taken(self, seq: int) -> None:
        """Notes, before the store has it, that a fold takes all up to `seq`: an old copy does not know it."""
        with self.writing():
            self._note("taken_seq", seq)

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Spans of seq, each after its first number, of which a store that was set back lacks entries."""
        value = self._meta("gaps")
        return [] if value is None else [(low, high) for low, high in json.loads(str(value))]

    def note_gap(self, after: int, upto: int) -> None:
        """Notes such a span."""
        with self.writing():
            self._note("gaps", json.dumps([*self.gaps, (after, upto)]))

    def bind_to(self, store_id: str) -> None:
        """Notes the store that this inbox folds into."""
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('store_id', ?)", (store_id,))

    @property
    def folded_seq(self) -> int:
        """The last entry that was folded, as far as this inbox knows."""
        with self.errors():
            return int(self.db.execute("SELECT coalesce(max(seq), 0) FROM folded").fetchone()[0])

    @property
    def folded_at(self) -> int | None:
        """When the last fold was noted, in microseconds since 1970."""
        with self.errors():
            (at,) = self.db.execute("SELECT max(at) FROM folded").fetchone()
        return None if at is None else int(at)

    def kept_between(self, after: int, upto: int) -> int:
        """How many entries beyond seq `after` and up to `upto` are still here."""
        query = "SELECT count(*) FROM entries WHERE seq > ? AND seq <= ?"
        with self.errors():
            return int(self.db.execute(query, (after, upto)).fetchone()[0])

    @property
    def last_seq(self) -> int:
        """The last number of seq that was given out."""
        with self.errors():
            return int(
                self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()[0]
            )

    def waiting(self) -> int:
        """How many entries wait to be folded."""
        query = "SELECT count(*) FROM entries WHERE seq > ?"
        with self.errors():
            return int(self.db.execute(query, (self.folded_seq,)).fetchone()[0])

    def batches(self, after: int) -> Iterator[Batch]:
        """The entries beyond seq `after` that are there when the first is asked for, in bounded batches."""
        # What arrives meanwhile is left for the next time: whoever records steadily would never let this end.
        with self.errors():
            (last,) = self.db.execute("SELECT coalesce(max(seq), 0) FROM entries").fetchone()
        while after < last:
            with self.errors():
                batch = self._batch(after, last)
            if batch is None:
                return
            yield batch
            after = batch.last_seq

    def _batch(self, after: int, last: int) -> Batch | None:
        try:
            return self._read_batch(after, last)
        except sqlite3.OperationalError:
            if self.db.text_factory is not str:
                raise
            # Text that is no UTF-8 was not written by us; it must not keep the rest from being read.
            self.db.text_factory = decoded_anyhow
            return self._read_batch(after, last)

    def _read_batch(self, after: int, last: int) -> Batch | None:
        lines: list[str] = []
        size = 0
        query = (
            "SELECT seq, CAST(kind AS TEXT), CAST(body AS TEXT) FROM entries "
            "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        )
        rows = self.db.execute(query, (after, last, BATCH_ENTRIES))
        for seq, kind, body in rows:
            line = f"{seq}\t{kind}\t{body}"
            if "\n" in body or "\t" in body or kind not in KINDS:
                line = f"{seq}\t{kind.translate(_FLAT)}\t{body.translate(_FLAT)}"
            lines.append(line)
            after = seq
            size += len(body)
            if size > BATCH_BYTES:
                break
        rows.close()
        return Batch("\n".join(lines), after, len(lines)) if lines else None

    def forget(self, folded_seq: int, now: int) -> None:
        """Notes that all up to `folded_seq` is in the store and drops what no follower still needs."""
        with self.writing() as db:
            db.execute("INSERT OR IGNORE INTO folded VALUES (?, ?)", (folded_seq, now))
            query = "SELECT max(seq) FROM folded WHERE at <= ?"
            (over,) = db.execute(query, (now - FOLLOWERS_US,)).fetchone()
        if over is not None:
            self._drop_upto(over)

    def _drop_upto(self, over: int) -> None:
        # In small chunks: whoever records waits for one of them at most.
        chunk = "SELECT seq FROM entries WHERE seq <= ? ORDER BY seq LIMIT ?"
        drop = f"DELETE FROM entries WHERE seq IN ({chunk})"
        with self.errors():
            while self.db.execute(drop, (over, DELETE_CHUNK)).rowcount == DELETE_CHUNK:
                pass
            self.db.execute("DELETE FROM folded WHERE seq < ?", (over,))

    def check(self) -> list[str]:
        """What SQLite's own check finds wrong; nothing when the file is sound."""
        with self.errors():
            rows = self.db.execute("PRAGMA quick_check(5)").fetchall()
        return [] if rows == [("ok",)] else [str(row[0]) for row in rows]


def decoded_anyhow(raw: bytes) -> str:
    """Text, whether or not it is UTF-8."""
    return raw.decode(errors="replace")


def _refuse_orphan(path: str) -> None:
    """Raises StoreDamaged where the log of an inbox is left without it: a new inbox would swallow it.

    The log may hold events that were acknowledged and are nowhere else. It is looked for first: an inbox that
    somebody makes meanwhile is there before its log.
    """
    log = f"{path}-wal"
    with contextlib.suppress(FileNotFoundError):
        if not os.path.getsize(log) or os.path.exists(path):
            return
        raise StoreDamaged(
            f"the inbox {path} is gone and its log {log} is not, which may hold events",
            hint="put the inbox back; or move the log away, and go on without what it holds",
        )


def _make(path: str) -> None:
    with new_file(path, Inbox.kind, Inbox.version) as db:
        db.executescript(f"BEGIN;{statement('inbox')}COMMIT;")
        db.execute("INSERT INTO meta VALUES ('inbox_id', ?)", (str(uuid.uuid4()),))


def recent_traces(paths: StorePaths, prefix: str) -> list[tuple[str, str]]:
    """Ids and names of the newest traces whose id begins so, asked of the inbox alone."""
    with contextlib.closing(Inbox(paths, writable=False)) as inbox:
        return inbox.recent(prefix)
