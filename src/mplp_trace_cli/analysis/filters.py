"""Filters to SQL conditions: the one place that does it. Values are always bound, never written in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mplp_trace_cli.domain.checks import as_number, has_surrogate
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType, parse_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.globs import glob_regex
from mplp_trace_cli.domain.json_text import JsonFault, dumps, parse
from mplp_trace_cli.domain.questions import EventFilter, TimeRange, TraceFilter, time_range_of

EXACT_IN_DOUBLE = 2**53
"""From here on a double holds not every whole number: ids of 64 bits are compared as such."""
ERROR_LEVELS = "('error', 'critical')"


@dataclass
class Condition:
    """A conjunction in the making, with the values it binds."""

    parts: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @property
    def sql(self) -> str:
        """The whole condition; empty when everything passes."""
        return " AND ".join(self.parts)

    @property
    def where(self) -> str:
        """The condition as a WHERE clause; empty when everything passes."""
        return f"WHERE {self.sql}" if self.parts else ""

    def add(self, part: str, *values: Any) -> None:
        """Narrows by one more condition."""
        for value in values:
            if isinstance(value, str) and has_surrogate(value):
                raise InvalidInput("filter: a value is not UTF-8")
        self.parts.append(part)
        self.values.extend(values)

    def one_of(self, column: str, wanted: Sequence[str]) -> None:
        """The column is one of the values, where there are any."""
        wanted = texts_of(wanted, column)
        if wanted:
            self.add(f"{column} IN ({', '.join('?' * len(wanted))})", *wanted)

    def words(self, column: str, kind: type[StrEnum], wanted: Sequence[str]) -> None:
        """The same for a closed list of words; raises InvalidInput for an unknown one."""
        self.one_of(column, [parse_word(kind, word, column).value for word in texts_of(wanted, column)])

    def globs(self, column: str, wanted: Sequence[str]) -> None:
        """The column matches one of the globs (`*`, `?`, `[…]`)."""
        self.any_of([_glob(column, pattern) for pattern in texts_of(wanted, column)])

    def any_of(self, options: Sequence[tuple[str, list[Any]]]) -> None:
        """At least one of the options holds, where there are any."""
        if options:
            values = [value for _, bound in options for value in bound]
            self.add("(" + " OR ".join(sql for sql, _ in options) + ")", *values)

    def between(self, column: str, time_range: TimeRange | Mapping[str, Any] | None) -> None:
        """An instant from the start of the range, inclusive, to its end, exclusive."""
        start, end = time_range_of(time_range).bounds()
        if start is not None:
            self.add(f"{column} >= make_timestamptz(?::BIGINT)", start)
        if end is not None:
            self.add(f"{column} < make_timestamptz(?::BIGINT)", end)

    def durations(self, least: float | None, most: float | None) -> None:
        """A duration in ms within both bounds, inclusive."""
        for name, sign, bound in (("min", ">=", least), ("max", "<=", most)):
            if bound is None:
                continue
            if as_number(bound) is None:
                raise InvalidInput(f"{name}_duration_ms: must be a number of ms")
            self.add(f"duration_ms {sign} ?", bound)

    def contains(self, columns: Sequence[str], wanted: Sequence[str]) -> None:
        """One of the texts stands in one of the columns, whatever its case."""
        tests = " OR ".join(f"contains(lower({column}), lower(?))" for column in columns)
        self.any_of([(f"({tests})", [text] * len(columns)) for text in texts_of(wanted, "text")])

    def json_pairs(self, column: str, pairs: Sequence[tuple[str, str]] | Mapping[str, Any]) -> None:
        """Each key holds one of the values given for it."""
        if isinstance(pairs, Mapping):
            pairs = [(key, dumps(value, column)) for key, value in pairs.items()]
        elif not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs or ()):
            raise InvalidInput(f"{column}: must be a mapping, or pairs of a path and a text")
        by_key: dict[str, list[str]] = {}
        for key, value in pairs or ():
            by_key.setdefault(key, []).append(value)
        for key, wanted in by_key.items():
            texts_of([key, *wanted], column)
            self.any_of([json_equals(column, key, value) for value in wanted])


def texts_of(value: object, name: str) -> Sequence[str]:
    """The texts that a field of a filter says: a list of them, or one by itself; raises InvalidInput."""
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    if not isinstance(value, Iterable):
        raise InvalidInput(f"{name}: must be a list of texts")
    texts = list(value)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput(f"{name}: must be a list of texts")
    return texts


def _glob(column: str, pattern: str) -> tuple[str, list[Any]]:
    """SQL for a glob; DuckDB's own counts bytes, so it serves where only `*` is special."""
    if "?" in pattern or "[" in pattern:
        return f"regexp_full_match({column}, ?, 's')", [glob_regex(pattern)]
    return f"{column} GLOB ?", [pattern.replace("\\", "\\\\")]


def json_value(column: str, path: str) -> tuple[str, list[Any]]:
    """SQL for the JSON value at a path: one literal key, else a dotted path; NULL where there is none.

    DuckDB's parser refuses a whole text for a lone surrogate in it, which the store keeps: such a text is
    read a second time with U+FFFD in its place. Raises InvalidInput for a path that is not UTF-8.
    """
    return _at_pointers(column, _pointers(path))


def _pointers(path: str) -> list[str]:
    if has_surrogate(path):
        raise InvalidInput("a path is not UTF-8")
    literal = "/" + _pointer(path)
    dotted = "/" + "/".join(_pointer(part) for part in path.split("."))
    return list(dict.fromkeys([literal, dotted]))


def _at_pointers(column: str, pointers: list[str]) -> tuple[str, list[Any]]:
    plain = [f"TRY(json_extract({column}, ?))"] * len(pointers)
    mended = [f"TRY(json_extract({_MENDED.format(column=column)}, ?))"] * len(pointers)
    suspect = f"contains({column}, '\\ud') OR contains({column}, '\\uD')"
    again = f"CASE WHEN {suspect} THEN coalesce({', '.join(mended)}) END"
    return f"coalesce({', '.join([*plain, again])})", pointers * 2


_MENDED = r"regexp_replace({column}, '\\u[dD][89a-fA-F][0-9a-fA-F]{{2}}', '\ufffd', 'g')"
"""A JSON text in which no surrogate is left, lone or not."""


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def json_equals(column: str, path: str, wanted: str) -> tuple[str, list[Any]]:
    """SQL that is true where the value at a path is equal as JSON, or equal as text.

    The value is written out for each test: a subquery that names it once takes ten times as long.
    """
    pointers = _pointers(path)
    found, bound = _at_pointers(column, pointers)
    tests = [(f"({found} ->> '$') = ?", [*bound, wanted])]
    with suppress(JsonFault):
        tests.append(_all_of(_equal_parts(column, pointers, parse(wanted))))
    sql = " OR ".join(f"coalesce({test}, false)" for test, _ in tests)
    return f"({sql})", [value for _, values in tests for value in values]


def _all_of(tests: Iterable[tuple[str, list[Any]]]) -> tuple[str, list[Any]]:
    parts = list(tests)
    return f"({' AND '.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]


def _equal_parts(column: str, pointers: list[str], value: Any) -> Iterator[tuple[str, list[Any]]]:
    """A test for each value in a value: members in any order, elements in theirs.

    Where the keys of an object are equal, its members are there, so that those of an object that is found by
    its literal key are never looked for along the dotted path.
    """
    if isinstance(value, dict):
        yield _equal_keys(column, pointers, sorted(value))
        for key, member in value.items():
            yield from _equal_parts(column, [f"{at}/{_pointer(key)}" for at in pointers], member)
    elif isinstance(value, list):
        found, bound = _at_pointers(column, pointers)
        test = f"(json_type({found}) = 'ARRAY' AND json_array_length({found}) = ?)"
        yield test, [*bound, *bound, len(value)]
        for place, element in enumerate(value):
            yield from _equal_parts(column, [f"{at}/{place}" for at in pointers], element)
    else:
        yield _equal_scalar(*_at_pointers(column, pointers), value)


def _equal_keys(column: str, pointers: list[str], keys: list[str]) -> tuple[str, list[Any]]:
    found, bound = _at_pointers(column, pointers)
    names = f"list_sort(list_distinct(json_keys({found})))"
    test = f"(json_type({found}) = 'OBJECT' AND {names} = list_sort(?::VARCHAR[]))"
    return test, [*bound, *bound, keys]


def _equal_scalar(found: str, bound: list[Any], value: Any) -> tuple[str, list[Any]]:
    number = as_number(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= EXACT_IN_DOUBLE:
        return f"TRY_CAST({found}::VARCHAR AS HUGEINT)::VARCHAR = ?", [*bound, str(value)]
    if number is not None:  # the text of a JSON string has quotes, so that it is no number
        return f"TRY_CAST({found}::VARCHAR AS DOUBLE) = ?", [*bound, number]
    if isinstance(value, str):
        return f"(json_type({found}) = 'VARCHAR' AND ({found} ->> '$') = ?)", [*bound, *bound, value]
    return f"{found}::VARCHAR = ?", [*bound, json.dumps(value)]


def trace_condition(wanted: TraceFilter) -> Condition:
    """The condition over the view `traces`; raises InvalidInput."""
    condition = Condition()
    condition.one_of("context_id", wanted.context_ids)
    condition.one_of("execution_id", wanted.execution_ids)
    condition.one_of("trace_id", wanted.trace_ids)
    condition.words("trace_type", TraceType, wanted.trace_types)
    condition.words("status", TraceStatus, wanted.status)
    condition.globs("name", wanted.names)
    condition.any_of([("list_contains(tags, ?)", [tag]) for tag in texts_of(wanted.tags, "tags")])
    condition.json_pairs("metadata", wanted.metadata)
    condition.between("started_at", wanted.time_range)
    condition.durations(wanted.min_duration_ms, wanted.max_duration_ms)
    condition.contains(("name", "description", "metadata", "array_to_string(tags, ' ')"), wanted.text)
    if wanted.has_errors is not None:
        errors = f"trace_id IN (SELECT trace_id FROM events WHERE level IN {ERROR_LEVELS})"
        condition.add(f"{'' if wanted.has_errors else 'NOT '}(status = 'failed' OR {errors})")
    return condition


def event_condition(wanted: EventFilter) -> Condition:
    """The condition over the view `events`; raises InvalidInput."""
    condition = Condition()
    condition.one_of("trace_id", wanted.trace_ids)
    condition.globs("event_type", wanted.event_types)
    condition.words("level", Level, wanted.levels)
    if wanted.min_level is not None:
        least = parse_word(Level, wanted.min_level, "min_level")
        levels = list(Level)
        condition.one_of("level", [level.value for level in levels[levels.index(least) :]])
    condition.one_of("source", wanted.sources)
    condition.json_pairs("data", wanted.data)
    condition.between("timestamp", wanted.time_range)
    condition.durations(wanted.min_duration_ms, wanted.max_duration_ms)
    condition.contains(("message", "event_type", "data"), wanted.text)
    return condition
