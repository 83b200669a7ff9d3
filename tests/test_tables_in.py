"""csv and parquet in: which column is which field, what cells become, what is rejected, what comes back."""

from __future__ import annotations

import gzip
import io
import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import ImportRequest, TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput
from mplp_trace_cli.domain.foreign import LEVEL_WORDS, duration_text, folded_level
from mplp_trace_cli.domain.time_formats import rfc3339, time_reader
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.interchange.tables.columns import unique_names
from mplp_trace_cli.interchange.tables.foreign_bytes import Marker, restored
from mplp_trace_cli.service import TraceManagementService
from tests.conftest import ROOT, Cli, examples
from tests.terminal import COLOR, on_terminal
from tests.test_golden_formats import check
from tests.transcripts import blocks, transcript

ACCESS = '''\
remote_addr,time_local,method,path,status,request_time,http.referer,note
10.0.0.1,02/Mar/2026:09:00:01 +0100,GET,/a,200,0.012,,"say ""hi"""
10.0.0.2,02/Mar/2026:09:00:02 +0100,POST,"/b,c",500,1.5,-,007
10.0.0.3,yesterday,GET,/x,200,0.1,,
too,few

10.0.0.3,03/Mar/2026:09:00:03 +0100,GET,/x,200,-0.1,,1.10
10.0.0.4,03/Mar/2026:09:00:04 +0100,GET,"/multi
line",200,0.3,"",1.10
'''
AS_ACCESS = (
    *("--map", "event_type=method,message=path,timestamp=time_local,duration_ms=request_time"),
    *("--time-format", "%d/%b/%Y:%H:%M:%S %z", "--duration-unit", "s"),
    *("--default", "trace_id=web", "--create-missing"),
)


def events_of(cli: Cli) -> list[dict[str, Any]]:
    """All events in order of arrival."""
    lines = cli.ok("export", "-o", "-", "--format", "jsonl").splitlines()
    return [one for one in map(json.loads, lines) if one["kind"] == "event"]


def write(cli: Cli, name: str, text: str | bytes) -> str:
    """A file in the folder of the command; its name."""
    (cli.folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def rejected(cli: Cli) -> list[tuple[int, str]]:
    """Line and reason of each reject."""
    return [(row["line"], row["reason"]) for row in json.loads(cli.ok("rejects", "list", "--json"))]


# -- csv -------------------------------------------------------------------------------------------


def test_an_access_log_loads_in_one_command(cli: Cli) -> None:
    """Mapped columns are fields, the others are data by the rule of K=V; a bad row is told by its line."""
    done = cli("import", write(cli, "access.csv", ACCESS), *AS_ACCESS)
    assert done.code == 1
    assert json.loads(done.stdout) | {"events": 3, "traces": 1, "rejected": 3} == json.loads(done.stdout)
    first, second, third = events_of(cli)
    assert (first["event_type"], first["message"], first["duration_ms"]) == ("GET", "/a", 12)
    assert first["timestamp"] == "2026-03-02T08:00:01.000000Z"
    assert first["data"] == {"remote_addr": "10.0.0.1", "status": 200, "note": 'say "hi"'}
    assert second["data"]["note"] == "007"
    assert second["duration_ms"] == 1500
    assert (third["message"], third["data"]["http.referer"]) == ("/multi\nline", "")
    assert '"note":1.10' in cli.ok("export", "-o", "-", "--format", "jsonl")
    assert rejected(cli) == [
        (4, "timestamp: 'yesterday' is not of the form %d/%b/%Y:%H:%M:%S %z"),
        (5, "2 cells, where the header has 8 columns"),
        (7, "duration_ms: must not be negative"),
    ]


def test_a_reject_keeps_its_row(cli: Cli) -> None:
    """As text of csv where it could not be read, as the line that it became where that is not good."""
    cli("import", write(cli, "access.csv", ACCESS), *AS_ACCESS)
    raws = [row["raw"] for row in json.loads(cli.ok("rejects", "list", "--json"))]
    assert raws[:2] == ["10.0.0.3,yesterday,GET,/x,200,0.1,,", "too,few"]
    assert json.loads(raws[2])["message"] == "/x"


def test_spans_of_another_tool(cli: Cli) -> None:
    """Microseconds since 1970 and durations in microseconds, exactly; names of columns as they are."""
    spans = (
        "traceID,spanID,operationName,serviceName,startTime,duration,parentSpanID,tags.error\n"
        "0af7651916cd43dd8448eb211c80319c,b7ad6b7169203331,GET /,front,1772442000000001,1500,,false\n"
        "0af7651916cd43dd8448eb211c80319c,b7ad6b7169203332,SELECT,db,1772442000000500,250,b7ad6b7169203331,true\n"
    )
    mapping = (
        "trace_id=traceID,event_id=spanID,event_type=operationName,source=serviceName,timestamp=startTime,"
        "duration_ms=duration,parent_event_id=parentSpanID"
    )
    cli.ok(
        *("import", write(cli, "spans.csv", spans), "--map", mapping, "--create-missing"),
        *("--time-format", "us", "--duration-unit", "us"),
    )
    root, child = events_of(cli)
    assert (root["duration_ms"], root["timestamp"]) == (1.5, "2026-03-02T09:00:00.000001Z")
    assert "parent_event_id" not in root
    assert (child["parent_event_id"], child["data"]) == (root["event_id"], {"tags.error": True})


def test_a_log_of_syslog_with_tabs(cli: Cli) -> None:
    """`.tsv`, numbers of syslog for levels, no trace of its own, read packed from standard input as well."""
    log = 'when\tsev\thost\tprog\tmsg\n2026-03-02 09:00:00,5\t3\tmars\tsshd\ta "quoted" word\n'
    asked = (
        *("--map", "event_type=prog", "--map", "level=sev,message=msg", "--map", "timestamp=when"),
        *("--default", "trace_id=nightly", "--default", "context_id=ops", "--create-missing"),
    )
    cli.ok("import", write(cli, "log.tsv.gz", gzip.compress(log.encode())), *asked)
    cli.ok("import", "-", *asked, "--input-format", "csv", stdin=log.replace("mars", "venus"))
    first, second = events_of(cli)
    assert (first["level"], first["message"]) == ("error", 'a "quoted" word')
    assert first["timestamp"] == "2026-03-02T09:00:00.500000Z"
    assert [one["data"]["host"] for one in (first, second)] == ["mars", "venus"]
    assert json.loads(cli.ok("query", "--json"))[0]["context_id"] == "ops"


def test_what_is_in_a_table_follows_from_its_columns(cli: Cli) -> None:
    """Traces have a name and an id, metrics a name and a value; labels are text."""
    traces = "trace_id,name,status,started_at,completed_at,team\nt1,Nightly,failed,2026-03-02,2026-03-03,7\n"
    metrics = "name,value,host,timestamp\nload,1e2,9,2026-03-02T09:00:00Z\n"
    cli.ok("import", write(cli, "a.csv", traces), write(cli, "b.csv", metrics))
    trace, metric = map(
        json.loads, cli.ok("export", "-o", "-", "--format", "jsonl", "--include-metrics").splitlines()
    )
    assert (trace["status"], trace["metadata"], trace["started_at"][:10]) == (
        "failed",
        {"team": 7},
        "2026-03-02",
    )
    assert (metric["value"], metric["labels"]) == (100, {"host": "9"})


def test_a_column_of_kinds_wins(cli: Cli) -> None:
    """Rows of all kinds in one table, in their order; a kind that there is not is a reject."""
    table = (
        "kind,trace_id,name,event_type,value,x\n"
        "trace,t1,Nightly,,,1\nevent,t1,,started,,2\nmetric,,load,,3,4\nspan,t1,,,,5\n"
    )
    assert cli("import", write(cli, "all.csv", table)).code == 1
    told = cli.ok("export", "-o", "-", "--format", "jsonl", "--include-metrics").splitlines()
    assert [json.loads(line)["kind"] for line in told] == ["trace", "event", "metric"]
    assert rejected(cli) == [(5, "kind: 'span' is not one of event, trace, metric")]


def test_null_and_empty_text_stay_apart(cli: Cli) -> None:
    """A bare cell is nothing, a pair of quotes is empty text, where a field can be empty."""
    table = 'trace_id,event_type,message,level,source,x,y\nt,a,"","",,"",\n'
    cli.ok("import", write(cli, "t.csv", table), "--create-missing")
    (event,) = events_of(cli)
    assert (event["message"], event["level"], event["data"]) == ("", "info", {"x": ""})
    assert "source" not in event


def test_bytes_that_are_no_text_spoil_their_row_alone(cli: Cli) -> None:
    """The others of the file are recorded."""
    table = b"trace_id,event_type,message\nt,a,caf\xc3\xa9\nt,b,caf\xe9\n"
    assert cli("import", write(cli, "t.csv", table), "--create-missing").code == 1
    assert [one["message"] for one in events_of(cli)] == ["café"]
    assert rejected(cli) == [(3, "message: not UTF-8")]


def test_bytes_that_are_no_text_in_a_row_with_too_many_cells(cli: Cli) -> None:
    """They spoil that row alone too, and are kept as they came."""
    table = b"trace_id,event_type,message\nt,a,b\nt,\xe9,c,\xff\xc3\nt,d,\xe9\nt,\xf4\x8f\xbf\xbf,g\n"
    done = cli("import", write(cli, "t.csv", table), "--create-missing")
    assert (done.code, done.stderr.count("\n")) == (1, 1)
    assert [one["event_type"] for one in events_of(cli)] == ["a", "\U0010ffff"]
    reason = "4 cells, where the header has 3 columns"
    assert rejected(cli) == [(3, reason), (4, "message: not UTF-8")]
    (raw,) = json.loads(cli.ok("sql", "SELECT hex(raw) AS raw FROM rejects WHERE line = 3", "--json"))
    assert bytes.fromhex(raw["raw"]) == b"t,\xe9,c,\xff\xc3"


@given(pieces=st.lists(st.one_of(st.binary(max_size=6), st.text(max_size=4).map(str.encode))))
def test_what_is_no_text_is_had_back(pieces: list[bytes]) -> None:
    """However the stream is cut."""
    marker = Marker()
    marked = b"".join([*map(marker.marked, pieces), marker.marked(b"\n")])
    assert restored(marked.decode()) == b"".join(pieces) + b"\n"


def test_a_mark_repeated_names_and_other_delimiters(cli: Cli) -> None:
    """A mark of UTF-8 is no part of the first name; a name that stands twice gets a number."""
    table = b"\xef\xbb\xbftrace_id;event_type;a;a;\nt;x;1;2;3\n"
    cli.ok("import", write(cli, "t.csv", table), "--create-missing")
    assert events_of(cli)[0]["data"] == {"a": 1, "a_2": 2, "column_5": 3}


def test_a_clash_with_data_is_a_reject_and_objects_grow(cli: Cli) -> None:
    """Columns that are no fields are added to the object that is there, its bytes unchanged."""
    table = 'trace_id,event_type,data,n\nt,a,"{""m"": 1.10}",2\nt,b,"{""n"":1}",2\nt,c,,2\nt,d,text,2\n'
    assert cli("import", write(cli, "t.csv", table), "--create-missing").code == 1
    told = cli.ok("export", "-o", "-", "--format", "jsonl")
    assert '"data":{"m": 1.10,"n":2}' in told
    assert '"event_type":"c","level":"info","data":{"n":2}' in told
    assert rejected(cli) == [(3, "data: the key 'n' is given twice"), (5, "data: not a JSON object")]


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("a,b\n1,2\n", (), "neither events (event_type), traces (name, trace_id) nor metrics"),
        ("a,b\n1,2\n", ("--map", "event_type=a"), "trace_id: no column has the name, of a, b"),
        ("a,b\n1,2\n", ("--map", "event_type=A"), "there is no column 'A' in a, b"),
        ("a,b\n1,2\n", ("--map", "event=a"), "--map: 'event' is not one of"),
        ("a,b\n1,2\n", ("--map", "event_type"), "--map: 'event_type' is not KEY=VALUE"),
        ("a,b\n1,2\n", ("--map", "level=a", "--map", "level=b"), "--map: level is given twice"),
        ("a,b\n1,2\n", ("--default", "level=a", "--default", "level=b"), "--default: level is given twice"),
        ("a,b\n1,2\n", ("--default", "lvl=info"), "--default: 'lvl' is not one of"),
        ("trace_id,event_type\nt,a\n", ("--default", "level=loud"), "--default: level: 'loud' is not one of"),
        (
            "trace_id,event_type\nt,a\n",
            ("--default", "message=\udc80"),
            "--default: message: has a lone surrogate or bytes that are not UTF-8",
        ),
        ("a,b\n1,2\n", ("--time-format", "seconds"), "--time-format: 'seconds' is not one of s, ms, us, ns"),
        ("a,b\n1,2\n", ("--time-format", "%H:%M"), "--time-format: '%H:%M' names no year (%Y)"),
        ("a,b\n1,2\n", ("--duration-unit", "h"), "--duration-unit: 'h' is not one of ns, us, ms, s"),
        ("", (), "t.csv has no header"),
        ("event_type,trace_id\n".encode("utf-16"), (), "t.csv is UTF-16, not UTF-8"),
        ("caf\u00e9,event_type\n1,2\n".encode("latin-1"), (), "t.csv is not UTF-8"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    cli: Cli, text: str | bytes, arguments: tuple[str, ...], said: str
) -> None:
    """And nothing is recorded."""
    done = cli("import", write(cli, "t.csv", text), *arguments)
    assert done.code == 2
    assert done.stderr.startswith(f"error: {said}") or f": {said}" in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) <= 2


def test_a_mapping_is_for_tables(cli: Cli) -> None:
    """Of JSON lines the keys are the fields."""
    done = cli("import", write(cli, "a.jsonl", '{"trace_id":"t","event_type":"a"}\n'), "--map", "level=l")
    assert (done.code, done.stderr.splitlines()[0]) == (
        2,
        "error: a.jsonl is jsonl: a mapping of columns is for csv and parquet",
    )


def test_a_header_alone_is_a_table_without_rows(cli: Cli) -> None:
    """With its line break and without."""
    for text in ("event_type,trace_id\n", "event_type,trace_id"):
        assert '"events": 0' in cli.ok("import", write(cli, "t.csv", text), "--again")


def test_a_piece_of_rejects_alone(cli: Cli) -> None:
    """And of blank rows, and quotes that are never closed: no row is left."""
    done = cli("import", write(cli, "t.csv", 'trace_id,event_type\n\n"t,a\nt,b\n'), "--dry-run")
    assert done.code == 1
    assert "1 cell, where the header has 2 columns" in done.stdout
    assert done.stdout.endswith("it would be: 1 rejected\n")


def test_strict_takes_all_or_nothing(cli: Cli) -> None:
    """The line is named."""
    done = cli("import", write(cli, "access.csv", ACCESS), *AS_ACCESS, "--strict")
    assert done.code == 1
    assert "access.csv line 4: timestamp" in done.stderr
    assert events_of(cli) == []


# -- parquet ---------------------------------------------------------------------------------------


def test_a_parquet_file_of_another_tool(cli: Cli) -> None:
    """Every type has a place: times are instants, nested values JSON, bytes Base64, digits stay."""
    instant = 1_772_442_000_123_456_789
    columns = {
        "event_type": pa.array(["a", "b"]).dictionary_encode(),
        "trace_id": pa.array(["t", "t"], pa.large_string()),
        "when": pa.array([instant, None], pa.timestamp("ns")),
        "took": pa.array([1_500, 2], pa.duration("us")),
        "level": pa.array([40, None], pa.int8()),
        "nothing": pa.nulls(2),
        "yes": pa.array([True, None]),
        "big": pa.array([2**64 - 1, None], pa.uint64()),
        "ratio": pa.array([float("nan"), 0.1]),
        "half": pa.array([0.1, None], pa.float32()),
        "price": pa.array([Decimal("1.10"), None], pa.decimal128(10, 2)),
        "raw": pa.array([b"\xff\x00", None]),
        "day": pa.array([20_514, None], pa.date32()),
        "clock": pa.array([32_400_000_001, None], pa.time64("us")),
        "seen": pa.array([instant // 1000, None], pa.timestamp("us", "Europe/Berlin")),
        "tree": pa.array([{"n": 1, "deep": {"l": [1.5, None]}}, None]),
        "list": pa.array([["x", None], []], pa.list_(pa.string())),
        "pair": pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        "map": pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int64())),
    }
    pq.write_table(pa.table(columns), cli.folder / "t.parquet")
    cli.ok("import", "t.parquet", "--map", "timestamp=when,duration_ms=took", "--create-missing")
    first, second = events_of(cli)
    assert (first["timestamp"], first["duration_ms"]) == ("2026-03-02T09:00:00.123457Z", 1.5)
    assert (first["level"], second["level"]) == ("error", "info")
    assert first["data"] == {
        "yes": True,
        "big": 2**64 - 1,
        "ratio": "NaN",
        "half": 0.1,
        "price": 1.1,
        "raw": "/wA=",
        "day": "2026-03-02",
        "clock": "09:00:00.000001",
        "seen": "2026-03-02T09:00:00.123456Z",
        "tree": {"n": 1, "deep": {"l": [1.5, None]}},
        "list": ["x", None],
        "pair": [1, 2],
        "map": {"k": 1, "l": None},
    }
    assert second["data"] == {"ratio": 0.1, "list": [], "pair": [3, 4]}
    assert '"price":1.10' in cli.ok("export", "-o", "-", "--format", "jsonl")


def test_parquet_from_standard_input_and_broken(cli: Cli) -> None:
    """It is set down first, because its end must be read before its beginning; a part is no file."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"event_type": ["a"], "trace_id": ["t"], "data": ['{"x": 1.10}']}), sink)
    cli.ok("import", "-", "--create-missing", stdin=sink.getvalue())
    assert events_of(cli)[0]["data"] == {"x": 1.1}
    done = cli("import", write(cli, "cut.parquet", sink.getvalue()[:100]))
    assert done.code == 2
    assert done.stderr.startswith("error: cut.parquet is no Parquet file that can be read")


def test_texts_of_parquet_that_are_no_text_spoil_their_row_alone(cli: Cli) -> None:
    """Wherever they are: in a column of texts, in one of large texts, in lists, in dictionaries."""
    rows = {
        "event_type": pa.array(["good", "bad-0", "bad-1", "bad-2", "bad-3"]),
        "plain": pa.array(["a", "zzz", "b", "c", "d"]),
        "large": pa.array(["a", "b", "zzz", "c", "d"], pa.large_string()),
        "list": pa.array([["a"], ["b"], ["c"], ["d", "zzz"], []]),
        "coded": pa.array(["a", "b", "c", "d", "zzz"]).dictionary_encode(),
    }
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"trace_id": ["t"] * 5, **rows}), sink, compression="none", write_statistics=False
    )
    name = write(cli, "t.parquet", sink.getvalue().replace(b"zzz", b"z\xffz"))
    assert cli("import", name, "--create-missing").code == 1
    assert [row["event_type"] for row in events_of(cli)] == ["good"]
    reasons = [f"{column}: not UTF-8" for column in ("plain", "large", "list", "coded")]
    assert rejected(cli) == list(enumerate(reasons, start=2))


# -- the dry run -----------------------------------------------------------------------------------


def test_a_dry_run_shows_and_records_nothing(cli: Cli) -> None:
    """The tables are those of the golden file; afterwards the file loads as if nobody had looked."""
    done = cli("import", write(cli, "access.csv", ACCESS), *AS_ACCESS, "--dry-run")
    assert (done.code, done.stderr) == (1, "")
    check("dry_run.table", done.raw)
    assert events_of(cli) == []
    assert rejected(cli) == []
    assert cli("import", "access.csv", *AS_ACCESS).stderr.startswith("3 events, 1 trace, 3 rejected")


def test_a_dry_run_at_eighty_columns(cli: Cli) -> None:
    """On a terminal long cells fold."""
    write(cli, "access.csv", ACCESS)
    done = on_terminal(cli, "import", "access.csv", *AS_ACCESS, "--dry-run", "--quiet")
    lines = COLOR.sub("", done.stdout).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("POST" in line for line in lines)


@pytest.mark.parametrize(
    ("rows", "code"),
    [('a,t,"x\nb,t,1\n', 2), ('a,t,"x', 2), ('a,t,"x\n"', 0), ('a,t,"x\n"\r\n', 0), ('a,t,x"\n', 0)],
)
def test_quotes_that_are_never_closed(cli: Cli, rows: str, code: int) -> None:
    """They would take in the rest of the file, as one cell that nobody misses."""
    done = cli("import", write(cli, "e.csv", f"event_type,trace_id,x\n{rows}"), "--create-missing")
    assert (done.code, "never closed" in done.stderr) == (code, code == 2)


def test_a_row_begins_nowhere(cli: Cli) -> None:
    """A row of no trace is told by its line alone: nobody knows where in the file it begins."""
    cli("import", write(cli, "e.csv", "trace_id,event_type\nt1,a\nt1,b\n"))
    rows = json.loads(cli.ok("rejects", "list", "--json"))
    assert [(row["line"], row["byte_offset"]) for row in rows] == [(2, 0), (3, 0)]


def test_a_dry_run_as_an_object_over_several_files(cli: Cli) -> None:
    """What a file needs of the one before it is there; other formats can be tried too."""
    traces = '{"kind":"trace","trace_id":"t1","name":"n"}\n'
    events = "trace_id,event_type\nt1,a\nt2,b\n"
    done = cli("import", write(cli, "t.jsonl", traces), write(cli, "e.csv", events), "--dry-run", "--json")
    found = json.loads(done.stdout)
    assert (done.code, found["dry_run"], found["files"], found["events"], found["traces"]) == (
        1,
        True,
        2,
        1,
        1,
    )
    assert [row["kind"] for row in found["rows"]] == ["trace", "event"]
    assert found["rejects"] == [{"source": "e.csv", "line": 3, "reason": "there is no trace t2"}]
    assert json.loads(cli.ok("query", "--json")) == []


def test_a_dry_run_from_python(service: TraceManagementService, tmp_path: Path) -> None:
    """The report has what was found."""
    path = tmp_path / "t.csv"
    path.write_text("EventType,trace_id\na,t\n", encoding="utf-8")
    asked = ImportRequest(
        [str(path)], create_missing=True, mapping={"fields": {"event_type": "EventType"}}, dry_run=True
    )
    report = service.import_files(asked).unwrap()
    assert report.counts.events == 1
    assert report.preview is not None
    assert '"event_type":"a"' in report.preview.rows[1]
    assert service.query_events().unwrap().total == 0


# -- words, times, durations -----------------------------------------------------------------------


def test_levels_of_other_tools() -> None:
    """In any case; what is not listed is an error."""
    for level, words in LEVEL_WORDS.items():
        assert {folded_level(word.upper()) for word in words} == {level.value}
    with pytest.raises(InvalidInput, match="level: 'loud' is not one of debug"):
        folded_level("loud")


@pytest.mark.parametrize(
    ("form", "text", "instant"),
    [
        ("ns", "1772442000000000500", "2026-03-02T09:00:00.000001Z"),
        ("s", "1772442000.1234565", "2026-03-02T09:00:00.123457Z"),
        ("ms", "-1", "1969-12-31T23:59:59.999000Z"),
        ("s", "1.7724420e9", "2026-03-02T09:00:00.000000Z"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-03-02 09:00:00.123456789", "2026-03-02T09:00:00.123457Z"),
        ("%b %e %T %Y", "Mar  2 09:00:00 2026", "2026-03-02T09:00:00.000000Z"),
        ("%A, %d %B %Y %I:%M %p", "Monday, 2 march 2026 12:05 AM", "2026-03-02T00:05:00.000000Z"),
        ("%y%j", "26061", "2026-03-02T00:00:00.000000Z"),
        ("%FT%T%z", "2026-03-02T09:00:00-0130", "2026-03-02T10:30:00.000000Z"),
        ("%d%%%m.%Y %Z", "2%3.2026 UTC", "2026-03-02T00:00:00.000000Z"),
    ],
)
def test_times_in_other_forms(form: str, text: str, instant: str) -> None:
    """To the microsecond, half of one upwards."""
    assert format_instant(time_reader(form)(text)) == instant


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *(
            ("s", "now"),
            ("s", "1e40"),
            ("ms", "NaN"),
            ("ms", "1_000"),
            ("%F", "2026-02-30"),
            ("%y%j", "26366"),
        ),
        *(
            ("%F %I", "2026-03-02 13"),
            ("%F%z", "2026-03-02+2400"),
            ("%F", "2026-03-02x"),
            ("%Y%m%d", "٢٠٢٦0302"),
            ("s", "٣"),
        ),
    ],
)
def test_times_that_are_none(form: str, text: str) -> None:
    """Neither a crash nor a guess."""
    with pytest.raises(InvalidInput):
        time_reader(form)(text)


def test_times_that_are_nearly_rfc_3339() -> None:
    """A comma, a space, no zone, no seconds."""
    assert rfc3339("2026-03-02 09:00:00,123") == "2026-03-02T09:00:00.123Z"
    assert rfc3339("2026-03-02 09:00+00") == "2026-03-02T09:00:00+00:00"
    assert rfc3339("soon") == "soon"
    assert rfc3339("2026-03-02T09:00.5") == "2026-03-02T09:00.5"


@pytest.mark.parametrize(
    ("text", "unit", "milliseconds"),
    [
        *(("1500", "us", "1.500"), ("0.1", "s", "1E+2"), ("250ms", "ns", "250"), ("1.1 s", "ms", "1.1E+3")),
        *(("1.10", "ms", "1.10"), ("+5", "ms", "5"), ("7", "ns", "0.000007"), ("2µs", "ms", "0.002")),
    ],
)
def test_durations_are_exact(text: str, unit: str, milliseconds: str) -> None:
    """Digit for digit, with no float on the way."""
    assert duration_text(text, unit) == milliseconds
    json.loads(milliseconds)


@given(st.lists(st.text(alphabet="a_2", max_size=3), min_size=1, max_size=8))
def test_names_of_columns_are_each_once(header: list[str]) -> None:
    """Whatever the header says; a name that is alone stays as it is."""
    names = unique_names(header)
    assert len(set(names)) == len(header)
    assert all(names[at] == name for at, name in enumerate(header) if name and header.count(name) == 1)


# -- there and back --------------------------------------------------------------------------------

_TEXT = st.text(alphabet="a,\"'\n\r\t\0 ;é€😀=1{", max_size=6)
_DATA = st.sampled_from(['{"a":1.10,"b":"x\\"y"}', '{"a": [1, 2e3]}', "{}", '{"k":"\\ud800","k":2}'])
_MAYBE = st.none() | _TEXT


@st.composite
def stores(draw: st.DrawFn) -> str:
    """JSON lines of a store: traces in every state, events, metrics."""
    lines: list[dict[str, Any]] = []
    raw: list[str] = []
    for number in range(draw(st.integers(1, 3))):
        trace: dict[str, Any] = {
            "kind": "trace",
            "trace_id": f"t{number}",
            "name": draw(_TEXT) or "n",
            "description": draw(_MAYBE),
        }
        trace |= {
            "started_at": f"2026-03-0{number + 1}T09:00:00.5Z",
            "tags": draw(st.lists(_TEXT, max_size=2)),
        }
        trace |= {"status": draw(st.sampled_from(["active", "failed", "completed", "cancelled"]))}
        trace |= {
            "execution_id": draw(_MAYBE),
            "metadata": {"m": draw(_TEXT)},
            "expires_at": "2999-01-01T00:00:00Z",
        }
        lines.append(trace)
        for event in range(draw(st.integers(0, 3))):
            told: dict[str, Any] = {"kind": "event", "trace_id": f"t{number}", "event_id": f"e{event}"}
            told |= {"event_type": draw(_TEXT) or "x", "message": draw(_MAYBE), "source": draw(_MAYBE)}
            told |= {
                "timestamp": f"2026-03-02T09:00:0{draw(st.integers(0, 9))}Z",
                "parent_event_id": draw(_MAYBE),
            }
            told |= {
                "duration_ms": draw(st.none() | st.floats(0, 1e20)),
                "level": draw(st.sampled_from(["warn", "info"])),
            }
            raw.append(json.dumps(told)[:-1] + f', "data": {draw(_DATA)}}}')
    value = draw(st.floats(-1e9, 1e9))
    lines.append(
        {"kind": "metric", "name": "m", "value": value, "unit": draw(_MAYBE), "labels": {"l": draw(_TEXT)}}
    )
    lines[-1] |= {"type": "histogram", "buckets": [1, 2.5], "timestamp": "2026-03-02T09:00:00Z"}
    return "\n".join([*map(json.dumps, lines), *raw]) + "\n"


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for stores that come and go."""
    return tmp_path_factory.mktemp("tables")


def _exported(service: TraceManagementService, path: Path) -> bytes:
    service.export_traces(destination=str(path), include_metrics=True, include_events=True).unwrap()
    return path.read_bytes()


@pytest.mark.parametrize("form", ["csv", "parquet"])
@settings(max_examples=examples(3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=stores())
def test_export_and_import_give_the_same_store(playground: Path, form: str, lines: str) -> None:
    """A folder of csv or parquet is the same store again: data to the letter, NULL and empty text apart."""
    import tempfile

    place = Path(tempfile.mkdtemp(dir=playground))
    (place / "in.jsonl").write_text(lines, encoding="utf-8")
    kept = []
    for name, source in (("a", "in.jsonl"), ("b", "out")):
        with initialize_trace_module(TraceModuleOptions(data_source=str(place / f"{name}.duckdb"))) as made:
            service = made.trace_management_service
            report = service.import_files(files=[str(place / source)]).unwrap()
            assert report.counts.rejected == 0
            kept.append(_exported(service, place / f"{name}.jsonl"))
            asked: dict[str, Any] = {"format": form, "include_events": True, "include_metrics": True}
            service.export_traces(destination=str(place / "out"), **asked).unwrap()
    assert kept[0] == kept[1]


@pytest.mark.parametrize(
    ("form", "partition"),
    [("csv", "day"), ("parquet", "context_id")],
)
def test_the_folder_of_an_export_comes_back(cli: Cli, form: str, partition: str) -> None:
    """Partitions too: traces before events, whatever they are called; the files one by one do as well."""
    lines = (
        '{"kind":"trace","trace_id":"t1","name":"n","context_id":"c/1","started_at":"2026-03-02T09:00:00Z"}\n'
        '{"kind":"trace","trace_id":"t2","name":"n","context_id":"c2","started_at":"2026-03-03T09:00:00Z"}\n'
        '{"kind":"event","event_id":"e","trace_id":"t1","event_type":"a","data":{"x":1.10},"timestamp":"2026-03-03T01:00:00Z"}\n'
        '{"kind":"event","event_id":"f","trace_id":"t2","event_type":"b","timestamp":"2026-03-04T01:00:00Z"}\n'
    )
    cli.ok("import", write(cli, "in.jsonl", lines))
    before = cli.ok("export", "-o", "-", "--format", "jsonl")
    cli.ok("export", "-o", "out", "--format", form, "--include-events", "--partition-by", partition)
    other = Cli(cli.folder / "other")
    other.folder.mkdir()
    assert json.loads(other.ok("import", str(cli.folder / "out")))["files"] == 4
    assert other.ok("export", "-o", "-", "--format", "jsonl") == before


def test_any_other_folder_is_an_error(cli: Cli) -> None:
    """One with a file that no export writes, and an empty one."""
    folder = cli.folder / "mine"
    folder.mkdir()
    assert "mine is a folder, not a file" in cli("import", "mine").stderr
    (folder / "events.csv").write_text("event_type,trace_id\n", encoding="utf-8")
    (folder / "notes.txt").write_text("", encoding="utf-8")
    assert cli("import", "mine").code == 2


def test_large_tables_go_through_the_workers(service: TraceManagementService, tmp_path: Path) -> None:
    """With the line of each reject, and a fault of the whole file as an error."""
    path = tmp_path / "large.csv"
    rows = [f"t,e{n % 5},{n},{'x' * 100}" for n in range(90_000)]
    rows[70_000] = "t,e"
    rows[80_000] = "t,,1,x"
    path.write_text("trace_id,event_type,n,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    report = service.import_files(files=[str(path)], create_missing=True).unwrap()
    assert (report.counts.events, report.counts.rejected) == (89_998, 2)
    with service.reading() as db:
        assert db.execute("SELECT line FROM rejects ORDER BY line").fetchall() == [(70_002,), (80_002,)]
        (total,) = db.execute("SELECT sum((data->>'$.n')::BIGINT) FROM events").fetchone() or (0,)
    assert total == sum(range(90_000)) - 70_000 - 80_000
    path.write_text("trace_id,event_type\n" + 't,"a\n' + "t,a\n" * 1_000_000, encoding="utf-8")
    assert isinstance(service.import_files(files=[str(path)]).error, BrokenFile)


def test_the_guide_shows_what_happens(cli: Cli) -> None:
    """Its file is written down, and its command answers what stands there."""
    for language, text in blocks(ROOT / "docs" / "tables.md"):
        if language == "csv":
            write(cli, "app.csv", text)
        for command, shown in transcript(text) if language == "console" else ():
            assert cli(*shlex.split(command)[1:]).stdout == shown
