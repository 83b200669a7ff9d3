"""The library's record_event against the bare insert it makes, in turns in one process.

`library.py FOLDER EVENTS ROUNDS` prints a JSON object: the seconds an event of each round, ours and theirs.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

from mplp_trace_cli import Event, TraceManagementService, TraceModuleOptions, initialize_trace_module

SCHEMA = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL)"
)


def main(folder: str, events: int, rounds: int) -> None:
    """Measures and prints."""
    heard: list[Event] = []
    ours: list[float] = []
    theirs: list[float] = []
    store = Path(folder) / "traces.duckdb"
    with initialize_trace_module(TraceModuleOptions(data_source=str(store))) as module:
        service = module.trace_management_service
        service.add_event_listener(heard.append)
        trace_id = service.create_trace(context_id="bench", name="bench").unwrap().trace_id
        with closing(_bare(Path(folder) / "bare.db")) as bare:
            for _ in range(rounds + 1):
                ours.append(_record(service, trace_id, events))
                theirs.append(_insert(bare, _newest(f"{store}.inbox", events)))
                heard.clear()
    print(json.dumps({"ours": ours[1:], "theirs": theirs[1:]}))  # the first round warms up


def _bare(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(SCHEMA)
    return db


def _newest(inbox: str, events: int) -> list[tuple[str, str]]:
    """The very rows that the library has just inserted."""
    newest = "SELECT kind, body FROM (SELECT * FROM entries ORDER BY seq DESC LIMIT ?) ORDER BY seq"
    with closing(sqlite3.connect(inbox)) as db:
        return db.execute(newest, (events,)).fetchall()


def _record(service: TraceManagementService, trace_id: str, events: int) -> float:
    began = time.perf_counter()
    for number in range(events):
        service.record_event(
            trace_id=trace_id,
            event_type="stage_started",
            level="info",
            message="task 381 of context done",
            data={"stage": "context", "tokens": number, "cost": 0.4182},
            duration_ms=16.117,
            source="context",
        ).unwrap()
    return (time.perf_counter() - began) / events


def _insert(db: sqlite3.Connection, rows: list[tuple[str, str]]) -> float:
    began = time.perf_counter()
    for row in rows:
        db.execute("INSERT INTO entries (kind, body) VALUES (?, ?)", row)
    return (time.perf_counter() - began) / len(rows)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
