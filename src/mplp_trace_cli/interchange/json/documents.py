"""JSON documents as JSON lines: an array of records, or an object with `traces` and `metrics`.

Reads as a stream, so that a document of any number of records takes no more memory than its largest one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.json_text import JsonFault, add_members, elements, members, one_line
from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.json.cursor import JsonCursor, LineStream
from mplp_trace_cli.interchange.json.lines import is_large
from mplp_trace_cli.interchange.sources import BOM, CHUNK_BYTES, Readable, chunks, first_bytes, without_bom

_LISTS = ("traces", "events", "metrics")
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


def document_lines(stream: Readable, head: bytes, name: str) -> LineStream:
    """A stream of JSON lines with the records of a document."""
    return LineStream(Document(stream, head, name).lines())


class Document(JsonCursor):
    """A document of records."""

    def lines(self) -> Iterator[str]:
        """The records, each on one line."""
        if self.peek() == "[":
            yield from self._list()
        else:
            yield from self._object()
        if self.peek():
            raise BrokenFile(f"{self.name} is not a JSON document: text after its end")

    def _list(self) -> Iterator[str]:
        for _ in self.each_element():
            yield from _flattened(self.value())

    def _object(self) -> Iterator[str]:
        kept: list[tuple[str, str]] = []
        for key in self.each_key():
            if key in _LISTS and self.peek() == "[":
                yield from self._list()
            else:
                kept.append((key, self.value()))
        if kept:
            yield _line(kept)


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
