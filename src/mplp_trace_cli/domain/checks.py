"""Checks of single fields; every fault is added to one list, so that all are told at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from mplp_trace_cli.domain.enums import unknown_word, words_of
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.ids import is_id
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, JsonObject, dumps
from mplp_trace_cli.domain.times import checked_instant, from_datetime, parse_instant

NOT_UTF8 = "has a lone surrogate or bytes that are not UTF-8"


class Checker:
    """Reads fields out of one mapping and remembers what is wrong with them."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.problems: list[str] = []

    def finish(self) -> None:
        """Raises InvalidInput with every problem found, each once, if there is one."""
        if self.problems:
            problems = list(dict.fromkeys(self.problems))
            raise InvalidInput("; ".join(problems), details={"problems": problems})

    def text(self, name: str) -> str | None:
        """An optional text."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and (value.isascii() or not has_surrogate(value))):
            return value
        said = NOT_UTF8 if isinstance(value, str) else "must be text"
        self.problems.append(f"{name}: {said}")
        return None

    def required_text(self, name: str) -> str:
        """A text that must be there and not be empty."""
        value = self.text(name)
        if value:
            return value
        if self.fields.get(name) in (None, ""):
            self.problems.append(f"{name}: required")
        return ""

    def identity(self, name: str) -> str | None:
        """An optional id."""
        value = self.text(name)
        if value is not None and not is_id(value):
            self.problems.append(
                f"{name}: must be 1-255 characters, no control characters, not beginning with @ or -"
            )
        return value

    def word(self, name: str, kind: type[StrEnum]) -> str | None:
        """An optional member of a closed list of words."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and value in _words(kind)):
            return None if value is None else str(value)
        self.problems.append(f"{name}: {unknown_word(words_of(kind), value)}")
        return None

    def duration(self, name: str) -> float | None:
        """An optional number of milliseconds, finite and not negative."""
        value = self.fields.get(name)
        if value is None or (type(value) is float and 0 <= value < math.inf):
            return value
        number = self.number(name)
        if number is not None and number < 0:
            self.problems.append(f"{name}: must not be negative")
        return number

    def number(self, name: str) -> float | None:
        """An optional finite number."""
        value = self.fields.get(name)
        if value is None:
            return None
        number = as_number(value)
        if number is None:
            self.problems.append(f"{name}: must be a finite number")
        return number

    def instant(self, name: str) -> int | None:
        """An optional instant: RFC 3339 text, a datetime, or microseconds since 1970."""
        value = self.fields.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                return parse_instant(value, name)
            if isinstance(value, datetime):
                return checked_instant(from_datetime(value), f"{name}: {value}")
            if type(value) is int:
                return checked_instant(value, f"{name}: the number")
            raise InvalidInput(f"{name}: must be an RFC 3339 date-time")
        except InvalidInput as fault:
            self.problems.append(fault.message)
            return None

    def json_object(self, name: str) -> str | None:
        """An optional JSON object, as its exact text."""
        value = self.fields.get(name)
        if value is None:
            return None
        try:
            if type(value) is dict:  # what `of` would give, with one copy less
                return dumps(value, name) if value else EMPTY_OBJECT
            return JsonObject.of(value, name).text
        except InvalidInput as fault:
            self.problems.append(fault.message)
            return None

    def tags(self, name: str) -> str | None:
        """An optional list of texts, repeats dropped, as JSON text."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, str) or not isinstance(value, Sequence):
            self.problems.append(f"{name}: must be a list of text")
            return None
        if not all(isinstance(tag, str) and not has_surrogate(tag) for tag in value):
            self.problems.append(f"{name}: must be a list of text")
            return None
        return dumps(list(dict.fromkeys(value)), name)


@functools.cache
def _words(kind: type[StrEnum]) -> frozenset[str]:
    return frozenset(words_of(kind))


def as_number(value: object) -> float | None:
    """The finite float of an int or float, else None; booleans are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def has_surrogate(value: str) -> bool:
    """True for text that UTF-8 cannot hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False
