"""What both ways of reading share: the events that come of records, and attributes that were read before."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.decoding.translating import Events, Fault, Row, Translated
from mplp_trace_cli.interchange.otlp.points import points_of
from mplp_trace_cli.interchange.otlp.records import Attributes, Home
from mplp_trace_cli.interchange.otlp.simple_attributes import Member
from mplp_trace_cli.interchange.otlp.values import Plain, are_odd, quoted, text

MOST_KEPT = 4_000
"""Attributes that are remembered; then all are forgotten, and those that come often come again."""
LONGEST_KEPT = 400
_EXCEPTION = "exception"
_MESSAGE = "exception.message"

Pair = tuple[str, Plain]


class Records:
    """What comes of a piece: events, lines of our own, and the places of what was faulty."""

    def __init__(self) -> None:
        self._found: list[Row | str | Fault] = []
        self._faults: list[Fault] = []
        self._are_rows = True
        self.add_row = self._found.append
        self.add_rows = self._found.extend

    def add(self, found: Row | str) -> None:
        """Adds an event or a line."""
        self._found.append(found)
        if isinstance(found, str):
            self._are_rows = False

    def __len__(self) -> int:
        return len(self._found)

    def cut(self, count: int) -> None:
        """Forgets all but the first so many."""
        del self._found[count:]
        self._faults = [fault for fault in self._faults if fault.line < count]

    def fault(self, raw: bytes, reason: str) -> None:
        """Holds the place of a record that is none."""
        fault = Fault(len(self._found), raw, reason)
        self._faults.append(fault)
        self._found.append(fault)

    def points(self, metric: Mapping[str, Any], raw: bytes, home: Home) -> None:
        """Adds the points of a metric of OTLP/JSON, whose bytes are `raw`; raises InvalidInput."""
        for point in points_of(metric):
            if isinstance(point, InvalidInput):
                self.fault(raw, point.message)
            else:
                self.add(home.point(point))

    def translated(self) -> Translated:
        """All of it."""
        found, count = self._found, len(self._found)
        if self._are_rows and not self._faults:
            return Translated(b"", [], Events(found, list(range(count)), (), count))  # type: ignore[arg-type]
        rows: list[Row] = [one for one in found if type(one) is tuple]  # type: ignore[misc]
        places = [place for place, one in enumerate(found) if type(one) is tuple]
        lines = [(place, one) for place, one in enumerate(found) if isinstance(one, str)]
        events = Events(rows, places, [place for place, _ in lines], count)
        return Translated("".join([one for _, one in lines]).encode(), self._faults, events)


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
        members = self.members(raws)
        if raws and not members:
            return Attributes.of([self._read(raw) for raw in raws])
        return Attributes(members)

    def members(self, raws: Collection[bytes]) -> str:
        """The members of the object that attributes are; empty for none, and for those that are no object."""
        found = dict(map(self._get, raws))
        return "" if are_odd(found, len(raws)) else ",".join(found.values())


def exception_message(name: str, attributes: Attributes) -> str | None:
    """What an event says of the exception that it tells of."""
    if name != _EXCEPTION or _MESSAGE not in attributes.members:
        return None
    message = json.loads(f"{{{attributes.members}}}").get(_MESSAGE)
    return message if isinstance(message, str) else None
