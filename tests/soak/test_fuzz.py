"""An hour of fuzzing: any bytes for every target, and drawn values where bytes say too little."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from tests.fuzz_targets import TARGETS
from tests.helpers_folding import STEPS, check_folding
from tests.helpers_foreign import check_seed
from tests.helpers_lines import RULES, assert_same, check_recorded
from tests.helpers_round_trips import FILLS, WAYS, check_round_trips
from tests.soak.fuzzing import MINUTES, fuzz_bytes, fuzz_values
from tests.test_decoder_differential import blocks, lines

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]


def test_the_hour_is_shared_out() -> None:
    """The parts are an hour together, and every target has one."""
    assert sum(MINUTES.values()) == 60
    assert MINUTES.keys() >= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_fuzz_bytes(name: str) -> None:
    """No bytes make a fault of ours."""
    fuzz_bytes(name)


def test_fuzz_line_blocks() -> None:
    """Lines made of good and bad parts are the same in bulk and one by one."""
    drawn = st.lists(lines(), min_size=1, max_size=30).map(b"\n".join) | blocks()
    fuzz_values("line_blocks", assert_same, drawn, st.sampled_from(RULES))


def test_fuzz_recorded_lines() -> None:
    """Of lines that are streamed and imported none is lost, and a reject has its bytes."""
    pieces = (
        lines() | blocks() | st.binary(max_size=20) | st.sampled_from([b"", b" \r", b"\xef\xbb\xbf", b"\x00"])
    )
    fuzz_values("recorded_lines", check_recorded, st.lists(pieces, max_size=12).map(b"\n".join), examples=20)


def test_fuzz_folding() -> None:
    """No fold changes an answer, whatever was recorded, loaded, ended and purged before it."""
    fuzz_values("folding", check_folding, STEPS, examples=5, shrinks=False)


def test_fuzz_round_trips() -> None:
    """A store that goes from format to format stays what it is, but for what a format cannot carry."""
    fuzz_values("round_trips", check_round_trips, FILLS, WAYS, examples=10, shrinks=False)


def test_fuzz_imports() -> None:
    """Of foreign files, changed anywhere, what is taken is all there; what is refused leaves nothing."""
    fuzz_values("imports", check_seed, st.integers(0, 2**32 - 1), examples=2, shrinks=False)
