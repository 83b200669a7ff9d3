"""The tree of events as it is drawn: each event with the lines that stand before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.tree import forest

MOST_GUIDES = 12


class Leaf(NamedTuple):
    """An event and the lines that stand before it."""

    guide: str
    below: str
    """What stands before its second line and those after it."""
    event: Event


def tree_of(events: Sequence[Event]) -> list[Leaf]:
    """The events from top to bottom, with the lines of their tree."""
    leaves: list[Leaf] = []
    waiting = [(root, "", False, 0) for root in reversed(forest(events))]
    while waiting:
        branch, lines, is_last, depth = waiting.pop()
        below = "" if depth == 0 else lines + ("  " if is_last else "│ ")
        beside = _cut(below, depth) + ("│ " if branch.children else "  " if depth else "")
        leaves.append(Leaf(_guide(lines, is_last, depth), beside, branch.event))
        for at, child in enumerate(reversed(branch.children)):
            waiting.append((child, below, at == 0, depth + 1))
    return leaves


def _cut(lines: str, depth: int) -> str:
    return lines[: 2 * (MOST_GUIDES - 1)] if depth > MOST_GUIDES else lines


def _guide(lines: str, is_last: bool, depth: int) -> str:
    if depth == 0:
        return ""
    if depth > MOST_GUIDES:
        return f"{_cut(lines, depth)}…{depth} "
    return lines + ("└╴" if is_last else "├╴")
