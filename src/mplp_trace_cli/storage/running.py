"""What DuckDB runs in this process: where it spills to, and how others make it stop.

Each connection has a folder of its own for what memory does not hold: DuckDB gives its files there the same
names in every process, so that two in one folder would read each other's pages.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mplp_trace_cli.storage.forking import in_child
from mplp_trace_cli.storage.paths import StorePaths

if TYPE_CHECKING:
    import duckdb

LEFT_OVER_SECONDS = 600


class _Running:
    """The connections that are open, by their spill folders."""

    def __init__(self) -> None:
        self.open: dict[str, duckdb.DuckDBPyConnection] = {}
        self.lock = threading.Lock()

    def forget(self) -> None:
        """A forked child runs none of its parent's queries, and who may have held the lock is not there."""
        for db in self.open.values():
            leave_alone(db)
        self.open, self.lock = {}, threading.Lock()


def leave_alone(db: duckdb.DuckDBPyConnection) -> None:
    """Keeps a connection of the parent for ever: to end it in a forked child waits for threads it lacks."""
    import ctypes  # in a child that was forked in the middle of a query

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))


_running = _Running()
in_child(_running.forget)


def new_spill(paths: StorePaths) -> str:
    """The name of a folder beside the store that no other connection has."""
    return f"{paths.store}.tmp-{os.getpid()}-{secrets.token_hex(4)}"


@contextlib.contextmanager
def private_spill(spill: str) -> Iterator[None]:
    """Makes that folder before DuckDB does, for its owner alone; where none can be made nothing spills."""
    process = os.getpid()
    with contextlib.suppress(OSError):
        os.mkdir(spill, 0o700)
    try:
        yield
    finally:
        if os.getpid() == process:  # and not a fork of it
            shutil.rmtree(spill, ignore_errors=True)


def most_spilled(paths: StorePaths) -> str:
    """Half of what is free on the disk: the other half is for those who record meanwhile."""
    try:
        space = os.statvfs(paths.folder)
    except OSError:
        return "0B"
    return f"{space.f_bavail * space.f_frsize // 2}B"


def sweep(paths: StorePaths) -> None:
    """Removes the spill folders of processes that were killed."""
    for folder in glob.glob(f"{glob.escape(paths.store)}.tmp-*-*"):
        with contextlib.suppress(OSError, ValueError):
            files = [folder, *(entry.path for entry in os.scandir(folder))]
            age = time.time() - max(map(os.path.getmtime, files))
            # A process of another container has a number that means nothing here, so it must be idle too.
            if age > LEFT_OVER_SECONDS and not lives(int(folder.rsplit("-", 2)[1])):
                shutil.rmtree(folder)


def lives(pid: int) -> bool:
    """True for a process that is there, whoever it belongs to."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@contextlib.contextmanager
def running(db: duckdb.DuckDBPyConnection, spill: str) -> Iterator[None]:
    """While it lasts, `interrupt` ends what the connection runs."""
    with _running.lock:
        _running.open[spill] = db
    try:
        yield
    finally:
        with _running.lock:
            _running.open.pop(spill, None)


@contextlib.contextmanager
def signals_as_raised() -> Iterator[None]:
    """What a signal's handler raises during a query stays that: DuckDB makes a RuntimeError of it."""
    try:
        yield
    except RuntimeError as error:
        stopped = error.__cause__
        if stopped is None or isinstance(stopped, Exception):
            raise
        raise stopped from None


def interrupt() -> None:
    """Ends the queries that run in this process; from another thread than theirs."""
    with _running.lock:
        for db in _running.open.values():
            db.interrupt()


def abandon() -> None:
    """Removes what the queries of this process have spilled, right before it ends without them."""
    for folder in list(_running.open):
        shutil.rmtree(folder, ignore_errors=True)
