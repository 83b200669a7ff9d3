"""What both ways of reading share: the lines that come of records, and attributes that were read before."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.otlp.points import points_of
from mplp_trace_cli.interchange.otlp.records import Attributes, Home
from mplp_trace_cli.interchange.otlp.values import Plain, are_odd, quoted, text
from mplp_trace_cli.interchange.translating import Fault, Translated

MOST_KEPT = 50_000
"""Attributes that are remembered; then all are forgotten, and those that come often come again."""
LONGEST_KEPT = 400
_EXCEPTION = "exception"
_MESSAGE = "exception.message"

Pair = tuple[str, Plain]
Member = tuple[str, str]
"""The key of an attribute, and the JSON text of it as a member of an object."""


class Lines:
    """The lines of a piece so far, and the places of what was faulty."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._faults: list[Fault] = []
        self.add = self._lines.append
        self.extend = self._lines.extend

    def fault(self, raw: bytes, reason: str) -> None:
        """Holds the place of a record that is none."""
        self._faults.append(Fault(len(self._lines), raw, reason))
        self._lines.append("\n")

    def points(self, metric: Mapping[str, Any], raw: bytes, home: Home) -> None:
        """Adds the points of a metric of OTLP/JSON, whose bytes are `raw`; raises InvalidInput."""
        for point in points_of(metric):
            if isinstance(point, InvalidInput):
                self.fault(raw, point.message)
            else:
                self.add(home.point(point))

    def translated(self) -> Translated:
        """All of it."""
        return Translated("".join(self._lines).encode(), self._faults)


class KnownAttributes(dict[bytes, Member]):
    """The key and the JSON member of each attribute, by the bytes that it was."""

    def __init__(self, read: Callable[[bytes], Pair], read_simple: Callable[[bytes], Member | None]) -> None:
        """`read` reads every attribute; `read_simple` gives the member of a simple one, and nothing else."""
        super().__init__()
        self._read = read
        self._read_simple = read_simple
        self._get = self.__getitem__

    def __missing__(self, raw: bytes) -> Member:
        found = self._read_simple(raw) or self._member(raw)
        if len(raw) <= LONGEST_KEPT:
            if len(self) >= MOST_KEPT:
                self.clear()
            self[raw] = found
        return found

    def _member(self, raw: bytes) -> Member:
        key, value = self._read(raw)
        return key, f"{quoted(key)}:{text(value)}"

    def attributes(self, raws: Collection[bytes]) -> Attributes:
        """What a list of attributes says."""
        found = dict(map(self._get, raws))
        if are_odd(found, len(raws)):
            return Attributes.of([self._read(raw) for raw in raws])
        return Attributes(",".join(found.values()))


def exception_message(name: str, attributes: Attributes) -> str | None:
    """What an event says of the exception that it tells of."""
    if name != _EXCEPTION or _MESSAGE not in attributes.members:
        return None
    message = json.loads(f"{{{attributes.members}}}").get(_MESSAGE)
    return message if isinstance(message, str) else None
