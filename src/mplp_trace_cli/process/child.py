"""A command as a child of this process: started as without us, signals passed on, waited for.

It stays in our process group and has our terminal, so that Ctrl-C and Ctrl-Z reach it from the terminal
itself. What is sent to this process alone is sent on to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from mplp_trace_cli.process.standard_error import StandardError

NOT_FOUND, NOT_EXECUTABLE, SIGNALLED = 127, 126, 128
PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)
_SHELL = "/bin/sh"
_FROM_THE_KERNEL = 0x80
"""`si_code` of a signal that a key of the terminal made, which the whole process group got."""
_FROM_KEYS = (signal.SIGINT, signal.SIGQUIT)
_IGNORED_BY_PYTHON = tuple(
    getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ", "SIGXFZ") if hasattr(signal, name)
)


class Start(NamedTuple):
    """What a child begins with."""

    command: Sequence[str]
    environment: Mapping[str, str]
    umask: int


class Held(NamedTuple):
    """Signals that wait for a child; `before` is the mask of this process until then."""

    heeded: Collection[int]
    before: Collection[int]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    """Its exit code as a shell has it: 128 + n of one that signal n killed."""
    signal: int | None
    duration_ms: float
    last_lines: str
    """The end of its standard error, where that was listened to."""
    fault: str | None = None
    """Why it could not be started."""


def hold_signals() -> Held:
    """From now on signals wait in this process, for good, and in the threads that it starts."""
    heeded = {number for number in PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN}
    signal.signal(signal.SIGCHLD, _noted)  # one that is ignored would take the child's exit code with it
    return Held(heeded, signal.pthread_sigmask(signal.SIG_BLOCK, {*heeded, signal.SIGCHLD}))


def run_child(start: Start, held: Held, standard_error: StandardError | None) -> Ended:
    """Runs a command to its end; it gets the signals that are held."""
    began = time.monotonic()
    early = signal.sigpending().intersection(held.heeded)
    try:
        child = _spawn(start, held.before, standard_error)
    except OSError as error:
        if standard_error is not None:
            standard_error.abandon()
        return _not_started(start.command[0], error, began)
    for number in early:
        _send(child, number)
    if standard_error is not None:
        standard_error.start()
    status = _wait(child, held.heeded, standard_error)
    duration_ms = (time.monotonic() - began) * 1_000
    last_lines = "" if standard_error is None else standard_error.finish()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Ended(SIGNALLED - code, -code, duration_ms, last_lines)
    return Ended(code, None, duration_ms, last_lines)


def _noted(_number: int, _frame: object) -> None:
    """Stands for a signal that is waited for."""


def _spawn(start: Start, mask: Collection[int], standard_error: StandardError | None) -> int:
    if not start.command[0]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    taken = [] if standard_error is None else [(os.POSIX_SPAWN_DUP2, standard_error.childs, 2)]
    ours = os.umask(start.umask)
    try:
        return _spawned(start.command, start.environment, mask, taken)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        script = _on_path(start.command[0])  # a script without a first line that says whose it is
        return _spawned([_SHELL, script, *start.command[1:]], start.environment, mask, taken)
    finally:
        os.umask(ours)


def _spawned(
    command: Sequence[str],
    environment: Mapping[str, str],
    mask: Collection[int],
    taken: Sequence[tuple[int, ...]],
) -> int:
    return os.posix_spawnp(
        command[0],
        list(command),
        environment,
        file_actions=taken,
        setsigmask=mask,
        setsigdef=_IGNORED_BY_PYTHON,
    )


def _on_path(word: str) -> str:
    import shutil  # for those alone whose script is no program

    return shutil.which(word) or word


def _not_started(word: str, error: OSError, began: float) -> Ended:
    is_missing = error.errno == errno.ENOENT
    why = "command not found" if is_missing and "/" not in word else error.strerror
    duration_ms = (time.monotonic() - began) * 1_000
    shown = word or "''"
    return Ended(NOT_FOUND if is_missing else NOT_EXECUTABLE, None, duration_ms, "", f"{shown}: {why}")


def _wait(child: int, heeded: Collection[int], standard_error: StandardError | None) -> int:
    """Passes signals on until the child has ended, and gives its wait status."""
    awaited = {*heeded, signal.SIGCHLD}
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        number, has_it_already = _next_signal(awaited)
        if number == signal.SIGWINCH and standard_error is not None:
            standard_error.resize()
        if number != signal.SIGCHLD and not has_it_already:
            _send(child, number)


def _next_signal(awaited: Collection[int]) -> tuple[int, bool]:
    """The next signal, and whether the child has had it too."""
    if sys.platform == "linux":
        said = signal.sigwaitinfo(awaited)
        return said.si_signo, said.si_code == _FROM_THE_KERNEL and said.si_signo in _FROM_KEYS
    number = signal.sigwait(awaited)
    return number, number in _FROM_KEYS and _is_in_front()


def _is_in_front() -> bool:
    """True when what is typed reaches our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _send(child: int, number: int) -> None:
    with contextlib.suppress(
        ProcessLookupError, PermissionError
    ):  # sudo: somebody else's, who hears the keys
        os.kill(child, number)
