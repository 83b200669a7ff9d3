"""`expire`: ends the traces that nobody ended."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.requests import EndedTrace, ExpireRequest
from mplp_trace_cli.domain.words import counted

_COLUMNS = (
    Column("trace_id"),
    Column("name"),
    Column("status"),
    Column("ended_at", Kind.INSTANT),
    Column("reason"),
)


def expire_command(
    idle: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Also those in which nothing happened for so long: 1h, 2d."),
    ] = None,
    killed: Annotated[
        bool, typer.Option("--killed", help="Also those whose process has ended, as failed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell which.")] = False,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """End the traces whose time is over, or in which nothing happens any more, and print their ids."""
    chosen = formats.chosen_format(format_, json_) if format_ or json_ else None
    request = ExpireRequest(values.duration(idle, "--idle"), killed, dry_run)
    with open_service() as service:
        ended = service.expire_traces(request).unwrap()
    if chosen is None:
        for one in ended:
            output.answer(output.visible(one.trace_id))
    else:
        formats.write(Answer(_COLUMNS, list(map(_row, ended))), chosen)
    output.note(f"{'would end' if dry_run else 'ended'} {counted(len(ended), 'trace')}{_by_reason(ended)}")


def _row(one: EndedTrace) -> tuple[str, str, str, int, str]:
    return (one.trace_id, one.name, one.status.value, one.ended_at, one.reason)


def _by_reason(ended: list[EndedTrace]) -> str:
    """How many for each reason, where there is more than one."""
    counts: dict[str, int] = {}
    for one in ended:
        counts[one.reason] = counts.get(one.reason, 0) + 1
    return f" ({', '.join(f'{n:,} {reason}' for reason, n in counts.items())})" if len(counts) > 1 else ""


expire_command.example = "mplp-trace expire --idle 1h"  # type: ignore[attr-defined]
