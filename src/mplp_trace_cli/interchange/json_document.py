"""JSON documents as JSON lines: an array of records, or an object with `traces` and `metrics`.

Reads as a stream, so that a document of any number of records takes no more memory than its largest one.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.json_text import JsonFault, add_members, elements, members, one_line
from mplp_trace_cli.interchange.decoding import Decoded, decoded
from mplp_trace_cli.interchange.json_lines import is_large
from mplp_trace_cli.interchange.reading import InputFormat, Opened
from mplp_trace_cli.interchange.sources import BOM, CHUNK_BYTES, Readable, chunks, first_bytes, without_bom

_LISTS = ("traces", "events", "metrics")
_SPACE = re.compile(r"[ \t\n\r]*")
_NESTED = ("events", "summary")
_OPENING = re.compile(rb'\{\s*"(?:traces|events|metrics)"\s*:\s*\[')


def looks_like(head: bytes, path: str) -> bool:
    """True when the first bytes begin a JSON document rather than JSON lines."""
    start = head.removeprefix(BOM).lstrip(b" \t\r\n")
    if not start.startswith((b"[", b"{")):
        return path.removesuffix(".gz").removesuffix(".zst").endswith(".json")
    if start.startswith(b"["):
        return True
    first, line_break, rest = start.partition(b"\n")
    try:
        keys = json.loads(first)
    except (ValueError, RecursionError):
        if _OPENING.match(first) and (not line_break or first.rstrip().endswith(b"[")):
            return True  # one long line of which this is a part, or a list with a record a line
        # A broken first line of JSON lines is a bad line; a broken document has its next key below it.
        return rest.lstrip(b" \t\r\n").startswith((b'"', b"}")) or first.strip() == b"{"
    return not (line_break and rest.strip()) and isinstance(keys, dict) and any(k in keys for k in _LISTS)


def _read(opened: Opened) -> Iterator[Decoded]:
    head = without_bom(opened.head, opened.source.name)
    lines = document_lines(opened.stream, head, opened.source.name)
    begin = first_bytes(lines, CHUNK_BYTES)
    return decoded(chunks(lines, begin), opened.rules, parallel=is_large(opened))


FORMAT = InputFormat(_read)


def document_lines(stream: Readable, head: bytes, name: str) -> DocumentLines:
    """A stream of JSON lines with the records of a document."""
    return DocumentLines(Document(stream, head, name))


class DocumentLines:
    """Gives the records of a document as bytes of JSON lines."""

    def __init__(self, document: Document) -> None:
        self._lines = document.lines()
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        """Whole lines, at least `size` bytes of them unless it is the end."""
        parts = [self._rest]
        length = len(self._rest)
        for line in self._lines:
            encoded = line.encode("utf-8", "surrogatepass") + b"\n"
            parts.append(encoded)
            length += len(encoded)
            if length >= size:
                break
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]


class Document:
    """A cursor over the text of a document that grows as it is read."""

    def __init__(self, stream: Readable, head: bytes, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text = ""
        self._at = 0
        self._ended = False
        self._scan = json.JSONDecoder(parse_int=float).raw_decode
        self._feed(head)

    def _feed(self, data: bytes) -> None:
        try:
            self._text = self._text[self._at :] + self._decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise BrokenFile(f"{self._name} is not UTF-8: {error.reason}") from None
        self._at = 0
        self._ended = not data

    def _more(self) -> bool:
        if not self._ended:
            self._feed(self._stream.read(max(CHUNK_BYTES, len(self._text))))
        return not self._ended

    def _peek(self) -> str:
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise BrokenFile(f"{self._name} is not a JSON document: expected {mark!r}")
        self._at += 1

    def _value(self) -> str:
        self._peek()
        while True:
            try:
                _, end = self._scan(self._text, self._at)
            except RecursionError:
                raise BrokenFile(f"{self._name} is nested too deeply") from None
            except ValueError as error:
                if self._more():
                    continue
                raise BrokenFile(f"{self._name} is not a JSON document: {error}") from None
            if end == len(self._text) and self._more():
                continue  # a number may go on in what was not read yet
            text = self._text[self._at : end]
            self._at = end
            return text

    def lines(self) -> Iterator[str]:
        """The records, each on one line."""
        if self._peek() == "[":
            yield from self._list()
        else:
            yield from self._object()
        if self._peek():
            raise BrokenFile(f"{self._name} is not a JSON document: text after its end")

    def _list(self) -> Iterator[str]:
        self._expect("[")
        more = self._peek() != "]"
        while more:
            yield from _flattened(self._value())
            more = self._took_comma()
        self._expect("]")

    def _took_comma(self) -> bool:
        found = self._peek() == ","
        self._at += found
        return found

    def _object(self) -> Iterator[str]:
        kept: list[tuple[str, str]] = []
        self._expect("{")
        more = self._peek() != "}"
        while more:
            key = self._key()
            self._expect(":")
            if key in _LISTS and self._peek() == "[":
                yield from self._list()
            else:
                kept.append((key, self._value()))
            more = self._took_comma()
        self._expect("}")
        if kept:
            yield _line(kept)

    def _key(self) -> str:
        if self._peek() != '"':
            raise BrokenFile(f"{self._name} is not a JSON document: expected a key")
        return str(json.loads(self._value()))


def _flattened(text: str) -> Iterator[str]:
    """A record and the events nested in it; what is no object goes on as it is, to be rejected."""
    try:
        found = members(text)
        keys = [one.key for one in found]
        # Of an event `events` is data of its own; given twice it is a fault to be told.
        nests = "event_type" not in keys and keys.count("events") == 1
        nested = found[keys.index("events")].text if nests else "null"
        events = elements(nested) if nested != "null" else []
    except JsonFault:
        nests = False
    if not nests:
        yield one_line(text)
        return
    own = [(one.key, one.text) for one in found if one.key not in _NESTED]
    trace_id = next((text for key, text in own if key == "trace_id"), None) or json.dumps(new_id())
    if events and all(key != "trace_id" for key, _ in own):
        own.append(("trace_id", trace_id))
    yield _line(own)
    yield from (_of_trace(event, trace_id) for event in events)


def _of_trace(event: str, trace_id: str) -> str:
    """A nested event, which belongs to the trace around it unless it names another."""
    try:
        if all(one.key != "trace_id" for one in members(event)):
            return add_members(event, [("trace_id", trace_id)], "event")
    except (JsonFault, InvalidInput):
        pass  # a bad event is told of as what it is when its line is read
    return one_line(event)


def _line(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(key)}:{one_line(text)}" for key, text in pairs) + "}"
