"""The guides: a reader who types what they show sees what they show."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import GUIDE_TOOLS, ROOT, SAMPLE_DATA, Cli
from tests.transcripts import left_on_screen, play, steady, transcript

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_shows_what_happens(cli: Cli, guide: Path) -> None:
    """Its files are written down, its commands run in order beside the sample data, as in a checkout."""
    (cli.folder / SAMPLE_DATA.name).symlink_to(SAMPLE_DATA)
    installed = Path(sys.executable).parent
    path = f"{installed}{os.pathsep}{os.environ['PATH']}"
    assert play(guide, cli, {"PATH": path, "MPLP_TRACE_DB": "", "PYTHONPATH": str(GUIDE_TOOLS)}) > 5


def test_a_bar_that_was_taken_away_is_not_shown() -> None:
    """An import that takes longer than a second draws one; what stands before and after it stays."""
    drawn = "\x1b[?25l\x1b[90m━━━\x1b[0m\r\x1b[2K━━━ 75/75 bytes\r\n\x1b[?25h\r\x1b[1A\x1b[2K"
    assert left_on_screen(f"before\r\n{drawn}traces\r\n{drawn}1 trace\r\n") == "before\ntraces\n1 trace\n"


def test_a_command_may_go_on_over_lines() -> None:
    """As long as they begin as a shell asks for more; what comes after is its answer."""
    text = '$ sql "\n> SELECT 1\n> AS one"\none\n> 1\n$ ls\n$ pwd\n/tmp\n'
    assert list(transcript(text)) == [
        ('sql "\nSELECT 1\nAS one"', "one\n> 1\n"),
        ("ls", ""),
        ("pwd", "/tmp\n"),
    ]


def test_what_may_vary() -> None:
    """Ids, times, spans and how much slower; not counts, nor shares."""
    assert steady("4f1c2b3a  +4.92s  +2,451%\n") == steady("0f1c2b3a  +14.2s  +9%\n")
    assert steady("12.5%  3 events") == "12.5% 3 events"


def test_a_page_that_leaves_a_process_fails(cli: Cli, tmp_path: Path) -> None:
    """And the process does not outlive the test."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ nohup sleep 77 > /dev/null 2>&1 < /dev/null & sleep 0.5\n```\n", "utf-8")
    with pytest.raises(AssertionError, match="the page leaves processes"):
        play(page, cli, {}, patience=0.1)
    assert not any(process.info["cmdline"] == ["sleep", "77"] for process in psutil.process_iter(["cmdline"]))
