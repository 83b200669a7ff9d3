"""The difference of two traces: their events aligned by place in the tree and by type, then compared.

Ids, timestamps and process numbers never count. Brothers are aligned in order, those below aligned events
in turn; what is left over on both sides with the same type and message has moved. Nothing recurses, so chains
may be deep.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from mplp_trace_cli.domain.checks import as_number
from mplp_trace_cli.domain.comparing.alignment import aligned
from mplp_trace_cli.domain.comparing.changes import Change, json_changes
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event import Event
from mplp_trace_cli.domain.json_text import dumps
from mplp_trace_cli.domain.processes import PROCESS_KEY, process_of
from mplp_trace_cli.domain.trace import Trace
from mplp_trace_cli.domain.tree import forest

DEFAULT_THRESHOLD = 10.0
LEAST_MS = 1.0
_STAGE = "stage_started"
SHOWN_STEPS = 8
"""A path names so many of the events above at most: in a chain all of them would be too many."""


class DiffKind(StrEnum):
    """How an event of one trace stands to the other trace."""

    MISSING = "missing"
    NEW = "new"
    MOVED = "moved"
    SLOWER = "slower"
    FASTER = "faster"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True)
class Pace:
    """Two durations in ms, the second less the first, and that as a part of the first in percent."""

    first_ms: float | None = None
    second_ms: float | None = None
    kind: DiffKind | None = None
    """Slower or faster, when the difference counts."""

    @property
    def delta_ms(self) -> float | None:
        """The second less the first, to the nanosecond."""
        if self.first_ms is None or self.second_ms is None:
            return None
        return round(self.second_ms - self.first_ms, 6)

    @property
    def delta_percent(self) -> float | None:
        """The difference as a part of the first; None where that is 0."""
        if not self.first_ms or self.second_ms is None:
            return None
        percent = (self.second_ms - self.first_ms) / self.first_ms * 100
        return round(percent, 3) if math.isfinite(percent) else None


@dataclass(frozen=True)
class Place:
    """Where an event stands: the types above it and its own, and which of its brothers it is, from 1."""

    event_id: str
    path: str
    position: int
    named: str
    """The path with the names of the stages above, for people."""


@dataclass(frozen=True)
class DiffRow:
    """An event of either trace, or one that both have; a side without it is None.

    `kind` is the first that is true of missing, new, moved, slower or faster, changed; `changes` and `pace`
    tell of a moved one too what else differs.
    """

    kind: DiffKind
    event_type: str
    message: str | None
    first: Place | None
    second: Place | None
    pace: Pace
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class TraceDiff:
    """Two traces compared; `rows` has every event of both exactly once, in the order of the tree."""

    first: Trace
    second: Trace
    pace: Pace
    changes: tuple[Change, ...]
    """What differs in the traces themselves: name, status, tags, metadata, …"""
    rows: tuple[DiffRow, ...]

    @property
    def differences(self) -> list[DiffRow]:
        """The events that are not the same in both."""
        return [row for row in self.rows if row.kind is not DiffKind.SAME]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are of each kind."""
        counts = {kind.value: 0 for kind in DiffKind}
        for row in self.rows:
            counts[row.kind.value] += 1
        return counts

    @property
    def is_same(self) -> bool:
        """True when nothing that counts differs."""
        return not (self.changes or self.pace.kind or self.differences)


def diff_traces(first: Trace, second: Trace, threshold: float = DEFAULT_THRESHOLD) -> TraceDiff:
    """Compares two traces with their events.

    A duration counts as slower or faster when the longer is more than `threshold` percent and at least
    1 ms above the shorter; a threshold of 0 lets every difference count. Raises InvalidInput for another
    threshold than a number from 0.
    """
    limit = as_number(threshold)
    if limit is None or limit < 0:
        raise InvalidInput("threshold: must be a number of percent, not negative")
    rows = tuple(_rows(first.events, second.events, threshold))
    pace = _pace(first.duration_ms, second.duration_ms, threshold)
    return TraceDiff(first, second, pace, tuple(_trace_changes(first, second)), rows)


def _pace(first: float | None, second: float | None, threshold: float) -> Pace:
    if first is None or second is None or first == second:
        return Pace(first, second)
    least = LEAST_MS if threshold else 0
    counts = abs(second - first) >= least and abs(second - first) > min(first, second) * (threshold / 100)
    slower_or_faster = DiffKind.SLOWER if second > first else DiffKind.FASTER
    return Pace(first, second, slower_or_faster if counts else None)


# -- what differs ----------------------------------------------------------------------------------


def _trace_changes(first: Trace, second: Trace) -> Iterator[Change]:
    for name in ("context_id", "trace_type", "name", "description", "status", "tags"):
        yield from _field_changes(name, getattr(first, name), getattr(second, name))
    texts = first.metadata.text, second.metadata.text
    changes = json_changes("metadata", *texts)
    if all(map(process_of, texts)):  # which process it was is like an id: that of a run is another each time
        changes = [change for change in changes if not change.path.startswith(f"metadata.{PROCESS_KEY}.")]
    yield from changes


def _event_changes(first: Event, second: Event) -> Iterator[Change]:
    for name in ("level", "message", "source"):
        yield from _field_changes(name, getattr(first, name), getattr(second, name))
    if (first.duration_ms is None) != (second.duration_ms is None):
        yield from _field_changes("duration_ms", first.duration_ms, second.duration_ms)
    yield from json_changes("data", first.data.text, second.data.text)


def _field_changes(name: str, first: object, second: object) -> Iterator[Change]:
    if first != second:
        yield Change(name, *(None if value is None else dumps(value, name) for value in (first, second)))


# -- the tree of each side -------------------------------------------------------------------------

_TREE, _CONTENT, _MESSAGE = range(3)
"""The keys of a node that may find where it has moved to; the fourth, its type, is too coarse for that."""


@dataclass(eq=False, slots=True)
class _Node:
    """An event in its tree, and the one of the other side that stands for it."""

    event: Event | None
    """None at the top, which holds the roots."""
    parent: _Node | None
    position: int = 0
    children: list[_Node] = field(default_factory=list, repr=False)
    keys: tuple[Hashable, ...] = ()
    twin: _Node | None = field(default=None, repr=False)
    has_moved: bool = False


def _tree(events: Sequence[Event], kinds: dict[Hashable, int]) -> list[_Node]:
    """The nodes of a trace from the top, level by level; `kinds` numbers the subtrees that are equal."""
    top = _Node(None, None)
    nodes = [top]
    waiting = deque([(top, forest(events))])
    while waiting:
        node, branches = waiting.popleft()
        for position, branch in enumerate(branches, start=1):
            child = _Node(branch.event, node, position)
            node.children.append(child)
            nodes.append(child)
            waiting.append((child, branch.children))
    for node in reversed(nodes[1:]):
        node.keys = _keys(node, kinds)
    return nodes


def _keys(node: _Node, kinds: dict[Hashable, int]) -> tuple[Hashable, ...]:
    """What a node may be recognised by, finest first: its subtree, its content, its message, its type."""
    event = node.event
    assert event is not None
    message = (event.event_type, event.message)
    content = (*message, event.level, event.source, event.data.text)
    subtree = (content, event.duration_ms, *(child.keys[_TREE] for child in node.children))
    return kinds.setdefault(subtree, len(kinds)), content, message, event.event_type


# -- aligning --------------------------------------------------------------------------------------


def _rows(first: Sequence[Event], second: Sequence[Event], threshold: float) -> Iterator[DiffRow]:
    kinds: dict[Hashable, int] = {}
    left, right = _tree(first, kinds), _tree(second, kinds)
    # An alignment has ties; that the smaller tree leads makes it the same one the other way round.
    small, great = (left, right) if _shape(left) <= _shape(right) else (right, left)
    _align_below(small[0], great[0])
    for key in (_TREE, _CONTENT, _MESSAGE):
        _find_moved(small[1:], great[1:], key)
    for a, b in _in_order(left[0], right[0]):
        yield _row(a, b, threshold)


def _shape(nodes: list[_Node]) -> list[tuple[str | float, ...]]:
    """All that counts of a tree, as what can be ordered."""
    return [(len(node.children), *_counting(node.event)) for node in nodes if node.event is not None]


def _counting(event: Event) -> tuple[str | float, ...]:
    duration = -1.0 if event.duration_ms is None else event.duration_ms
    texts = (event.message is None, event.message or "", event.source is None, event.source or "")
    return event.event_type, event.level.value, duration, event.data.text, *texts


def _align_below(first: _Node, second: _Node) -> None:
    """Makes twins of two nodes and of what is aligned below them."""
    waiting = [(first, second)]
    while waiting:
        a, b = waiting.pop()
        a.twin, b.twin = b, a
        mine = [child for child in a.children if child.twin is None]
        other = [child for child in b.children if child.twin is None]
        pairs = aligned([child.keys for child in mine], [child.keys for child in other])
        waiting += [(mine[x], other[y]) for x, y in pairs]


def _find_moved(first: list[_Node], second: list[_Node], key: int) -> None:
    """Makes twins of what is left over on both sides with an equal key."""
    left_over: dict[Hashable, deque[_Node]] = {}
    for node in second:
        if node.twin is None:
            left_over.setdefault(node.keys[key], deque()).append(node)
    for node in first:
        candidates = left_over.get(node.keys[key])
        while candidates and node.twin is None:
            other = candidates.popleft()
            if other.twin is None:
                node.has_moved = other.has_moved = True
                _align_below(node, other)


def _in_order(first: _Node, second: _Node) -> Iterator[tuple[_Node | None, _Node | None]]:
    """Every event of both trees once: in the order of the second, with what is missing at its old place."""
    waiting: list[tuple[_Node | None, _Node | None]] = [(first, second)]
    while waiting:
        a, b = waiting.pop()
        if a is not first:
            yield a, b
        waiting += _children(a, b)[::-1]


def _children(a: _Node | None, b: _Node | None) -> list[tuple[_Node | None, _Node | None]]:
    """Those of both nodes; between two that stayed, first what is missing, then what is new or came there."""
    mine = [child for child in a.children if not child.has_moved] if a else []
    merged: list[tuple[_Node | None, _Node | None]] = []
    new: list[tuple[_Node | None, _Node | None]] = []
    at = 0
    for child in b.children if b else ():
        if child.twin is None or child.has_moved:
            new.append((child.twin, child))
            continue
        stayed = mine.index(child.twin, at)
        merged += [*((missing, None) for missing in mine[at:stayed]), *new, (child.twin, child)]
        new, at = [], stayed + 1
    return [*merged, *((missing, None) for missing in mine[at:]), *new]


# -- rows ------------------------------------------------------------------------------------------


def _row(a: _Node | None, b: _Node | None, threshold: float) -> DiffRow:
    first, second = a.event if a else None, b.event if b else None
    shown = second or first
    assert shown is not None
    pace = _pace(first.duration_ms if first else None, second.duration_ms if second else None, threshold)
    changes = tuple(_event_changes(first, second)) if first and second else ()
    kind = _kind(a, b, pace, changes)
    return DiffRow(kind, shown.event_type, shown.message, _place(a), _place(b), pace, changes)


def _kind(a: _Node | None, b: _Node | None, pace: Pace, changes: Sequence[Change]) -> DiffKind:
    if b is None:
        return DiffKind.MISSING
    if a is None:
        return DiffKind.NEW
    if a.has_moved:
        return DiffKind.MOVED
    return pace.kind or (DiffKind.CHANGED if changes else DiffKind.SAME)


def _place(node: _Node | None) -> Place | None:
    if node is None or node.event is None:
        return None
    above = list(islice(_upwards(node), SHOWN_STEPS + 1))
    events = above[:SHOWN_STEPS][::-1]
    more = ["…"] if len(above) > SHOWN_STEPS else []
    types = [event.event_type for event in events]
    named = [*map(_named, events[:-1]), types[-1]]
    return Place(node.event.event_id, "/".join([*more, *types]), node.position, "/".join([*more, *named]))


def _upwards(node: _Node | None) -> Iterator[Event]:
    """The event of a node, and those above it."""
    while node is not None and node.event is not None:
        yield node.event
        node = node.parent


def _named(event: Event) -> str:
    """The type of an event, of a stage its name too: the tasks of a program differ in nothing else."""
    stage = event.data.get("stage") if event.event_type == _STAGE else None
    return f"{event.event_type} {stage}" if isinstance(stage, str) else event.event_type
