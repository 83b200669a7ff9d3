"""`tail`: the newest events, and with `-f` every one that is recorded from then on."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer
from mplp_trace_cli.analysis.queries import EVENT_COLUMNS
from mplp_trace_cli.cli import filters, options, output
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.questions import time_range_of

if TYPE_CHECKING:
    from mplp_trace_cli.service import TraceManagementService
    from mplp_trace_cli.service.following import Tail

SHOWN = 10
MOST = 10**9
GRACE_US = 300_000
"""How much later than `--until` what happened before it may be committed."""
STREAMED = ("table", "jsonl", "csv")
POLL_SECONDS = 0.05
_STDOUT = 1


def tail_command(
    number: Annotated[
        int,
        typer.Option("-n", "--number", metavar="N", min=0, max=MOST, help="How many of the newest events."),
    ] = SHOWN,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Then show what is recorded, by any process, as it comes.")
    ] = False,
    trace: filters.TraceId = None,
    event_type: filters.EventType = None,
    level: filters.ExactLevel = None,
    min_level: filters.MinLevel = None,
    source: filters.EventSource = None,
    data: filters.Data = None,
    since: filters.Since = None,
    until: filters.Until = None,
    min_duration: filters.MinDuration = None,
    max_duration: filters.MaxDuration = None,
    text: filters.EventText = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> None:
    """Show the newest events, oldest first, and follow what is recorded; imports are not followed."""
    chosen = formats.chosen_format(format_, json_)
    if follow and chosen not in STREAMED:
        raise InvalidInput(f"--follow: {chosen} has an end", hint="mplp-trace tail -f --format jsonl")
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.EventOptions(event_type, level, min_level, source, data, text, span)
    with open_service() as service:
        wanted = given.as_filter(service.now())
        tail = service.tail(wanted, trace or (), number, follow=follow)
        _, end = time_range_of(wanted.time_range).bounds()
        _tell(tail, number)
        _write(_rows(service, tail, end), chosen)


def _tell(tail: Tail, number: int) -> None:
    if tail.busy is not None:
        output.warning(f"{tail.busy.message}; shown is what waits in the inbox, and what comes")
    elif not tail.rows and number:
        output.note("no event matches" if tail.stream is None else "no event matches yet")


def _rows(service: TraceManagementService, tail: Tail, end: int | None) -> Iterator[EventRow]:
    """The newest rows, then those that come, until `end` where one is given; each batch is flushed."""
    yield from tail.rows
    stream = tail.stream
    if stream is None:
        return
    reader = _Reader()
    while True:
        is_over = end is not None and service.now() >= end + GRACE_US
        rows = stream.rows()
        yield from rows
        if is_over and not stream.is_behind:
            return
        if rows or not stream.is_behind:
            sys.stdout.flush()
            reader.wait(0 if stream.is_behind else POLL_SECONDS)


class _Reader:
    """Whoever reads standard output: while no event comes, only this tells that nobody does."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(_STDOUT, 0)

    def wait(self, seconds: float) -> None:
        """Waits; raises StdoutClosed as soon as nobody reads any more."""
        found = self._poll.poll(seconds * 1_000)
        if any(events & (select.POLLERR | select.POLLHUP) for _, events in found):
            raise output.StdoutClosed
        if found:  # a system that cannot tell of this kind of file
            time.sleep(seconds)


def _write(rows: Iterator[EventRow], chosen: str) -> None:
    if chosen == "table":
        _write_lines(rows)
    elif chosen == "markdown":
        from mplp_trace_cli.cli.views.tables import events_for_people

        formats.write(Answer(EVENT_COLUMNS, list(rows)), chosen, shown=events_for_people)
    else:
        formats.write(Answer(EVENT_COLUMNS, rows), chosen)


def _write_lines(rows: Iterable[EventRow]) -> None:
    from mplp_trace_cli.cli.views.event_lines import event_lines

    for line in event_lines(rows):
        output.answer(line)


tail_command.example = "mplp-trace tail -f --min-level warn"  # type: ignore[attr-defined]
