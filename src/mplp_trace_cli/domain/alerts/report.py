"""What is said of alerts: the answer of a check, the changes of the past, how deliveries ended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertNotice, AlertState, Group, Severity
from mplp_trace_cli.domain.alerts.machine import AlertRecord


class AlertChangeKind(StrEnum):
    """What can happen to an alert."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    INACTIVE = "inactive"
    CLOSED = "closed"
    """Its rule is no more, or groups by something else."""
    ACKNOWLEDGED = "acknowledged"
    SENT = "sent"
    RETRYING = "retrying"
    """A delivery failed and will be tried again."""
    GIVEN_UP = "given_up"
    """A delivery failed and will not be tried again."""


class AlertChange(NamedTuple):
    """One entry of the history; `action` and `detail` are of deliveries and acknowledgements."""

    at: int
    rule: str
    group: Group
    severity: Severity
    change: AlertChangeKind
    action: str | None = None
    figures: tuple[AlertFigure, ...] = ()
    detail: str | None = None


class Undelivered(NamedTuple):
    """A notice that could not be sent so far; `next_at` is None where it was given up."""

    rule: str
    group: Group
    action: str
    attempts: int
    error: str
    next_at: int | None


class AlertDelivery(NamedTuple):
    """How one delivery ended; `error` is None where it was sent."""

    rule: str
    group: Group
    state: AlertState
    action: str
    error: str | None = None
    next_at: int | None = None
    """When it is tried again; None where it was sent or given up."""


class AlertReport(NamedTuple):
    """What a check found: every alert of the rules that were evaluated, what changed, what was sent."""

    at: int
    rules: int
    """How many rules were evaluated."""
    alerts: tuple[AlertRecord, ...]
    changes: tuple[AlertChange, ...] = ()
    notices: tuple[AlertNotice, ...] = ()
    deliveries: tuple[AlertDelivery, ...] = ()
    remarks: tuple[str, ...] = ()
    """What of the config was left out, and why; what else whoever asks should know."""

    @property
    def firing(self) -> int:
        """How many alerts are firing, acknowledged or not."""
        return sum(alert.state is AlertState.FIRING for alert in self.alerts)


class AlertList(NamedTuple):
    """What is remembered, as of the last check of each rule; nothing is evaluated."""

    alerts: tuple[AlertRecord, ...]
    undelivered: tuple[Undelivered, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The rules there are, or were as far as it is remembered."""
        return list(dict.fromkeys(alert.rule for alert in self.alerts))
