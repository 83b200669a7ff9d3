"""Doctor and its repair after hundreds of damages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.helpers_damage import DAMAGES, check_damage, make_store

SEEDS = 30
pytestmark = pytest.mark.soak


def test_damages_by_many_seeds(tmp_path: Path) -> None:
    """No traceback, nothing changed, nothing twice, nothing made up."""
    template = tmp_path / "sound"
    template.mkdir()
    make_store(template)
    for seed in range(SEEDS):
        for name in DAMAGES:
            folder = tmp_path / "damaged"
            try:
                check_damage(template, folder, name, seed)
            except AssertionError as failure:
                failure.add_note(f"damage {name!r} with seed {seed}")
                raise
            shutil.rmtree(folder)
