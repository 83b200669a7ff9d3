"""`purge`: deletes what is old, when it is told twice."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import filters, output, values
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.questions import PurgeRequest
from mplp_trace_cli.domain.requests import PurgeReport
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.words import counted, humane_bytes

_COLUMNS = (
    Column("dry_run", Kind.BOOLEAN),
    Column("traces", Kind.COUNT),
    Column("events", Kind.COUNT),
    Column("metrics", Kind.COUNT),
    Column("bytes", Kind.COUNT),
    Column("oldest", Kind.INSTANT),
    Column("newest", Kind.INSTANT),
)


def purge_command(
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than", metavar="AGE", help="Ended longer ago: 30d, 2w, a date; metric samples too."
        ),
    ] = None,
    context: filters.Context = None,
    execution: filters.Execution = None,
    type_: filters.Type = None,
    status: filters.Status = None,
    tag: filters.Tag = None,
    name: filters.Name = None,
    meta: filters.Meta = None,
    since: filters.Since = None,
    until: filters.Until = None,
    has_errors: filters.HasErrors = None,
    min_duration: filters.MinDuration = None,
    max_duration: filters.MaxDuration = None,
    text: filters.TraceText = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it only tells.")] = False,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """Delete finished traces with their events, all of them or none; a dry run unless --yes is given."""
    chosen = formats.chosen_format(format_, json_)
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.TraceOptions(context, execution, type_, status, tag, name, meta, has_errors, text, span)
    with open_service() as service:
        now = service.now()
        before = values.moment(older_than, now, "--older-than")
        report = service.purge(PurgeRequest(before, given.as_filter(now), not yes)).unwrap()
    _write(report, chosen)
    if report.dry_run:
        output.note("nothing is deleted yet: --yes does it")
    elif report.traces or report.metrics:
        output.note("mplp-trace compact gives the disk back")


def _write(report: PurgeReport, chosen: str) -> None:
    if chosen == "table":
        for name, told in _for_people(report).items():
            output.answer(f"{name:<9}{told}")
    elif chosen == "json":
        formats.write_object(_as_object(report))
    else:
        formats.write(Answer(_COLUMNS, [tuple(report)]), chosen)


def _for_people(report: PurgeReport) -> dict[str, str]:
    told = {
        "traces": f"{report.traces:,} finished",
        "events": f"{report.events:,}",
        "metrics": counted(report.metrics, "sample"),
    }
    if report.bytes is not None:
        told["size"] = f"about {humane_bytes(report.bytes)}"
    if report.oldest is not None and report.newest is not None:
        told["days"] = f"{format_instant(report.oldest)[:10]} to {format_instant(report.newest)[:10]}"
    return told


def _as_object(report: PurgeReport) -> dict[str, Any]:
    moments = {name: getattr(report, name) for name in ("oldest", "newest")}
    told = {name: None if at is None else format_instant(at) for name, at in moments.items()}
    return {**report._asdict(), **told}


purge_command.example = "mplp-trace purge --older-than 30d --yes"  # type: ignore[attr-defined]
