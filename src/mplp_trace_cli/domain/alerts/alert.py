"""What an alert is: a rule, what its condition comes to, its state, and the notice that people get."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from mplp_trace_cli.domain.times import format_instant


class Severity(StrEnum):
    """How much a breach matters."""

    INFO = "info"
    WARNING = "warning"
    HIGH = "high"
    CRITICAL = "critical"


class AlertState(StrEnum):
    """Where an alert is: `pending` holds and is not told yet, `resolved` was told and holds no more."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class ActionKind(StrEnum):
    """The ways to tell people."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    COMMAND = "command"


class AlertRule(NamedTuple):
    """When to tell whom; spans are in microseconds."""

    name: str
    condition: str
    window_us: int
    for_us: int = 0
    """How long the condition has to hold before the alert fires."""
    cooldown_us: int = 0
    """How long after it fired it does not fire again."""
    severity: Severity = Severity.WARNING
    group_by: tuple[str, ...] = ()
    """One alert for each value of these columns."""
    actions: tuple[str, ...] = ()


class AlertAction(NamedTuple):
    """One way to tell people, with the settings of its kind as the config file has them."""

    name: str
    kind: ActionKind
    settings: Mapping[str, Any] = MappingProxyType({})


class AlertFigure(NamedTuple):
    """A figure of a condition as it is written there; None where nothing was measured."""

    name: str
    value: float | None
    unit: str = ""
    """`share`, `ms`, `/s`, or none for counts and custom metrics."""


Group = tuple[tuple[str, str | None], ...]
"""The columns a rule groups by, each with its value; empty for a rule without groups."""


def alert_title(rule: str, group: Group) -> str:
    """`slow-answers context_id=ctx-1`, which folds between its words."""
    return " ".join([rule, *group_texts(group)])


def group_texts(group: Group) -> list[str]:
    """Each column with its value: `context_id=ctx-1`, `meta.team=(none)`."""
    return [f"{name}={'(none)' if value is None else value}" for name, value in group]


class AlertReading(NamedTuple):
    """What a rule's condition comes to for one group at one instant."""

    rule: str
    group: Group
    holds: bool
    figures: tuple[AlertFigure, ...]


class AlertNotice(NamedTuple):
    """What people are told: an alert fires or has resolved. Instants are microseconds since 1970."""

    rule: str
    severity: Severity
    state: AlertState
    group: Group
    condition: str
    window_us: int
    figures: tuple[AlertFigure, ...]
    since: int
    """When the condition began to hold."""
    at: int
    """When the alert fired or resolved."""
    is_test: bool = False

    def document(self) -> dict[str, Any]:
        """The notice as JSON values; what webhooks and commands get."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "state": self.state.value,
            "group": dict(self.group),
            "condition": self.condition,
            "window_ms": self.window_us / 1_000,
            "values": {figure.name: figure.value for figure in self.figures},
            "since": format_instant(self.since),
            "at": format_instant(self.at),
            "test": self.is_test,
        }
