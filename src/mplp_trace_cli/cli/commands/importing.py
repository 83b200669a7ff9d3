"""`import`: bulk load."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.settings import current, open_service
from mplp_trace_cli.cli.values import split_pair
from mplp_trace_cli.cli.views import formats, previews
from mplp_trace_cli.cli.views.counts import counts_text
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import ColumnMapping, ImportRequest
from mplp_trace_cli.interchange.formats import INPUT_FORMATS

if TYPE_CHECKING:
    from mplp_trace_cli.interchange.loading.files import Progress

TABLES = "Tables (csv, parquet)"
Map = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="FIELD=COLUMN,…", help="Which column is a field.", rich_help_panel=TABLES),
]
Default = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD=VALUE", help="A field of rows that have none.", rich_help_panel=TABLES),
]
TimeFormat = Annotated[
    str | None,
    typer.Option(metavar="FORM", help="As in strptime, or s, ms, us, ns since 1970.", rich_help_panel=TABLES),
]
DurationUnit = Annotated[
    str, typer.Option(metavar="UNIT", help="Of durations: ns, us, ms, s.", rich_help_panel=TABLES)
]
_NEXT_FIELD = re.compile(r",(?=[A-Za-z_]+=)")

PATIENCE_SECONDS = 1.0
"""From then on a bar tells how far it is."""


def import_command(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files; - is stdin.", show_default=False)
    ],
    input_format: Annotated[
        str, typer.Option(metavar="FORMAT", help=f"What is in them: {', '.join(INPUT_FORMATS)}.")
    ] = "auto",
    create_missing: Annotated[
        bool, typer.Option("--create-missing", help="Make traces that are not there.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Nothing of a file with a bad line.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also files that were loaded before.")] = False,
    map_: Map = None,
    default: Default = None,
    time_format: TimeFormat = None,
    duration_unit: DurationUnit = "ms",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be recorded.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The dry run as an object.")] = False,
) -> int:
    """Load files in bulk, .gz and .zst as they are, and print the counts as an object."""
    pairs = column_pairs(map_ or []), default_pairs(default or [])
    mapping = ColumnMapping(*pairs, time_format, duration_unit)
    request = ImportRequest(files, input_format, create_missing, strict, again, mapping, dry_run)
    with open_service() as service, _progress() as progress:
        report = service.import_files(request, progress=progress).unwrap()
    for name in report.skipped:
        output.note(f"{name}: loaded before, skipped (--again loads it anyway)")
    if report.preview is not None:
        (previews.write_json if json_ else previews.write_tables)(report, report.preview)
        return 1 if report.counts.rejected else 0
    if report.counts.rejected or (report.files and not sys.stdout.isatty()):
        output.note(counts_text(vars(report.counts)))
    formats.write_object(report.as_dict())
    return 1 if report.counts.rejected else 0


def column_pairs(given: Sequence[str]) -> dict[str, str]:
    """`FIELD=COLUMN,…` as a mapping: a comma parts two pairs only where another FIELD= follows it."""
    return _pairs([pair for text in given for pair in _NEXT_FIELD.split(text)], "map")


def default_pairs(given: Sequence[str]) -> dict[str, str]:
    """`FIELD=VALUE` as a mapping."""
    return _pairs(given, "default")


def _pairs(given: Sequence[str], what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        field, value = split_pair(text, what)
        if field in found:
            raise InvalidInput(f"{what}: {field} is given twice")
        found[field] = value
    return found


@contextlib.contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on stderr, on a terminal, from one second on."""
    if current().quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task, began = bar.add_task("import", total=None), time.monotonic()

    def tell(done: int, size: int | None) -> None:
        bar.update(task, completed=done, total=size)
        if time.monotonic() - began >= PATIENCE_SECONDS:
            bar.start()

    try:
        yield tell
    finally:
        bar.stop()


import_command.example = "mplp-trace import events.jsonl.gz"  # type: ignore[attr-defined]
