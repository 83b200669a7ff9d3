"""`import`: bulk load."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_trace_cli.cli import formats, output
from mplp_trace_cli.cli.settings import current, open_service
from mplp_trace_cli.cli.streaming import counts_text
from mplp_trace_cli.domain.questions import ImportRequest
from mplp_trace_cli.interchange.formats import INPUT_FORMATS

if TYPE_CHECKING:
    from mplp_trace_cli.interchange.loading import Progress


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
) -> int:
    """Load files in bulk, .gz and .zst as they are, and print the counts as an object."""
    request = ImportRequest(files, input_format, create_missing, strict, again)
    with open_service() as service, _progress() as progress:
        report = service.import_files(request, progress=progress).unwrap()
    for name in report.skipped:
        output.note(f"{name}: loaded before, skipped (--again loads it anyway)")
    if report.counts.rejected or (report.files and not sys.stdout.isatty()):
        output.note(counts_text(vars(report.counts)))
    formats.write_object(report.as_dict())
    return 1 if report.counts.rejected else 0


@contextlib.contextmanager
def _progress() -> Iterator[Progress | None]:
    """A bar on stderr, on a terminal, from one second on."""
    if current().quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("import", total=None)

        def tell(done: int, size: int | None) -> None:
            bar.update(task, completed=done, total=size)

        yield tell


import_command.example = "mplp-trace import events.jsonl.gz"  # type: ignore[attr-defined]
