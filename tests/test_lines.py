"""One JSON line to one record: what is an event, a trace or a metric, and where unknown keys go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules
from mplp_trace_cli.domain.json_text import MAX_DEPTH
from mplp_trace_cli.domain.lines import LineRules, Record, read_line
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.times import parse_instant
from mplp_trace_cli.domain.trace import TraceStatement

NOW = 1_772_442_000_000_000
STAMP = "2026-03-02T09:00:00.5Z"
RULES = LineRules(EventRules(clock=lambda: NOW, new_id=lambda: "made-id"))


def read(line: str | bytes, rules: LineRules = RULES) -> Record | None:
    """The record of a line."""
    return read_line(line.encode() if isinstance(line, str) else line, rules)


def event(line: str, rules: LineRules = RULES) -> EventRow:
    """The event of a line."""
    row = read(line, rules)
    assert isinstance(row, EventRow)
    return row


def reason(line: str | bytes, rules: LineRules = RULES) -> str:
    """Why a line has no record."""
    with pytest.raises(InvalidInput) as caught:
        read(line, rules)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_whole_event_is_read_field_by_field() -> None:
    """Every field arrives as it was said, the time as microseconds in UTC."""
    said: dict[str, Any] = {
        "kind": "event",
        "event_id": "e",
        "trace_id": "t",
        "event_type": "x",
        "level": "warn",
        "message": "m\n",
    }
    said |= {"timestamp": STAMP, "duration_ms": 2, "parent_event_id": "p", "source": "plan"}
    line = json.dumps(said)[:-1] + ', "data": {"b":1.10, "a":1e2}}'
    at = parse_instant(STAMP)
    assert event(line) == EventRow("e", "t", "x", "warn", "m\n", '{"b":1.10, "a":1e2}', at, 2.0, "p", "plan")


def test_an_event_needs_a_type_and_a_trace_only() -> None:
    """All else has its default, and null says nothing."""
    least = EventRow("made-id", "t", "x", "info", None, "{}", NOW, None, None, None)
    assert event('{"event_type":"x","trace_id":"t"}') == least
    names = (
        "event_id",
        "level",
        "message",
        "data",
        "timestamp",
        "duration_ms",
        "parent_event_id",
        "source",
        "kind",
    )
    nulls = ",".join(f'"{name}":null' for name in names)
    assert event(f'{{"event_type":"x","trace_id":"t",{nulls}}}') == least


def test_defaults_fill_what_a_line_lacks() -> None:
    """Of trace, level and source; what the line says wins."""
    rules = LineRules(RULES.event, {"trace_id": "t1", "level": "warn", "source": "plan"})
    assert event('{"event_type":"x"}', rules)[1:4] == ("t1", "x", "warn")
    assert event('{"event_type":"x","trace_id":null}', rules).source == "plan"
    said = event('{"event_type":"x","trace_id":"t2","level":"info","source":""}', rules)
    assert (said.trace_id, said.level, said.source) == ("t2", "info", "")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"event_type":"x","trace_id":"t","name":"n","value":1}', EventRow),
        ('{"kind":null,"event_type":"x","trace_id":"t"}', EventRow),
        ('{"name":"n"}', TraceStatement),
        ('{"kind":"trace","trace_id":"t"}', TraceStatement),
        ('{"kind":"trace","trace_id":"t","event_type":"x"}', TraceStatement),
        ('{"name":"n","value":1}', MetricRow),
        ('{"kind":"metric","name":"n","value":1}', MetricRow),
        ('{"kind":"trace","name":"n","value":1}', TraceStatement),
        ('\r{ "name" : "n" }\t\r', TraceStatement),
    ],
)
def test_a_line_is_what_its_kind_or_its_keys_say(line: str, kind: type) -> None:
    """`kind` decides; without it event_type, then name and value, then name."""
    assert type(read(line)) is kind


@pytest.mark.parametrize("line", ["", " ", "\t\r", "\n"])
def test_a_blank_line_is_nothing(line: str) -> None:
    """Neither a record nor a fault."""
    assert read(line) is None


def test_unknown_keys_move_into_data_to_the_letter() -> None:
    """Behind what is there, in their order; of a trace into metadata, of a metric into its labels."""
    row = event('{"stage":"context","event_type":"x","n":1.10,"trace_id":"t","data":{ "a":1 },"ok":[ 1,2]}')
    assert row.data == '{"a":1,"stage":"context","n":1.10,"ok":[ 1,2]}'
    assert event('{"event_type":"x","trace_id":"t","data":null,"\\u0061":1}').data == '{"a":1}'
    assert event('{"event_type":"x","trace_id":"t","name":"n"}').data == '{"name":"n"}'
    trace = read('{"name":"n","metadata":{"a":1},"owner":"me","duration_ms":5,"summary":{},"level":1}')
    assert isinstance(trace, TraceStatement)
    assert trace.metadata == '{"a":1,"owner":"me","level":1}'
    metric = read('{"name":"n","value":1,"host":"h"}')
    assert isinstance(metric, MetricRow)
    assert metric.labels == '{"host":"h"}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"event_type":"x","trace_id":"t","stage":1,"data":{"stage":1}}',
            "data: the key 'stage' is given twice",
        ),
        (
            '{"event_type":"x","trace_id":"t","st\\u0061ge":1,"data":{"stage":1}}',
            "data: the key 'stage' is given twice",
        ),
        ('{"event_type":"x","event_type":"x","trace_id":"t"}', "the key 'event_type' is given twice"),
        ('{"event_type":"x","event\\u005ftype":"y","trace_id":"t"}', "the key 'event_type' is given twice"),
        ('{"event_type":"x","trace_id":"t","a":1,"a":1}', "the key 'a' is given twice"),
        ('{"kind":"event","kind":"event"}', "the key 'kind' is given twice"),
        ('{"name":"n","owner":1,"metadata":{"owner":1}}', "metadata: the key 'owner' is given twice"),
        ('{"kind":"span"}', "kind: 'span' is not one of event, trace, metric"),
        ('{"kind":["event"]}', "kind: "),
        ('{"trace_id":"t"}', "neither an event (event_type), a trace (name) nor a metric (name and value)"),
        ("{}", "neither an event"),
        ("[]", "not a JSON object"),
        ("5", "not a JSON object"),
        ("x", "not JSON: "),
        ('{"event_type":"x"', "expected ',' or '}' at character 18"),
        ('{"event_type":"x","trace_id":"t"}{}', "text after the value at character 34"),
        ('\ufeff{"event_type":"x","trace_id":"t"}', "not JSON"),
        ('{"event_type":"x"}', "trace_id: required"),
        ('{"event_type":"","trace_id":"t"}', "event_type: required"),
        ('{"event_type":5,"trace_id":"t"}', "event_type: must be text"),
        ('{"event_type":"x","trace_id":5}', "trace_id: must be text"),
        ('{"event_type":"x","trace_id":"@last"}', "trace_id: must be 1-255 characters"),
        ('{"event_type":"x","trace_id":"t","event_id":"a\\u0000"}', "event_id: must be"),
        ('{"event_type":"x","trace_id":"t","level":"loud"}', "level: 'loud' is not one of"),
        ('{"event_type":"x","trace_id":"t","message":"\\ud800"}', "message: has a lone surrogate"),
        ('{"event_type":"x","trace_id":"t","data":[1]}', "data: not a JSON object"),
        ('{"event_type":"x","trace_id":"t","data":"{}"}', "data: not a JSON object"),
        ('{"event_type":"x","trace_id":"t","data":{"a":NaN}}', "NaN is not JSON"),
        (
            '{"event_type":"x","trace_id":"t","timestamp":1772442000}',
            "timestamp: must be an RFC 3339 date-time",
        ),
        ('{"event_type":"x","trace_id":"t","duration_ms":1e400}', "duration_ms: must be a finite number"),
        ('{"event_type":"x","trace_id":"t","duration_ms":-1}', "duration_ms: must not be negative"),
        ('{"name":"n","status":"done"}', "status: 'done' is not one of"),
        ('{"name":"n","tags":[1]}', "tags: must be a list of text"),
        ('{"name":"n","started_at":5}', "started_at: must be an RFC 3339 date-time"),
        ('{"name":"n","value":null}', "value: required"),
        ('{"name":"n","value":1e400}', "value: must be a finite number"),
        ('{"name":"n","value":1,"type":"meter"}', "type: 'meter' is not one of gauge, counter, histogram"),
        ('{"name":"n","value":1,"labels":{"a":1}}', "labels: must be an object of texts"),
        ('{"name":"n","value":1,"buckets":[2,1]}', "buckets: must be ascending numbers"),
        (b'{"event_type":"x","trace_id":"t","message":"\xff"}', "not UTF-8 at byte 45"),
        (b'{"event_type":"x","trace_id":"t","message":"\xed\xa0\x80"}', "not UTF-8 at byte 45"),
        (b"\x00", "not JSON"),
        ("[" * 1_000 + "]" * 1_000, f"nested deeper than {MAX_DEPTH} levels"),
        ('{"event_type":"x","trace_id":"t","a":' + "[" * 500 + "]" * 500 + "}", "nested deeper than"),
    ],
)
def test_a_bad_line_is_refused_with_its_reason(line: str | bytes, said: str) -> None:
    """One line of reason that names the key or the place."""
    assert said in reason(line)


def test_numbers_are_kept_beyond_what_floats_hold() -> None:
    """Inside data 2^70, 5,000 digits and 1e999 come back as they went in."""
    data = f'{{"a":{2**70},"b":{"7" * 5000},"c":1e999,"d":0.{"3" * 50}}}'
    assert event(f'{{"event_type":"x","trace_id":"t","data":{data}}}').data == data
    assert event(f'{{"event_type":"x","trace_id":"t","n":{"7" * 5000}}}').data == f'{{"n":{"7" * 5000}}}'


def test_a_metric_is_a_gauge_now_unless_it_says_otherwise() -> None:
    """Type, time, labels and buckets have defaults and are kept when said."""
    assert read('{"name":"n","value":1}') == MetricRow("n", "gauge", 1.0, None, None, "{}", None, NOW)
    line = '{"name":"n","value":-0.5,"type":"histogram","unit":"s","help":"h","labels":{"a":"b"}'
    line += f',"buckets":[0.1,1,10],"timestamp":"{STAMP}"}}'
    at = parse_instant(STAMP)
    assert read(line) == MetricRow("n", "histogram", -0.5, "s", "h", '{"a":"b"}', "[0.1,1,10]", at)


@given(
    st.dictionaries(
        st.sampled_from(
            ["event_type", "trace_id", "name", "value", "kind", "data", "labels", "tags", "timestamp", "z"]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["", "x", "event", "trace", "metric", STAMP])
        | st.lists(st.none() | st.text("a\ud800", max_size=1), max_size=2)
        | st.dictionaries(st.text("az", max_size=1), st.none() | st.just("x"), max_size=2),
        max_size=6,
    )
)
def test_any_object_is_a_record_or_has_a_reason(said: dict[str, Any]) -> None:
    """No combination of keys and types ends in anything else."""
    try:
        record = read(json.dumps(said))
    except InvalidInput as fault:
        assert fault.message
    else:
        assert isinstance(record, EventRow | TraceStatement | MetricRow)
