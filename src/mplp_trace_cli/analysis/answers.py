"""Answers: rows whose columns have kinds, so that every format can show them rightly."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    """A whole number."""
    BOOLEAN = "boolean"
    INSTANT = "instant"
    """Microseconds since 1970."""
    DURATION = "duration"
    """Milliseconds."""
    SHARE = "share"
    """From 0 to 1, which people read as %."""
    RATE = "rate"
    """How many a second."""
    FIGURE = "figure"
    """Text that is a number with its unit, as people read it."""
    JSON = "json"
    """The text of a JSON value."""
    TEXTS = "texts"
    """The text of a JSON array of texts."""


class Column(NamedTuple):
    """A name and what its values are."""

    name: str
    kind: Kind = Kind.TEXT


class Answer(NamedTuple):
    """Rows in order, which may be a stream; `total` counts all that match, whatever the limit."""

    columns: tuple[Column, ...]
    rows: Iterable[tuple[Any, ...]]
    total: int | None = None

    def held(self) -> Answer:
        """The same with its rows in memory, for after the store is closed."""
        return self._replace(rows=list(self.rows))

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]
