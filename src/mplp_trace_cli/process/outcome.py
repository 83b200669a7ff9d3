"""What is recorded of how a command ended."""

from __future__ import annotations

import signal
from typing import Any

from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.process.child import Ended


def level_of(ended: Ended) -> str:
    """A failure is an error."""
    return (Level.ERROR if ended.code else Level.INFO).value


def message_of(name: str, ended: Ended) -> str:
    """`build: exit code 2`, `build: killed by SIGKILL`, or why it was not started; of a success `build`."""
    if ended.fault is not None:
        return f"{name}: {ended.fault}"
    if ended.signal is not None:
        return f"{name}: killed by {_signal_name(ended.signal)}"
    return f"{name}: exit code {ended.code}" if ended.code else name


def outcome_of(ended: Ended) -> dict[str, Any]:
    """Status, exit code, signal, and the last lines of the standard error of one that failed."""
    said: dict[str, Any] = {"status": "failure" if ended.code else "success", "exit_code": ended.code}
    if ended.signal is not None:
        said["signal"] = _signal_name(ended.signal)
    if ended.code and ended.last_lines:
        said["stderr"] = ended.last_lines
    return said


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"
