"""`metrics collect`: measures the system again and again."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import output, signals
from mplp_trace_cli.cli.pacing import interval_ms, moments
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.words import counted, humane_duration
from mplp_trace_cli.module import FoldingThread
from mplp_trace_cli.sampling import PRIMING_SECONDS, sample_rows

FOLD_SECONDS = 300.0
"""Six samples each few seconds are little; whoever asks folds too."""


def collect_command(
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often.")] = "5s",
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many times; until it is stopped.")
    ] = None,
) -> None:
    """Measure processor, memory, disk, network and connections until it is stopped, or N times."""
    milliseconds = interval_ms(interval)
    if count is None:
        output.note(f"measuring every {humane_duration(milliseconds)} until Ctrl-C")
    recorded, seconds = 0, milliseconds / 1_000
    stopping = signals.Held()
    with open_service() as service, FoldingThread(service, FOLD_SECONDS):
        sampler = service.system_sampler(output.warning)
        sampler.sample()  # the reading that the first rates count from
        try:
            for _ in moments(seconds, count, first=min(seconds, PRIMING_SECONDS)):
                rows = sample_rows(sampler.sample(), service.now())
                with stopping.held():  # a signal waits until what is recorded is counted
                    service.record_samples(rows)
                    recorded += len(rows)
        finally:
            output.note(f"recorded {counted(recorded, 'sample')}")


collect_command.example = "mplp-trace metrics collect --interval 5s --count 12"  # type: ignore[attr-defined]
