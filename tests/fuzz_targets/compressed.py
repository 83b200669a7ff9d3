"""Any bytes as a file whose format nobody told, compressed as a rule."""

from __future__ import annotations

import random

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, small_seeds
from tests.helpers_mutations import mutated_bytes, mutated_stream, packed


def check(data: bytes) -> None:
    """Recognised and read as an import does it."""
    check_bytes(data, "auto")


def mutate(chance: random.Random, data: bytes) -> bytes:
    """The stream is damaged; or it is packed once more, cut, or followed by something."""
    return mutated_stream(chance, data) if chance.random() < 0.1 else mutated_bytes(chance, data)


SEEDS = [packed(seed, how) for number, seed in enumerate(small_seeds()) for how in ((number % 3),)]
TARGET = FuzzTarget(check, [*SEEDS, *small_seeds()], [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"], mutate, LONGEST)
