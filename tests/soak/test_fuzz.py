"""An hour of fuzzing: any bytes for every target, and drawn values where bytes say too little."""

from __future__ import annotations

import pytest

from tests.fuzz_targets import TARGETS
from tests.helpers_folding import STEPS, check_folding
from tests.helpers_round_trips import FILLS, WAYS, check_round_trips
from tests.soak.fuzzing import MINUTES, fuzz_bytes, fuzz_values

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]


def test_the_hour_is_shared_out() -> None:
    """The parts are an hour together, and every target has one."""
    assert sum(MINUTES.values()) == 60
    assert MINUTES.keys() >= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_fuzz_bytes(name: str) -> None:
    """No bytes make a fault of ours."""
    fuzz_bytes(name)


def test_fuzz_folding() -> None:
    """No fold changes an answer, whatever was recorded, loaded, ended and purged before it."""
    fuzz_values("folding", check_folding, STEPS, examples=20, shrinks=False)


def test_fuzz_round_trips() -> None:
    """A store that goes from format to format stays what it is, but for what a format cannot carry."""
    fuzz_values("round_trips", check_round_trips, FILLS, WAYS, examples=20, shrinks=False)
