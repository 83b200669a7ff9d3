"""`show`: one trace, its summary, and its events as a tree with a time line."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.pages import Html, write_page
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.config import TRACE_VARIABLE
from mplp_trace_cli.domain.enums import TraceStatus
from mplp_trace_cli.domain.processes import PROCESS_KEY
from mplp_trace_cli.domain.times import format_instant, from_datetime
from mplp_trace_cli.storage.paths import StorePaths

if TYPE_CHECKING:  # a shell that completes the id of a trace waits for what is imported here
    from mplp_trace_cli.analysis.results import TraceWithEvents
    from mplp_trace_cli.domain.event import Event
    from mplp_trace_cli.domain.trace import Trace

SHOWN_EVENTS = 200


def show_command(
    trace: Annotated[
        str | None,
        typer.Argument(
            metavar="TRACE",
            help="An id, a unique prefix, or @last; $MPLP_TRACE_ID, else @last.",
            autocompletion=values.complete_trace,
            show_default=False,
        ),
    ] = None,
    events: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="How many events; 200 in tables, else all.")
    ] = None,
    flat: Annotated[bool, typer.Option("--flat", help="In order of time, not as a tree.")] = False,
    html: Html = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """Show a trace: what it is, how it went, and its events as a tree with a time line."""
    from mplp_trace_cli.analysis.lookup import LAST, get_trace, resolve_trace  # not while a shell completes

    chosen = "html" if html is not None else formats.chosen_format(format_, json_)
    if chosen in ("jsonl", "csv", "markdown"):
        from mplp_trace_cli.cli.commands.query import events_command

        events_command(trace=[trace or os.environ.get(TRACE_VARIABLE) or LAST], limit=events, format_=chosen)
        return
    most = SHOWN_EVENTS if events is None and chosen == "table" else events
    with open_service() as service, service.reading() as db:
        named = trace or os.environ.get(TRACE_VARIABLE) or LAST
        found = get_trace(db, resolve_trace(db, named), most)
    if html is not None:
        _write_page(html, found, flat, service.paths)
    elif chosen == "json":
        output.answer(_as_json(found))
    else:
        from mplp_trace_cli.cli.views.trace_view import print_trace

        print_trace(found, flat)
    _tell_killed(found.trace)


def _tell_killed(trace: Trace) -> None:
    if trace.status is TraceStatus.ACTIVE and PROCESS_KEY in trace.metadata:
        from mplp_trace_cli.cli.views.unfinished import tell_killed
        from mplp_trace_cli.storage.processes import ended_process

        if ended_process(trace.metadata.text) is not None:
            tell_killed([trace.trace_id])


def _write_page(path: str, found: TraceWithEvents, flat: bool, store: StorePaths) -> None:
    from mplp_trace_cli.report.trace_page import trace_page

    write_page(path, lambda: trace_page(found, flat=flat), store)


def _as_json(found: TraceWithEvents) -> str:
    """The trace with its summary and events in one object; data and metadata keep their own text."""
    fields = _trace_fields(found.trace)
    parts = [f"{json.dumps(name)}:{text}" for name, text in fields.items()]
    parts.append(f'"summary":{json.dumps(asdict(found.summary), ensure_ascii=False)}')
    parts.append(f'"events":[{",".join(map(_event_json, found.events))}]')
    return formats.safe_json("{" + ",".join(parts) + "}")


def _trace_fields(trace: Trace) -> dict[str, str]:
    plain = ("trace_id", "context_id", "execution_id", "trace_type", "name", "description", "status")
    fields = {name: json.dumps(getattr(trace, name), ensure_ascii=False) for name in plain}
    fields["metadata"] = trace.metadata.text
    fields["tags"] = json.dumps(trace.tags, ensure_ascii=False)
    for name in ("started_at", "completed_at", "expires_at"):
        moment = getattr(trace, name)
        fields[name] = "null" if moment is None else f'"{format_instant(from_datetime(moment))}"'
    fields["duration_ms"] = json.dumps(trace.duration_ms)
    return fields


def _event_json(event: Event) -> str:
    row = event.to_row()._asdict()
    row["timestamp"] = format_instant(row["timestamp"])
    texts = (f'"{k}":{v if k == "data" else json.dumps(v, ensure_ascii=False)}' for k, v in row.items())
    return "{" + ",".join(texts) + "}"


show_command.example = "mplp-trace show @last"  # type: ignore[attr-defined]
