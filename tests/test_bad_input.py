"""Bad input: one line that says what is wrong, the right exit code, and nothing of what was good is lost."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.conftest import COMMAND, Cli, Done
from tests.warm import run_all

MESSAGE = "m" * (1 << 20)
GOOD = b'{"event_type":"x","trace_id":"t"}'


def event(**fields: object) -> bytes:
    """A JSON line of an event of the trace t."""
    return json.dumps({"event_type": "x", "trace_id": "t", **fields}).encode()


def with_data(text: str) -> bytes:
    """The same with data given as text."""
    return b'{"event_type":"x","trace_id":"t","data":%s}' % text.encode()


KEPT = {
    b'{"event_type":"crlf","trace_id":"t"}\r': {},
    b' \t{"event_type":"space around","trace_id":"t"} ': {},
    b'{"event_type":"nul\\u0000","trace_id":"t","data":{"k\\u0000":"\\u0000"}}': {"k\0": "\0"},
    b'{"event_type":"moved","trace_id":"t","stage":"context"}': {"stage": "context"},
    b'{"event_type":"null","trace_id":"t","data":null}': {},
    with_data('{"k":"\\ud800","\\udfff":1}'): '{"k":"\\ud800","\\udfff":1}',
    with_data('{"n":18446744073709551617,"f":1.10,"e":1e2,"z":-0,"huge":1e999}'): (
        '{"n":18446744073709551617,"f":1.10,"e":1e2,"z":-0,"huge":1e999}'
    ),
    with_data('{"f":0.10000000000000000000000000000000000001}'): (
        '{"f":0.10000000000000000000000000000000000001}'
    ),
    with_data('{"a":1,"a":2}'): '{"a":1,"a":2}',
    with_data('{"d":' + "[" * 400 + "]" * 400 + "}"): '{"d":' + "[" * 400 + "]" * 400 + "}",
    b'{"event_type":"x","trace_id":"t","n":18446744073709551617}': '{"n":18446744073709551617}',
}
"""Lines that are strange and good, and the data that they come back with."""

REFUSED = {
    b'\xff{"event_type":"x","trace_id":"t"}': "not UTF-8 at byte 1",
    b'{"event_type":"\xff","trace_id":"t"}': "not UTF-8 at byte 16",
    b'{"event_type":"a\x00b","trace_id":"t"}': "control character at character 17",
    b'{"event_type":"\\ud800","trace_id":"t"}': "event_type: has a lone surrogate",
    b'{"event_type":"x","trace_id":"t","message":"\\udfff"}': "message: has a lone surrogate",
    with_data('{"k":NaN}'): "NaN is not JSON",
    with_data('{"k":-Infinity}'): "-Infinity is not JSON",
    event(duration_ms=float("nan")): "NaN is not JSON",
    event(duration_ms=-1): "duration_ms: must not be negative",
    b'{"event_type":"x","trace_id":"t","duration_ms":1e999}': "duration_ms: must be a finite number",
    with_data('{"d":' + "[" * 1000 + "]" * 1000 + "}"): "nested deeper than 500 levels",
    with_data('{"d":' + "[" * 100_000 + "]" * 100_000 + "}"): "nested deeper than 500 levels",
    with_data("[" * 100_000): "nested deeper than 500 levels",
    b'{"event_type":"x","trace_id":"t","event_type":"y"}': "the key 'event_type' is given twice",
    b'{"event_type":"x","trace_id":"t","event\\u005ftype":"y"}': "the key 'event_type' is given twice",
    b'{"event_type":"x","trace_id":"t","a":1,"a":1}': "the key 'a' is given twice",
    event(data={"a": 1}, a=2): "data: the key 'a' is given twice",
    event(data=[1]): "data: not a JSON object",
    event(data="text"): "data: not a JSON object",
    event(data=7): "data: not a JSON object",
    event(level="warning"): "is not one of debug, info, warn, error, critical (did you mean warn?)",
    event(timestamp="yesterday"): "timestamp: 'yesterday' is not an RFC 3339 date-time",
    event(timestamp=1700000000): "timestamp: must be an RFC 3339 date-time",
    event(event_id="-1"): "event_id: must be 1-255 characters",
    event(event_id="x" * 256): "event_id: must be 1-255 characters",
    event(trace_id="unknown"): "there is no trace unknown",
    event(event_type=""): "event_type: required",
    event(event_type=1): "event_type: must be text",
    event(kind="span"): "kind: 'span' is not one of event, trace, metric",
    b'{"name":""}': "name: required",
    b'{"event_type":"x"}': "trace_id: required",
    b'{"value":1}': "neither an event",
    b"{}": "neither an event",
    b"[1]": "not a JSON object",
    b'"text"': "not a JSON object",
    b"null": "not a JSON object",
    b"{": "expected a key",
    b"nonsense": "not JSON",
    GOOD + b" x": "text after the value",
    GOOD[:-1] + b",}": "expected a key",
    b"\xef\xbb\xbf" + GOOD: "not JSON",
    event(message=MESSAGE): "bytes of text, more than the 1,048,576 allowed",
    with_data('{"k":"' + "m" * 10_000_000 + '"}'): "bytes of text, more than the 1,048,576 allowed",
}
"""Lines that are refused, and what the reason says."""


def told(done: Done) -> str:
    """The one `error:` line of a command that failed; whatever follows is a hint."""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: "), done.stderr
    assert all(line.startswith("hint: ") for line in rest), done.stderr
    assert len(rest) <= 1
    assert "fault in mplp-trace" not in first
    assert done.stdout == ""
    return first


@pytest.mark.parametrize("way", ["import", "record"])
def test_every_bad_line_is_kept_with_its_reason_and_stops_no_good_one(cli: Cli, way: str) -> None:
    """Rejects hold number, offset, reason and raw bytes; strange but good lines keep their data."""
    cli.ok("create", "t", "--trace-id", "t")
    blank = [b"", b" \t", b"\r"]
    lines = [GOOD, *blank, *KEPT, *REFUSED, b"", GOOD]
    content = b"\xef\xbb\xbf" + b"\n".join(lines)  # with a mark at its start and no newline at its end
    path = cli.folder / "lines.jsonl"
    path.write_bytes(content)
    done = cli("import", path) if way == "import" else cli("record", "-", stdin=content)
    assert done.code == 1
    assert done.stderr == f"{len(KEPT) + 2} events, {len(REFUSED)} rejected (mplp-trace rejects list)\n"
    rejects = json.loads(cli.ok("rejects", "list", "--json"))
    for raw, reject in zip(REFUSED, rejects, strict=True):
        assert REFUSED[raw] in reject["reason"], (raw[:100], reject["reason"])
        assert lines[reject["line"] - 1] == raw
        assert content[reject["byte_offset"] :].startswith(raw)
        assert reject["raw"] == raw.decode(errors="backslashreplace")
    events = cli.ok("events", "--format", "jsonl").splitlines()
    for line, data in zip(events[1:-1], KEPT.values(), strict=True):
        if isinstance(data, str):
            assert f'"data":{data},' in line
        else:
            assert json.loads(line)["data"] == data
    worst = cli("rejects", "show", str(rejects[0]["id"]), "--raw")
    assert worst.raw == next(iter(REFUSED))


def test_a_line_longer_than_any_may_be_is_cut_and_the_next_one_is_read(cli: Cli) -> None:
    """A line of 40 MB costs one reject, not the memory, and the lines after it are good."""
    cli.ok("create", "t", "--trace-id", "t")
    content = GOOD + b"\n" + b"x" * 40_000_000 + b"\n" + GOOD
    for arguments in (["import", "-"], ["record", "-"]):
        done = cli(*arguments, stdin=content)
        assert (done.code, done.stderr.splitlines()[0]) == (
            1,
            "2 events, 1 rejected (mplp-trace rejects list)",
        )
    sizes = "SELECT line, reason, octet_length(raw) <= 16777216 + 4194304 AS cut FROM rejects ORDER BY id"
    reject = {"line": 2, "reason": "a line of 40,000,001 bytes", "cut": True}
    rows = json.loads(cli.ok("sql", sizes, "--json"))
    assert [row["cut"] for row in rows] == [True, True]
    assert [row["line"] for row in rows] == [2, 2]
    assert all(row["reason"].startswith(str(reject["reason"])) for row in rows)


def _broken_files(folder: Path) -> dict[Path | str, str]:
    packed = gzip.compress((GOOD + b"\n") * 20_000)
    text = GOOD.decode()
    contents = {
        "cut.jsonl.gz": (packed[:-9], "is cut short"),
        "cut-at-once.gz": (packed[:12], "is cut short"),
        "damaged.gz": (packed[:60] + b"\xff" * 20 + packed[80:], "cannot be"),
        "damaged.zst": (b"\x28\xb5\x2f\xfd" + b"x" * 100, "cannot be"),
        "marked.jsonl": (text.encode("utf-16"), "is UTF-16"),
        "big.jsonl": (text.encode("utf-16-be"), "is UTF-16"),
        "little.jsonl": (text.encode("utf-16-le"), "is UTF-16"),
        "broken.json": (b"[" + GOOD + b",", "is not a JSON document"),
        "trailing.json": (b"[" + GOOD + b"] x", "is not a JSON document"),
        "text.json": (b"hello", "is not a JSON document"),
        "latin.json": (b'[{"name":"\xff"}]', "is not UTF-8"),
    }
    found: dict[Path | str, str] = {folder: "is a folder", "nowhere.jsonl": "no such file"}
    for name, (content, reason) in contents.items():
        (folder / name).write_bytes(content)
        found[folder / name] = reason
    return found


def test_a_file_that_is_broken_as_a_whole_records_nothing(cli: Cli) -> None:
    """UTF-16, compressed data cut short, a broken document, a folder: an error, and not one event."""
    cli.ok("create", "t", "--trace-id", "t")
    files = _broken_files(cli.folder)
    ends = run_all(cli, [("import", path) for path in files])
    for (path, reason), done in zip(files.items(), ends, strict=True):
        assert (done.code, reason in told(done)) == (2, True), (path, done.stderr)
    done = cli("record", "-", stdin=GOOD.decode().encode("utf-16"))
    assert (done.code, "is UTF-16" in told(done)) == (2, True)
    assert json.loads(cli.ok("sql", "SELECT count(*) AS n FROM events", "--json")) == [{"n": 0}]


def test_empty_files_are_no_fault(cli: Cli) -> None:
    """Nothing in a file, or blank lines alone, is nothing recorded."""
    for name, content in {
        "empty.jsonl": b"",
        "blank.jsonl": b"\n \n\t\r\n",
        "mark.jsonl": b"\xef\xbb\xbf",
    }.items():
        (cli.folder / name).write_bytes(content)
        done = cli("import", name)
        assert (done.code, done.stderr) == (0, "nothing recorded\n")
        assert json.loads(done.stdout)["rejected"] == 0
    assert cli("record", "-").code == 0


def test_strict_takes_nothing_of_a_file_with_a_bad_line(cli: Cli) -> None:
    """`--strict` names the line and records nothing of the file, nor of the group of a stream."""
    cli.ok("create", "t", "--trace-id", "t")
    content = GOOD + b"\nnonsense\n" + GOOD
    (cli.folder / "bad.jsonl").write_bytes(content)
    done = cli("import", "--strict", "bad.jsonl")
    assert (done.code, "bad.jsonl line 2: not JSON" in told(done)) == (1, True)
    done = cli("record", "-", "--strict", stdin=content)
    assert (done.code, "stdin line 2: not JSON" in told(done)) == (1, True)
    assert cli.ok("events", "--json") == "[]"
    assert cli.ok("rejects", "list", "--json") == "[]"


USAGE = {
    (
        "--status",
        "faild",
    ): "is not one of active, completed, failed, cancelled, expired (did you mean failed?)",
    ("--type", "workflow"): "custom (did you mean workflow_execution?)",
    ("--format", "jsn"): "is not one of table, json, jsonl, csv, markdown (did you mean json?)",
    ("--color", "alway"): "is not one of auto, always, never (did you mean always?)",
    ("--since", "yesterday"): "is not a time",
    ("--until", "2026-02-30"): "names no day or time that exists",
    ("--since", "2026-01-01T25:00:00Z"): "names no day or time that exists",
    ("--min-duration", "-5"): "is not a duration",
    ("--max-duration", "inf"): "is not a duration",
    ("--min-duration", "nan"): "is not a duration",
    ("--meta", "novalue"): "is not KEY=VALUE",
    ("--sort", "nothing"): "is not one of trace_id",
    ("--limit", "-1"): "--limit",
    ("--page", "0"): "--page",
    ("--nosuch",): "there is no option --nosuch",
    ("--name", b"\xff"): "is not UTF-8",
}


def test_a_bad_value_is_one_line_that_says_what_there_is(sample_store: Cli) -> None:
    """Unknown words are told with those that exist and the nearest; times and durations with their forms."""
    ends = run_all(sample_store, [("query", *arguments) for arguments in USAGE])
    for (arguments, reason), done in zip(USAGE.items(), ends, strict=True):
        assert (done.code, reason in told(done)) == (2, True), (arguments, done.stderr)


RECORDED = {
    ("record", "x", "--trace", "t", "--level", "inof"): "(did you mean info?)",
    ("record", "x", "--trace", "t", "--duration-ms", "-3"): "--duration-ms: must not be negative",
    ("record", "x", "--trace", "t", "--duration-ms", "inf"): "--duration-ms: must be a finite number",
    ("record", "x", "--trace", "t", "--duration-ms", "nan"): "--duration-ms: must be a finite number",
    ("record", "x", "--trace", "t", "--data", "[1]"): "--data: not a JSON object",
    ("record", "x", "--trace", "t", "--data", '{"a":1}', "--set", "a=2"): "the key 'a' is given twice",
    ("record", "x", "--trace", "t", "--message", b"\xff"): "--message: has a lone surrogate",
    ("record", "x", "--trace", "t", "--data", b'{"a":"\xff"}'): "--data: is not UTF-8",
    ("record", "x", "--trace", b"\xff"): "is not UTF-8",
    ("record", "x"): "no trace is named",
    ("record", ""): "no trace is named",
    ("record", "", "--trace", "t"): "event_type: required",
    ("record", "stage_started", "--trace", "t"): "data.stage: required for stage_started",
    ("record", "x", "--trace", "t", "--timestamp", "soon"): "--timestamp: 'soon' is not a time",
    ("record", "x", "--trace", "t", "--strict"): "go with -",
    ("create", ""): "name: required",
    ("create", "x", "--timeout", "-5"): "is not a duration",
    ("create", "x", "--timeout", "0"): "--timeout: ",
    ("create", "x", "--metadata", "{"): "--metadata: not JSON",
    ("create", "x", "--trace-id", "@last"): "--trace-id: must be 1-255 characters",
    ("create", "x", "--trace-id", "a\nb"): "--trace-id: must be 1-255 characters",
    ("complete", "t", "--at", "2000-01-01"): "would end before it starts",
    ("create", b"\xff"): "name: has a lone surrogate",
    ("show", b"\xff"): "is not UTF-8",
    ("sql", b"\xff"): "is not UTF-8",
    ("sql", "SELECT $x", "--param", b"x=\xff"): "is not UTF-8",
    ("export", "-o", b"\xff.jsonl"): "must be UTF-8",
    ("--db", b"\xff", "create", "x"): "must be UTF-8",
    ("--config", "nowhere.toml", "query"): "No such file",
    ("nosuch",): "there is no command 'nosuch'",
}


def test_a_bad_value_of_a_recording_is_told_and_nothing_is_recorded(cli: Cli) -> None:
    """Each fault ends with 2 and one line; the store is as it was."""
    cli.ok("create", "t", "--trace-id", "t")
    for (arguments, reason), done in zip(RECORDED.items(), run_all(cli, RECORDED), strict=True):
        assert (done.code, reason in told(done)) == (2, True), (arguments, done.stderr)
    counts = "SELECT (SELECT count(*) FROM traces) AS traces, (SELECT count(*) FROM events) AS events"
    assert json.loads(cli.ok("sql", counts, "--json")) == [{"traces": 1, "events": 0}]


def test_an_event_larger_than_a_mebibyte_is_refused(cli: Cli) -> None:
    """The limit counts the bytes of all texts; a file may hold more than an argument can."""
    trace = cli.ok("create", "t")
    for size, code in ((1_000_000, 0), (1 << 20, 2)):
        (cli.folder / "data.json").write_text(json.dumps({"k": "m" * size}))
        done = cli("record", "x", "--trace", trace, "--data", "@data.json")
        assert done.code == code
    assert "more than the 1,048,576 allowed" in told(done)


def test_what_is_asked_of_a_trace_that_is_not_there_is_a_negative_answer(cli: Cli) -> None:
    """Unknown, finished and ambiguous end with 1; an exact id wins over a longer one."""
    made = [("create", name, "--trace-id", name) for name in ("ab", "ab1", "ab2", "done")]
    assert all(done.code == 0 for done in run_all(cli, [*made, ("complete", "done")]))
    cases = {
        ("show", "nope"): "there is no trace nope",
        ("record", "x", "--trace", "nope"): "there is no trace nope",
        ("complete", "nope"): "there is no trace nope",
        ("events", "--trace", "nope"): "there is no trace nope",
        ("show", "a"): "'a' begins several ids: ab, ab1, ab2",
        ("record", "x", "--trace", "a"): "'a' begins several ids: ab, ab1, ab2",
        ("record", "x", "--trace", "done"): "trace done is completed",
        ("fail", "done"): "trace done is already completed",
        ("create", "again", "--trace-id", "done"): "there is a trace done already",
        ("rejects", "show", "1"): "there is no reject 1",
    }
    for (arguments, reason), done in zip(cases.items(), run_all(cli, cases), strict=True):
        assert (done.code, reason in told(done)) == (1, True), (arguments, done.stderr)
    good = (("complete", "done"), ("complete", "ab"), ("cancel", "ab2"))
    assert [done.line for done in run_all(cli, good)] == ["done", "ab", "ab2"]


ASKING = (["query"], ["events"], ["show"], ["sql", "SELECT 1"], ["info"], ["export", "-o", "x.jsonl"])


def test_no_store_is_an_error_and_an_empty_one_an_empty_answer(cli: Cli) -> None:
    """Asking makes no store; an empty one answers with nothing, and only one wanted thing is missing."""
    for done in run_all(cli, ASKING):
        assert (done.code, "there is no store at" in told(done)) == (2, True)
        assert "hint: mplp-trace create NAME" in done.stderr
    assert list(cli.folder.iterdir()) == []
    cli.ok("flush")
    empty = {("query", "--json"): "[]", ("events", "--json"): "[]", ("query",): "", ("events",): ""}
    empty |= {("sql", "FROM traces", "--json"): "[]", ("export", "-o", "x.jsonl"): ""}
    for (arguments, answer), done in zip(empty.items(), run_all(cli, empty), strict=True):
        assert (done.code, done.line) == (0, answer), arguments
    assert (cli.folder / "x.jsonl").read_bytes() == b""
    show, record = run_all(cli, [("show",), ("record", "x", "--trace", "@last")])
    assert (show.code, told(show)) == (1, "error: there is no trace yet")
    assert (record.code, told(record)) == (1, "error: no trace is open")


def test_k_equals_v_takes_json_where_it_is_json_and_text_elsewhere(cli: Cli) -> None:
    """The key is literal, only the first `=` divides, and numbers keep their digits."""
    trace = cli.ok("create", "t", "--meta", "a.b=1", "--meta", "=".join(["k", "", "v"]))
    pairs = {
        "number=1.10": "1.10",
        "big=18446744073709551617": "18446744073709551617",
        "zero=007": '"007"',
        "empty=": '""',
        "twice=a=b": '"a=b"',
        "dotted.key=true": "true",
        'quoted="1"': '"1"',
        'object={"x": [1, 2]}': '{"x": [1, 2]}',
        "nan=NaN": '"NaN"',
        "broken={": '"{"',
        "space key= v ": '" v "',
        "none=null": "null",
        "at=@nowhere": '"@nowhere"',
        "lines=a\nb": '"a\\nb"',
        "quote\"='": '"\'"',
    }
    cli.ok("record", "x", "--trace", trace, *(part for pair in pairs for part in ("--set", pair)))
    keys = {pair.partition("=")[0]: text for pair, text in pairs.items()}
    data = ",".join(f"{json.dumps(key)}:{text}" for key, text in keys.items())
    assert f'"data":{{{data}}},' in cli.ok("events", "--json")
    assert json.loads(cli.ok("query", "--json"))[0]["metadata"] == {"a.b": 1, "k": "=v"}
    for done in run_all(cli, [("record", "x", "--trace", trace, "--set", pair) for pair in ("=v", "v", "")]):
        assert (done.code, "is not KEY=VALUE" in told(done)) == (2, True)


def test_at_file_and_at_dash_are_read(cli: Cli) -> None:
    """`@FILE` is the file's text, a mark at its start aside, and `@-` is standard input."""
    trace = cli.ok("create", "t")
    (cli.folder / "data file.json").write_bytes(b'\xef\xbb\xbf{"n": 1.10,\n "m": 2}\n')
    (cli.folder / "latin.json").write_bytes(b'{"n": "\xff"}')
    cli.ok("record", "x", "--trace", trace, "--data", "@data file.json")
    cli.ok("record", "x", "--trace", trace, "--data", "@-", stdin='{"n":2.20}')
    datas = [line.partition('"data":')[2][:20] for line in cli.ok("events", "--format", "jsonl").splitlines()]
    assert [data.partition("}")[0] for data in datas] == ['{"n": 1.10,  "m": 2', '{"n":2.20']
    reasons = {
        "@nowhere": "nowhere: No such file",
        "@latin.json": "latin.json is not UTF-8",
        "@.": ".: Is a directory",
        "@-": "--data: not JSON",
    }
    ends = run_all(cli, [("record", "x", "--trace", trace, "--data", name) for name in reasons])
    for reason, done in zip(reasons.values(), ends, strict=True):
        assert (done.code, reason in told(done)) == (2, True), done.stderr


def test_best_effort_turns_every_failure_into_one_warning(cli: Cli) -> None:
    """With the option or the variable a recording command ends with 0, whatever was wrong."""
    cli.ok("create", "t", "--trace-id", "t")
    damaged = cli.folder / "damaged.duckdb"
    Path(f"{damaged}.inbox").write_bytes(b"nonsense" * 1000)
    failures: list[list[str]] = [
        ["record", "x", "--trace", "nope"],
        ["record", "x", "--trace", "t", "--level", "loud"],
        ["record", "x", "--trace", "t", "--nosuch"],
        ["record"],
        ["create", "x", "--timeout", "soon"],
        ["complete", "nope"],
        ["record", "x", "--trace", "t", "--color", "pink"],
        ["--db", str(damaged), "record", "x", "--trace", "t"],
        ["--db", str(cli.folder), "create", "x"],
    ]
    ends = run_all(cli, [[*arguments, "--best-effort"] for arguments in failures])
    for arguments, done in zip(failures, ends, strict=True):
        assert (done.code, done.stdout, done.stderr.count("\n")) == (0, "", 1), (arguments, done.stderr)
        assert done.stderr.startswith("warning: ")
    variable = {"MPLP_TRACE_BEST_EFFORT": "1"}
    assert cli("record", "x", "--trace", "nope", env=variable).code == 0
    assert cli("show", "nope", env=variable).code == 1


def test_quiet_leaves_only_errors_on_stderr(cli: Cli) -> None:
    """Notes and counts are not said; what failed still is."""
    cli.ok("create", "t", "--trace-id", "t")
    done = cli("record", "-", "--quiet", stdin=GOOD)
    assert (done.code, done.stderr) == (0, "")
    done = cli("--quiet", "import", "-", stdin=b"nonsense")
    assert (done.code, done.stderr) == (1, "")
    done = cli("query", "--limit", "0", "--quiet")
    assert (done.code, done.stderr) == (0, "")
    assert cli("show", "nope", "--quiet").stderr.startswith("error: there is no trace nope\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("query >&-", 141),
        ("query --json >&- 2>&-", 141),
        ("dashboard --json >&-", 141),
        ("query nonsense 2>&-", 2),
        ("record step --trace t --best-effort >&-", 0),
        ("record step --trace t >&-", 141),
        ("query <&- >/dev/null", 0),
    ],
)
def test_closed_streams(cli: Cli, command: str, code: int) -> None:
    """A stream that is closed from the start is no fault, and no file of the store gets its number."""
    cli.ok("create", "t", "--trace-id", "t")
    words = " ".join(shlex.quote(word) for word in COMMAND)
    done = subprocess.run(
        ["bash", "-c", f"{words} {command}"],
        capture_output=True,
        env=cli.environment(),
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr
    assert cli("doctor").code == 0
