"""The worked questions: every command of the page, run on the sample project, answers what stands there.

`MPLP_TRACE_UPDATE_GOLDEN=1` writes the answers anew; what changed is then for a person to look at.
"""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.conftest import ROOT, Cli
from tests.test_demo import command_folder
from tests.transcripts import BLOCK

PAGE = ROOT / "docs" / "questions.md"
QUESTION = re.compile(r"^\$ .*\n(?:> .*\n)*", re.MULTILINE)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH with the command in front."""
    return f"{command_folder(tmp_path_factory.mktemp('path') / 'bin')}{os.pathsep}{os.environ['PATH']}"


def answered(block: str, store: Cli, path: str) -> str:
    """A console block with the answers that its commands give now."""
    parts = []
    for question in QUESTION.findall(block):
        command = question.removeprefix("$ ").replace("\n> ", "\n")
        done = subprocess.run(
            ["bash", "-c", command],
            capture_output=True,
            env=store.environment({"PATH": path}),
            cwd=store.folder,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), command
        parts.append(question + done.stdout)
    return "".join(parts)


def test_every_question_has_the_answer_that_is_shown(sample_store: Cli, path: str) -> None:
    """To the letter."""
    page = PAGE.read_text(encoding="utf-8")

    def renewed(match: re.Match[str]) -> str:
        is_console = match[1] == "console"
        return f"```console\n{answered(match[2], sample_store, path)}```" if is_console else match[0]

    now = BLOCK.sub(renewed, page)
    if os.environ.get("MPLP_TRACE_UPDATE_GOLDEN"):
        PAGE.write_text(now, encoding="utf-8")
    assert now == PAGE.read_text(encoding="utf-8")
    assert now.count("\n```console\n") >= 10
