"""The process that a trace is of: what its metadata says, so that others can tell when it was killed."""

from __future__ import annotations

from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import JsonFault, dumps, parse
from mplp_trace_cli.domain.times import format_instant, parse_instant

PROCESS_KEY = "process"
"""The key of a trace's metadata under which its process stands."""


class TraceProcess(NamedTuple):
    """A process: its number on its host, and when it started, because numbers are used again."""

    pid: int
    host: str
    started: int
    """Microseconds since 1970."""

    def as_json(self) -> str:
        """The value of the key `process`."""
        members = {"pid": self.pid, "host": self.host, "started": format_instant(self.started)}
        return dumps(members, PROCESS_KEY)


def process_of(metadata: str) -> TraceProcess | None:
    """The process that metadata names; None where it names none, or something else by that key."""
    try:
        said: Any = parse(metadata).get(PROCESS_KEY)
        pid, host, started = said["pid"], said["host"], parse_instant(said["started"])
    except (JsonFault, InvalidInput, TypeError, KeyError):
        return None
    if type(pid) is not int or pid <= 0 or not isinstance(host, str):
        return None
    return TraceProcess(pid, host, started)
