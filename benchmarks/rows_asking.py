"""What asking costs: a whole command, against a bare program that runs the same SQL."""

from __future__ import annotations

import json
from pathlib import Path

from ground import Ground
from harness import Result, at_most, in_turns, run, seconds_text


def ask(ground: Ground) -> list[Result]:
    """`query` and `events` over the filled store."""
    store = ground.filled_store
    asked = json.loads(run(ground.python("questions.py", store)).good().stdout)
    return [_ask(ground, store, line, statements) for line, statements in asked.items()]


def _ask(ground: Ground, store: Path, line: str, statements: list[tuple[str, list[object]]]) -> Result:
    file = ground.place("statements.json")
    file.write_text(json.dumps(statements))
    command = ground.trace(store, *line.split())
    bare = ground.python("floors/ask.py", store, file)
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
