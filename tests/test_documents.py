"""JSON documents: their records as lines, whole or refused as a whole, and imported like lines."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli import EventFilter
from mplp_trace_cli.domain.errors import BrokenFile
from mplp_trace_cli.interchange.json import cursor as json_cursor
from mplp_trace_cli.interchange.json.documents import document_lines, looks_like
from mplp_trace_cli.interchange.sources import CHUNK_BYTES
from mplp_trace_cli.service import StreamRequest, TraceManagementService

TRACE = '{"trace_id":"t","name":"n","n":1.10,"events":[%s],"summary":{"total_events":2}}'
FIRST = '{"trace_id":"t","event_type":"a","data":{"z":1.10, "a":1e2}}'
SECOND = '{"trace_id":"t","event_type":"b","data":{"big":' + str(2**70) + "}}"
METRIC = '{"name":"m","value":1.5}'
RECORDS = ['{"trace_id":"t","name":"n","n":1.10}', FIRST, SECOND]


def lines_of(text: str | bytes, chunk: int = 1 << 20) -> list[str]:
    """The lines of a document that is read in pieces of `chunk` bytes."""
    data = text.encode() if isinstance(text, str) else text
    stream = io.BytesIO(data)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_cursor, "CHUNK_BYTES", chunk)
        lines = document_lines(stream, stream.read(chunk), "doc.json")
        whole = b"".join(iter(lambda: lines.read(7), b""))
    return whole.decode().split("\n")[:-1]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 20])
def test_a_document_gives_its_records_to_the_letter(chunk: int) -> None:
    """An array, or an object with traces and metrics; events that are nested come after their trace."""
    trace = TRACE % f"{FIRST} , {SECOND}"
    assert lines_of(f"[{trace}]", chunk) == RECORDS
    assert lines_of(f" [ {trace} ,\n{METRIC} ] \n", chunk) == [*RECORDS, METRIC]
    assert lines_of(f'{{"traces":[{trace}],"metrics":[{METRIC}]}}', chunk) == [*RECORDS, METRIC]
    assert lines_of(f'{{"events" : [{FIRST},{SECOND}]}}', chunk) == RECORDS[1:]
    assert lines_of("[]", chunk) == lines_of('{"traces":[]}', chunk) == lines_of("{}", chunk) == []


@pytest.mark.parametrize("chunk", [1, 2, 5, 1 << 20])
def test_a_number_may_lie_across_two_reads(chunk: int) -> None:
    """Wherever the pieces end, and numbers of any length and spelling."""
    assert lines_of('{"traces":[],"a":-12.50e3,"b":123}', chunk) == ['{"a":-12.50e3,"b":123}']
    assert lines_of("[1234,5.25,true]", chunk) == ["1234", "5.25", "true"]


@given(
    st.lists(
        st.dictionaries(
            st.text('aé"\n', max_size=2),
            st.integers()
            | st.floats(allow_nan=False)
            | st.text("é\n\\[{\U0001f600", max_size=3)
            | st.lists(st.none()),
            max_size=3,
        ),
        max_size=4,
    ),
    st.sampled_from([None, 1]),
    st.booleans(),
    st.integers(1, 30),
)
def test_any_array_comes_through_any_pieces(
    records: list[Any], indent: int | None, ascii_: bool, chunk: int
) -> None:
    """Pretty-printed or not, escaped or not, cut anywhere, also inside a character."""
    text = json.dumps(records, indent=indent, ensure_ascii=ascii_)
    assert [json.loads(line) for line in lines_of(text, chunk)] == records


def test_a_nested_event_belongs_to_the_trace_around_it() -> None:
    """It need not name the trace, which need not name itself; one that names another keeps its own word."""
    events = '[{"event_type":"a"},{"event_type":"b","trace_id":"other"},7]'
    trace, first, second, third = lines_of(f'[{{"name":"n","events":{events}}}]')
    assert json.loads(first) == {"event_type": "a", "trace_id": json.loads(trace)["trace_id"]}
    assert json.loads(second) == {"event_type": "b", "trace_id": "other"}
    assert third == "7"


def test_only_what_is_nested_in_a_trace_is_taken_out_of_it() -> None:
    """Of an event `events` is data; nothing, no list or given twice, it goes on to be judged as a line."""
    for text in (
        '{"event_type":"x","trace_id":"t","events":[1]}',
        '{"name":"n","events":5}',
        "5",
        '"x"',
        "[1]",
    ):
        assert lines_of(f"[{text}]") == [text]
    twice = '{"name":"n","events":[1],"events":[2]}'
    assert lines_of(f"[{twice}]") == [twice]
    assert lines_of('[{"name":"n","events":null}]') == ['{"name":"n"}']
    assert lines_of('[{"name":"n","events":[]}]') == ['{"name":"n"}']


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[",
            "[{}",
            "[{},",
            "[{},]",
            "[{} {}]",
            "[{}]]",
            "[{}] x",
            '{"traces":[}',
            '{"traces":[]',
            "[nul]",
            "{1:2}",
        ),
        *('{"a" 1}', '{"a":1,}', "", "x", '["a', "[" * 100_000, b"[\xff]", b'["\xc3', b'["\xed\xa0\x80"]'),
    ],
)
def test_a_broken_document_is_refused_as_a_whole(text: str | bytes) -> None:
    """In one line that names it."""
    for chunk in (2, 1 << 20):
        if len(text) > 1_000 and chunk == 2:
            continue
        with pytest.raises(BrokenFile, match=r"^doc\.json is ") as caught:
            lines_of(text, chunk)
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("head", "path", "expected"),
    [
        ("[", "f", True),
        (" \n[{", "f", True),
        ('{"traces":[]}', "f", True),
        ('{"traces":[]}\n', "f", True),
        ('{\n  "traces": [\n', "f", True),
        ('{"version":1,\n"traces":[', "f", True),
        ('{ "traces" : [' + '{"name":"n"},' * 9, "f", True),
        ('{"name":"n","events":[]}', "f", True),
        ('{"name":"n"}', "f.json", False),
        ('{"name":"n"}\n{"name":"m"}\n', "f.json", False),
        ('{"name":"n","events":[1]}\n{"name":"m"}\n', "f", False),
        ('{"traces":[}\n{"name":"m"}\n', "f", False),
        ('{"broken\n{"name":"m"}\n', "f", False),
        ("", "f.json", True),
        ("", "f.json.gz", True),
        ("", "f.jsonl", False),
        ("x", "f", False),
    ],
)
def test_documents_are_told_from_lines(head: str, path: str, expected: bool) -> None:
    """By their beginning; the name counts only where the beginning says nothing."""
    assert looks_like(head.encode(), path) is expected


# -- through import ------------------------------------------------------------------------------------


def imported(
    service: TraceManagementService, path: Path, data: str | bytes, **options: Any
) -> dict[str, int]:
    """What an import of a file with these bytes counts."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    report: dict[str, int] = service.import_files(files=[str(path)], **options).unwrap().as_dict()
    return {name: count for name, count in report.items() if count and name != "files"}


def test_documents_are_imported_whatever_their_form(service: TraceManagementService, tmp_path: Path) -> None:
    """Array, object, pretty-printed, one trace, behind a mark, compressed: the same records."""
    document = json.dumps(json.loads(f'{{"traces":[{TRACE % FIRST}],"metrics":[{METRIC}]}}'), indent=2)
    forms: list[tuple[str, str | bytes]] = [
        ("array.json", f"[{TRACE % FIRST}]"),
        ("object.txt", f'{{"traces":[{TRACE % FIRST}],"metrics":[{METRIC}]}}'),
        ("pretty.json", document),
        ("one.json", TRACE % FIRST),
        ("mark.json", b"\xef\xbb\xbf" + document.encode()),
        ("packed.json.gz", gzip.compress(document.encode())),
    ]
    for at, (name, data) in enumerate(forms):
        text = data if isinstance(data, bytes) else data.replace('"t"', f'"t{at}"')
        counts = imported(service, tmp_path / name, text)
        assert counts.get("rejected", 0) == 0, name
        assert (counts.get("traces", 0), counts["events"]) == (0 if name == "packed.json.gz" else 1, 1), name
        assert counts.get("metrics", 0) == (0 if name in ("array.json", "one.json") else 1), name
    found = service.query_events(filter=EventFilter(trace_ids=["t0"])).unwrap().events
    assert [event.data.text for event in found] == ['{"z":1.10, "a":1e2}']


def test_a_bad_record_of_a_document_is_a_reject(service: TraceManagementService, tmp_path: Path) -> None:
    """The good ones beside it are recorded."""
    bad = [
        '{"trace_id":"t","event_type":""}',
        "5",
        '{"a":1,"a":2}',
        '{"trace_id":"t","event_type":"x","data":NaN}',
    ]
    counts = imported(service, tmp_path / "a.json", f"[{TRACE % FIRST},{','.join(bad)},{SECOND}]")
    assert counts == {"traces": 1, "events": 2, "rejected": len(bad)}


@pytest.mark.parametrize(
    "data",
    [
        f"[{TRACE % FIRST},{{]",
        f"[{TRACE % FIRST}",
        f"[{TRACE % FIRST}]".encode() + b"\xff",
        f"[{TRACE % FIRST}]".encode("utf-16"),
        f"[{TRACE % FIRST}]".encode("utf-16-be"),
        gzip.compress(f"[{TRACE % FIRST}]".encode())[:-9],
    ],
    ids=["broken", "no end", "not UTF-8", "UTF-16", "UTF-16 without mark", "cut short"],
)
def test_a_document_broken_as_a_whole_records_nothing(
    service: TraceManagementService, tmp_path: Path, data: str | bytes
) -> None:
    """Neither its good records nor rejects; made whole, the same file is imported."""
    with pytest.raises(BrokenFile):
        imported(service, tmp_path / "a.json", data)
    assert imported(service, tmp_path / "a.json", f"[{TRACE % FIRST}]") == {"traces": 1, "events": 1}


def huge(count: int) -> Iterator[str]:
    """The text of a document of one trace and many events, on one line."""
    yield '{"traces":[{"trace_id":"t","name":"n"}],"events":['
    for at in range(count):
        filler = "é" * 80
        yield f'{"," if at else ""}{{"trace_id":"t","event_type":"x","data":{{"n":{at},"f":"{filler}"}}}}'
    yield "]}"


def test_a_huge_document_on_one_line_is_imported(service: TraceManagementService, tmp_path: Path) -> None:
    """Larger than what is read at once, and known as a document by its beginning alone."""
    count = 25_000
    data = "".join(huge(count)).encode()
    assert len(data) > CHUNK_BYTES
    assert imported(service, tmp_path / "huge", data) == {"traces": 1, "events": count}


def test_the_place_of_a_reject_counts_the_mark_of_its_file(
    service: TraceManagementService, tmp_path: Path
) -> None:
    """Line number and byte offset are those of the file, behind a UTF-8 mark as without one."""
    good = b'{"name":"n"}\n'
    for at, mark in enumerate((b"", b"\xef\xbb\xbf")):
        path = tmp_path / f"{at}.jsonl"
        assert imported(service, path, mark + good + b"bad\n")["rejected"] == 1
        content = path.read_bytes()
        with service.reading() as db:
            query = "SELECT line, byte_offset FROM rejects WHERE source = ?"
            ((line, offset),) = db.execute(query, [str(path)]).fetchall()
        assert (line, content[offset : offset + 3]) == (2, b"bad")


def streamed(service: TraceManagementService, data: str) -> dict[str, int]:
    """What a stream of these lines counts."""
    inlet, outlet = os.pipe()
    os.write(outlet, data.encode())
    os.close(outlet)
    try:
        counts = service.record_stream(inlet, StreamRequest("stdin", {})).unwrap()
    finally:
        os.close(inlet)
    return {name: count for name, count in vars(counts).items() if count}


def test_a_repeated_trace_line_is_a_repeat(service: TraceManagementService, tmp_path: Path) -> None:
    """Also when its end was moved: to 1 µs after its start, or to when it expired."""
    line = '{"trace_id":"%s","name":"n","started_at":"2026-01-01T00:00:00Z","status":"%s"%s}\n'
    moved = [
        line % ("a", "completed", ',"completed_at":"2026-01-01T00:00:00Z"'),
        line % ("b", "expired", ',"completed_at":"2026-01-02T00:00:00Z","expires_at":"2026-01-01T01:00:00Z"'),
        line % ("c", "failed", ""),
    ]
    whole = "".join(moved)
    assert imported(service, tmp_path / "a.jsonl", whole * 2) == {"traces": 3, "repeated": 3}
    assert streamed(service, whole) == {"repeated": 3}
    other = line % ("a", "completed", ',"completed_at":"2026-01-01T00:00:01Z"') + line % (
        "c",
        "completed",
        "",
    )
    assert imported(service, tmp_path / "b.jsonl", other) == {"rejected": 2}
    fresh = whole.replace('_id":"', '_id":"new-')
    counts = streamed(service, fresh * 2 + other.replace('_id":"', '_id":"new-'))
    assert counts == {"traces": 3, "repeated": 3, "rejected": 2}


def test_an_expired_trace_ended_when_it_expired(service: TraceManagementService, tmp_path: Path) -> None:
    """Its completed_at is its expires_at, although the line that ends it does not say so."""
    times = '"started_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T01:00:00Z"'
    start = '{"trace_id":"%s","name":"n",' + times + "}\n"
    end = '{"kind":"trace","trace_id":"%s","status":"expired"}\n'
    assert imported(service, tmp_path / "a.jsonl", start % "a" + end % "a")["ended"] == 1
    assert streamed(service, start % "b" + end % "b")["ended"] == 1
    for trace in service.query_traces().unwrap().traces:
        assert (trace.status, trace.completed_at) == ("expired", trace.expires_at)


def test_a_given_id_is_recorded_once_however_it_is_spelled(service: TraceManagementService) -> None:
    """In one stream or in two, and behind an escaped key."""
    service.create_trace(context_id="c", name="n", trace_id="t").unwrap()
    line = '{"event_type":"x","trace_id":"t","event\\u005fid":"mine"}\n'
    assert streamed(service, line)["events"] == 1
    streamed(service, line * 2)
    assert [event.event_id for event in service.query_events().unwrap().events] == ["mine"]
