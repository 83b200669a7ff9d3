"""`create`: a new trace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import typer

from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.config import CONTEXT_VARIABLE
from mplp_trace_cli.domain.enums import TraceType, parse_word
from mplp_trace_cli.domain.json_text import add_members
from mplp_trace_cli.domain.requests import CreateTraceRequest
from mplp_trace_cli.domain.trace import DEFAULT_CONTEXT

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the trace is called.", show_default=False)]
Context = Annotated[
    str | None, typer.Option(metavar="ID", help="Its context; $MPLP_CONTEXT_ID, else default.")
]
Execution = Annotated[str | None, typer.Option(metavar="ID", help="Its execution.")]
Type = Annotated[
    str,
    typer.Option(
        "--type",
        metavar="TYPE",
        help=f"Its kind: {values.words(TraceType)}.",
        autocompletion=values.complete_type,
    ),
]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="What it is about.")]
Tag = Annotated[list[str] | None, typer.Option(metavar="TEXT", help="A tag; repeat for more.")]
Metadata = Annotated[str | None, typer.Option(metavar="JSON|@FILE", help="Metadata as a JSON object.")]
Meta = Annotated[list[str] | None, typer.Option(metavar="K=V", help="One key of metadata.")]
TraceId = Annotated[str | None, typer.Option(metavar="ID", help="An id of your own.")]
Timeout = Annotated[str | None, typer.Option(metavar="DURATION", help="After this it is expired: 30m, 2h.")]
StartedAt = Annotated[str | None, typer.Option(metavar="TIME", help="When it started; now.")]


class NewTrace(NamedTuple):
    """A new trace as it was typed."""

    name: str
    context: str | None
    execution: str | None
    type_: str
    description: str | None
    tags: Sequence[str] | None
    metadata: str | None
    meta: Sequence[str] | None
    trace_id: str | None
    timeout: str | None
    started_at: str | None


def create_command(
    name: Name,
    context: Context = None,
    execution: Execution = None,
    type_: Type = TraceType.WORKFLOW_EXECUTION.value,
    description: Description = None,
    tag: Tag = None,
    metadata: Metadata = None,
    meta: Meta = None,
    trace_id: TraceId = None,
    timeout: Timeout = None,
    started_at: StartedAt = None,
    pid: Annotated[
        int | None,
        typer.Option("--pid", metavar="NUMBER", help="Its process, such as $$: who asks hears when it ends."),
    ] = None,
    best_effort: Annotated[bool, typer.Option("--best-effort", help="Never fail: warn and exit 0.")] = False,
) -> None:
    """Start a new trace and print its id."""
    asked = NewTrace(
        *(name, context, execution, type_, description, tag),
        *(metadata, meta, trace_id, timeout, started_at),
    )
    with open_service() as service:
        request = trace_request(asked, service.now(), _process(pid), "--pid")
        output.answer(service.create_trace(request).unwrap().trace_id)


def trace_request(
    asked: NewTrace, now: int, members: Sequence[tuple[str, str]], said_by: str
) -> CreateTraceRequest:
    """The request for it, with some members of JSON put to its metadata; raises InvalidInput."""
    said = values.json_object(asked.metadata, asked.meta or (), ("--metadata", "--meta"))
    return CreateTraceRequest(
        context_id=asked.context or os.environ.get(CONTEXT_VARIABLE) or DEFAULT_CONTEXT,
        name=asked.name,
        trace_type=parse_word(TraceType, asked.type_, "--type").value,
        execution_id=asked.execution,
        description=asked.description,
        metadata=add_members(said or "{}", members, said_by) if members else said,
        tags=asked.tags or (),
        timeout=values.duration(asked.timeout, "--timeout"),
        trace_id=asked.trace_id,
        started_at=values.moment(asked.started_at, now, "--started-at"),
    )


def _process(pid: int | None) -> list[tuple[str, str]]:
    if pid is None:
        return []
    from mplp_trace_cli.domain.processes import PROCESS_KEY
    from mplp_trace_cli.storage.processes import process_with

    return [(PROCESS_KEY, process_with(pid).as_json())]


create_command.example = 'ID=$(mplp-trace create "Nightly import" --tag etl)'  # type: ignore[attr-defined]
