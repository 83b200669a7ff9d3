"""How other tools write levels and durations, and what they are here."""

from __future__ import annotations

import re
from decimal import Decimal

from mplp_trace_cli.domain.enums import Level, unknown_word, words_of
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.time_formats import EXACT, exact_number

LEVEL_WORDS: dict[Level, tuple[str, ...]] = {
    Level.DEBUG: ("debug", "dbg", "d", "trace", "t", "verbose", "v", "fine", "finer", "finest", "7", "10"),
    Level.INFO: ("info", "inf", "i", "information", "informational", "notice", "5", "6", "20"),
    Level.WARN: ("warn", "warning", "wrn", "w", "4", "30"),
    Level.ERROR: ("error", "err", "e", "severe", "3", "40"),
    Level.CRITICAL: (
        *("critical", "crit", "c", "fatal", "f", "alert", "emerg", "emergency", "panic", "0", "1", "2", "50"),
    ),
}
"""Words and numbers for levels, in any case: of loggers, of syslog (0 to 7), of Python (10 to 50)."""
DURATION_UNITS = {"ns": -6, "us": -3, "ms": 0, "s": 3}
"""Units of durations, each with the power of ten that makes it milliseconds."""
_FOLDED = {word: level.value for level, words in LEVEL_WORDS.items() for word in words}
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WITH_UNIT = re.compile(r"([0-9.]+)\s*(ns|us|µs|μs|ms|s|m|min|h|d)")
_UNIT_MS = {
    **{unit: Decimal(1).scaleb(power) for unit, power in DURATION_UNITS.items()},
    **dict.fromkeys(("µs", "μs"), Decimal("0.001")),
    "m": Decimal(60_000),
    "min": Decimal(60_000),
    "h": Decimal(3_600_000),
    "d": Decimal(86_400_000),
}


def folded_level(text: str) -> str:
    """The level that a word or number of another tool means; raises InvalidInput."""
    level = _FOLDED.get(text.strip().lower())
    if level is None:
        raise InvalidInput(f"level: {unknown_word(words_of(Level), text)}")
    return level


def duration_text(text: str, unit: str) -> str:
    """The JSON number of milliseconds that a duration in `unit` is, exactly; raises InvalidInput.

    A unit in the text, as in `250ms`, wins.
    """
    if unit == "ms" and _JSON_NUMBER.fullmatch(text):
        return text
    number, factor = exact_number(text), Decimal(1).scaleb(DURATION_UNITS[unit])
    named = _WITH_UNIT.fullmatch(text.strip())
    if number is None and named is not None:
        number, factor = exact_number(named[1]), _UNIT_MS[named[2]]
    if number is None:
        raise InvalidInput(f"duration_ms: {text[:60]!r} is no duration (a number, or such as 250ms, 1.5s)")
    return json_number(EXACT.multiply(number, factor))


def number_text(text: str) -> str | None:
    """The JSON number that a text is, in its own digits where JSON allows them; None for no number."""
    if _JSON_NUMBER.fullmatch(text):
        return text
    number = exact_number(text)
    return None if number is None else json_number(number)


def json_number(number: Decimal) -> str:
    """A finite decimal as JSON, digit for digit."""
    return str(number).removeprefix("+")


def require_unit(unit: str) -> None:
    """Raises InvalidInput for a unit of durations that there is not."""
    if unit not in DURATION_UNITS:
        raise InvalidInput(f"duration-unit: {unknown_word(tuple(DURATION_UNITS), unit)}")
