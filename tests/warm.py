"""Many commands from one warm process: each is a fork of it, so that starting one costs next to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.conftest import Cli, Done

Words = Sequence[str | bytes | Path]

_LOOP = """
import importlib, json, os, sys
import rich.table
import mplp_trace_cli.interchange.loading, mplp_trace_cli.storage.known
from mplp_trace_cli.cli.app import COMMANDS
from mplp_trace_cli.cli.main import run

for module, _ in COMMANDS.values():
    importlib.import_module(f"mplp_trace_cli.cli.{module}")

results = sys.argv[1]
for at, words in enumerate(json.loads(sys.stdin.read())):
    child = os.fork()
    if not child:
        for stream in (1, 2):
            os.dup2(os.open(f"{results}/{at}.{stream}", os.O_CREAT | os.O_WRONLY), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["mplp-trace", *words]
        run()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def run_all(cli: Cli, commands: Iterable[Words], env: Mapping[str, str] | None = None) -> list[Done]:
    """Runs commands one after the other, none with anything on standard input, and says how each ended."""
    asked = [[os.fsdecode(word) for word in words] for words in commands]
    with tempfile.TemporaryDirectory() as results:
        warm = subprocess.run(
            [sys.executable, "-c", _LOOP, results],
            input=json.dumps(asked),
            stdout=subprocess.PIPE,
            text=True,
            env=cli.environment(env),
            cwd=cli.folder,
            check=True,
            timeout=120,
        )
        codes = [int(line) for line in warm.stdout.split()]
        assert len(codes) == len(asked)
        return [_done(Path(results), at, code) for at, code in enumerate(codes)]


def _done(results: Path, at: int, code: int) -> Done:
    out, err = ((results / f"{at}.{stream}").read_bytes() for stream in (1, 2))
    return Done(code, out.decode(errors="backslashreplace"), err.decode(errors="backslashreplace"), out)
