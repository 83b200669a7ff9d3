"""The tree of events: who hangs below whom, with the lines that show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.event import Event

MOST_GUIDES = 12


class Leaf(NamedTuple):
    """An event and the lines that stand before it."""

    guide: str
    below: str
    """What stands before its second line and those after it."""
    event: Event


def tree_of(events: Sequence[Event]) -> list[Leaf]:
    """The events as a tree, brothers in order; one whose parent is missing, or in a circle, is a root."""
    children: dict[str, list[Event]] = {}
    known = {event.event_id for event in events}
    roots: list[Event] = []
    for event in events:
        parent = event.parent_event_id
        if parent is not None and parent in known and parent != event.event_id:
            children.setdefault(parent, []).append(event)
        else:
            roots.append(event)
    reached = set(map(id, _walk(roots, children)))
    roots += _heads_of_circles([event for event in events if id(event) not in reached], children)
    heads = set(map(id, roots))
    return _drawn([event for event in events if id(event) in heads], children)


def _walk(roots: Iterable[Event], children: dict[str, list[Event]]) -> Iterator[Event]:
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        event = waiting.pop()
        if id(event) not in seen:
            seen.add(id(event))
            waiting.extend(children.get(event.event_id, ()))
            yield event


def _heads_of_circles(events: list[Event], children: dict[str, list[Event]]) -> list[Event]:
    heads: list[Event] = []
    reached: set[int] = set()
    for event in events:
        if id(event) not in reached:
            heads.append(event)
            reached.update(id(one) for one in _walk([event], children))
    return heads


def _drawn(roots: list[Event], children: dict[str, list[Event]]) -> list[Leaf]:
    leaves: list[Leaf] = []
    seen: set[int] = set()
    waiting: list[tuple[Event, str, bool, int]] = [(root, "", False, 0) for root in reversed(roots)]
    while waiting:
        event, lines, is_last, depth = waiting.pop()
        if id(event) in seen:
            continue
        seen.add(id(event))
        own = [child for child in children.get(event.event_id, ()) if id(child) not in seen]
        below = "" if depth == 0 else lines + ("  " if is_last else "│ ")
        beside = _cut(below, depth) + ("│ " if own else "  " if depth else "")
        leaves.append(Leaf(_guide(lines, is_last, depth), beside, event))
        # The same id may stand twice in one trace only by import; its children hang on the first.
        for at, child in enumerate(reversed(own)):
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
