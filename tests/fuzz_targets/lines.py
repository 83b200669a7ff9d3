"""Any bytes as JSON lines: each is a record or a reject with its bytes and a reason, the same both ways."""

from __future__ import annotations

from tests.fuzz_targets import FuzzTarget
from tests.helpers_lines import RULES, assert_same, one_by_one


def check(data: bytes) -> None:
    """The first byte chooses the rules, the rest are the lines."""
    rules, lines = RULES[(data[:1] or b"\x00")[0] % len(RULES)], data[1:]
    assert_same(lines, rules)
    told = one_by_one(lines, rules)
    assert [raw for raw in lines.split(b"\n") if raw.strip(b" \t\r")] == [raw for _, _, raw, _ in told]
    for _, _, _, said in told:
        if isinstance(said, str):
            assert said.encode() and said.isprintable(), said


SEEDS = [
    b"",
    b'\x00{"event_type":"x","trace_id":"t","data":{"a":1.10},"duration_ms":1e400}\n\n{"name":"n"}\r\n[]',
    b'\x00{"event_type":"x","trace_id":"t","data":{"a":NaN},"message":"\\ud800","source":"\\u0022"}',
    b'\x01{"event_type":"stage_completed","data":{"stage":"s","status":"success"},"kind":"event"}',
    b'\x01{"event_type":"x","event\\u005ftype":"y","trace_id":"t","timestamp":"1998-12-31T23:59:60Z"}',
    b'\x02{"kind":"trace","trace_id":"t","name":"n","tags":["a","a"],"metadata":{"a":1},"owner":-0}',
    b'\x02{"kind":"trace","trace_id":"t","status":"failed","completed_at":"9999-12-31T23:59:59.9999999Z"}',
    b'\x02{"name":"m","value":1e2,"type":"histogram","labels":{"a":"b"},"buckets":[0.1,1],"host":"h"}',
    b'\x03\xef\xbb\xbf{"event_type":"x","trace_id":"t"}\x00\n\xff\n{"event_type":"performance_metric"}',
    b"\x04" + b'{"event_type":"x","data":{"a":' + b"[" * 20 + b"]" * 20 + b"}}",
    b"\x00" + b"[" * 600 + b"\n" + b'{"event_type":"x","trace_id":"t","n":' + b"9" * 400 + b"}",
    b'\x00{"event_type":"x","trace_id":"t","timestamp":"0001-01-01T00:00:00+23:59"}\n{"kind":"span"}',
]
KEYS = """
    kind event_id trace_id event_type level message data timestamp duration_ms parent_event_id source
    context_id execution_id trace_type name description metadata tags started_at expires_at status
    completed_at type value unit help labels buckets stage stages workflow_id estimated_duration
    metric_name metric_value metric_unit
"""
WORDS = r"""
    event trace metric info error warning completed active expired success gauge counter histogram null true
    workflow_started stage_started stage_completed performance_metric workflow_execution custom
    1e400 -0 NaN \ud800 \u0022 \u005f \u0000 "," {}, 2026-03-02T09:00:00Z +24:00 .9999999
"""
TARGET = FuzzTarget(
    check,
    SEEDS,
    [f'"{key}":'.encode() for key in KEYS.split()]
    + [word.encode() for word in WORDS.split()]
    + [b"\n", b"\r\n", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc2\x85", b'{"event_type":"x","trace_id":"t"}'],
)
