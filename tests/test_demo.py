"""The demo: what `make demo` walks through really works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import SAMPLE_DATA, Cli

STEPS = [
    "Import five days of an agent project",
    "Which traces are there",
    "One trace, as a tree with a time line",
    "Events across traces",
    "How things went on the day of the incident",
    "A good run and a bad one",
    "Questions of your own, in SQL",
    "Alert rules, as they were in the middle of the incident and a day before",
    "Record something new",
    "Metrics, counted from any number of processes",
    "Export",
    "The JSON lines make the same store again",
    "A trace around any command, a stage around its parts",
    "For other tools, and back: OpenTelemetry, Perfetto, MPLP documents",
    "A table of another tool: what it would be, then for good",
    "What is not needed any more goes, after a look at what that would be",
    "Lines that cannot be recorded are kept, with the reason",
]


def command_folder(folder: Path) -> Path:
    """A folder with `mplp-trace` and `python` of the interpreter that runs the tests, to put on PATH."""
    folder.mkdir()
    for name, words in (
        ("mplp-trace", f'"{sys.executable}" -m mplp_trace_cli'),
        ("python", f'"{sys.executable}"'),
    ):
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    return folder


def test_the_demo_walks_through_every_step_and_leaves_nothing(cli: Cli) -> None:
    """It ends well, names its steps in order, shows what it promises, and takes its folder away."""
    temporary = cli.folder / "tmp"
    temporary.mkdir()
    path = f"{command_folder(cli.folder / 'bin')}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", SAMPLE_DATA / "demo.sh"],
        capture_output=True,
        text=True,
        env=cli.environment({"PATH": path, "TMPDIR": str(temporary)}),
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    steps = [line.removeprefix("== ") for line in done.stdout.splitlines() if line.startswith("== ")]
    assert steps[:-1] == STEPS
    for shown in ("5,571 events, 204 traces", "Checkout order 46505  failed", "12 rejected", "(exit code 1)"):
        assert shown in done.stdout
    assert list(temporary.iterdir()) == []
