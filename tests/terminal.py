"""Runs the command on a terminal of its own and collects the bytes that it would show."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import COMMAND, Cli, Done

COLOR = re.compile(r"\x1b\[[0-9;]*m")
DANGER = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""What a terminal may obey, but for the ends of lines."""


def on_terminal(cli: Cli, *arguments: str | Path, columns: int = 80) -> Done:
    """Runs the command with all three streams on one pseudo-terminal; `stdout` is what came out of it."""
    return run_on_terminal(cli, [*COMMAND, *arguments], columns=columns)


def run_on_terminal(
    cli: Cli, words: Sequence[str | Path], *, columns: int = 80, env: Mapping[str, str] | None = None
) -> Done:
    """The same for any program, in the folder and environment of the command."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    left_out = ("NO_COLOR", "COLUMNS", "LINES")
    kept = {name: value for name, value in cli.environment(env).items() if name not in left_out}
    process = subprocess.Popen(
        words,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, "TERM": "xterm-256color"},
        cwd=cli.folder,
        start_new_session=True,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        raw = _all_of(terminal.fileno())
    return Done(process.wait(timeout=60), raw.decode(errors="surrogateescape"), "", raw)


def _all_of(descriptor: int) -> bytes:
    parts = []
    try:
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
    except OSError:  # Linux tells the end of a pseudo-terminal by an error
        pass
    return b"".join(parts)


def dangers(shown: str) -> list[str]:
    """The characters of a screen that are neither text nor one of Rich's colours."""
    return DANGER.findall(COLOR.sub("", shown))


def unfolded(shown: str) -> str:
    """The text of a screen without colours, spaces and ends of lines, wherever a table folded it."""
    return re.sub(r"\s", "", COLOR.sub("", shown))
