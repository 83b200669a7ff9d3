"""What tests of `run`, `step` and `hook` share: commands on pipes and on terminals, and what was recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import COMMAND, Cli
from tests.test_demo import command_folder


def events(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    """The events of the newest trace, or of what is asked for, the oldest first."""
    said: list[dict[str, Any]] = json.loads(cli.ok("events", "--json", *(arguments or ("--trace", "@last"))))
    return said


def trace(cli: Cli) -> dict[str, Any]:
    """The newest trace."""
    said: dict[str, Any] = json.loads(cli.ok("show", "@last", "--json"))
    return said


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def path_with_command(cli: Cli) -> str:
    """A PATH on which `mplp-trace` is the command that is tested."""
    folder = cli.folder / "bin"
    if not folder.exists():
        command_folder(folder)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def sent(
    cli: Cli, script: str, *signals: signal.Signals, words: tuple[str, ...] = ("run", "x")
) -> tuple[int, bytes]:
    """Runs a script with its trace, sends signals to us alone once it is ready, and says how it ended."""
    process = cli.start(*words, "--", "bash", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for number in signals:
        process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    return process.returncode, said


def run_plain(
    words: list[str | Path], cli: Cli, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs any command line in the folder and environment of the command."""
    return subprocess.run(words, capture_output=True, env=cli.environment(env), cwd=cli.folder, timeout=60)


def wrapped(*words: str) -> list[str | Path]:
    """A command line of ours in an interpreter of its own."""
    return [*COMMAND, *words]
