"""Processes forked from one that has everything imported: many at once, and ones that die at a given line."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.everything", "tests.test_crash", "tests.test_concurrency"])
CRASHED = 99
_ROOMS = ("/mplp_trace_cli/storage/", "/mplp_trace_cli/interchange/", "/mplp_trace_cli/service/")


def start(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Starts a process that does this work; it is a function of a module."""
    process = FORK.Process(target=work, args=arguments)
    process.start()
    return process


def join(processes: Iterable[BaseProcess]) -> None:
    """Waits for processes, which must end well."""
    for process in processes:
        process.join(120)
        assert process.exitcode == 0, f"{process.name} ended with {process.exitcode}"


def at_once(work: Callable[..., None], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Does this work with each of the arguments, each in its own process, all let go at the same moment."""
    given = list(arguments)
    gate = FORK.Barrier(len(given))
    join([start(_behind, gate, work, each) for each in given])


def _behind(gate: Any, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    gate.wait(60)
    work(*arguments)


def note(path: Path, text: str) -> None:
    """Adds a line to a file in one write, which no later crash of this process undoes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def noted(path: Path) -> list[str]:
    """The lines of such a file."""
    return path.read_text().splitlines() if path.exists() else []


def lines_of(work: Callable[..., None], *arguments: Any, count_file: Path) -> int:
    """How many lines of storage and interchange this work runs through."""
    process = start(_traced, 0, count_file, work, arguments)
    join([process])
    return int(count_file.read_text())


def crash_at(line: int, work: Callable[..., None], *arguments: Any) -> bool:
    """Does the work in a process that is gone at its n-th line; False when it ended before."""
    process = start(_traced, line, None, work, arguments)
    process.join(120)
    assert process.exitcode in (0, CRASHED), process.exitcode
    return process.exitcode == CRASHED


def _traced(line: int, counted: Path | None, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    seen = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if not any(room in frame.f_code.co_filename for room in _ROOMS):
            return None
        if event == "line":
            seen += 1
            if seen == line:
                os._exit(CRASHED)
        return count

    sys.settrace(count)
    work(*arguments)
    sys.settrace(None)
    if counted is not None:
        counted.write_text(str(seen))
