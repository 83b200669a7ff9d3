"""Foreign formats on their way in: each becomes JSON lines of ours, so that one place says what is valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Fault(NamedTuple):
    """What could not be translated: where its line would be, from 0, its bytes, and why."""

    line: int
    raw: bytes
    reason: str


Row = tuple[str, str, str, str, str | None, str, int | None, float | None, str | None, str | None, str]
"""The values of an EventRow, without a timestamp where it is the present, and at last the end of its data.

What many events share, such as the resource of spans, is only put behind the rest of the data in the store.
"""


class Translated(NamedTuple):
    """JSON lines, each with its line break; a blank one holds the place of a fault."""

    lines: bytes
    faults: list[Fault]
    events: Events | None = None
    """Events that need no reading, instead of lines. Then `lines` has no blank ones."""


class Events(NamedTuple):
    """Events as their values: JSON by construction, with ids that are ids. All else is still looked at."""

    rows: list[Row]
    places: Sequence[int]
    """Where the lines of the rows would be, from 0."""
    line_places: Sequence[int]
    """The same of the lines that there are beside the rows."""
    lines: int
    """How many lines there would be in all, with those of faults."""


class Translator(Protocol):
    """Turns pieces of a foreign format into lines, whatever the piece before. Can be sent to a process."""

    def translate(self, piece: bytes, /) -> Translated:
        """The lines of a piece; raises BrokenFile for one that is broken as a whole."""
