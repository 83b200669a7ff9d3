"""What callers ask to be recorded and what they get back: immutable requests and results.

Named tuples, because every recording command makes these classes and a dataclass takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar

from mplp_trace_cli.domain.enums import TraceStatus
from mplp_trace_cli.domain.errors import TraceError

Instant = datetime | str | int
"""A datetime, RFC 3339 text, or microseconds since 1970."""

T = TypeVar("T")


class OperationResult(NamedTuple, Generic[T]):
    """How a call ended: `data` on success, else `error` with code, message, hint and details."""

    success: bool
    data: T | None = None
    error: TraceError | None = None

    def unwrap(self) -> T:
        """The data; raises the error when there is one."""
        if self.error is not None:
            raise self.error
        return self.data  # type: ignore[return-value]


class CreateTraceRequest(NamedTuple):
    """A new trace; `timeout` is in ms, after which the trace is expired."""

    context_id: str
    name: str
    trace_type: str = "workflow_execution"
    execution_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | str | None = None
    tags: Sequence[str] = ()
    timeout: float | None = None
    trace_id: str | None = None
    started_at: Instant | None = None


class RecordEventRequest(NamedTuple):
    """A new event of an active trace; `data` is a mapping or the text of a JSON object."""

    trace_id: str
    event_type: str
    level: str | None = None
    message: str | None = None
    data: Mapping[str, Any] | str | None = None
    timestamp: Instant | None = None
    duration_ms: float | None = None
    parent_event_id: str | None = None
    source: str | None = None
    event_id: str | None = None


class TraceFields(TypedDict, total=False):
    """The fields of `CreateTraceRequest` but its name, as keywords that an editor knows."""

    context_id: str
    trace_type: str
    execution_id: str | None
    description: str | None
    metadata: Mapping[str, Any] | str | None
    tags: Sequence[str]
    timeout: float | None
    trace_id: str | None
    started_at: Instant | None


class EventFields(TypedDict, total=False):
    """The fields of `RecordEventRequest` that a place does not give, nor the words of an event."""

    timestamp: Instant | None
    duration_ms: float | None
    parent_event_id: str | None
    source: str | None
    event_id: str | None


class RecordMetricRequest(NamedTuple):
    """One sample of a metric; a type, unit, help or buckets left out are those that the options declare.

    Without a declaration the type is gauge. Of a counter `value` is the increment.
    """

    name: str
    value: float
    type: str | None = None
    unit: str | None = None
    help: str | None = None
    labels: Mapping[str, str] | str | None = None
    buckets: Sequence[float] | None = None
    timestamp: Instant | None = None


class EndTraceRequest(NamedTuple):
    """The end of an active trace, by default now; `message` goes into an error event beside it."""

    trace_id: str
    status: TraceStatus
    at: Instant | None = None
    message: str | None = None


class GetTraceRequest(NamedTuple):
    """Which trace to get, and how many of its events at the most."""

    trace_id: str
    max_events: int | None = None


class ExpireRequest(NamedTuple):
    """Which active traces end: those past `expires_at` in any case.

    `idle` is in ms: those in which nothing has happened for so long end as expired. `killed`: those whose
    process has ended end as failed. A dry run only tells which they are.
    """

    idle: float | None = None
    killed: bool = False
    dry_run: bool = False


class EndedTrace(NamedTuple):
    """A trace that `expire` ended, and why: `timeout`, `idle` or `killed`."""

    trace_id: str
    name: str
    status: TraceStatus
    ended_at: int
    """Microseconds since 1970."""
    reason: str


class PurgeReport(NamedTuple):
    """What a purge took, or would take in a dry run; `bytes` is an estimate, None in a small store."""

    dry_run: bool
    traces: int
    events: int
    metrics: int
    bytes: int | None
    oldest: int | None
    """When the first of it ended or was measured, in microseconds since 1970; None where nothing goes."""
    newest: int | None


class CompactReport(NamedTuple):
    """The bytes of a store before and after it was written anew."""

    bytes_before: int
    bytes_after: int
