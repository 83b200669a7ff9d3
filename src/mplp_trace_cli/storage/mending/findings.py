"""What a check of a store found: fine, worth knowing, or a fault, each with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, FAULT = "ok", "warning", "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: fine, worth knowing (`warning`), or a `fault`."""

    check: str
    state: str
    detail: str
    hint: str | None = None
    """A command that runs as it stands, or plain advice."""
