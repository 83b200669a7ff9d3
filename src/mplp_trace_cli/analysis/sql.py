"""A person's own SQL over the views: read-only, with nothing outside the store in reach."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.analysis.catalog import COLUMNS
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import QueryFailed
from mplp_trace_cli.storage.engine import duckdb
from mplp_trace_cli.storage.rows import rows_of
from mplp_trace_cli.storage.store import Connection

_ACTING = (
    *("checkpoint", "force_checkpoint", "truncate_duckdb_logs", "write_log", "query", "query_table"),
    *(f"{turn}_{what}" for turn in ("enable", "disable") for what in ("logging", "profiling")),
    "json_execute_serialized_sql",
)
"""Functions that do something, or run SQL out of a text in which that would stand."""
_OUTSIDE = "file system operations are disabled by configuration"
_NEAREST = ("Did you mean ", "Candidate bindings: ", "Candidate tables: ")
"""How a line of DuckDB begins that names what there is instead."""
_NO_TABLE = "Catalog Error: Table with name"
_INSTANT = """
    CASE WHEN {0} BETWEEN '0001-01-01 00:00:00' AND '9999-12-31 23:59:59.999999'
    THEN epoch_us({0})::UNION(instant BIGINT, words VARCHAR)
    ELSE {0}::VARCHAR::UNION(instant BIGINT, words VARCHAR) END"""
"""An instant as a number, or as text where it is infinite or none of the years 1 to 9999."""
_INSTANTS = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS")
_NUMBERS = ("INTEGER", "UINTEGER", "DOUBLE")
_FETCHED: tuple[tuple[Kind, str, Callable[[str], bool]], ...] = (
    (Kind.INSTANT, _INSTANT, lambda kind: kind in _INSTANTS),
    (Kind.JSON, "{}::VARCHAR", lambda kind: kind == "JSON"),
    (Kind.JSON, "to_json({})::VARCHAR", lambda kind: kind.endswith("]")),
    (Kind.JSON, "to_json({})::VARCHAR", lambda kind: kind.startswith(("STRUCT", "MAP", "UNION"))),
    (Kind.BOOLEAN, "{}", lambda kind: kind == "BOOLEAN"),
    (Kind.NUMBER, "{}::VARCHAR::DOUBLE", lambda kind: kind == "FLOAT"),
    (Kind.NUMBER, "{}", lambda kind: kind.startswith("DECIMAL") or kind.endswith("INT") or kind in _NUMBERS),
)
"""How each type of DuckDB is fetched as a plain value; any other as text. A FLOAT of 0.1 is 0.1."""
_WORD = re.compile(rb'"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][\w$\x80-\xff]*|.', re.DOTALL)
_NOT_FINITE = re.compile("NaN|Infinity")
_TEXT_OR_NOT_FINITE = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)')
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def run_sql(db: Connection, query: str, params: Mapping[str, Any], most: int | None = None) -> Answer:
    """The rows of one SELECT, the first `most` of them; `$name` in it is bound to the parameter of that name.

    Raises QueryFailed for what is wrong, refused, or more than one statement.
    """
    if any(isinstance(text, str) and has_surrogate(text) for text in (query, *params, *params.values())):
        raise QueryFailed("sql: the query or a parameter is not UTF-8")
    try:
        db.execute("SET enable_external_access = false")
        db.execute("SET allow_persistent_secrets = false")
        db.execute("SET lock_configuration = true")
        question = _question(db, query)
        bound = _bound(question, params)
        if question.explains:
            return _plan(db, question, bound)
        described = db.execute(f"DESCRIBE (FROM ({question.text}\n))", bound).fetchall()
        columns = [_column(at, name, kind) for at, (name, kind, *_) in enumerate(described, start=1)]
        select = ", ".join(expression for _, expression in columns)
        limit = "" if most is None else f" LIMIT {min(most, sys.maxsize)}"
        wrapped = f"SELECT {select} FROM ({question.text}\n) AS answer{limit}"
        nested = [at for at, expression in enumerate(columns) if expression[1].startswith("to_json")]
        return Answer(tuple(column for column, _ in columns), _rows(db, wrapped, bound, nested))
    except duckdb.Error as error:
        raise _failed(error) from error


def most_memory(db: Connection) -> int:
    """What a process that asks may take in bytes: the memory limit of its queries, and 1 GiB for all else."""
    row = db.execute("SELECT memory_limit FROM pragma_database_size() LIMIT 1").fetchone()
    number, unit = str(row[0] if row else "0 bytes").split()
    return (1 << 30) + round(float(number) * (1 << 10 * _UNITS.index(unit)))


class _Question(NamedTuple):
    """The text of one SELECT without its end, the names that it binds, and EXPLAIN where it began with it."""

    text: str
    names: frozenset[str]
    explains: str = ""


def _question(db: Connection, query: str) -> _Question:
    """The single question that a text is; raises QueryFailed."""
    tokens = _tokens(query)
    for (_, name), (_, following) in pairwise(tokens):
        if following == "(" and name.strip('"').lower() in _ACTING:
            raise QueryFailed(f"sql: {name} is refused: sql only asks", hint="mplp-trace schema")
    words = [token.upper() for _, token in tokens[:2]]
    depth = 0 if words[:1] != ["EXPLAIN"] else 2 if words[1:] == ["ANALYZE"] else 1
    if depth and len(tokens) <= depth:
        raise QueryFailed("sql: EXPLAIN of what?", hint="mplp-trace schema")
    begins = tokens[depth][0] if depth else 0
    ends = next((at for at, token in tokens if token == ";"), None)
    asked = query.encode()
    names = _names(db, asked[begins:].decode())
    return _Question(asked[begins:ends].decode(), names, " ".join(words[:depth]))


def _tokens(query: str) -> list[tuple[int, str]]:
    """Where each word of a query begins, in bytes, and the word; comments are none."""
    encoded = query.encode()
    starts = [at for at, _ in duckdb.tokenize(query)]
    return [
        (at, _WORD.match(encoded, at)[0].decode())  # type: ignore[index]
        for at in starts
    ]


def _names(db: Connection, query: str) -> frozenset[str]:
    """The names that a single SELECT binds; raises QueryFailed for anything else."""
    statements = db.extract_statements(query)
    if not statements or (len(statements) > 1 and any(statement.query for statement in statements)):
        raise QueryFailed("sql: give exactly one statement", hint="mplp-trace schema")
    if statements[-1].type != duckdb.StatementType.SELECT:
        raise QueryFailed("sql: only SELECT is allowed: the store is read-only", hint="mplp-trace schema")
    # A PIVOT comes apart into several statements, which have no text of their own.
    return frozenset().union(*(statement.named_parameters for statement in statements))


def _bound(question: _Question, params: Mapping[str, Any]) -> dict[str, Any]:
    missing = sorted(question.names - set(params))
    if missing:
        raise QueryFailed(f"sql: no value for ${missing[0]}", hint=f"--param {missing[0]}=VALUE")
    unused = sorted(set(params) - question.names)
    if unused:
        raise QueryFailed(f"sql: the query has no parameter ${unused[0]}")
    return dict(params)


def _plan(db: Connection, question: _Question, bound: dict[str, Any]) -> Answer:
    """How DuckDB answers it, a line a row."""
    plans = db.execute(f"{question.explains} {question.text}", bound).fetchall()
    return Answer((Column("plan"),), [(line,) for _, plan in plans for line in plan.splitlines()])


def _column(at: int, name: str, kind: str) -> tuple[Column, str]:
    """A column of the answer and the expression that fetches it as a plain value."""
    for known, expression, is_kind in _FETCHED:
        if is_kind(kind):
            return Column(name, known), expression.format(f"#{at}")
    return Column(name), f"#{at}::VARCHAR"


def _rows(
    db: Connection, query: str, bound: dict[str, Any], nested: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    try:
        for row in rows_of(db, query, bound):
            yield _finite(row, nested) if nested else row
    except duckdb.Error as error:
        raise _failed(error) from error


def _finite(row: tuple[Any, ...], nested: Sequence[int]) -> tuple[Any, ...]:
    """The row with null for what is no number in lists and structs: DuckDB writes NaN, which is not JSON."""
    cells = list(row)
    for at in nested:
        if cells[at] is not None and _NOT_FINITE.search(cells[at]):
            cells[at] = _TEXT_OR_NOT_FINITE.sub(
                lambda found: found[0] if found[0].startswith('"') else "null", cells[at]
            )
    return tuple(cells)


def _names_a_view(hint: str) -> bool:
    """True where DuckDB's nearest table is a view, and not one of the tables behind them."""
    name = hint.partition('"')[2].partition('"')[0]
    return name.rpartition(".")[2] in {view for view, *_ in COLUMNS}


def _failed(error: duckdb.Error) -> QueryFailed:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryFailed(
            f"sql: {first}", hint="ask for less at once, or raise memory_limit in the config file"
        )
    if _OUTSIDE in first:
        return QueryFailed(f"sql: {first}", hint="sql reads the store alone: mplp-trace schema")
    near = (line.replace(": : ", ": ") for line in lines[1:] if line.startswith(_NEAREST))
    nearest = next((line for line in near if not first.startswith(_NO_TABLE) or _names_a_view(line)), None)
    return QueryFailed(f"sql: {first}", hint=nearest or "mplp-trace schema")
