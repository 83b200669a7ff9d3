"""Ten minutes of everything side by side: nothing lost or doubled, memory and latency flat."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.side_by_side import Scene, quantile, table, thirds

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]

SECONDS = float(os.environ.get("MPLP_TRACE_SOAK_SECONDS", "600"))
MOST_SLOWER = 2.0
LEAST_SLOWER_SECONDS = 0.25
"""Differences below it are the noise of a busy machine."""
MOST_GROWTH_BYTES = 24_000_000


def test_ten_minutes_side_by_side(tmp_path: Path) -> None:
    """8 recorders, 2 streams, 2 followers, questions, dashboards, alerts, purge and compact."""
    scene = Scene(tmp_path)
    scene.play(SECONDS)
    print(f"\n{table(scene.actors)}")
    scene.check()
    for actor in scene.actors:
        early, late = thirds(actor.took)
        if len(early) > 10:
            most = max(MOST_SLOWER * quantile(early, 0.5), quantile(early, 0.5) + LEAST_SLOWER_SECONDS)
            assert quantile(late, 0.5) < most, f"{actor.name} grew slower"
        first, last = thirds(actor.memory)
        if len(first) > 10:
            assert max(last) - max(first) < MOST_GROWTH_BYTES, f"{actor.name} grew larger"
