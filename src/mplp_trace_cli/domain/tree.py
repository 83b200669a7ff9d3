"""The tree of events: who hangs below whom."""

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


def tree_of(events: Sequence[Event]) -> list[Node]:
    """The events as a tree, each before its children and brothers in order.

    One whose parent is missing, or in a circle, is a root.
    """
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
    return _placed([event for event in events if id(event) in heads], children)


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


def _placed(roots: list[Event], children: dict[str, list[Event]]) -> list[Node]:
    nodes: list[Node] = []
    seen: set[int] = set()
    waiting = [(root, False, 0) for root in reversed(roots)]
    while waiting:
        event, is_last, depth = waiting.pop()
        if id(event) in seen:
            continue
        seen.add(id(event))
        # The same id may stand twice in one trace only by import; its children hang on the first.
        own = [child for child in children.get(event.event_id, ()) if id(child) not in seen]
        nodes.append(Node(event, depth, is_last, bool(own)))
        waiting.extend((child, at == 0, depth + 1) for at, child in enumerate(reversed(own)))
    return nodes
