"""The standard events: which data they must have, and that every other type is free."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules, event_row
from mplp_trace_cli.domain.standard import STANDARD_EVENTS, standard_problems

RULES = EventRules(clock=lambda: 0)
GOOD: dict[str, dict[str, Any]] = {
    "workflow_started": {"workflow_id": "w", "stages": ["a", "b"], "estimated_duration": 0},
    "stage_started": {"stage": "context"},
    "stage_completed": {"stage": "context", "status": "success", "output": [None]},
    "performance_metric": {"metric_name": "m", "metric_value": -1.5, "metric_unit": "ms", "tags": {"a": "b"}},
}
CASES = [
    ("workflow_started", "workflow_id", [None, "", 5, True, ["w"]], ["é"]),
    ("workflow_started", "stages", [None, "a", [1], ["a", None], {"a": 1}], [[], ["a", "a"]]),
    ("workflow_started", "estimated_duration", [None, -1, "5", True, float("1e308") * 10], [0, 1.5, 2**70]),
    ("stage_started", "stage", [None, "", 5, {}], ["x"]),
    ("stage_completed", "stage", [None, ""], ["x"]),
    ("stage_completed", "status", [None, "ok", "", "SUCCESS", ["success"], True], ["failure"]),
    ("stage_completed", "output", [], [None, 1, "x", {"a": []}]),
    ("performance_metric", "metric_name", [None, "", 5], ["x"]),
    ("performance_metric", "metric_value", [None, "5", True, [5], 10**400], [0, -1, 1.5, 2**70]),
    ("performance_metric", "metric_unit", [None, "", 5], ["%"]),
    ("performance_metric", "tags", [[], "a", {"a": 1}, {"a": None}], [None, {}, {"": ""}]),
]


def row(event_type: str, data: dict[str, Any] | str, rules: EventRules = RULES) -> EventRow:
    """The event with that data."""
    return event_row({"trace_id": "t", "event_type": event_type, "data": data}, rules)


def test_the_standard_events_are_these() -> None:
    """Four types are checked, and their good data passes."""
    assert set(GOOD) == STANDARD_EVENTS
    for event_type, data in GOOD.items():
        assert row(event_type, data).event_type == event_type
        assert row(event_type, {**data, "more": {"of": "anything"}})


@pytest.mark.parametrize(("event_type", "name", "bad", "good"), CASES)
def test_each_field_is_checked(event_type: str, name: str, bad: list[Any], good: list[Any]) -> None:
    """A wrong value is refused by its path in data, a right one passes."""
    for value in good:
        assert standard_problems(event_type, {**GOOD[event_type], name: value}) == []
    for value in bad:
        (problem,) = standard_problems(event_type, {**GOOD[event_type], name: value})
        assert problem.startswith(f"data.{name}: must be ")


@pytest.mark.parametrize("event_type", sorted(GOOD))
def test_each_required_field_is_missed(event_type: str) -> None:
    """What is missing is named; all that is missing, at once."""
    required = [name for name in GOOD[event_type] if name not in ("output", "tags")]
    with pytest.raises(InvalidInput) as caught:
        row(event_type, {})
    faults = [f"data.{name}: required for {event_type}" for name in required]
    assert caught.value.details["problems"] == faults
    for name in set(GOOD[event_type]) - set(required):
        assert row(event_type, {key: value for key, value in GOOD[event_type].items() if key != name})


def said_of(event_type: str, data: dict[str, Any] | str) -> tuple[str, list[str]]:
    """The data that is kept, or else every problem."""
    try:
        return row(event_type, data).data, []
    except InvalidInput as fault:
        return "", fault.details["problems"]


@pytest.mark.parametrize(("event_type", "name", "bad", "good"), CASES)
def test_a_mapping_is_held_to_what_its_json_is(
    event_type: str, name: str, bad: list[Any], good: list[Any]
) -> None:
    """Given as a dict or as text, the same data is kept or refused with the same words."""
    for value in [*good, *bad, ("a", "b"), {1: "b"}]:
        data = {**GOOD[event_type], name: value}
        if value != float("inf"):  # which JSON has no word for
            text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
            assert said_of(event_type, data) == said_of(event_type, text)


def test_a_mapping_that_json_cannot_say_has_no_fields() -> None:
    """What is wrong with it comes first."""
    kept, problems = said_of("stage_started", {"stage": "s", "more": float("nan")})
    assert (kept, problems[0][:32]) == ("", "data: cannot be written as JSON:")


def test_other_types_are_free_and_the_check_can_be_left_out() -> None:
    """The lifecycle events of the modules have no required data, and options switch the check off."""
    for event_type in ("plan_created", "workflow_completed", "stage_failed", "anything"):
        assert row(event_type, {}).data == "{}"
    assert row("stage_started", {}, RULES._replace(validate_standard_events=False)).data == "{}"


def test_of_a_repeated_key_the_last_counts() -> None:
    """Data keeps repeated keys; what is checked is what a reader of that JSON will see."""
    assert row("stage_started", '{"stage":5,"stage":"s"}').data == '{"stage":5,"stage":"s"}'
    with pytest.raises(InvalidInput, match=r"data\.stage: must be text, not empty"):
        row("stage_started", '{"stage":"s","stage":5}')
