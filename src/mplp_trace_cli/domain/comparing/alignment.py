"""Aligning two sequences: which element of one stands for which of the other, in order and near linear."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence

MOST_EDITS = 400
"""Up to so many insertions and deletions the longest alignment is found; beyond, a long one."""

Keyed = Sequence[Sequence[Hashable]]
Pairs = list[tuple[int, int]]


def aligned(first: Keyed, second: Keyed) -> Pairs:
    """The places of the elements that stand for each other, ascending on both sides.

    An element is its keys, finest first: where one is equal, the coarser ones are too, and where none is, the
    two cannot be paired. Pairing finely may leave more unpaired, and the other way round: the alignment that
    is least unlike is taken. What is unpaired on both sides with an equal key, the coarsest apart, has only
    changed its place, as what goes on side by side does from run to run.
    """
    keys = len(first[0]) if first and second else 0
    candidates = (_in_steps(first, second, range(finest, keys)) for finest in range(keys))
    return min(candidates, key=lambda pairs: _unlikeness(first, second, pairs), default=[])


def _unlikeness(first: Keyed, second: Keyed, pairs: Pairs) -> int:
    """How many keys differ in all; the place counts as one more of what has moved, all do of what is left."""
    differing = sum(_differing(first[x], second[y]) for x, y in pairs)
    mine, other = ({pair[side] for pair in pairs} for side in (0, 1))
    return differing + _unlikeness_of_unpaired(
        [keys for x, keys in enumerate(first) if x not in mine],
        [keys for y, keys in enumerate(second) if y not in other],
    )


def _unlikeness_of_unpaired(first: Keyed, second: Keyed) -> int:
    keys = len((*first, *second)[0]) if first or second else 0
    unlike, moved = 0, 0
    for key in range(keys - 1):
        in_both = Counter(one[key] for one in first) & Counter(one[key] for one in second)
        newly = in_both.total() - moved
        moved += newly
        unlike += newly * (key + 1)
    return unlike + keys * (len(first) + len(second) - 2 * moved)


def _differing(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    return sum(one != other for one, other in zip(a, b, strict=True))


def _in_steps(first: Keyed, second: Keyed, keys: range) -> Pairs:
    """Pairs by the first of the keys, then what lies between those pairs by the next, and so on."""
    pairs: Pairs = []
    for key in keys:
        found: Pairs = []
        left = right = 0
        for a, b in [*pairs, (len(first), len(second))]:
            between = _longest([one[key] for one in first[left:a]], [one[key] for one in second[right:b]])
            found += [(left + x, right + y) for x, y in between]
            found.append((a, b))
            left, right = a + 1, b + 1
        pairs = found[:-1]
    return pairs


def _longest(first: Sequence[Hashable], second: Sequence[Hashable]) -> Pairs:
    """The places of equal elements: all that both begin and end with, and a longest alignment between."""
    shorter = min(len(first), len(second))
    head = next((at for at in range(shorter) if first[at] != second[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if first[-1 - at] != second[-1 - at]), rest)
    a, b = first[head : len(first) - tail], second[head : len(second) - tail]
    inner = _by_edits(a, b) if a and b else []
    if inner is None:
        inner = _by_occurrence(a, b)
    ends = [(len(first) - at, len(second) - at) for at in range(tail, 0, -1)]
    return [(at, at) for at in range(head)] + [(head + x, head + y) for x, y in inner] + ends


def _by_edits(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs | None:
    """A longest common subsequence by Myers' greedy search; None where it takes more than MOST_EDITS."""
    reach = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(len(a) + len(b), MOST_EDITS) + 1):
        history.append(dict(reach))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
            x = reach[k + 1] if down else reach[k - 1] + 1
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            reach[k] = x
            if x >= len(a) and x - k >= len(b):
                return _traced(history, len(a), len(b))
    return None


def _traced(history: list[dict[int, int]], x: int, y: int) -> Pairs:
    """The pairs on the way back from the end to the beginning."""
    pairs: Pairs = []
    for edits in range(len(history) - 1, -1, -1):
        reach, k = history[edits], x - y
        down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
        before = reach[k + 1] if down else reach[k - 1]
        start = before if down else before + 1
        while x > start:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = before, before - (k + 1 if down else k - 1)
    return pairs[::-1]


def _by_occurrence(a: Sequence[Hashable], b: Sequence[Hashable]) -> Pairs:
    """The n-th of each kind stands for the n-th of the other side, where that keeps the order."""
    places: dict[Hashable, list[int]] = {}
    for at in range(len(b) - 1, -1, -1):
        places.setdefault(b[at], []).append(at)
    candidates = [(x, places[one].pop()) for x, one in enumerate(a) if places.get(one)]
    return _ascending(candidates)


def _ascending(candidates: Pairs) -> Pairs:
    """A longest run of pairs that ascends on both sides; they ascend on the first."""
    tails: list[int] = []
    chosen: list[int] = []
    before: list[int] = []
    for number, (_, y) in enumerate(candidates):
        length = bisect_left(tails, y)
        before.append(chosen[length - 1] if length else -1)
        tails[length : length + 1] = [y]
        chosen[length : length + 1] = [number]
    pairs: Pairs = []
    at = chosen[-1] if chosen else -1
    while at >= 0:
        pairs.append(candidates[at])
        at = before[at]
    return pairs[::-1]
