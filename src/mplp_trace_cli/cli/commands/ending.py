"""`complete`, `fail`, `cancel`: the end of a trace."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.enums import TraceStatus
from mplp_trace_cli.domain.requests import EndTraceRequest

Trace = Annotated[
    str | None,
    typer.Argument(
        metavar="TRACE",
        help="An id, a unique prefix, or @last; $MPLP_TRACE_ID.",
        autocompletion=values.complete_trace,
        show_default=False,
    ),
]
At = Annotated[str | None, typer.Option(metavar="TIME", help="When it ended; now.")]
Flush = Annotated[bool, typer.Option("--flush", help="Fold everything into the store afterwards.")]
BestEffort = Annotated[bool, typer.Option("--best-effort", help="Never fail: warn and exit 0.")]


def complete_command(
    trace: Trace = None, at: At = None, flush: Flush = False, best_effort: BestEffort = False
) -> None:
    """End a trace as completed and print its id."""
    _end(trace, TraceStatus.COMPLETED, at, flush)


def cancel_command(
    trace: Trace = None, at: At = None, flush: Flush = False, best_effort: BestEffort = False
) -> None:
    """End a trace as cancelled and print its id."""
    _end(trace, TraceStatus.CANCELLED, at, flush)


def fail_command(
    trace: Trace = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; kept as an error event.")] = None,
    at: At = None,
    flush: Flush = False,
    best_effort: BestEffort = False,
) -> None:
    """End a trace as failed and print its id."""
    _end(trace, TraceStatus.FAILED, at, flush, message)


def _end(
    trace: str | None, status: TraceStatus, at: str | None, flush: bool, message: str | None = None
) -> None:
    with open_service() as service:
        named = values.trace_given(trace)
        trace_id = service.resolve_open(trace) if trace else named
        when = values.moment(at, service.now(), "--at")
        ended = service.end_trace(EndTraceRequest(trace_id, status, when, message)).unwrap()
        output.answer(ended.trace_id)
        if flush:
            service.flush().unwrap()


complete_command.example = "mplp-trace complete @last"  # type: ignore[attr-defined]
cancel_command.example = 'mplp-trace cancel "$ID"'  # type: ignore[attr-defined]
fail_command.example = 'mplp-trace fail @last --message "disk full"'  # type: ignore[attr-defined]
