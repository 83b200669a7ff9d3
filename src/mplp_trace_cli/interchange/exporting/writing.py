"""Export: what a filter selects, written in one format; the destination appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.exporting.chosen import Export, Selection, choose
from mplp_trace_cli.interchange.exporting.targets import (
    ENTRIES,
    STDOUT,
    partitions,
    text_stream,
    whole_file,
    whole_folder,
)
from mplp_trace_cli.interchange.formats import WRITERS

if TYPE_CHECKING:
    from mplp_trace_cli.interchange.exporting.planning import ExportPlan
    from mplp_trace_cli.storage.paths import StorePaths
    from mplp_trace_cli.storage.store import Connection


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    destination: str
    format: str
    compression: str
    traces: int
    events: int
    metrics: int
    files: tuple[str, ...] = field(default_factory=tuple)
    bytes: int = 0
    notes: tuple[str, ...] = ()
    """What the format could not carry and what else its reader should know, a line each."""


def export(db: Connection, selection: Selection, plan: ExportPlan, store: StorePaths) -> ExportReport:
    """Writes what is selected; the destination appears whole or not at all.

    Raises InvalidInput for a destination that belongs to the store, StorageFailed, and BrokenPipeError when
    standard output is closed.
    """
    choose(db, selection)
    chosen = Export(db, plan)
    counts = {table: chosen.count(table) if table in plan.tables else 0 for table in ENTRIES}
    notes = _write(chosen, store)
    files = tuple(_files(plan.destination))
    return ExportReport(
        plan.destination,
        plan.format,
        plan.compression,
        **counts,
        files=files,
        bytes=sum(os.path.getsize(file) for file in files),
        notes=tuple(notes),
    )


def _write(chosen: Export, store: StorePaths) -> list[str]:
    """Writes the files and tells what should be known of them."""
    plan = chosen.plan
    module = import_module(f"mplp_trace_cli.interchange.{WRITERS[plan.format]}")
    notes: list[str]
    if plan.is_folder:
        before = partitions(plan.destination)
        with whole_folder(plan.destination, plan.umask, store) as folder:
            notes = module.write_folder(chosen, folder)
        notes = [*notes, *_surprises(plan, before)]
    elif plan.destination == STDOUT:
        notes = _write_file(module, chosen, STDOUT)
    else:
        with whole_file(plan.destination, plan.umask, store) as draft:
            notes = _write_file(module, chosen, draft)
    return notes


def _surprises(plan: ExportPlan, before: set[str]) -> Iterator[str]:
    """A folder with the name of a file, and partitions that were there before and are not any more."""
    path = plan.destination
    if plan.is_named_as_table:
        yield f"{path} is a folder, with {' and '.join(sorted(os.listdir(path)))} in it"
    gone = before - partitions(path)
    if gone:
        lost = counted(len(gone), "partition")
        yield f"{path} was replaced: {lost} that the export before had, this one has not"


def _write_file(module: Any, chosen: Export, path: str) -> list[str]:
    notes: list[str]
    if chosen.plan.format == "parquet":
        notes = module.write_parquet(chosen, path)
    else:
        with text_stream(path, chosen.plan.compression) as stream:
            notes = module.write(chosen, stream)
    return notes


def _files(destination: str) -> Iterator[str]:
    if destination == STDOUT:
        return
    if os.path.isfile(destination):
        yield destination
    for folder, _, names in os.walk(destination):
        yield from (os.path.join(folder, name) for name in sorted(names))
