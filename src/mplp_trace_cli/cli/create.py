"""`create`: a new trace."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.enums import TraceType
from mplp_trace_cli.domain.requests import CreateTraceRequest
from mplp_trace_cli.domain.trace import DEFAULT_CONTEXT


def create_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the trace is called.", show_default=False)
    ],
    context: Annotated[
        str | None, typer.Option(metavar="ID", help="Its context; $MPLP_CONTEXT_ID, else default.")
    ] = None,
    execution: Annotated[str | None, typer.Option(metavar="ID", help="Its execution.")] = None,
    type_: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="TYPE",
            help=f"Its kind: {values.words(TraceType)}.",
            autocompletion=values.complete_type,
        ),
    ] = TraceType.WORKFLOW_EXECUTION.value,
    description: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is about.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="A tag; repeat for more.")] = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="Metadata as a JSON object.")
    ] = None,
    meta: Annotated[list[str] | None, typer.Option(metavar="K=V", help="One key of metadata.")] = None,
    trace_id: Annotated[str | None, typer.Option(metavar="ID", help="An id of your own.")] = None,
    timeout: Annotated[
        str | None, typer.Option(metavar="DURATION", help="After this it is expired: 30m, 2h.")
    ] = None,
    started_at: Annotated[str | None, typer.Option(metavar="TIME", help="When it started; now.")] = None,
    pid: Annotated[
        int | None,
        typer.Option("--pid", metavar="NUMBER", help="Its process, such as $$: who asks hears when it ends."),
    ] = None,
    best_effort: Annotated[bool, typer.Option("--best-effort", help="Never fail: warn and exit 0.")] = False,
) -> None:
    """Start a new trace and print its id."""
    with open_service() as service:
        request = CreateTraceRequest(
            context_id=context or os.environ.get(values.CONTEXT_VARIABLE) or DEFAULT_CONTEXT,
            name=name,
            trace_type=type_,
            execution_id=execution,
            description=description,
            metadata=_metadata(metadata, meta or [], pid),
            tags=tag or (),
            timeout=values.duration(timeout, "--timeout"),
            trace_id=trace_id,
            started_at=values.moment(started_at, service.now(), "--started-at"),
        )
        output.answer(service.create_trace(request).unwrap().trace_id)


def _metadata(metadata: str | None, meta: list[str], pid: int | None) -> str | None:
    said = values.json_object(metadata, meta, ("--metadata", "--meta"))
    if pid is None:
        return said
    from mplp_trace_cli.domain.json_text import add_members
    from mplp_trace_cli.domain.processes import PROCESS_KEY
    from mplp_trace_cli.storage.processes import process_with

    return add_members(said or "{}", [(PROCESS_KEY, process_with(pid).as_json())], "--pid")


create_command.example = 'ID=$(mplp-trace create "Nightly import" --tag etl)'  # type: ignore[attr-defined]
