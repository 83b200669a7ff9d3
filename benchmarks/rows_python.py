"""What the ways in from Python cost a call: blocks, `@traced`, the logging handler, recorders of a source."""

from __future__ import annotations

import json

from ground import Ground
from harness import Result, Turns, run, seconds_text, told

WAYS = (
    ("event", "`event(…)` in a trace"),
    ("source", "`for_source(…).record(…)`"),
    ("traced", "a call of a `@traced` function"),
    ("step", "a `step` block, two events"),
    ("log", "a `logging` call with the handler"),
)


def python_ways(ground: Ground) -> list[Result]:
    """Each of them against the bare insert of the rows that it made; and `event` where nothing is traced."""
    sizes = ground.sizes
    folder = ground.place("ways")
    folder.mkdir()
    command = ground.python(
        "python_ways.py", folder, str(sizes.library_events // 2), str(sizes.library_rounds)
    )
    said = json.loads(run(command).good().stdout)
    turns = {name: Turns(one["ours"], one["theirs"]) for name, one in said.items()}
    return [*(_against_insert(what, turns[name]) for name, what in WAYS), _untraced(turns)]


def _against_insert(what: str, turns: Turns) -> Result:
    against = f"the bare SQLite insert of a row: {seconds_text(turns.their_median)}"
    return Result(what, seconds_text(turns.our_median), against, turns.times_as_long, told())


def _untraced(turns: dict[str, Turns]) -> Result:
    one = turns["untraced"]
    added = (one.our_median - one.their_median) * 1e6
    against = f"a call that does nothing: {seconds_text(one.their_median)}"
    return Result(
        "`event(…)` where no trace is open",
        seconds_text(one.our_median),
        against,
        added,
        told("µs"),
    )
