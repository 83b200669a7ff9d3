"""`record`: one event, or a stream of JSON lines."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.config import PARENT_VARIABLE
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.requests import RecordEventRequest

STREAM = "-"


def record_command(
    event_type: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="What happened, or - for JSON lines from stdin.",
            show_default=False,
            autocompletion=values.complete_event_type,
        ),
    ],
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Its trace: an id, a unique prefix, or @last; $MPLP_TRACE_ID.",
            autocompletion=values.complete_trace,
        ),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(
            "--level",  # Typer 0.27 would take the placeholder for the name
            metavar="LEVEL",
            help=f"{values.words(Level)}; info where none is given.",
            autocompletion=values.complete_level,
        ),
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="For people to read.")] = None,
    data: Annotated[str | None, typer.Option(metavar="JSON|@FILE", help="Data as a JSON object.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="K=V", help="One key of data; V is JSON where it parses as JSON."),
    ] = None,
    duration_ms: Annotated[str | None, typer.Option(metavar="N", help="How long it took, in ms.")] = None,
    timestamp: Annotated[str | None, typer.Option(metavar="TIME", help="When it happened; now.")] = None,
    parent: Annotated[
        str | None, typer.Option(metavar="EVENT", help="The event it belongs under; $MPLP_PARENT_EVENT_ID.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The module or component it comes from.")
    ] = None,
    event_id: Annotated[str | None, typer.Option(metavar="ID", help="An id of your own.")] = None,
    create_missing: Annotated[
        bool, typer.Option("--create-missing", help="With -: make traces that are not there.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="With -: stop at the first bad line.")] = False,
    from_shell: Annotated[str | None, typer.Option(hidden=True, metavar="PID FOLDER")] = None,
    best_effort: Annotated[bool, typer.Option("--best-effort", help="Never fail: warn and exit 0.")] = False,
) -> int:
    """Record one event and print its id, or record JSON lines as they arrive."""
    if event_type == STREAM:
        from mplp_trace_cli.cli.commands.streaming import StreamOptions, record_from_shell, record_stream

        if from_shell is not None:
            return record_from_shell(from_shell)
        return record_stream(StreamOptions(trace, level, source, create_missing, strict))
    if create_missing or strict:
        raise InvalidInput("--create-missing and --strict go with -", hint="mplp-trace record - < FILE")
    with open_service() as service:
        wanted = values.trace_given(trace)
        request = RecordEventRequest(
            trace_id=service.resolve_open(trace) if trace else wanted,
            event_type=event_type,
            level=values.word(Level, level, "--level"),
            message=message,
            data=values.json_object(data, set_ or (), ("--data", "--set")),
            timestamp=values.moment(timestamp, service.now(), "--timestamp"),
            duration_ms=values.number(duration_ms, "--duration-ms"),
            parent_event_id=parent or (None if trace else os.environ.get(PARENT_VARIABLE)) or None,
            source=source,
            event_id=event_id,
        )
        output.answer(service.record_row(request).unwrap().event_id)
    return 0


record_command.example = "mplp-trace record stage_started --trace @last --set stage=plan"  # type: ignore[attr-defined]
