"""Many command lines in one process: for tests of many values, where a process each would cost too much."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from tests.conftest import Cli, Done

_SCRIPT = """
import contextlib, io, json, sys
from mplp_trace_cli.cli.main import main
answers = []
for sys.argv in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main()
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


def many(cli: Cli, command_lines: Iterable[Iterable[str]]) -> list[Done]:
    """Runs the command lines one after the other and tells how each ended."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        input=json.dumps([["mplp-trace", *line] for line in command_lines]),
        capture_output=True,
        text=True,
        env=cli.environment(),
        cwd=cli.folder,
    )
    assert done.returncode == 0, done.stderr
    return [Done(*answer) for answer in json.loads(done.stdout)]
