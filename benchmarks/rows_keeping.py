"""What keeping costs: purging half of many events, giving the disk back, and who records meanwhile."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from ground import Ground
from harness import MB, BenchmarkFailed, Command, Result, at_most, run, seconds_text

IDLE_SECONDS = 10.0
MOST_SECONDS = 600.0
CLI_RECORDS = 25
MIDDLE = "SELECT strftime(quantile_cont(completed_at, 0.5), '%Y-%m-%dT%H:%M:%SZ') AS middle FROM traces"


def purge_and_compact(ground: Ground) -> list[Result]:
    """Half of the events go, then the file shrinks; against DuckDB's own copies of the same files."""
    store = _copy_of(ground, ground.big_store)
    events = ground.sizes.big_events
    size = store.stat().st_size
    floor = _copied(ground, store)
    purged = run(
        ground.trace(store, "purge", "--older-than", _middle(ground, store), "--yes", "--json")
    ).good()
    gone = int(json.loads(purged.stdout)["events"])
    half_floor = _copied(ground, store)
    compacted = run(ground.trace(store, "compact")).good()
    left = ground.count_events(store)
    after = store.stat().st_size
    shutil.rmtree(store.parent)
    sound = gone + left == events
    note = f"{gone:,} of {events:,} events went, {left:,} are left"
    return [
        _against_copy(f"`purge` of half of {events:,} events", purged.seconds, floor, sound, note),
        _against_copy("`compact` of the other half", compacted.seconds, half_floor, sound, ""),
        Result(
            "disk after `purge` of half and `compact`",
            f"{after / MB:,.0f} MB",
            f"before: {size / MB:,.0f} MB",
            after / size * 100,
            at_most(60, "%"),
            sound,
        ),
    ]


def latency(ground: Ground) -> list[Result]:
    """How long recording takes while `compact` rewrites a large store, against before and after it."""
    store = _copy_of(ground, ground.big_store)
    before, busy, after = (_library(ground, store, beside=one) for one in (False, True, False))
    idle = {name: (before[name] + after[name]) / 2 for name in before}
    quiet, loud = _commands(ground, store), _commands(ground, store, beside=True)
    shutil.rmtree(store.parent)
    measured = [
        (f"library, durable, {name}", busy[name] / 1_000, idle[name] / 1_000) for name in ("p50", "p99")
    ] + [("`record`, median", statistics.median(loud), statistics.median(quiet))]
    return [
        Result(
            f"recording while `compact` runs: {what}",
            seconds_text(ours),
            f"idle: {seconds_text(theirs)}",
            ours / theirs,
            at_most(2),
        )
        for what, ours, theirs in measured
    ]


def _library(ground: Ground, store: Path, *, beside: bool = False) -> dict[str, float]:
    command = ground.python("recording_latency.py", store, str(MOST_SECONDS if beside else IDLE_SECONDS))
    with _started(command) as recorder:
        if beside:
            time.sleep(1)
            run(ground.trace(store, "compact")).good()
            out, err = recorder.communicate(b"over\n")
        else:
            assert recorder.stdout is not None and recorder.stderr is not None
            out, err = recorder.stdout.read(), recorder.stderr.read()
    if recorder.returncode:
        raise BenchmarkFailed(err.decode())
    return dict(json.loads(out))


def _commands(ground: Ground, store: Path, *, beside: bool = False) -> list[float]:
    trace_id = ground.ask(store, "create", "bench")
    record = ground.trace(store, "record", "step", "--trace", trace_id)
    run(record).good()
    if not beside:
        return [run(record).good().seconds for _ in range(CLI_RECORDS)]
    with _started(ground.trace(store, "compact")) as compacting:
        time.sleep(0.5)
        took: list[float] = []
        while compacting.poll() is None and len(took) < 10 * CLI_RECORDS:
            took.append(run(record).good().seconds)
    return took


def _started(command: Command) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command.arguments, env=dict(command.env), **pipes)  # type: ignore[call-overload,no-any-return]


def _copy_of(ground: Ground, store: Path) -> Path:
    place = ground.new_store()
    for path in store.parent.glob(f"{store.name}*"):
        shutil.copy(path, place.parent)
    return place


def _middle(ground: Ground, store: Path) -> str:
    return str(json.loads(ground.ask(store, "sql", MIDDLE, "--json"))[0]["middle"])


def _copied(ground: Ground, store: Path) -> float:
    """The seconds of DuckDB's own copy, the quicker of two."""
    return min(_copy_once(ground, store) for _ in range(2))


def _copy_once(ground: Ground, store: Path) -> float:
    target = ground.place("copy.duckdb")
    seconds = run(ground.python("floors/copy_store.py", store, target)).good().seconds
    shutil.rmtree(target.parent)
    return seconds


def _against_copy(what: str, ours: float, floor: float, sound: bool, note: str) -> Result:
    return Result(
        what,
        seconds_text(ours),
        f"DuckDB's own copy: {seconds_text(floor)}",
        ours / floor,
        at_most(3),
        sound,
        note,
    )
