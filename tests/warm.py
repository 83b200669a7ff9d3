"""Many commands from one warm process: each is a fork of it, so that starting one costs next to nothing."""

from __future__ import annotations

import atexit
import functools
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Cli, Done

ROOT = Path(__file__).resolve().parent.parent
_one_at_a_time = threading.Lock()

_LOOP = """
import functools, json, os, signal, sys
import tests.everything
from mplp_trace_cli.cli import app
from mplp_trace_cli.cli.main import run

app._command = functools.cache(app._command)
for name in app.COMMANDS:
    list(getattr(app._command(name), "commands", {}).items())
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        os.setsid()
        for stream, path in enumerate(asked["streams"]):
            os.dup2(os.open(path, os.O_RDWR | os.O_NOCTTY), stream)
        sys.argv = ["mplp-trace", *asked["words"]]
        signal.alarm(asked["timeout"])
        run()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def run_all(
    cli: Cli,
    commands: Iterable[Sequence[str | bytes | Path]],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> list[Done]:
    """Runs commands one after the other, each with `stdin` to read, and says how each ended."""
    return [cli(*words, stdin=stdin, env=env) for words in commands]


def run_warm(
    words: Sequence[str], stdin: bytes, env: Mapping[str, str], cwd: Path, timeout: int
) -> tuple[int, bytes, bytes]:
    """Runs one to its end: exit code, stdout, stderr; those of several threads one after the other.

    The exit code is -14 when that many seconds passed first.
    """
    with tempfile.TemporaryDirectory() as folder:
        streams = [f"{folder}/{stream}" for stream in (0, 1, 2)]
        for path, content in zip(streams, (stdin, b"", b""), strict=True):
            Path(path).write_bytes(content)
        code = run_between(streams, words, env, cwd, timeout)
        out, err = (Path(path).read_bytes() for path in streams[1:])
    return code, out, err


def run_between(
    streams: Sequence[str], words: Sequence[str], env: Mapping[str, str], cwd: Path, timeout: int
) -> int:
    """The exit code of one whose streams are those files, or a terminal."""
    asked = {"words": words, "env": dict(env), "cwd": str(cwd), "streams": streams, "timeout": timeout}
    with _one_at_a_time:
        warm = _warm()
        assert warm.stdin is not None
        assert warm.stdout is not None
        warm.stdin.write(json.dumps(asked) + "\n")
        warm.stdin.flush()
        return int(warm.stdout.readline())


@functools.cache
def _warm() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    atexit.register(process.communicate)
    return process
