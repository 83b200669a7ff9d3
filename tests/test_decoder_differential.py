"""The bulk way and the one-line way of reading lines: the same rows and the same reasons, line by line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.json_text import MAX_DEPTH
from mplp_trace_cli.domain.lines import LineRules, read_line
from mplp_trace_cli.interchange.decoding.lines import LineDecoder
from mplp_trace_cli.interchange.sources import Chunk
from tests.conftest import examples
from tests.helpers_lines import EVENT, RULES, assert_same, in_bulk, lines_of

# -- lines out of small parts --------------------------------------------------------------------------

IDS = [
    "t",
    "t-1",
    "@t",
    "-t",
    "",
    "é",
    "\u00a0",
    "\u2028",
    "\x7f",
    "\x85",
    "a\x00",
    "\u200b",
    "i" * 255,
    "i" * 256,
]
IDS += ["é" * 255, "é" * 256, "\U0001f600" * 255]
TEXTS = ["", "x", '":', '"event_type":', "é", "\x01", "\\", '{"a":1}', "data", "m" * 990]
TIMES = [
    *(
        "2026-03-02T09:00:00Z",
        "2026-03-02 09:00:00z",
        "2026-03-02t09:00:00.1234565+01:00",
        "2026-03-02T09:00:00+0100",
    ),
    *(
        "2026-03-02T09:00:00",
        "2026-03-02",
        "2026-03-02T09:00Z",
        "2026-02-30T09:00:00Z",
        "1998-12-31T23:59:60Z",
    ),
    *(
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.9999999Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T09:00:00-00:00",
    ),
    *(
        "2026-03-02T09:00:00+24:00",
        "2026-03-02T09:00:00,5Z",
        "1969-12-31T23:59:59.9999995Z",
        " 2026-03-02T09:00:00Z",
    ),
    *(
        "0000-01-01T00:00:00Z",
        "2026-03-02T09:00:00." + "4" * 30 + "Z",
        "2026-03-02T09:00:00.Z",
        "٢٠٢٦-03-02T09:00:00Z",
    ),
]
NUMBERS = [
    "0",
    "-0",
    "-0.0",
    "1.10",
    "1e2",
    "-1",
    "1e400",
    "-1e-400",
    "01",
    "1.",
    "+1",
    "9" * 30,
    "9" * 400,
    "NaN",
]
NUMBERS += ["9007199254740993", "0.1234567890123456789", "18446744073709551616", "5e-324", "1E+2", "-"]
WRONG = [
    "null",
    "true",
    '"x"',
    "[]",
    "{}",
    "5",
    "[1]",
    '{"a":1}',
    "",
    "nul",
    '"',
    '"\\ud800"',
    '"\\x"',
    '"\t"',
]
DEEP = [("[" * n, "]" * n) for n in (3, MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH, 1_200)]
DATA = [
    *(
        "{}",
        '{"a":1.10}',
        '{"a":1,"a":2}',
        '{ "a" : 1 }',
        '{"event_type":1}',
        '{"data":{"kind":2}}',
        '{"a":"\\ud800"}',
    ),
    *(
        '{"a":NaN}',
        '{"a":1,}',
        '{"a":01}',
        '{"a":"\\x"}',
        '{"\\u0061":1e999}',
        '{\r"a":1}',
        '{\t"a":\x0c1}',
        '{"a":"\x02"}',
    ),
    *(
        '{"stage":"s"}',
        '{"stage":""}',
        '{"stage":5,"stage":"s"}',
        '{"stage":"s","status":"success"}',
        '{"stage":"\\udc00"}',
    ),
    *('{"stage":"s","status":"ok"}', '{"stage":"s","status":null}', '{"stage":"s","status":["success"]}'),
    *(
        '{"workflow_id":"w","stages":["a"],"estimated_duration":1}',
        '{"workflow_id":"w","stages":[1],"estimated_duration":0}',
    ),
    *(
        '{"workflow_id":"w","stages":[],"estimated_duration":-1}',
        '{"workflow_id":"w","stages":[],"estimated_duration":-0}',
    ),
    *(
        '{"metric_name":"m","metric_value":1e400,"metric_unit":"s"}',
        '{"metric_name":"m","metric_value":true,"metric_unit":"s"}',
    ),
    *(
        '{"metric_name":"m","metric_value":9,"metric_unit":"s","tags":{"a":1}}',
        '{"metric_name":"","metric_value":1,"metric_unit":"s"}',
    ),
    *(
        '{"metric_name":"m","metric_value":1.5,"metric_unit":"s","tags":null,"x":[]}',
        '{"a":"' + "d" * 1_100 + '"}',
    ),
    *(
        '{"metric_name":"m","metric_value":1' + "0" * 400 + ',"metric_unit":"s"}',
        *(f'{{"a":{a}{b}}}' for a, b in DEEP),
    ),
]


def texts(words: Sequence[str]) -> st.SearchStrategy[str]:
    """JSON strings of the words, escaped or not."""
    plain = st.sampled_from([json.dumps(word, ensure_ascii=False) for word in words])
    return plain | st.sampled_from([json.dumps(word) for word in words]) | st.sampled_from(WRONG)


def quoted(words: Sequence[str]) -> st.SearchStrategy[str]:
    """JSON strings of the words, and things that are no such string."""
    return st.sampled_from([f'"{word}"' for word in words] * 2 + WRONG)


TYPES = ["x", "stage_started", "stage_completed", "workflow_started", "performance_metric", "", "é"]
MEMBERS: dict[str, st.SearchStrategy[str]] = {
    "kind": quoted(["event", "event", "trace", "metric", "span"]),
    "event_id": texts(IDS),
    "level": quoted(["info", "error", "INFO", "warning"]),
    "message": texts(TEXTS),
    "data": st.sampled_from(DATA * 2 + WRONG),
    "timestamp": quoted(TIMES),
    "duration_ms": st.sampled_from(NUMBERS * 2 + WRONG),
    "parent_event_id": texts(IDS),
    "source": texts(TEXTS),
    "stage": texts(TEXTS),
    "a": st.sampled_from(WRONG),
    "name": texts(TEXTS),
    "value": st.sampled_from(NUMBERS),
    "status": quoted(["completed", "active"]),
    "tags": st.sampled_from(['["a","a"]', "[1]", "null"]),
    "metadata": st.sampled_from(DATA),
}
REQUIRED = {"event_type": texts(TYPES), "trace_id": texts(IDS)}
SPELLINGS = st.sampled_from(
    ['"{}":'] * 9 + ['"{}" :', '"{}"\t:', '"{}"\r: ', ' "{}": ', '"{} ":', '"{}"', "{}:"]
)


def escaped(key: str) -> str:
    """The key with one of its letters written as an escape."""
    return key[:2] + f"\\u{ord(key[2]):04x}" + key[3:] if len(key) > 2 else key


@st.composite
def members_of(draw: st.DrawFn, key: str) -> str:
    """One member of a line, mostly spelled well."""
    spelled = escaped(key) if draw(st.integers(0, 15)) == 7 else key
    return draw(SPELLINGS).format(spelled) + draw((REQUIRED | MEMBERS)[key])


@st.composite
def good_starts(draw: st.DrawFn) -> list[str]:
    """The members that every event has, good ones as a rule."""
    if draw(st.integers(0, 4)):
        return [f'"event_type":"{draw(st.sampled_from(TYPES[:5]))}"', '"trace_id":"t-1"']
    return [draw(members_of(key)) for key in REQUIRED if draw(st.integers(0, 5))]


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """One line: an event, nearly an event, a trace, a metric, or none of them."""
    keys = draw(
        st.lists(st.sampled_from([*MEMBERS, *REQUIRED]), max_size=4, unique=draw(st.integers(0, 3)) > 0)
    )
    parts = draw(st.permutations(draw(good_starts()) + [draw(members_of(key)) for key in keys]))
    line = ("{" + draw(st.sampled_from([",", ",", ",", ", ", " ,"])).join(parts) + "}").encode()
    ending = draw(st.sampled_from([b""] * 6 + [b"\r", b" ", b"\t\r", b"x", b"}", b",", b"\x0b", b"{}"]))
    return mutated(
        draw, draw(st.sampled_from([b""] * 8 + [b" ", b"\xef\xbb\xbf", b"\x00", b"["])) + line + ending
    )


def mutated(draw: st.DrawFn, line: bytes) -> bytes:
    """The line, now and then with a byte put in, taken out or exchanged."""
    how = draw(st.integers(0, 11))
    if how > 2:
        return line
    at = draw(st.integers(0, len(line) - 1))
    byte = draw(
        st.sampled_from(
            [b"\xff", b"\xc3", b"\xed\xa0\x80", b'"', b"\\", b":", b"\x00", b" ", b"\r", b"\xc2\x85"]
        )
    )
    return line[:at] + (b"" if how == 2 else byte) + line[at + (how > 0) :]


@settings(max_examples=examples(100))
@given(st.lists(lines(), min_size=1, max_size=3).map(b"\n".join), st.sampled_from(RULES))
@example(b'{"event_type":"x","event\\u005ftype":"y","trace_id":"t"}', RULES[0])
@example(b'{"event_type":"x","trace_id":"t","data":{"a":1},"data" :{"b":2}}', RULES[0])
@example(b'{"event_type":"x","trace_id":"t","message":"\\":","message":"b"}', RULES[0])
@example(b'{"event_type":"x","trace_id":"t","message":null,"message":"b"}', RULES[0])
@example(b'{"event_type":"x","trace_id":"t","kind":null}\n{"kind":null,"name":"n"}', RULES[0])
@example(b'{"event_type":"x","trace_id":"t"}\n\n \r\n', RULES[3])
def test_both_ways_agree_on_any_line(data: bytes, rules: LineRules) -> None:
    """Whatever the lines are, decoding in bulk gives what reading each of them gives."""
    assert_same(data, rules)


START = '{"event_type":"x","trace_id":"t"'
KEPT = [
    *('"event_id":"e-1"', '"event_id":null', '"message":null', '"source":null', '"data":null'),
    *('"kind":"event"', '"kind":null', '"timestamp":"2026-03-02T09:00:00Z"', '"duration_ms":1.5'),
    *('"message":""', '"message":"he said \\"no\\""', '"message":"\\u0022"', '"message":"\\\\u0022"'),
    *('"data":{"a":"\\u0022"}', '"data":{"a":"\\""}', '"data":{"a":{"b":[1.10,"c"]}}', '"data":{}'),
]
ODD = [
    *('"message":"one"', '"mess\\u0061ge":"two"', '"name":"n"', '"name":null', '"value":5', '"tags":[]'),
    *('"status":"completed"', '"unknown":"\\u0022"', '"data":{"a":1}', '"event_id":"@e"', '"level":"warn"'),
]
BETWEEN = ["\n", "\n", "\n", "\n", "\r\n", "\n\n", "", " ", "\n "]
OTHERS = [
    '{"kind":"trace","trace_id":"t","name":"n","tags":["a"]}',
    '{"kind":"metric","name":"m","type":"gauge","value":1.5}',
    '{"name":"m","value":1}',
    "{}",
    "[1]",
    '{"event_type":"x","trace_id":"t","data":{"a":\n1}}',
    '{"event_type":"stage_started","trace_id":"t","data":{"stage":""}}',
]


TWO_ON_A_LINE = b'{"event_type":"x","trace_id":"t"}' * 2


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """Many lines, nearly all of them good events, and what may lead a reader of whole blocks astray."""
    text = ""
    for _ in range(draw(st.integers(1, 40))):
        odd = draw(st.integers(0, 9))
        members = draw(st.lists(st.sampled_from(KEPT if odd else KEPT + ODD * 2), max_size=3))
        line = ",".join([START, *members]) + "}"
        text += draw(st.sampled_from(OTHERS)) if odd == 1 else line
        text += draw(st.sampled_from(BETWEEN)) if odd == 2 else "\n"
    return (text if draw(st.booleans()) else text.rstrip("\n")).encode()


@settings(max_examples=examples(100))
@given(blocks(), st.sampled_from(RULES[:3]))
@example(b'{"event_type":"x","trace_id":"t"}{"event_type":"x","trace_id":"t"}\n\n', RULES[0])
@example(
    b'{"event_type":"x","trace_id":"t","data":{"a":[{}\n{}]}}\n{"event_type":"x","trace_id":"t"}', RULES[0]
)
@example(b'{"event_type":"x","trace_id":"t","message":"\\u0022\\u0022","message":""}', RULES[0])
@example(TWO_ON_A_LINE + b'\n{"event_type":"x","trace_id":"t","data":{}\n,"level":"info"}', RULES[0])
@example(TWO_ON_A_LINE + b'\n{"event_type":"x","trace_id":"t","data":\n{"level":1}}', RULES[0])
@example(b'{"event_type":"x","trace_id":"t","name":"\\u0022\\u0022"}', RULES[0])
def test_both_ways_agree_on_any_block(data: bytes, rules: LineRules) -> None:
    """However good lines and others are mixed, each gets what it would get alone."""
    assert_same(data, rules)


@settings(max_examples=examples(100))
@given(
    st.datetimes().map(str) | st.datetimes().map(lambda moment: moment.isoformat()),
    st.text("0123456789", max_size=12).map(lambda digits: digits and "." + digits),
    st.sampled_from(
        ["Z", "z", "+01:00", "-0130", "-23:59", "+23:60", "+24:00", "", "+1:00", "+01", "-00:00"]
    ),
)
def test_both_ways_agree_on_any_time(moment: str, fraction: str, zone: str) -> None:
    """A date-time gives the same microsecond both ways, or is refused both ways."""
    stamp = moment.partition(".")[0] + fraction + zone
    assert_same(b'{"event_type":"x","trace_id":"t","timestamp":"%s"}' % stamp.encode(), RULES[0])


@settings(max_examples=examples(100))
@given(st.text("0123456789.eE+-", min_size=1, max_size=25) | st.floats().map(repr) | st.integers().map(str))
def test_both_ways_agree_on_any_number(number: str) -> None:
    """A duration gives the same float both ways, or is refused both ways."""
    assert_same(b'{"event_type":"x","trace_id":"t","duration_ms":%s}' % number.encode(), RULES[0])


@settings(max_examples=examples(100))
@given(st.text('{}[]":,\\u08dtrfalsn1e. ', max_size=24))
def test_both_ways_agree_on_any_data(text: str) -> None:
    """Data is kept the same both ways, or refused both ways."""
    for data in (text, f'{{"a":{text}}}', f'{{"a":"{text}"}}'):
        assert_same(b'{"event_type":"x","trace_id":"t","data":%s}' % data.encode(), RULES[0])


@pytest.mark.parametrize("size", range(4_998 - 40, 5_002 + 40, 7))
def test_both_ways_agree_near_the_size_limit(size: int) -> None:
    """An event is too large both ways or neither."""
    line = b'{"event_type":"x","trace_id":"t","message":"%s"}' % (b"m" * size)
    assert_same(line, LineRules(EVENT._replace(max_event_bytes=5_000)))


def test_a_given_id_is_known_as_given_however_it_is_spelled() -> None:
    """A line that brings its own event_id is marked so: only such events are looked for as repeats."""
    line = b'{"event_type":"x","trace_id":"t","%s":"mine"}'
    for key in (b"event_id", b"event\\u005fid", b"\\u0065vent_id"):
        (found,) = lines_of(Chunk(1, 0, line % key), RULES[0])
        assert isinstance(found.record, EventRow)
        assert (found.record.event_id, found.given_id) == ("mine", True)


def test_a_line_that_was_too_long_to_keep_is_one_reject() -> None:
    """Of a line of which bytes were skipped, the whole length is told."""
    chunk = Chunk(4, 10, b"x" * 1_000, skipped=234)
    (line,) = lines_of(chunk, RULES[0])
    assert (line.number, line.offset, line.record, line.reason) == (4, 10, None, "a line of 1,234 bytes")
    columns = LineDecoder(RULES[0]).columns(chunk)
    assert (list(columns.events.rows()), columns.others) == ([], [line])


# -- the JSON test suite -------------------------------------------------------------------------------


def suite(folder: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of every case."""
    paths = sorted((folder / "json-test-suite").glob("*.json"))
    assert len(paths) == 318
    return [(path.name, path.read_bytes()) for path in paths]


def wrapped(case: bytes) -> bytes:
    """The case as a value inside the data of an event, on one line as far as it can be."""
    return b'{"event_type":"x","trace_id":"t","data":{"v":%s}}' % case


def test_the_json_suite_as_values_of_data(conformance: Path) -> None:
    """Every y_ case is kept byte for byte, every n_ case is rejected, and no case does more harm."""
    wrong = []
    for name, case in suite(conformance):
        try:
            row = read_line(wrapped(case), RULES[0])
            kept = row.data.encode() if isinstance(row, EventRow) else b""
        except InvalidInput as fault:
            kept = b""
            assert "\n" not in fault.message
        expected = b'{"v":%s}' % case.replace(b"\n", b" ").replace(b"\r", b" ")
        if kept not in (b"", expected) or (name[0] in "yn" and (kept == expected) != (name[0] == "y")):
            wrong.append(name)
    assert wrong == []


def test_both_ways_agree_on_the_json_suite(conformance: Path) -> None:
    """As whole lines, as data and as messages the cases are judged alike both ways."""
    for _, case in suite(conformance):
        message = b'{"event_type":"x","trace_id":"t","message":%s}' % case
        for data in (case, wrapped(case), wrapped(case.replace(b"\n", b" ")), message):
            assert_same(data, RULES[0])


def test_no_case_of_the_json_suite_is_an_event(conformance: Path) -> None:
    """As a whole line every case but a blank one is rejected with one line of reason."""
    for name, case in suite(conformance):
        for *_, outcome in in_bulk(case, RULES[0]):
            assert isinstance(outcome, str), name
            assert outcome, name
            assert "\n" not in outcome, name
