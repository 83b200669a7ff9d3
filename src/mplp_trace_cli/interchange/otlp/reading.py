"""OTLP files as an input: which of its forms a file has, and the pieces into which it is cut.

Lines of OTLP/JSON as the collector's file exporter writes them, single documents or lists of them; request
bodies in protobuf, alone or each after its length, which is the same exporter's other form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.interchange.decoding.batches import Decoded, DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.input_format import InputFormat, Opened
from mplp_trace_cli.interchange.json.cursor import LineStream
from mplp_trace_cli.interchange.json.lines import is_large
from mplp_trace_cli.interchange.loading.bulk import DerivedTraces
from mplp_trace_cli.interchange.otlp.bodies import body_pieces, framed_pieces, is_body, is_framed
from mplp_trace_cli.interchange.otlp.json_documents import document_lines
from mplp_trace_cli.interchange.otlp.json_reading import REQUESTS, JsonTranslator
from mplp_trace_cli.interchange.otlp.own import MARK
from mplp_trace_cli.interchange.sources import BOM, Chunk, chunks, without_bom

LONGEST_LINE = 256 << 20
"""A batch may be large; what it is made of is measured when it is an event."""
_LISTS = "|".join(
    f"{name}|{re.sub('([A-Z])', lambda match: '_' + match[1].lower(), name)}" for name in REQUESTS
)
_FIRST_KEY = re.compile(rf'\s*(?:\[\s*)?\{{\s*"(?:{_LISTS})"\s*:\s*(?:\[|null)'.encode())
_SOME_KEY = re.compile(rf'\s*\{{.*"(?:{_LISTS})"\s*:\s*(?:\[|null)'.encode())
_LINES_LOOKED_AT = 20
_NAME = """
    if(starts_with(root.event_id, 'log-') OR starts_with(root.event_id, 'metric-'),
       coalesce(nullif(root.source, ''), 'resource') || ' telemetry',
       root.event_type)
"""
"""A trace is called after its first span, else after its service: to read the data of all roots would cost
a tenth of the import."""


def looks_like(head: bytes, _path: str) -> bool:
    """True when the first bytes begin request bodies, in JSON or in protobuf."""
    return _is_json(head.removeprefix(BOM)) or is_body(head) or is_framed(head)


def _is_json(head: bytes) -> bool:
    return _FIRST_KEY.match(head) is not None or any(map(_is_request, _first_lines(head)))


def _first_lines(head: bytes) -> list[bytes]:
    lines = head.split(b"\n", _LINES_LOOKED_AT)[:_LINES_LOOKED_AT]
    return [line for line in lines if _SOME_KEY.match(line)]


def _is_request(line: bytes) -> bool:
    """True for a line whose object has the list as a member of its own, not somewhere inside."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and re.search(rf'"(?:{_LISTS})"', json.dumps([*found])) is not None


def _read(opened: Opened) -> Iterator[Decoded]:
    head = opened.head
    if is_body(head) or is_framed(head):
        yield from _read_protobuf(opened)
        return
    head = without_bom(head, opened.source.name)
    stream, begin = opened.stream, head
    if _is_document(head):
        stream, begin = LineStream(document_lines(opened.stream, head, opened.source.name)), b""
    pieces = chunks(stream, begin, len(opened.head) - len(head), LONGEST_LINE)
    yield from decoded(pieces, _rules(opened), JsonTranslator(), parallel=is_large(opened))


def _is_document(head: bytes) -> bool:
    """True for JSON whose first line is not a value of its own, or a list."""
    first, line_break, _ = head.lstrip().partition(b"\n")
    if first.startswith(b"["):
        return True
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        # A line that is longer than what was read is still a line; a document has its next mark below.
        return bool(line_break) and not first.rstrip().endswith(b"}")
    return False


def _read_protobuf(opened: Opened) -> Iterator[Decoded]:
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.proto") is None:
        raise missing_extra("otlp", "OTLP in protobuf")
    from mplp_trace_cli.interchange.otlp.protobuf_reading import ProtobufTranslator

    name = opened.source.name
    cut = body_pieces if is_body(opened.head) else framed_pieces
    pieces: Iterator[Chunk] = cut(opened.stream, opened.head, name)
    yield from decoded(pieces, _rules(opened), ProtobufTranslator(name), parallel=is_large(opened))


def _rules(opened: Opened) -> DecodingRules:
    """The rules of lines, but for one: a span may be called like one of our standard events by chance."""
    return replace(opened.rules, validate_standard_events=False)


FORMAT = InputFormat(_read, DerivedTraces(MARK, name=_NAME))
