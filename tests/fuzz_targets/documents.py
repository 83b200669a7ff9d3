"""Any bytes as JSON documents of our own form."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, json_seeds
from tests.helpers_mutations import JSON_WORDS, keys, mutated_json_bytes


def check(data: bytes) -> None:
    """Read as an import reads it."""
    check_bytes(data, "json")


WORDS = """
    traces events metrics summary trace_id event_id event_type name value data metadata tags status
    started_at completed_at expires_at labels buckets kind
"""
TARGET = FuzzTarget(
    check,
    [seed.encode() for seed in json_seeds()],
    [*keys(WORDS), *JSON_WORDS],
    mutated_json_bytes,
    LONGEST,
)
