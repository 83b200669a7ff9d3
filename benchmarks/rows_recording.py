"""What recording costs: one command, the library, a stream, and crowds of commands."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import data
from ground import Ground
from harness import (
    BenchmarkFailed,
    Command,
    Result,
    Turns,
    at_least,
    at_most,
    crowd,
    in_turns,
    run,
    seconds_text,
)

EVENT = ("record", "stage_completed", "--set", "stage=plan", "--set", "status=success", "--duration-ms", "12")
ROW = {"trace_id": "trace-1", "event_type": "stage_completed", "data": {"stage": "plan"}, "duration_ms": 12}
STREAM_TRACE = "trace-of-the-stream"
HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def _record(ground: Ground, store: Path, trace_id: str) -> Command:
    return ground.trace(store, *EVENT, "--trace", trace_id)


def _seconds(command: Command) -> float:
    return run(command).good().seconds


def record_vs_hello(ground: Ground) -> list[Result]:
    """One `record`, against the least that a Typer command can do."""
    store, trace_id = ground.open_store()
    command, hello = _record(ground, store, trace_id), ground.python("floors/hello.py")
    turns = in_turns(lambda: _seconds(command), lambda: _seconds(hello), ground.sizes.short_pairs)
    return [_result("`record`, whole process", turns, "Typer hello world", 1.35)]


def record_vs_duckdb(ground: Ground) -> list[Result]:
    """One `record`, against a process that inserts one row into a DuckDB file."""
    store, trace_id = ground.open_store()
    command = _record(ground, store, trace_id)
    insert = ground.python("floors/insert_one_row.py", ground.place("peer.duckdb"))
    turns = in_turns(lambda: _seconds(command), lambda: _seconds(insert), ground.sizes.short_pairs)
    return [_result("`record`, whole process", turns, "open DuckDB, insert a row, close", 0.65)]


def _result(what: str, turns: Turns, floor: str, bound: float) -> Result:
    against = f"{floor}: {seconds_text(turns.their_median)}"
    return Result(what, seconds_text(turns.our_median), against, turns.times_as_long, at_most(bound))


def library_record(ground: Ground) -> list[Result]:
    """The library's `record_event` with a listener, against the bare insert."""
    sizes = ground.sizes
    folder = ground.place("library")
    folder.mkdir()
    command = ground.python("library.py", folder, str(sizes.library_events), str(sizes.library_rounds))
    said = json.loads(run(command).good().stdout)
    turns = Turns(said["ours"], said["theirs"])
    return [_result("library `record_event`, an event", turns, "the bare SQLite insert", 3)]


def stream(ground: Ground) -> list[Result]:
    """`record -` of many lines from a pipe."""
    events = ground.sizes.stream_events
    file = data.stream_file(events, STREAM_TRACE)
    stores: list[Path] = []

    def ours() -> float:
        store = ground.new_store()
        ground.ask(store, "create", "stream", "--trace-id", STREAM_TRACE)
        stores.append(store)
        return _seconds(ground.trace(store, "record", "-", feed=file))

    def theirs() -> float:
        return _seconds(ground.python("floors/insert_lines.py", ground.place("lines.db"), feed=file))

    turns = in_turns(ours, theirs, ground.sizes.long_pairs)
    kept = ground.count_events(stores[-1])
    speed = events / turns.our_median
    return [
        Result(
            f"`record -`, {events:,} lines",
            seconds_text(turns.our_median),
            f"lines into SQLite unread: {seconds_text(turns.their_median)}",
            speed,
            at_least(150_000, "events/s"),
            sound=kept == events,
            note=f"{kept:,} of {events:,} events are there after `flush`",
        )
    ]


def crowd_while_held(ground: Ground) -> list[Result]:
    """A crowd records while another program has the DuckDB file open for writing."""
    size, turns = ground.sizes.crowd, ground.sizes.commands_each
    store, trace_id = ground.open_store()
    with _held(store):
        done = crowd(lambda _member, _turn: _record(ground, store, trace_id), size, turns)
    kept = ground.count_events(store)
    note = f"{kept:,} of {size * turns:,} events after the holder is gone and `flush`"
    return [
        Result(
            f"{size} processes × {turns} `record`, the DuckDB file held by another",
            f"{seconds_text(done.seconds)} in all",
            f"{len(done.failures)} errors",
            done.slowest,
            at_most(10, "s, the slowest command"),
            sound=not done.failures and kept == size * turns,
            note="; ".join([note, *done.failures[:1]]),
        )
    ]


@contextlib.contextmanager
def _held(store: Path) -> Iterator[None]:
    """Another process has the DuckDB file open for writing."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(store)], **pipes) as holder:  # type: ignore[call-overload]
        if holder.stdout.readline() != b"held\n":
            raise BenchmarkFailed("the holder could not open the store")
        yield
        holder.stdin.close()


def crowd_vs_sqlite_utils(ground: Ground) -> list[Result]:
    """A crowd of one-row commands, against the same crowd of sqlite-utils."""
    size, turns = ground.sizes.small_crowd, ground.sizes.commands_each
    row = ground.place("row.json")
    row.write_text(json.dumps(ROW))
    failures: list[str] = []
    kept: list[int] = []

    def ours() -> float:
        store, trace_id = ground.open_store()
        done = crowd(lambda _member, _turn: _record(ground, store, trace_id), size, turns)
        failures.extend(done.failures)
        kept.append(ground.count_events(store))
        return done.seconds

    def theirs() -> float:
        peer = ground.place("peer.db")
        insert = ground.sqlite_utils("insert", peer, "events", row)
        run(insert).good()
        run(ground.sqlite_utils("enable-wal", peer)).good()
        return crowd(lambda _member, _turn: insert, size, turns).seconds

    measured = in_turns(ours, theirs, max(1, ground.sizes.long_pairs // 2), warm=False)
    result = _result(f"{size} processes × {turns} `record`", measured, "`sqlite-utils insert` of a row", 0.55)
    sound = not failures and set(kept) == {size * turns}
    return [replace(result, sound=sound, note="; ".join(failures[:1]))]
