"""The figures of a group: what each name means in SQL, over traces and over events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.analysis.answers import Column, Kind
from mplp_trace_cli.analysis.filters import ERROR_LEVELS, json_value
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
THROUGHPUT = "throughput"
DEFAULT_METRICS = ("count", "avg_duration", "error_rate")
_PLAIN = ("avg", "min", "max", "sum")
_FUNCTIONS = (*_PLAIN, *PERCENTILES)
_CALL = re.compile(rf"({'|'.join(_FUNCTIONS)})\((.+)\)", re.DOTALL)
_COUNTS = ("count", "error_count", "event_count")
METRICS = ("count", *(f"{name}_duration" for name in _FUNCTIONS), "error_rate", *_COUNTS[1:], THROUGHPUT)
"""The metrics by name; over a JSON path there are `sum(PATH)`, `avg`, `min`, `max` and the percentiles."""


class Subject(NamedTuple):
    """What is grouped: a view, when a row of it happened, and what it may be grouped by.

    `errors` is SQL that is true for a row with an error, `error_count` and `event_count` are SQL over a
    group. `paths` is what begins a path into the JSON column `json`.
    """

    view: str
    moment: str
    json: str
    paths: str
    keys: tuple[str, ...]
    errors: str
    error_count: str
    event_count: str


TRACES = Subject(
    "traces",
    "started_at",
    "metadata",
    "meta.",
    ("trace_type", "status", "context_id", "execution_id", "name", "tag"),
    "status = 'failed' OR coalesce(errors, 0) > 0",
    "coalesce(sum(errors), 0)::BIGINT",
    "coalesce(sum(events), 0)::BIGINT",
)
EVENTS = Subject(
    "events",
    "timestamp",
    "data",
    "data.",
    ("event_type", "level", "source", "trace_id", "context_id"),
    f"level IN {ERROR_LEVELS}",
    f"count(*) FILTER (level IN {ERROR_LEVELS})",
    "count(*)",
)


class Extracted(NamedTuple):
    """A column that is made for each row: its name, its SQL, and what that binds."""

    name: str
    sql: str
    values: tuple[Any, ...]


class Measure(NamedTuple):
    """One figure of a group: its column, and its SQL over the rows of the group."""

    column: Column
    sql: str
    is_count: bool = False
    """True where an empty bucket has 0 of it, not nothing."""
    extracted: Extracted | None = None
    """The column of each row that it is over, where that comes out of JSON."""


def measures_of(names: Sequence[str], subject: Subject) -> list[Measure]:
    """The figures that are asked for; raises InvalidInput for an unknown one."""
    shares = sorted({PERCENTILES[name] for text in names if (name := text.split("_")[0]) in PERCENTILES})
    measures = []
    for number, name in enumerate(dict.fromkeys(names)):
        call = _CALL.fullmatch(name)
        if call is None:
            measures.append(_measure(name, subject, shares))
        else:
            measures.append(_over_path(name, call[1], call[2], subject, f"x{number}"))
    return measures


def _measure(name: str, subject: Subject, shares: Sequence[float]) -> Measure:
    if name not in METRICS:
        paths = f"sum({subject.paths}PATH)"
        raise InvalidInput(f"metric: {unknown_word((*METRICS, paths), name)}")
    if name.endswith("_duration"):
        sql = _spread(name.removesuffix("_duration"), "duration_ms", shares)
        return Measure(Column(name, Kind.DURATION), sql)
    if name == "error_rate":
        return Measure(Column(name, Kind.SHARE), f"count(*) FILTER ({subject.errors}) / nullif(count(*), 0)")
    if name == THROUGHPUT:  # a count, divided by seconds once they are known
        return Measure(Column(name, Kind.RATE), "count(*)", is_count=True)
    counts = dict(zip(_COUNTS, ("count(*)", subject.error_count, subject.event_count), strict=True))
    return Measure(Column(name, Kind.COUNT), counts[name], is_count=True)


def _spread(function: str, value: str, shares: Sequence[float]) -> str:
    """A function over a value; all percentiles of one value come from one list, which is sorted once."""
    if function not in PERCENTILES:
        return f"{function}({value})"
    listed = ", ".join(map(str, shares))
    return f"quantile_cont({value}, [{listed}])[{list(shares).index(PERCENTILES[function]) + 1}]"


def _over_path(name: str, function: str, path: str, subject: Subject, place: str) -> Measure:
    if not path.startswith(subject.paths) or path == subject.paths:
        raise InvalidInput(f"metric: {name[:60]!r}: the path must begin with {subject.paths}")
    found, values = json_value(subject.json, path.removeprefix(subject.paths))
    # The text of a JSON string has quotes, so that only a number is one.
    extracted = Extracted(place, f"TRY_CAST({found}::VARCHAR AS DOUBLE)", tuple(values))
    number = f"if(isfinite({place}), {place}, NULL)"
    sql = _spread(function, number, [PERCENTILES[function]] if function in PERCENTILES else ())
    return Measure(Column(name, Kind.NUMBER), sql, extracted=extracted)


def needs_events(measures: Sequence[Measure]) -> bool:
    """True when figures of traces ask what happened in them."""
    return any(measure.column.name in ("error_rate", "error_count", "event_count") for measure in measures)


def needs_all_events(measures: Sequence[Measure]) -> bool:
    """True when it is not enough to look at the errors."""
    return any(measure.column.name == "event_count" for measure in measures)
