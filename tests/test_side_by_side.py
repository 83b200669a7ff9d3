"""Many uses of one store side by side, for seconds here and for minutes in the soak."""

from __future__ import annotations

from pathlib import Path

from tests.side_by_side import Scene


def test_everything_side_by_side(tmp_path: Path) -> None:
    """Recorders, followers, questions, alerts, purge and compact: nothing lost, doubled or failed."""
    scene = Scene(tmp_path)
    scene.play(5)
    scene.check()
    assert all(actor.took or actor.memory for actor in scene.actors)
