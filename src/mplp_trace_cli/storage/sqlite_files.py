"""SQLite files of ours: how they are opened and made, and the door where errors of SQLite become ours.

Imports nothing but the standard library, because every recording command pays for what is imported here.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import ClassVar, Self

from mplp_trace_cli.domain.errors import (
    InvalidInput,
    StorageFailed,
    StoreBusy,
    StoreDamaged,
    StoreTooNew,
    TraceError,
)
from mplp_trace_cli.storage.forking import in_child

BUSY_SECONDS = 30.0
_FAULTS = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is busy", "try again in a moment"),
    sqlite3.SQLITE_CORRUPT: (StoreDamaged, "is damaged", None),
    sqlite3.SQLITE_NOTADB: (StoreDamaged, "is not what it should be", None),
    sqlite3.SQLITE_FULL: (StorageFailed, "cannot be written: the disk is full", "free some space"),
    sqlite3.SQLITE_READONLY: (StorageFailed, "cannot be written: it is read-only", None),
    sqlite3.SQLITE_CANTOPEN: (StorageFailed, "cannot be opened", "check that its folder can be written"),
    sqlite3.SQLITE_IOERR_SHMSIZE: (StorageFailed, "cannot be used: the disk is full", "free some space"),
    sqlite3.SQLITE_IOERR: (StorageFailed, "cannot be read or written", "mplp-trace doctor"),
}


_open: weakref.WeakSet[SqliteFile] = weakref.WeakSet()
_inherited: set[str] = set()
"""The files that the parent of this process had open when it forked."""


@in_child
def _note_inherited() -> None:
    _inherited.update(one.path for one in _open)
    _open.clear()


class SqliteFile:
    """One open file. Not for two threads at once, nor for two processes: a forked child opens its own."""

    kind: ClassVar[str]
    """What it is called in messages, with a vowel in front."""
    version: ClassVar[int]
    remedy: ClassVar[str] = "mplp-trace doctor"
    """What helps where it is damaged."""

    def __init__(self, path: str, *, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self.is_still = False
        """True when it was opened as a file that nobody changes."""
        self._pid = os.getpid()
        self._door = Door(path, self.kind, self.remedy)
        self._refuse_inherited()
        with self.errors():
            self.db = self._connect()
            _open.add(self)
            self._check_version()

    def _refuse_inherited(self) -> None:
        """Raises StorageFailed where the parent of this process had the file open when it forked.

        SQLite would take locks for held that are the parent's alone, and what is committed might be lost.
        """
        if self.path in _inherited:
            raise StorageFailed(
                f"the {self.kind} {self.path} was in use when this process was forked",
                hint="start processes before the module is used, or from outside of its blocks",
            )

    def _connect(self) -> sqlite3.Connection:
        options = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
        if self.writable:
            return sqlite3.connect(self.path, **options)  # type: ignore[call-overload, no-any-return]
        from urllib.parse import quote

        self.is_still = not os.path.exists(f"{self.path}-wal")
        uri = f"file:{quote(self.path)}?mode=ro{'&immutable=1' if self.is_still else ''}"
        return sqlite3.connect(uri, uri=True, **options)  # type: ignore[call-overload, no-any-return]

    def _check_version(self) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version > self.version:
            raise StoreTooNew(
                f"{self.path} was written by a newer version of mplp-trace",
                hint="pip install --upgrade mplp-trace",
            )
        if version < 1:
            raise StoreDamaged(f"{self.path} is not an {self.kind}", hint=self.remedy)

    def close(self) -> None:
        """Closes the file; what was committed is safe without it."""
        if self._pid == os.getpid():
            _open.discard(self)
            self.db.close()

    def __del__(self) -> None:
        """Closes what its owner has dropped: from Python 3.13 on there is a warning otherwise."""
        if hasattr(self, "db"):
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def errors(self) -> Door:
        """The door: an error inside becomes one of ours."""
        return self._door

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


@contextlib.contextmanager
def new_file(path: str, kind: str, version: int) -> Iterator[sqlite3.Connection]:
    """A new file in which many may read while one writes, marked with its version when it is whole."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        with Door(path, kind):
            db.execute("PRAGMA journal_mode=WAL")
            yield db
            db.execute(f"PRAGMA user_version={version}")
    finally:
        db.close()


class Door:
    """Turns an error of SQLite about a file into one of ours, and so text that UTF-8 cannot hold.

    It is gone through again and again: made anew for each event it would cost a tenth of what SQLite does.
    """

    def __init__(self, path: str, kind: str, remedy: str | None = None) -> None:
        self._file = path, kind, remedy

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, sqlite3.Error):
            raise _translated(error, *self._file) from error
        if isinstance(error, UnicodeEncodeError):
            raise InvalidInput(f"{error.object[:60]!r} is not UTF-8") from error


def _translated(error: sqlite3.Error, path: str, kind: str, remedy: str | None) -> TraceError:
    code = getattr(error, "sqlite_errorcode", 0)
    known = _FAULTS.get(code) or _FAULTS.get(code & 0xFF)
    fault, fact, hint = known or (StorageFailed, f"failed: {error}", None)
    if code == sqlite3.SQLITE_NOTADB:
        fact = f"is not an {kind}"
    hint = remedy if fault is StoreDamaged else hint
    return fault(f"the {kind} {path} {fact}", hint=hint, details={"sqlite": str(error)})
