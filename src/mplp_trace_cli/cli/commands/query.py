"""`query` and `events`: which traces, which events, and what groups of them amount to."""

from __future__ import annotations

from mplp_trace_cli.cli import filters, options
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.tables import events_for_people, groups_for_people, traces_for_people
from mplp_trace_cli.domain.enums import TraceStatus


def query_command(
    context: filters.Context = None,
    execution: filters.Execution = None,
    type_: filters.Type = None,
    status: filters.Status = None,
    tag: filters.Tag = None,
    name: filters.Name = None,
    meta: filters.Meta = None,
    since: filters.Since = None,
    until: filters.Until = None,
    has_errors: filters.HasErrors = None,
    min_duration: filters.MinDuration = None,
    max_duration: filters.MaxDuration = None,
    text: filters.TraceText = None,
    group_by: options.TraceGroups = None,
    metric: options.TraceMetrics = None,
    bucket: options.Bucket = None,
    sort: options.Sort = None,
    page: options.Page = 1,
    limit: options.Limit = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> None:
    """List traces, newest first, or groups of them; a filter given twice widens, others narrow."""
    from mplp_trace_cli.analysis.queries import query_traces  # not while a shell completes a line

    chosen = formats.chosen_format(format_, json_)
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.TraceOptions(context, execution, type_, status, tag, name, meta, has_errors, text, span)
    groups = options.aggregation(group_by, metric, bucket)
    with open_service() as service:
        wanted = given.as_filter(service.now())
        asked = options.pagination(page, limit, sort, chosen)
        with service.reading() as db:
            if groups is None:
                answer, shown = query_traces(db, wanted, asked), traces_for_people
            else:
                from mplp_trace_cli.analysis.aggregation import aggregate_traces

                answer, shown = aggregate_traces(db, wanted, groups, asked, service.now()), groups_for_people
            if groups is None and chosen in ("table", "markdown") and status == [TraceStatus.ACTIVE]:
                from mplp_trace_cli.cli.views.unfinished import write_unfinished

                write_unfinished(db, answer, chosen, service.now())
            else:
                formats.write(answer, chosen, shown=shown)
    options.tell_total(answer, asked, "trace" if groups is None else "group", chosen)


def events_command(
    trace: filters.TraceId = None,
    event_type: filters.EventType = None,
    level: filters.ExactLevel = None,
    min_level: filters.MinLevel = None,
    source: filters.EventSource = None,
    data: filters.Data = None,
    since: filters.Since = None,
    until: filters.Until = None,
    min_duration: filters.MinDuration = None,
    max_duration: filters.MaxDuration = None,
    text: filters.EventText = None,
    group_by: options.EventGroups = None,
    metric: options.EventMetrics = None,
    bucket: options.Bucket = None,
    sort: options.Sort = None,
    page: options.Page = 1,
    limit: options.Limit = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> None:
    """List events, oldest first, or groups of them; a filter given twice widens, others narrow."""
    from mplp_trace_cli.analysis.lookup import resolve_trace
    from mplp_trace_cli.analysis.queries import query_events

    chosen = formats.chosen_format(format_, json_)
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.EventOptions(event_type, level, min_level, source, data, text, span)
    groups = options.aggregation(group_by, metric, bucket)
    with open_service() as service:
        wanted = given.as_filter(service.now())
        asked = options.pagination(page, limit, sort, chosen)
        with service.reading() as db:
            wanted = wanted._replace(trace_ids=[resolve_trace(db, one) for one in trace or ()])
            if groups is None:
                answer, shown = query_events(db, wanted, asked), events_for_people
            else:
                from mplp_trace_cli.analysis.aggregation import aggregate_events

                service.require_event_aggregation()
                answer, shown = aggregate_events(db, wanted, groups, asked, service.now()), groups_for_people
            formats.write(answer, chosen, shown=shown)
    options.tell_total(answer, asked, "event" if groups is None else "group", chosen)


query_command.example = "mplp-trace query --status failed --since 24h"  # type: ignore[attr-defined]
events_command.example = "mplp-trace events --trace @last --min-level warn"  # type: ignore[attr-defined]
