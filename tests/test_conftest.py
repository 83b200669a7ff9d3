"""The ground that tests stand on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT, Cli


@pytest.fixture(scope="module")
def left() -> Iterator[list[subprocess.Popen[bytes]]]:
    """What the tests of this module started and left; by its end all of it is gone."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    assert None not in [process.returncode for process in processes]


def test_what_a_test_leaves_running_is_killed(cli: Cli, left: list[subprocess.Popen[bytes]]) -> None:
    """So that a failed test leaks no process."""
    left.append(cli.start("record", "-"))


def test_signals_are_not_ignored_whatever_started_the_tests() -> None:
    """A shell starts what runs in its background without Ctrl-C."""
    asks = (
        "import signal, tests.conftest as _; print(*map(signal.getsignal, (signal.SIGINT, signal.SIGTERM)))"
    )
    words = ["sh", "-c", "trap '' INT TERM; exec \"$@\"", "sh", sys.executable, "-c", asks]
    shown = subprocess.check_output(words, text=True, cwd=ROOT)
    assert "default_int_handler" in shown
    assert "SIG_IGN" not in shown
