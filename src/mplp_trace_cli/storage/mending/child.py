"""A process of its own for work on files that may be damaged: one that crashes or hangs takes nobody along.

It is asked by lines of JSON and answers with such lines; neither side opens a file of a store twice.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mplp_trace_cli.domain.errors import TraceError

Work = Callable[..., Iterator[Mapping[str, Any]]]
_DONE = "done"
_ERROR = "error"
_FATAL = "fatal"


class ChildFailed(TraceError):
    """What was asked for could not be done; the process may have ended over it."""

    code = "child_failed"


class Child:
    """Such a process; it is started when it is asked something, and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends the process."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.communicate()

    @property
    def is_alive(self) -> bool:
        """False before the first question and after it has died."""
        return self._process is not None and self._process.poll() is None

    def ask(self, work: str, seconds: float, **given: Any) -> Iterator[dict[str, Any]]:
        """The answers, one after the other; raises ChildFailed, also after that many seconds."""
        process = self._started()
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            yield from self._asked(process, {"work": work, **given})
        except _DiedError:
            process.wait()
            said = f"took longer than {seconds:.0f} s" if late.is_set() else _ended(process.returncode)
            raise ChildFailed(said) from None
        finally:
            timer.cancel()
            if process.poll() is not None:
                self.end()

    def answer(self, work: str, seconds: float, **given: Any) -> dict[str, Any]:
        """The only answer."""
        (only,) = self.ask(work, seconds, **given)
        return only

    def _started(self) -> subprocess.Popen[str]:
        if not self.is_alive:
            self.end()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mplp_trace_cli.storage.mending.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
            )
        assert self._process is not None
        return self._process

    def _asked(self, process: subprocess.Popen[str], question: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            said = json.loads(line)
            if _DONE in said:
                return
            if _ERROR in said:
                if said[_FATAL]:
                    self.end()
                raise ChildFailed(said[_ERROR], hint=said["hint"], details={"code": said["code"]})
            yield said
        raise _DiedError


class _DiedError(Exception):
    """The process is gone without a last word."""


def _ended(code: int) -> str:
    if code < 0:
        return f"DuckDB crashed ({signal.Signals(-code).name})"
    return f"the process ended with {code}"


def serve(works: Mapping[str, Work]) -> None:
    """Answers questions from standard input until it closes."""
    # Whoever prints something must not be taken for an answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        question = json.loads(line)
        try:
            for said in works[question.pop("work")](**question):
                print(json.dumps(said), file=answers, flush=True)
            last: dict[str, Any] = {_DONE: True}
        except TraceError as error:
            last = {_ERROR: error.message, "hint": error.hint, "code": error.code, _FATAL: False}
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            last = {_ERROR: first or type(error).__name__, "hint": None, "code": "", _FATAL: True}
        print(json.dumps(last), file=answers, flush=True)


if __name__ == "__main__":
    from mplp_trace_cli.storage.no_pandas import leave_pandas_out

    leave_pandas_out()
    from mplp_trace_cli.storage.mending.checks import examine_files
    from mplp_trace_cli.storage.mending.salvage import WORKS

    serve({"examine": examine_files, **WORKS})
