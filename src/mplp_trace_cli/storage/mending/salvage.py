"""What `doctor --repair` does to files that may be damaged, step by step, in a process of its own.

Reads the damaged files, or copies of them, and writes the new pair alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sqlite3
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mplp_trace_cli.domain.errors import StoreBusy, StoreDamaged
from mplp_trace_cli.domain.trace import TraceRow
from mplp_trace_cli.storage.engine import duckdb
from mplp_trace_cli.storage.fold import Pair, fold
from mplp_trace_cli.storage.inbox import (
    END,
    EVENT,
    EVENT_WITH_ID,
    METRIC,
    REJECT,
    START,
    Inbox,
    OpenTrace,
)
from mplp_trace_cli.storage.mending.child import ChildFailed
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.recording import open_trace_of
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import (
    NO_LOG,
    TABLES,
    Connection,
    Store,
    is_held,
    is_log_passed_over,
    roll_back,
)

KEPT = (*TABLES, "imported_files")
"""The tables whose rows are saved; the others say which inbox belongs to the store: there is a new one."""
HEADER_BYTES = 4096
"""DuckDB's file begins with a main header and two others of this size, of which the newer one counts."""
TABLE_OF = {
    START: "trace_starts",
    END: "trace_ends",
    EVENT: "event_log",
    EVENT_WITH_ID: "event_log",
    METRIC: "metric_samples",
    REJECT: "rejected_lines",
}
ENTRIES_AT_ONCE = 1_000
FAULTS_TOLD = 3
_LAST_GIVEN = "SELECT seq FROM sqlite_sequence WHERE name = 'entries'"
Answers = Iterator[Mapping[str, Any]]
RawEntry = tuple[int, str, str]
"""The seq, kind and body of an entry."""


def make_pair(path: str) -> Answers:
    """Makes a new store and inbox."""
    paths = StorePaths(path)
    Store(paths).make()
    Inbox(paths).close()
    yield {}


def stage_store(source: str, draft: str, header: int | None, fresh: str) -> Answers:
    """Puts the damaged store where it can be opened without its log, or with other headers.

    `header` None is the file itself under a second name; 1 or 2 is a copy in which that header counts,
    with the main header of the store `fresh`.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    if header is None:
        try:
            os.link(source, draft)
        except OSError:  # no hard links here, or a file of somebody else
            shutil.copyfile(source, draft)
    else:
        shutil.copyfile(source, draft)
        with open(fresh, "rb") as file:
            main = file.read(HEADER_BYTES)
        with open(draft, "r+b") as file:
            file.seek(header * HEADER_BYTES)
            good = file.read(HEADER_BYTES)
            file.seek(0)
            file.write(main + good + good)
    yield {}


def stage_log(source: str, draft: str) -> Answers:
    """Puts a copy of the store's log beside such a store."""
    shutil.copyfile(source, draft)
    yield {}


def headers(source: str) -> Answers:
    """The numbers of the two headers, the one with the greater count first."""
    with open(source, "rb") as file:
        counts = []
        for number in (1, 2):
            file.seek(number * HEADER_BYTES + 8)
            counts.append((int.from_bytes(file.read(8), "little"), number))
    yield {"headers": [number for _, number in sorted(counts, reverse=True)]}


def open_old(path: str) -> Answers:
    """Opens a damaged store and says how many rows its tables have, and the number of the last.

    A database that has tables and none of ours is foreign: it was never a store.
    """
    db = duckdb.connect(config={"threads": 2, "memory_limit": "512MB"})
    with contextlib.closing(db):
        try:
            _attach(db, path, "old", "READ_ONLY")
        except duckdb.IOException as error:
            if is_held(error):
                raise StoreBusy("another program has it open for writing") from error
            raise
        if is_log_passed_over(db, f"{path}.wal", "old"):
            raise StoreDamaged(f"its log: {NO_LOG}")
        found = {name for (name,) in db.execute(_TABLE_NAMES).fetchall()}
        if not found.intersection(TABLES):
            yield {"is_foreign": bool(found)}
            return
        rows = {}
        for table in KEPT:
            if table in found:
                rows[table] = db.execute(f"SELECT count(*), max(rowid) FROM old.{table}").fetchone()
        yield {"is_foreign": False, "rows": rows}


_TABLE_NAMES = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'old'"


def _attach(db: Connection, path: str, name: str, mode: str) -> None:
    db.execute(f"ATTACH '{path.replace(chr(39), chr(39) * 2)}' AS {name} ({mode})")


def _one(db: Connection, query: str, values: Any = ()) -> Any:
    row = db.execute(query, values).fetchone()
    return row[0] if row else None


_both: dict[str, Connection] = {}


def copy_rows(old: str, new: str, table: str, first: int, last: int) -> Answers:
    """Copies the rows with numbers from `first` to `last` of a table into the new store, all or none."""
    db = _opened_both(old, new)
    try:
        columns = ", ".join(_common_columns(db, table))
        query = f"SELECT {columns} FROM old.{table} WHERE rowid BETWEEN ? AND ?"
        rows = _one(db, f"INSERT INTO new.{table} ({columns}) {query}", [first, last])
    except duckdb.IOException as error:
        # A block that cannot be read: this database is as good as before.
        raise ChildFailed((str(error).splitlines() or ["?"])[0]) from error
    yield {"rows": rows}


def _opened_both(old: str, new: str) -> Connection:
    if old not in _both:
        db = duckdb.connect(config={"threads": 2, "memory_limit": "512MB"})
        _attach(db, old, "old", "READ_ONLY")
        _attach(db, new, "new", "READ_WRITE")
        _both[old] = db
    return _both[old]


def _common_columns(db: Connection, table: str) -> list[str]:
    query = (
        "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND database_name = 'new' "
        "AND column_name IN (SELECT column_name FROM duckdb_columns() WHERE table_name = ? "
        "AND database_name = 'old') ORDER BY column_index"
    )
    return [name for (name,) in db.execute(query, [table, table]).fetchall()]


def others(old: str, new: str) -> Answers:
    """The tables and views that somebody else has made in the store, in the order in which they came."""
    rows = _opened_both(old, new).execute(statement("others_in_store")).fetchall()
    names = ("kind", "schema", "name", "sql", "rows")
    yield {"others": [dict(zip(names, row, strict=True)) for row in rows]}


def copy_other(old: str, new: str, other: Mapping[str, str]) -> Answers:
    """Makes such a table or view in the new store, with all its rows or not at all."""
    schema = _quoted(other["schema"])
    db = _opened_both(old, new)
    db.execute("USE new; BEGIN")
    try:
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; {other['sql']}")
        rows = 1
        if other["kind"] == "table":
            place = f"{schema}.{_quoted(other['name'])}"
            rows = _one(db, f"INSERT INTO new.{place} FROM old.{place}")
        db.execute("COMMIT")
    except duckdb.Error as error:
        roll_back(db)
        raise ChildFailed((str(error).splitlines() or ["?"])[0]) from error
    finally:
        db.execute("USE memory")
    yield {"rows": rows}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def close_stores() -> Answers:
    """Closes what `copy_rows` has open."""
    while _both:
        _both.popitem()[1].close()
    yield {}


def folded_of(old: str, inbox_id: str) -> Answers:
    """How far the damaged store had folded an inbox, and what it added to its numbers."""
    db = duckdb.connect()
    with contextlib.closing(db):
        _attach(db, old, "old", "READ_ONLY")
        folded = _one(db, "SELECT max(folded_seq) FROM old.folds WHERE inbox_id = ?", [inbox_id])
        base = _one(db, "SELECT max(seq_base) FROM old.inboxes WHERE inbox_id = ?", [inbox_id])
        yield {"folded": folded or 0, "base": base or 0}


# -- the inbox -------------------------------------------------------------------------------------


SHARED_BYTE = 128
"""Of the index of its log: SQLite has a lock on it as long as it has the file open."""
_FLOCK, _LAYOUT = (
    (("start", "length", "pid", "type", "whence"), "qqihh")
    if sys.platform == "darwin"
    else (("type", "whence", "start", "length", "pid"), "hhqqi4x")
)
"""The fields of `struct flock`, in the order of this system."""


def inbox_holder(inbox: str) -> Answers:
    """The number of a process that has an inbox open; None when nobody has.

    Not for a process that has it open itself: it would not see its own lock, and drop it.
    """
    try:
        descriptor = os.open(f"{inbox}-shm", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield {"pid": None}
        return
    try:
        asked = {**dict.fromkeys(_FLOCK, 0), "type": fcntl.F_WRLCK, "start": SHARED_BYTE, "length": 1}
        raw = struct.pack(_LAYOUT, *(asked[name] for name in _FLOCK))
        said = struct.unpack(_LAYOUT, fcntl.fcntl(descriptor, fcntl.F_GETLK, raw))
    finally:
        os.close(descriptor)
    found = dict(zip(_FLOCK, said, strict=True))
    yield {"pid": None if found["type"] == fcntl.F_UNLCK else found["pid"]}


def stage_inbox(source: str, draft: str, with_log: bool) -> Answers:
    """Copies a damaged inbox, with its SQLite log or without, and says what it is."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft + suffix)
    shutil.copyfile(source, draft)
    if with_log and os.path.exists(f"{source}-wal"):
        shutil.copyfile(f"{source}-wal", f"{draft}-wal")
    with _inbox_copy(draft) as db:
        meta = dict(_readable(db, "SELECT key, value FROM meta"))
        db.execute("SELECT seq FROM entries LIMIT 0").fetchone()
        yield {"inbox_id": meta.get("inbox_id")}


@contextlib.contextmanager
def _inbox_copy(path: str) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, isolation_level=None)
    db.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        yield db
    finally:
        db.close()


def _readable(db: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    """The rows of a small table, those that can be read; one that cannot ends it."""
    rows: list[tuple[Any, ...]] = []
    with contextlib.suppress(sqlite3.DatabaseError):
        rows.extend(db.execute(query))  # those before the error stay
    return rows


def read_inbox(draft: str, new: str, folded: int | None, base: int, doubtful: list[str]) -> Answers:
    """Takes over the entries that the new store lacks and folds them; opens the traces that are active.

    Those beyond `folded` are taken as they are. Of those that were folded (None: nobody knows which) the
    ones are taken that belong into a table that has lost rows, unless their row was saved; `restored` is
    how many of these came back, by table.
    """
    paths = StorePaths(new)
    with _inbox_copy(draft) as old, contextlib.closing(Inbox(paths)) as inbox:
        reading = _Entries(old)
        taken, restored = 0, Counter[str]()
        with Store(paths).reading() as db:
            saved = _Saved(db, base)
            for group in reading.groups():
                wanted = _wanted(group, folded, doubtful, saved)
                with inbox.writing():
                    inbox.append((kind, body) for _, kind, body in wanted)
                taken += len(wanted)
                restored.update(TABLE_OF[kind] for seq, kind, _ in wanted if seq <= (folded or 0))
            opened = _readable(old, "SELECT * FROM open_traces")
            begun = {*saved.begun(), *reading.begun}
        lost = [OpenTrace(*row) for row in opened if row[0] not in begun]
        with inbox.writing():
            inbox.append((START, trace.body) for trace in lost)
        restored[TABLE_OF[START]] += len(lost)
        yield {
            "taken": taken + len(lost),
            "restored": restored,
            "lost": reading.lost,
            "faults": reading.faults,
            "last": reading.last,
        }


class _Entries:
    """The entries of a damaged inbox that can be read."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.last = 0
        self.begun: list[str] = []
        self.lost = 0
        self.faults: list[str] = []
        """Why, of the first of them."""

    def groups(self) -> Iterator[list[RawEntry]]:
        first, last = self._bounds()
        self.last = last
        while first <= last:
            yield self._between(first, min(last, first + ENTRIES_AT_ONCE - 1))
            first += ENTRIES_AT_ONCE

    def _bounds(self) -> tuple[int, int]:
        """The first and the last seq there may be: a page at an end that cannot be read costs its entries."""
        (given,) = next(iter(_readable(self._db, _LAST_GIVEN)), (0,))
        return self._bound("min", 1), self._bound("max", given)

    def _bound(self, function: str, otherwise: int) -> int:
        try:
            return self._db.execute(f"SELECT {function}(seq) FROM entries").fetchone()[0] or 0
        except sqlite3.DatabaseError as error:
            if otherwise == 0:
                self._fault("entries", error)
            return otherwise

    def _between(self, first: int, last: int) -> list[RawEntry]:
        query = "SELECT seq, CAST(kind AS TEXT), CAST(body AS TEXT) FROM entries WHERE seq BETWEEN ? AND ?"
        try:
            rows = self._db.execute(f"{query} ORDER BY seq", (first, last)).fetchall()
        except sqlite3.DatabaseError as error:
            if first == last:
                self._fault(f"entry {first:,}", error)
                return []
            middle = (first + last) // 2
            return self._between(first, middle) + self._between(middle + 1, last)
        for _, kind, body in rows:
            if kind == START:
                with contextlib.suppress(ValueError, IndexError, TypeError):
                    self.begun.append(json.loads(body)[0])
        return rows

    def _fault(self, what: str, error: sqlite3.DatabaseError) -> None:
        self.lost += 1
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(f"{what}: {error}")


class _Saved:
    """What the new store has: the numbers of its rows and the ids of what can be there only once."""

    def __init__(self, db: Connection, base: int) -> None:
        self._db = db
        self._base = base
        numbers = " UNION ALL ".join(f"SELECT seq FROM store.{table}" for table in TABLES)
        db.execute(f"CREATE TEMP TABLE saved AS SELECT seq FROM ({numbers}) WHERE seq > ?", [base])

    def without_numbers(self, entries: list[RawEntry]) -> list[RawEntry]:
        """Those whose row is not there by its number."""
        numbers = json.dumps([self._base + seq for seq, _, _ in entries])
        query = "SELECT seq FROM saved WHERE seq IN (SELECT unnest(from_json(?, '[\"BIGINT\"]')))"
        found = {seq - self._base for (seq,) in self._db.execute(query, [numbers]).fetchall()}
        return [entry for entry in entries if entry[0] not in found]

    def without_ids(self, entries: list[RawEntry]) -> list[RawEntry]:
        """Those whose row is not there by what it says: for a store that does not say what was folded."""
        return [entry for entry in entries if not self._is_there(*entry[1:])]

    def _is_there(self, kind: str, body: str) -> bool:
        query, places = _SAME.get(kind, (None, ()))
        try:
            row = json.loads(body)
            values = [row[place] for place in places]
        except (ValueError, IndexError, TypeError, KeyError):
            return False
        return query is not None and bool(_one(self._db, query, values))

    def begun(self) -> set[str]:
        """The ids of the traces whose beginning is there."""
        return {row[0] for row in self._db.execute("SELECT trace_id FROM store.trace_starts").fetchall()}


_EVENT = ("SELECT count(*) FROM store.event_log WHERE event_id = ? AND trace_id = ?", (0, 1))
_SAME = {
    START: ("SELECT count(*) FROM store.trace_starts WHERE trace_id = ?", (0,)),
    END: ("SELECT count(*) FROM store.trace_ends WHERE trace_id = ?", (0,)),
    EVENT: _EVENT,
    EVENT_WITH_ID: _EVENT,
    METRIC: (
        "SELECT count(*) FROM store.metric_samples WHERE name = ? AND value = ? AND labels = ? "
        "AND timestamp = make_timestamptz(?::BIGINT)",
        (0, 2, 5, 7),
    ),
    REJECT: (
        "SELECT count(*) FROM store.rejected_lines WHERE source = ? AND line = ? AND byte_offset = ? "
        "AND reason = ? AND raw = from_base64(?)",
        (0, 1, 2, 3, 4),
    ),
}
"""The question whether a row like that of an entry is there already, and the cells it asks for."""


def _wanted(
    entries: list[RawEntry], folded: int | None, doubtful: list[str], saved: _Saved
) -> list[RawEntry]:
    if folded is None:
        return saved.without_ids(saved.without_numbers(entries))
    old = [one for one in entries if one[0] <= folded and TABLE_OF.get(one[1]) in doubtful]
    return saved.without_numbers(old) + [one for one in entries if one[0] > folded]


def finish(new: str, now: int) -> Answers:
    """Folds what was taken over and opens again every trace that has no end."""
    paths = StorePaths(new)
    store = Store(paths)
    with contextlib.closing(Inbox(paths)) as inbox:
        with store.reading() as db:
            before = _one(db, _UNFOLDED)
        fold(Pair(store, inbox, now), 10)
        with store.reading() as db:
            unfolded = _one(db, _UNFOLDED) - before
            rows = db.execute(
                "SELECT trace_id, context_id, execution_id, trace_type, name, description, metadata, "
                "to_json(tags)::VARCHAR, epoch_us(started_at), epoch_us(expires_at) FROM store.trace_starts "
                "WHERE trace_id NOT IN (SELECT trace_id FROM store.trace_ends) "
                "AND (expires_at IS NULL OR epoch_us(expires_at) > ?) ORDER BY seq",
                [now],
            ).fetchall()
        with inbox.writing():
            inbox.add_open(open_trace_of(TraceRow(*row)) for row in rows)
    yield {"unfolded": unfolded}


_UNFOLDED = "SELECT count(*) FROM store.rejected_lines WHERE reason LIKE 'could not be folded:%'"


def take_late(inbox: str, log: str | None, new: str, after: int) -> Answers:
    """Takes over what recorders wrote into a damaged inbox after it was read and before it was renamed."""
    with tempfile.TemporaryDirectory(prefix="mplp-trace-") as folder:
        draft = os.path.join(folder, "late.inbox")
        shutil.copyfile(inbox, draft)
        if log is not None:
            shutil.copyfile(log, f"{draft}-wal")
        with _inbox_copy(draft) as old, contextlib.closing(Inbox(StorePaths(new))) as taking:
            query = f"SELECT seq, kind, body FROM entries WHERE seq > {after:d} ORDER BY seq"
            entries = _readable(old, query)  # nobody can have recorded into a page that cannot be read
            begun = [TraceRow(*json.loads(body)) for _, kind, body in entries if kind == START]
            ended = [json.loads(body)[0] for _, kind, body in entries if kind == END]
            with taking.writing():
                taking.append((kind, body) for _, kind, body in entries)
                taking.add_open(map(open_trace_of, begun))
                taking.remove_open(ended)
    yield {"taken": len(entries)}


WORKS: dict[str, Callable[..., Answers]] = {
    one.__name__: one
    for one in (
        make_pair,
        stage_store,
        stage_log,
        headers,
        open_old,
        copy_rows,
        others,
        copy_other,
        close_stores,
        folded_of,
        inbox_holder,
        stage_inbox,
        read_inbox,
        finish,
        take_late,
    )
}
