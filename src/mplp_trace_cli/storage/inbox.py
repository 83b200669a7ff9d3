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
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.errors import (
    InvalidInput,
    StorageFailed,
    StoreBusy,
    StoreDamaged,
    StoreTooNew,
    TraceError,
)
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.storage.paths import StorePaths, make_once
from mplp_trace_cli.storage.sql import statement

INBOX_VERSION = 1
BUSY_SECONDS = 30.0
ROWS_AT_ONCE = 100
"""Rows in one statement of a bulk: each statement has a cost of its own."""
RECENT_TRACES = 1_000
FOLLOWERS_US = 60_000_000
BATCH_ENTRIES = 50_000
BATCH_BYTES = 32 << 20
DELETE_CHUNK = 5_000

START, END, METRIC, REJECT = "start", "end", "metric", "reject"
EVENT, EVENT_WITH_ID = "event", "event_with_id"
"""An event whose id was given is looked for among all events at the fold; a generated one need not be."""
KINDS = frozenset((START, END, METRIC, REJECT, EVENT, EVENT_WITH_ID))

Entry = tuple[str, str]
"""A kind and a body: the row as a JSON array."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_RECORD_EVENT = """
INSERT INTO entries (kind, body) SELECT ?, ? WHERE EXISTS (
    SELECT 1 FROM open_traces WHERE trace_id = ? AND (expires_at IS NULL OR expires_at > ?))
"""
_FLAT = str.maketrans("\t\n", "  ")
_FAULTS = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is busy", "try again in a moment"),
    sqlite3.SQLITE_CORRUPT: (StoreDamaged, "is damaged", "mplp-trace doctor"),
    sqlite3.SQLITE_NOTADB: (StoreDamaged, "is not an inbox", "mplp-trace doctor"),
    sqlite3.SQLITE_FULL: (StorageFailed, "cannot be written: the disk is full", "free some space"),
    sqlite3.SQLITE_READONLY: (StorageFailed, "cannot be written: it is read-only", None),
    sqlite3.SQLITE_CANTOPEN: (StorageFailed, "cannot be opened", "check that its folder can be written"),
    sqlite3.SQLITE_IOERR_SHMSIZE: (StorageFailed, "cannot be used: the disk is full", "free some space"),
    sqlite3.SQLITE_IOERR: (StorageFailed, "cannot be read or written", "mplp-trace doctor"),
}


class OpenTrace(NamedTuple):
    """A trace that still takes events; `body` is its TraceRow as a JSON array."""

    trace_id: str
    started_at: int
    expires_at: int | None
    body: str

    def is_over(self, now: int) -> bool:
        """True when its time has run out."""
        return self.expires_at is not None and self.expires_at <= now


class Batch(NamedTuple):
    """Entries to fold: one line each of seq, kind and body between tabs, and the last seq."""

    lines: str
    last_seq: int
    entries: int


def encode_body(row: Sequence[object]) -> str:
    """The body of an entry: the row as a JSON array, on one line and without tabs."""
    return _ENCODER.encode(row)


class Inbox:
    """One open inbox. Not for two threads at once."""

    def __init__(self, paths: StorePaths, *, full_sync: bool = True, writable: bool = True) -> None:
        self.path = paths.inbox
        self.writable = writable
        if writable and not os.path.exists(self.path):
            paths.make_folder()
            make_once(self.path, _make)
        with self.errors():
            self.db = self._connect()
            self._check_version()
            if writable:
                self.db.execute(f"PRAGMA synchronous={'FULL' if full_sync else 'NORMAL'}")

    def _connect(self) -> sqlite3.Connection:
        options = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
        if self.writable:
            return sqlite3.connect(self.path, **options)  # type: ignore[call-overload, no-any-return]
        from urllib.parse import quote

        still = "" if os.path.exists(f"{self.path}-wal") else "&immutable=1"
        uri = f"file:{quote(self.path)}?mode=ro{still}"
        return sqlite3.connect(uri, uri=True, **options)  # type: ignore[call-overload, no-any-return]

    def _check_version(self) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > INBOX_VERSION:
            raise StoreTooNew(
                f"{self.path} was written by a newer version of mplp-trace",
                hint="pip install --upgrade mplp-trace",
            )
        if version < 1:
            raise StoreDamaged(f"{self.path} is not an inbox", hint="mplp-trace doctor")

    def close(self) -> None:
        """Closes the file; what was recorded is safe without it."""
        self.db.close()

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """The door: a sqlite3 error inside becomes one of ours, and so does text that UTF-8 cannot hold."""
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{error.object[:60]!r} is not UTF-8") from error

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that alone may write, from its first statement on."""
        with self.errors():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise

    # -- recording -------------------------------------------------------------------------------

    def record_event(self, row: EventRow, kind: str, now: int) -> bool:
        """Records one event durably; False when its trace is not open."""
        with self.errors():
            done = self.db.execute(_RECORD_EVENT, (kind, encode_body(row), row.trace_id, now))
            return done.rowcount == 1

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

    def reserve(self, count: int) -> int:
        """Sets `count` numbers of seq aside for a bulk load; returns the last one before them."""
        with self.writing() as db:
            (before,) = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
            db.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'entries'", (count,))
            return int(before)

    def release(self, used: int, reserved: int) -> None:
        """Gives back the numbers after `used`, if none beyond `reserved` was given out meanwhile."""
        with self.writing() as db:
            db.execute(
                "UPDATE sqlite_sequence SET seq = ? WHERE name = 'entries' AND seq = ?", (used, reserved)
            )

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

    def _meta(self, key: str) -> object:
        with self.errors():
            row = self.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

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
            self.db.text_factory = _decoded_anyhow
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


def _decoded_anyhow(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _make(path: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(f"BEGIN;{statement('inbox')}COMMIT;")
        db.execute("INSERT INTO meta VALUES ('inbox_id', ?)", (str(uuid.uuid4()),))
        db.execute(f"PRAGMA user_version={INBOX_VERSION}")
    except sqlite3.Error as error:
        raise _translated(error, path) from error
    finally:
        db.close()


def _translated(error: sqlite3.Error, path: str) -> TraceError:
    code = getattr(error, "sqlite_errorcode", 0)
    known = _FAULTS.get(code) or _FAULTS.get(code & 0xFF)
    kind, fact, hint = known or (StorageFailed, f"failed: {error}", None)
    return kind(f"the inbox {path} {fact}", hint=hint, details={"sqlite": str(error)})
