"""What the commands of a trace last said on standard error, as people read it below the events."""

from __future__ import annotations

from collections.abc import Iterable

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.event import Event


def print_standard_errors(events: Iterable[Event]) -> None:
    """The last lines of each command that failed; those that another passed on stand there alone."""
    said = [
        (event, text.strip("\n")) for event in events if isinstance(text := event.data.get("stderr"), str)
    ]
    for at, (event, text) in enumerate(said):
        if text and not any(text in around for _, around in said[at + 1 :]):
            output.answer("")
            _print_lines(event, text)


def _print_lines(event: Event, text: str) -> None:
    what = event.event_type if event.message is None else event.message
    formats.print_line([("standard error of ", "dim"), (what, "")])
    for line in text.split("\n"):
        formats.print_line([(f"  {line}", "")])
