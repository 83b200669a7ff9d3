"""A person's own SQL over the views: read-only, with nothing outside the store in reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import duckdb

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.analysis.queries import stream
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import QueryFailed
from mplp_trace_cli.storage.store import Connection

_ALLOWED = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
_FETCHED: tuple[tuple[Kind, str, Callable[[str], bool]], ...] = (
    (Kind.INSTANT, "epoch_us({})", lambda kind: kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP")),
    (Kind.JSON, "{}::VARCHAR", lambda kind: kind == "JSON"),
    (Kind.JSON, "to_json({})::VARCHAR", lambda kind: kind.endswith("[]")),
    (Kind.JSON, "to_json({})::VARCHAR", lambda kind: kind.startswith(("STRUCT", "MAP", "UNION"))),
    (Kind.BOOLEAN, "{}", lambda kind: kind == "BOOLEAN"),
    (Kind.NUMBER, "{}", lambda kind: kind.startswith("DECIMAL")),
    (
        Kind.NUMBER,
        "{}",
        lambda kind: kind.endswith("INT") or kind in ("INTEGER", "UINTEGER", "DOUBLE", "FLOAT"),
    ),
)
"""How each type of DuckDB is fetched as a plain value; any other as text."""


def run_sql(db: Connection, query: str, params: Mapping[str, Any]) -> Answer:
    """The rows of one SELECT; `$name` in it is bound to the parameter of that name.

    Raises QueryFailed for what is wrong, refused, or more than one statement.
    """
    if any(isinstance(text, str) and has_surrogate(text) for text in (query, *params, *params.values())):
        raise QueryFailed("sql: the query or a parameter is not UTF-8")
    try:
        bound = _bound(_single(db, query), params)
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        described = db.execute(f"DESCRIBE (FROM ({query.strip().rstrip(';')}\n))", bound).fetchall()
        columns = [_column(at, name, kind) for at, (name, kind, *_) in enumerate(described, start=1)]
        select = ", ".join(expression for _, expression in columns)
        wrapped = f"SELECT {select} FROM ({query.strip().rstrip(';')}\n) AS answer"
        return Answer(tuple(column for column, _ in columns), _rows(db, wrapped, bound))
    except duckdb.Error as error:
        raise _failed(error) from error


def _single(db: Connection, query: str) -> duckdb.Statement:
    statements = db.extract_statements(query)
    if len(statements) != 1:
        raise QueryFailed("sql: give exactly one statement", hint="mplp-trace schema")
    if statements[0].type not in _ALLOWED:
        raise QueryFailed("sql: only SELECT is allowed: the store is read-only", hint="mplp-trace schema")
    return statements[0]


def _bound(statement: duckdb.Statement, params: Mapping[str, Any]) -> dict[str, Any]:
    named = set(statement.named_parameters)
    missing = sorted(named - set(params))
    if missing:
        raise QueryFailed(f"sql: no value for ${missing[0]}", hint=f"--param {missing[0]}=VALUE")
    unused = sorted(set(params) - named)
    if unused:
        raise QueryFailed(f"sql: the query has no parameter ${unused[0]}")
    return dict(params)


def _column(at: int, name: str, kind: str) -> tuple[Column, str]:
    """A column of the answer and the expression that fetches it as a plain value."""
    for known, expression, is_kind in _FETCHED:
        if is_kind(kind):
            return Column(name, known), expression.format(f"#{at}")
    return Column(name), f"#{at}::VARCHAR"


def _rows(db: Connection, query: str, bound: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    try:
        yield from stream(db, query, bound)
    except duckdb.Error as error:
        raise _failed(error) from error


def _failed(error: duckdb.Error) -> QueryFailed:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return QueryFailed(f"sql: {lines[0] if lines else type(error).__name__}", hint="mplp-trace schema")
