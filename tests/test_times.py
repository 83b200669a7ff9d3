"""Instants and durations: what text says which microsecond, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import (
    DAY_US,
    EPOCH,
    MAX_INSTANT,
    MICROSECOND,
    MIN_INSTANT,
    SECOND_US,
    format_instant,
    from_datetime,
    is_bare_date,
    parse_duration,
    parse_instant,
    parse_moment,
    to_datetime,
)

INSTANTS = st.integers(MIN_INSTANT, MAX_INSTANT)
NOW = from_datetime(datetime(2026, 3, 2, 9, tzinfo=UTC))


def instant(*fields: int) -> int:
    """Microseconds since 1970 of a UTC date and time."""
    return (datetime(*fields, tzinfo=UTC) - EPOCH) // MICROSECOND  # type: ignore[misc, arg-type]


def test_every_conformance_case_is_judged_as_the_suite_says(conformance: Path) -> None:
    """Of the RFC 3339 suite the valid date-times are accepted and the invalid ones refused."""
    groups = json.loads((conformance / "rfc3339" / "date-time.json").read_text(encoding="utf-8"))
    cases = [case for group in groups for case in group["tests"] if isinstance(case["data"], str)]
    assert len(cases) >= 27
    wrong = [case["data"] for case in cases if accepted(case["data"]) is not case["valid"]]
    assert wrong == []


def accepted(text: str) -> bool:
    """Whether the text is an instant."""
    try:
        parse_instant(text)
    except InvalidInput:
        return False
    return True


@given(INSTANTS)
def test_an_instant_comes_back_from_its_text(at: int) -> None:
    """Formatting and parsing are inverse over all years, and so is the way through a datetime."""
    assert parse_instant(format_instant(at)) == at
    assert from_datetime(to_datetime(at)) == at
    assert len(format_instant(at)) == len("2026-03-02T09:00:00.000000Z")


@given(INSTANTS, st.integers(-1439, 1439), st.sampled_from(["T", "t", " "]), st.sampled_from([":", ""]))
def test_an_offset_names_the_same_instant(at: int, minutes: int, letter: str, colon: str) -> None:
    """A local time with its offset is the instant in UTC, however the offset is spelled."""
    local = at + minutes * 60 * SECOND_US
    if not MIN_INSTANT <= local <= MAX_INSTANT:
        return
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    text = format_instant(local)[:-1].replace("T", letter) + f"{sign}{size // 60:02}{colon}{size % 60:02}"
    assert parse_instant(text) == at


@given(st.integers(0, 10**12 - 1), st.integers(1, 12))
def test_fractions_are_rounded_half_up(fraction: int, digits: int) -> None:
    """Digits past the sixth are rounded to the nearest microsecond, halves up."""
    shown = f"{fraction:012}"[:digits]
    picoseconds = int(shown.ljust(12, "0"))
    expected = instant(2026, 1, 1) + (picoseconds + 500_000) // 1_000_000
    assert parse_instant(f"2026-01-01T00:00:00.{shown}Z") == expected


def test_fractions_before_1970_are_rounded_up_too() -> None:
    """Rounding goes towards the later instant, on either side of 1970."""
    assert parse_instant("1969-12-31T23:59:59.9999995Z") == 0
    assert parse_instant("1969-12-31T23:59:59.9999994999999Z") == -1
    assert parse_instant("1963-01-01T00:00:00.0000005Z") == instant(1963, 1, 1) + 1


def test_a_leap_second_is_the_next_minute() -> None:
    """23:59:60 UTC is midnight, in any zone; anywhere else second 60 does not exist."""
    midnight = instant(1999, 1, 1)
    assert parse_instant("1998-12-31T23:59:60Z") == midnight
    assert parse_instant("1999-01-01T00:59:60+01:00") == midnight
    assert parse_instant("1998-12-31T23:59:60.25Z") == midnight + 250_000
    for text in ("1998-12-31T23:59:60+01:00", "1998-12-31T23:58:60Z", "1998-12-31T23:59:61Z"):
        assert not accepted(text)
    assert midnight % DAY_US == 0


def test_the_years_1_to_9999_are_the_bounds() -> None:
    """The first and the last microsecond are accepted, one beyond them by offset or rounding is refused."""
    assert parse_instant("0001-01-01T00:00:00Z") == MIN_INSTANT
    assert parse_instant("9999-12-31T23:59:59.999999Z") == MAX_INSTANT
    for text in (
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.999999-00:01",
        "9999-12-31T23:59:59.9999995Z",
        "9999-12-31T23:59:60Z",
        "10000-01-01T00:00:00Z",
    ):
        assert not accepted(text), text


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "now", "2026-03-02", "2026-03-02T09:00Z", "2026-03-02T09:00:00", "2026-03-02T09:00:00.Z"),
        *("2026-03-02T09:00:00,5Z", "2026-03-02T09:00:00+1:00", "2026-03-02T09:00:00 Z", "1772442000"),
        *(" 2026-03-02T09:00:00Z", "2026-03-02T09:00:00Z\x00", "２０２６-03-02T09:00:00Z", "infinity"),
        *(
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-03-02T09:00:00+24:00",
            "-2026-03-02T09:00:00Z",
        ),
    ],
)
def test_what_is_no_instant_is_refused_by_name(text: str) -> None:
    """A text that is no RFC 3339 date-time is refused, and the fault names its field."""
    with pytest.raises(InvalidInput, match=r"^started_at: ") as caught:
        parse_instant(text, "started_at")
    assert "\n" not in caught.value.message


@given(st.text(alphabet="0123456789-:TtZz+. ", max_size=40))
def test_any_text_is_an_instant_in_range_or_refused(text: str) -> None:
    """Nothing but InvalidInput comes out of a bad text, and nothing out of range out of a good one."""
    try:
        at = parse_instant(text)
    except InvalidInput:
        return
    assert MIN_INSTANT <= at <= MAX_INSTANT


def test_a_moment_may_lack_its_zone_or_its_time_of_day() -> None:
    """In filters a time without a zone is UTC, and a date is its first instant."""
    for text in (
        "2026-03-02",
        "2026-03-02T00:00",
        "2026-03-02 00:00:00",
        "2026-03-01T23:00-01:00",
        " 2026-03-02 ",
    ):
        assert parse_moment(text, NOW, "since") == instant(2026, 3, 2)
    assert is_bare_date("2026-03-02")
    assert not is_bare_date("2026-03-02T00:00")
    assert not is_bare_date("7d")


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1.5s", timedelta(milliseconds=1500)),
        ("3us", timedelta(microseconds=3)),
        ("1w", timedelta(weeks=1)),
    ],
)
def test_an_age_is_counted_back_from_now(text: str, span: timedelta) -> None:
    """`15m` is the instant a quarter of an hour ago."""
    assert parse_moment(text, NOW, "since") == NOW - span // MICROSECOND


@pytest.mark.parametrize(
    "text",
    ["15", "-15m", "m", "15 parsecs", "yesterday", "9" * 12 + "d", "9" * 306 + "ms", "9" * 400 + "d", "1e3s"],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """A bare number is no age, and an age beyond the year 1 is no time."""
    with pytest.raises(InvalidInput, match=r"^since: "):
        parse_moment(text, NOW, "since")


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        *[("250ms", 250), ("5s", 5_000), ("30m", 1_800_000), ("2h", 7_200_000), ("7d", 604_800_000)],
        *[("12", 12), ("0", 0), ("1.5", 1.5), (".5s", 500), (" 5 s ", 5_000), ("1w", 604_800_000)],
        ("10us", 0.01),
    ],
)
def test_durations_are_milliseconds(text: str, milliseconds: float) -> None:
    """A duration has a unit, and a bare number is ms."""
    assert parse_duration(text, "timeout") == pytest.approx(milliseconds)


@pytest.mark.parametrize("text", ["", "-1", "-5s", "5x", "nan", "inf", "1e3", "5s5", "9" * 400, "٥s", "0x10"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Negative, infinite and misspelled durations are refused by name."""
    with pytest.raises(InvalidInput, match=r"^timeout: "):
        parse_duration(text, "timeout")
