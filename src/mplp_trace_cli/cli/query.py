"""`query` and `events`: which traces, which events."""

from __future__ import annotations

from dataclasses import replace

from mplp_trace_cli.analysis.queries import query_events, query_traces
from mplp_trace_cli.cli import filters, formats, options
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.tables import events_for_people, traces_for_people


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
    sort: options.Sort = None,
    page: options.Page = 1,
    limit: options.Limit = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> None:
    """List traces, newest first; a filter given twice widens, different filters narrow."""
    chosen = formats.chosen_format(format_, json_)
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.TraceOptions(context, execution, type_, status, tag, name, meta, has_errors, text, span)
    with open_service() as service:
        wanted = given.as_filter(service.now())
        asked = options.pagination(page, limit, sort, chosen)
        with service.reading() as db:
            answer = query_traces(db, wanted, asked)
            formats.write(answer, chosen, shown=traces_for_people)
    options.tell_total(answer, asked, "trace", chosen)


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
    sort: options.Sort = None,
    page: options.Page = 1,
    limit: options.Limit = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> None:
    """List events, oldest first; a filter given twice widens, different filters narrow."""
    from mplp_trace_cli.analysis.lookup import resolve_trace

    chosen = formats.chosen_format(format_, json_)
    span = filters.Span(since, until, min_duration, max_duration)
    given = filters.EventOptions(event_type, level, min_level, source, data, text, span)
    with open_service() as service:
        wanted = given.as_filter(service.now())
        asked = options.pagination(page, limit, sort, chosen)
        with service.reading() as db:
            traces = [resolve_trace(db, one) for one in trace or ()]
            answer = query_events(db, replace(wanted, trace_ids=traces), asked)
            formats.write(answer, chosen, shown=events_for_people)
    options.tell_total(answer, asked, "event", chosen)


query_command.example = "mplp-trace query --status failed --since 24h"  # type: ignore[attr-defined]
events_command.example = "mplp-trace events --trace @last --min-level warn"  # type: ignore[attr-defined]
