"""The standard error of a child, passed on byte for byte as it comes, while its last lines are kept.

Where ours is a terminal the child gets a terminal of its own for it, so that it colours and draws as before;
standard input and output are never touched. Background processes of the child may hold theirs open longer
than it lives: a process of their own then goes on passing on what they write, and nobody waits for it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Sequence

from mplp_trace_cli.process.keys import LOOK_SECONDS, Keys
from mplp_trace_cli.process.last_lines import LastLines

OURS = 2
CHUNK_BYTES = 1 << 16
QUIET_SECONDS = 0.02
"""How long nothing more comes until what a child that has ended wrote counts as read."""
MOST_SECONDS = 0.2
"""After that the process of its own goes on, however much still comes."""
_OUTPUT_FLAGS, _LOCAL_FLAGS = 1, 3
_UNHEARD = (errno.EPIPE, errno.EIO)
"""Faults of a pipe or a terminal whose reader is gone; a full disk may be nothing to a program."""


class StandardError:
    """One child's standard error; `childs` is the descriptor that the child gets."""

    def __init__(self) -> None:
        self._is_terminal = os.isatty(OURS)
        self._comes, self.childs = _channel(self._is_terminal)
        self._stops, self._stop = os.pipe()
        self._keys = Keys(OURS, self._comes) if self._is_terminal and _is_readable(OURS) else None
        self._last = LastLines()
        self._has_ended = False
        self._thread = threading.Thread(target=self._run, name="mplp-trace-stderr", daemon=True)
        self.resize()

    def start(self) -> None:
        """Begins to pass on, once the child has its end."""
        if sys.platform == "linux":
            self._drop_childs_end()  # elsewhere a terminal may forget what it holds when nobody has it open
        self._thread.start()

    def resize(self) -> None:
        """Gives the child's terminal the size of ours."""
        if self._is_terminal:
            with contextlib.suppress(OSError):
                size = fcntl.ioctl(OURS, termios.TIOCGWINSZ, bytes(8))
                fcntl.ioctl(self._comes, termios.TIOCSWINSZ, size)

    def finish(self) -> str:
        """Passes on what is still there after the child has ended, and gives its last lines."""
        os.close(self._stop)
        self._thread.join()
        os.close(self._stops)
        self._drop_childs_end()
        if not self._has_ended:
            self._drain()
        if not self._has_ended:
            _go_on(self._comes)
        return self._last.text

    def abandon(self) -> None:
        """Gives everything back: there is no child."""
        for descriptor in (self._comes, self._stops, self._stop):
            os.close(descriptor)
        self._drop_childs_end()

    def _drop_childs_end(self) -> None:
        if self.childs >= 0:
            os.close(self.childs)
            self.childs = -1

    def _run(self) -> None:
        while not self._has_ended:
            ready = self._ready()
            if self._comes in ready:
                self._pass_on()
            if self._keys is not None and OURS in ready:
                self._keys.pass_on()
            if self._stops in ready:
                self._drain()
                break
        if self._keys is not None:
            self._keys.give_back()

    def _ready(self) -> Sequence[int]:
        awaited = [self._comes, self._stops]
        if self._keys is None:
            return select.select(awaited, [], [])[0]
        if self._keys.are_wanted():
            awaited.append(OURS)
        return select.select(awaited, [], [], LOOK_SECONDS)[0]

    def _drain(self) -> None:
        until = time.monotonic() + MOST_SECONDS
        while not self._has_ended and time.monotonic() < until:
            if not select.select([self._comes], [], [], QUIET_SECONDS)[0]:
                return
            self._pass_on()

    def _pass_on(self) -> None:
        data = _read(self._comes)
        self._last.add(data)
        if not data or not _write(data):
            self._has_ended = True
            os.close(self._comes)  # where nobody hears any more, the child learns of it as it would have


def _is_readable(descriptor: int) -> bool:
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def _channel(is_terminal: bool) -> tuple[int, int]:
    """Where we read and where the child writes."""
    if not is_terminal:
        return os.pipe()
    try:
        ours, childs = os.openpty()
    except OSError:  # no terminal is left on this machine
        return os.pipe()
    attributes = termios.tcgetattr(OURS)
    attributes[_OUTPUT_FLAGS] &= ~termios.OPOST  # what is written is finished by the real terminal
    attributes[_LOCAL_FLAGS] &= ~termios.ECHO
    termios.tcsetattr(childs, termios.TCSANOW, attributes)
    return ours, childs


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except OSError:  # a terminal that nobody has open any more
        return b""


def _write(data: bytes) -> bool:
    """Writes all of it to our standard error; False when nobody hears any more."""
    while data:
        try:
            data = data[os.write(OURS, data) :]
        except BlockingIOError:
            select.select([], [OURS], [])
        except OSError as error:
            return error.errno not in _UNHEARD
    return True


def _go_on(descriptor: int) -> None:
    """Leaves the rest to a process of its own, which ends with the last that writes."""
    if os.fork():
        os.close(descriptor)
        return
    try:
        _become_quiet(descriptor)
        while (data := _read(descriptor)) and _write(data):
            pass
    finally:
        os._exit(0)


def _become_quiet(descriptor: int) -> None:
    """Holds nothing that somebody may wait for but standard error, and does not end before the writers."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    for other in map(int, os.listdir("/dev/fd")):
        if other > OURS and other != descriptor:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(other)
