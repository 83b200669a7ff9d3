"""OTLP as an input: a real capture in every form, values of every kind, and what senders get wrong."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.interchange.decoding.rows import line_of
from mplp_trace_cli.interchange.otlp import bodies
from mplp_trace_cli.interchange.otlp.own import SCOPE
from mplp_trace_cli.interchange.otlp.reading import looks_like
from mplp_trace_cli.interchange.otlp.simple_attributes import JsonMembers, ProtobufMembers
from mplp_trace_cli.interchange.otlp.values import plain_value, quoted, text
from tests.conftest import Cli, examples
from tests.helpers_otlp import (
    Json,
    encoded,
    framed,
    from_json,
    from_protobuf,
    json_line,
    rows_of,
    with_base64_ids,
)
from tests.test_golden_formats import GOLDEN, check

HARD = GOLDEN / "otlp_every_hard_type.json"
TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
START = 1_544_712_660_000_000_000


def span_body(*spans: Any, resource: Json | None = None) -> Json:
    """A body with spans of one resource."""
    return {"resourceSpans": [{"resource": resource or {}, "scopeSpans": [{"scope": {}, "spans": [*spans]}]}]}


def span(**members: Any) -> Json:
    """A span that has what it needs, and these members."""
    times = {"startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 1_500_000)}
    return {"traceId": TRACE, "spanId": SPAN, "name": "work", **times, **members}


def attribute(value: Any) -> Json:
    """A span with one attribute, called `k`."""
    return span(attributes=[{"key": "k", "value": value}])


def asked(cli: Cli, query: str) -> Any:
    """The rows that an SQL query gives."""
    return json.loads(cli.ok("sql", query, "--format", "json"))


# -- the real capture ----------------------------------------------------------------------------------


@pytest.fixture
def capture(conformance: Path) -> list[Json]:
    """The bodies of the demo's capture."""
    path = conformance / "otlp" / "otel_demo_capture.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()]


SIGNALS = "SELECT data->>'$.otlp.signal' AS signal, count(*) AS n FROM events GROUP BY ALL ORDER BY ALL"
METRICS = """
    SELECT count(DISTINCT (data->'$.otlp.resource', data->'$.otlp.scope', data->>'metric_name')) AS n
    FROM events WHERE event_type = 'performance_metric'
"""


def test_capture_is_found_again_whole(cli: Cli, conformance: Path) -> None:
    """Every span, event, link, log and point is there; a second time adds nothing."""
    path = conformance / "otlp" / "otel_demo_capture.jsonl"
    first = json.loads(cli.ok("import", path))
    assert (first["events"], first["traces"], first["rejected"]) == (5260, 583, 0)
    counts = {row["signal"]: row["n"] for row in asked(cli, SIGNALS)}
    assert counts == {"event": 139, "log": 23, "metric": 4551, "span": 547}
    (links,) = asked(cli, "SELECT sum(json_array_length(data->'$.otlp.links')) AS n FROM events")
    assert int(links["n"]) == 53
    (traces,) = asked(cli, f"SELECT count(DISTINCT trace_id) AS n FROM events WHERE {SPANS_ONLY}")
    assert traces["n"] == 141
    (marked,) = asked(cli, "SELECT count(*) AS n FROM traces WHERE metadata = '{\"otlp\":{}}'")
    assert marked["n"] == 583
    assert "loaded before" in cli("import", path).stderr
    again = json.loads(cli.ok("import", "--again", path))
    assert (again["events"], again["traces"], again["repeated"]) == (0, 0, 5260)


SPANS_ONLY = "data->>'$.otlp.signal' = 'span'"


def test_capture_says_the_same_in_protobuf(capture: list[Json]) -> None:
    """Concatenated, the bodies give the events that their JSON gives, exactly."""
    kept = [body for body in capture if next(iter(body.values()))]
    assert rows_of(from_protobuf(*map(encoded, kept))) == rows_of(from_json(*kept))


def test_capture_keeps_exact_times_and_values(capture: list[Json]) -> None:
    """Each span's own nanoseconds, its attributes and its links are in its event."""
    rows = {
        row[0]: row for row in rows_of(from_json(*capture)) if json.loads(row[5])["otlp"]["signal"] == "span"
    }
    spans = [
        one
        for body in capture
        for element in body.get("resourceSpans", ())
        for scope in element["scopeSpans"]
        for one in scope["spans"]
    ]
    for one in spans:
        row = rows[one["spanId"]]
        data = json.loads(row[5])
        assert data["otlp"]["start_ns"] == int(one["startTimeUnixNano"])
        assert data["otlp"]["end_ns"] == int(one["endTimeUnixNano"])
        assert row[6] == int(one["endTimeUnixNano"]) // 1000
        assert len(data["otlp"].get("links", ())) == len(one.get("links", ()))
        assert set(data) == {pair["key"] for pair in one.get("attributes", ())} | {"otlp"}


def test_workers_give_what_one_process_gives(
    capture: list[Json], cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file large enough for two processes has the same events in the same order."""
    once = b"".join(map(json_line, capture))
    (tmp_path / "large.jsonl").write_bytes(once * 4)
    counts = json.loads(cli.ok("import", tmp_path / "large.jsonl"))
    assert (counts["events"], counts["repeated"], counts["rejected"]) == (5260, 3 * 5260, 0)
    ids = [row["event_id"] for row in asked(cli, "SELECT event_id FROM events ORDER BY seq")]
    assert ids == [row[0] for row in rows_of(from_json(*capture))]


# -- every form ----------------------------------------------------------------------------------------

BODY = span_body(span(), span(spanId="eee19b7ec3c1b175", parentSpanId=SPAN, name="inner"))
LINE = json_line(BODY)
FORMS: dict[str, bytes] = {
    "line": LINE,
    "line without an end": LINE.strip(),
    "empty lines and bodies": b"\n{}\n"
    + json_line({"resourceSpans": []})
    + json_line({"resourceLogs": None})
    + LINE,
    "byte order mark": b"\xef\xbb\xbf" + LINE,
    "pretty": json.dumps(BODY, indent=2).encode(),
    "pretty, one after the other": json.dumps(BODY, indent=2).encode() * 2,
    "list": json.dumps([BODY, {}], indent=1).encode(),
    "list on a line": json.dumps([BODY]).encode(),
    "another member first": json.dumps({"version": 1, **BODY}).encode(),
    "base64 ids": json_line(with_base64_ids(BODY)),
    "gzip": gzip.compress(LINE),
    "protobuf": encoded(BODY),
    "protobuf twice": encoded(BODY) * 2,
    "framed": framed([encoded(BODY)]),
    "framed and empty": framed([encoded(BODY), b"", encoded(span_body())]),
    "framed gzip": gzip.compress(framed([encoded(BODY)])),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(cli: Cli, form: str) -> None:
    """Two spans and a trace named after its root, whatever the file is like and whatever it is called."""
    (cli.folder / "x.json").write_bytes(FORMS[form])
    counts = json.loads(cli.ok("import", "x.json"))
    assert (counts["events"], counts["traces"], counts["rejected"]) == (2, 1, 0)
    rows = asked(cli, "SELECT event_type, duration_ms, parent_event_id FROM events ORDER BY seq")
    assert [tuple(row.values()) for row in rows] == [("work", 1.5, None), ("inner", 1.5, SPAN)]
    (trace,) = asked(cli, "SELECT name, status FROM traces")
    assert trace == {"name": "work", "status": "completed"}


def test_stdin_and_a_named_format(cli: Cli) -> None:
    """What comes through a pipe is recognised; naming the format changes nothing."""
    for form in ("line", "pretty", "protobuf", "framed"):
        for options in ([], ["--input-format", "otlp", "--again"]):
            done = cli("import", "-", *options, stdin=FORMS[form])
            counts = json.loads(done.stdout)
            assert (done.code, counts["events"] + counts["repeated"], counts["rejected"]) == (0, 2, 0)
    assert asked(cli, "SELECT count(*) AS n FROM events") == [{"n": 2}]


@pytest.mark.parametrize(
    "line",
    [
        b'{"trace_id":"t","event_type":"a","data":{"resourceSpans":[]}}\n',
        b'{"name":"n","metadata":{"x":"\\"resourceSpans\\":["}}\n',
        b"",
        b"\n{\n  not this\n",
        b"\x00\x00\x00\x05hello",
        b"PAR1\x15\x04\x15",
    ],
)
def test_what_is_not_otlp(line: bytes) -> None:
    """Our own lines that speak of it are not taken for it, nor is anything that begins like it."""
    assert not looks_like(line, "x.otlp")


@pytest.mark.parametrize("together", [True, False])
def test_parts_of_a_trace_in_several_files(cli: Cli, together: bool) -> None:
    """They are one trace, made of all of its events, in whatever order they come."""
    log = {"timeUnixNano": str(START + 9_000_000), "traceId": TRACE, "spanId": SPAN}
    failed = span(name="GET", status={"code": 2})
    parts = {
        "root": span_body(failed),
        "child": span_body(span(spanId="eee19b7ec3c1b175", parentSpanId=SPAN)),
        "log": {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]},
    }
    for name, body in parts.items():
        (cli.folder / f"{name}.jsonl").write_bytes(json_line(body))
    files = ["log.jsonl", "root.jsonl", "child.jsonl"]
    made = [json.loads(cli.ok("import", *some))["traces"] for some in ([files] if together else zip(files))]
    assert made == ([1] if together else [1, 0, 0])
    (found,) = asked(cli, "SELECT name, status, duration_ms FROM traces")
    assert found == {"name": "GET", "status": "failed", "duration_ms": 9.0}
    assert asked(cli, "SELECT count(*) AS n FROM events") == [{"n": 3}]


def test_a_trace_that_was_not_made_of_spans_stays_as_it_is(cli: Cli) -> None:
    """Spans of a trace that lived here, or lives, are events of it and change nothing else."""
    for trace_id, ends in ((TRACE, True), (TRACE[::-1], False)):
        cli.ok("create", "ours", "--trace-id", trace_id, "--metadata", '{"otlp":{}}')
        if ends:
            cli.ok("complete", trace_id)
    cli.ok("flush")
    before = asked(cli, "SELECT * FROM traces ORDER BY trace_id")
    body = span_body(span(status={"code": 2}), span(traceId=TRACE[::-1]))
    (cli.folder / "x.jsonl").write_bytes(json_line(body))
    assert json.loads(cli.ok("import", "x.jsonl"))["events"] == 2
    assert asked(cli, "SELECT * FROM traces ORDER BY trace_id") == before


@pytest.mark.parametrize("kept", [(), ("kind",), ("startTimeUnixNano",)])
def test_a_span_without_times_in_protobuf_is_no_metric(kept: tuple[str, ...]) -> None:
    """Though its ids and its name have the numbers of a metric's texts."""
    least = {
        name: value for name, value in span(kind=2).items() if name in ("traceId", "spanId", "name", *kept)
    }
    assert rows_of(from_protobuf(encoded(span_body(least)))) == rows_of(from_json(span_body(least)))


# -- pieces --------------------------------------------------------------------------------------------


def many_spans(count: int, start: int = 0) -> list[Json]:
    """Spans that differ."""
    return [span(spanId=f"{number:016x}") for number in range(start + 1, start + count + 1)]


@pytest.mark.parametrize("frame", [False, True])
@pytest.mark.parametrize("held", [0, 1 << 20])
def test_large_bodies_are_cut_without_loss(frame: bool, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between elements, scopes and spans, on the disk too: each piece tells of its resource and scope."""
    monkeypatch.setattr(bodies, "PIECE_BYTES", 300)
    monkeypatch.setattr(bodies, "HELD_BYTES", held)
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = span_body(*many_spans(20), resource=resource)
    element = body["resourceSpans"][0]
    element["schemaUrl"] = "https://example.com/r"
    element["scopeSpans"][0] |= {"scope": {"name": "s"}, "schemaUrl": "https://example.com/s"}
    element["scopeSpans"] += [{"scope": {"name": "t"}, "spans": many_spans(2, start=100)}] * 2
    small = span_body(*many_spans(1, start=200))
    data = encoded(body) + encoded(small)
    cut = bodies.framed_pieces if frame else bodies.body_pieces
    given = Trickle(framed([data]) if frame else data)
    pieces = [chunk.data for chunk in cut(given, b"", "file")]
    assert len(pieces) >= 4
    assert max(map(len, pieces)) < 700
    found = [row for piece in pieces for row in rows_of(from_protobuf(piece))]
    assert found == rows_of(from_json(body, small))


class Trickle:
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def read(self, size: int, /) -> bytes:
        """At most a hundred bytes."""
        found, self.rest = self.rest[: min(size, 100)], self.rest[min(size, 100) :]
        return found


@pytest.mark.parametrize("frame", [False, True])
def test_a_broken_body_is_refused_whole(cli: Cli, frame: bool) -> None:
    """A file that ends too early says so in one line and leaves nothing behind."""
    data = encoded(span_body(*many_spans(3)))
    for cut in (1, 5, 40, 90):
        (cli.folder / "x.pb").write_bytes((framed([data]) if frame else data)[:-cut])
        done = cli("import", "x.pb", "--input-format", "otlp")
        assert done.code == 2
        assert done.stderr.startswith("error: x.pb is not OTLP in protobuf: ")
    assert asked(cli, "SELECT count(*) AS n FROM events")[0]["n"] == 0


def test_lengths_that_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is read for them than there is, and none reaches into the next body."""
    monkeypatch.setattr(bodies, "PIECE_BYTES", 300)
    data = encoded(span_body(*many_spans(20)))
    for more in (
        b"\x12" + b"\xff" * 8 + b"\x7f",
        b"\x0a" + b"\xff" * 8 + b"\x7f",
        b"\x12\xff\xff\xff\xff\x0f",
    ):
        with pytest.raises(BrokenFile, match="in the middle of a message"):
            list(bodies.body_pieces(io.BytesIO(data + more), b"", "file"))
    two = framed([data, data])
    shorter = struct.pack(">I", len(data) - 1) + two[4:]
    with pytest.raises(BrokenFile, match="beyond the length of its body"):
        list(bodies.framed_pieces(io.BytesIO(shorter), b"", "file"))


def test_what_is_repeated_in_every_piece_is_not_most_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource larger than a piece makes the pieces larger, not many."""
    monkeypatch.setattr(bodies, "PIECE_BYTES", 300)
    resource = {"attributes": [{"key": "k", "value": {"stringValue": "x" * 10_000}}]}
    data = encoded(span_body(*many_spans(200), resource=resource))
    pieces = [chunk.data for chunk in bodies.body_pieces(io.BytesIO(data), b"", "file")]
    assert sum(map(len, pieces)) < 2 * len(data)
    assert [row for piece in pieces for row in rows_of(from_protobuf(piece))] == rows_of(from_protobuf(data))


def test_what_follows_a_body_is_a_body(cli: Cli) -> None:
    """Zeros after it are none."""
    (cli.folder / "x.pb").write_bytes(encoded(BODY) + b"\0\0")
    assert cli("import", "x.pb").code == 2


def test_protobuf_without_its_packages(tmp_path: Path) -> None:
    """JSON is read without the extra; protobuf says what to install."""
    (tmp_path / "x.pb").write_bytes(encoded(BODY))
    (tmp_path / "x.jsonl").write_bytes(LINE)
    hide = "import sys; sys.modules['opentelemetry.proto'] = None; sys.modules['google.protobuf'] = None; "
    program = hide + "from mplp_trace_cli.cli.main import run; run()"
    env = {**os.environ, "MPLP_TRACE_DB": str(tmp_path / "t.duckdb")}

    def load(name: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", program, "import", str(tmp_path / name)]
        return subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)

    assert load("x.jsonl").returncode == 0
    refused = load("x.pb")
    assert refused.returncode == 2
    assert "pip install 'mplp-trace[otlp]'" in refused.stderr
    assert "Traceback" not in refused.stderr


# -- values --------------------------------------------------------------------------------------------


def test_every_hard_type_byte_for_byte() -> None:
    """The lines that a document of every kind of record and value becomes."""
    found = from_json(json.dumps(json.loads(HARD.read_bytes())).encode())
    check("otlp_every_hard_type.jsonl", b"".join(line_of(row) + b"\n" for row in rows_of(found)))


ODD_VALUES: list[tuple[Any, Any]] = [
    ({"intValue": 7}, 7),
    ({"intValue": "-7"}, -7),
    ({"intValue": 7.0}, 7),
    ({"doubleValue": "1.5"}, 1.5),
    ({"doubleValue": "Infinity"}, {"doubleValue": "Infinity"}),
    ({"bytesValue": "_-8="}, {"bytesValue": "/+8="}),
    ({"arrayValue": None}, None),
    ({"arrayValue": {}}, []),
    ({"arrayValue": {"values": None}}, []),
    ({"kvlistValue": {}}, {}),
    ({"stringValue": None, "intValue": "1"}, 1),
    ({}, None),
    (None, None),
]


@pytest.mark.parametrize(("given_value", "kept"), ODD_VALUES)
def test_values_as_senders_write_them(given_value: Any, kept: Any) -> None:
    """Numbers as text or numbers, base64 of either alphabet, null for what is not there."""
    ((*_, data, _time, _duration, _parent, _source),) = rows_of(from_json(span_body(attribute(given_value))))
    found = json.loads(str(data))["k"]
    assert (found, type(found)) == (kept, type(kept))


BAD_SPANS: dict[str, Any] = {
    "an attribute that is no integer": attribute({"intValue": "x"}),
    "more than 64 bits": attribute({"intValue": str(1 << 63)}),
    "of two kinds": attribute({"intValue": "1", "boolValue": True}),
    "of a kind that is unknown": attribute({"mapValue": {}}),
    "no base64": attribute({"bytesValue": "*"}),
    "a time that is none": span(startTimeUnixNano="noon"),
    "a negative time": span(startTimeUnixNano=-1),
    "a name that is a number": span(name=5),
    "attributes that are no list": span(attributes={"k": 1}),
    "a time of more than 64 bits": span(startTimeUnixNano=str(1 << 64)),
    "an event that is none": span(events=[1]),
    "an event at a time of more than 64 bits": span(events=[{"timeUnixNano": str(1 << 80)}]),
    "an event with a bad attribute": span(events=[attribute({"intValue": "x"})]),
    "text": "span",
    "null": None,
}


def test_a_bad_span_spoils_no_other(cli: Cli) -> None:
    """It goes to the rejects as it came, with the reason; those around it are recorded."""
    bad = list(BAD_SPANS.values())
    bodies_of = (
        span_body(*many_spans(1, start=2 * at), one, *many_spans(1, start=2 * at + 1))
        for at, one in enumerate(bad)
    )
    (cli.folder / "x.jsonl").write_bytes(b"".join(map(json_line, bodies_of)))
    done = cli("import", "x.jsonl")
    counts = json.loads(done.stdout)
    assert (done.code, counts["events"], counts["rejected"]) == (1, 2 * len(bad), len(bad))
    rejects = asked(cli, "SELECT reason, decode(raw) AS raw FROM rejects ORDER BY line")
    assert [json.loads(reject["raw"]) for reject in rejects] == bad
    assert all(0 < len(reject["reason"]) < 200 for reject in rejects)


@pytest.mark.parametrize("scope", ["s", SCOPE])
def test_a_bad_span_of_protobuf_is_a_reject_with_all_its_events(cli: Cli, scope: str) -> None:
    """Whichever way it is read; it is not half an event and half a reject."""
    good, bad = ({"name": "e", "attributes": [{"key": key, "value": {}}]} for key in ("good", "bads"))
    body = span_body(*many_spans(1), span(spanId="0" * 15 + "9", events=[good, bad]))
    body["resourceSpans"][0]["scopeSpans"][0]["scope"] = {"name": scope}
    (cli.folder / "x.pb").write_bytes(encoded(body).replace(b"bads", b"\xff" * 4))
    counts = json.loads(cli("import", "x.pb").stdout)
    assert (counts["events"], counts["rejected"]) == (1, 1)


@pytest.mark.parametrize(
    "line",
    [b'{"resourceSpans":[1]}', b'{"resourceSpans":1}', b"{", b'{"resourceSpans":[{"scopeSpans":[0]}]}', b"5"],
)
def test_a_bad_line_spoils_no_other(line: bytes) -> None:
    """What holds spans may be wrong too."""
    found = from_json(LINE, line + b"\n", LINE)
    assert found.events is not None
    assert (len(found.events.rows), [fault.line for fault in found.faults]) == (4, [2])


def test_what_is_nested_too_deeply_spoils_no_other_line() -> None:
    """Thousands of lists in each other are told of, not fallen over."""
    deep = b'{"arrayValue":{"values":[' * 4000 + b"{}" + b"]}}" * 4000
    found = from_json(
        LINE, json_line(span_body(attribute(5))).replace(b'"value":5', b'"value":' + deep), LINE
    )
    assert [fault.reason for fault in found.faults] == ["nested too deeply"]
    assert found.events is not None
    assert len(found.events.rows) == 4


def test_nulls_are_nothing() -> None:
    """A member that is null is one that is not there."""
    members = ("traceState", "parentSpanId", "flags", "kind", "attributes", "events", "links", "status")
    body = span_body(span(**dict.fromkeys(members)))
    body["resourceSpans"][0] |= {"schemaUrl": None, "resource": None}
    body["resourceSpans"][0]["scopeSpans"][0] |= {"scope": None, "schemaUrl": None}
    assert rows_of(from_json(body)) == rows_of(from_json(span_body(span())))


def test_names_of_other_writers() -> None:
    """snake_case and the names of scopes before they were called so mean the same."""
    snake = json.dumps(span_body(attribute({"stringValue": "x"}), resource={"attributes": []}))
    for name in ("resourceSpans", "scopeSpans", "traceId", "spanId", "stringValue", "startTimeUnixNano"):
        snake = snake.replace(name, "".join("_" + one.lower() if one.isupper() else one for one in name))
    old = json.dumps(span_body(attribute({"stringValue": "x"})))
    old = old.replace("scopeSpans", "instrumentationLibrarySpans").replace(
        '"scope"', '"instrumentationLibrary"'
    )
    plain = rows_of(from_json(span_body(attribute({"stringValue": "x"}))))
    assert rows_of(from_json(snake.encode())) == plain
    assert rows_of(from_json(old.encode())) == plain


def test_a_large_span_is_rejected_as_an_event_of_its_size_is(cli: Cli) -> None:
    """With the reason that the size of an event gives."""
    body = span_body(*many_spans(1), attribute({"stringValue": "x" * (1 << 20)}))
    for name, data in (("x.jsonl", json_line(body)), ("x.pb", encoded(body))):
        (cli.folder / name).write_bytes(data)
        counts = json.loads(cli("import", name).stdout)
        assert (counts["events"] + counts["repeated"], counts["rejected"]) == (1, 1)
    reasons = asked(cli, "SELECT DISTINCT reason FROM rejects")
    assert [one["reason"].endswith("more than the 1,048,576 allowed") for one in reasons] == [True]


def test_a_resource_larger_than_an_event_is_not_kept_with_every_span(cli: Cli) -> None:
    """Each reject has its span and the beginning of what it shares: no line that a retry would take."""
    resource = {"attributes": [{"key": "k", "value": {"stringValue": "x" * (1 << 20)}}]}
    (cli.folder / "x.jsonl").write_bytes(json_line(span_body(*many_spans(3), resource=resource)))
    assert json.loads(cli("import", "x.jsonl").stdout)["rejected"] == 3
    rejects = asked(cli, "SELECT reason, octet_length(raw) AS size, raw::VARCHAR AS raw FROM rejects")
    assert all("more than the 1,048,576 allowed" in one["reason"] for one in rejects)
    assert max(one["size"] for one in rejects) < 3_000
    assert all(span["spanId"] in one["raw"] for span, one in zip(many_spans(3), rejects, strict=True))
    assert json.loads(cli("rejects", "retry", "--all", "--create-missing").stdout)["rejected"] == 3


def test_why_a_load_failed_is_said(cli: Cli) -> None:
    """That memory is short, where a resource that is nearly too large comes with every span."""
    resource = {"attributes": [{"key": "k", "value": {"stringValue": "x" * 900_000}}]}
    (cli.folder / "x.jsonl").write_bytes(json_line(span_body(*many_spans(300), resource=resource)))
    done = cli("import", "x.jsonl")
    assert (done.code, done.stderr.startswith("error: out of memory: ")) == (2, True), done.stderr
    assert asked(cli, "SELECT count(*) AS n FROM events") == [{"n": 0}]


def test_a_span_that_is_called_like_a_standard_event(cli: Cli) -> None:
    """It is called so by chance, and not held to what that event requires; the exporter has it too."""
    body = span_body(span(name="stage_started"), span(name="performance_metric", spanId="0" * 15 + "1"))
    for name, data in (("x.jsonl", json_line(body)), ("x.pb", encoded(body))):
        (cli.folder / name).write_bytes(data)
        counts = json.loads(cli.ok("import", name))
        assert (counts["events"] + counts["repeated"], counts["rejected"]) == (2, 0)
    cli.ok("show", TRACE)
    cli.ok("metrics", "show", "--since", "2018-01-01")


# -- both forms say the same ---------------------------------------------------------------------------

texts = st.text('aé☃\\"\n', max_size=4)
counts_ = st.integers(0, 3)
uint64 = st.integers(0, (1 << 64) - 1)
scalars: st.SearchStrategy[Json] = st.one_of(
    st.builds(lambda one: {"stringValue": one}, texts),
    st.builds(lambda one: {"boolValue": one}, st.booleans()),
    st.builds(lambda one: {"intValue": str(one)}, st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(lambda one: {"doubleValue": one}, st.floats(allow_nan=False, allow_infinity=False)),
    st.sampled_from([{"doubleValue": "NaN"}, {"doubleValue": "-Infinity"}, {"bytesValue": "AP8="}, {}]),
)
keys = st.sampled_from(["a", "b", "", "otlp", "bytesValue", "kvlistValue"])
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda one: {"arrayValue": {"values": one}}, st.lists(inner, max_size=2)),
        st.builds(
            lambda one: {"kvlistValue": {"values": one}},
            st.lists(st.fixed_dictionaries({"key": keys, "value": inner}), max_size=2),
        ),
    ),
    max_leaves=4,
)
attributes = st.lists(st.fixed_dictionaries({"key": keys, "value": values}), max_size=3)
trace_ids = st.sampled_from(["", TRACE, "0" * 32, "ab"])
span_ids = st.sampled_from(["", SPAN, "0" * 16, "abcd"])
times = st.one_of(st.just("0"), st.integers(START, START + 10**10).map(str))


def some(members: dict[str, Any]) -> st.SearchStrategy[Json]:
    """Objects with any of these members."""
    return st.fixed_dictionaries({}, optional=members)


spans_ = st.fixed_dictionaries(
    {"startTimeUnixNano": st.integers(START, START + 10**10).map(str)},
    optional={
        "traceId": trace_ids,
        "spanId": span_ids,
        "parentSpanId": span_ids,
        "name": texts,
        "kind": st.integers(0, 7),
        "endTimeUnixNano": times,
        "traceState": texts,
        "flags": st.integers(0, 300),
        "attributes": attributes,
        "droppedAttributesCount": counts_,
        "droppedEventsCount": counts_,
        "droppedLinksCount": counts_,
        "status": some({"code": st.integers(0, 2), "message": texts}),
        "events": st.lists(
            some({"timeUnixNano": times, "name": texts, "attributes": attributes}), max_size=2
        ),
        "links": st.lists(
            some({"traceId": trace_ids, "attributes": attributes, "flags": counts_}), max_size=2
        ),
    },
)
logs_ = st.fixed_dictionaries(
    {"observedTimeUnixNano": times.filter(lambda one: one != "0")},
    optional={
        "timeUnixNano": times,
        "severityNumber": st.integers(0, 25),
        "severityText": st.sampled_from(["", "Warning", "FATAL4", "?"]),
        "body": values,
        "attributes": attributes,
        "traceId": trace_ids,
        "spanId": span_ids,
        "flags": counts_,
        "eventName": texts,
    },
)
doubles: st.SearchStrategy[Any] = st.one_of(st.just("NaN"), st.floats(0.5, 9))
some_points: dict[str, Any] = {"attributes": attributes, "timeUnixNano": times, "flags": counts_}
number_points = st.one_of(
    some({**some_points, "asInt": st.integers(-5, 5).map(str)}), some({**some_points, "asDouble": doubles})
)
histogram_points = some(
    {
        **some_points,
        "count": uint64.map(str),
        "sum": doubles,
        "bucketCounts": st.just(["0", "2"]),
        "min": st.just(0.0),
    }
)
metrics_ = st.one_of(
    st.builds(
        # Metrics without a name alone cannot be told from log records in protobuf.
        lambda name, points: {"name": name or "m", "gauge": {"dataPoints": points}},
        texts,
        st.lists(number_points),
    ),
    st.builds(
        lambda points, how: {"name": "m", "sum": {"dataPoints": points, "aggregationTemporality": how}},
        st.lists(number_points, max_size=3),
        st.integers(0, 2),
    ),
    st.builds(
        lambda points: {"name": "m", "histogram": {"dataPoints": points}},
        st.lists(histogram_points, max_size=2),
    ),
)
resources = some({"attributes": attributes, "droppedAttributesCount": counts_})
scopes = some({"name": texts, "version": texts, "attributes": attributes})


def body_of(signal: str, records: str, record: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Bodies of a signal."""
    scope = some({"scope": scopes, records: st.lists(record, max_size=3), "schemaUrl": texts})
    element = some({"resource": resources, f"scope{signal}": st.lists(scope, max_size=2), "schemaUrl": texts})
    return st.builds(lambda elements: {f"resource{signal}": elements}, st.lists(element, max_size=2))


bodies_ = st.one_of(
    body_of("Spans", "spans", spans_),
    body_of("Logs", "logRecords", logs_),
    body_of("Metrics", "metrics", metrics_),
)


@settings(max_examples=examples(15))
@given(st.lists(bodies_, max_size=2))
def test_json_and_protobuf_say_the_same(given_bodies: list[Json]) -> None:
    """Whatever is sent, the two forms of it become the same events."""
    rows = rows_of(from_json(*given_bodies))
    assert rows_of(from_protobuf(*map(encoded, given_bodies))) == rows
    for row in rows:
        assert isinstance(json.loads(row[5]), dict)


def test_a_metric_without_a_name_is_one_beside_others_in_protobuf() -> None:
    """The first named record says what all of an element are."""
    metrics = [{"name": name, "gauge": {"dataPoints": [{"asInt": "1"}]}} for name in ("m", "")]
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
    rows = rows_of(from_protobuf(encoded(body)))
    assert [json.loads(row.data)["otlp"]["signal"] for row in rows] == ["metric", "metric"]


# -- attributes that are read at once ------------------------------------------------------------------

simple_keys = st.one_of(st.sampled_from(["k", "http.method", "é", '"', "otlp", ""]), st.text(max_size=4))
simple_values = st.one_of(
    st.builds(lambda one: {"stringValue": one}, st.one_of(st.text(max_size=9), st.just("x" * 130))),
    st.builds(lambda one: {"intValue": str(one)}, st.integers(-(1 << 63), (1 << 63) - 1)),
    st.builds(lambda one: {"intValue": one}, st.integers(0, 70_000)),
    st.builds(lambda one: {"doubleValue": one}, st.floats(allow_nan=False, allow_infinity=False)),
    st.sampled_from([{"doubleValue": "NaN"}, {"boolValue": True}, {}, {"arrayValue": {}}]),
)


@settings(max_examples=examples(15))
@given(st.lists(st.tuples(simple_keys, simple_values), max_size=8))
def test_members_that_are_read_at_once_are_those_of_the_whole_reading(pairs: list[tuple[str, Json]]) -> None:
    """In either form, whatever was read before; what is not simple is left to the whole reading."""
    of_json, of_protobuf = JsonMembers(), ProtobufMembers()
    for key, value in pairs:
        pair = {"key": key, "value": value}
        member = (key, f"{quoted(key)}:{text(plain_value(value))}")
        assert of_json.member(msgspec.json.encode(pair)) in (None, member)
        assert of_protobuf.member(ParseDict(pair, KeyValue()).SerializeToString()) in (None, member)


def test_the_attributes_of_most_senders_are_read_at_once() -> None:
    """Texts, integers from 0 on and doubles."""
    for value in ({"stringValue": "é"}, {"intValue": "40000"}, {"doubleValue": 0.5}):
        pair = {"key": "k", "value": value}
        member = ("k", f'"k":{text(plain_value(value))}')
        assert JsonMembers().member(msgspec.json.encode(pair)) == member
        assert ProtobufMembers().member(ParseDict(pair, KeyValue()).SerializeToString()) == member


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\n\x01k",
        b"\n\x01k\x12\x04\x18\x01\x18\x01",
        b"\n\x01k\x12\x04\n\x05ab",
        b"\n\x01\xff\x12\x03\n\x01a",
    ],
)
def test_bytes_that_say_something_else_are_no_simple_attribute(raw: bytes) -> None:
    """Those that are cut, that say a thing twice, or are no text."""
    assert ProtobufMembers().member(raw) is None
