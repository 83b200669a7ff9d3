"""Which processes of traces live: told by their numbers and when they started, on this host alone."""

from __future__ import annotations

import os
import sys
import time

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.processes import TraceProcess, process_of
from mplp_trace_cli.storage.running import lives

SAME_START_US = 10_000_000
"""Starts that lie no further apart are one: they are counted from the boot, whose time a clock may move."""

_START_FIELD = 19
"""Where proc(5) has the start of a process, counted from what stands after its name."""


def process_with(pid: int) -> TraceProcess:
    """The process of that number on this host; raises InvalidInput where there is none."""
    import psutil  # 15 ms, for those alone who name a process

    try:
        started = psutil.Process(pid).create_time()
    except (psutil.Error, ValueError, OverflowError):
        raise InvalidInput(f"--pid: there is no process {pid}", hint="--pid $$") from None
    return TraceProcess(pid, os.uname().nodename, round(started * 1_000_000))


def this_process() -> TraceProcess:
    """The process that asks; on Linux without psutil."""
    if sys.platform != "linux":
        return process_with(os.getpid())
    with open("/proc/self/stat", "rb") as file:
        ticks = int(file.read().rpartition(b")")[2].split()[_START_FIELD])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return TraceProcess(os.getpid(), os.uname().nodename, round((time.time() - age) * 1_000_000))


def has_ended(process: TraceProcess) -> bool:
    """True when the process is surely gone; False where it lives, or lived on another host."""
    if process.host != os.uname().nodename:
        return False
    try:
        if not lives(process.pid):
            return True
    except OverflowError:  # no process has such a number
        return True
    return _is_another(process)


def _is_another(process: TraceProcess) -> bool:
    import psutil

    try:
        found = psutil.Process(process.pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return True
        return abs(found.create_time() * 1_000_000 - process.started) > SAME_START_US
    except psutil.NoSuchProcess:
        return not lives(process.pid)  # a system may show nobody but the owner that it is there
    except psutil.Error:
        return False


def ended_process(metadata: str) -> int | None:
    """The number of the process of an active trace with that metadata, where it has ended."""
    process = process_of(metadata)
    return process.pid if process is not None and has_ended(process) else None
