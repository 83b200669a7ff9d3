"""What figures cost: over many events without start-up, over few as whole commands, and in memory."""

from __future__ import annotations

import shlex
from pathlib import Path

from ground import Ground
from harness import MB, Result, at_most, in_turns, run, seconds_text

REACH = {"events --group-by": 1.15, "events --trace": 1.2, "dashboard": 1.5}
"""What is asked of many events, by how its command line begins, and how many times as long it may take."""
MEMORY_MB = 1_000
SMALL_REACH = 1.3


def many(ground: Ground) -> list[Result]:
    """Groups, one trace and a dashboard over many events, against the same SQL in bare DuckDB."""
    store, asked = ground.big_store, ground.statements_of(ground.big_store)
    lines = {begin: next(line for line in asked if line.startswith(begin)) for begin in REACH}
    return [
        result
        for begin, line in lines.items()
        for result in (
            _against_bare(ground, store, line, asked[line], REACH[begin]),
            _memory(ground, store, line),
        )
    ]


def _against_bare(ground: Ground, store: Path, line: str, statements: Path, reach: float) -> Result:
    ours = ground.python("asking.py", "ours", store, line)
    bare = ground.python("asking.py", "bare", store, statements)
    turns = in_turns(
        lambda: float(run(ours).good().stdout),
        lambda: float(run(bare).good().stdout),
        ground.sizes.long_pairs * 3,
    )
    return Result(
        f"`{_short(line)}` over {ground.sizes.big_events:,} events, start-up aside",
        seconds_text(turns.our_median),
        f"the same SQL in bare DuckDB: {seconds_text(turns.their_median)}",
        turns.times_as_long,
        at_most(reach),
    )


def _memory(ground: Ground, store: Path, line: str) -> Result:
    weighed = run(ground.trace(store, *shlex.split(line)), weigh=True).good()
    megabytes = weighed.peak_bytes / MB
    return Result(
        f"peak memory of `{_short(line)}`",
        f"{megabytes:.0f} MB",
        f"the whole command took {seconds_text(weighed.seconds)}",
        megabytes,
        at_most(MEMORY_MB, "MB"),
    )


def few(ground: Ground) -> list[Result]:
    """Every asking command over the sample project, against a bare program that reads the same."""
    asked = ground.statements_of(ground.small_store)
    return [_whole(ground, line, file) for line, file in asked.items() if line != "export"]


def _whole(ground: Ground, line: str, statements: Path) -> Result:
    command = ground.trace(ground.small_store, *shlex.split(line))
    bare = ground.python("floors/ask.py", ground.small_store, statements)
    turns = in_turns(
        lambda: run(command).good().seconds, lambda: run(bare).good().seconds, ground.sizes.short_pairs // 2
    )
    return Result(
        f"`{_short(line)}` over the sample project",
        seconds_text(turns.our_median),
        f"the same reads, bare: {seconds_text(turns.their_median)}",
        turns.times_as_long,
        at_most(SMALL_REACH),
    )


def _short(line: str) -> str:
    """A command line without the options that only say how much."""
    words = shlex.split(line)
    return " ".join(words[:3]) if len(line) > 60 else line
