"""`compact`: gives back the disk that purged rows took."""

from __future__ import annotations

import os

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.words import humane_bytes

NICENESS = 10
"""Who records meanwhile goes first."""


def compact_command(format_: Format = None, json_: Json = False) -> None:
    """Write the store anew without what was purged, and say its size before and after."""
    chosen = formats.chosen_format(format_, json_)
    os.nice(NICENESS)  # before DuckDB starts its threads, which take it over
    with open_service() as service:
        report = service.compact().unwrap()
    if chosen == "table":
        output.answer(f"before  {humane_bytes(report.bytes_before)}")
        output.answer(f"after   {humane_bytes(report.bytes_after)}")
    elif chosen == "json":
        formats.write_object(report._asdict())
    else:
        columns = tuple(Column(name, Kind.COUNT) for name in report._fields)
        formats.write(Answer(columns, [tuple(report)]), chosen)


compact_command.example = "mplp-trace compact"  # type: ignore[attr-defined]
