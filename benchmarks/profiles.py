"""Where the processor time of the large moves goes: sampled by py-spy, by the place of ours at work.

python benchmarks/profiles.py           writes docs/profiles.md
python benchmarks/profiles.py --quick   small sizes: shows that it works, prints only
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import data
import data_otlp
from ground import FULL, QUICK, Ground
from harness import Command, Run, run, seconds_text
from machine import machine

PAGE = Path(__file__).resolve().parent.parent / "docs" / "profiles.md"
INTRODUCTION = """\
# Where the time goes

Written by `make bench`; not edited by hand. The large moves hang on the processor: what each takes,
unwatched, and the innermost functions of ours at which py-spy found it, with what libraries do for them.
Workers are counted with their command; threads of DuckDB's own are not seen.
"""
SAMPLES_PER_SECOND = 100
PLACES = 8
"""How many places are named; the others are one line."""
FRAME = re.compile(r"(?P<function>[^;]+) \(mplp_trace_cli/(?P<file>[\w/]+)\.py:\d+\)")


@dataclass(frozen=True)
class Profile:
    """What one command spent its processor time on."""

    what: str
    whole: Run
    """Unwatched: how long it takes, and how busy it is."""
    shares: list[tuple[str, float]]
    """Innermost places of ours with their share of all samples, the greatest first."""

    def lines(self, cores: int) -> Iterator[str]:
        """Its part of the page."""
        spent, took = self.whole.cpu_seconds, self.whole.seconds
        yield f"## {self.what}\n"
        yield (
            f"{seconds_text(spent)} of processor time in {seconds_text(took)}: "
            f"{spent / took / cores:.0%} of {cores} cores are busy."
        )
        yield ""
        yield "| place | share |"
        yield "|---|---|"
        yield from (f"| {place} | {share:.0%} |" for place, share in self.shares)
        yield ""


def main() -> None:
    """Profiles, prints, and writes the page."""
    is_quick = "--quick" in sys.argv[1:]
    about = machine(os.getloadavg()[0])
    with Ground(QUICK if is_quick else FULL) as ground:
        found = profiles(ground)
    lines = [INTRODUCTION, "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in about), ""]
    lines += [line for profile in found for line in profile.lines(os.cpu_count() or 1)]
    text = "\n".join(lines).rstrip() + "\n"
    print(text)
    if not is_quick:
        PAGE.write_text(text, encoding="utf-8")


def profiles(ground: Ground) -> list[Profile]:
    """The moves whose speed hangs on the processor most."""
    events, filled = ground.sizes.events, ground.filled_store
    columnar = ("--format", "parquet", "--include-events")
    moves: dict[str, Callable[[], Command]] = {
        f"`import` of {events:,} events": lambda: _imported(ground, data.project_file(events)),
        f"`import` of {events // 2:,} spans, OTLP protobuf": lambda: _imported(
            ground, data_otlp.protobuf_file(events // 2)
        ),
        f"`export` parquet, {events:,} events": lambda: ground.trace(
            filled, "export", "-o", str(ground.place("parquet")), *columnar
        ),
    }
    return [_profile(ground, what, command) for what, command in moves.items()]


def _imported(ground: Ground, file: Path) -> Command:
    return ground.trace(ground.new_store(), "import", str(file))


def _profile(ground: Ground, what: str, command: Callable[[], Command]) -> Profile:
    whole = run(command()).good()
    stacks = ground.place("stacks.txt")
    run(ground.watched(command(), stacks, SAMPLES_PER_SECOND)).good()
    return Profile(what, whole, _shares(stacks.read_text(encoding="utf-8")))


def _shares(stacks: str) -> list[tuple[str, float]]:
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        counts[_place(stack)] += int(samples)
    total = counts.total()
    named = [(place, samples / total) for place, samples in counts.most_common(PLACES)]
    return [*named, ("elsewhere", 1 - sum(share for _, share in named))]


def _place(stack: str) -> str:
    """The innermost function of ours in a stack; what libraries do for it is its own."""
    if "_find_and_load" in stack:
        return "importing modules"
    frames = list(FRAME.finditer(stack))
    if not frames:
        return "Python's start and end"
    return f"`{frames[-1]['file'].replace('/', '.')}.{frames[-1]['function']}`"


if __name__ == "__main__":
    main()
