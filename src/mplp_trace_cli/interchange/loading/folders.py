"""The folders that an export makes, as inputs: their files in the order in which they can be loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.interchange.exporting.targets import ENTRIES, is_export
from mplp_trace_cli.interchange.sources import STDIN

_ORDER = ("traces", "events", "logs", "metrics")
"""The names of the files, of tables and of the signals of OpenTelemetry; events come after their traces."""


def input_files(paths: Sequence[str]) -> list[str]:
    """The files to load; in the place of a folder that an export made are its files, traces first.

    Raises BrokenFile for a path that is not there, and for any other folder.
    """
    return [file for path in paths for file in _files(path)]


def _files(path: str) -> Iterator[str]:
    if path == STDIN or os.path.isfile(path):
        yield path
    elif not os.path.exists(path):
        raise BrokenFile(f"{path}: no such file")
    elif os.path.isdir(path):
        yield from _exported(path)
    else:
        yield path  # a named pipe, a device


def _exported(folder: str) -> list[str]:
    found = [
        os.path.join(at, name) for entry in _ORDER for at, names in _tables(folder, entry) for name in names
    ]
    has_tables = found or any(os.path.isdir(os.path.join(folder, table)) for table in ENTRIES)
    if not has_tables or not is_export(folder):
        raise BrokenFile(
            f"{folder} is a folder, not a file, nor the folder of an export",
            hint=f"mplp-trace import {folder}/*",
        )
    return found


def _tables(folder: str, entry: str) -> Iterator[tuple[str, list[str]]]:
    """The files of one table: one beside the others, or one a partition, in the order of their names."""
    yield folder, sorted(name for name in os.listdir(folder) if name.startswith(f"{entry}."))
    for at, inner, names in os.walk(os.path.join(folder, entry)):
        inner.sort()
        yield at, sorted(names)
