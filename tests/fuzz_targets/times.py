"""Any bytes as a time, a duration, a bucket, a pattern of times: a value within bounds, or a fault."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from mplp_trace_cli.cli.filters import Span
from mplp_trace_cli.domain.buckets import bucket_start, parse_bucket
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.time_formats import exact_number, rfc3339, time_reader
from mplp_trace_cli.domain.times import (
    EPOCH,
    MAX_INSTANT,
    MICROSECOND,
    MIN_INSTANT,
    format_instant,
    from_datetime,
    is_bare_date,
    parse_duration,
    parse_instant,
    parse_moment,
    to_datetime,
)
from tests.fuzz_targets import FuzzTarget

NOW = 1_772_442_000_000_000


def an_instant(text: str) -> None:
    """RFC 3339: the same by every reader of it, and again when it is written."""
    at = parse_instant(text)
    assert parse_moment(text, NOW, "at") == at
    assert parse_instant(rfc3339(text)) == at
    assert parse_instant(format_instant(at)) == at
    assert from_datetime(to_datetime(at)) == at
    if re.fullmatch(r"\S+T\S+:\S+:(?!60)\S+\.\d{6}(Z|.\d\d:\d\d)", text):
        assert (datetime.fromisoformat(text) - EPOCH) // MICROSECOND == at


def a_moment(text: str) -> None:
    """A time, a date or an age: an instant of the years 1 to 9999."""
    at = parse_moment(text, NOW, "--since")
    assert MIN_INSTANT <= at <= MAX_INSTANT
    assert not is_bare_date(text) or at % 86_400_000_000 == 0


def a_span(text: str) -> None:
    """`--since`, `--until` and the bounds of durations, a line each."""
    since, until, least, most, *_ = [*text.split("\n"), "", "", "", ""]
    fields = Span(since or None, until or None, least or None, most or None).fields(NOW)
    start, end = fields["time_range"].bounds()
    assert all(at is None or MIN_INSTANT <= at <= MAX_INSTANT for at in (start, end))


def a_duration(text: str) -> None:
    """A number of milliseconds, finite and not negative."""
    assert 0 <= parse_duration(text, "--timeout") < math.inf


def a_bucket(text: str) -> None:
    """A width; each instant is in the bucket that begins before it."""
    width = parse_bucket(text)
    for at in (NOW, MIN_INSTANT, MAX_INSTANT):
        assert bucket_start(at, width) <= at < bucket_start(at, width) + width


def a_pattern(text: str) -> None:
    """A pattern, and a time that may be of it."""
    pattern, _, stamp = text.partition("\n")
    assert MIN_INSTANT <= time_reader.__wrapped__(pattern)(stamp) <= MAX_INSTANT


def a_number(text: str) -> None:
    """A decimal number, to its last digit."""
    number = exact_number(text)
    assert number is None or Decimal(text.strip()) == number


def a_loose_time(text: str) -> None:
    """A time as other tools write it: written in full it is none or RFC 3339."""
    parse_instant(rfc3339(text))


SUBJECTS: list[Callable[[str], None]] = [
    an_instant,
    a_moment,
    a_span,
    a_duration,
    a_bucket,
    a_pattern,
    a_number,
    a_loose_time,
]


def check(data: bytes) -> None:
    """The first byte says as what the rest is read."""
    text = data[1:].decode(errors="surrogateescape")
    try:
        SUBJECTS[(data[:1] or b"\0")[0] % len(SUBJECTS)](text)
    except InvalidInput as fault:
        assert fault.message


INSTANTS = """
    2026-03-02T09:00:00Z 2026-03-02t09:00:00.1234565+01:00 1998-12-31T23:59:60Z 0001-01-01T00:00:00+01:00
    9999-12-31T23:59:59.9999999Z 2026-03-02T24:00:00Z 2026-03-02T09:00:00-00:00
    2026-03-02T09:00:00.000001-23:59 2016-12-31T15:59:60.5-08:00 2024-02-29T00:00:00.123456Z
"""
SEEDS = [bytes([0]) + text.encode() for text in INSTANTS.split()]
SEEDS += [
    bytes([1]) + text for text in (b"15m", b"2026-03-02", b"2026-03-02 09:00", b"9" * 310 + b"us", b".5w")
]
SEEDS += [b"\x022h\n2026-03-02\n250ms\n7d", b"\x029999-12-31\n9999-12-31", b"\x031.5 h", b"\x03" + b"9" * 400]
SEEDS += [b"\x0415m", b"\x04week", b"\x04" + b"9" * 307 + b"ms", b"\x040.5us"]
SEEDS += [
    b"\x05%d/%m/%Y %H:%M:%S\n02/03/2026 09:00:00",
    b"\x05%b %e %Y %I:%M %p %z\nMar  2 2026 12:00 AM +0100",
    b"\x05%y %j %f %A%%\n69 366 999999999 monday%",
    b"\x05ns\n1772442000123456789",
    b"\x05s\n1e999999999999",
    b"\x06" + b"1" * 60,
    b"\x06-1e399",
    b"\x072026-03-02 09:00 UTC",
    b"\x072026-03-02T09:00:00,5+01",
]
WORDS = ["%Y", "%m", "%d", "%H", "%M", "%S", "%f", "%z", "%b", "%j", "%p", "%I", "%F", "%T", "\n", "ms", "us"]
WORDS += ["-23:59", "+00:00", "Z", "0001-01-01", "9999-12-31", "T23:59:60", ".9999999", "1e400", "٣", "week"]
TARGET = FuzzTarget(check, SEEDS, [word.encode() for word in WORDS])
