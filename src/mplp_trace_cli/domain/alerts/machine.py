"""How an alert goes from one check to the next: pending, firing, resolved, and what is told of it.

Pure: the instant of a check and what the conditions came to are given, and nothing is kept here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from mplp_trace_cli.domain.alerts.alert import (
    AlertFigure,
    AlertNotice,
    AlertReading,
    AlertRule,
    AlertState,
    Group,
    Severity,
)
from mplp_trace_cli.domain.times import DAY_US, SECOND_US

TOLD = (AlertState.FIRING, AlertState.RESOLVED)
"""The states that people are told of when an alert comes to them."""
_OPEN = (AlertState.PENDING, AlertState.FIRING)
KEPT_US = DAY_US
"""How long a resolved alert of a group that has no data any more is remembered."""


REPLAYED = 10
"""How often at most a replay evaluates a condition over its `for`."""


class Acknowledgement(NamedTuple):
    """Who knows of a firing alert, since when, and what they say about it."""

    at: int
    by: str | None = None
    note: str | None = None


class AlertRecord(NamedTuple):
    """What is remembered of one alert, which is a rule and a group; instants in microseconds since 1970."""

    rule: str
    group: Group
    severity: Severity
    state: AlertState = AlertState.INACTIVE
    since: int | None = None
    """When the condition began to hold; of a resolved alert, when it had begun."""
    fired_at: int | None = None
    resolved_at: int | None = None
    evaluated_at: int | None = None
    figures: tuple[AlertFigure, ...] = ()
    acknowledged: Acknowledgement | None = None

    def lasted_us(self) -> int | None:
        """How long the condition has held, or of a resolved alert had held."""
        end = self.resolved_at if self.state is AlertState.RESOLVED else self.evaluated_at
        return None if self.since is None or end is None else end - self.since


class Step(NamedTuple):
    """What one check made of one alert."""

    before: AlertRecord
    record: AlertRecord
    notice: AlertNotice | None = None
    is_closed: bool = False
    """True where the rule is no more, or groups by something else."""

    @property
    def is_change(self) -> bool:
        """True where the alert has another state than before."""
        return self.before.state is not self.record.state


class Evaluation(NamedTuple):
    """What the conditions of some rules came to at one instant."""

    rules: Sequence[AlertRule]
    """All rules there are, also those that were not evaluated this time."""
    evaluated: frozenset[str]
    readings: Sequence[AlertReading]
    at: int


def step(rule: AlertRule, known: AlertRecord | None, reading: AlertReading | None, at: int) -> Step:
    """One alert at one check; what was not measured (None) does not hold.

    A check that is not later than the last one changes nothing: of two checkers at once one is heard, and a
    clock that was set back does no harm.
    """
    before = known or AlertRecord(rule.name, reading.group if reading else (), rule.severity)
    if before.evaluated_at is not None and at <= before.evaluated_at:
        return Step(before, before)
    figures = reading.figures if reading else ()
    seen = before._replace(severity=rule.severity, evaluated_at=at, figures=figures)
    after = _breached(rule, seen, at) if reading is not None and reading.holds else _calm(seen, at)
    told = after.state is not before.state and after.state in TOLD
    return Step(before, after, _notice(rule, after, at) if told else None)


def _breached(rule: AlertRule, record: AlertRecord, at: int) -> AlertRecord:
    if record.state is AlertState.FIRING:
        return record
    since = record.since if record.state is AlertState.PENDING and record.since is not None else at
    is_cool = record.fired_at is None or at - record.fired_at >= rule.cooldown_us
    if is_cool and at - since >= rule.for_us:
        return record._replace(
            state=AlertState.FIRING, since=since, fired_at=at, resolved_at=None, acknowledged=None
        )
    return record._replace(state=AlertState.PENDING, since=since, resolved_at=None)


def _calm(record: AlertRecord, at: int) -> AlertRecord:
    if record.state is AlertState.FIRING:
        return record._replace(state=AlertState.RESOLVED, resolved_at=at)
    if record.state is AlertState.PENDING:
        return record._replace(state=AlertState.INACTIVE, since=None)
    return record


def _notice(rule: AlertRule, record: AlertRecord, at: int) -> AlertNotice:
    return AlertNotice(
        rule.name,
        rule.severity,
        record.state,
        record.group,
        rule.condition,
        rule.window_us,
        record.figures,
        at if record.since is None else record.since,
        at,
    )


def step_all(
    evaluation: Evaluation, known: Iterable[AlertRecord], evaluated_at: Mapping[str, int]
) -> list[Step]:
    """Every alert of the rules that were evaluated, and those whose rule is no more.

    `evaluated_at` is when each rule was evaluated last, for groups that nothing is remembered of.
    """
    rules = {rule.name: rule for rule in evaluation.rules}
    records = {(record.rule, record.group): record for record in known}
    closed = [_closed(record, evaluation.at) for record in records.values() if _is_homeless(record, rules)]
    readings = {(one.rule, one.group): one for one in evaluation.readings}
    keys = [*readings, *(key for key in records if key not in readings)]
    steps = []
    for name, group in keys:
        record, rule = records.get((name, group)), rules.get(name)
        if rule is None or name not in evaluation.evaluated or (record and _is_homeless(record, rules)):
            continue
        fresh = AlertRecord(name, group, rule.severity, evaluated_at=evaluated_at.get(name))
        steps.append(step(rule, record or fresh, readings.get((name, group)), evaluation.at))
    return closed + steps


def _is_homeless(record: AlertRecord, rules: Mapping[str, AlertRule]) -> bool:
    """True where the config has no such rule any more, or one that groups by other columns."""
    rule = rules.get(record.rule)
    return rule is None or tuple(name for name, _ in record.group) != rule.group_by


def _closed(record: AlertRecord, at: int) -> Step:
    """The end of an alert without a rule: nobody is told; when it fired is kept for the cooldown."""
    last = max(at, record.evaluated_at or at)
    after = record._replace(evaluated_at=last, figures=(), acknowledged=None)
    if record.state in _OPEN:
        after = after._replace(state=AlertState.INACTIVE, since=None)
    return Step(record, after, is_closed=True)


def is_forgettable(rule: AlertRule | None, after: Step, at: int) -> bool:
    """True where a group has no data any more and nothing of the past matters to what comes."""
    record = after.record
    if record.state in _OPEN or record.figures:
        return False
    kept = max(rule.cooldown_us if rule else 0, KEPT_US)
    return record.fired_at is None or at - record.fired_at >= kept


def instants_of(for_us: int, at: int) -> list[int]:
    """When a replay evaluates: `at`, and before it over `for`, evenly, at least a second apart."""
    steps = min(REPLAYED, for_us // SECOND_US + 1) - 1
    return [at - for_us * left // steps for left in range(steps, 0, -1)] + [at]


def replayed(rule: AlertRule, history: Sequence[tuple[int, Sequence[AlertReading]]]) -> list[AlertRecord]:
    """Each group of a rule as it would be at the last instant of its readings; no cooldown counts.

    It is firing where the condition holds at all of these instants, and pending where only at the last ones.
    """
    at, readings = history[-1]
    held = [(when, {one.group for one in seen if one.holds}) for when, seen in reversed(history)]
    records = []
    for one in readings:
        record = AlertRecord(rule.name, one.group, rule.severity, evaluated_at=at, figures=one.figures)
        streak = _streak(held, one.group)
        if streak:
            state = AlertState.FIRING if len(streak) == len(held) else AlertState.PENDING
            record = record._replace(state=state, since=streak[-1])
        records.append(record)
    return records


def _streak(held: Iterable[tuple[int, Container[Group]]], group: Group) -> list[int]:
    """The instants, latest first, back to which a group holds without a gap."""
    return [when for when, _ in takewhile(lambda check: group in check[1], held)]
