"""Whole processes, timed and weighed; two of them in turns; crowds of them; what a comparison came to.

This process stays small on purpose: on Linux the peak memory of a child is at least that of the process
that started it, so whatever needs duckdb or pyarrow runs in a child.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

SAMPLE_SECONDS = 0.01
FAMILY_SECONDS = 0.2
"""How often the children of a process are looked for, which costs more than weighing them."""
RSS_UNIT = 1024 if os.uname().sysname == "Linux" else 1
MB = 1_000_000


class BenchmarkFailed(Exception):
    """A command that a measurement needs did not do what it should."""


@dataclass(frozen=True)
class Command:
    """A command line; `feed` is a file that reaches its standard input through a pipe."""

    arguments: tuple[str, ...]
    env: Mapping[str, str]
    feed: Path | None = None


@dataclass(frozen=True)
class Run:
    """One process from its start to its end."""

    command: Command
    seconds: float
    peak_bytes: int
    code: int
    stdout: str
    stderr: str
    cpu_seconds: float = 0.0
    """Processor time of it and of the children that it waited for."""

    def good(self) -> Run:
        """Itself; raises BenchmarkFailed when the process failed."""
        if self.code:
            raise BenchmarkFailed(f"{' '.join(self.command.arguments)}: {self.code}: {self.stderr.strip()}")
        return self


def run(command: Command, *, weigh: bool = False) -> Run:
    """Runs a command to its end; `weigh` adds up the memory of it and its children while it runs."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, _fed(command.feed) as stdin:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.arguments, stdin=stdin, stdout=out, stderr=err, env=dict(command.env)
        )
        scales = _Scales(process.pid) if weigh else None
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = max(usage.ru_maxrss * RSS_UNIT, scales.stop() if scales else 0)
        spent = usage.ru_utime + usage.ru_stime
        return Run(command, seconds, peak, process.returncode, _text(out), _text(err), spent)


@contextlib.contextmanager
def _fed(path: Path | None) -> Iterator[int | IO[bytes] | None]:
    if path is None:
        yield subprocess.DEVNULL
        return
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as feeder:
        yield feeder.stdout


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


class _Scales:
    """Weighs a process and its children together until told to stop."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._weigh)
        self._thread.start()

    def stop(self) -> int:
        """The greatest sum that was seen, in bytes."""
        self._done.set()
        self._thread.join()
        return self._peak

    def _weigh(self) -> None:
        family: list[psutil.Process] = []
        look_again = 0.0
        while not self._done.wait(SAMPLE_SECONDS):
            if time.monotonic() >= look_again:
                family = _family(self._pid)
                look_again = time.monotonic() + FAMILY_SECONDS
            self._peak = max(self._peak, sum(map(_resident, family)))


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


# -- two in turns ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Turns:
    """Seconds of two things that were measured in turns, so that a busy moment hits both."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def our_median(self) -> float:
        """The median of ours, in seconds."""
        return statistics.median(self.ours)

    @property
    def their_median(self) -> float:
        """The median of theirs, in seconds."""
        return statistics.median(self.theirs)

    @property
    def times_as_long(self) -> float:
        """How many times as long ours takes."""
        return self.our_median / self.their_median

    @property
    def times_as_fast(self) -> float:
        """How many times as fast ours is."""
        return self.their_median / self.our_median


Measured = Callable[[], float]


def in_turns(ours: Measured, theirs: Measured, rounds: int, *, warm: bool = True) -> Turns:
    """Measures both `rounds` times, who goes first changing; `warm` runs each once before it counts."""
    if warm:
        ours()
        theirs()
    turns = Turns()
    for number in range(rounds):
        pair = [(turns.ours, ours), (turns.theirs, theirs)]
        for seconds, measure in pair if number % 2 else reversed(pair):
            seconds.append(measure())
    return turns


# -- a crowd ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crowd:
    """What became of many processes at once."""

    seconds: float
    slowest: float
    failures: list[str]


def crowd(command: Callable[[int, int], Command], size: int, turns: int) -> Crowd:
    """`size` at once, each running its command `turns` times, one after the other."""

    def member(number: int) -> list[Run]:
        return [run(command(number, turn)) for turn in range(turns)]

    began = time.perf_counter()
    with ThreadPoolExecutor(size) as pool:
        runs = [one for mine in pool.map(member, range(size)) for one in mine]
    seconds = time.perf_counter() - began
    failures = [one.stderr.strip() or f"exit code {one.code}" for one in runs if one.code]
    return Crowd(seconds, max(one.seconds for one in runs), failures)


# -- what it came to -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reach:
    """What a ratio or number is to be: at most or at least so much, or whatever it is."""

    bound: float | None
    least: bool
    unit: str = "×"

    def met(self, value: float) -> bool:
        """True when the value is within reach."""
        if self.bound is None:
            return True
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        if self.bound is None:
            return ""
        return f"{'≥' if self.least else '≤'} {self.bound:,g} {self.unit}".rstrip()


def at_most(bound: float, unit: str = "×") -> Reach:
    """A reach that is not to be exceeded."""
    return Reach(bound, False, unit)


def at_least(bound: float, unit: str = "×") -> Reach:
    """A reach that is to be attained."""
    return Reach(bound, True, unit)


def told(unit: str = "×") -> Reach:
    """No bound: the number is told, for whoever has to choose."""
    return Reach(None, False, unit)


@dataclass(frozen=True)
class Result:
    """A line of the table: what was measured, against what, and whether it is within reach."""

    what: str
    measured: str
    against: str
    value: float
    reach: Reach
    sound: bool = True
    """False when something other than the number went wrong: an error, a row that is missing."""
    note: str = ""

    @property
    def ok(self) -> bool:
        """True when it is within reach and nothing went wrong."""
        return self.sound and self.reach.met(self.value)

    @property
    def ratio(self) -> str:
        """The number that the reach is about."""
        return f"{self.value:,.{_digits(self.value)}f} {self.reach.unit}".rstrip()


def _digits(value: float) -> int:
    return 0 if value >= 100 else 1 if value >= 20 else 2


def seconds_text(seconds: float) -> str:
    """`61 ms`, `4.21 s`, `18 µs`."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
