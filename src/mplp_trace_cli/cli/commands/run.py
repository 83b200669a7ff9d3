"""`run`: a trace around a command. `step`: a stage around a command, inside the current trace."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

import typer

from mplp_trace_cli.cli import values
from mplp_trace_cli.cli.commands.create import (
    Context,
    Description,
    Execution,
    Meta,
    Metadata,
    Name,
    NewTrace,
    StartedAt,
    Tag,
    Timeout,
    TraceId,
    Type,
    trace_request,
)
from mplp_trace_cli.cli.commands.wrapped import (
    BestEffort,
    CommandLine,
    RequireRecording,
    WrappingCommand,
    run_wrapped,
)
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.enums import TraceType
from mplp_trace_cli.domain.processes import PROCESS_KEY
from mplp_trace_cli.domain.requests import CreateTraceRequest
from mplp_trace_cli.process.surroundings import LINK_KEY, link_of
from mplp_trace_cli.process.wrapping import Stage, begin_run, begin_step
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage.processes import this_process


def run_command(
    name: Name,
    command: CommandLine,
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
    require_recording: RequireRecording = False,
    best_effort: BestEffort = False,
) -> int:
    """Run a command with a new trace around it; its output and exit code stay its own."""
    asked = NewTrace(
        *(name, context, execution, type_, description, tag),
        *(metadata, meta, trace_id, timeout, started_at),
    )
    begin = partial(begin_run, open_service, partial(_run_request, asked), command, context)
    return run_wrapped(begin, command, require_recording)


def _run_request(asked: NewTrace, service: TraceManagementService) -> CreateTraceRequest:
    members = [(PROCESS_KEY, this_process().as_json())]
    link = link_of(os.environ)
    if link is not None:
        members.append((LINK_KEY, link))
    return trace_request(asked, service.now(), members, "metadata")


def step_command(
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="What the stage is called.", show_default=False)
    ],
    command: CommandLine,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Its trace: an id, a unique prefix, or @last; $MPLP_TRACE_ID.",
            autocompletion=values.complete_trace,
        ),
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="For people to read.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="Data of its start as a JSON object.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="One key of data; V is JSON where it parses as JSON."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The module or component it comes from.")
    ] = None,
    require_recording: RequireRecording = False,
    best_effort: BestEffort = False,
) -> int:
    """Run a command as a stage of the current trace; its output and exit code stay its own."""

    def asked(service: TraceManagementService) -> Stage:
        wanted = values.trace_given(trace)
        said = values.json_object(data, set_ or (), ("--data", "--set"))
        trace_id = service.resolve_open(trace) if trace else wanted
        return Stage(stage, trace_id, message, said, source)

    return run_wrapped(partial(begin_step, open_service, asked, command), command, require_recording)


run_command.cls = step_command.cls = WrappingCommand  # type: ignore[attr-defined]
run_command.example = 'mplp-trace run "Nightly import" --tag etl -- ./import.sh'  # type: ignore[attr-defined]
step_command.example = "mplp-trace step build -- make all"  # type: ignore[attr-defined]
