"""What measuring the system behind a program costs: processor time, against the same program without."""

from __future__ import annotations

import statistics

from ground import Ground
from harness import Result, at_most, run, seconds_text

SECONDS = 20


def collector(ground: Ground) -> list[Result]:
    """The background collector at its usual five seconds."""
    rounds = max(1, ground.sizes.long_pairs // 2)
    seconds = SECONDS if ground.sizes.long_pairs > 1 else SECONDS / 10
    pairs = [
        (_processor_time(ground, seconds, "on"), _processor_time(ground, seconds, "off"))
        for _ in range(rounds)
    ]
    with_it, without = (statistics.median(times) for times in zip(*pairs, strict=True))
    return [
        Result(
            f"a program with system metrics every 5 s, {seconds:g} s long",
            f"{seconds_text(with_it)} of processor time",
            f"without: {seconds_text(without)}",
            100 * (with_it - without) / seconds,
            at_most(1.0, "% of a core"),
            note="importing psutil, recording and closing included",
        )
    ]


def _processor_time(ground: Ground, seconds: float, collects: str) -> float:
    command = ground.python("collector.py", ground.new_store(), str(seconds), collects)
    return float(run(command).good().stdout)
