"""How other tools write times: patterns of strptime, numbers since 1970, and RFC 3339 that says no zone.

English names whatever the locale, exact numbers whatever their size; a time without a zone is UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal, InvalidOperation
from functools import cache
from typing import Any

from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import EPOCH, MICROSECOND, checked_instant

EPOCH_UNITS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
"""Units of numbers since 1970, each with the power of ten that makes it microseconds."""
_LONGEST_NUMBER = 60
EXACT = Context(prec=1_000, Emax=10_000, Emin=-10_000)
"""With room for every digit of every number that `exact_number` gives."""
_HALF = Decimal("0.5")
_LOOSE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(?:[.,]([0-9]+))?)?"
    r"\s?(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_WEEKDAY = "(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_DIRECTIVES = {
    "Y": "(?P<Y>[0-9]{4})",
    "y": "(?P<y>[0-9]{2})",
    "m": "(?P<m>[0-9]{1,2})",
    "b": f"(?P<b>{_MONTH})",
    "d": " ?(?P<d>[0-9]{1,2})",
    "j": "(?P<j>[0-9]{1,3})",
    "H": "(?P<H>[0-9]{1,2})",
    "I": "(?P<I>[0-9]{1,2})",
    "p": "(?P<p>[ap]m)",
    "M": "(?P<M>[0-9]{1,2})",
    "S": "(?P<S>[0-9]{1,2})",
    "f": "(?P<f>[0-9]{1,9})",
    "z": "(?P<z>z|[+-][0-9]{2}:?[0-9]{2})",
    "Z": "(?:utc|gmt|z)",
    "a": _WEEKDAY,
    "%": "%",
}
_LIKE = {"B": "b", "h": "b", "A": "a", "e": "d"}
_SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M"}


def rfc3339(text: str) -> str:
    """A time as other tools nearly write RFC 3339, in full: a `T`, seconds, UTC where no zone is given.

    Text of any other form comes back as it is.
    """
    match = _LOOSE.fullmatch(text.strip())
    if match is None:
        return text
    day, clock, second, digits, zone = match.groups()
    zone = "Z" if zone in (None, "z", "UTC", "GMT") else zone
    zone = f"{zone}:00" if len(zone) == 3 else zone
    fraction = f".{digits}" if digits else ""
    return f"{day}T{clock or '00:00'}{second or ':00'}{fraction}{zone}"


@cache
def time_reader(time_format: str) -> Callable[[str], int]:
    """What reads times of that format to microseconds since 1970; raises InvalidInput, then and now."""
    if time_format in EPOCH_UNITS:
        power = EPOCH_UNITS[time_format]
        return lambda text: _since_1970(text, power, time_format)
    if "%" not in time_format:
        words = (*EPOCH_UNITS, "a pattern such as '%d/%m/%Y %H:%M:%S'")
        raise InvalidInput(f"time-format: {unknown_word(words, time_format)}")
    pattern = _compiled(time_format)
    return lambda text: _by_pattern(pattern, text, time_format)


def _since_1970(text: str, power: int, unit: str) -> int:
    number = exact_number(text)
    if number is None:
        raise InvalidInput(f"{text[:60]!r} is no number of {unit} since 1970")
    scaled = EXACT.scaleb(number, power)
    if abs(scaled) > 10**18:
        raise InvalidInput(f"{text[:60]!r} {unit} since 1970 is outside the years 1 to 9999")
    instant = EXACT.add(scaled, _HALF).to_integral_value(ROUND_FLOOR, EXACT)
    return checked_instant(int(instant), f"{text[:60]!r} {unit} since 1970")


def exact_number(text: str) -> Decimal | None:
    """The finite decimal number that a text is; None for anything else, and for one that is absurdly long."""
    if len(text) > _LONGEST_NUMBER or "_" in text or not text.strip().isascii():
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 400 else None


def _compiled(time_format: str) -> re.Pattern[str]:
    parts: list[str] = []
    spelled = re.sub("%([FTR])", lambda found: _SHORT[found[1]], time_format)
    for directive, literal in re.findall(r"%(.?)|([^%]+)", spelled, re.DOTALL):
        if literal:
            parts.append(r"\s+".join(map(re.escape, re.split(r"\s+", literal))))
        elif (name := _LIKE.get(directive, directive)) in _DIRECTIVES:
            parts.append(_DIRECTIVES[name])
        else:
            raise InvalidInput(
                f"time-format: %{directive} is not known", hint=f"there are %{' %'.join(_all_directives())}"
            )
    try:
        pattern = re.compile("".join(parts), re.IGNORECASE | re.ASCII)
    except re.error:
        raise InvalidInput(f"time-format: {time_format!r} names something twice") from None
    _require_day(pattern.groupindex.keys(), time_format)
    return pattern


def _all_directives() -> list[str]:
    return sorted((*_DIRECTIVES, *_LIKE, *_SHORT), key=lambda name: (name.lower(), name))


def _require_day(named: Any, time_format: str) -> None:
    if not named & {"Y", "y"}:
        raise InvalidInput(f"time-format: {time_format!r} names no year (%Y)")
    if not ("j" in named or ("d" in named and named & {"m", "b"})):
        raise InvalidInput(f"time-format: {time_format!r} names no day (%m and %d, or %j)")


def _by_pattern(pattern: re.Pattern[str], text: str, time_format: str) -> int:
    match = pattern.fullmatch(text.strip())
    if match is None:
        raise InvalidInput(f"{text[:60]!r} is not of the form {time_format}")
    try:
        instant = _instant(match.groupdict())
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text[:60]!r} names no day or time that exists") from None
    return checked_instant(instant, repr(text[:60]))


def _instant(parts: dict[str, Any]) -> int:
    def number(name: str) -> int:
        return int(parts.get(name) or 0)

    year = number("Y") if parts.get("Y") else number("y") + (1900 if number("y") >= 69 else 2000)
    start = datetime(year, _month(parts), number("d") or 1, tzinfo=UTC)
    if parts.get("j"):
        start = start.replace(month=1, day=1) + timedelta(days=number("j") - 1)
        if start.year != year:
            raise ValueError
    moment = start.replace(hour=_hour(parts), minute=number("M"), second=number("S"))
    digits = parts.get("f") or ""
    micros = int(digits[:6].ljust(6, "0")) + (digits[6:7] >= "5")
    return (moment - EPOCH) // MICROSECOND + micros - _offset_us(parts.get("z"))


def _month(parts: dict[str, Any]) -> int:
    if parts.get("b"):
        return _MONTHS.index(parts["b"][:3].lower()) + 1
    return int(parts["m"]) if parts.get("m") else 1


def _hour(parts: dict[str, Any]) -> int:
    if parts.get("I") is None:
        return int(parts.get("H") or 0)
    hour = int(parts["I"])
    if not 1 <= hour <= 12:
        raise ValueError
    return hour % 12 + 12 * ((parts.get("p") or "am").lower() == "pm")


def _offset_us(zone: str | None) -> int:
    if zone is None or zone in "zZ":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    if int(zone[-2:]) > 59 or minutes >= 1_440:
        raise ValueError
    return (-minutes if zone[0] == "-" else minutes) * 60_000_000
