"""Documents of OTLP/JSON, pretty-printed or not, alone or in lists, as lines of one element each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.domain.json_text import one_line
from mplp_trace_cli.interchange.json.cursor import JsonCursor
from mplp_trace_cli.interchange.sources import Readable

_LIST = re.compile(r"resource_?(?:spans|logs|metrics)", re.IGNORECASE)


def document_lines(stream: Readable, head: bytes, name: str) -> Iterator[str]:
    """The bodies of a document, or of several one after the other; raises BrokenFile."""
    cursor = JsonCursor(stream, head, name)
    while mark := cursor.peek():
        if mark == "[":
            yield from _values(cursor)
        elif mark == "{":
            yield from _elements(cursor)
        else:
            raise BrokenFile(f"{name} is not a document of OTLP: neither an object nor a list")


def _values(cursor: JsonCursor) -> Iterator[str]:
    cursor.expect("[")
    more = cursor.peek() != "]"
    while more:
        yield one_line(cursor.value())
        more = cursor.took_comma()
    cursor.expect("]")


def _elements(cursor: JsonCursor) -> Iterator[str]:
    """The lists of a body, each element as a body of its own."""
    cursor.expect("{")
    more = cursor.peek() != "}"
    while more:
        key = cursor.key()
        cursor.expect(":")
        if _LIST.fullmatch(key) and cursor.peek() == "[":
            yield from (f"{{{json.dumps(key)}:[{element}]}}" for element in _values(cursor))
        else:
            cursor.value()
        more = cursor.took_comma()
    cursor.expect("}")
