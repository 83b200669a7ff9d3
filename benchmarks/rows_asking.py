"""What asking costs: a whole command, against a bare program that runs the same SQL."""

from __future__ import annotations

from pathlib import Path

from ground import Ground
from harness import Result, at_most, in_turns, run, seconds_text

ROWS = ("query", "query --has-errors", "events", "events --level error --source plan")


def ask(ground: Ground) -> list[Result]:
    """`query` and `events` over the filled store."""
    return [_ask(ground, line, ground.statements[line]) for line in ROWS]


def _ask(ground: Ground, line: str, statements: Path) -> Result:
    store = ground.filled_store
    command = ground.trace(store, *line.split())
    bare = ground.python("floors/ask.py", store, statements)
    turns = in_turns(
        lambda: run(command).good().seconds,
        lambda: run(bare).good().seconds,
        max(3, ground.sizes.short_pairs // 2),
    )
    return Result(
        f"`{line}` over {ground.sizes.events:,} events",
        seconds_text(turns.our_median),
        f"the same SQL, bare: {seconds_text(turns.their_median)}",
        turns.times_as_long,
        at_most(1.25),
    )
