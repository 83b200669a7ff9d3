"""The entities Trace and Event: what makes one, how it ends, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli import Event, Level, Trace, TraceStatus, TraceType
from mplp_trace_cli.domain.errors import InvalidInput, TraceFinished
from mplp_trace_cli.domain.event_row import EventRules, event_row
from mplp_trace_cli.domain.ids import IDS_AT_ONCE, IdPool, is_id, new_id
from mplp_trace_cli.domain.times import MAX_INSTANT, MIN_INSTANT, from_datetime, to_datetime
from mplp_trace_cli.domain.trace import TraceStatement, new_trace_row, trace_statement

ISO = "2026-03-02T10:00:00+01:00"
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
START_US = from_datetime(START)
NO_STATEMENT = TraceStatement(*[None] * len(TraceStatement._fields))


def a_trace(**fields: Any) -> Trace:
    """The trace of the contract, but for the given fields."""
    made = {"trace_id": "trace-123", "context_id": "ctx-123", "trace_type": "workflow_execution"}
    return Trace(**{**made, "name": "Test Trace", "status": "active", "started_at": ISO, **fields})


def an_event(**fields: Any) -> Event:
    """The event of the contract, but for the given fields."""
    made = {"event_id": "event-123", "trace_id": "trace-123", "event_type": "test_event", "level": "info"}
    return Event(**{**made, "timestamp": ISO, **fields})


# -- a trace -------------------------------------------------------------------------------------------


def test_a_trace_of_six_fields_is_valid() -> None:
    """The constructor of the contract makes an active trace without events, its time in UTC."""
    trace = Trace("trace-123", "ctx-123", "workflow_execution", "Test Trace", "active", ISO)  # type: ignore[arg-type]
    assert (trace.trace_id, trace.context_id, trace.name) == ("trace-123", "ctx-123", "Test Trace")
    assert (trace.trace_type, trace.status) == (TraceType.WORKFLOW_EXECUTION, TraceStatus.ACTIVE)
    assert (trace.started_at, trace.started_at.tzinfo) == (START, UTC)
    assert (trace.events, trace.tags, dict(trace.metadata)) == ([], [], {})
    assert (trace.completed_at, trace.expires_at, trace.duration_ms) == (None, None, None)
    assert (trace.execution_id, trace.description, trace.calculate_duration()) == (None, None, None)


def test_all_fields_of_a_trace_are_kept() -> None:
    """Metadata to the letter, tags in order without repeats, ends as they are stated."""
    trace = a_trace(
        status="completed",
        execution_id="e",
        description="",
        metadata='{"b":1.10,"a":1e2}',
        tags=["z", "a", "z"],
        completed_at=START + timedelta(seconds=1.5),
        expires_at="2026-03-03T00:00:00Z",
    )
    assert trace.metadata.text == '{"b":1.10,"a":1e2}'
    assert trace.tags == ["z", "a"]
    assert (trace.execution_id, trace.description, trace.duration_ms) == ("e", "", 1_500)
    assert trace.expires_at == datetime(2026, 3, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"trace_id": ""}, "trace_id: must be 1-255 characters"),
        ({"trace_id": "@last"}, "trace_id: must be"),
        ({"trace_id": None}, "trace_id: required"),
        ({"context_id": ""}, "context_id: required"),
        ({"name": ""}, "name: required"),
        ({"name": 5}, "name: must be text"),
        ({"name": "\ud800"}, "name: has a lone surrogate"),
        ({"trace_type": "workflow"}, "trace_type: 'workflow' is not one of workflow_execution, "),
        ({"status": "compleated"}, "(did you mean completed?)"),
        ({"status": None}, "status: required"),
        ({"started_at": None}, "started_at: required"),
        ({"started_at": "yesterday"}, "started_at: 'yesterday' is not an RFC 3339 date-time"),
        ({"started_at": 10**30}, "started_at: the number is outside the years 1 to 9999"),
        ({"started_at": 5.0}, "started_at: must be an RFC 3339 date-time"),
        ({"started_at": "9999-12-31T23:59:59.999999Z"}, "started_at: leaves no time in which to end"),
        ({"metadata": "[1]"}, "metadata: not a JSON object"),
        ({"tags": "a,b"}, "tags: must be a list of text"),
        ({"tags": ["a", 1]}, "tags: must be a list of text"),
        ({"completed_at": ISO}, "completed_at: a trace that is not finished has none"),
        ({"status": "failed", "completed_at": "2026-03-02T08:59:59Z"}, "completed_at: is before started_at"),
        ({"expires_at": "2026-03-02T08:59:59Z"}, "expires_at: is before started_at"),
    ],
)
def test_a_trace_that_breaks_a_rule_is_refused_by_field(fields: dict[str, Any], fault: str) -> None:
    """The fault names the field and the rule."""
    with pytest.raises(InvalidInput) as caught:
        a_trace(**fields)
    assert fault in caught.value.message


def test_all_faults_are_told_at_once() -> None:
    """Every wrong field of a trace or an event is in the one error, and listed in its details."""
    with pytest.raises(InvalidInput) as caught:
        a_trace(trace_id="-x", name="\ud800", trace_type="x", tags=5)
    said = {fault.partition(":")[0] for fault in caught.value.details["problems"]}
    assert said == {"trace_id", "name", "trace_type", "tags"}
    with pytest.raises(InvalidInput) as caught:
        an_event(event_id="@", event_type="", level="loud", data="[", duration_ms=-1, timestamp="x")
    said = {fault.partition(":")[0] for fault in caught.value.details["problems"]}
    assert said == {"event_id", "event_type", "level", "data", "duration_ms", "timestamp"}
    with pytest.raises(InvalidInput) as caught:
        an_event(event_id="@", timestamp=None)
    assert caught.value.details["problems"][-1] == "timestamp: required"
    assert len(caught.value.details["problems"]) == 2


@pytest.mark.parametrize("method", ["complete", "fail", "cancel", "expire"])
def test_a_trace_ends_once(method: str) -> None:
    """The same end again changes nothing, another end is refused."""
    trace = a_trace()
    assert getattr(trace, method)(START + timedelta(seconds=2)) is trace
    ended = (trace.status, trace.completed_at)
    getattr(trace, method)(START + timedelta(hours=2))
    assert (trace.status, trace.completed_at) == ended
    assert trace.status.is_final
    assert trace.duration_ms == trace.calculate_duration() == 2_000
    for other in {"complete", "fail", "cancel", "expire"} - {method}:
        with pytest.raises(TraceFinished, match=f"trace trace-123 is already {trace.status}"):
            getattr(trace, other)()


def test_a_trace_ends_at_any_way_to_say_when() -> None:
    """RFC 3339 text, microseconds or a datetime; what is no time is said, and ends nothing."""
    for at in ("2026-03-02T09:00:02Z", START_US + 2_000_000, START + timedelta(seconds=2)):
        assert a_trace().complete(at).duration_ms == 2_000
    trace = a_trace()
    with pytest.raises(InvalidInput, match="at: 'soon' is not an RFC 3339 date-time"):
        trace.fail("soon")
    assert trace.status is TraceStatus.ACTIVE


@given(
    st.datetimes(timezones=st.just(UTC)) | st.none(),
    st.integers(MIN_INSTANT, MAX_INSTANT - 1),
    st.sampled_from(["complete", "fail", "cancel", "expire"]),
)
def test_a_duration_is_positive_whatever_the_clock_says(
    at: datetime | None, started: int, method: str
) -> None:
    """The end is at least 1 µs after the start, were the clock set back by a thousand years."""
    trace = a_trace(started_at=started)
    getattr(trace, method)(at)
    assert trace.completed_at is not None
    assert from_datetime(trace.completed_at) >= from_datetime(trace.started_at) + 1
    assert (trace.duration_ms or 0) > 0


@given(
    st.integers(MIN_INSTANT, MAX_INSTANT - 1),
    st.sampled_from(["completed", "failed", "cancelled", "expired"]),
)
def test_a_trace_made_as_finished_has_a_positive_duration(started: int, status: str) -> None:
    """With its end equal to its start, or not stated at all."""
    for fields in ({"completed_at": started}, {}):
        assert (a_trace(started_at=started, status=status, **fields).duration_ms or 0) > 0


def test_an_expired_trace_ended_when_it_expired() -> None:
    """Whoever notices it, and however late."""
    expires_at = START + timedelta(minutes=30)
    trace = a_trace(expires_at=expires_at).expire(START + timedelta(days=3))
    assert (trace.status, trace.completed_at) == (TraceStatus.EXPIRED, expires_at)
    made = a_trace(status="expired", expires_at=expires_at, completed_at=START + timedelta(days=3))
    assert made.completed_at == expires_at


def test_a_trace_takes_its_own_events_only() -> None:
    """Events are kept in order, found by type and level, and refused when they belong elsewhere."""
    trace = a_trace()
    events = [
        trace.add_event(an_event(event_id=f"e{at}", event_type=kind, level=level))
        for at, (kind, level) in enumerate([("a", "info"), ("b", "error"), ("a", "critical")])
    ]
    assert trace.events == events
    assert trace.get_events_by_type("a") == [events[0], events[2]]
    assert trace.get_events_by_level("error") == trace.get_events_by_level(Level.ERROR) == [events[1]]
    assert trace.get_events_by_type("c") == trace.get_events_by_level("warn") == []
    with pytest.raises(InvalidInput, match="event event-123 belongs to another trace: other"):
        trace.add_event(an_event(trace_id="other"))
    assert trace.events == events
    assert trace.generate_summary().total_events == 3


# -- what is said of a trace ---------------------------------------------------------------------------


def test_a_statement_contradicts_only_what_it_says() -> None:
    """What is not said agrees with anything; JSON is compared by value, all else to the letter."""
    said = trace_statement({"trace_id": "t", "name": "n", "metadata": '{"a":1,"b":2}', "tags": ["x", "y"]})
    row = new_trace_row(said, "t", START_US)
    assert NO_STATEMENT.contradictions(row) == []
    assert said.contradictions(row) == []
    assert trace_statement({"metadata": {"b": 2.0, "a": 1}}).contradictions(row) == []
    for unlike in ('{"a":true,"b":2}', '{"a":1,"b":2.0000000000000000001}'):
        assert trace_statement({"metadata": unlike}).contradictions(row) == ["metadata"]
    other = {"name": "m", "metadata": {"a": 1}, "tags": ["y", "x"], "context_id": "c", "started_at": 5}
    found = trace_statement({**other, "execution_id": "e", "trace_type": "custom", "expires_at": 6})
    assert set(found.contradictions(row)) == {*other, "execution_id", "trace_type", "expires_at"}


def test_a_statement_ends_a_trace_when_its_status_is_final() -> None:
    """At the stated time, else now, and never before or at the start."""
    assert NO_STATEMENT.end(5, None, 9) is None
    assert NO_STATEMENT._replace(status="active").end(5, None, 9) is None
    done = NO_STATEMENT._replace(status="completed", trace_id="t")
    assert done.end(5, None, 9) == ("t", "completed", 9)
    assert done.end(5, None, 3) == ("t", "completed", 6)
    assert done._replace(completed_at=7).end(5, None, 9) == ("t", "completed", 7)
    assert done._replace(completed_at=5).end(5, None, 9) == ("t", "completed", 6)
    with pytest.raises(InvalidInput, match="completed_at: is before started_at"):
        done._replace(completed_at=4).end(5, None, 9)
    assert done.end(5, 8, 9) == ("t", "completed", 9)
    assert done._replace(status="expired", completed_at=7).end(5, 8, 9) == ("t", "expired", 8)


def test_a_new_trace_starts_no_later_than_it_ends() -> None:
    """Without a stated start it is now, or the stated end or expiry when that is earlier."""
    said = NO_STATEMENT._replace(name="n")
    assert new_trace_row(said, "t", 50).started_at == 50
    assert new_trace_row(said._replace(completed_at=40), "t", 50).started_at == 40
    assert new_trace_row(said._replace(expires_at=30, completed_at=40), "t", 50).started_at == 30
    row = new_trace_row(said, "t", 50)
    assert (row.context_id, row.trace_type, row.metadata, row.tags) == (
        "default",
        "workflow_execution",
        "{}",
        "[]",
    )


# -- an event ------------------------------------------------------------------------------------------


def test_an_event_of_five_fields_is_valid() -> None:
    """The constructor of the contract makes an event without data, its time in UTC."""
    event = Event("event-123", "trace-123", "test_event", "info", ISO)  # type: ignore[arg-type]
    assert (event.event_id, event.trace_id, event.event_type) == ("event-123", "trace-123", "test_event")
    assert (event.level, event.timestamp) == (Level.INFO, START)
    assert (event.message, event.duration_ms, event.parent_event_id, event.source) == (None,) * 4
    assert (event.has_data(), event.is_error(), event.children) == (False, False, [])


def test_an_event_without_an_id_gets_one() -> None:
    """A new lowercase UUID v4."""
    first, second = an_event(event_id=None), an_event(event_id=None)
    assert is_id(first.event_id)
    assert first.event_id != second.event_id
    assert first.to_row().event_id == first.event_id


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"event_id": "-x"}, "event_id: must be 1-255 characters"),
        ({"event_id": "a\x00"}, "event_id: must be"),
        ({"trace_id": None}, "trace_id: required"),
        ({"event_type": ""}, "event_type: required"),
        (
            {"level": "warning"},
            "level: 'warning' is not one of debug, info, warn, error, critical (did you mean warn?)",
        ),
        ({"level": 3}, "level: '3' is not one of"),
        ({"message": b"x"}, "message: must be text"),
        ({"message": "\udc80"}, "message: has a lone surrogate"),
        ({"data": [1]}, "data: not a JSON object"),
        ({"data": {"a": float("nan")}}, "data: cannot be written as JSON"),
        ({"duration_ms": -0.5}, "duration_ms: must not be negative"),
        ({"duration_ms": float("inf")}, "duration_ms: must be a finite number"),
        ({"duration_ms": float("nan")}, "duration_ms: must be a finite number"),
        ({"duration_ms": 10**400}, "duration_ms: must be a finite number"),
        ({"duration_ms": True}, "duration_ms: must be a finite number"),
        ({"duration_ms": "5"}, "duration_ms: must be a finite number"),
        ({"timestamp": None}, "timestamp: required"),
        ({"timestamp": 10**30}, "timestamp: the number is outside"),
        ({"timestamp": -(10**5000)}, "timestamp: the number is outside"),
        ({"timestamp": datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))}, "is outside the years"),
        ({"timestamp": True}, "timestamp: must be an RFC 3339 date-time"),
        ({"source": 5}, "source: must be text"),
    ],
)
def test_an_event_that_breaks_a_rule_is_refused_by_field(fields: dict[str, Any], fault: str) -> None:
    """The fault names the field and the rule."""
    with pytest.raises(InvalidInput) as caught:
        an_event(**fields)
    assert fault in caught.value.message


def test_errors_are_the_upper_two_levels() -> None:
    """Error and critical are errors, the others are not."""
    assert [an_event(level=level).is_error() for level in Level] == [False, False, False, True, True]


def test_data_is_kept_to_the_letter() -> None:
    """As JSON text or as a mapping, and it is data as soon as it has a member."""
    event = an_event(data='{"z": 1.10, "a": 1e2, "a": 1180591620717411303424}')
    assert event.data.text == event.to_row().data == '{"z": 1.10, "a": 1e2, "a": 1180591620717411303424}'
    assert event.data["a"] == 2**70
    assert event.has_data()
    assert an_event(data={"a": 1}).has_data()
    assert not any(an_event(data=empty).has_data() for empty in (None, dict[str, int](), "{}", "{ }"))


def test_a_formatted_message_is_one_sentence() -> None:
    """Time, level, type, and the message where there is one."""
    assert an_event().get_formatted_message() == "2026-03-02T09:00:00.000000Z [INFO] test_event"
    said = an_event(message="it broke", level="critical").get_formatted_message()
    assert said == "2026-03-02T09:00:00.000000Z [CRITICAL] test_event: it broke"


def test_children_hang_below_their_parent() -> None:
    """A child is linked to its parent; one of another trace is refused."""
    parent, child = an_event(event_id="p"), an_event(event_id="c")
    linked = parent.add_child_event(child)
    assert (linked.event_id, linked.parent_event_id) == ("c", "p")
    assert (parent.children, child.parent_event_id) == ([linked], None)
    with pytest.raises(InvalidInput, match="event x belongs to another trace: other"):
        parent.add_child_event(an_event(event_id="x", trace_id="other"))
    assert parent.children == [linked]


@given(
    st.integers(MIN_INSTANT, MAX_INSTANT),
    st.floats(min_value=0, allow_infinity=False) | st.none(),
    st.dictionaries(st.text("ab", max_size=2), st.integers() | st.text("é\n", max_size=2), max_size=2),
    st.sampled_from(Level),
    st.text("aé\n'", min_size=1, max_size=3),
)
def test_an_event_survives_its_row(
    at: int, duration: float | None, data: dict[str, Any], level: Level, kind: str
) -> None:
    """Entity and row are two forms of the same event."""
    event = an_event(timestamp=at, duration_ms=duration, data=data, level=level, event_type=kind, message="m")
    row = event.to_row()
    assert Event.from_row(row) == event
    assert Event.from_row(row).to_row() == row
    assert (row.timestamp, to_datetime(row.timestamp)) == (at, event.timestamp)


def test_the_size_of_an_event_is_bounded() -> None:
    """The UTF-8 bytes of all texts count together; one more than the limit is refused."""
    rules = EventRules(clock=lambda: 0, new_id=lambda: "i", max_event_bytes=100)
    fixed = len("i" + "t" + "x" + "info" + "{}")
    fields = {"trace_id": "t", "event_type": "x"}
    event_row({**fields, "message": "é" * 40 + "m" * (20 - fixed)}, rules)
    for message in ("é" * 40 + "m" * (21 - fixed), "m" * 1_000):
        with pytest.raises(InvalidInput, match=r"^event: [\d,]+ bytes of text, more than the 100 allowed$"):
            event_row({**fields, "message": message}, rules)
    big = {**fields, "data": {"a": "d" * (1 << 20)}}
    with pytest.raises(InvalidInput, match="more than the 1,048,576 allowed"):
        event_row(big, EventRules(clock=lambda: 0))


# -- ids -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["trace-123", "0af7651916cd43dd8448eb211c80319c", "é", " ", "a@", "a-", "i" * 255, "\u2028"]
)
def test_an_id_is_any_text_without_control_characters(text: str) -> None:
    """Up to 255 characters."""
    assert is_id(text)


@pytest.mark.parametrize("text", ["", "@last", "-x", "a\nb", "\x7f", "a\x9f", "\x00", "i" * 256])
def test_what_is_no_id(text: str) -> None:
    """Empty, too long, beginning like an option or `@last`, or with a control character."""
    assert not is_id(text)


def test_made_ids_are_uuids_of_version_4_and_all_different() -> None:
    """One at a time or from the pool, over more than one of its fillings."""
    pool = IdPool()
    made = [pool() for _ in range(2 * IDS_AT_ONCE + 1)] + [new_id() for _ in range(10)]
    assert len(set(made)) == len(made)
    for one in made:
        assert len(one) == 36
        assert (one[14], one[19] in "89ab", one.lower()) == ("4", True, one)
        assert is_id(one)
