"""Buckets of time: how wide they are and where they begin.

A bucket begins at a multiple of its width counted from Monday 2000-01-03 00:00 UTC, so that minutes, hours
and days begin where people expect them and weeks begin on Monday.
"""

from __future__ import annotations

import re

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import DAY_US, SECOND_US, parse_duration

ORIGIN_US = 946_857_600 * SECOND_US
"""Monday 2000-01-03 00:00 UTC, in microseconds since 1970."""
MOST_BUCKETS = 100_000
MOST_DAYS = 36_500

_WORDS = {"minute": "1m", "hour": "1h", "day": "1d", "week": "1w"}
UNITS = tuple(_WORDS)


def parse_bucket(text: str, field: str = "bucket") -> int:
    """The width in microseconds of `15m`, `1h`, `1d`, `1w`, or `minute`, `hour`, `day`, `week`.

    Raises InvalidInput for what is none, and for less than a millisecond.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{field}: must be text such as 1h")
    said = _WORDS.get(text.strip(), text)
    if re.fullmatch(r"\s*[0-9.]+\s*", said):
        raise InvalidInput(f"{field}: {text[:60]!r} has no unit", hint="1m, 15m, 1h, 1d, 1w")
    width = parse_duration(said, field) * 1_000
    if width > MOST_DAYS * DAY_US:  # or beyond what floats hold
        raise InvalidInput(f"{field}: {text[:60]!r} is more than {MOST_DAYS:,} days")
    if round(width) < 1_000:
        raise InvalidInput(f"{field}: {text[:60]!r} is less than a millisecond")
    return round(width)


def bucket_start(instant: int, width: int) -> int:
    """Where the bucket of an instant begins, both in microseconds since 1970."""
    return instant - (instant - ORIGIN_US) % width


def bucket_starts(start: int, end: int, width: int) -> range:
    """Where each bucket begins that has a part in [start, end); raises InvalidInput for too many."""
    starts = range(bucket_start(start, width), end, width)
    if len(starts) > MOST_BUCKETS:
        raise InvalidInput(
            f"bucket: that makes {len(starts):,} buckets, more than {MOST_BUCKETS:,}",
            hint="a wider bucket, or a shorter time range",
        )
    return starts
