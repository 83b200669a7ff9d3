"""Groups of traces and of events, with their figures: one SQL statement, whatever is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.analysis.filters import (
    ERROR_LEVELS,
    Condition,
    event_condition,
    json_value,
    texts_of,
    trace_condition,
)
from mplp_trace_cli.analysis.measures import (
    DEFAULT_METRICS,
    EVENTS,
    METRICS,
    THROUGHPUT,
    TRACES,
    Extracted,
    Measure,
    Subject,
    measures_of,
    needs_all_events,
    needs_events,
)
from mplp_trace_cli.domain.buckets import bucket_start, bucket_starts, parse_bucket
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import (
    EventFilter,
    Pagination,
    TimeRange,
    TraceAggregation,
    TraceFilter,
    time_range_of,
)
from mplp_trace_cli.domain.times import MIN_INSTANT
from mplp_trace_cli.storage.engine import duckdb

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

BUCKET = "bucket"
MOST_ROWS = 1_000_000
"""How many groups in buckets are filled at the most."""
_TOO_MANY = "too many groups in buckets"


class _Key(NamedTuple):
    """What rows are grouped by: a column of the answer, and its SQL."""

    column: Column
    sql: str
    extracted: Extracted | None = None
    """The same as a column of each row, where it comes out of JSON."""


class _Span(NamedTuple):
    """The range of time that was asked for, in microseconds since 1970; None where it is open."""

    start: int | None
    end: int | None

    @classmethod
    def of(cls, time_range: TimeRange, now: int) -> _Span:
        """The range with its open end closed: what began and has no end ends now."""
        start, end = time_range.bounds()
        return cls(start, max(now, start) if start is not None and end is None else end)


class _Question(NamedTuple):
    """Everything that the statement is made of."""

    subject: Subject
    condition: Condition
    keys: tuple[_Key, ...]
    measures: tuple[Measure, ...]
    width: int | None
    span: _Span

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the answer: the bucket, the keys, the figures."""
        bucket = () if self.width is None else (Column(BUCKET, Kind.INSTANT),)
        keys = tuple(key.column for key in self.keys)
        return (*bucket, *keys, *(measure.column for measure in self.measures))

    @property
    def names(self) -> list[str]:
        """What the keys are called in the statement, the bucket first."""
        bucket = [] if self.width is None else [BUCKET]
        return [*bucket, *(f"k{number}" for number in range(len(self.keys)))]


def aggregate_traces(
    db: Connection, wanted: TraceFilter, asked: TraceAggregation, page: Pagination, now: int
) -> Answer:
    """Figures of groups of traces, which are placed by started_at; raises InvalidInput."""
    time_range = time_range_of(wanted.time_range)
    return _answer(db, _question(TRACES, asked, trace_condition(wanted), _Span.of(time_range, now)), page)


def aggregate_events(
    db: Connection, wanted: EventFilter, asked: TraceAggregation, page: Pagination, now: int
) -> Answer:
    """Figures of groups of events, which are placed by timestamp; raises InvalidInput."""
    time_range = time_range_of(wanted.time_range)
    return _answer(db, _question(EVENTS, asked, event_condition(wanted), _Span.of(time_range, now)), page)


def _question(subject: Subject, asked: TraceAggregation, condition: Condition, span: _Span) -> _Question:
    groups = texts_of(asked.group_by, "group_by")
    return _Question(
        subject,
        condition,
        tuple(_key(name, subject, f"y{at}") for at, name in enumerate(dict.fromkeys(groups))),
        tuple(measures_of(texts_of(asked.metrics, "metrics") or DEFAULT_METRICS, subject)),
        None if asked.time_bucket is None else parse_bucket(asked.time_bucket),
        span,
    )


def _key(name: str, subject: Subject, place: str) -> _Key:
    if name.startswith(subject.paths) and name != subject.paths:
        found, values = json_value(subject.json, name.removeprefix(subject.paths))
        return _Key(Column(name), place, Extracted(place, f"({found} ->> '$')", tuple(values)))
    if name not in subject.keys:
        known = (*subject.keys, f"{subject.paths}PATH")
        raise InvalidInput(f"group_by: {unknown_word(known, name)}")
    return _Key(Column(name), name)


# -- the statement -------------------------------------------------------------------------------------


def _answer(db: Connection, question: _Question, page: Pagination) -> Answer:
    order = _order(page.sort, question)
    limit = "" if page.limit is None else f"LIMIT {page.limit} OFFSET {page.offset}"
    grouped, values = _grouped(question)
    query = (
        f"WITH grouped AS ({grouped}), filled AS ({_filled(db, question)})"
        f" SELECT {', '.join(_final(question))}, count(*) OVER () FROM filled ORDER BY {order} {limit}"
    )
    rows = _rows(db, query, values)
    total = rows[0][-1] if rows else 0
    if not rows and (page.offset or page.limit == 0):
        counted = (
            f"WITH grouped AS ({grouped}), filled AS ({_filled(db, question)}) SELECT count(*) FROM filled"
        )
        ((total,),) = _rows(db, counted, values)
    return Answer(question.columns, [row[:-1] for row in rows], total)


def _rows(db: Connection, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
    try:
        return db.execute(query, values).fetchall()
    except duckdb.InvalidInputException as error:
        if _TOO_MANY not in str(error):
            raise
        raise InvalidInput(
            f"bucket: groups and buckets make more than {MOST_ROWS:,} rows",
            hint="a wider bucket, fewer groups, or a shorter time range",
        ) from error


def _grouped(question: _Question) -> tuple[str, list[Any]]:
    """The groups with their figures, each computed once, and what that binds in its order."""
    subject, width = question.subject, question.width
    moment = f"epoch_us({subject.moment})"
    selected = []
    if width is not None:  # counted from before all instants, since % takes the sign of what is divided
        origin = bucket_start(MIN_INSTANT, width)
        selected = [f"{moment} - ({moment} - {origin}) % {width} AS {BUCKET}"]
    selected += [f"{key.sql} AS k{number}" for number, key in enumerate(question.keys)]
    selected += [f"{measure.sql} AS m{number}" for number, measure in enumerate(question.measures)]
    if _reaches(question):
        selected += [f"min({moment}) AS first", f"max({moment}) AS last"]
    source, values = _source(question)
    group = f" GROUP BY {', '.join(map(str, range(1, len(question.names) + 1)))}" if question.names else ""
    return f"SELECT {', '.join(selected)} FROM {source}{group}", values


def _reaches(question: _Question) -> bool:
    """True when a rate is asked for over a range that the rows themselves must tell."""
    is_open = None in (question.span.start, question.span.end)
    return (
        is_open and question.width is None and any(one.column.name == THROUGHPUT for one in question.measures)
    )


def _source(question: _Question) -> tuple[str, list[Any]]:
    """Where the rows come from: what matches, with what of JSON and of another view is needed."""
    of_keys = [key.extracted for key in question.keys if key.extracted]
    extracted = of_keys + [measure.extracted for measure in question.measures if measure.extracted]
    source, values = (_events if question.subject is EVENTS else _traces)(question)
    if not extracted:
        return source, values
    made = ", ".join(f"{one.sql} AS {one.name}" for one in extracted)
    return f"(SELECT *, {made} FROM {source})", [value for one in extracted for value in one.values] + values


def _events(question: _Question) -> tuple[str, list[Any]]:
    where, values = question.condition.where, question.condition.values
    if not any(key.column.name == "context_id" for key in question.keys):
        return f"events {where}", values
    return (
        f"(FROM events {where}) LEFT JOIN (SELECT trace_id, context_id FROM traces) USING (trace_id)",
        values,
    )


def _traces(question: _Question) -> tuple[str, list[Any]]:
    where, values = question.condition.where, question.condition.values
    matching = f"(FROM traces {where})"
    if any(key.column.name == "tag" for key in question.keys):
        # A trace without tags is in the group of none, so that nothing is left out.
        matching = f"(SELECT *, unnest(if(len(tags) = 0, [NULL], tags)) AS tag FROM traces {where})"
    if not needs_events(question.measures):
        return matching, values
    narrowed = f" SEMI JOIN {matching} USING (trace_id)" if where else ""
    every = "" if needs_all_events(question.measures) else f" WHERE level IN {ERROR_LEVELS}"
    counted = (
        f"(SELECT trace_id, count(*) AS events, count_if(level IN {ERROR_LEVELS}) AS errors "
        f"FROM events{narrowed}{every} GROUP BY trace_id)"
    )
    return f"{matching} LEFT JOIN {counted} USING (trace_id)", values * (2 if narrowed else 1)


def _filled(db: Connection, question: _Question) -> str:
    """The groups, and where a range of time is given each group in each bucket of it."""
    width, span = question.width, question.span
    if width is None or span == _Span(None, None):
        return "FROM grouped"
    start = span.start if span.start is not None else _first(db, question)
    if start is None or span.end is None:
        return "FROM grouped"
    starts = bucket_starts(start, span.end, width)
    keys = question.names[1:]
    grid = f"(SELECT unnest(range({starts.start}, {starts.stop}, {width})) AS {BUCKET})"
    if keys:
        few = f"if(count(*) OVER () * {len(starts)} > {MOST_ROWS}, error('{_TOO_MANY}')::BOOLEAN, true)"
        groups = f"(FROM (SELECT DISTINCT {', '.join(keys)} FROM grouped) QUALIFY {few})"
        grid = f"{groups} CROSS JOIN {grid}"
    figures = [
        f"coalesce(max(m{number}), 0) AS m{number}" if measure.is_count else f"max(m{number}) AS m{number}"
        for number, measure in enumerate(question.measures)
    ]
    named = ", ".join(question.names)
    return (
        f"SELECT {named}, {', '.join(figures)} FROM "
        f"(FROM grouped UNION ALL BY NAME SELECT {named} FROM {grid}) GROUP BY {named}"
    )


def _first(db: Connection, question: _Question) -> int | None:
    """When the first row that matches happened."""
    subject, condition = question.subject, question.condition
    query = f"SELECT epoch_us(min({subject.moment})) FROM {subject.view} {condition.where}"
    row = db.execute(query, condition.values).fetchone()
    return row[0] if row else None


def _final(question: _Question) -> list[str]:
    """The columns of the answer; a throughput is a count over the seconds of its bucket or of the range."""
    keys = [f"greatest({BUCKET}, {MIN_INSTANT})" if name == BUCKET else name for name in question.names]
    return [*keys, *(_figure(f"m{number}", one, question) for number, one in enumerate(question.measures))]


def _figure(name: str, measure: Measure, question: _Question) -> str:
    if measure.column.name == THROUGHPUT:
        return f"{name} / nullif({_seconds(question)}, 0)"
    # What is more than a double holds is no value.
    return name if measure.column.kind is Kind.COUNT else f"if(isfinite({name}), {name}, NULL)"


def _seconds(question: _Question) -> str:
    start, end, width = question.span.start, question.span.end, question.width
    if width is not None:  # the part of the bucket that lies in the range
        last = (
            f"{BUCKET} + {width}" if end is None else f"least({BUCKET} + {width}, greatest({end}, {BUCKET}))"
        )
        first = BUCKET if start is None else f"greatest({BUCKET}, {start})"
        return f"(({last}) - {first}) / 1e6"
    last = "max(last) OVER ()" if end is None else str(end)
    first = "min(first) OVER ()" if start is None else str(start)
    return f"({last} - {first}) / 1e6"


def _order(sort: str | None, question: _Question) -> str:
    """The order that is asked for; else by time, or the greatest of the first figure first."""
    names = [column.name for column in question.columns]
    keys = [f"{at} ASC NULLS LAST" for at in range(1, len(question.names) + 1)]
    if sort is None:
        greatest = [] if question.width is not None else [f"{len(question.names) + 1} DESC NULLS LAST"]
        return ", ".join([*greatest, *keys])
    parts = sort.endswith((":desc", ":asc")) and sort not in names
    name, _, direction = sort.rpartition(":") if parts else (sort, "", "")
    if name in METRICS and name not in names:  # a figure that there is, and that was not asked for
        raise InvalidInput(f"sort: {name!r} is not one of the figures asked for: {', '.join(names)}")
    if name not in names:
        raise InvalidInput(f"sort: {unknown_word(names, name)}")
    turn = "DESC" if direction == "desc" else "ASC"
    return ", ".join([f"{names.index(name) + 1} {turn} NULLS LAST", *keys])
