"""Foreign formats on their way in: each becomes JSON lines of ours, so that one place says what is valid."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Fault(NamedTuple):
    """What could not be translated: where its line would be, from 0, its bytes, and why."""

    line: int
    raw: bytes
    reason: str


class Translated(NamedTuple):
    """JSON lines, each with its line break; a blank one holds the place of a fault."""

    lines: bytes
    faults: list[Fault]


class Translator(Protocol):
    """Turns pieces of a foreign format into lines, whatever the piece before. Can be sent to a process."""

    def translate(self, piece: bytes, /) -> Translated:
        """The lines of a piece; raises BrokenFile for one that is broken as a whole."""
