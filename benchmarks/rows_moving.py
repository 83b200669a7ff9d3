"""What moving data costs: import, export, the memory they take, the disk they fill."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import data
from ground import Ground
from harness import MB, Command, Result, at_least, at_most, in_turns, run, seconds_text

MEMORY_MB = 1_000


def import_file(ground: Ground) -> list[Result]:
    """`import`, against DuckDB's own reader and against sqlite-utils; then the same file again."""
    events, pairs = ground.sizes.events, ground.sizes.long_pairs
    file = data.project_file(events)
    stores: list[Path] = []

    def ours() -> float:
        store = ground.new_store()
        stores.append(store)
        return run(ground.trace(store, "import", str(file))).good().seconds

    def theirs() -> float:
        command = ground.python("floors/load_json.py", file, ground.place("peer.duckdb"))
        return run(command).good().seconds

    turns = in_turns(ours, theirs, pairs)
    took = seconds_text(turns.our_median)
    what = f"`import` of {events:,} events"
    against = f"typed `read_json` insert: {seconds_text(turns.their_median)}"
    return [
        Result(what, took, against, turns.times_as_fast, at_least(0.4, "× its speed")),
        _vs_sqlite_utils(ground, file, turns.our_median),
        _import_again(ground, stores[-1], file),
    ]


def _vs_sqlite_utils(ground: Ground, file: Path, our_seconds: float) -> Result:
    lines = ground.sizes.peer_lines
    sample = data.first_lines(file, lines)
    scale = file.stat().st_size / sample.stat().st_size
    command = ground.sqlite_utils("insert", ground.place("peer.db"), "events", sample, "--nl")
    theirs = run(command).good().seconds * scale
    return Result(
        f"`import` of {ground.sizes.events:,} events",
        seconds_text(our_seconds),
        f"`sqlite-utils insert --nl`: {seconds_text(theirs)}",
        theirs / our_seconds,
        at_least(10, "× its speed"),
        note=f"sqlite-utils measured on the first {lines:,} lines, scaled by size",
    )


def _import_again(ground: Ground, store: Path, file: Path) -> Result:
    again = run(ground.trace(store, "import", str(file))).good()
    counts = json.loads(again.stdout)
    added = ground.count_events(store) - ground.sizes.events
    said = counts["skipped"] == 1 and "loaded before" in again.stderr
    return Result(
        "the same file again",
        seconds_text(again.seconds),
        "says that it was loaded before" if said else "does not say so",
        added,
        at_most(0, "events added"),
        sound=said and added == 0,
    )


def memory(ground: Ground) -> list[Result]:
    """The peak memory of import and export, with their workers, of much and of five times as much."""
    fewer, more = ground.sizes.events, ground.sizes.many_events
    kinds = ("import", "export jsonl", "export parquet")
    little, much = _peaks(ground, fewer), _peaks(ground, more)
    results = []
    for kind in kinds:
        small, large = little[kind] / MB, much[kind] / MB
        what = f"peak memory of `{kind}`"
        results.append(
            Result(
                f"{what}, {more:,} events",
                f"{large:,.0f} MB",
                f"{fewer:,} events: {small:,.0f} MB",
                max(small, large),
                at_most(MEMORY_MB, "MB"),
            )
        )
        growth = (large / small - 1) * 100
        results.append(
            Result(
                f"{what}, growth",
                f"{large:,.0f} MB",
                f"{small:,.0f} MB",
                growth,
                at_most(20, "%"),
            )
        )
    return results


def _peaks(ground: Ground, events: int) -> dict[str, int]:
    """The peak bytes of each kind of move; the store is taken away again."""
    store = ground.new_store()
    lines = ground.place("events.jsonl")
    parquet = ground.place("events")
    commands = {
        "import": ("import", str(data.project_file(events))),
        "export jsonl": ("export", "-o", str(lines)),
        "export parquet": ("export", "-o", str(parquet), "--format", "parquet", "--include-events"),
    }
    peaks = {
        kind: run(ground.trace(store, *command), weigh=True).good().peak_bytes
        for kind, command in commands.items()
    }
    for path in (store.parent, lines.parent, parquet.parent):
        shutil.rmtree(path)
    return peaks


def export(ground: Ground) -> list[Result]:
    """`export` of traces and events, against DuckDB's own COPY of the same."""
    return [
        _export(ground, "parquet", 0.8, ("--format", "parquet", "--include-events")),
        _export(ground, "csv", 4, ("--format", "csv", "--compression", "gzip", "--include-events")),
        _export(ground, "jsonl", 3, ("--format", "jsonl", "--compression", "gzip")),
    ]


def _export(ground: Ground, form: str, bound: float, options: tuple[str, ...]) -> Result:
    store = ground.filled_store
    ours_at, theirs_at = ground.place("ours"), ground.place("theirs")

    def ours() -> float:
        _clear(ours_at)
        return run(ground.trace(store, "export", "-o", str(ours_at), *options)).good().seconds

    def theirs() -> float:
        _clear(theirs_at)
        return run(_copy(ground, form, theirs_at)).good().seconds

    turns = in_turns(ours, theirs, ground.sizes.long_pairs)
    sound, note = _compare[form](ours_at, theirs_at)
    packed = "" if form == "parquet" else " with gzip"
    result = Result(
        f"`export` {form}{packed}, {ground.sizes.events:,} events",
        f"{seconds_text(turns.our_median)}, {_size(ours_at) / MB:,.0f} MB",
        f"DuckDB's COPY: {seconds_text(turns.their_median)}, {_size(theirs_at) / MB:,.0f} MB",
        turns.times_as_fast,
        at_least(bound, "× its speed"),
        sound,
        note,
    )
    _clear(ours_at)
    _clear(theirs_at)
    return result


def _copy(ground: Ground, form: str, folder: Path) -> Command:
    if form == "jsonl":
        return ground.python("floors/copy_lines.py", ground.filled_store, ground.statements["export"], folder)
    return ground.python("floors/copy_out.py", ground.filled_store, form, folder)


def _clear(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _same_csv(ours: Path, theirs: Path) -> tuple[bool, str]:
    names = ("events.csv.gz", "traces.csv.gz")
    return _same([(_lines(ours / name), _lines(theirs / name)) for name in names])


def _same_lines(ours: Path, theirs: Path) -> tuple[bool, str]:
    parts = [_lines(part) for part in theirs.iterdir()]
    return _same([(_lines(ours), (sum(count for count, _ in parts), sum(total for _, total in parts)))])


def _same(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> tuple[bool, str]:
    same = all(ours == theirs for ours, theirs in pairs)
    return same, "unpacked, both hold the same lines" if same else "the lines differ"


def _same_parquet(ours: Path, theirs: Path) -> tuple[bool, str]:
    names = {file.name for file in ours.iterdir()}
    return names == {file.name for file in theirs.iterdir()}, "zstd, both"


def _lines(path: Path) -> tuple[int, int]:
    """How many lines a packed file has, and a sum over them in which their order does not matter."""
    count = total = 0
    with gzip.open(path) as file:
        for count, line in enumerate(file, start=1):  # noqa: B007
            total += hash(line)
    return count, total


_compare: dict[str, Callable[[Path, Path], tuple[bool, str]]] = {
    "csv": _same_csv,
    "jsonl": _same_lines,
    "parquet": _same_parquet,
}


def disk(ground: Ground) -> list[Result]:
    """What a million events take on the disk, folded and checkpointed."""
    store = ground.filled_store
    source = data.project_file(ground.sizes.events).stat().st_size
    size = sum(path.stat().st_size for path in (store, Path(f"{store}.wal")) if path.exists())
    million = ground.sizes.events / 1_000_000
    return [
        Result(
            "disk a million events, the store",
            f"{size / MB:,.1f} MB",
            f"the JSON lines: {source / MB:,.0f} MB",
            size / MB / million,
            at_most(90, "MB"),
        )
    ]
