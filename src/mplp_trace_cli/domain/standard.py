"""The standard events: which fields their data must have (MPLP Trace module, event types)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mplp_trace_cli.domain.checks import as_number

Rule = Callable[[Any], str | None]


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "must be text, not empty"


def _texts(value: Any) -> str | None:
    fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if fits else "must be a list of text"


def _number(value: Any) -> str | None:
    return None if as_number(value) is not None else "must be a finite number"


def _milliseconds(value: Any) -> str | None:
    number = as_number(value)
    return None if number is not None and number >= 0 else "must be a number of ms, not negative"


def _outcome(value: Any) -> str | None:
    return None if value in ("success", "failure") else "must be success or failure"


def _labels(value: Any) -> str | None:
    fits = isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return None if fits else "must be an object of texts"


_REQUIRED: Mapping[str, Mapping[str, Rule]] = {
    "workflow_started": {
        "workflow_id": _text,
        "stages": _texts,
        "estimated_duration": _milliseconds,
    },
    "stage_started": {"stage": _text},
    "stage_completed": {"stage": _text, "status": _outcome},
    "performance_metric": {"metric_name": _text, "metric_value": _number, "metric_unit": _text},
}
_OPTIONAL: Mapping[str, Mapping[str, Rule]] = {"performance_metric": {"tags": _labels}}

STANDARD_EVENTS = frozenset(_REQUIRED)


def standard_problems(event_type: str, data: Mapping[str, Any]) -> list[str]:
    """What is wrong with the data of a standard event; nothing for any other type."""
    problems = []
    for name, rule in _REQUIRED.get(event_type, {}).items():
        fault = rule(data[name]) if name in data else f"required for {event_type}"
        if fault:
            problems.append(f"data.{name}: {fault}")
    for name, rule in _OPTIONAL.get(event_type, {}).items():
        fault = rule(data[name]) if data.get(name) is not None else None
        if fault:
            problems.append(f"data.{name}: {fault}")
    return problems
