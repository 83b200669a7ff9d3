"""Signals: Ctrl-C, SIGTERM and a terminal that is closed end a command, and at once the query that it runs.

Python runs its handlers between two of its own instructions, and a query is one long call. So a thread hears
of a signal too, through a pipe, and tells DuckDB to stop; then the handler has its turn.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

DEAF_SECONDS = 0.5
_AGAIN_SECONDS = 0.01
_LOOK_SECONDS = 0.1
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MAIN_THREADS = (
    *_STOPPING,
    *(signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGCHLD, signal.SIGCONT),
)
"""What the main thread alone takes, so that it can hold them back and wait for them."""
_received: list[int] = []


class Terminated(BaseException):
    """Somebody asked this process to end."""


def listen() -> None:
    """From now on a signal stops what runs; one that was ignored when the process began stays so."""
    for number in _STOPPING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _on_signal)
    sys.unraisablehook = _on_unraisable
    hears, says = os.pipe()
    os.set_blocking(says, False)
    signal.set_wakeup_fd(says, warn_on_full_buffer=False)
    thread = threading.Thread(target=_stop_queries, args=(hears,), name="mplp-trace-signals", daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _MAIN_THREADS)
    thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def exit_code() -> int | None:
    """128 and the number of the first signal that came to stop this process, None while none did."""
    return 128 + _received[0] if _received else None


def _on_signal(number: int, _frame: object) -> NoReturn:
    _received.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _on_unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Python drops what a handler raises in a destructor, such as a module lock's: it is signalled again."""
    if not _received or not issubclass(lost.exc_type, (KeyboardInterrupt, Terminated)):
        sys.__unraisablehook__(lost)
        return
    arguments = (threading.main_thread().ident, _received[-1])
    again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, arguments)  # by then this hook is left
    again.daemon = True
    again.start()


class Held:
    """The signals that end a command, while they wait for the end of what must not be cut short."""

    def __init__(self) -> None:
        self._came: list[int] = []
        self.hears, self._says = os.pipe()
        """`hears` has something to read from when one has come."""
        os.set_blocking(self._says, False)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this is open a signal is only noted; afterwards it does what it would have done."""
        before = {number: signal.getsignal(number) for number in _STOPPING}
        heeded = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        for number in heeded:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in heeded.items():
                signal.signal(number, handler)
        if self._came:
            signal.raise_signal(self._came[0])

    def _note(self, number: int, _frame: object) -> None:
        self._came.append(number)
        with suppress(BlockingIOError):  # full of signals: one is enough
            os.write(self._says, b"\n")


def _stop_queries(hears: int) -> None:
    while numbers := os.read(hears, 64):
        stopping = [number for number in numbers if number in _STOPPING]
        _received.extend(stopping)
        running = sys.modules.get("mplp_trace_cli.storage.running")  # who has not loaded it runs no query
        if stopping and running is not None:
            running.interrupt()


@contextmanager
def ending_the_deaf(most_bytes: int) -> Iterator[None]:
    """Ends this process when what runs inside heeds no signal, or takes more memory than that.

    A function of SQL over one huge value is such a call: DuckDB neither interrupts it nor counts its memory.
    """
    over = threading.Event()
    threading.Thread(target=_guard, args=(over, most_bytes), name="mplp-trace-guard", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _guard(over: threading.Event, most_bytes: int) -> None:
    from mplp_trace_cli.cli import output
    from mplp_trace_cli.domain.words import humane_bytes

    while not over.wait(_LOOK_SECONDS):
        code = exit_code()
        if code is not None and not over.wait(DEAF_SECONDS):
            _leave(code)
        if _resident() > most_bytes:
            output.error(
                f"sql: out of memory: the answer takes more than {humane_bytes(most_bytes)}",
                "ask for less at once, or raise memory_limit in the config file",
            )
            _leave(2)


def _resident() -> int:
    import psutil  # 15 ms, which a quick query does not wait for

    return int(psutil.Process().memory_info().rss)


def _leave(code: int) -> NoReturn:
    from mplp_trace_cli.storage.running import abandon

    abandon()
    os._exit(code)
