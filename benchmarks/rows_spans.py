"""What the span exporter costs a program that is instrumented with OpenTelemetry."""

from __future__ import annotations

import json

from ground import Ground
from harness import Result, Turns, at_most, run, seconds_text

SPANS_PER_EVENT = 5
"""How many spans a round has for each event of the library's rounds: enough for several batches."""
REACH_US = 30.0


def spans(ground: Ground) -> list[Result]:
    """Spans with our exporter, against the same with one that does nothing."""
    sizes = ground.sizes
    folder = ground.place("spans")
    folder.mkdir()
    count, rounds = sizes.library_events * SPANS_PER_EVENT, sizes.library_rounds
    command = ground.python("spans.py", folder, str(count), str(rounds))
    said = json.loads(run(command).good().stdout)
    kept = ground.count_events(folder / "traces.duckdb")
    sound = kept == count * (rounds + 1)
    return [
        _added("a span, the program's thread, by the clock", said["thread"], sound),
        _added("a span, the whole process, processor time", said["process"], sound),
    ]


def _added(what: str, said: dict[str, list[float]], sound: bool) -> Result:
    turns = Turns(said["ours"], said["theirs"])
    added = (turns.our_median - turns.their_median) * 1e6
    return Result(
        f"{what}, batched",
        seconds_text(turns.our_median),
        f"an exporter that does nothing: {seconds_text(turns.their_median)}",
        added,
        at_most(REACH_US, "µs more"),
        sound=sound,
        note="" if sound else "not all spans are there after `flush`",
    )
