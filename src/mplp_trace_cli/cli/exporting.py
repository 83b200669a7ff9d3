"""`export`: what a filter selects, into a file, a folder or a pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.query import (
    FILTERS,
    Many,
    MaxDuration,
    MinDuration,
    Since,
    Until,
    option,
    pairs,
    time_range,
)
from mplp_trace_cli.cli.settings import USER_UMASK, open_service
from mplp_trace_cli.cli.words import counted, humane_bytes
from mplp_trace_cli.domain.enums import TraceStatus, TraceType
from mplp_trace_cli.domain.questions import ExportRequest, TraceFilter
from mplp_trace_cli.interchange.exporting import COMPRESSIONS, FORMATS, PARTITIONS, ExportReport


def export_command(
    destination: Annotated[
        str, typer.Option("-o", "--output", metavar="PATH", help="Where to; - is stdout.")
    ],
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}; else by the suffix."),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(metavar="KIND", help=f"{', '.join(COMPRESSIONS)}; else by the suffix, zstd in parquet."),
    ] = None,
    include_events: Annotated[
        bool | None,
        typer.Option(
            "--include-events/--no-include-events", help="Events too; not in csv and parquet unless asked."
        ),
    ] = None,
    include_metrics: Annotated[bool, typer.Option("--include-metrics", help="Metric samples too.")] = False,
    partition_by: Annotated[
        str | None,
        typer.Option(metavar="KEY", help=f"{', '.join(PARTITIONS)}: a folder each, in csv and parquet."),
    ] = None,
    csv_safe: Annotated[
        bool, typer.Option("--csv-safe", help="Put ' before cells that a spreadsheet would run.")
    ] = False,
    trace: Annotated[
        Many, option("--trace", "Its id, a prefix or @last.", "ID", values.complete_trace)
    ] = None,
    context: Annotated[Many, option("--context", "Context id.", "ID")] = None,
    execution: Annotated[Many, option("--execution", "Execution id.", "ID")] = None,
    type_: Annotated[
        Many, option("--type", f"{values.words(TraceType)}.", "TYPE", values.complete_type)
    ] = None,
    status: Annotated[
        Many, option("--status", f"{values.words(TraceStatus)}.", "STATUS", values.complete_status)
    ] = None,
    tag: Annotated[Many, option("--tag", "A tag it has.", "TAG")] = None,
    name: Annotated[Many, option("--name", "Its name, as a glob.", "GLOB")] = None,
    meta: Annotated[Many, option("--meta", "A value in its metadata.", "K=V")] = None,
    since: Since = None,
    until: Until = None,
    has_errors: Annotated[
        bool | None,
        typer.Option(
            "--has-errors/--no-errors", help="Failed, or with an error event.", rich_help_panel=FILTERS
        ),
    ] = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    text: Annotated[Many, option("--text", "Text in name, description, metadata or tags.")] = None,
) -> None:
    """Write traces and their events to a file, a folder or stdout, whole or not at all."""
    with open_service() as service:
        wanted = TraceFilter(
            trace_ids=[service.resolve_trace(one) for one in trace or ()],
            context_ids=context or (),
            execution_ids=execution or (),
            trace_types=type_ or (),
            status=status or (),
            tags=tag or (),
            names=name or (),
            metadata=pairs(meta, "--meta"),
            time_range=time_range(since, until, service.now()),
            has_errors=has_errors,
            min_duration_ms=values.duration(min_duration, "--min-duration"),
            max_duration_ms=values.duration(max_duration, "--max-duration"),
            text=text or (),
        )
        request = ExportRequest(
            destination,
            wanted,
            format_,
            compression,
            include_events,
            include_metrics,
            partition_by,
            csv_safe,
            umask=USER_UMASK,
        )
        output.note(_told(service.export_traces(request).unwrap()))


def _told(report: ExportReport) -> str:
    parts = [counted(report.traces, "trace")]
    parts += [counted(report.events, "event")] if report.events else []
    parts += [counted(report.metrics, "metric sample")] if report.metrics else []
    where = "" if report.destination == "-" else f" to {report.destination} ({humane_bytes(report.bytes)})"
    return f"exported {', '.join(parts)}{where}"


export_command.example = "mplp-trace export -o traces.parquet --since 7d"  # type: ignore[attr-defined]
