"""MPLP v1.0 trace documents as an input: one, an array of them, or one a line.

Read as a stream: what a document of any number of events takes is its header and one event. Where the list of
events comes before what says whose they are, the list waits in memory.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput
from mplp_trace_cli.domain.json_text import JsonFault, Member, one_line, parse
from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.decoding.chunks import decode_translated
from mplp_trace_cli.interchange.decoding.translating import Fault, Translated
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.json.cursor import JsonCursor
from mplp_trace_cli.interchange.json.lines import RECORD_KEYS
from mplp_trace_cli.interchange.mplp.quick import is_derived, quick_line
from mplp_trace_cli.interchange.mplp.records import (
    LISTS,
    REQUIRED,
    Fields,
    Home,
    Times,
    event_fields,
    home_of,
    object_of,
    segment_fields,
    trace_fields,
    wrapped_attributes,
)
from mplp_trace_cli.interchange.mplp.words import STATUS_OUT, is_by_line, unpacked
from mplp_trace_cli.interchange.sources import BOM, CHUNK_BYTES, Readable, without_bom

_SUFFIXES = (".mplp.json", ".mplp.jsonl", ".mplp.ndjson")
_TELLING = (b'"root_span"', b'"protocol_version"')
_PIECE_BYTES = 1 << 18
_RAW_BYTES = 1 << 20
"""So much is kept of a line that is no document."""

Found = bytes | Fault
"""A line of ours, or what could not be made one (its number is given later)."""


def looks_like(head: bytes, path: str) -> bool:
    """True for a name that says so, and for a beginning in which a document tells of itself."""
    if unpacked(path).endswith(_SUFFIXES):
        return True
    start = head.removeprefix(BOM).lstrip(b" \t\r\n[")
    return start.startswith(b"{") and any(word in head for word in _TELLING) and _tells(start)


def _tells(start: bytes) -> bool:
    """True when the first object has the members of a document at its top."""
    cursor = JsonCursor(io.BytesIO(), start, "")
    told = False
    try:
        for key in cursor.each_key():
            if key in RECORD_KEYS:
                return False
            told = told or key == "root_span"
            if told and key in LISTS:
                return True
            value = cursor.value()
            told = told or (key == "meta" and '"protocol_version"' in value)
    except BrokenFile:
        pass
    return told


def _read(opened: Opened) -> Iterator[Decoded]:
    head = without_bom(opened.head, opened.source.name)
    name = opened.source.name
    if _is_lines(head, opened.source.path):
        found = _of_lines(_Lines(opened.stream, head), name)
    else:
        found = _of_values(JsonCursor(opened.stream, head, name))
    yield from decode_translated(_pieces(found), opened.rules)


FORMAT = InputFormat(_read)


def _is_lines(head: bytes, path: str) -> bool:
    """True when each line is a document of its own."""
    if is_by_line(path):
        return True
    first, _, rest = head.lstrip(b" \t\r\n").partition(b"\n")
    if not rest.strip():
        return False
    try:
        return isinstance(parse(first.decode()), dict)
    except (UnicodeDecodeError, JsonFault):
        return False


def _pieces(found: Iterator[Found]) -> Iterator[Translated]:
    lines: list[bytes] = []
    faults: list[Fault] = []
    size = 0
    for one in found:
        if isinstance(one, Fault):
            faults.append(one._replace(line=len(lines)))
            lines.append(b"")
        else:
            lines.append(one)
            size += len(one)
        if size >= _PIECE_BYTES or len(faults) >= _PIECE_BYTES >> 8:
            yield _piece(lines, faults)
            lines, faults, size = [], [], 0
    yield _piece(lines, faults)


def _piece(lines: list[bytes], faults: list[Fault]) -> Translated:
    return Translated(b"\n".join([*lines, b""]), faults)


# -- documents -------------------------------------------------------------------------------------


def _of_values(cursor: JsonCursor) -> Iterator[Found]:
    """Documents, and arrays of them, one after another."""
    while mark := cursor.peek():
        if mark == "[":
            for _ in cursor.each_element():
                yield from _of_value(cursor)
        else:
            yield from _of_value(cursor)


def _of_value(cursor: JsonCursor) -> Iterator[Found]:
    if cursor.peek() == "{":
        yield from _Document().found(cursor)
    else:
        yield _fault(cursor.value(), "not a JSON object")


def _fault(text: str, reason: str) -> Fault:
    return Fault(0, text.encode("utf-8", "surrogatepass"), reason)


class _Document:
    """One document on its way: what was said of its trace so far, and what waits for more of that."""

    def __init__(self) -> None:
        self._header: dict[str, Member] = {}
        self._home: Home | None = None
        self._reason = ""
        self._told = False
        self._times = Times()
        self._waiting: list[tuple[str, str]] = []
        self._begun: str | None = None
        self._held: list[Fields] = []
        """What comes after a segment that begins when the trace did, nobody has said yet when."""

    def found(self, cursor: JsonCursor) -> Iterator[Found]:
        """The lines of the document, which comes next."""
        for key in cursor.each_key():
            if key in LISTS and cursor.peek() == "[":
                yield from self._early_trace()
                for _ in cursor.each_element():
                    yield from self._take(key, cursor.value())
            else:
                self._say(key, cursor.value())
        yield from self._end()

    def _say(self, key: str, text: str) -> None:
        if key in self._header:
            self._reason = self._reason or f"the key {key!r} is given twice"
        try:
            self._header[key] = Member(key, text, parse(text))
        except JsonFault as fault:
            self._reason = self._reason or f"{key}: {fault}"

    def _early_trace(self) -> Iterator[Found]:
        """The trace, when it is one of ours that is said in full: its events need not wait for it."""
        header = self._header
        if self._told or self._reason or not all(name in header for name in (*REQUIRED, "started_at")):
            return
        is_running = header["status"].value == STATUS_OUT["active"]
        if wrapped_attributes(header) is not None and (is_running or "finished_at" in header):
            yield from self._trace()

    def _trace(self) -> Iterator[Found]:
        self._told = True
        try:
            if self._reason:
                raise InvalidInput(self._reason)
            fields = trace_fields(self._header, self._times)
        except (InvalidInput, JsonFault) as fault:
            self._reason = str(fault)
            yield _fault(object_of((key, one.text) for key, one in self._header.items()), self._reason)
            return
        self._begun = fields.get("started_at")
        yield _line("trace", fields)

    def _take(self, key: str, text: str) -> Iterator[Found]:
        self._home = self._home or home_of(self._header)
        if self._home is None:
            self._waiting.append((key, text))
        else:
            yield from self._translated(key, text, self._home)

    def _translated(self, key: str, text: str, home: Home) -> Iterator[Found]:
        quick = quick_line(text, home) if key == "events" and self._told and not self._held else None
        if quick is not None:
            yield quick
        elif key == "events" or not is_derived(text):
            yield from self._read(key, text, home)

    def _read(self, key: str, text: str, home: Home) -> Iterator[Found]:
        try:
            fields = event_fields(text, home) if key == "events" else segment_fields(text, home)
        except (InvalidInput, JsonFault) as fault:
            yield _fault(text, str(fault))
            return
        if not self._told:
            self._times = self._times.with_event(fields)
        if self._held or ("timestamp" not in fields and not self._start()):
            self._held.append(fields)
        else:
            yield self._event_line(fields)

    def _start(self) -> str | None:
        """When the trace began, as JSON text, as soon as that is certain."""
        if self._begun is None and "started_at" in self._header:
            self._begun = self._header["started_at"].text
        return self._begun

    def _event_line(self, fields: Fields) -> bytes:
        if "timestamp" not in fields and self._begun is not None:
            fields["timestamp"] = self._begun
        return _line("event", fields)

    def _end(self) -> Iterator[Found]:
        home = self._home or home_of(self._header)
        late: list[Found] = []
        for key, text in self._waiting:
            if home is None:
                late.append(_fault(text, "its document does not say of which trace"))
            else:
                late += self._translated(key, text, home)
        if not self._told:
            yield from self._trace()
        yield from late
        yield from map(self._event_line, self._held)


def _line(kind: str, fields: Fields) -> bytes:
    text = one_line(object_of([("kind", json.dumps(kind)), *fields.items()]))
    return text.encode("utf-8", "surrogatepass")


# -- lines -----------------------------------------------------------------------------------------


def _of_lines(lines: _Lines, name: str) -> Iterator[Found]:
    """Documents a line each: a line that is none leaves the others alone."""
    while begin := lines.next():
        try:
            cursor = JsonCursor(lines, begin, name)
            if not cursor.peek():
                continue
            yield from _of_value(cursor)
            if cursor.peek():
                raise BrokenFile(f"{name} is not a JSON document: text after its end")
        except BrokenFile as error:
            if lines.is_broken:
                raise
            yield Fault(0, lines.raw(), error.message)


class _Lines:
    """The lines of a stream, each as a stream of its own."""

    def __init__(self, stream: Readable, head: bytes) -> None:
        self._stream = stream
        self._block, self._at = head, 0
        self._in_line = False
        self._raw = b""
        self.is_broken = False

    def next(self) -> bytes:
        """The beginning of the next line; empty at the end."""
        while self._in_line:
            self.read(CHUNK_BYTES)
        self._in_line, self._raw = True, b""
        return self.read(CHUNK_BYTES)

    def read(self, size: int, /) -> bytes:
        """The next bytes of the line, its end included; none when that was read."""
        if not self._in_line:
            return b""
        if self._at == len(self._block):
            self._block, self._at = self._more(size), 0
        end = self._block.find(b"\n", self._at) + 1 or len(self._block)
        taken, self._at = self._block[self._at : end], end
        self._in_line = taken[-1:] not in (b"", b"\n")
        self._raw += taken[: _RAW_BYTES - len(self._raw)]
        return taken

    def _more(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except BrokenFile:
            self.is_broken = True
            raise

    def raw(self) -> bytes:
        """The line, or as much of it as is kept."""
        while self._in_line and len(self._raw) < _RAW_BYTES:
            self.read(CHUNK_BYTES)
        return self._raw.rstrip(b"\n")
