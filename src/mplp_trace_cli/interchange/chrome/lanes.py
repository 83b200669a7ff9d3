"""Lanes: which thread of a Chrome trace each event is drawn in, so that the slices of one always nest.

A viewer draws nonsense of slices that overlap. So each source of a trace has as many lanes as it takes: a
slice lies on the slice of its parent, or, when it names none, on any that is around it, or else on no other.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

NO_SOURCE = "events"
_INSTANT = 1 << 62
"""Begins later than anything: from what takes no time no arrow goes."""

Place = tuple[int, str | None, int, int | None, int, int | None]
"""An event: process, source, number, its parent's number, when it begins, and ends if it takes time."""


class Arrow(NamedTuple):
    """From the slice of a parent to that of a child that does not lie on it, by their numbers."""

    parent: int
    child: int


class Lane(NamedTuple):
    """A thread of the Chrome trace."""

    pid: int
    tid: int
    name: str


class Lanes:
    """Where each of a number of events is drawn; they come trace by trace, in order of time."""

    def __init__(self, events: int, first_tid: int) -> None:
        self.pids = array("i", bytes(4 * events))
        self.tids = array("i", bytes(4 * events))
        self.starts = array("q", [_INSTANT]) * events
        self._parents = array("q")
        self._children = array("q")
        self._next_tid = first_tid

    def place(self, events: Iterable[Place]) -> Iterator[Lane]:
        """Places events; gives the lanes that it opens for them."""
        current = 0
        sources: dict[str | None, _Source] = {}
        for pid, name, number, parent, start, stop in events:
            if pid != current:
                current = pid
                sources.clear()
            source = sources.get(name)
            if source is None:
                source = sources[name] = _Source()
            at = source.place(number, parent, start, stop)
            if at == len(source.tids):
                source.tids.append(self._next_tid)
                self._next_tid += 1
                yield Lane(pid, source.tids[at], _named(name, at))
            self.pids[number], self.tids[number] = pid, source.tids[at]
            if stop is not None:
                if parent is not None and self.starts[parent] <= start and not source.is_nested:
                    self._parents.append(parent)
                    self._children.append(number)
                self.starts[number] = start

    def arrows(self) -> Iterator[Arrow]:
        """The arrows between what was placed."""
        return map(Arrow, self._parents, self._children)


def _named(source: str | None, at: int) -> str:
    name = source or NO_SOURCE
    return f"{name} {at + 1}" if at else name


class _Source:
    """The lanes of one source of one trace."""

    def __init__(self) -> None:
        self.tids: list[int] = []
        self.is_nested = False
        """Whether what was placed last lies on its parent."""
        self._stacks: list[list[tuple[int, int]]] = []
        """Of each lane the slices that are open: when they end, and their numbers."""
        self._tops: list[tuple[int, int]] = []
        """When the innermost slice of each lane in use ends, in order, and which lane it is."""
        self._free: list[int] = []
        self._open: dict[int, int] = {}
        """The lane of each slice that is open."""

    def place(self, number: int, parent: int | None, start: int, stop: int | None) -> int:
        """The lane of an event that begins after those before it; one more than there are for a new one."""
        if self._tops and self._tops[0][0] <= start:
            self._close(start)
        if stop is None:
            return 0 if parent is None else self._open.get(parent, 0)
        at = self._lane_for(parent, stop)
        if at == len(self._stacks):
            self._stacks.append([])
        self._stacks[at].append((stop, number))
        self._open[number] = at
        insort(self._tops, (stop, at))
        return at

    def _lane_for(self, parent: int | None, stop: int) -> int:
        self.is_nested = False
        if parent is None:
            where = bisect_left(self._tops, (stop, -1))
            if where < len(self._tops):
                return self._tops.pop(where)[1]
        elif parent in self._open:
            at = self._open[parent]
            top, number = self._stacks[at][-1]
            if number == parent and top >= stop:
                self.is_nested = True
                del self._tops[bisect_left(self._tops, (top, at))]
                return at
        return heappop(self._free) if self._free else len(self._stacks)

    def _close(self, now: int) -> None:
        """Closes what ended by now."""
        while self._tops and self._tops[0][0] <= now:
            _, at = self._tops.pop(0)
            stack = self._stacks[at]
            while stack and stack[-1][0] <= now:
                del self._open[stack.pop()[1]]
            if stack:
                insort(self._tops, (stack[-1][0], at))
            else:
                heappush(self._free, at)
