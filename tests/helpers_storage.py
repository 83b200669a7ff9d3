"""A store for tests of storage: the service with a clock that is given, and plain looks into both files."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from mplp_trace_cli import TraceModuleOptions
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.module import wall_clock
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.paths import StorePaths

SECOND = 1_000_000
START_OF_TIME = 1_800_000_000 * SECOND

_HOLDER = """
import sys, duckdb
db = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START_OF_TIME

    def __call__(self) -> int:
        """The present, in microseconds since 1970."""
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        """Moves the clock on."""
        self.now += round(seconds * SECOND)


@contextlib.contextmanager
def service_at(
    db: Path, clock: Callable[[], int] = wall_clock, *, durable: bool = True
) -> Iterator[TraceManagementService]:
    """The service over the store at `db`, as a command has it: nothing folds unless it is asked to."""
    paths = StorePaths.at(db)
    service = TraceManagementService(Wiring(paths, TraceModuleOptions(), clock, new_id, durable))
    try:
        yield service
    finally:
        service.close()


def event_ids(db: Path) -> Counter[str]:
    """How often each event id is there, after a fold of everything."""
    with service_at(db) as service:
        service.flush().unwrap()
        return Counter(row["event_id"] for row in service.query_events().unwrap().rows)


def repeated(counts: Counter[str]) -> dict[str, int]:
    """What is there more than once."""
    return {one: count for one, count in counts.items() if count > 1}


@contextlib.contextmanager
def inbox_file(db: Path) -> Iterator[sqlite3.Connection]:
    """The inbox as any SQLite tool sees it."""
    connection = sqlite3.connect(f"{db}.inbox", isolation_level=None, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def entries(db: Path) -> list[tuple[int, str, str]]:
    """What lies in the inbox: seq, kind and body."""
    with inbox_file(db) as inbox:
        return inbox.execute("SELECT seq, kind, body FROM entries ORDER BY seq").fetchall()


def recorded_ids(db: Path) -> list[str]:
    """The ids of the events in the inbox, in order of arrival."""
    return [json.loads(body)[0] for _, kind, body in entries(db) if kind.startswith("event")]


@contextlib.contextmanager
def held_for_writing(db: Path) -> Iterator[None]:
    """While this is open another program has the store open for writing."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(db)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        holder.communicate()
