"""Rows of traces and events: filtered, sorted, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.analysis.filters import ERROR_LEVELS, Condition, event_condition, trace_condition
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import EventFilter, Pagination, TraceFilter
from mplp_trace_cli.storage.rows import rows_of
from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

TRACE_COLUMNS = (
    Column("trace_id"),
    Column("context_id"),
    Column("execution_id"),
    Column("trace_type"),
    Column("name"),
    Column("description"),
    Column("status"),
    Column("metadata", Kind.JSON),
    Column("tags", Kind.TEXTS),
    Column("started_at", Kind.INSTANT),
    Column("completed_at", Kind.INSTANT),
    Column("expires_at", Kind.INSTANT),
    Column("duration_ms", Kind.DURATION),
    Column("event_count", Kind.COUNT),
    Column("error_count", Kind.COUNT),
)
EVENT_COLUMNS = (
    Column("event_id"),
    Column("trace_id"),
    Column("event_type"),
    Column("level"),
    Column("message"),
    Column("data", Kind.JSON),
    Column("timestamp", Kind.INSTANT),
    Column("duration_ms", Kind.DURATION),
    Column("parent_event_id"),
    Column("source"),
)
_COUNTED = ("event_count", "error_count")


def query_traces(db: Connection, wanted: TraceFilter, page: Pagination) -> Answer:
    """Traces newest first, or as the page says, with the counts of their events."""
    condition = trace_condition(wanted)
    order = _order(page.sort, TRACE_COLUMNS, "started_at DESC, seq DESC", "seq")
    counts = f"""
        SELECT trace_id, count(*) AS event_count, count_if(level IN {ERROR_LEVELS}) AS error_count
        FROM events SEMI JOIN {{among}} USING (trace_id) GROUP BY trace_id"""
    if page.sort and page.sort.split(":")[0] in _COUNTED:
        matching = f"SELECT * FROM traces {condition.where}"
        query = (
            f"WITH page AS MATERIALIZED ({matching}) SELECT {_select(TRACE_COLUMNS)} FROM page LEFT JOIN "
            f"({counts.format(among='page')}) USING (trace_id) ORDER BY {order} {_limit(page)}"
        )
    else:
        matching = f"SELECT * FROM traces {condition.where} ORDER BY {order} {_limit(page)}"
        query = (
            f"WITH page AS MATERIALIZED ({matching}) SELECT {_select(TRACE_COLUMNS)} FROM page LEFT JOIN "
            f"({counts.format(among='page')}) USING (trace_id) ORDER BY {order}"
        )
    return _answer(db, _Question("traces", query, condition, page), TRACE_COLUMNS)


def last_events(db: Connection, trace_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """The last event of each of some traces, where there is one: its type, and when it was."""
    rows = db.execute(statement("last_events"), {"ids": json.dumps(list(trace_ids))}).fetchall()
    return {trace_id: (event_type, at) for trace_id, event_type, at in rows}


def query_events(db: Connection, wanted: EventFilter, page: Pagination) -> Answer:
    """Events oldest first, or as the page says."""
    condition = event_condition(wanted)
    order = _order(page.sort, EVENT_COLUMNS, "timestamp, seq", "seq")
    query = f"SELECT {_select(EVENT_COLUMNS)} FROM events {condition.where} ORDER BY {order} {_limit(page)}"
    return _answer(db, _Question("events", query, condition, page), EVENT_COLUMNS)


def newest_events(
    db: Connection, wanted: EventFilter, most: int, also: tuple[str, list[Any]] | None = None
) -> list[tuple[Any, ...]]:
    """The newest events, oldest first, that pass a filter, and a condition with its values where given."""
    condition = event_condition(wanted)
    if also is not None:
        condition.add(also[0], *also[1])
    order, values = "ORDER BY timestamp {0}, seq {0}", [*condition.values, most]
    newest = f"SELECT * FROM events {condition.where} {order.format('DESC')} LIMIT ?"
    query = f"SELECT {_select(EVENT_COLUMNS)} FROM ({newest}) {order.format('ASC')}"
    return db.execute(query, values).fetchall()


class _Question:
    """A query, and how to count what it matches in all."""

    def __init__(self, view: str, query: str, condition: Condition, page: Pagination) -> None:
        self.view = view
        self.query = query
        self.condition = condition
        self.page = page

    @property
    def count(self) -> str:
        return f"SELECT count(*) FROM {self.view} {self.condition.where}"


def _answer(db: Connection, question: _Question, columns: tuple[Column, ...]) -> Answer:
    if question.page.limit is None:
        return Answer(columns, rows_of(db, question.query, question.condition.values))
    rows = db.execute(question.query, question.condition.values).fetchall()
    total = question.page.offset + len(rows)
    if len(rows) == question.page.limit or (question.page.offset and not rows):
        (total,) = db.execute(question.count, question.condition.values).fetchone() or (0,)
    return Answer(columns, rows, total)


def _select(columns: Sequence[Column]) -> str:
    return ", ".join(_expression(column) for column in columns)


def _expression(column: Column) -> str:
    if column.kind is Kind.INSTANT:
        return f"epoch_us({column.name})"
    if column.kind is Kind.TEXTS:
        return f"to_json({column.name})::VARCHAR"
    if column.name == "level":
        return "level::VARCHAR"
    if column.name in _COUNTED:
        return f"coalesce({column.name}, 0)"
    return column.name


def _order(sort: str | None, columns: Sequence[Column], default: str, tie: str) -> str:
    if sort is None:
        return default
    name, _, direction = sort.partition(":")
    names = [column.name for column in columns]
    if name not in names:
        raise InvalidInput(f"sort: {unknown_word(names, name)}")
    if direction not in ("", "asc", "desc"):
        raise InvalidInput(f"sort: {unknown_word(('asc', 'desc'), direction)}")
    turn = "DESC" if direction == "desc" else "ASC"
    value = f"coalesce({name}, 0)" if name in _COUNTED else name
    return f"{value} {turn} NULLS LAST, {tie} {turn}"


def _limit(page: Pagination) -> str:
    return "" if page.limit is None else f"LIMIT {page.limit} OFFSET {page.offset}"
