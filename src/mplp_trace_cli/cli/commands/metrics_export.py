"""`metrics export`: metrics as text for a scraper, into a file or to stdout."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import values
from mplp_trace_cli.cli.settings import USER_UMASK, open_service
from mplp_trace_cli.domain.questions import TimeRange
from mplp_trace_cli.interchange.exporting.targets import STDOUT, text_stream, whole_file
from mplp_trace_cli.interchange.prometheus import FORMATS


def export_command(
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}.")
    ] = FORMATS[0],
    destination: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to; - is stdout.")
    ] = STDOUT,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Application metrics from then on: a time, a date, 2h.")
    ] = "1h",
) -> None:
    """Write all metrics for Prometheus: what gauges are, what counters and histograms have come to."""
    with open_service() as service:
        range_ = TimeRange(values.moment(since, service.now(), "--since"))
        text, store = service.export_metrics(format_, range_).unwrap(), service.paths
    if destination == STDOUT:
        _write(STDOUT, text)
    else:
        with whole_file(destination, USER_UMASK, store) as draft:
            _write(draft, text)


def _write(path: str, text: str) -> None:
    with text_stream(path, "none") as stream:
        stream.write(text.encode())


export_command.example = "mplp-trace metrics export -o metrics.prom"  # type: ignore[attr-defined]
