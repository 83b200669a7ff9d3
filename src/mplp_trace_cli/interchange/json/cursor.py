"""A cursor over the text of a JSON document that grows as it is read.

What it was moved past is forgotten: a document of any length takes no more memory than its largest value.
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
    """Reads a document piece by piece; `head` is its beginning, and not empty."""

    def __init__(self, stream: Readable, head: bytes, name: str) -> None:
        self._stream = stream
        self.name = name
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
        """The next character that is no space, without going past it; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, mark: str) -> None:
        """Goes past a mark that must come next; raises BrokenFile."""
        if self.peek() != mark:
            raise BrokenFile(f"{self.name} is not a JSON document: expected {mark!r}")
        self._at += 1

    def value(self) -> str:
        """The exact text of the value that comes next; raises BrokenFile."""
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
        """True when it went past a comma."""
        found = self.peek() == ","
        self._at += found
        return found

    def key(self) -> str:
        """The key that comes next; raises BrokenFile."""
        if self.peek() != '"':
            raise BrokenFile(f"{self.name} is not a JSON document: expected a key")
        return str(json.loads(self.value()))

    def each_key(self) -> Iterator[str]:
        """The keys of an object; the caller takes each value before it asks for the next key."""
        self.expect("{")
        more = self.peek() != "}"
        while more:
            key = self.key()
            self.expect(":")
            yield key
            more = self.took_comma()
        self.expect("}")

    def each_element(self) -> Iterator[None]:
        """One turn for each element of an array; the caller takes it before it asks for the next."""
        self.expect("[")
        more = self.peek() != "]"
        while more:
            yield
            more = self.took_comma()
        self.expect("]")
