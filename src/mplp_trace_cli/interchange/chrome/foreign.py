"""Chrome traces of others: one file is one trace, what lies in what is told by time, nothing is left out."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator

from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import JsonFault, dumps, parse
from mplp_trace_cli.domain.times import MAX_INSTANT, MIN_INSTANT, parse_instant
from mplp_trace_cli.interchange.chrome.fields import (
    MOST_NS,
    NS,
    Fields,
    Key,
    arrow_key,
    async_key,
    fields_of,
    instant_text,
    nanoseconds,
    object_of,
    text_of,
    thread_key,
    value_of,
)
from mplp_trace_cli.interchange.chrome.foreign_lines import COUNTER, METADATA, About, Line, LineWriter, Placed
from mplp_trace_cli.interchange.chrome.nesting import (
    ALONE,
    ARROW,
    ARROW_TO_NEXT,
    BEGIN,
    COUNT,
    END,
    NONE,
    POINT,
    SPAN,
    Elements,
    Nesting,
)

_KINDS = {
    "X": SPAN,
    "B": BEGIN,
    "E": END,
    "i": POINT,
    "I": POINT,
    "R": POINT,
    "b": BEGIN,
    "e": END,
    "n": POINT,
    "S": BEGIN,
    "F": END,
    "T": POINT,
    "p": POINT,
    "s": ARROW,
    "t": ARROW,
    "f": ARROW_TO_NEXT,
    COUNTER: COUNT,
}
_ASYNC = frozenset("benSFTp")
ABSOLUTE_US = 100_000_000_000_000
"""Instants from here on, March 1973, count from 1970; clocks that show less began at some other time."""


class ForeignTrace:
    """Takes elements in, in any order; gives lines when all are there. The texts wait in a file."""

    def __init__(self) -> None:
        self._texts = tempfile.SpooledTemporaryFile(1 << 22)  # noqa: SIM115 - closed by __exit__
        self._offsets = array("q", [0])
        self._elements = Elements()
        self._threads: dict[Key, int] = {}
        self._arrows: list[tuple[Key, int]] = []
        self._metadata: list[str] = []
        self._names: dict[Key, str] = {}

    def __enter__(self) -> ForeignTrace:
        return self

    def __exit__(self, *_: object) -> None:
        self._texts.close()

    # -- in ----------------------------------------------------------------------------------------

    def add(self, text: bytes) -> str | None:
        """Takes an element in, or says why it cannot."""
        try:
            fields = fields_of(text)
            phase = text_of(fields, "ph")
            if phase is None:
                return "ph: required"
            if phase == METADATA:
                self._name(fields, text)
            else:
                self._take(phase, fields, text)
        except (JsonFault, InvalidInput) as fault:
            return str(fault)
        return None

    def _take(self, phase: str, fields: Fields, text: bytes) -> None:
        start = nanoseconds(fields, "ts")
        if start is None:
            raise InvalidInput("ts: required")
        text_of(fields, "name")
        lasted = nanoseconds(fields, "dur") if phase == "X" else None
        if lasted is not None and not 0 <= lasted <= MOST_NS - start:
            raise InvalidInput("dur: must not be negative" if lasted < 0 else "dur: out of range")
        kind = _KINDS.get(phase, ALONE)
        if phase == "f" and value_of(fields, "bp") == "e":
            kind = ARROW
        if kind in (ARROW, ARROW_TO_NEXT):
            self._arrows.append((arrow_key(fields), len(self._elements)))
        key = async_key(fields) if phase in _ASYNC else thread_key(fields)
        self._elements.add(kind, self._threads.setdefault(key, len(self._threads)), start, lasted)
        self._offsets.append(self._offsets[-1] + self._texts.write(text))

    def _name(self, fields: Fields, text: bytes) -> None:
        self._metadata.append(text.decode())
        args = value_of(fields, "args")
        name = args.get("name") if isinstance(args, dict) else None
        key = {"process_name": thread_key(fields)[:1], "thread_name": thread_key(fields)}
        if isinstance(name, str) and name and not has_surrogate(name):
            self._names[key.get(str(value_of(fields, "name")), ())] = name

    # -- out ---------------------------------------------------------------------------------------

    def lines(self, about: About) -> Iterator[Line]:
        """The lines of all that was taken in: the trace, then its events and samples in order of the file."""
        if not len(self._elements):
            return
        nesting = Nesting(self._elements)
        used = self._follow_arrows(nesting)
        placed = Placed(self._elements, nesting, self._names, self._offset(about))
        writer = LineWriter(about.trace_id, placed)
        if any(kind != COUNT for kind in self._elements.kinds):
            yield self._trace(about, writer), None
        for number in range(len(self._elements)):
            text = self._text(number)
            if number in used:
                yield b"", None
            elif self._elements.kinds[number] == END:
                reason = None if nesting.halves[number] != NONE else "ends nothing that began"
                yield (text if reason else b""), reason
            else:
                half = nesting.halves[number]
                yield from writer.lines(number, text, None if half == NONE else self._text(half))

    def _text(self, number: int) -> bytes:
        self._texts.seek(self._offsets[number])
        return self._texts.read(self._offsets[number + 1] - self._offsets[number])

    def _follow_arrows(self, nesting: Nesting) -> set[int]:
        """Makes the slice an arrow comes from the parent of one that lies in none; gives the arrows used."""
        used: set[int] = set()
        come_from: dict[Key, tuple[int, int]] = {}
        for key, arrow in sorted(self._arrows, key=lambda one: (self._elements.starts[one[1]], one[1])):
            child = nesting.slices[arrow]
            before, parent = come_from.get(key, (NONE, NONE))
            if NONE not in (child, parent) and child != parent and nesting.parents[child] == NONE:
                nesting.parents[child] = parent
                used |= {before, arrow}
            come_from[key] = arrow, child
        return used

    def _offset(self, about: About) -> int:
        """The microseconds from 1970 to the beginning of the file's clock."""
        starts = self._elements.starts
        first, last = min(starts) // NS, max(starts) // NS
        if last >= ABSOLUTE_US:
            return 0
        said = dict(about.members)
        base = _base_time(said.get("baseTimeNanoseconds"))
        begun = _begun(said.get("metadata"))
        found = base if base is not None else begun - first if begun is not None else about.written - last
        is_dated = found + first >= MIN_INSTANT and found + last <= MAX_INSTANT - ABSOLUTE_US
        return found if is_dated else 0

    def _trace(self, about: About, writer: LineWriter) -> bytes:
        begun, ended = writer.span()
        processes = {name for key, name in self._names.items() if len(key) == 1}
        name = processes.pop() if len(processes) == 1 else about.name
        kept = [*about.members, ("metadata_events", f"[{','.join(dict.fromkeys(self._metadata))}]")]
        fields = {
            "kind": '"trace"',
            "trace_id": dumps(about.trace_id, "trace_id"),
            "name": dumps(name, "name"),
            "trace_type": '"custom"',
            "metadata": object_of([("chrome", object_of((key, _kept(text)) for key, text in kept))]),
            "status": '"completed"',
            "started_at": instant_text(begun),
            "completed_at": instant_text(max(ended, begun + 1)),
        }
        return object_of(fields.items()).encode()


def _kept(text: str) -> str:
    """The text of a value as it is; as text when it is no JSON or too deep for where it goes."""
    try:
        parse(f"[[{text}]]")
    except JsonFault:
        return dumps(text, "metadata")
    return text


def _base_time(said: str | None) -> int | None:
    """What a file says itself: the nanoseconds at which its clock began."""
    value = None if said is None else parse(_kept(said))
    return int(value) // NS if isinstance(value, int | float) and abs(value) < MOST_NS else None


def _begun(said: str | None) -> int | None:
    """When the recording began, as the metadata of a browser's profile say it."""
    value = None if said is None else parse(_kept(said))
    moment = value.get("startTime") if isinstance(value, dict) else None
    try:
        return parse_instant(moment) if isinstance(moment, str) else None
    except InvalidInput:
        return None
