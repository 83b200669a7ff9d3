"""What lies in what: slices and instants of threads, beginnings with their ends, arrows with their slices."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

POINT, SPAN, BEGIN, END, ARROW, ARROW_TO_NEXT, ALONE, COUNT = range(8)
"""Kinds of elements; those from ALONE on lie in nothing.

An ARROW belongs to the slice around it, one to the next to the slice that begins after it.
"""
_BEFORE_SPANS = (POINT, BEGIN, END, ARROW_TO_NEXT)
NONE = -1


class Elements:
    """Elements in the order in which they stand in a file; instants and durations are nanoseconds."""

    def __init__(self) -> None:
        self.threads = array("i")
        self.kinds = array("b")
        self.starts = array("q")
        self.lasted = array("q")
        """NONE of what has no duration, or none yet."""

    def __len__(self) -> int:
        return len(self.kinds)

    def add(self, kind: int, thread: int, start: int, lasted: int | None) -> None:
        """Adds one."""
        self.kinds.append(kind)
        self.threads.append(thread)
        self.starts.append(start)
        self.lasted.append(NONE if lasted is None else lasted)

    def in_time(self) -> Iterator[int]:
        """Thread by thread, in order of time; what begins together with something longer lies in that."""

        def place(one: int) -> tuple[int, int, int, int, int]:
            kind = self.kinds[one]
            turn = 0 if kind in _BEFORE_SPANS else 1 if kind == SPAN else 2
            return self.threads[one], self.starts[one], turn, -self.lasted[one] if turn == 1 else 0, one

        return iter(sorted((one for one in range(len(self)) if self.kinds[one] < ALONE), key=place))


class _Open(NamedTuple):
    """A slice that is open, and when it ends; None while its end is still to come."""

    number: int
    end: int | None


class Nesting:
    """Of each element the one it lies in, its other half, and the slice that an arrow belongs to."""

    def __init__(self, elements: Elements) -> None:
        unknown = array("i", [NONE]) * len(elements)
        self.parents = unknown[:]
        self.halves = unknown[:]
        """Of a beginning its end, of an end its beginning."""
        self.slices = unknown
        """Of an arrow the slice it belongs to."""
        self._elements = elements
        self._stack: list[_Open] = []
        self._waiting: list[int] = []
        thread = NONE
        for one in elements.in_time():
            if elements.threads[one] != thread:
                thread = elements.threads[one]
                self._stack, self._waiting = [], []
            self._take(one, elements.kinds[one])

    def _take(self, one: int, kind: int) -> None:
        start = self._elements.starts[one]
        self._close(start)
        if kind == END:
            self._end(one)
        elif kind == ARROW:
            self.slices[one] = self._top()
        elif kind == ARROW_TO_NEXT:
            self._waiting.append(one)
        elif kind == SPAN:
            self._open(one, start + max(0, self._elements.lasted[one]))
        elif kind == BEGIN:
            self._open(one, None)
        else:
            self.parents[one] = self._top()

    def _top(self) -> int:
        return self._stack[-1].number if self._stack else NONE

    def _close(self, now: int) -> None:
        while self._stack and self._stack[-1].end is not None and self._stack[-1].end <= now:
            self._stack.pop()

    def _open(self, one: int, end: int | None) -> None:
        # What ends before this does cannot hold it, nor anything after it.
        while (
            end is not None and self._stack and self._stack[-1].end is not None and self._stack[-1].end < end
        ):
            self._stack.pop()
        self.parents[one] = self._top()
        self._stack.append(_Open(one, end))
        for arrow in self._waiting:
            self.slices[arrow] = one
        self._waiting.clear()

    def _end(self, one: int) -> None:
        for at in reversed(range(len(self._stack))):
            number, end = self._stack[at]
            if end is None:
                del self._stack[at:]
                self.halves[one], self.halves[number] = number, one
                self._elements.lasted[number] = self._elements.starts[one] - self._elements.starts[number]
                return
