"""Imports all that is ours and starts no thread: what a process has that others are forked from."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys

import mplp_trace_cli

_THEIRS = (
    "concurrent.futures.thread",
    "filelock",
    "psutil",
    "rich.table",
    "typer.rich_utils",
)
_THREADED = ("google", "opentelemetry", "pyarrow")
"""They start threads, which no fork has; what needs them is left to those who use it."""

for _name in _THEIRS:
    importlib.import_module(_name)
sys.modules.update(dict.fromkeys(_THREADED))  # type: ignore[arg-type]
for _found in pkgutil.walk_packages(mplp_trace_cli.__path__, "mplp_trace_cli."):
    if not _found.name.endswith("__main__"):
        with contextlib.suppress(ImportError):
            importlib.import_module(_found.name)
for _name in _THREADED:
    del sys.modules[_name]
