"""The tree of events: who hangs below whom, whatever their parents are said to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mplp_trace_cli.domain.event import Event


class Node(NamedTuple):
    """An event and its place in the tree."""

    event: Event
    depth: int
    """0 for a root."""
    is_last: bool
    """True for the last child of its parent."""
    has_children: bool


class Branch(NamedTuple):
    """An event and those that hang directly on it, in order."""

    event: Event
    children: list[Branch]


def forest(events: Sequence[Event]) -> list[Branch]:
    """The events as trees, brothers in order; one whose parent is missing, or in a circle, is a root."""
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
    return _grown([event for event in events if id(event) in heads], children)


def tree_of(events: Sequence[Event]) -> list[Node]:
    """The events from top to bottom as they are drawn, each before its children and brothers in order."""
    nodes: list[Node] = []
    waiting = [(root, False, 0) for root in reversed(forest(events))]
    while waiting:
        (event, children), is_last, depth = waiting.pop()
        nodes.append(Node(event, depth, is_last, bool(children)))
        waiting.extend((child, at == 0, depth + 1) for at, child in enumerate(reversed(children)))
    return nodes


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


def _grown(roots: list[Event], children: dict[str, list[Event]]) -> list[Branch]:
    grown = [Branch(root, []) for root in roots]
    seen = set(map(id, roots))
    waiting = grown[::-1]
    while waiting:
        branch = waiting.pop()
        # The same id may stand twice in one trace only by import; its children hang on the first.
        own = [child for child in children.get(branch.event.event_id, ()) if id(child) not in seen]
        seen.update(map(id, own))
        branch.children.extend(Branch(child, []) for child in own)
        waiting.extend(reversed(branch.children))
    return grown
