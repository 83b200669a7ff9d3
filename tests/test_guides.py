"""The guides: a reader who types what they show sees what they show."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cli
from tests.transcripts import play

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_shows_what_happens(cli: Cli, guide: Path) -> None:
    """Its files are written down, its commands run in order by the installed command."""
    installed = Path(sys.executable).parent
    path = f"{installed}{os.pathsep}{os.environ['PATH']}"
    assert play(guide, cli, {"PATH": path}) > 5
