"""What the conditions of rules come to at an instant: every figure once, from one scan of each view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mplp_trace_cli.analysis.alert_samples import metric_figures
from mplp_trace_cli.analysis.alert_scans import (
    Asked,
    Found,
    GroupBy,
    Groupings,
    Values,
    event_figures,
    trace_figures,
)
from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertReading
from mplp_trace_cli.domain.alerts.conditions import Comparison, Figure, comparisons, holds
from mplp_trace_cli.domain.alerts.figures import Dimension, Subject

if TYPE_CHECKING:
    from mplp_trace_cli.analysis.alert_rules import ParsedRule
    from mplp_trace_cli.storage.store import Connection

_SCANS: Mapping[Subject, Callable[[Connection, Groupings, int], dict[GroupBy, Found]]] = {
    Subject.TRACES: trace_figures,
    Subject.EVENTS: event_figures,
    Subject.METRICS: metric_figures,
}
_Answers = Mapping[Subject, Mapping[GroupBy, Found]]


def evaluate(db: Connection, rules: Sequence[ParsedRule], at: int) -> list[AlertReading]:
    """What every rule comes to at the instant `at`, over its window before it, in the order of the rules.

    A rule with groups has a reading for each group that has something in its window, in order of values.
    """
    asked: dict[Subject, dict[GroupBy, dict[Asked, None]]] = {}
    for rule in rules:
        for one in (*_asked_by(rule), *_present_by(rule)):
            groupings = asked.setdefault(one.figure.subject, {})
            groupings.setdefault(rule.rule.group_by, {})[one] = None
    answers = {subject: _SCANS[subject](db, groupings, at) for subject, groupings in asked.items()}
    return [reading for rule in rules for reading in _readings(rule, answers)]


def _asked(rule: ParsedRule, comparison: Comparison) -> Asked:
    unit = comparison.unit if comparison.figure.function else ""
    return Asked(comparison.figure, rule.rule.window_us, unit)


def _asked_by(rule: ParsedRule) -> list[Asked]:
    return [_asked(rule, comparison) for comparison in comparisons(rule.condition)]


def _present_by(rule: ParsedRule) -> list[Asked]:
    """What tells that a group has something: any of these counts is not 0."""
    if not rule.rule.group_by:
        return []
    counts = [_count_behind(comparison.figure) for comparison in comparisons(rule.condition)]
    return [Asked(figure, rule.rule.window_us) for figure in dict.fromkeys(counts)]


def _count_behind(figure: Figure) -> Figure:
    if figure.function:
        return Figure(figure.name, "count")
    if figure.name == "active_traces":
        return Figure("active_traces")
    return Figure("request_count" if figure.subject is Subject.TRACES else "event_count")


def _readings(rule: ParsedRule, answers: _Answers) -> list[AlertReading]:
    group_by = rule.rule.group_by
    found = [answers[subject][group_by] for subject in {one.figure.subject: None for one in _asked_by(rule)}]
    values: dict[Values, dict[Asked, float | None]] = {}
    for each in found:
        for group, figures in each.items():
            values.setdefault(group, {}).update(figures)
    present = _present_by(rule)
    groups = [group for group in values if not present or any(values[group].get(one) for one in present)]
    groups.sort(key=lambda group: [(value is None, value or "") for value in group])
    return [_reading(rule, group, values[group]) for group in groups]


def _reading(rule: ParsedRule, group: Values, figures: Mapping[Asked, float | None]) -> AlertReading:
    def value_of(comparison: Comparison) -> float | None:
        return figures.get(_asked(rule, comparison), _of_nothing(comparison))

    told = {(one.figure, one.dimension): value_of(one) for one in comparisons(rule.condition)}
    measured = Counter(figure for figure, _ in told)
    return AlertReading(
        rule.rule.name,
        tuple(zip(rule.rule.group_by, group, strict=True)),
        holds(rule.condition, value_of),
        tuple(
            AlertFigure(_name(figure, unit, measured[figure]), value, unit.value)
            for (figure, unit), value in told.items()
        ),
    )


def _name(figure: Figure, unit: Dimension, measured: int) -> str:
    """A figure as it is written; of a metric that is compared in several units, with the unit."""
    return f"{figure} in {unit.value}" if measured > 1 and unit.value else str(figure)


def _of_nothing(comparison: Comparison) -> float | None:
    """What a figure is where there is nothing: counts and rates are 0."""
    figure = comparison.figure
    if figure.function:
        return 0.0 if figure.function == "count" else None
    return 0.0 if comparison.dimension in (Dimension.NUMBER, Dimension.RATE) else None
