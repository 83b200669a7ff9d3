"""`query` and `events`: which traces, which events."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from mplp_trace_cli.analysis.answers import Answer
from mplp_trace_cli.analysis.queries import query_events, query_traces
from mplp_trace_cli.cli import formats, output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.tables import events_for_people, traces_for_people
from mplp_trace_cli.cli.words import counted
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import EventFilter, Pagination, TimeRange, TraceFilter
from mplp_trace_cli.domain.times import DAY_US, is_bare_date

FILTERS, SHAPE = "Filters", "What is shown"

Many = list[str] | None
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From then on: a time, a date, 2h.", rich_help_panel=FILTERS),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Until before then.", rich_help_panel=FILTERS)
]
MinDuration = Annotated[
    str | None, typer.Option(metavar="DURATION", help="At least so long.", rich_help_panel=FILTERS)
]
MaxDuration = Annotated[
    str | None, typer.Option(metavar="DURATION", help="At most so long.", rich_help_panel=FILTERS)
]
Sort = Annotated[
    str | None, typer.Option(metavar="FIELD[:desc]", help="Order by a field.", rich_help_panel=SHAPE)
]
Page = Annotated[
    int, typer.Option(metavar="N", help="Which page of --limit rows.", min=1, rich_help_panel=SHAPE)
]
Limit = Annotated[
    int | None,
    typer.Option(metavar="N", help="How many rows; 50 in tables, else all.", min=0, rich_help_panel=SHAPE),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(formats.FORMATS)}; $MPLP_TRACE_FORMAT.",
        rich_help_panel=SHAPE,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.", rich_help_panel=SHAPE)]


def option(name: str, help: str, metavar: str = "TEXT", complete: Any = None) -> Any:
    """A filter that may be repeated."""
    return typer.Option(name, help=help, metavar=metavar, autocompletion=complete, rich_help_panel=FILTERS)


def time_range(since: str | None, until: str | None, now: int) -> TimeRange:
    """Both times of a filter; a bare date as the end includes that day."""
    end = values.moment(until, now, "--until")
    if end is not None and until is not None and is_bare_date(until):
        end += DAY_US
    return TimeRange(values.moment(since, now, "--since"), end)


def pairs(texts: Many, name: str) -> list[tuple[str, str]]:
    """The `K=V` of a repeated filter."""
    return [values.split_pair(text, name) for text in texts or ()]


def query_command(
    context: Annotated[Many, option("--context", "Context id.", "ID")] = None,
    execution: Annotated[Many, option("--execution", "Execution id.", "ID")] = None,
    type_: Annotated[
        Many, option("--type", f"{values.words(TraceType)}.", "TYPE", values.complete_type)
    ] = None,
    status: Annotated[
        Many, option("--status", f"{values.words(TraceStatus)}.", "STATUS", values.complete_status)
    ] = None,
    tag: Annotated[Many, option("--tag", "A tag it has.", "TAG")] = None,
    name: Annotated[Many, option("--name", "Its name, as a glob.", "GLOB")] = None,
    meta: Annotated[Many, option("--meta", "A value in its metadata.", "K=V")] = None,
    since: Since = None,
    until: Until = None,
    has_errors: Annotated[
        bool | None,
        typer.Option(
            "--has-errors/--no-errors", help="Failed, or with an error event.", rich_help_panel=FILTERS
        ),
    ] = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    text: Annotated[Many, option("--text", "Text in name, description, metadata or tags.")] = None,
    sort: Sort = None,
    page: Page = 1,
    limit: Limit = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """List traces, newest first; a filter given twice widens, different filters narrow."""
    chosen = formats.chosen_format(format_, json_)
    with open_service() as service:
        wanted = TraceFilter(
            context_ids=context or (),
            execution_ids=execution or (),
            trace_types=type_ or (),
            status=status or (),
            tags=tag or (),
            names=name or (),
            metadata=pairs(meta, "--meta"),
            time_range=time_range(since, until, service.now()),
            has_errors=has_errors,
            min_duration_ms=values.duration(min_duration, "--min-duration"),
            max_duration_ms=values.duration(max_duration, "--max-duration"),
            text=text or (),
        )
        asked = pagination(page, limit, sort, chosen)
        with service.reading() as db:
            answer = query_traces(db, wanted, asked)
            formats.write(answer, chosen, shown=traces_for_people(answer))
    tell_total(answer, asked, "trace", chosen)


def events_command(
    trace: Annotated[
        Many, option("--trace", "Its trace: an id, a prefix or @last.", "ID", values.complete_trace)
    ] = None,
    event_type: Annotated[Many, option("--event-type", "What happened, as a glob.", "GLOB")] = None,
    level: Annotated[
        Many, option("--level", f"Exactly: {values.words(Level)}.", "LEVEL", values.complete_level)
    ] = None,
    min_level: Annotated[
        str | None, option("--min-level", "At least this level.", "LEVEL", values.complete_level)
    ] = None,
    source: Annotated[Many, option("--source", "Where it comes from.")] = None,
    data: Annotated[Many, option("--data", "A value in its data.", "K=V")] = None,
    since: Since = None,
    until: Until = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    text: Annotated[Many, option("--text", "Text in message, type or data.")] = None,
    sort: Sort = None,
    page: Page = 1,
    limit: Limit = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """List events, oldest first; a filter given twice widens, different filters narrow."""
    from mplp_trace_cli.analysis.lookup import resolve_trace

    chosen = formats.chosen_format(format_, json_)
    with open_service() as service:
        wanted = EventFilter(
            event_types=event_type or (),
            levels=level or (),
            min_level=min_level,
            sources=source or (),
            data=pairs(data, "--data"),
            time_range=time_range(since, until, service.now()),
            min_duration_ms=values.duration(min_duration, "--min-duration"),
            max_duration_ms=values.duration(max_duration, "--max-duration"),
            text=text or (),
        )
        asked = pagination(page, limit, sort, chosen)
        with service.reading() as db:
            traces = [resolve_trace(db, one) for one in trace or ()]
            answer = query_events(db, replace(wanted, trace_ids=traces), asked)
            formats.write(answer, chosen, shown=events_for_people(answer))
    tell_total(answer, asked, "event", chosen)


def pagination(page: int, limit: int | None, sort: str | None, chosen: str) -> Pagination:
    """The page that is asked for; raises InvalidInput for a page of everything."""
    most = formats.default_limit(chosen) if limit is None else limit
    if most is None and page > 1:
        raise InvalidInput("--page: needs a limit", hint="--limit 50")
    return Pagination(page, most, sort)


def tell_total(answer: Answer, page: Pagination, one: str, chosen: str) -> None:
    """Says on stderr how many there are when only a part is shown, or none."""
    if answer.total is None:
        return
    shown = len(list(answer.rows))
    if answer.total == 0 and chosen in ("table", "markdown"):
        output.note(f"no {one} matches")
    elif shown < answer.total:
        first = page.offset + 1
        last = page.offset + shown
        part = "none" if not shown else f"{first:,}" if first == last else f"{first:,}-{last:,}"
        output.note(f"{part} of {counted(answer.total, one)} (--limit, --page)")


query_command.example = "mplp-trace query --status failed --since 24h"  # type: ignore[attr-defined]
events_command.example = "mplp-trace events --trace @last --min-level warn"  # type: ignore[attr-defined]
