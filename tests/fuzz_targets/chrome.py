"""Any bytes as a Chrome trace: ours and those of others, closed or cut off."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, chrome_seeds
from tests.helpers_mutations import JSON_WORDS, keys, mutated_json_bytes


def check(data: bytes) -> None:
    """Read as an import reads it."""
    check_bytes(data, "chrome")


WORDS = """
    traceEvents otherData displayTimeUnit metadata beginTimeUnixNano ph ts dur name cat pid tid id id2
    local scope bp args s producer mplp-trace sample duration_ms event_id trace_id process_name
    thread_name end
"""
TARGET = FuzzTarget(
    check,
    [seed.encode() for seed in chrome_seeds()],
    [*keys(WORDS), *JSON_WORDS],
    mutated_json_bytes,
    LONGEST,
)
