"""Metrics for a scraper: what every series has come to so far, gathered into families in base units.

Samples of one name in units of one base unit are one family, whatever their unit; the type recorded last
is the family's, and only samples of it count. A label with an empty value is as good as none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from mplp_trace_cli.analysis.metrics import (
    Cells,
    Question,
    application_figures,
    labels_of,
    stage_readings,
    unrecorded,
)
from mplp_trace_cli.domain.enums import MetricType
from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.domain.metric_catalog import APPLICATION_METRICS, SYSTEM_METRICS, MetricCategory
from mplp_trace_cli.domain.metric_families import DEFAULT_BOUNDS, FamilySeries, MetricFamily
from mplp_trace_cli.domain.times import MIN_INSTANT, SECOND_US
from mplp_trace_cli.domain.units import BaseUnit, base_unit, unit_in
from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

EXPORT_RANGE_US = 3_600 * SECOND_US
Labels = tuple[tuple[str, str], ...]


class _Total(NamedTuple):
    """A row of metric_totals.sql."""

    category: str
    name: str
    unit: str | None
    type: str
    labels: str
    newest_at: Sequence[int]
    newest: float
    sum: float
    samples: int
    help: str | None
    buckets_at: Sequence[int] | None
    buckets: str | None

    @property
    def base(self) -> BaseUnit:
        """The base unit: of the unit that was said, else of the one in the name."""
        return base_unit(self.unit or unit_in(self.name))

    @property
    def label_set(self) -> Labels:
        """The labels that say something, in order."""
        return tuple(sorted((key, value) for key, value in labels_of(self.labels).items() if value))


def metric_families(db: Connection, question: Question) -> list[MetricFamily]:
    """All that was recorded, and application metrics over the range of the question; our own names first."""
    families = [*_recorded(db, question), *_application(db, question), *_declared(db, question)]
    order = [category.value for category in MetricCategory]
    return sorted(families, key=lambda family: order.index(family.category))


def _application(db: Connection, question: Question) -> list[MetricFamily]:
    category = MetricCategory.APPLICATION.value
    if category not in question.categories:
        return []
    (figures,) = application_figures(db, Cells.whole(question.start, question.end))
    return [
        MetricFamily(category, name, "gauge", base_unit(known.unit), known.help, (_one(known.unit, value),))
        for name, known in APPLICATION_METRICS.items()
        if (value := figures[name]) is not None
    ]


def _one(unit: str | None, value: float) -> FamilySeries:
    return FamilySeries({}, base_unit(unit).of(value))


def _declared(db: Connection, question: Question) -> list[MetricFamily]:
    if MetricCategory.CUSTOM not in question.categories:
        return []
    initial = {name: one for name, one in question.declared.items() if one.get("value") is not None}
    families = []
    for name in unrecorded(db, initial):
        said = initial[name]
        base = base_unit(said.get("unit") or unit_in(name))
        type_ = str(said.get("type", MetricType.GAUGE.value))
        bounds = tuple(map(base.of, said.get("buckets") or DEFAULT_BOUNDS))
        series = _one(said.get("unit") or unit_in(name), said["value"])
        if type_ == MetricType.HISTOGRAM:  # nothing was observed yet
            series = FamilySeries({}, 0.0, 0, (0,) * len(bounds))
        families.append(
            MetricFamily(MetricCategory.CUSTOM.value, name, type_, base, said.get("help"), (series,), bounds)
        )
    return families


# -- what was recorded -----------------------------------------------------------------------------


def _recorded(db: Connection, question: Question) -> list[MetricFamily]:
    stage_readings(db, question._replace(start=MIN_INSTANT))
    groups: dict[tuple[str, str, str], list[_Total]] = {}
    for total in (_Total(*row) for row in db.execute(statement("metric_totals")).fetchall()):
        groups.setdefault((total.category, total.name, total.base.name), []).append(total)
    chosen = [_of_newest_type(totals) for totals in groups.values()]
    histograms = [totals for totals in chosen if totals[0].type == MetricType.HISTOGRAM]
    counts = _counts(db, histograms) if histograms else {}
    return [_family(totals, counts) for totals in chosen]


def _of_newest_type(totals: list[_Total]) -> list[_Total]:
    newest = max(totals, key=lambda total: tuple(total.newest_at))
    return [total for total in totals if total.type == newest.type]


def _family(totals: list[_Total], counts: _Counts) -> MetricFamily:
    by_labels: dict[Labels, list[_Total]] = {}
    for total in totals:
        by_labels.setdefault(total.label_set, []).append(total)
    newest = max(totals, key=lambda total: tuple(total.newest_at))
    said = [total for total in totals if total.help]
    help_ = max(said, key=lambda total: tuple(total.newest_at)).help if said else _known_help(newest)
    is_histogram = newest.type == MetricType.HISTOGRAM
    bounds = _bounds(totals) if is_histogram else ()
    series = []
    for labels, some in sorted(by_labels.items()):
        inside = _added([counts[_key(total)] for total in some], len(bounds)) if is_histogram else ()
        series.append(FamilySeries(dict(labels), _value(some), sum(one.samples for one in some), inside))
    return MetricFamily(newest.category, newest.name, newest.type, newest.base, help_, tuple(series), bounds)


def _known_help(total: _Total) -> str | None:
    return SYSTEM_METRICS[total.name].help if total.category == MetricCategory.SYSTEM else None


def _value(totals: list[_Total]) -> float:
    if totals[0].type == MetricType.GAUGE:
        newest = max(totals, key=lambda total: tuple(total.newest_at))
        return newest.base.of(newest.newest)
    return math.fsum(total.base.of(total.sum) for total in totals)


def _bounds(totals: list[_Total]) -> tuple[float, ...]:
    """The bounds said last, in the base unit, else the usual ones."""
    said = [total for total in totals if total.buckets_at is not None and total.buckets not in (None, "[]")]
    if not said:
        return DEFAULT_BOUNDS
    newest = max(said, key=lambda total: tuple(total.buckets_at or ()))
    return tuple(newest.base.of(float(bound)) for bound in parse(newest.buckets or "[]"))


# -- buckets of histograms -------------------------------------------------------------------------

_Key = tuple[str, str, str | None, str]
_Counts = dict[_Key, dict[int, int]]
"""For each series, how many observations there are between two bounds, by the place of the upper one."""


def _key(total: _Total) -> _Key:
    return (total.category, total.name, total.unit, total.labels)


def _counts(db: Connection, histograms: Iterable[list[_Total]]) -> _Counts:
    wanted = {}
    for totals in histograms:
        bounds = _bounds(totals)
        for total in totals:
            _, multiplier, divisor = total.base
            wanted[_key(total)[:3]] = {"multiplier": multiplier, "divisor": divisor, "bounds": bounds}
    names = ("category", "name", "unit")
    families = [{**dict(zip(names, key, strict=True)), **way} for key, way in wanted.items()]
    rows = db.execute(statement("metric_buckets"), {"families": json.dumps(families)}).fetchall()
    counts: _Counts = {}
    for category, name, unit, labels, place, samples in rows:
        counts.setdefault((category, name, unit, labels), {})[place] = samples
    return counts


def _added(found: list[dict[int, int]], bounds: int) -> tuple[int, ...]:
    """The cumulative counts of several series together."""
    return tuple(accumulate(sum(one.get(place, 0) for one in found) for place in range(bounds)))
