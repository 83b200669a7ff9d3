"""Figures of alerts over metrics: recorded samples and performance_metric events, in a condition's unit.

By its own kind a gauge is the greatest of the newest samples of its series, a counter the sum of its
increments, a histogram the mean of its observations. The type recorded last is the metric's, and only
samples of it count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from mplp_trace_cli.analysis.alert_groups import PATHS
from mplp_trace_cli.analysis.alert_scans import (
    Asked,
    Expression,
    Found,
    GroupBy,
    Groupings,
    Scan,
    asked_of,
    grouped,
    keys_of,
    stage,
)
from mplp_trace_cli.analysis.filters import json_value
from mplp_trace_cli.analysis.metrics import Question, stage_readings
from mplp_trace_cli.domain.alerts.conditions import Figure
from mplp_trace_cli.domain.alerts.figures import METRIC, UNITS, Dimension, Subject, Unit
from mplp_trace_cli.domain.enums import MetricType
from mplp_trace_cli.domain.metric_catalog import MetricCategory
from mplp_trace_cli.domain.units import base_unit, unit_in

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

_CATEGORIES = frozenset({MetricCategory.SYSTEM.value, MetricCategory.CUSTOM.value})
_OWN_KIND = {MetricType.GAUGE: "last", MetricType.COUNTER: "sum", MetricType.HISTOGRAM: "avg"}
_AGGREGATES = {
    "avg": "fsum({0}) FILTER ({1}) / count({0}) FILTER ({1})",
    "min": "min({0}) FILTER ({1})",
    "max": "max({0}) FILTER ({1})",
    "last": "max({0}) FILTER ({1} AND is_newest)",
    "sum": "fsum({0}) FILTER ({1})",
    "count": "count({0}) FILTER ({1})",
    **{f"p{n}": f"quantile_cont({{0}}, {n / 100}) FILTER ({{1}})" for n in (50, 90, 95, 99)},
}
"""The functions over the value {0} of samples for which {1} is true."""


class _Metric(NamedTuple):
    """How a metric was recorded."""

    type: str
    units: tuple[str | None, ...]


def metric_figures(db: Connection, groupings: Groupings, at: int) -> dict[GroupBy, Found]:
    """Figures of metrics, whose samples are placed by timestamp."""
    keys = {key: f"k{number}" for number, key in enumerate(keys_of(groupings))}
    scan = Scan(asked_of(groupings), keys, at)
    labels = {
        filters: f"f{number}"
        for number, filters in enumerate(
            dict.fromkeys(one.figure.filters for one in scan.asked if one.figure.filters)
        )
    }
    _stage_samples(db, scan, labels)
    metrics = _metrics(db)

    def sql_of(one: Asked) -> Expression:
        metric = metrics.get(one.figure.name, _Metric(MetricType.GAUGE, ()))
        return _sample_sql(one, metric, labels.get(one.figure.filters, "true"), at)

    return {
        group_by: _finite(grouped(db, "alert_sample", [keys[key] for key in group_by], each, sql_of))
        for group_by, each in groupings.items()
    }


def _finite(found: Found) -> Found:
    """What is more than a float holds is no value."""
    return {
        group: {
            one: None if value is None or not math.isfinite(value) else value for one, value in each.items()
        }
        for group, each in found.items()
    }


def _stage_samples(db: Connection, scan: Scan, labels: Mapping[tuple[tuple[str, str], ...], str]) -> None:
    names = [re.sub(r"([*?\[])", r"[\1]", one.figure.name) for one in scan.asked]
    stage_readings(db, Question(scan.start, scan.at, _CATEGORIES, list(dict.fromkeys(names))))
    series = "category, name, type, unit, labels"
    newest_first = "ORDER BY timestamp DESC, seq DESC"
    columns = [
        Expression("name, type, unit, value, epoch_us(timestamp) AS happened"),
        Expression(f"row_number() OVER (PARTITION BY {series} {newest_first}) = 1 AS is_newest"),
        *(
            Expression(f"{found.sql} AS {name}", found.values)
            for key, name in scan.keys.items()
            for found in [_label(key)]
        ),
        *(
            Expression(f"{found.sql} AS {name}", found.values)
            for f, name in labels.items()
            for found in [_labelled(f)]
        ),
    ]
    of_last_type = f"QUALIFY type = first_value(type) OVER (PARTITION BY name {newest_first})"
    stage(db, "alert_sample", columns, Expression(f"FROM reading {of_last_type}"))


def _label(key: str) -> Expression:
    found, values = json_value("labels", key.removeprefix(PATHS[Subject.METRICS]))
    return Expression(f"({found} ->> '$')", values)


def _labelled(filters: tuple[tuple[str, str], ...]) -> Expression:
    """True where each label has one of the values given for it."""
    wanted: dict[str, list[str]] = {}
    for key, value in filters:
        wanted.setdefault(key, []).append(value)
    tests, values = [], []
    for key, each in wanted.items():
        found, bound = json_value("labels", key)
        tests.append(f"coalesce(({found} ->> '$') IN ({', '.join('?' * len(each))}), false)")
        values += [*bound, *each]
    return Expression(f"({' AND '.join(tests)})", values)


def _metrics(db: Connection) -> dict[str, _Metric]:
    query = "SELECT name, any_value(type), list(DISTINCT unit) FROM alert_sample GROUP BY name"
    unsaid = "SELECT DISTINCT name FROM alert_sample WHERE unit IS NULL"
    without = {name for (name,) in db.execute(unsaid).fetchall()}
    return {
        name: _Metric(type_, (*units, *((None,) if name in without else ())))
        for name, type_, units in db.execute(query).fetchall()
    }


def _sample_sql(one: Asked, metric: _Metric, flag: str, at: int) -> Expression:
    value = _in_unit(one, metric)
    function = one.figure.function
    if function == METRIC:
        function = _OWN_KIND[MetricType(metric.type)]
    inside = f"name = ? AND {flag} AND happened >= {one.start(at)}"
    sql = _AGGREGATES[function].format(value.sql, inside)
    times = sql.count("?") // (value.sql.count("?") + 1)
    return Expression(sql, [*value.values, one.figure.name] * times)


def _in_unit(one: Asked, metric: _Metric) -> Expression:
    """The value of a sample in the unit that is asked for; NULL where its own is of another kind."""
    if not one.unit:
        return Expression("value")
    cases, values = [], []
    for unit in metric.units:
        way = way_to(UNITS[one.unit], unit, one.figure)
        if way is not None:
            cases.append(
                f"WHEN unit IS NOT DISTINCT FROM ? THEN value * {way.multiplier!r} / {way.divisor!r}"
            )
            values.append(unit)
    return Expression(f"(CASE {' '.join(cases)} END)" if cases else "NULL::DOUBLE", values)


def way_to(wanted: Unit, said: str | None, figure: Figure) -> Unit | None:
    """How a value in the unit `said` gets to the unit of a dimension; None where it measures something else.

    A sample that says no unit, in its name neither, is taken to be in the unit that is wanted.
    """
    own = said or unit_in(figure.name)
    if not own:
        return wanted
    base = base_unit(own)
    if wanted.dimension is Dimension.TIME:
        return (
            wanted._replace(multiplier=base.multiplier * 1_000, divisor=base.divisor)
            if base.name == "seconds"
            else None
        )
    fits = base.name == "ratio" if wanted.dimension is Dimension.SHARE else base.name.endswith("per second")
    return wanted._replace(multiplier=base.multiplier, divisor=base.divisor) if fits else None
