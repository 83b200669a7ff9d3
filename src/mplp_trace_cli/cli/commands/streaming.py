"""`record -`: JSON lines from standard input, recorded as they arrive."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass

from mplp_trace_cli.cli import output, signals, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views.counts import counts_text
from mplp_trace_cli.config import CONTEXT_VARIABLE, TRACE_VARIABLE
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.words import counted

STDIN = 0
FOLD_SECONDS = 30.0
"""A short stream, however fast, is left to whoever asks; a long one folds beside its recording."""


@dataclass(frozen=True)
class StreamOptions:
    """What `record -` was told."""

    trace: str | None
    level: str | None
    source: str | None
    create_missing: bool
    strict: bool


def record_stream(options: StreamOptions) -> int:
    """Records until standard input closes or a signal comes; 1 when some lines were rejected."""
    from mplp_trace_cli.module import FoldingThread
    from mplp_trace_cli.service import StreamRequest

    gc.disable()  # plain rows without cycles: collecting them costs a third of the time
    with open_service() as service:
        trace = service.resolve_open(options.trace) if options.trace else os.environ.get(TRACE_VARIABLE)
        level = values.word(Level, options.level or None, "--level")
        defaults = {"trace_id": trace, "level": level, "source": options.source}
        given = {name: value for name, value in defaults.items() if value is not None}
        request = StreamRequest(
            "stdin",
            given,
            options.create_missing,
            options.strict,
            os.environ.get(CONTEXT_VARIABLE),
        )
        stopping = signals.Held()
        with stopping.held():  # what was read when a signal came is recorded and counted first
            with FoldingThread(service, FOLD_SECONDS):
                counts = service.record_stream(STDIN, request, stopping.hears).unwrap()
            output.note(counts_text(vars(counts)))
    return 1 if counts.rejected else 0


def record_from_shell(shell: str) -> int:
    """Records what the functions of `hook` send, until that shell ends; only says what went wrong."""
    from mplp_trace_cli.module import FoldingThread
    from mplp_trace_cli.process.shell_events import ShellEvents
    from mplp_trace_cli.service import StreamRequest

    gc.disable()
    with (
        ShellEvents(STDIN, shell, output.warning) as events,
        open_service() as service,
        FoldingThread(service, FOLD_SECONDS),
    ):
        counts = service.record_stream(events.lines, StreamRequest("shell", {})).unwrap()
        if counts.rejected:
            output.warning(f"{counted(counts.rejected, 'event')} rejected (mplp-trace rejects list)")
    return 1 if counts.rejected else 0
