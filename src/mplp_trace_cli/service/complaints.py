"""What could not be recorded, told to Python's logging: once, and then at most once a minute each kind."""

from __future__ import annotations

import contextlib
import logging
import time

from mplp_trace_cli.domain.errors import TraceError

AGAIN_SECONDS = 60.0

_log = logging.getLogger("mplp_trace_cli")
_told: dict[str, tuple[float, int]] = {}
"""By code: when it was told last, and how many were not told since."""


def complain(error: TraceError) -> None:
    """Logs that something could not be recorded; never raises."""
    _tell(error.code, error.message)


def complain_of_fault(fault: Exception) -> None:
    """The same for what nobody has foreseen."""
    _tell(type(fault).__name__, repr(fault))


def _tell(kind: str, why: str) -> None:
    last, missed = _told.get(kind, (-AGAIN_SECONDS, 0))
    if time.monotonic() - last < AGAIN_SECONDS:
        _told[kind] = last, missed + 1
        return
    _told[kind] = time.monotonic(), 0
    more = f" ({missed} more like it since the last time)" if missed else ""
    with contextlib.suppress(Exception):  # a handler of the program's own may raise
        _log.warning("not recorded: %s%s", why, more)
