"""Any bytes as OTLP/JSON: lines of request bodies, or a document of them."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, otlp_seeds
from tests.helpers_mutations import JSON_WORDS, keys, mutated_json_bytes


def check(data: bytes) -> None:
    """Read as an import reads it."""
    check_bytes(data, "otlp")


WORDS = """
    resourceSpans resourceLogs resourceMetrics resource scopeSpans scopeLogs scopeMetrics scope spans
    logRecords metrics traceId spanId parentSpanId name kind startTimeUnixNano endTimeUnixNano
    attributes key value stringValue intValue doubleValue boolValue bytesValue arrayValue kvlistValue
    values events links status code message traceState flags timeUnixNano severityNumber body gauge sum
    histogram exponentialHistogram summary dataPoints asInt asDouble bucketCounts explicitBounds
    exemplars resource_spans trace_id start_time_unix_nano instrumentationLibrary otlp schemaUrl
    droppedAttributesCount
"""
TARGET = FuzzTarget(
    check,
    [seed.encode() for seed in otlp_seeds()],
    [*keys(WORDS), *JSON_WORDS],
    mutated_json_bytes,
    LONGEST,
)
