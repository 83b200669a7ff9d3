"""JSON text read as a stream: a cursor that goes from mark to mark and from value to value.

Takes no more memory than the largest value, however long the text is.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, Readable

_SPACE = re.compile(r"[ \t\n\r]*")


class LineStream:
    """Gives lines of text as a stream of bytes, each with its line break."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
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


class JsonCursor:
    """A cursor over the text of a document that grows as it is read."""

    def __init__(self, stream: Readable, head: bytes, name: str) -> None:
        self._stream = stream
        self.name = name
        """What the text is called where it is broken."""
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
            raise BrokenFile(f"{self.name} is not UTF-8: {error.reason}") from None
        self._at = 0
        self._ended = not data

    def _more(self) -> bool:
        if not self._ended:
            self._feed(self._stream.read(max(CHUNK_BYTES, len(self._text))))
        return not self._ended

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, mark: str) -> None:
        """Goes past a character, which must be the next; raises BrokenFile."""
        if self.peek() != mark:
            raise BrokenFile(f"{self.name} is not a JSON document: expected {mark!r}")
        self._at += 1

    def value(self) -> str:
        """The text of the next value; raises BrokenFile."""
        self.peek()
        while True:
            try:
                _, end = self._scan(self._text, self._at)
            except RecursionError:
                raise BrokenFile(f"{self.name} is nested too deeply") from None
            except ValueError as error:
                if self._more():
                    continue
                raise BrokenFile(f"{self.name} is not a JSON document: {error}") from None
            if end == len(self._text) and self._more():
                continue  # a number may go on in what was not read yet
            text = self._text[self._at : end]
            self._at = end
            return text

    def took_comma(self) -> bool:
        """Goes past a comma, if that is the next character."""
        found = self.peek() == ","
        self._at += found
        return found

    def key(self) -> str:
        """The next key of an object; raises BrokenFile."""
        if self.peek() != '"':
            raise BrokenFile(f"{self.name} is not a JSON document: expected a key")
        return str(json.loads(self.value()))
