"""Numbers as people read them, for the commands."""

from __future__ import annotations

from mplp_trace_cli.domain.words import counted, humane_bytes, humane_duration

__all__ = ["counted", "humane_bytes", "humane_duration"]
