"""Any bytes as a table of parquet."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, parquet_seeds


def check(data: bytes) -> None:
    """Read as an import reads it."""
    check_bytes(data, "parquet")


TARGET = FuzzTarget(
    check, parquet_seeds(), [b"PAR1", b"ARROW:schema", b"\x15\x00", b"\x19\x2c"], longest=LONGEST
)
