"""Fuzzing by the clock: whose part of the hour is how long, and the two ways to spend it.

`fuzz_bytes` gives a target of `tests.fuzz_targets` to atheris, which looks for inputs that reach new code.
`fuzz_values` draws values with Hypothesis, round after round, each with a seed of its own.
Either says how to repeat what it found.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy, tuples

from tests.fuzz_targets import fuzz_target, kept_cases

MINUTES = {
    "lines": 5,
    "line_blocks": 2,
    "recorded_lines": 3,
    "alert_conditions": 3,
    "times": 2,
    "settings": 3,
    "folding": 5,
    "round_trips": 7,
    "otlp_json": 5,
    "otlp_protobuf": 4,
    "chrome": 4,
    "mplp": 3,
    "documents": 2,
    "csv": 3,
    "parquet": 2,
    "compressed": 1,
    "imports": 6,
}
"""Of each hour, by name."""

BUDGET_MINUTES = float(os.environ.get("MPLP_TRACE_FUZZ_MINUTES", "60"))
"""Of all targets together."""

SEED = int(os.environ.get("MPLP_TRACE_SOAK_SEED", time.time_ns() % 1_000_000))
"""Of the first round; each round has the next."""

PROJECT = Path(__file__).parents[2]
FOUND = PROJECT / ".fuzz"
"""What atheris has found: inputs that reach new code, by target, and those that failed."""

SECONDS_AN_INPUT = 10
"""An input that takes longer has failed."""


def seconds_of(name: str) -> float:
    """The time that a target has."""
    return BUDGET_MINUTES * MINUTES[name]


def fuzz_bytes(name: str) -> None:
    """Feeds bytes to a target, in a process that libFuzzer takes over; an input that fails is kept."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is for Linux")
    folder = _prepared(name)
    command = [sys.executable, "-m", "tests.soak.fuzz_target", name, str(folder / "corpus")]
    command += [f"-dict={folder / 'words'}", f"-artifact_prefix={folder / 'failed'}/", f"-seed={SEED}"]
    command += [f"-max_total_time={max(1, round(seconds_of(name)))}", f"-timeout={SECONDS_AN_INPUT}"]
    command += [f"-max_len={fuzz_target(name).longest}", "-rss_limit_mb=2048", "-print_final_stats=1"]
    ended = subprocess.run(command, cwd=PROJECT, stderr=subprocess.PIPE)
    said = ended.stderr.decode(errors="replace")
    if ended.returncode:
        pytest.fail(f"{name} with seed {SEED}: {_failed_input(folder)}\n{said[-6_000:]}", pytrace=False)
    print(f"{name}: {_figure('number_of_executed_units', said)} inputs from seed {SEED}")


def _prepared(name: str) -> Path:
    """The folder of a target, with its seeds, its kept cases and its words in it, and nothing failed yet."""
    target, folder = fuzz_target(name), FOUND / name
    for part in ("corpus", "failed"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for old in (folder / "failed").iterdir():
        old.unlink()
    for number, text in enumerate(target.seeds):
        (folder / "corpus" / f"seed-{number}").write_bytes(text)
    for case in kept_cases(name):
        (folder / "corpus" / case.name).write_bytes(case.read_bytes())
    words = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    return folder


def _failed_input(folder: Path) -> str:
    for path in (folder / "failed").iterdir():
        return f"{path}, to be kept in tests/fuzz_cases/{folder.name}: {path.read_bytes().hex()}"
    return "no input was kept"


def _figure(name: str, said: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", said)
    return int(found[1]) if found else 0


def fuzz_values(
    name: str,
    check: Callable[..., None],
    *drawn: SearchStrategy[Any],
    examples: int = 200,
    shrinks: bool = True,
) -> None:
    """Gives drawn values to `check` in rounds of `examples`, until the time of `name` is over.

    Hypothesis shows the values that fail, the smallest of them if it `shrinks`, which is for checks that take
    no seconds. MPLP_TRACE_SOAK_SEED=N begins with the round that failed.
    """
    ruled = settings(
        max_examples=examples,
        phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    ends = time.monotonic() + seconds_of(name)
    rounds = 0
    while not rounds or time.monotonic() < ends:
        try:
            ruled(seed(SEED + rounds)(given(tuples(*drawn))(_of_one(check))))()
        except BaseException as failure:
            failure.add_note(f"{name}: repeat it with MPLP_TRACE_SOAK_SEED={SEED + rounds}")
            raise
        rounds += 1
    print(f"{name}: {rounds} rounds of {examples} from seed {SEED}")


def _of_one(check: Callable[..., None]) -> Callable[[tuple[Any, ...]], None]:
    """The check as a new function of all values: Hypothesis writes settings and seed onto it."""

    def checked(values: tuple[Any, ...]) -> None:
        check(*values)

    return checked
