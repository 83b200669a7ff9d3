"""The use cases that ask: what is kept, and what it amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.service.base import ServiceBase, operation, request_of

if TYPE_CHECKING:
    from mplp_trace_cli.analysis.answers import (
        EventQueryResult,
        TraceQueryResult,
        TraceWithEvents,
    )
    from mplp_trace_cli.domain.diff import TraceDiff
    from mplp_trace_cli.domain.questions import EventFilter, Pagination, TraceAggregation, TraceFilter


class AskingService(ServiceBase):
    """Answers questions; light to import, since each method imports what it needs."""

    def resolve_trace(self, text: str) -> str:
        """The trace, open or not, that an id, a prefix or `@last` means; raises NotFound, AmbiguousId."""
        from mplp_trace_cli.analysis.lookup import resolve_trace

        with self.reading() as db:
            return resolve_trace(db, text)

    @operation
    def get_trace_by_id(self, trace_id: str, max_events: int | None = None) -> TraceWithEvents:
        """The trace of exactly that id, its events in order (the first `max_events`), its summary."""
        from mplp_trace_cli.analysis.lookup import get_trace

        with self.reading() as db:
            return get_trace(db, trace_id, max_events)

    @operation
    def query_traces(
        self,
        filter: TraceFilter | Mapping[str, Any] | None = None,
        aggregation: TraceAggregation | None = None,
        pagination: Pagination | Mapping[str, Any] | None = None,
    ) -> TraceQueryResult:
        """The traces that pass a filter, newest first, a page at a time."""
        from mplp_trace_cli.analysis.answers import TraceQueryResult
        from mplp_trace_cli.analysis.queries import query_traces
        from mplp_trace_cli.domain.questions import Pagination, TraceFilter

        _no_aggregation(aggregation)
        page = request_of(Pagination, pagination, {})
        with self.reading() as db:
            answer = query_traces(db, request_of(TraceFilter, filter, {}), page)
            return TraceQueryResult(answer.held(), page.page, page.limit)

    @operation
    def query_events(
        self,
        filter: EventFilter | Mapping[str, Any] | None = None,
        aggregation: TraceAggregation | None = None,
        pagination: Pagination | Mapping[str, Any] | None = None,
    ) -> EventQueryResult:
        """The events that pass a filter, oldest first, a page at a time."""
        from mplp_trace_cli.analysis.answers import EventQueryResult
        from mplp_trace_cli.analysis.queries import query_events
        from mplp_trace_cli.domain.questions import EventFilter, Pagination

        _no_aggregation(aggregation)
        page = request_of(Pagination, pagination, {})
        with self.reading() as db:
            answer = query_events(db, request_of(EventFilter, filter, {}), page)
            return EventQueryResult(answer.held(), page.page, page.limit)

    @operation
    def diff_traces(self, first: str, second: str, threshold: float = 10.0) -> TraceDiff:
        """What differs between the traces of exactly those ids; `threshold` is of durations, in percent."""
        from mplp_trace_cli.analysis.lookup import get_trace
        from mplp_trace_cli.domain.diff import diff_traces

        with self.reading() as db:
            one, other = (get_trace(db, trace_id, None).trace for trace_id in (first, second))
        return diff_traces(one, other, threshold)


def _no_aggregation(aggregation: TraceAggregation | None) -> None:
    if aggregation is not None:
        raise InvalidInput("aggregation: this version answers with rows only", hint="mplp-trace sql")
