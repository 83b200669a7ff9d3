"""Any bytes as OTLP in protobuf: request bodies, alone or each after its length."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, otlp_bodies
from tests.helpers_mutations import mutated_message
from tests.helpers_otlp import encoded, framed


def check(data: bytes) -> None:
    """Read as an import reads it."""
    check_bytes(data, "otlp")


SEEDS = [encoded(body) for body in otlp_bodies()]
WORDS = [
    b"\x0a\x00",
    b"\x12\x00",
    b"\xff" * 9 + b"\x01",
    b"\x39" + b"\xff" * 8,
    b"\x80\x80\x80\x80\x10",
    b"\x78\x01",
]
TARGET = FuzzTarget(check, [*SEEDS, framed(SEEDS[:2])], WORDS, mutated_message, LONGEST)
