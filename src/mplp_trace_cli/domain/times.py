"""Instants and durations: text to numbers and back.

An instant is an integer of microseconds since 1970 in UTC; a duration is a number of milliseconds.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from mplp_trace_cli.domain.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
MIN_INSTANT = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
MAX_INSTANT = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // MICROSECOND

_MOMENT = (
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_DURATION = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(us|ms|s|m|h|d|w)?"
_UNIT_MS = {
    None: 1.0,
    "us": 0.001,
    "ms": 1.0,
    "s": 1_000.0,
    "m": 60_000.0,
    "h": 3_600_000.0,
    "d": 86_400_000.0,
    "w": 7 * 86_400_000.0,
}


def parse_instant(text: str, field: str = "timestamp") -> int:
    """Microseconds since 1970 of an RFC 3339 date-time; raises InvalidInput.

    A space or a lower-case `t` may stand for `T`; digits past the sixth are rounded half up; a leap
    second is the first instant of the next minute, as in POSIX time.
    """
    match = re.fullmatch(_MOMENT, text)
    if match is None or match[6] is None or match[8] is None:
        raise InvalidInput(f"{field}: {text[:60]!r} is not an RFC 3339 date-time")
    return _instant_of(match, text, field)


def parse_moment(text: str, now: int, field: str) -> int:
    """Microseconds since 1970 of an RFC 3339 date-time, a date, or an age such as `15m`.

    Without a zone the time is UTC; an age is counted back from `now`. Raises InvalidInput.
    """
    match = re.fullmatch(_MOMENT, text.strip())
    if match is not None:
        return _instant_of(match, text, field)
    age = re.fullmatch(_DURATION, text.strip())
    if age is not None and age[2] is not None:
        age_us = min(parse_duration(text, field) * 1_000, 2.0 * MAX_INSTANT)
        return _in_range(now - round(age_us), text, field)
    raise InvalidInput(
        f"{field}: {text[:60]!r} is not a time (an RFC 3339 date-time, a date, or an age such as 15m)"
    )


def is_bare_date(text: str) -> bool:
    """True for a date with no time of day."""
    match = re.fullmatch(_MOMENT, text.strip())
    return match is not None and match[4] is None


def _instant_of(match: re.Match[str], text: str, field: str) -> int:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{field}: {text[:60]!r} names no day or time that exists") from None
    instant = (moment - EPOCH) // MICROSECOND - _offset_us(match[8], text, field)
    if leap:
        if (instant + SECOND_US) % DAY_US:
            raise InvalidInput(f"{field}: {text[:60]!r} has a leap second that is not at 23:59:60 UTC")
        instant += SECOND_US
    return _in_range(instant + _fraction_us(match[7]), text, field)


def _offset_us(zone: str | None, text: str, field: str) -> int:
    if zone is None or zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise InvalidInput(f"{field}: {text[:60]!r} has an offset that does not exist")
    size = (hours * 3_600 + minutes * 60) * SECOND_US
    return -size if zone[0] == "-" else size


def _fraction_us(digits: str | None) -> int:
    if not digits:
        return 0
    micros = int(digits[:6].ljust(6, "0"))
    return micros + (digits[6:7] >= "5")


def _in_range(instant: int, text: str, field: str) -> int:
    return checked_instant(instant, f"{field}: {text[:60]!r}")


def checked_instant(instant: int, said: str) -> int:
    """The instant, when it lies in the years 1 to 9999; raises InvalidInput that begins with `said`."""
    if not MIN_INSTANT <= instant <= MAX_INSTANT:
        raise InvalidInput(f"{said} is outside the years 1 to 9999")
    return instant


def format_instant(instant: int) -> str:
    """RFC 3339 in UTC with six digits of fraction, such as `2026-03-02T09:00:00.000000Z`."""
    moment = to_datetime(instant)
    return f"{moment.year:04}{moment:-%m-%dT%H:%M:%S.%fZ}"


def day_of(day: int) -> str:
    """The date of a day counted from 1970, such as `2026-03-02`."""
    return format_instant(day * DAY_US)[:10]


def days_between(first: str, last: str) -> list[str]:
    """The dates from the first to the last, both included."""
    start, end = (parse_instant(f"{day}T00:00:00Z") // DAY_US for day in (first, last))
    return [day_of(day) for day in range(start, end + 1)]


def to_datetime(instant: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return EPOCH + timedelta(0, 0, instant)


def from_datetime(moment: datetime) -> int:
    """Microseconds since 1970; a datetime without a zone is taken as UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // MICROSECOND


def parse_duration(text: str, field: str) -> float:
    """Milliseconds of `250ms`, `5s`, `30m`, `2h`, `7d`, or a bare number of ms; raises InvalidInput."""
    match = re.fullmatch(_DURATION, text.strip())
    value = float(match[1]) * _UNIT_MS[match[2]] if match else math.nan
    if not math.isfinite(value):
        raise InvalidInput(
            f"{field}: {text[:60]!r} is not a duration (such as 250ms, 5s, 30m, 2h, 7d; a bare number is ms)"
        )
    return value
