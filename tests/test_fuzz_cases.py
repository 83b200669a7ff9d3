"""What fuzzing has found stays mended: every target gets its seeds and the inputs that once failed."""

from __future__ import annotations

import pytest

from tests.fuzz_targets import CASES, TARGETS, fuzz_target, kept_cases


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_kept_cases_show_no_fault(name: str) -> None:
    """They are taken or refused as they should be; the one that is not is named."""
    target = fuzz_target(name)
    cases = {path.name: path.read_bytes() for path in kept_cases(name)}
    cases |= {f"seed {number}": text for number, text in enumerate(target.seeds)}
    for case, text in cases.items():
        try:
            target.check(text)
        except BaseException as failure:
            failure.add_note(f"{name}, {case}: {text[:1_000].hex()}")
            raise


def test_every_kept_case_has_a_target() -> None:
    """A folder of cases is named after its target."""
    assert {path.name for path in CASES.glob("*")} <= set(TARGETS)
