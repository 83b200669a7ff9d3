"""What tests of spans share: instrumented programs, and spans as a sender of OTLP encodes them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from tests.conftest import Cli, Done

CONFIGURED = """
import os, sys, time
from opentelemetry import trace
from opentelemetry.sdk._configuration import _OTelSDKConfigurator
_OTelSDKConfigurator().configure()
tracer = trace.get_tracer("shop", "1.2")
"""
"""The beginning of a program that is set up by the environment, as `opentelemetry-instrument` does it."""
SETTINGS = {
    "OTEL_TRACES_EXPORTER": "mplp_trace",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "shop",
}


def run_program(cli: Cli, code: str, env: Mapping[str, str] | None = None) -> Done:
    """Runs a configured program to its end, which records into the store of `cli`."""
    environment = cli.environment({**SETTINGS, **(env or {})})
    words = [sys.executable, "-c", CONFIGURED + code]
    done = subprocess.run(words, env=environment, cwd=cli.folder, capture_output=True, text=True, timeout=60)
    return Done(done.returncode, done.stdout, done.stderr)


def request_of(spans: Iterable[ReadableSpan]) -> ExportTraceServiceRequest:
    """The request in which an OTLP exporter would send spans, all of them of one resource and scope."""
    listed = list(spans)
    scope, resource = listed[0].instrumentation_scope, listed[0].resource
    assert scope is not None
    named = InstrumentationScope(
        name=scope.name, version=scope.version or "", attributes=_pairs(scope.attributes)
    )
    of_scope = ScopeSpans(scope=named, spans=map(_span, listed), schema_url=scope.schema_url or "")
    of_resource = ResourceSpans(
        resource=Resource(attributes=_pairs(resource.attributes)),
        scope_spans=[of_scope],
        schema_url=resource.schema_url,
    )
    return ExportTraceServiceRequest(resource_spans=[of_resource])


def _span(span: ReadableSpan) -> Span:
    context, status = span.context, span.status
    return Span(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        trace_state=context.trace_state.to_header(),
        parent_span_id=b"" if span.parent is None else span.parent.span_id.to_bytes(8, "big"),
        flags=_flags(span.parent),
        name=span.name,
        kind=span.kind.value + 1,  # type: ignore[arg-type]
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
        attributes=_pairs(span.attributes),
        dropped_attributes_count=span.dropped_attributes,
        events=[
            Span.Event(
                time_unix_nano=event.timestamp,
                name=event.name,
                attributes=_pairs(event.attributes),
                dropped_attributes_count=event.dropped_attributes,
            )
            for event in span.events
        ],
        dropped_events_count=span.dropped_events,
        links=[
            Span.Link(
                trace_id=link.context.trace_id.to_bytes(16, "big"),
                span_id=link.context.span_id.to_bytes(8, "big"),
                trace_state=link.context.trace_state.to_header(),
                attributes=_pairs(link.attributes),
                dropped_attributes_count=link.dropped_attributes,
                flags=_flags(link.context),
            )
            for link in span.links
        ],
        dropped_links_count=span.dropped_links,
        status=Status(code=status.status_code.value, message=status.description or ""),  # type: ignore[arg-type]
    )


def _flags(context: SpanContext | None) -> int:
    return 0x300 if context is not None and context.is_remote else 0x100


def _pairs(attributes: Mapping[str, Any] | None) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(one)) for key, one in (attributes or {}).items()]


def _value(value: Any) -> AnyValue:
    filled = AnyValue()
    if isinstance(value, bool):
        filled.bool_value = value
    elif isinstance(value, str):
        filled.string_value = value
    elif isinstance(value, int):
        filled.int_value = value
    elif isinstance(value, float):
        filled.double_value = value
    elif isinstance(value, bytes):
        filled.bytes_value = value
    elif isinstance(value, Mapping):
        filled.kvlist_value.SetInParent()
        filled.kvlist_value.values.extend(_pairs(value))
    elif value is not None:
        filled.array_value.SetInParent()
        filled.array_value.values.extend(_value(one) for one in value)
    return filled
