"""What an alert goes through: states, `for`, cooldown, and that each notice is made once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertReading, AlertRule, AlertState, Severity
from mplp_trace_cli.domain.alerts.machine import (
    KEPT_US,
    AlertRecord,
    Evaluation,
    Step,
    is_forgettable,
    step,
    step_all,
)

FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED
RULE = AlertRule("r", "error_rate > 5%", 300, severity=Severity.HIGH)
Check = tuple[int, bool | None]
"""When, and whether the condition held; None where nothing was measured."""
Told = tuple[AlertState, int]


def reading(holds: bool | None) -> AlertReading | None:
    """What a condition came to."""
    figures = (AlertFigure("error_rate", 0.1, "share"),)
    return None if holds is None else AlertReading("r", (), holds, figures)


def run(rule: AlertRule, checks: Sequence[Check]) -> tuple[AlertRecord | None, list[Told]]:
    """The last record, and what was told."""
    record: AlertRecord | None = None
    told = []
    for at, holds in checks:
        one = step(rule, record, reading(holds), at)
        record = one.record
        if one.notice is not None:
            told.append((one.notice.state, one.notice.at))
    return record, told


def expected(rule: AlertRule, checks: Sequence[Check]) -> list[Told]:
    """The same from the definition, over the whole history at each check instead of a state."""
    heard: list[Check] = []
    told: list[Told] = []
    for at, holds in checks:
        if heard and at <= heard[-1][0]:
            continue
        heard.append((at, holds))
        is_firing = bool(told) and told[-1][0] is FIRING
        if is_firing and not holds:
            told.append((RESOLVED, at))
        if is_firing or not holds:
            continue
        streak = []
        for earlier, held in reversed(heard):
            if not held:
                break
            streak.append(earlier)
        fired = [when for state, when in told if state is FIRING]
        throughout = min(streak) <= at - rule.for_us
        if throughout and (not fired or fired[-1] + rule.cooldown_us <= at):
            told.append((FIRING, at))
    return told


RULES = st.builds(
    lambda for_us, cooldown_us: RULE._replace(for_us=for_us, cooldown_us=cooldown_us),
    st.integers(0, 6),
    st.integers(0, 12),
)
CHECKS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([True, True, False, None])), max_size=30)
IN_ORDER = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([True, True, False, None])), max_size=30
).map(lambda gaps: [(sum(gap for gap, _ in gaps[: at + 1]), holds) for at, (_, holds) in enumerate(gaps)])


@given(RULES, st.one_of(CHECKS, IN_ORDER))
def test_it_tells_what_the_definition_says(rule: AlertRule, checks: list[Check]) -> None:
    """It fires where it held at each check throughout `for`, once the cooldown is over, else not."""
    assert run(rule, checks)[1] == expected(rule, checks)


@given(RULES, st.one_of(CHECKS, IN_ORDER))
def test_firing_and_resolving_take_turns(rule: AlertRule, checks: list[Check]) -> None:
    """The first is a firing, nothing resolves that was not told, and firings keep the cooldown apart."""
    _, told = run(rule, checks)
    states = [state for state, _ in told]
    assert states == [FIRING, RESOLVED] * (len(states) // 2) + [FIRING] * (len(states) % 2)
    fired = [at for state, at in told if state is FIRING]
    assert all(later - sooner >= rule.cooldown_us for sooner, later in pairwise(fired))


@given(RULES, IN_ORDER, st.data())
def test_two_checkers_tell_once(rule: AlertRule, checks: list[Check], data: st.DataObject) -> None:
    """Each check made by one, the other or both, whenever the doubles come: the same notices."""
    both = [check for check in checks for _ in range(data.draw(st.integers(1, 2)))]
    late = data.draw(st.lists(st.sampled_from(checks), max_size=5)) if checks else []
    seen = list(both)
    for one in late:  # one that was slow: its check is heard after a later one
        seen.insert(data.draw(st.integers(seen.index(one) + 1, len(seen))), one)
    assert run(rule, seen)[1] == run(rule, checks)[1]


@given(RULES, CHECKS)
def test_each_change_is_seen_once(rule: AlertRule, checks: list[Check]) -> None:
    """A notice comes with a change of state, and a check that is not later changes nothing at all."""
    record: AlertRecord | None = None
    for at, holds in checks:
        one = step(rule, record, reading(holds), at)
        assert (one.notice is not None) == (one.is_change and one.record.state in (FIRING, RESOLVED))
        again = step(rule, one.record, reading(not holds), at)
        assert (again.record is one.record, again.notice, again.is_change) == (True, None, False)
        record = one.record


def test_what_a_notice_says() -> None:
    """Since when it holds, when it fired, and the figures of that moment."""
    rule = RULE._replace(for_us=10)
    first = step(rule, None, reading(True), 100)
    notice = step(rule, first.record, reading(True), 110).notice
    assert notice is not None
    assert (notice.since, notice.at, notice.state, notice.severity) == (100, 110, FIRING, Severity.HIGH)
    assert notice.figures == (AlertFigure("error_rate", 0.1, "share"),)


def test_a_breach_in_the_cooldown_is_told_when_it_is_over() -> None:
    """It waits as pending; one that is gone by then was never told."""
    rule = RULE._replace(cooldown_us=10)
    before: list[Check] = [(0, True), (1, False), (5, True)]
    record, told = run(rule, before)
    assert record is not None
    assert record.state is AlertState.PENDING
    assert run(rule, [*before, (10, True)])[1] == [*told, (FIRING, 10)]
    assert run(rule, [*before, (9, False), (10, False)])[1] == told


def all_of(at: int, rules: Sequence[AlertRule], *readings: AlertReading) -> Evaluation:
    """A check of all rules."""
    return Evaluation(rules, frozenset(rule.name for rule in rules), readings, at)


def grouped(value: str, holds: bool = True) -> AlertReading:
    """A reading of one context."""
    return AlertReading("r", (("context_id", value),), holds, (AlertFigure("error_rate", 0.5, "share"),))


BY_CONTEXT = RULE._replace(group_by=("context_id",))


def test_each_group_is_an_alert() -> None:
    """One fires while another does not, and a group without data resolves."""
    first = step_all(all_of(1, [BY_CONTEXT], grouped("a"), grouped("b", False)), [], {})
    assert [one.record.state for one in first] == [FIRING, AlertState.INACTIVE]
    second = step_all(all_of(2, [BY_CONTEXT], grouped("b")), [one.record for one in first], {"r": 1})
    assert {one.record.group[0][1]: one.record.state for one in second} == {"a": RESOLVED, "b": FIRING}


def test_a_group_that_nothing_is_remembered_of_heeds_the_last_check_of_its_rule() -> None:
    """A slow checker does not wake a group that a later check found calm and forgot."""
    (one,) = step_all(all_of(5, [BY_CONTEXT], grouped("a")), [], {"r": 6})
    assert (one.record.state, one.notice) == (AlertState.INACTIVE, None)


def states(steps: Sequence[Step]) -> list[tuple[AlertState, bool, bool]]:
    """The state, whether it was closed, whether anything is told."""
    return [(one.record.state, one.is_closed, one.notice is not None) for one in steps]


def test_a_rule_that_is_no_more_is_closed_in_silence() -> None:
    """So is one that groups by something else now; a rule that was not evaluated is left alone."""
    known = [one.record for one in step_all(all_of(1, [RULE], AlertReading("r", (), True, ())), [], {})]
    assert states(step_all(all_of(2, []), known, {})) == [(AlertState.INACTIVE, True, False)]
    regrouped = step_all(all_of(2, [BY_CONTEXT], grouped("a")), known, {})
    assert states(regrouped) == [(AlertState.INACTIVE, True, False), (FIRING, False, True)]
    assert step_all(Evaluation([RULE], frozenset(), [], 2), known, {}) == []


def test_groups_that_are_gone_are_forgotten() -> None:
    """Not one that has data, is open, cools down, or resolved today."""
    calm = AlertRecord("r", (("context_id", "a"),), Severity.HIGH, evaluated_at=1)
    assert is_forgettable(BY_CONTEXT, Step(calm, calm), 1)
    for record in (
        calm._replace(figures=(AlertFigure("error_rate", 0.0),)),
        calm._replace(state=AlertState.PENDING),
        calm._replace(state=RESOLVED, fired_at=0),
    ):
        assert not is_forgettable(BY_CONTEXT, Step(record, record), 1)
    resolved = calm._replace(state=RESOLVED, fired_at=0)
    assert is_forgettable(BY_CONTEXT, Step(resolved, resolved), KEPT_US)
    cooling = BY_CONTEXT._replace(cooldown_us=2 * KEPT_US)
    assert not is_forgettable(cooling, Step(resolved, resolved), KEPT_US)
