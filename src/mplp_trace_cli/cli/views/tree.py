"""The tree of events as text: the lines that show who hangs below whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mplp_trace_cli.domain import tree
from mplp_trace_cli.domain.event import Event

MOST_GUIDES = 12
_MOST_LINES = 2 * (MOST_GUIDES - 1)


class Leaf(NamedTuple):
    """An event and the lines that stand before it."""

    guide: str
    below: str
    """What stands before its second line and those after it."""
    event: Event


def tree_of(events: Sequence[Event]) -> list[Leaf]:
    """The events as a drawn tree, in its order."""
    leaves: list[Leaf] = []
    lines_at = {0: "", 1: ""}
    for node in tree.tree_of(events):
        lines, depth = lines_at[node.depth], node.depth
        below = "" if depth == 0 else lines + ("  " if node.is_last else "│ ")
        lines_at[depth + 1] = below[:_MOST_LINES]
        beside = _cut(below, depth) + ("│ " if node.has_children else "  " if depth else "")
        leaves.append(Leaf(_guide(lines, node.is_last, depth), beside, node.event))
    return leaves


def _cut(lines: str, depth: int) -> str:
    return lines[:_MOST_LINES] if depth > MOST_GUIDES else lines


def _guide(lines: str, is_last: bool, depth: int) -> str:
    if depth == 0:
        return ""
    if depth > MOST_GUIDES:
        return f"{lines}…{depth} "
    return lines + ("└╴" if is_last else "├╴")
