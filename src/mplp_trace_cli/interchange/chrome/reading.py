"""Chrome traces as an input: the list of elements, bare or in an object, closed at its end or not.

An element that an export of ours wrote becomes the line it was at once. Those of others wait until all are
known: only then it is clear what lies in what.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.domain.json_text import one_line
from mplp_trace_cli.interchange.chrome.foreign import ForeignTrace
from mplp_trace_cli.interchange.chrome.foreign_lines import About
from mplp_trace_cli.interchange.chrome.own import PRODUCER, OwnElements
from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.decoding.chunks import decode_translated
from mplp_trace_cli.interchange.decoding.translating import Fault, Translated
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.json.cursor import JsonCursor
from mplp_trace_cli.interchange.json.lines import RECORD_KEYS
from mplp_trace_cli.interchange.sources import BOM, CHUNK_BYTES, STDIN, Readable, without_bom

_SUFFIXES = (".chrome.json", ".perfetto.json", ".trace.json")
_LIST = "traceEvents"
_PHASES = tuple("BEXiIRCbneSTpFstfMNODPvVc(),=")
"""Every phase there is."""
_UNNAMED = "chrome trace"
_SPACE = " \t\r\n"
_KEY = re.compile(r'[\s,{]*("(?:[^"\\]|\\.)*")\s*:\s*')
_CUT = re.compile(r"\\?[\w+.-]*\s*")
"""What a text may end with that goes on: part of a number, a word or an escape."""
_PIECE_BYTES = CHUNK_BYTES // 4


def looks_like(head: bytes, path: str) -> bool:
    """True when the first bytes begin a Chrome trace, or are of JSON and the name says so."""
    start = head.removeprefix(BOM).lstrip(_SPACE.encode())
    if start.startswith(b"{"):
        return f'"{_LIST}"'.encode() in start and _has_list(start.decode(errors="replace"))
    if start.startswith(b"["):
        return _is_element(start[1:].decode(errors="replace").lstrip(_SPACE))
    name = path.removesuffix(".gz").removesuffix(".zst")
    return not start and name.endswith(_SUFFIXES)


def _has_list(text: str) -> bool:
    """Whether the object that a text begins has the list as a member."""
    at = 0
    while key := _KEY.match(text, at):
        if key[1] == f'"{_LIST}"':
            return text.startswith("[", key.end())
        if key[1].strip('"') in RECORD_KEYS:
            return False
        try:
            _, at = json.JSONDecoder().raw_decode(text, key.end())
        except (ValueError, RecursionError):
            return False
    return False


def _is_element(text: str) -> bool:
    try:
        first, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.get("ph") in _PHASES and "event_type" not in first


def _read(opened: Opened) -> Iterator[Decoded]:
    head = without_bom(opened.head, opened.source.name)
    stream = _Hashed(opened.stream, head)
    document = ChromeDocument(stream, head, opened.source.name)
    return decode_translated(_translated(document, stream, opened), opened.rules)


FORMAT = InputFormat(_read)


class _Hashed:
    """A stream, and the digest of all that was read of it."""

    def __init__(self, stream: Readable, head: bytes) -> None:
        self._stream = stream
        self._digest = hashlib.sha256(head)

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()


class ChromeDocument(JsonCursor):
    """A cursor over a Chrome trace."""

    is_own = False
    """Whether what was read so far says that it is an export of ours."""

    def __init__(self, stream: Readable, head: bytes, name: str) -> None:
        super().__init__(stream, head, name)
        self.members: list[tuple[str, str]] = []
        """What an object has beside its elements: keys and texts, each on one line."""
        self.cut: str | None = None
        """The beginning of an element in the middle of which the text ends."""

    def elements(self) -> Iterator[str]:
        """The texts of the elements; raises BrokenFile for what is no Chrome trace."""
        if self.peek() == "[":
            yield from self._elements()
        else:
            yield from self._members()
        if self.peek():
            raise BrokenFile(f"{self.name} is not a JSON document: text after its end")

    def _members(self) -> Iterator[str]:
        self.expect("{")
        while self.peek() not in ("}", ""):
            key = self.key()
            self.expect(":")
            if key == _LIST and self.peek() == "[":
                yield from self._elements()
            elif (text := self._whole()) is not None:
                self._keep(key, text)
            self.took_comma()
        if self.peek():
            self.expect("}")

    def _keep(self, key: str, text: str) -> None:
        self.members.append((key, one_line(text)))
        value = json.loads(text, parse_int=float) if key == "otherData" else None
        if isinstance(value, dict) and value.get("producer") == PRODUCER:
            self.is_own = True

    def _elements(self) -> Iterator[str]:
        self.expect("[")
        while self.peek() not in ("]", ""):
            text = self._whole()
            if text is not None:
                yield text
                if not self.took_comma() and self.peek() not in ("]", ""):
                    raise BrokenFile(f"{self.name} is not a JSON document: expected ','")
        if self.peek():
            self.expect("]")

    def _whole(self) -> str | None:
        """The next value; None when the text ends in the middle of it."""
        try:
            return self.value()
        except BrokenFile:
            if not self._is_cut():
                raise
        self.cut, self._at = self._text[self._at :], len(self._text)
        return None

    def _is_cut(self) -> bool:
        try:
            self._scan(self._text, self._at)
        except json.JSONDecodeError as error:
            return error.msg.startswith("Unterminated string") or bool(_CUT.fullmatch(self._text, error.pos))
        except (RecursionError, StopIteration):
            return False
        return False


def _translated(document: ChromeDocument, stream: _Hashed, opened: Opened) -> Iterator[Translated]:
    piece = _Piece()
    with ForeignTrace() as foreign:
        for line, fault in _lines(document, stream, opened, foreign):
            piece.add(line, fault)
            if piece.size >= _PIECE_BYTES:
                yield piece.translated()
                piece = _Piece()
    yield piece.translated()


def _lines(
    document: ChromeDocument, stream: _Hashed, opened: Opened, foreign: ForeignTrace
) -> Iterator[tuple[bytes, str | None]]:
    """Lines, some of them blank; or what becomes none, and why."""
    own = OwnElements()
    for element in document.elements():
        text = one_line(element).encode()
        line = own.line(text) if document.is_own else None
        if line is not None:
            yield line, None
        elif (fault := foreign.add(text)) is not None:
            yield text, fault
        else:
            yield b"", None
    if document.cut is not None:
        yield document.cut.encode(), "cut short: the file ends in the middle of it"
    yield from foreign.lines(_about(document, stream, opened))


def _about(document: ChromeDocument, stream: _Hashed, opened: Opened) -> About:
    """What is known of the file by now, when all of it was read."""
    path = opened.source.path
    written = opened.rules.now if path == STDIN else os.stat(path).st_mtime_ns // 1_000
    return About(stream.digest[:32], _stem(path), written, document.members)


def _stem(path: str) -> str:
    """What a file is called without what tells its format."""
    if path == STDIN:
        return _UNNAMED
    name = os.fsencode(os.path.basename(path)).decode(errors="replace")
    name = name.removesuffix(".gz").removesuffix(".zst")
    for suffix in (*_SUFFIXES, ".json"):
        name = name.removesuffix(suffix)
    return name or _UNNAMED


class _Piece:
    """Lines on their way, and what becomes none."""

    def __init__(self) -> None:
        self.size = 0
        self._lines: list[bytes] = []
        self._faults: list[Fault] = []

    def add(self, line: bytes, fault: str | None) -> None:
        """Adds a line; or a blank one in the place of what becomes none, and why that is."""
        if fault is not None:
            self._faults.append(Fault(len(self._lines), line, fault))
        self._lines.append(b"" if fault is not None else line)
        self.size += len(line) + 1

    def translated(self) -> Translated:
        """All of it."""
        return Translated(b"".join(line + b"\n" for line in self._lines), self._faults)
