"""`export`: what a filter selects, into a file, a folder or a pipe."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import filters, output
from mplp_trace_cli.cli.settings import USER_UMASK, open_service
from mplp_trace_cli.domain.questions import ExportRequest
from mplp_trace_cli.domain.words import counted, humane_bytes
from mplp_trace_cli.interchange.exporting.planning import COMPRESSIONS, PARTITIONS
from mplp_trace_cli.interchange.exporting.writing import ExportReport
from mplp_trace_cli.interchange.formats import OUTPUT_FORMATS


def export_command(
    destination: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="PATH", help="Where to; an export there is replaced; - is stdout."
        ),
    ],
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help=f"{', '.join(OUTPUT_FORMATS)}; else by the suffix."),
    ] = None,
    compression: Annotated[
        str | None,
        typer.Option(metavar="KIND", help=f"{', '.join(COMPRESSIONS)}; else by the suffix, zstd in parquet."),
    ] = None,
    include_events: Annotated[
        bool | None,
        typer.Option(
            "--include-events/--no-include-events",
            help="Events too; in csv and parquet only when asked, in a folder.",
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
    trace: filters.TraceId = None,
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
) -> None:
    """Write traces and their events to a file, a folder or stdout, whole or not at all."""
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.TraceOptions(context, execution, type_, status, tag, name, meta, has_errors, text, span)
    with open_service() as service:
        traces = [service.resolve_trace(one) for one in trace or ()]
        wanted = given.as_filter(service.now())._replace(trace_ids=traces)
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
        report = service.export_traces(request).unwrap()
    for line in report.notes:
        output.note(line)
    output.note(_told(report))


def _told(report: ExportReport) -> str:
    parts = [counted(report.traces, "trace")]
    parts += [counted(report.events, "event")] if report.events else []
    parts += [counted(report.metrics, "metric sample")] if report.metrics else []
    where = "" if report.destination == "-" else f" to {report.destination} ({humane_bytes(report.bytes)})"
    return f"exported {', '.join(parts)}{where}"


export_command.example = "mplp-trace export -o traces.parquet --since 7d"  # type: ignore[attr-defined]
