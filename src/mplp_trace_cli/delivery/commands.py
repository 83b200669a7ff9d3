"""Starting a program that tells people: the notice on its standard input, no shell, a time limit."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import IO

from mplp_trace_cli.delivery.secrets import told
from mplp_trace_cli.delivery.settings import CommandSettings
from mplp_trace_cli.delivery.texts import document_json
from mplp_trace_cli.domain.alerts.alert import AlertNotice
from mplp_trace_cli.domain.errors import DeliveryFailed
from mplp_trace_cli.domain.visible import visible

_NOT_STARTED = (126, 127)
"""What shells and env say of a program that cannot be run or is not there."""
_PASSING = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Why a program cannot be started now, and may be later."""
_MOST_KEPT = 4_096
_DYING_SECONDS = 5
"""A process that the kernel holds, on a dead network drive say, outlives its own end."""


def command_sender(notice: AlertNotice, settings: CommandSettings) -> Callable[[float], None]:
    """One run of the command; it fails where the command does, or is killed when its time is over."""
    document = document_json(notice)
    environment = {
        "MPLP_TRACE_ALERT_RULE": visible(notice.rule),
        "MPLP_TRACE_ALERT_STATE": notice.state.value,
        "MPLP_TRACE_ALERT_SEVERITY": notice.severity.value,
    }

    def send(seconds: float) -> None:
        _run(settings.argv, document, environment, seconds)

    return send


def _run(argv: tuple[str, ...], document: bytes, environment: dict[str, str], seconds: float) -> None:
    process = _started(argv, document, environment)
    said = _Said(process.stderr)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise DeliveryFailed("the command took too long", permanent=False) from None
    finally:
        _end(process)
    if code:
        raise DeliveryFailed(_how_it_ended(code, said.first_line()), permanent=code in _NOT_STARTED)


def _started(argv: tuple[str, ...], document: bytes, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with _as_file(document) as stdin:
        try:
            return subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            reason, passes = error.strerror, error.errno in _PASSING
    raise DeliveryFailed(f"the command {told(argv[0])}: {reason}", permanent=not passes)


@contextlib.contextmanager
def _as_file(document: bytes) -> Iterator[IO[bytes]]:
    """The document as a file: a command that does not read its standard input holds nobody up."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile())
            file.write(document)
            file.seek(0)
        except OSError as error:
            reason = error.strerror
        else:
            yield file
            return
    raise DeliveryFailed(f"no temporary file can be written: {reason}", permanent=False)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the group of a process that still runs, which a time limit or Ctrl-C leaves behind."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DYING_SECONDS)


class _Said:
    """Standard error of a command: all is read, so that it can go on; its beginning is kept."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._kept = b""
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while read := os.read(stream.fileno(), 65_536):
                self._kept += read[: _MOST_KEPT - len(self._kept)]

    def first_line(self) -> str:
        """Its first line that is not empty; a child that keeps the stream open is not waited for."""
        self._reader.join(0.5)
        lines = self._kept.decode(errors="replace").strip().splitlines()
        return told(lines[0]) if lines else ""


def _how_it_ended(code: int, said: str) -> str:
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"the command {ended}{': ' * bool(said)}{said}"
