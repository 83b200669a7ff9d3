"""Abilities that need more packages than the tool itself: what is said where they are missing."""

from __future__ import annotations

from mplp_trace_cli.domain.errors import MissingExtra


def missing_extra(extra: str, what: str) -> MissingExtra:
    """The error for `what`, whose packages come with the extra of that name."""
    return MissingExtra(
        f"{what} needs packages that are not installed", hint=f"pip install 'mplp-trace[{extra}]'"
    )
