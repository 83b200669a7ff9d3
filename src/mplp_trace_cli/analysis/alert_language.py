"""The language of alert conditions: text to a condition, with the column of what is wrong.

```text
error_rate > 5% and (p95_response_time >= 2s or event_count(type='crash') > 0)
avg(queue_depth, queue='mail') > 100 or metric('http.latency') > 250ms
```
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from mplp_trace_cli.domain.alerts.conditions import (
    AlertCondition,
    AllOf,
    AnyOf,
    Comparison,
    Figure,
    comparisons,
    is_bare_metric,
    meant,
)
from mplp_trace_cli.domain.alerts.figures import (
    FIGURES,
    FILTERS,
    METRIC,
    METRIC_FUNCTIONS,
    UNITS,
    Dimension,
    Subject,
    units_of,
)
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType, parse_word, unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.extras import missing_extra

if TYPE_CHECKING:
    from lark import Lark, Token, UnexpectedInput

MOST_CHARACTERS = 4_096
MOST_NESTED = 50
MOST_COMPARISONS = 100
_GRAMMAR = r"""
?start: any
?any: all (_OR all)*
?all: atom (_AND atom)*
?atom: comparison | _OPEN any _CLOSE
comparison: figure SIGN NUMBER [unit]
unit: PERCENT | [SLASH] WORD
figure: WORD [arguments]
arguments: _OPEN [argument (_COMMA argument)*] _CLOSE
?argument: pair | name
name: WORD | TEXT
pair: (WORD | TEXT) _IS (WORD | TEXT | NUMBER)

_OR.2: /or\b/i
_AND.2: /and\b/i
SIGN.2: /[<>]=?|[=!]=/
_IS: "="
NUMBER: /[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/
WORD: /[^\W\d]\w*/
TEXT: /'([^'\\]|\\.)*'|"([^"\\]|\\.)*"/s
PERCENT: "%"
SLASH: "/"
_OPEN: "("
_CLOSE: ")"
_COMMA: ","
%ignore /\s+/
"""
_SAID = {
    "SIGN": "a comparison (>, >=, <, <=, ==, !=)",
    "NUMBER": "a number",
    "WORD": "a name",
    "TEXT": "a quoted text",
    "_OPEN": "'('",
    "_CLOSE": "')'",
    "_COMMA": "','",
    "_IS": "'='",
    "_AND": "'and'",
    "_OR": "'or'",
    "$END": "the end",
}
"""What the tokens of the grammar are called; those of units are not told, because a number needs none."""
_NESTING = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[()]""", re.DOTALL)
_CLOSED_LISTS = {
    (Subject.TRACES, "type"): TraceType,
    (Subject.TRACES, "status"): TraceStatus,
    (Subject.EVENTS, "level"): Level,
    (Subject.EVENTS, "min_level"): Level,
    (Subject.EVENTS, "trace_type"): TraceType,
}


class _Fault(Exception):
    """What is wrong with a condition, and at which character."""

    def __init__(self, at: int, said: str, hint: str | None = None) -> None:
        super().__init__(said)
        self.at, self.said, self.hint = at, said, hint


def parse_condition(text: str) -> AlertCondition:
    """The condition that a text says; raises InvalidInput that names the column, MissingExtra.

    The details of the error have `column` and `caret`: the condition with a mark under that column.
    """
    try:
        _check_size(text)
        return _parsed(text)
    except _Fault as fault:
        column = min(fault.at, len(text)) + 1
        line = "".join(character if character.isprintable() else " " for character in text)
        raise InvalidInput(
            f"condition, column {column}: {_on_one_line(fault.said)}",
            hint=fault.hint,
            details={"column": column, "caret": f"{line}\n{' ' * (column - 1)}^"},
        ) from None


def _on_one_line(said: str) -> str:
    """The text with an escape for each character of a condition that would break the line."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in said
    )


def _parsed(text: str) -> AlertCondition:
    parser = _parser()
    from lark import UnexpectedInput

    try:
        condition = cast("AlertCondition", parser.parse(text))
    except UnexpectedInput as error:
        raise _unexpected(text, error) from None
    if sum(1 for _ in comparisons(condition)) > MOST_COMPARISONS:
        raise _Fault(0, f"more than {MOST_COMPARISONS} comparisons")
    return condition


@functools.cache
def _parser() -> Lark:
    try:
        from lark import Lark
    except ImportError as error:
        raise missing_extra("alerts", "reading alert conditions") from error
    # What is built while it is parsed needs no recursion afterwards, however deep it is.
    builder = cast("Any", _Builder())
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", transformer=builder, maybe_placeholders=True)


def _check_size(text: str) -> None:
    if has_surrogate(text):
        raise _Fault(0, "not UTF-8")
    if len(text) > MOST_CHARACTERS:
        raise _Fault(MOST_CHARACTERS, f"longer than {MOST_CHARACTERS:,} characters")
    depth = 0
    for match in _NESTING.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth > MOST_NESTED:
            raise _Fault(match.start(), f"more than {MOST_NESTED} parentheses deep")


def _unexpected(text: str, error: UnexpectedInput) -> _Fault:
    from lark import UnexpectedCharacters, UnexpectedToken

    if isinstance(error, UnexpectedCharacters):
        at = error.pos_in_stream or 0
        if text[at] in "'\"":
            return _Fault(at, "a quoted text without an end")
        return _Fault(at, f"{text[at]!r} has no meaning here")
    assert isinstance(error, UnexpectedToken)
    token = error.token
    is_end = token.type == "$END"
    expected = _expected(error.accepts or error.expected)
    found = "the end" if is_end else f"'{token[:60]}'"
    at = len(text.rstrip()) if is_end else token.start_pos or 0
    hint = "equal is written ==" if token.type == "_IS" else None
    return _Fault(at, f"expected {expected}, found {found}", hint)


def _expected(tokens: Iterable[str]) -> str:
    said = [words for token, words in _SAID.items() if token in tokens]
    return " or ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


# -- from tokens to a condition ------------------------------------------------------------------------


class _Argument(NamedTuple):
    """What stands in the parentheses of a figure: a name, or a key with its value."""

    token: Token
    key: str | None
    value: str


class _Builder:
    """Makes a condition of the parts that the parser finds: a method for each rule of the grammar."""

    def any(self, parts: Sequence[AlertCondition]) -> AlertCondition:
        """`A or B`."""
        return AnyOf(tuple(parts))

    def all(self, parts: Sequence[AlertCondition]) -> AlertCondition:
        """`A and B`."""
        return AllOf(tuple(parts))

    def comparison(self, parts: Sequence[Any]) -> Comparison:
        """`FIGURE > NUMBER UNIT`."""
        figure, sign, number, unit = parts
        value = float(number)
        if not math.isfinite(value):
            raise _Fault(number.start_pos, "a number beyond all that can be measured")
        unit_token, name = unit if unit is not None else (number, "")
        found = Comparison(figure, str(sign), value, name)
        _check_unit(found, unit_token)
        if found.dimension is Dimension.SHARE and not figure.function and not 0 <= found.threshold <= 1:
            hint = f"{number}%" if not name and 0 <= value <= 100 else None
            raise _Fault(number.start_pos, "a share is from 0 to 1, or from 0% to 100%", hint)
        return found

    def unit(self, tokens: Sequence[Token | None]) -> tuple[Token, str]:
        """`%`, `ms`, `/s`."""
        present = [token for token in tokens if token is not None]
        name = "".join(present).lower()
        if name not in UNITS:
            raise _Fault(_at(present[0]), f"unit: {unknown_word(tuple(UNITS), name)}")
        return present[0], name

    def figure(self, parts: Sequence[Any]) -> Figure:
        """`NAME` or `NAME(…)`."""
        word, arguments = parts
        if word in METRIC_FUNCTIONS:
            return _metric_by_function(word, arguments)
        if word in FIGURES:
            return _known(word, arguments or [])
        if not is_bare_metric(word):
            raise _Fault(
                _at(word),
                f"{str(word)[:60]!r} is no figure (did you mean {meant(word)}?)",
                hint=f"{METRIC}('{word}') is a metric of that name",
            )
        return Figure(str(word), METRIC, _pairs(arguments or []))

    def arguments(self, parts: Sequence[_Argument | None]) -> list[_Argument]:
        """What stands in parentheses."""
        return [part for part in parts if part is not None]

    def name(self, tokens: Sequence[Token]) -> _Argument:
        """A metric's name."""
        return _Argument(tokens[0], None, _text(tokens[0]))

    def pair(self, tokens: Sequence[Token]) -> _Argument:
        """`KEY = VALUE`."""
        return _Argument(tokens[0], _text(tokens[0]), _text(tokens[1]))


def _at(token: Token) -> int:
    return token.start_pos or 0


def _text(token: Token) -> str:
    if token.type != "TEXT":
        return str(token)
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)


def _check_unit(found: Comparison, token: Token) -> None:
    dimension = Dimension.NUMBER if found.figure.function == "count" else found.dimension
    if not found.unit or UNITS[found.unit].dimension is dimension:
        return
    fitting = units_of(dimension)
    said = f"is in {', '.join(fitting)}" if fitting else "is a count, without a unit"
    raise _Fault(_at(token), f"unit {found.unit!r} does not fit: {found.figure.name} {said}")


def _known(word: Token, arguments: Sequence[_Argument]) -> Figure:
    subject = FIGURES[word].subject
    for argument in arguments:
        if argument.key not in FILTERS[subject]:
            said = unknown_word(FILTERS[subject], argument.key or argument.value)
            raise _Fault(_at(argument.token), f"filter of {word}: {said}")
        kind = _CLOSED_LISTS.get((subject, argument.key))
        if kind is not None:
            try:
                parse_word(kind, argument.value, argument.key)
            except InvalidInput as error:
                raise _Fault(_at(argument.token), error.message) from None
    filters = _pairs(arguments)
    if sum(key == "min_level" for key, _ in filters) > 1:
        raise _Fault(_at(word), "min_level: at most one")
    return Figure(str(word), filters=filters)


def _metric_by_function(word: Token, arguments: Sequence[_Argument] | None) -> Figure:
    if not arguments or arguments[0].key is not None or not arguments[0].value:
        raise _Fault(_at(word), f"{word}(…) needs the name of a metric first")
    first, *rest = arguments
    if first.value in FIGURES and first.token.type != "TEXT":
        raise _Fault(
            _at(first.token),
            f"{first.value} is a figure, and {word}(…) takes metrics",
            hint=f"{word}('{first.value}') is a metric of that name",
        )
    return Figure(first.value, str(word), _pairs(rest))


def _pairs(arguments: Sequence[_Argument]) -> tuple[tuple[str, str], ...]:
    """The keys with their values, in an order that does not depend on how they were written."""
    for argument in arguments:
        if argument.key is None:
            raise _Fault(_at(argument.token), f"expected KEY='VALUE', found '{argument.value[:60]}'")
    return tuple(sorted({(argument.key or "", argument.value) for argument in arguments}))
