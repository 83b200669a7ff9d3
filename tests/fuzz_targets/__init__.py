"""Fuzz targets: functions that take any bytes and find a fault of ours in them, or none.

Each module here has a `TARGET`. `make soak` feeds it bytes for its part of the hour; the ordinary suite gives
it its seeds and every input that has ever failed, which are the files in `tests/fuzz_cases/NAME`.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CASES = Path(__file__).parents[1] / "fuzz_cases"
TARGETS = (
    "alert_conditions",
    "chrome",
    "compressed",
    "csv",
    "documents",
    "lines",
    "mplp",
    "otlp_json",
    "otlp_protobuf",
    "parquet",
    "settings",
    "times",
)
"""The modules by name. They are imported late, so that a fuzzer can instrument what they import."""

Mutate = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class FuzzTarget:
    """What is checked of any bytes, and where a fuzzer begins."""

    check: Callable[[bytes], None]
    """Raises when the bytes show a fault of ours; bad input is to be refused as it should be."""
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()
    """Parts that a fuzzer puts into its inputs."""
    mutate: Mutate | None = None
    """Changes an input as one who knows how such inputs are built."""
    longest: int = 4_096
    """The most bytes of an input."""


def fuzz_target(name: str) -> FuzzTarget:
    """The target of a module here."""
    target: FuzzTarget = importlib.import_module(f"{__name__}.{name}").TARGET
    return target


def kept_cases(name: str) -> list[Path]:
    """The inputs that once failed."""
    return sorted(path for path in (CASES / name).glob("*") if path.is_file())
