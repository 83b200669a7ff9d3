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

_one_at_a_time = threading.Lock()

_LOOP = """
import contextlib, importlib, json, os, pkgutil, signal, sys
import concurrent.futures.thread, dateutil.relativedelta, filelock, psutil, rich.table, typer.rich_utils
import mplp_trace_cli
from mplp_trace_cli.cli.main import run

threaded = ("google", "opentelemetry", "pyarrow")  # they start threads, which no fork has
sys.modules.update(dict.fromkeys(threaded))
for found in pkgutil.walk_packages(mplp_trace_cli.__path__, "mplp_trace_cli."):
    if not found.name.endswith("__main__"):
        with contextlib.suppress(ImportError):
            importlib.import_module(found.name)
for name in threaded:
    del sys.modules[name]
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        for stream in (0, 1, 2):
            os.dup2(os.open(f"{asked['streams']}/{stream}", os.O_RDWR), stream)
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
    with tempfile.TemporaryDirectory() as folder, _one_at_a_time:
        files = [Path(folder, str(stream)) for stream in (0, 1, 2)]
        for file, content in zip(files, (stdin, b"", b""), strict=True):
            file.write_bytes(content)
        warm = _warm()
        assert warm.stdin is not None
        assert warm.stdout is not None
        asked = {"words": words, "env": env, "cwd": str(cwd), "streams": folder, "timeout": timeout}
        warm.stdin.write(json.dumps(asked) + "\n")
        warm.stdin.flush()
        code = int(warm.stdout.readline())
        out, err = (file.read_bytes() for file in files[1:])
    return code, out, err


@functools.cache
def _warm() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _LOOP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.communicate)
    return process
