"""The store: one DuckDB file, opened for as short as it takes.

Whoever writes holds the advisory lock from before the file is opened until after it is closed; readers
attach it read-only beside an in-memory database. In one process one thread at a time has it open,
because closing any descriptor of a file drops the process's own locks on it.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.domain.errors import (
    ConfigInvalid,
    StorageFailed,
    StoreBusy,
    StoreDamaged,
    StoreMissing,
    StoreTooNew,
    TraceError,
)
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.storage.engine import duckdb
from mplp_trace_cli.storage.forking import in_child
from mplp_trace_cli.storage.migrations import MIGRATIONS
from mplp_trace_cli.storage.paths import StorePaths, make_once, name_aside, os_errors
from mplp_trace_cli.storage.running import (
    leave_alone,
    most_spilled,
    new_spill,
    private_spill,
    running,
    signals_as_raised,
    sweep,
)
from mplp_trace_cli.storage.sql import migration, statement

if TYPE_CHECKING:
    from filelock import FileLock

Connection = duckdb.DuckDBPyConnection

TABLES = ("trace_starts", "trace_ends", "event_log", "metric_samples", "rejected_lines")
_HOLDER = re.compile(r"held in (?P<program>\S+)?.*?\(PID (?P<pid>\d+)\)", re.DOTALL)
_RETRY_SECONDS = 0.02
_WRITER = "another mplp-trace is writing"
NOTICE_SECONDS = 1.0
STREAMING_MEMORY = "128MB"
CHECKPOINT_AT = "256MB"
"""How much a writer puts into the WAL before it is compressed: at DuckDB's own 16 MB a long fold would
compress its last rows again and again."""
STORAGE = "STORAGE_VERSION 'v1.2.0'"
"""Of a new file: the first that has zstd, which packs the data of events to a third, and sooner than FSST."""


class _OpenHere:
    """The locks of the stores that this process has used; a forked child has locks of its own."""

    def __init__(self) -> None:
        self._locks: dict[str, threading.RLock] = {}
        self._registry = threading.Lock()

    def lock_of(self, path: str) -> threading.RLock:
        """The lock of whoever has that store open."""
        with self._registry:
            return self._locks.setdefault(path, threading.RLock())

    def forget(self) -> None:
        """Begins anew."""
        self._locks, self._registry = {}, threading.Lock()


_open_here = _OpenHere()
in_child(_open_here.forget)


class StoreSettings(NamedTuple):
    """How much of the machine a query may take, and how long to wait for a busy store."""

    memory_limit: str = "224MB"
    threads: int | None = None
    busy_seconds: float = 10.0
    sets_aside: bool = True
    """False: a log that cannot be replayed is an error, and stays where it is."""


class Store:
    """The DuckDB file at one path."""

    def __init__(
        self,
        paths: StorePaths,
        settings: StoreSettings | None = None,
        on_wait: Callable[[str], None] | None = None,
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        """Two are told in words for people: `on_wait` once when a call has to wait for more than a second,
        `on_damage` when a log had to be set aside; without it Python's logging is."""
        self.paths = paths
        self.settings = settings or StoreSettings()
        self._on_wait = on_wait or (lambda _reason: None)
        self.on_damage = on_damage or _log_damage

    def exists(self) -> bool:
        """True when the file is there."""
        return os.path.exists(self.paths.store)

    def make(self) -> None:
        """Makes an empty store where there is none."""
        if self.exists():
            return
        self.paths.make_folder()
        with self.locked(self.settings.busy_seconds):
            if not self.exists():
                make_once(self.paths.store, _make)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """An in-memory database with the store attached read-only as `store`.

        Raises StoreMissing, StoreBusy (naming the process that holds it), StoreDamaged, StoreTooNew.
        """
        wait = self.settings.busy_seconds
        with contextlib.ExitStack() as stack:
            try:
                db = stack.enter_context(self._attached("READ_ONLY", wait))
            except LogDamaged:
                if not self.settings.sets_aside or not os.access(self.paths.folder, os.W_OK):
                    raise
                with self.locked(wait):
                    self._set_log_aside(wait)
                db = stack.enter_context(self._attached("READ_ONLY", wait))
            yield db

    @contextlib.contextmanager
    def writing(self, wait_seconds: float | None = None) -> Iterator[Connection]:
        """The same, writable and migrated; waits at most `wait_seconds` for whoever has it."""
        wait = self.settings.busy_seconds if wait_seconds is None else wait_seconds
        with self.locked(wait), self.writing_locked(wait) as db:
            yield db

    @contextlib.contextmanager
    def writing_locked(self, wait_seconds: float) -> Iterator[Connection]:
        """The same for whoever has the advisory lock."""
        replays = os.path.exists(self.paths.log)
        if replays:
            self._set_log_aside(wait_seconds)
        with self._attached("READ_WRITE", wait_seconds) as db:
            db.execute(f"SET checkpoint_threshold = '{CHECKPOINT_AT}'")
            if replays:
                # What the inbox drops from now on is in the file itself, and not in a log alone.
                db.execute("CHECKPOINT store")
            self.make_log_private()
            _migrate(db, self.paths.store)
            sweep(self.paths)
            yield db
        self._drop_empty_log()

    def make_log_private(self) -> None:
        """Makes the log before DuckDB does, which would give it the modes of the umask; for the writer alone.

        DuckDB removes it when it has written everything into the store, so each transaction needs it again.
        """
        with os_errors(self.paths.log):
            os.close(os.open(self.paths.log, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    def _drop_empty_log(self) -> None:
        with contextlib.suppress(OSError):
            if os.path.getsize(self.paths.log) == 0:
                os.unlink(self.paths.log)

    def _set_log_aside(self, wait_seconds: float) -> None:
        """Renames a log that cannot be replayed, or whose beginning DuckDB does not know and would overwrite.

        For whoever holds the lock. What the log held is missing from the store, `folds` included, so what
        is still in the inbox is folded again.
        """
        try:
            with self._attached("READ_WRITE", wait_seconds) as db:
                if not is_log_passed_over(db, self.paths.log, "store"):
                    return
                reason = NO_LOG
                aside = _renamed_aside(self.paths.log)
        except LogDamaged as error:
            reason = error.details["reason"]
            aside = _renamed_aside(self.paths.log)
        self.on_damage(
            f"the log of the store could not be replayed ({reason}) and lies in {aside} now; what was folded "
            "last may be missing: mplp-trace doctor"
        )

    @contextlib.contextmanager
    def locked(self, wait_seconds: float) -> Iterator[None]:
        """While it lasts nobody else of ours writes the store; raises StoreBusy."""
        from filelock import FileLock  # 20 ms, for those who write alone

        lock = FileLock(self.paths.lock, mode=0o600, thread_local=False)
        first = min(wait_seconds, NOTICE_SECONDS)
        with os_errors(self.paths.lock):
            if not _acquired(lock, first):
                self._say_waiting(wait_seconds, _WRITER)
                if not _acquired(lock, wait_seconds - first):
                    raise _busy(self.paths.store, _WRITER)
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _attached(self, mode: str, wait_seconds: float) -> Iterator[Connection]:
        if not self.exists():
            raise StoreMissing(f"there is no store at {self.paths.store}", hint="mplp-trace create NAME")
        with _exclusive_in_process(self.paths.store):
            spill, process = new_spill(self.paths), os.getpid()
            with signals_as_raised(), private_spill(spill):
                db = self._connect(spill)
                try:
                    self._attach(db, mode, wait_seconds)
                    with running(db, spill), duckdb_errors(self.paths.store):
                        yield db
                finally:
                    if os.getpid() == process:
                        db.interrupt()  # to close waits for what a stopped query still does
                        db.close()
                    else:
                        leave_alone(db)

    def _say_waiting(self, wait_seconds: float, reason: str) -> None:
        if wait_seconds > NOTICE_SECONDS:
            self._on_wait(f"waiting for the store, up to {wait_seconds:.0f} s: {reason}")

    def _connect(self, spill: str) -> Connection:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.settings.memory_limit,
            "temp_directory": spill,
            "max_temp_directory_size": most_spilled(self.paths),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        if self.settings.threads is not None:
            config["threads"] = self.settings.threads
        try:
            db = duckdb.connect(config=config)
        except duckdb.Error as error:
            raise ConfigInvalid(f"memory_limit or threads: {str(error).splitlines()[0]}") from error
        # DuckDB counts no text in that buffer: with its own 1 MB it would hold 60,000 rows however wide.
        # A program typed into Python, or given to it by -c, would find DuckDB's progress bar in its answers.
        db.execute("SET TimeZone = 'UTC'; SET streaming_buffer_size = '1KB'; SET enable_progress_bar = false")
        return db

    def _attach(self, db: Connection, mode: str, wait_seconds: float) -> None:
        quoted = self.paths.store.replace("'", "''")
        started, told = time.monotonic(), False
        while True:
            try:
                db.execute(f"ATTACH '{quoted}' AS store ({mode})")
                break
            except duckdb.Error as error:
                reason = _replay_fault(error)
                if reason is not None:
                    raise _log_damaged(self.paths, reason) from error
                if not is_held(error):
                    raise _translated(error, self.paths.store) from error
                waited, holder = time.monotonic() - started, _holder(str(error))
                if waited >= wait_seconds:
                    raise _busy(self.paths.store, holder) from error
                if waited > NOTICE_SECONDS and not told:
                    self._say_waiting(wait_seconds, holder)
                    told = True
            time.sleep(_RETRY_SECONDS)
        # A writer sets such a log aside before it opens the store for good.
        if mode == "READ_ONLY" and is_log_passed_over(db, self.paths.log, "store"):
            raise _log_damaged(self.paths, NO_LOG)
        _check_version(db, self.paths.store)


class LogDamaged(StoreDamaged):
    """The store's log cannot be replayed."""


_REPLAY = re.compile(r"Failure while replaying WAL file \".*\": (?P<reason>.*)")
_NEVER_REPLAYED = (
    duckdb.CatalogException,
    duckdb.BinderException,
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.InternalException,
    duckdb.InvalidInputException,
    duckdb.SerializationException,
    duckdb.TypeMismatchException,
)
"""What a log of another database, or one with wrong bytes, makes of its replay."""
NO_LOG = "its beginning is not that of a log"
_CORRUPT = ("Corrupt WAL", "WAL does not match", "WAL checkpoint iteration", "WAL checkpoint marker")


def _replay_fault(error: duckdb.Error) -> str | None:
    """Why the log can never be replayed; None for every other error, also one that may pass.

    DuckDB says so in the text alone. A full disk, too little memory, a permission or a newer version
    is no damage: the log is good, and another try or another version will take it.
    """
    found = _REPLAY.search(str(error))
    if found is None:
        return None
    reason = found["reason"]
    is_damage = isinstance(error, _NEVER_REPLAYED) or (
        isinstance(error, duckdb.IOException) and any(word in reason for word in _CORRUPT)
    )
    return reason if is_damage else None


def is_log_passed_over(db: Connection, log: str, name: str) -> bool:
    """True when DuckDB did not know the beginning of the log of the attached `name`, and replayed nothing."""
    try:
        if os.path.getsize(log) == 0:
            return False
    except OSError:
        return False
    query = "SELECT wal_size FROM pragma_database_size() WHERE database_name = ?"
    return bool(_one(db, query, name) == "0 bytes")


def _log_damaged(paths: StorePaths, reason: str) -> LogDamaged:
    return LogDamaged(
        f"{paths.log} cannot be replayed: {reason}", hint="mplp-trace doctor", details={"reason": reason}
    )


def _renamed_aside(path: str) -> str:
    aside = name_aside(path)
    with os_errors(path):
        os.rename(path, aside)
    return aside


def _log_damage(text: str) -> None:
    import logging

    logging.getLogger("mplp_trace_cli").warning(text)


@contextlib.contextmanager
def streaming(db: Connection, settings: StoreSettings, threads: int | None = None) -> Iterator[None]:
    """For a load, which only passes rows on: with more memory DuckDB would cache what nobody asks for again.

    A memory limit that was set stays; `threads` is how many there are to be, None for as many as now.
    """
    before = int(_one(db, "SELECT current_setting('threads')"))
    db.execute(f"SET threads = {threads or before}")
    if settings.memory_limit == StoreSettings().memory_limit:
        db.execute(f"SET memory_limit = '{STREAMING_MEMORY}'")
    try:
        yield
    finally:
        # Closed meanwhile, as Ctrl-C may have it; or its transaction failed, and nothing may hide why.
        with contextlib.suppress(duckdb.ConnectionException, duckdb.TransactionException):
            db.execute(f"SET threads = {before}")
            db.execute(f"SET memory_limit = '{settings.memory_limit}'")


@contextlib.contextmanager
def duckdb_errors(path: str) -> Iterator[None]:
    """The door: a duckdb error inside becomes one of ours."""
    try:
        yield
    except duckdb.Error as error:
        raise _translated(error, path) from error


def is_held(error: duckdb.Error) -> bool:
    """True when another program has the file open: DuckDB gives no code for that, only this sentence."""
    return "Could not set lock on file" in str(error)


def _acquired(lock: FileLock, seconds: float) -> bool:
    from filelock import Timeout

    try:
        lock.acquire(timeout=seconds, poll_interval=_RETRY_SECONDS)
    except Timeout:
        return False
    return True


def roll_back(db: Connection) -> None:
    """Undoes the transaction that is open; a commit that failed has done so already."""
    with contextlib.suppress(duckdb.TransactionException):
        db.execute("ROLLBACK")


def store_id(db: Connection) -> str:
    """The random id of the attached store."""
    return str(_one(db, "SELECT store_id FROM store.meta"))


def folded_seq(db: Connection, inbox_id: str) -> int:
    """How far the attached store has folded that inbox."""
    return _greatest(db, "SELECT inbox_id, max(folded_seq) FROM store.folds GROUP BY ALL").get(inbox_id, 0)


def seq_base(db: Connection, inbox_id: str) -> int | None:
    """What is added to that inbox's seq; None while the store has not adopted it."""
    return _greatest(db, "SELECT inbox_id, max(seq_base) FROM store.inboxes GROUP BY ALL").get(inbox_id)


def _greatest(db: Connection, query: str) -> dict[str, int]:
    """A number of each inbox, all of them: a store has few, and binding a first value costs a reader 5 ms."""
    return dict(db.execute(query).fetchall())


def next_seq_base(db: Connection) -> int:
    """The greatest seq in the store, from which a newly adopted inbox counts on."""
    greatest = " UNION ALL ".join(f"SELECT max(seq) AS seq FROM store.{table}" for table in TABLES)
    return int(_one(db, f"SELECT coalesce(max(seq), 0) FROM ({greatest})"))


def _one(db: Connection, query: str, *values: object) -> Any:
    row = db.execute(query, list(values)).fetchone()
    return row[0] if row else None


def define_views(db: Connection, sources: dict[str, str], now: str) -> None:
    """Defines traces, events, metrics and rejects over the given source of each table."""
    db.execute(statement("views").format(now=now, **sources))


@contextlib.contextmanager
def _exclusive_in_process(path: str) -> Iterator[None]:
    with _open_here.lock_of(path):
        yield


def _make(path: str) -> None:
    with duckdb_errors(path):
        db = duckdb.connect()
        try:
            db.execute(f"ATTACH '{path.replace(chr(39), chr(39) * 2)}' AS store ({STORAGE})")
            _migrate(db, path)
        finally:
            db.close()


def _migrate(db: Connection, path: str) -> None:
    done = _applied(db)
    for number, name in enumerate(MIGRATIONS[done:], start=done + 1):
        with duckdb_errors(path):
            db.execute("USE store; BEGIN")
            try:
                _apply(db, number, name)
                db.execute("COMMIT")
            except BaseException:
                roll_back(db)
                raise
            finally:
                db.execute("USE memory")


def _apply(db: Connection, number: int, name: str) -> None:
    if number == 1:
        db.execute("CREATE TABLE migrations (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    db.execute(migration(name))
    if number == 1:
        db.execute("INSERT INTO meta VALUES (?, now())", [str(uuid.uuid4())])
    define_views(db, {table: table for table in TABLES}, "now()")
    db.execute("INSERT INTO migrations VALUES (?, now())", [number])


def _applied(db: Connection) -> int:
    with contextlib.suppress(duckdb.CatalogException):
        return int(_one(db, "SELECT coalesce(max(version), 0) FROM store.migrations"))
    tables = db.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'").fetchall()
    if not tables:
        return 0
    raise StoreDamaged("this DuckDB file is not a store of mplp-trace", hint="name another with --db")


def _check_version(db: Connection, path: str) -> None:
    with duckdb_errors(path):
        version = _applied(db)
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"{path} was written by a newer version of mplp-trace (schema {version})",
            hint="pip install --upgrade mplp-trace",
        )


def _holder(text: str) -> str:
    match = _HOLDER.search(text)
    if match is None:
        return "another program has it open"
    program = os.path.basename(match["program"] or "") or "another program"
    return f"{program} (PID {match['pid']}) has it open"


def _busy(path: str, reason: str) -> StoreBusy:
    return StoreBusy(
        f"the store {path} is busy: {reason} (at {format_instant(time.time_ns() // 1000)})",
        hint="close that program, then run this again; recording goes on meanwhile",
    )


def _translated(error: duckdb.Error, path: str) -> TraceError:
    text = str(error)
    first = text.splitlines()[0] if text else type(error).__name__
    # DuckDB tells these apart by their sentences alone.
    if any(words in text for words in ("version number", "newer version", "Failed to read WAL of version")):
        return StoreTooNew(
            f"{path} was written by a newer DuckDB than this one ({duckdb.__version__})",
            hint="open it with the tool that wrote it, export, and import here",
        )
    if "No space left" in text:
        return StorageFailed(f"{path} cannot be written: the disk is full", hint="free some space")
    if isinstance(error, duckdb.IOException | duckdb.PermissionException):
        damaged = any(word in text for word in ("Corrupt", "corrupt", "not a valid", "checksum"))
        kind = StoreDamaged if damaged else StorageFailed
        return kind(f"{path}: {first}", hint="mplp-trace doctor")
    if isinstance(error, duckdb.FatalException | duckdb.InternalException | duckdb.SerializationException):
        return StoreDamaged(f"{path} is damaged: {first}", hint="mplp-trace doctor")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageFailed(f"out of memory: {first}", hint="raise memory_limit in the config file")
    return StorageFailed(f"{path}: {first}")
