"""The page about metrics: what its console blocks show really happens."""

from __future__ import annotations

import os

from tests.conftest import ROOT, Cli
from tests.terminal import COLOR, run_on_terminal
from tests.test_demo import command_folder
from tests.transcripts import blocks, steady, transcript


def test_the_transcript_is_what_happens(cli: Cli) -> None:
    """Its commands run in order on a terminal, and each shows what stands there."""
    path = f"{command_folder(cli.folder / 'bin')}{os.pathsep}{os.environ['PATH']}"
    commands = 0
    for language, text in blocks(ROOT / "docs" / "metrics.md"):
        for command, shown in transcript(text) if language == "console" else ():
            done = run_on_terminal(cli, ["bash", "-c", command], env={"PATH": path})
            seen = COLOR.sub("", done.stdout).replace("\r", "")
            assert steady(seen) == steady(shown), command
            commands += 1
    assert commands == 9
