"""What callers ask about what is kept: immutable filters, pages, and what to export and import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.requests import Instant
from mplp_trace_cli.domain.times import checked_instant, from_datetime, parse_instant


class TimeRange(NamedTuple):
    """From `start`, inclusive, to `end`, exclusive; None leaves that side open."""

    start: Instant | None = None
    end: Instant | None = None

    def bounds(self) -> tuple[int | None, int | None]:
        """Both ends in microseconds since 1970; raises InvalidInput."""
        start, end = to_instant(self.start, "time_range.start"), to_instant(self.end, "time_range.end")
        if start is not None and end is not None and end < start:
            raise InvalidInput("time_range: ends before it starts")
        return start, end


_MOST_ROWS = 2**63


def time_range_of(value: TimeRange | Mapping[str, Any] | None) -> TimeRange:
    """The range of any way to give one; raises InvalidInput."""
    if value is None or isinstance(value, TimeRange):
        return value or TimeRange()
    if not isinstance(value, Mapping):
        raise InvalidInput("time_range: must be a TimeRange, or a mapping of start and end")
    unknown = sorted(set(value) - {"start", "end"})
    if unknown:
        raise InvalidInput(f"time_range.{unknown[0]}: there are start and end")
    return TimeRange(**value)


def to_instant(value: Instant | None, field_name: str) -> int | None:
    """Microseconds since 1970 of any way to give an instant; raises InvalidInput."""
    if value is None or isinstance(value, str):
        return None if value is None else parse_instant(value, field_name)
    instant = from_datetime(value) if isinstance(value, datetime) else value
    if type(instant) is not int:
        raise InvalidInput(f"{field_name}: must be RFC 3339 text, a datetime, or microseconds since 1970")
    return checked_instant(instant, f"{field_name}: the instant")


class TraceFilter(NamedTuple):
    """Which traces: values of one field widen, different fields narrow. Names are globs."""

    context_ids: Sequence[str] = ()
    execution_ids: Sequence[str] = ()
    trace_ids: Sequence[str] = ()
    trace_types: Sequence[str] = ()
    status: Sequence[str] = ()
    names: Sequence[str] = ()
    tags: Sequence[str] = ()
    metadata: Sequence[tuple[str, str]] | Mapping[str, Any] = ()
    """Pairs of a path and a value; the value is JSON text or plain text."""
    time_range: TimeRange | Mapping[str, Any] | None = None
    has_errors: bool | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    text: Sequence[str] = ()


class EventFilter(NamedTuple):
    """Which events: values of one field widen, different fields narrow. Event types are globs."""

    trace_ids: Sequence[str] = ()
    event_types: Sequence[str] = ()
    levels: Sequence[str] = ()
    min_level: str | None = None
    sources: Sequence[str] = ()
    data: Sequence[tuple[str, str]] | Mapping[str, Any] = ()
    time_range: TimeRange | Mapping[str, Any] | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    text: Sequence[str] = ()


@dataclass(frozen=True)
class Pagination:
    """One page of an answer: `page` counts from 1; without a limit there is one page."""

    page: int = 1
    limit: int | None = None
    sort: str | None = None
    """A field, with `:desc` for the greatest first."""

    def __post_init__(self) -> None:
        if type(self.page) is not int or self.page < 1:
            raise InvalidInput("page: a whole number that counts from 1")
        if self.limit is not None and (type(self.limit) is not int or self.limit < 0):
            raise InvalidInput("limit: must be a whole number, not negative")
        if self.offset + (self.limit or 0) >= _MOST_ROWS:
            raise InvalidInput("page and limit: no store has so many rows")
        if self.limit is None and self.page > 1:
            raise InvalidInput("page: needs a limit")

    @property
    def offset(self) -> int:
        """How many rows come before this page."""
        return (self.page - 1) * (self.limit or 0)


class TraceAggregation(NamedTuple):
    """Groups and figures instead of rows; nothing given is one group of all.

    `group_by` are columns, `tag`, or paths into JSON (`meta.PATH` of traces, `data.PATH` of events);
    `metrics` are names, or functions over a path such as `sum(data.tokens)`, by default count,
    avg_duration and error_rate; `time_bucket` is `1m`, `15m`, `1h`, `1d`, `1w` or minute, hour, day, week.
    """

    group_by: Sequence[str] = ()
    metrics: Sequence[str] = ()
    time_bucket: str | None = None


class ExportRequest(NamedTuple):
    """What to write and how; `format` None takes it from the suffix of `destination`."""

    destination: str
    filter: TraceFilter = TraceFilter()
    format: str | None = None
    compression: str | None = None
    include_events: bool | None = None
    include_metrics: bool = False
    partition_by: str | None = None
    csv_safe: bool = False
    umask: int | None = None
    """The permissions that new files do not get; None is the process's own."""


class ColumnMapping(NamedTuple):
    """How the columns of a table become fields of records: of csv and parquet."""

    fields: Mapping[str, str] = {}
    """The column of each field that is called otherwise."""
    defaults: Mapping[str, str] = {}
    """The value of a field in rows that have none."""
    time_format: str | None = None
    """How times are written: a pattern of strptime, or s, ms, us, ns since 1970; None is RFC 3339.

    A time without a zone is UTC. Parquet that has real times needs none.
    """
    duration_unit: str = "ms"
    """The unit of durations: ns, us, ms, s."""


class ImportRequest(NamedTuple):
    """Files to load; `-` is standard input, a folder that an export made stands for the files in it.

    `again` loads files that were loaded before. `mapping` says which columns of csv and parquet are which
    fields: `mapping={"fields": {"event_type": "EventType"}, "duration_unit": "us"}`. With `dry_run` nothing
    is recorded, and the report tells what would be: counts, and in `preview` the first records and rejects.
    """

    files: Sequence[str]
    input_format: str = "auto"
    create_missing: bool = False
    strict: bool = False
    again: bool = False
    mapping: ColumnMapping | Mapping[str, Any] = ColumnMapping()
    dry_run: bool = False


class PurgeRequest(NamedTuple):
    """Finished traces to delete with their events: those that pass the filter and ended before `before`.

    Metric samples from before then go too where nothing is filtered. One of the two is needed. A dry run,
    which it is unless that is switched off, only tells how much it would be.
    """

    before: Instant | None = None
    filter: TraceFilter | Mapping[str, Any] = TraceFilter()
    dry_run: bool = True
