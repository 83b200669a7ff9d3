"""Runs the command on a terminal of its own and collects the bytes that it would show."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.conftest import COMMAND, Cli, Done
from tests.warm import run_between

COLOR = re.compile(r"\x1b\[[0-9;]*m")
DANGER = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""What a terminal may obey, but for the ends of lines."""
SECONDS = 60
"""How long a program may take."""
_END = b"\x04(the program has ended)"


def on_terminal(cli: Cli, *arguments: str | Path, columns: int = 80) -> Done:
    """Runs the command with all three streams on one pseudo-terminal; `stdout` is what came out of it."""
    if not cli.warm:
        return run_on_terminal(cli, [*COMMAND, *arguments], columns=columns)
    words = list(map(os.fsdecode, arguments))

    def run(terminal: int) -> int:
        return run_between([os.ttyname(terminal)] * 3, words, _environment(cli), cli.folder, SECONDS)

    return _shown(run, columns)


def run_on_terminal(
    cli: Cli, words: Sequence[str | Path], *, columns: int = 80, env: Mapping[str, str] | None = None
) -> Done:
    """The same for any program, in the folder and environment of the command."""

    def run(terminal: int) -> int:
        process = _started(cli, words, terminal, env)
        try:
            return process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    return _shown(run, columns)


def _shown(run: Callable[[int], int], columns: int) -> Done:
    """What comes out of a terminal while something runs on it, and its exit code."""
    ours, theirs = _terminal((40, columns))
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(_to_the_end, run, theirs)
        raw = _until_the_end(ours)
    for side in (ours, theirs):
        os.close(side)
    return Done(ending.result(), raw.decode(errors="surrogateescape"), "", raw)


def _to_the_end(run: Callable[[int], int], theirs: int) -> int:
    try:
        return run(theirs)
    finally:
        os.write(theirs, _END)


def _until_the_end(ours: int) -> bytes:
    """What came before the mark: a system may forget what a terminal holds when its last writer leaves it."""
    raw = b""
    while not raw.endswith(_END):
        raw += os.read(ours, 1 << 16)
    return raw.removesuffix(_END)


def _terminal(size: tuple[int, int]) -> tuple[int, int]:
    """A terminal of so many rows and columns: our side and that of the program."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    return ours, theirs


def _environment(cli: Cli, env: Mapping[str, str] | None = None) -> dict[str, str]:
    left_out = ("NO_COLOR", "COLUMNS", "LINES")
    kept = {name: value for name, value in cli.environment().items() if name not in left_out}
    return {**kept, "TERM": "xterm-256color", **(env or {})}


def _started(
    cli: Cli, words: Sequence[str | Path], terminal: int, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A program with all three streams on that terminal."""
    return subprocess.Popen(
        words,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=_environment(cli, env),
        cwd=cli.folder,
        start_new_session=True,
    )


def dangers(shown: str) -> list[str]:
    """The characters of a screen that are neither text nor one of Rich's colours."""
    return DANGER.findall(COLOR.sub("", shown))


def unfolded(shown: str) -> str:
    """The text of a screen without colours, spaces and ends of lines, wherever a table folded it."""
    return re.sub(r"\s", "", COLOR.sub("", shown))


class Screen:
    """A command that keeps a terminal busy; use it as a context manager, which ends it."""

    def __init__(self, cli: Cli, *arguments: str | Path, columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = _terminal((rows, columns))
        self._process = _started(cli, [*COMMAND, *arguments], theirs)
        os.close(theirs)
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while part := os.read(self._ours, 1 << 16):
                self._parts.append(part)

    @property
    def raw(self) -> bytes:
        """Every byte that came so far."""
        return b"".join(self._parts)

    @property
    def frame(self) -> str:
        """What stands on the screen: what came after the cursor last went home, without colours."""
        shown = self.raw.split(b"\x1b[?1049l")[0].rpartition(b"\x1b[H")[2]
        return COLOR.sub("", shown.decode(errors="replace"))

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Waits until the text stands on the screen."""
        self.wait_until(lambda frame: text in frame, seconds)

    def wait_until(self, holds: Callable[[str], bool], seconds: float = 30) -> None:
        """Waits until something holds of what stands on the screen."""
        until = time.monotonic() + seconds
        while not holds(self.frame):
            assert time.monotonic() < until, f"it never came; this did: {self.frame}"
            time.sleep(0.02)

    def resize(self, *, columns: int, rows: int) -> None:
        """Gives the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def interrupt(self) -> None:
        """Presses Ctrl-C and waits for the end."""
        self._process.send_signal(signal.SIGINT)
        self.code = self._process.wait(timeout=30)
        self._reader.join(timeout=10)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=10)
        os.close(self._ours)


class Typist:
    """A program in front of a terminal of its own, and who types there; a context manager, which ends it."""

    def __init__(self, cli: Cli, words: Sequence[str | Path]) -> None:
        self.shown = ""
        self._process, self._ours = pty.fork()
        if not self._process:
            os.chdir(cli.folder)
            os.execvpe(words[0], [str(word) for word in words], cli.environment())

    def press(self, text: str, keys: bytes) -> None:
        """Presses the keys once the text has come since the last ones."""
        self._read(lambda: text in self.shown)
        self.shown = ""
        os.write(self._ours, keys)

    def mode(self) -> list[Any]:
        """The mode of the terminal."""
        return termios.tcgetattr(self._ours)

    def code(self) -> int:
        """The exit code of the program, once it has ended."""
        ended: list[int] = []

        def has_ended() -> bool:
            pid, status = os.waitpid(self._process, os.WNOHANG)
            ended.extend([os.waitstatus_to_exitcode(status)] if pid else [])
            return bool(ended)

        self._read(has_ended)
        self._process = 0
        return ended[0]

    def _read(self, until: Callable[[], bool], seconds: float = 20) -> None:
        last = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < last, f"this is all that came: {self.shown!r}"
            if select.select([self._ours], [], [], 0.02)[0]:
                with contextlib.suppress(OSError):  # nobody has it open any more
                    self.shown += os.read(self._ours, 1 << 16).decode(errors="replace")

    def __enter__(self) -> Typist:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._ours)
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
