"""Conditions of alerts as values: what is compared with what, and how that is written."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from mplp_trace_cli.domain.alerts.figures import (
    FIGURES,
    METRIC,
    METRIC_FUNCTIONS,
    UNITS,
    Dimension,
    Subject,
)

SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_WORD = re.compile(r"[^\W\d]\w*")
_KEYWORDS = ("and", "or")
_LIKE_A_FIGURE = 0.85
"""From how much likeness on a word is taken for a slip in a figure's name."""


class Figure(NamedTuple):
    """A figure of the catalogue, or, with a function, a metric by name; filters of one key widen."""

    name: str
    function: str = ""
    filters: tuple[tuple[str, str], ...] = ()

    @property
    def subject(self) -> Subject:
        """What it is computed from."""
        return Subject.METRICS if self.function else FIGURES[self.name].subject

    def __str__(self) -> str:
        pairs = [f"{_word(key)}={_quoted(value)}" for key, value in self.filters]
        if self.function and (self.function != METRIC or not is_bare_metric(self.name)):
            named = _quoted(self.name) if self.name in FIGURES else _word(self.name)
            return f"{self.function}({', '.join([named, *pairs])})"
        return f"{self.name}({', '.join(pairs)})" if pairs else self.name


class Comparison(NamedTuple):
    """A figure against a number in a unit; a bare number has none."""

    figure: Figure
    sign: str
    number: float
    unit: str = ""

    @property
    def dimension(self) -> Dimension:
        """What is measured: what the unit says of a metric, else what the figure is."""
        if not self.figure.function:
            return FIGURES[self.figure.name].dimension
        return UNITS[self.unit].dimension if self.unit else Dimension.NUMBER

    @property
    def threshold(self) -> float:
        """The number in the unit of the dimension."""
        return UNITS[self.unit].of(self.number) if self.unit else self.number

    def holds(self, value: float | None) -> bool:
        """Whether a value, in the unit of the dimension, is on that side; nothing is on none."""
        return value is not None and SIGNS[self.sign](value, self.threshold)

    def __str__(self) -> str:
        return f"{self.figure} {self.sign} {_number(self.number)}{self.unit}"


class AllOf(NamedTuple):
    """Everything of it holds."""

    parts: tuple[AlertCondition, ...]

    def __str__(self) -> str:
        return " and ".join(str(part) if isinstance(part, Comparison) else f"({part})" for part in self.parts)


class AnyOf(NamedTuple):
    """Something of it holds."""

    parts: tuple[AlertCondition, ...]

    def __str__(self) -> str:
        return " or ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


AlertCondition = Comparison | AllOf | AnyOf


def comparisons(condition: AlertCondition) -> Iterator[Comparison]:
    """Every comparison of a condition, from left to right."""
    if isinstance(condition, Comparison):
        yield condition
        return
    for part in condition.parts:
        yield from comparisons(part)


def holds(condition: AlertCondition, value_of: Callable[[Comparison], float | None]) -> bool:
    """What a condition comes to with these values."""
    if isinstance(condition, Comparison):
        return condition.holds(value_of(condition))
    parts = (holds(part, value_of) for part in condition.parts)
    return all(parts) if isinstance(condition, AllOf) else any(parts)


def is_bare_metric(name: str) -> bool:
    """True where a word by itself is a metric: it is no figure, and not nearly the name of one."""
    return _is_word(name) and name not in FIGURES and name not in METRIC_FUNCTIONS and not meant(name)


def meant(name: str) -> str | None:
    """The figure whose name a word nearly is."""
    import difflib

    nearest = difflib.get_close_matches(name.lower(), FIGURES, n=1, cutoff=_LIKE_A_FIGURE)
    return nearest[0] if nearest else None


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None and text.lower() not in _KEYWORDS


def _word(text: str) -> str:
    return text if _is_word(text) else _quoted(text)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
