"""What holds for every command: the store, the config, colours and noise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput

if TYPE_CHECKING:
    from mplp_trace_cli.service import TraceManagementService

USER_UMASK = os.umask(0o077)
os.umask(USER_UMASK)

COLORS = ("auto", "always", "never")
RECORDING = frozenset(("create", "record", "complete", "fail", "cancel"))
"""The commands that `--best-effort` keeps from stopping a script, and below, those of `metrics`."""
RECORDING_METRICS = frozenset(("set", "inc", "observe"))
WRAPPING = frozenset(("run", "step"))
"""The commands that run another one, and end with its exit code."""
OWN_FAILURE = 125
"""How those end when it was they who failed."""
_WITH_VALUE = frozenset(("--db", "--config", "--color"))


class Settings(NamedTuple):
    """The global options."""

    db: str | None = None
    config: str | None = None
    color: str = "auto"
    quiet: bool = False


_settings = [Settings()]


def current() -> Settings:
    """The global options of this run."""
    return _settings[0]


def for_this_store(hint: str) -> str:
    """A hint that is a command of ours, so that it works as it stands on the store that was named."""
    import shlex  # only for the few who need a hint

    named = [("--db", current().db), ("--config", current().config)]
    options = "".join(f" {option} {shlex.quote(value)}" for option, value in named if value)
    return hint.replace("mplp-trace", f"mplp-trace{options}", 1) if hint.startswith("mplp-trace ") else hint


def set_option(name: str, value: Any) -> None:
    """Notes a global option, wherever on the command line it stood; raises InvalidInput."""
    if name == "color" and value not in (None, *COLORS):
        raise InvalidInput(f"--color: {unknown_word(COLORS, value)}")
    if value not in (None, False):
        _settings[0] = _settings[0]._replace(**{name: value})


def is_best_effort(arguments: list[str]) -> bool:
    """True when a failure of this command line is to be a warning."""
    if is_wrapping(arguments):  # what has not run cannot have gone well
        return False
    asked = "--best-effort" in arguments or os.environ.get("MPLP_TRACE_BEST_EFFORT") in ("1", "true", "yes")
    if not asked:
        return False
    measures = "metrics" in arguments and not RECORDING_METRICS.isdisjoint(arguments)
    return measures or not RECORDING.isdisjoint(arguments)


def is_wrapping(arguments: list[str]) -> bool:
    """True when this command line runs another command."""
    words = iter(arguments)
    for word in words:
        if not word.startswith("-"):
            return word in WRAPPING
        if word in _WITH_VALUE:
            next(words, None)
    return False


@contextmanager
def open_service() -> Iterator[TraceManagementService]:
    """The service over the store that the options, the environment and the config files name."""
    from mplp_trace_cli.cli import output
    from mplp_trace_cli.module import open_service as open_at

    settings = current()
    service = open_at(settings.db, settings.config, output.note, output.warning)
    try:
        yield service
    finally:
        service.close()
