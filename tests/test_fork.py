"""Forks: parent and child both go on recording; nothing is lost, nothing is there twice, nobody hangs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Cli
from tests.fork_programs import CHILDREN


def found(program: str, db: Path) -> dict[str, Any]:
    """What a program of `fork_programs` says."""
    words = [sys.executable, "-W", "error", "-m", "tests.fork_programs", program, str(db)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_children_of_a_busy_parent(db: Path) -> None:
    """Many forks while threads record, fold and ask: each side's events are there once, and no child ends
    the trace that it was forked in."""
    said = found("crowd", db)
    assert said["codes"] == [0] * (CHILDREN + 1)
    assert (said["wrong"], said["named"]) == ([], 2 * CHILDREN + 1)
    assert said["stages"] == {"stage_started": CHILDREN + 1, "stage_completed": CHILDREN + 1}
    assert said["status"] == [["completed"]]


def test_a_child_folds_for_itself(db: Path, cli: Cli) -> None:
    """From when it records on it has a folding thread of its own; closing its module twice does no harm."""
    said = found("alone", db)
    assert said["code"] == [0]
    child = json.loads(said["said"])
    assert child == {"threads": ["MainThread", "mplp-trace-fold"], "clean": True}
    assert len(json.loads(cli.ok("events", "--event-type", "child", "--format", "json"))) == 100


def test_a_child_forked_inside_a_question(db: Path) -> None:
    """The connection of the parent goes on; the child leaves it alone, and records."""
    said = found("inside_a_question", db)
    assert (said["count"], said["codes"]) == ([1], [0])
    assert sorted(said["types"]) == ["before", "child", "parent"]


def test_listeners_and_streams_stay_with_the_parent(db: Path) -> None:
    """The parent's hear what the parent records, and its stream what both do; the child's are ended."""
    said = found("watched", db)
    assert (said["codes"], said["heard"]) == ([0], ["before", "after"])
    assert said["seen"] == ["before", "child", "after"]
