"""JSON as text: what is valid, and how to take it apart and put it together without changing a byte.

Python's own parser says what is valid, made strict: no NaN, no Infinity, at most MAX_DEPTH levels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput

MAX_DEPTH = 500
EMPTY_OBJECT = "{}"

_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_LINE_BREAKS = str.maketrans("\n\r", "  ")


class JsonFault(ValueError):
    """Text that is not valid JSON, or not the JSON that is asked for; its text is the reason."""


class Member(NamedTuple):
    """One member of an object: its key, its value's exact text, and its parsed value."""

    key: str
    text: str
    value: Any


def _refuse_constant(name: str) -> Any:
    raise JsonFault(f"{name} is not JSON")


def _number(text: str) -> Any:
    # int() refuses long digit strings; what is kept is the text, so a float will do for looking at.
    return int(text) if len(text) < 4000 else float(text)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_number)
_SCAN: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]


def parse(text: str) -> Any:
    """The value of one JSON text; raises JsonFault."""
    _check_depth(text)
    value, end = _value(text, _skip(text, 0))
    _expect_end(text, end)
    return value


def check_object(text: str, field: str) -> str:
    """The text of a JSON object on one line, bytes otherwise as given; raises InvalidInput."""
    try:
        if not isinstance(parse(text), dict):
            raise JsonFault("not a JSON object")
    except JsonFault as fault:
        raise InvalidInput(f"{field}: {fault}") from None
    return one_line(text)


def one_line(text: str) -> str:
    """The same JSON on one line: a line break between tokens becomes a space."""
    return text.strip(" \t\n\r").translate(_LINE_BREAKS)


def members(text: str, max_depth: int = MAX_DEPTH) -> list[Member]:
    """The members of a JSON object in order, repeated keys included; raises JsonFault."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        parse(text)
        raise JsonFault("not a JSON object")
    _check_depth(text, max_depth)
    found: list[Member] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] != "}":
        at = _read_members(text, at, found)
    _expect_end(text, at + 1)
    return found


def _read_members(text: str, at: int, found: list[Member]) -> int:
    while True:
        if text[at : at + 1] != '"':
            raise JsonFault(f"expected a key at character {at + 1}")
        key, at = _value(text, at)
        colon = _COLON.match(text, at)
        if colon is None:
            raise JsonFault(f"expected ':' at character {at + 1}")
        start = colon.end()
        value, end = _value(text, start)
        found.append(Member(key, text[start:end], value))
        mark = _COMMA.match(text, end)
        if mark is None:
            at = _skip(text, end)
            if text[at : at + 1] == "}":
                return at
            raise JsonFault(f"expected ',' or '}}' at character {at + 1}")
        at = mark.end()


def elements(text: str) -> list[str]:
    """The exact texts of the elements of a JSON array; raises JsonFault."""
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise JsonFault("not a JSON array")
    _check_depth(text)
    found: list[str] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        if found:
            if text[at : at + 1] != ",":
                raise JsonFault(f"expected ',' or ']' at character {at + 1}")
            at = _skip(text, at + 1)
        _, end = _value(text, at)
        found.append(text[at:end])
        at = _skip(text, end)
    _expect_end(text, at + 1)
    return found


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends."""
    try:
        return _SCAN(text, at)
    except StopIteration as stop:
        raise JsonFault(f"not JSON: expected a value at character {stop.value + 1}") from None
    except json.JSONDecodeError as error:
        raise JsonFault(f"not JSON: {error.msg.removesuffix(' at')} at character {error.pos + 1}") from None
    except RecursionError:
        raise JsonFault(f"nested deeper than {MAX_DEPTH} levels") from None


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] > " ":
        return at
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _expect_end(text: str, at: int) -> None:
    if _skip(text, at) != len(text):
        raise JsonFault(f"not JSON: text after the value at character {at + 1}")


def _check_depth(text: str, most: int = MAX_DEPTH) -> None:
    if len(text) <= most or text.count("[") + text.count("{") <= most:
        return
    depth = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        depth += 1 if first in "[{" else -1 if first in "]}" else 0
        if depth > most:
            raise JsonFault(f"nested deeper than {most} levels")


def dumps(value: Any, field: str) -> str:
    """Compact JSON text of a Python value; raises InvalidInput for what JSON cannot say."""
    try:
        text = _ENCODER.encode(value)
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        text = json.dumps(value, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{field}: cannot be written as JSON: {error}") from None
    _check_written(text, field)
    return text


def _check_written(text: str, field: str) -> None:
    try:
        _check_depth(text)
    except JsonFault as fault:
        raise InvalidInput(f"{field}: {fault}") from None


def add_members(text: str, added: Iterable[tuple[str, str]], field: str) -> str:
    """The object `text` with members (key, JSON text) put at its end; raises InvalidInput on a clash."""
    pairs = list(added)
    if not pairs:
        return text
    taken = {member.key for member in members(text)}
    for key, _ in pairs:
        if key in taken:
            raise InvalidInput(f"{field}: the key {key!r} is given twice")
        taken.add(key)
    body = ",".join(f"{dumps(key, field)}:{one_line(value)}" for key, value in pairs)
    inner = text[1:-1].strip(" \t")
    return f"{{{inner},{body}}}" if inner else f"{{{body}}}"


def value_text(text: str) -> str:
    """The JSON text of a command-line value: itself when it parses as JSON, else a JSON string."""
    try:
        parse(text)
    except JsonFault:
        return dumps(text, "value")
    return one_line(text)


class JsonObject(Mapping[str, Any]):
    """A read-only mapping over the exact text of a JSON object, parsed when first looked at."""

    __slots__ = ("_value", "text")

    def __init__(self, text: str = EMPTY_OBJECT) -> None:
        self.text = text
        self._value: dict[str, Any] | None = None

    @classmethod
    def of(cls, value: JsonObject | Mapping[str, Any] | str | None, field: str) -> JsonObject:
        """The object of a mapping or of JSON text; raises InvalidInput."""
        if value is None:
            return cls()
        if isinstance(value, JsonObject):
            return value
        if isinstance(value, str):
            return cls(check_object(value, field))
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{field}: not a JSON object")
        return cls(dumps(dict(value), field) if value else EMPTY_OBJECT)

    def _parsed(self) -> dict[str, Any]:
        if self._value is None:
            self._value = dict(parse(self.text))
        return self._value

    def __getitem__(self, key: str) -> Any:
        return self._parsed()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    def __len__(self) -> int:
        return len(self._parsed())

    def __bool__(self) -> bool:
        return self.text != EMPTY_OBJECT and len(self) > 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JsonObject):
            return self.text == other.text or self._parsed() == other._parsed()
        return isinstance(other, Mapping) and self._parsed() == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"JsonObject({self.text})"
