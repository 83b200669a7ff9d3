"""The two voices: stdout carries the answer only, stderr everything said about it."""

from __future__ import annotations

import io
import os
import sys

from mplp_trace_cli.cli.settings import current, for_this_store
from mplp_trace_cli.domain.visible import visible

__all__ = ["StdoutClosed", "answer", "error", "note", "paints", "stand_in", "visible", "warning"]


class StdoutClosed(Exception):
    """Whoever read standard output has stopped."""


class _NoStream(io.TextIOBase):
    """A standard stream that was closed before the program began."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def stand_in() -> None:
    """Takes the places of standard streams that are closed, so that no file of ours gets their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STREAM:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or _NoStream()
    sys.stderr = sys.stderr or _NoStream()


_LAST_STREAM = 2


def answer(text: str) -> None:
    """One line of the answer."""
    try:
        sys.stdout.write(f"{text}\n")
    except BrokenPipeError:
        raise StdoutClosed from None
    except UnicodeEncodeError:
        sys.stdout.write(f"{text.encode('ascii', 'backslashreplace').decode()}\n")


def note(text: str) -> None:
    """Something said about the answer; `--quiet` leaves it away."""
    if not current().quiet:
        _say(visible(text))


def warning(text: str) -> None:
    """Something that went wrong and did not stop the command."""
    _say(f"{_painted('warning:', '33')} {visible(text)}")


def error(text: str, hint: str | None = None) -> None:
    """What could not be done, and a remedy."""
    _say(f"{_painted('error:', '31')} {visible(text)}")
    if hint:
        _say(f"{_painted('hint:', '36')} {visible(for_this_store(hint))}")


def _say(line: str) -> None:
    try:
        encoding = sys.stderr.encoding or "utf-8"
        sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        return  # nobody hears; the exit code still tells


def _painted(text: str, code: str) -> str:
    return f"\x1b[1;{code}m{text}\x1b[0m" if paints(sys.stderr) else text


def paints(stream: object) -> bool:
    """True when colours are wanted on that stream."""
    color = current().color
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(getattr(stream, "isatty", lambda: False)())
