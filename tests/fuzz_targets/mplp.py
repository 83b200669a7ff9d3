"""Any bytes as MPLP trace documents."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, mplp_seeds
from tests.helpers_mutations import JSON_WORDS, keys, mutated_json_bytes


def check(data: bytes) -> None:
    """Read as an import reads it."""
    check_bytes(data, "mplp")


WORDS = """
    meta protocol_version schema_version created_at tags trace_id context_id plan_id root_span span_id
    parent_span_id attributes status started_at finished_at segments segment_id label events event_id
    event_type source timestamp data governance mplp_trace original level message duration_ms
"""
TARGET = FuzzTarget(
    check,
    [seed.encode() for seed in mplp_seeds()],
    [*keys(WORDS), *JSON_WORDS],
    mutated_json_bytes,
    LONGEST,
)
