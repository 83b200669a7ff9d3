"""Doing something again and again at a steady pace."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mplp_trace_cli.cli import values
from mplp_trace_cli.domain.errors import InvalidInput

DAY_MS = 86_400_000.0


def interval_ms(text: str) -> float:
    """The milliseconds of `--interval`; raises InvalidInput."""
    milliseconds = values.duration(text, "--interval") or 0.0
    if not 0 < milliseconds <= DAY_MS:
        raise InvalidInput("--interval: must be greater than 0, at most 1d", hint="--interval 5s")
    return milliseconds


def moments(seconds: float, count: int | None, first: float = 0.0) -> Iterator[None]:
    """Yields when it is time: `first` after so many seconds, then at the pace; what is missed is left out."""
    due = time.monotonic() + first
    done = 0
    while count is None or done < count:
        time.sleep(max(0.0, due - time.monotonic()))
        yield
        done += 1
        due = max(due + seconds, time.monotonic())
