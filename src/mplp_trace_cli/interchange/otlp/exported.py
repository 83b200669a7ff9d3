"""What is exported, as records of OTLP in their order: traces, then events, then metric samples.

An event that came from OTLP is the record that it was; any other is written as one of our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.interchange.exporting.chosen import Export, ExportedTrace
from mplp_trace_cli.interchange.otlp.batches import Home, Record
from mplp_trace_cli.interchange.otlp.own_records import (
    event_span,
    own_home,
    sample_metric,
    trace_span,
)
from mplp_trace_cli.interchange.otlp.restoring import Restorer, SpanEvent
from mplp_trace_cli.storage.rows import rows_of
from mplp_trace_cli.storage.sql import statement

KEPT_HOMES = 1_000
OWN_SIZE = 300
"""About how many bytes a record has besides an event's data."""


def exported(export: Export) -> Iterator[Record]:
    """The records of an export."""
    homes = _OwnHomes()
    yield from _traces(export, homes)
    if export.plan.include_events:
        yield from event_records(rows_of(export.db, statement("otlp_events")), homes)
    if export.plan.include_metrics:
        yield from _samples(export, homes)


def event_records(rows: Iterable[tuple[Any, ...]], homes: _OwnHomes | None = None) -> Iterator[Record]:
    """The records of events: of the columns of an EventRow each, and whether its trace is a span too.

    The events of a span must follow it; one that does not is written as one of ours.
    """
    return _Events(homes or _OwnHomes()).records(rows)


def _traces(export: Export, homes: _OwnHomes) -> Iterator[Record]:
    home = homes.of("traces", None)
    for row in rows_of(export.db, statement("otlp_traces")):
        trace = ExportedTrace(*row)
        yield Record(home, trace_span(trace), OWN_SIZE + 2 * len(trace.metadata))


def _samples(export: Export, homes: _OwnHomes) -> Iterator[Record]:
    home = homes.of("metrics", None)
    for row in rows_of(export.db, statement("otlp_metrics")):
        sample = MetricRow(*row)
        yield Record(home, sample_metric(sample), OWN_SIZE + 2 * len(sample.labels))


class _OwnHomes:
    """The homes of our own records, one a source."""

    def __init__(self) -> None:
        self._homes: dict[tuple[str, str | None], Home] = {}

    def of(self, signal: str, source: str | None) -> Home:
        """The home of what came from a source."""
        home = self._homes.get((signal, source))
        if home is None:
            if len(self._homes) >= KEPT_HOMES:
                self._homes.clear()
            resource, scope = own_home(source)
            home = self._homes[signal, source] = Home(signal, {"resource": resource}, {"scope": scope})
        return home


class _Events:
    """Events on their way out: the last span waits for its events."""

    def __init__(self, homes: _OwnHomes) -> None:
        self._homes = homes
        self._restorer = Restorer()
        self._span: tuple[EventRow, Record] | None = None

    def records(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[Record]:
        """The records of events."""
        for row in rows:
            event, has_root = EventRow._make(row[:-1]), row[-1]
            restored = self._restorer.restored(event) if '"otlp":' in event.data else None
            if isinstance(restored, SpanEvent) and self._put_inside(event, restored):
                continue
            yield from self._waiting()
            if not isinstance(restored, Record):
                home = self._homes.of("traces", event.source)
                yield Record(home, event_span(event, has_root=has_root), OWN_SIZE + 2 * len(event.data))
            elif restored.home.signal == "traces":
                self._span = (event, restored)
            else:
                yield restored
        yield from self._waiting()

    def _waiting(self) -> Iterator[Record]:
        if self._span is not None:
            yield self._span[1]
        self._span = None

    def _put_inside(self, event: EventRow, inner: SpanEvent) -> bool:
        """Puts an event of a span into its span, when that is the one before and the place is the next."""
        if self._span is None:
            return False
        span, record = self._span
        place = len(record.body.get("events", ()))
        if not _is_inside(event, span, place):
            return False
        record.body.setdefault("events", []).append(inner.body)
        self._span = (span, record._replace(size=record.size + 2 * len(event.data)))
        return True


def _is_inside(event: EventRow, span: EventRow, place: int) -> bool:
    """True for the event at a place of a span."""
    same = (event.trace_id, event.parent_event_id, event.source) == (
        span.trace_id,
        span.event_id,
        span.source,
    )
    return same and event.event_id == f"{span.event_id}.{place}"
