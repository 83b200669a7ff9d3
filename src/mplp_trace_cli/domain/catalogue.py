"""The catalogue: the lifecycle events of the MPLP modules, by the module that emits them.

It only knows names. Any other event of any other source is recorded all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CATALOGUE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "context": ("context_created", "context_status_changed"),
        "plan": ("plan_created", "task_status_changed", "plan_completed"),
        "confirm": ("confirmation_created", "approval_submitted", "confirmation_completed"),
        "role": ("role_created", "role_assigned", "permission_checked"),
        "extension": ("extension_activated", "extension_executed"),
        "core": (
            "workflow_started",
            "stage_started",
            "stage_completed",
            "stage_failed",
            "workflow_completed",
            "workflow_failed",
        ),
    }
)
"""The source of each module and the types of its events, in the order of a lifecycle."""


def events_of(source: str) -> tuple[str, ...]:
    """The events that are known of a source; none of an unknown one."""
    return CATALOGUE.get(source, ())


def source_of(event_type: str) -> str | None:
    """The module that emits events of that type; None for an unknown type."""
    return next((source for source, types in CATALOGUE.items() if event_type in types), None)
