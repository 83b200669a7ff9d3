"""The use cases that ask: what is kept, and what it amounts to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.errors import FeatureDisabled, InvalidInput
from mplp_trace_cli.service.base import Asked, ServiceBase, operation, request_of, request_or_range

if TYPE_CHECKING:
    from mplp_trace_cli.analysis.results import (
        EventQueryResult,
        TraceQueryResult,
        TraceWithEvents,
    )
    from mplp_trace_cli.domain.comparing.diff import TraceDiff
    from mplp_trace_cli.domain.dashboard import DashboardData, DashboardRequest
    from mplp_trace_cli.domain.questions import (
        EventFilter,
        Pagination,
        TimeRange,
        TraceAggregation,
        TraceFilter,
    )


class AskingService(ServiceBase):
    """Answers questions; light to import, since each method imports what it needs."""

    def resolve_trace(self, text: str) -> str:
        """The trace, open or not, that an id, a prefix or `@last` means; raises NotFound, AmbiguousId."""
        from mplp_trace_cli.analysis.lookup import resolve_trace

        with self.reading() as db:
            return resolve_trace(db, text)

    @operation
    def get_trace_by_id(
        self, trace_id: str | Mapping[str, Any], max_events: int | None = None
    ) -> TraceWithEvents:
        """The trace of exactly that id, its events in order (the first `max_events`), its summary."""
        from mplp_trace_cli.analysis.lookup import get_trace
        from mplp_trace_cli.domain.requests import GetTraceRequest

        named = trace_id if isinstance(trace_id, Mapping) else {"trace_id": trace_id}
        asked: GetTraceRequest = request_of(GetTraceRequest, {"max_events": max_events, **named}, {})
        if not isinstance(asked.trace_id, str):
            raise InvalidInput("trace_id: must be text")
        with self.reading() as db:
            return get_trace(db, asked.trace_id, asked.max_events)

    @operation
    def query_traces(
        self,
        /,
        filter: TraceFilter | Mapping[str, Any] | None = None,
        aggregation: TraceAggregation | Mapping[str, Any] | None = None,
        pagination: Pagination | Mapping[str, Any] | None = None,
        **given: Any,
    ) -> TraceQueryResult:
        """The traces that pass a filter, newest first, a page at a time; or groups of them with figures.

        All of it may stand in one mapping, or in keywords: fields of the filter, of the aggregation and of
        the page beside each other, or under `filter`, `aggregation` and `pagination`.
        """
        from mplp_trace_cli.analysis.aggregation import aggregate_traces
        from mplp_trace_cli.analysis.queries import query_traces
        from mplp_trace_cli.analysis.results import TraceQueryResult
        from mplp_trace_cli.domain.questions import TraceFilter

        wanted, groups, page = _parts(TraceFilter, (filter, aggregation, pagination), given)
        with self.reading() as db:
            if groups is None:
                answer = query_traces(db, wanted, page)
            else:
                answer = aggregate_traces(db, wanted, groups, page, self.now())
            return TraceQueryResult(answer.held(), page.page, page.limit, groups is not None)

    @operation
    def query_events(
        self,
        /,
        filter: EventFilter | Mapping[str, Any] | None = None,
        aggregation: TraceAggregation | Mapping[str, Any] | None = None,
        pagination: Pagination | Mapping[str, Any] | None = None,
        **given: Any,
    ) -> EventQueryResult:
        """The events that pass a filter, oldest first, a page at a time; or groups of them with figures.

        It takes what `query_traces` takes, in the same ways.
        """
        from mplp_trace_cli.analysis.aggregation import aggregate_events
        from mplp_trace_cli.analysis.queries import query_events
        from mplp_trace_cli.analysis.results import EventQueryResult
        from mplp_trace_cli.domain.questions import EventFilter

        wanted, groups, page = _parts(EventFilter, (filter, aggregation, pagination), given)
        if groups is not None:
            self.require_event_aggregation()
        with self.reading() as db:
            if groups is None:
                answer = query_events(db, wanted, page)
            else:
                answer = aggregate_events(db, wanted, groups, page, self.now())
            return EventQueryResult(answer.held(), page.page, page.limit, groups is not None)

    @operation
    def get_dashboard_data(
        self,
        request: DashboardRequest | TimeRange | Mapping[str, Any] | None = None,
        metrics: Sequence[str] | None = None,
        group_by: str | None = None,
        /,
        **given: Any,
    ) -> DashboardData:
        """The figures of a window (the last 24 hours), over time, its top errors, and the window before.

        Takes the request, its fields as keywords or one mapping of them, or time range, metrics and
        group_by in this order. Raises InvalidInput; FeatureDisabled where event aggregation is off.
        """
        from mplp_trace_cli.analysis.dashboard import dashboard
        from mplp_trace_cli.domain.dashboard import DashboardRequest

        self.require_event_aggregation()
        asked_for, fields = request_or_range(request)
        said = {"metrics": metrics, "group_by": group_by}
        fields |= {name: value for name, value in said.items() if value is not None}
        asked: DashboardRequest = request_of(DashboardRequest, asked_for, {**fields, **given})
        with self.reading() as db:
            return dashboard(db, asked, self.now())

    def require_event_aggregation(self) -> None:
        """Raises FeatureDisabled where the options say that nothing is computed from events."""
        if not self._wiring.options.enable_event_aggregation:
            raise FeatureDisabled("event aggregation is off", hint="enable_event_aggregation = true")

    @operation
    def diff_traces(self, first: str, second: str, threshold: float = 10.0) -> TraceDiff:
        """What differs between the traces of exactly those ids; `threshold` is of durations, in percent."""
        from mplp_trace_cli.analysis.lookup import get_trace
        from mplp_trace_cli.domain.comparing.diff import diff_traces

        with self.reading() as db:
            one, other = (get_trace(db, trace_id, None).trace for trace_id in (first, second))
        return diff_traces(one, other, threshold)


def _parts(
    kind: type[Asked], parts: tuple[Any, Any, Any], given: Mapping[str, Any]
) -> tuple[Asked, TraceAggregation | None, Pagination]:
    """Filter, aggregation and page, however they were put; raises InvalidInput for an unknown field."""
    from mplp_trace_cli.domain.questions import Pagination, TraceAggregation

    wanted, aggregation, pagination = parts
    loose = dict(given)
    if isinstance(wanted, Mapping):
        loose = {**wanted, **loose}
        wanted = loose.pop("filter", None)
        aggregation = loose.pop("aggregation", aggregation)
        pagination = loose.pop("pagination", pagination)
    groups = {name: loose.pop(name) for name in TraceAggregation.__annotations__ if name in loose}
    paged = {name: loose.pop(name) for name in Pagination.__annotations__ if name in loose}
    return (
        request_of(kind, wanted, loose),
        request_of(TraceAggregation, aggregation, groups) if aggregation is not None or groups else None,
        request_of(Pagination, pagination, paged),
    )
