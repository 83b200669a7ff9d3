"""`metrics collect`: measures the system again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

import typer

from mplp_trace_cli.cli import output, signals, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.words import counted, humane_duration
from mplp_trace_cli.module import FoldingThread
from mplp_trace_cli.sampling import PRIMING_SECONDS, sample_rows

DAY_MS = 86_400_000.0
FOLD_SECONDS = 300.0
"""Six samples each few seconds are little; whoever asks folds too."""


def collect_command(
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often.")] = "5s",
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many times; until it is stopped.")
    ] = None,
) -> None:
    """Measure processor, memory, disk, network and connections until it is stopped, or N times."""
    milliseconds = values.duration(interval, "--interval") or 0.0
    if not 0 < milliseconds <= DAY_MS:
        raise InvalidInput("--interval: must be greater than 0, at most 1d", hint="--interval 5s")
    if count is None:
        output.note(f"measuring every {humane_duration(milliseconds)} until Ctrl-C")
    recorded = 0
    stopping = signals.Held()
    with open_service() as service, FoldingThread(service, FOLD_SECONDS):
        sampler = service.system_sampler(output.warning)
        sampler.sample()  # the reading that the first rates count from
        try:
            for _ in _moments(milliseconds / 1_000, count):
                rows = sample_rows(sampler.sample(), service.now())
                with stopping.held():  # a signal waits until what is recorded is counted
                    service.record_samples(rows)
                    recorded += len(rows)
        finally:
            output.note(f"recorded {counted(recorded, 'sample')}")


def _moments(seconds: float, count: int | None) -> Iterator[None]:
    """Yields when it is time: soon for the first, then at a steady pace; what is missed is left out."""
    due = time.monotonic() + min(seconds, PRIMING_SECONDS)
    done = 0
    while count is None or done < count:
        time.sleep(max(0.0, due - time.monotonic()))
        yield
        done += 1
        due = max(due + seconds, time.monotonic())


collect_command.example = "mplp-trace metrics collect --interval 5s --count 12"  # type: ignore[attr-defined]
