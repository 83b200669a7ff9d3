"""Figures of alerts over traces and over events: all that is asked for, from one scan of each.

What a scan finds is put into a temporary table that is small: the traces with what is asked of each, the
events as counts. Every grouping is then one statement over that table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.analysis.alert_groups import OF_THE_TRACE, PATHS
from mplp_trace_cli.analysis.filters import (
    ERROR_LEVELS,
    Condition,
    event_condition,
    json_value,
    trace_condition,
)
from mplp_trace_cli.domain.alerts.conditions import Figure
from mplp_trace_cli.domain.alerts.figures import Subject
from mplp_trace_cli.domain.questions import EventFilter, TraceFilter
from mplp_trace_cli.domain.times import MIN_INSTANT, SECOND_US

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

GroupBy = tuple[str, ...]
Values = tuple[str | None, ...]
"""The values of the columns of a group."""


class Asked(NamedTuple):
    """A figure over a window that ends at the instant; of a metric also the unit that it is wanted in."""

    figure: Figure
    window_us: int
    unit: str = ""

    def start(self, at: int) -> int:
        """Where the window begins."""
        return max(MIN_INSTANT, at - self.window_us)


Groupings = Mapping[GroupBy, Iterable[Asked]]


class Scan(NamedTuple):
    """What one scan is to find out: figures, the columns they are grouped by, and the instant they are of."""

    asked: list[Asked]
    keys: Mapping[str, str]
    """What each column is called in the temporary table."""
    at: int

    @property
    def start(self) -> int:
        """Where the longest window begins."""
        return min(one.start(self.at) for one in self.asked)


Found = dict[Values, dict[Asked, float | None]]
"""For each group what the figures come to."""


class Expression(NamedTuple):
    """SQL with the values that it binds, in their order."""

    sql: str
    values: Sequence[Any] = ()


def asked_of(groupings: Groupings) -> list[Asked]:
    """Every figure that is asked for, once."""
    return list(dict.fromkeys(one for each in groupings.values() for one in each))


def keys_of(groupings: Iterable[GroupBy]) -> list[str]:
    """Every column that is grouped by, once."""
    return list(dict.fromkeys(key for group_by in groupings for key in group_by))


def select(columns: Iterable[Expression], rest: Expression, head: str = "") -> Expression:
    """`SELECT columns rest`, with what all of it binds."""
    each = list(columns)
    values = [value for column in each for value in column.values]
    sql = f"{head} SELECT {', '.join(column.sql for column in each)} {rest.sql}"
    return Expression(sql, [*values, *rest.values])


def stage(db: Connection, table: str, columns: Iterable[Expression], rest: Expression) -> None:
    """Makes a temporary table of what a SELECT finds."""
    made = select(columns, rest, f"CREATE OR REPLACE TEMP TABLE {table} AS")
    db.execute(made.sql, list(made.values))


def grouped(
    db: Connection,
    source: str,
    keys: Sequence[str],
    asked: Iterable[Asked],
    sql_of: Callable[[Asked], Expression],
) -> Found:
    """The figures of each group of a temporary table, whose columns `keys` are."""
    each = list(asked)
    by = f"GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}" if keys else ""
    columns = [*(Expression(f"{key}::VARCHAR") for key in keys), *map(sql_of, each)]
    query = select(columns, Expression(f"FROM {source} {by}"))
    rows = db.execute(query.sql, list(query.values)).fetchall()
    return {row[: len(keys)]: dict(zip(each, map(_number, row[len(keys) :]), strict=True)) for row in rows}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _column(key: str, subject: Subject, name: str) -> Expression:
    """A column `name` that a row is grouped by."""
    path = PATHS[subject]
    if not key.startswith(path):
        return Expression(f"{key} AS {name}")
    found, values = json_value({"meta.": "metadata", "data.": "data"}[path], key.removeprefix(path))
    return Expression(f"({found} ->> '$') AS {name}", values)


# -- traces --------------------------------------------------------------------------------------------

_ACTIVE = "active_traces"
_SHARES = {"p50": 1, "p90": 2, "p95": 3, "p99": 4}
"""Where each percentile stands in the one list that is asked for, so that values are sorted once."""
_PERCENTILES = "quantile_cont(duration_ms, [0.5, 0.9, 0.95, 0.99])"


def trace_figures(db: Connection, groupings: Groupings, at: int) -> dict[GroupBy, Found]:
    """Figures of traces, placed by started_at; active are those that had not ended at the instant."""
    keys = {key: f"k{number}" for number, key in enumerate(keys_of(groupings))}
    scan = Scan(asked_of(groupings), keys, at)
    flags = _Flags(one.figure for one in scan.asked)
    _stage_traces(db, scan, flags)

    def sql_of(one: Asked) -> Expression:
        return Expression(_trace_sql(one, flags.of(one.figure), at))

    return {
        group_by: grouped(db, _trace_source(group_by, keys), [keys[key] for key in group_by], each, sql_of)
        for group_by, each in groupings.items()
    }


class _Flags:
    """For each set of filters on traces a column that is true where they hold."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._names: dict[tuple[tuple[str, str], ...], str] = {}
        for figure in figures:
            filters = _on_traces(figure)
            if filters and filters not in self._names:
                self._names[filters] = f"f{len(self._names)}"

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self._names.values())

    @property
    def columns(self) -> list[Expression]:
        """The columns over the view of traces."""
        return [
            Expression(f"coalesce({condition.sql}, false) AS {name}", condition.values)
            for filters, name in self._names.items()
            for condition in [_trace_filter(filters)]
        ]

    def of(self, figure: Figure) -> str:
        """The column of a figure; `true` where it takes every trace."""
        return self._names.get(_on_traces(figure), "true")


_TRACE_FIELDS = {
    "type": "trace_types",
    "trace_type": "trace_types",
    "context": "context_ids",
    "execution": "execution_ids",
    "name": "names",
    "status": "status",
    "tag": "tags",
}
_OF_EVENTS = ("type", "level", "source", "min_level")


def _on_traces(figure: Figure) -> tuple[tuple[str, str], ...]:
    """Those of a figure's filters that are about traces."""
    if figure.subject is Subject.TRACES:
        return figure.filters
    return tuple(pair for pair in figure.filters if pair[0] not in _OF_EVENTS)


def _trace_filter(filters: Iterable[tuple[str, str]]) -> Condition:
    fields: dict[str, list[str]] = {}
    for key, value in filters:
        fields.setdefault(_TRACE_FIELDS[key], []).append(value)
    return trace_condition(TraceFilter(**fields))  # type: ignore[arg-type]


def _stage_traces(db: Connection, scan: Scan, flags: _Flags) -> None:
    is_active = f"(completed_at IS NULL OR completed_at >= make_timestamptz({scan.at}))"
    errors = f"trace_id IN (SELECT trace_id FROM events WHERE level IN {ERROR_LEVELS})"
    judged = any(one.figure.name == "error_rate" for one in scan.asked)
    narrowed = f"started_at >= make_timestamptz({scan.start})"
    if any(one.figure.name == _ACTIVE for one in scan.asked):
        narrowed = f"({narrowed} OR {is_active})"
    tags = "if(len(tags) = 0, [NULL], tags)"
    columns = [
        Expression("epoch_us(started_at) AS started"),
        Expression("status"),
        Expression("duration_ms"),
        Expression(f"{is_active} AS is_active"),
        Expression(f"status = 'failed' OR {errors} AS has_errors" if judged else "NULL AS has_errors"),
        *(
            Expression(f"{tags} AS {name}") if key == "tag" else _column(key, Subject.TRACES, name)
            for key, name in scan.keys.items()
        ),
        *flags.columns,
    ]
    rest = Expression(f"FROM traces WHERE started_at < make_timestamptz({scan.at}) AND {narrowed}")
    stage(db, "alert_trace", columns, rest)


def _trace_source(group_by: GroupBy, keys: Mapping[str, str]) -> str:
    if "tag" not in group_by:
        return "alert_trace"
    name = keys["tag"]  # a trace counts once for each of its tags
    return f"(SELECT * EXCLUDE ({name}), unnest({name}) AS {name} FROM alert_trace)"


def _trace_sql(one: Asked, flag: str, at: int) -> str:
    name = one.figure.name
    inside = f"{flag} AND started >= {one.start(at)}"
    if name.endswith("response_time") or name == "response_time_avg":
        function = name.split("_")[0].replace("response", "avg")
        if function in _SHARES:
            return f"({_PERCENTILES} FILTER ({inside}))[{_SHARES[function]}]"
        return f"{function}(duration_ms) FILTER ({inside})"
    count = f"count(*) FILTER ({inside})"
    return {
        "error_rate": f"count(*) FILTER ({inside} AND has_errors) / nullif({count}, 0)",
        "success_rate": f"count(*) FILTER ({inside} AND status = 'completed')"
        f" / nullif(count(*) FILTER ({inside} AND status <> 'active'), 0)",
        "throughput": f"{count} / {one.window_us / SECOND_US}",
        _ACTIVE: f"count(*) FILTER ({flag} AND is_active)",
    }.get(name, count)


# -- events --------------------------------------------------------------------------------------------

_FEW_VALUES = frozenset({"event_type", "level", "source", "context_id", "trace_type"})
"""Columns with few values, by which all events can be counted at once; others are counted by themselves."""
_FILTER_COLUMNS = {"type": "event_type", "level": "level", "min_level": "level", "source": "source"}


def event_figures(db: Connection, groupings: Groupings, at: int) -> dict[GroupBy, Found]:
    """Figures of events, which are placed by timestamp."""
    together = {by: each for by, each in groupings.items() if _FEW_VALUES.issuperset(by)}
    parts = [together, *({by: each} for by, each in groupings.items() if by not in together)]
    found: dict[GroupBy, Found] = {}
    for part in parts:
        if part:
            found |= _counted_together(db, part, at)
    return found


def _counted_together(db: Connection, groupings: Groupings, at: int) -> dict[GroupBy, Found]:
    keys = {key: key if key in _FEW_VALUES else f"k{number}" for number, key in enumerate(keys_of(groupings))}
    scan = Scan(asked_of(groupings), keys, at)
    flags = _Flags(one.figure for one in scan.asked)
    starts = _starts(scan)
    _stage_events(db, scan, flags)

    def sql_of(one: Asked) -> Expression:
        return _event_sql(one, flags.of(one.figure), starts.index(one.start(at)))

    return {
        group_by: grouped(db, "alert_event", [keys[key] for key in group_by], each, sql_of)
        for group_by, each in groupings.items()
    }


def _starts(scan: Scan) -> list[int]:
    """Where the windows begin, the shortest first."""
    return sorted({one.start(scan.at) for one in scan.asked}, reverse=True)


def _stage_events(db: Connection, scan: Scan, flags: _Flags) -> None:
    """Counts events by the shortest window that each is in, and by what is asked about."""
    shortest = " ".join(
        f"WHEN timestamp >= make_timestamptz({start}) THEN {number}"
        for number, start in enumerate(_starts(scan))
    )
    columns = [
        Expression(f"CASE {shortest} END AS shortest"),
        *map(Expression, [*_plain_columns(scan), *flags.names]),
        *(_column(key, Subject.EVENTS, name) for key, name in scan.keys.items() if key != name),
        Expression("count(*) AS events"),
    ]
    joined = _traces_of_events(scan, flags)
    inside = f"timestamp >= make_timestamptz({scan.start}) AND timestamp < make_timestamptz({scan.at})"
    rest = Expression(f"FROM events {joined.sql} WHERE {inside} GROUP BY ALL", joined.values)
    stage(db, "alert_event", columns, rest)


def _plain_columns(scan: Scan) -> list[str]:
    """The columns of events that filters look at, and those that are grouped by as they are."""
    filtered = {_FILTER_COLUMNS.get(key, "") for one in scan.asked for key, _ in one.figure.filters}
    if any(one.figure.name == "error_count" for one in scan.asked):
        filtered.add("level")
    return sorted((filtered - {""}) | {key for key, name in scan.keys.items() if key == name})


def _traces_of_events(scan: Scan, flags: _Flags) -> Expression:
    """The join with the traces, where something of them is asked."""
    of_trace = [key for key in OF_THE_TRACE if key in scan.keys]
    if not of_trace and not flags.names:
        return Expression("")
    columns = [Expression("trace_id"), *map(Expression, of_trace), *flags.columns]
    inner = select(columns, Expression("FROM traces"))
    return Expression(f"LEFT JOIN ({inner.sql}) USING (trace_id)", inner.values)


def _event_sql(one: Asked, flag: str, window: int) -> Expression:
    condition = _event_filter(one.figure)
    condition.add(f"shortest <= {window}")
    condition.add(flag)
    if one.figure.name == "error_count":
        condition.add(f"level IN {ERROR_LEVELS}")
    seconds = one.window_us / SECOND_US
    per = f" / {seconds}" if one.figure.name == "events_per_second" else ""
    sql = f"coalesce(sum(events) FILTER ({condition.sql}), 0){per}"
    return Expression(sql, condition.values)


def _event_filter(figure: Figure) -> Condition:
    def those(wanted: str) -> list[str]:
        return [value for key, value in figure.filters if key == wanted]

    least = those("min_level")
    return event_condition(
        EventFilter(
            event_types=those("type"),
            levels=those("level"),
            min_level=least[0] if least else None,
            sources=those("source"),
        )
    )
