"""Hostile text: it comes back to the letter, and on a terminal nothing of it takes effect."""

from __future__ import annotations

import csv
import glob
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mplp_trace_cli import EventFilter, Pagination, TraceFilter, TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.analysis.queries import query_events, query_traces
from tests.conftest import Cli
from tests.terminal import dangers, on_terminal, unfolded
from tests.warm import run_all

OWN = [
    "[red]not red[/red] [bold",
    "[link=https://example.org]no link[/link] [/]",
    ":warning: :smile:",
    "\x1b]0;a title\x07\x1b[2J\x1b[31mred\x1b[0m",
    "\x9b31mred\x9d0;title\x9c\x90\x84",
    "\x1bPq#0\x1b\\\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\",
    "\u202egnp.exe\u202c \u2066left\u2069 \u200fmark\u200e",
    "over\rwritten\nnew line\ttab\x0b\x0c\x08\x7f",
    "\ufeffmark, line\u2028and paragraph\u2029ends, next\x85line",
    "NUL\x00in the middle\x00",
    "| a | table | `code` <b>html</b> *bold* _it_ \\",
    '"quoted", with, commas\r\nand "lines"\n',
    "=1+1",
    "\U0001f1e6\U0001f468\u200d\U0001f469\u200d\U0001f467 \U000e0001 \u0301\u0301\u0301",
]
"""What the list of naughty strings lacks."""

EVENT_TEXTS = ("event_type", "message", "source", "parent_event_id")
TRACE_TEXTS = ("name", "description", "context_id", "execution_id")


def _lines(strings: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A trace and an event for each string, which stands wherever text may stand."""
    traces, events = [], []
    for at, text in enumerate(strings):
        moment = f"2026-01-01T00:{at // 60:02}:{at % 60:02}Z"
        trace: dict[str, Any] = {"trace_id": f"t{at:03}", "started_at": moment}
        trace |= {
            "metadata": {text: text, "list": [text]},
            "tags": [text],
            **dict.fromkeys(TRACE_TEXTS, text),
        }
        event: dict[str, Any] = {"event_id": f"e{at:03}", "trace_id": f"t{at:03}", "timestamp": moment}
        event |= {"data": {text: text, "deep": {"list": [text]}}, **dict.fromkeys(EVENT_TEXTS, text)}
        traces.append(trace)
        events.append(event)
    return traces, events


@pytest.fixture(scope="session")
def strings(conformance: Path) -> list[str]:
    """Every naughty string that may be a name, and our own."""
    naughty = json.loads((conformance / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    return [*dict.fromkeys(text for text in [*naughty, *OWN] if text)]


@pytest.fixture(scope="session")
def hostile(strings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store with all of them, half by `import`, half by `record -`; tests only ask it."""
    cli = Cli(tmp_path_factory.mktemp("hostile"))
    half = len(strings) // 2
    traces, events = _lines(strings)
    for part, command in ((slice(half), "import"), (slice(half, None), "record")):
        lines = "\n".join(json.dumps(line) for line in [*traces[part], *events[part]])
        (done,) = run_all(cli, [[command, "-"]], stdin=lines.encode())
        assert done.code == 0, done.stderr
    return cli


def _picked(rows: Sequence[dict[str, Any]], like: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with only the fields that the lines of `like` have."""
    return [{name: row[name] for name in line} for row, line in zip(rows, like, strict=True)]


def _said(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines as answers say them: instants with six digits."""
    moments = ("started_at", "timestamp")
    return [
        {name: value.replace("Z", ".000000Z") if name in moments else value for name, value in line.items()}
        for line in lines
    ]


def test_every_text_comes_back_to_the_letter_in_json_and_csv(hostile: Cli, strings: list[str]) -> None:
    """Names, tags, metadata, messages, sources, data and their keys are what went in."""
    traces, events = map(_said, _lines(strings))
    answers = {
        (command, form): run_all(hostile, [[command, "--format", form, *more]])[0].raw.decode()
        for command, *more in (["query", "--sort", "trace_id"], ["events", "--sort", "event_id"])
        for form in ("json", "jsonl", "csv")
    }
    for command, lines in (("query", traces), ("events", events)):
        assert _picked(json.loads(answers[command, "json"]), lines) == lines
        rows = [json.loads(line) for line in answers[command, "jsonl"].split("\n")[:-1]]
        assert _picked(rows, lines) == lines
        cells = list(csv.DictReader(io.StringIO(answers[command, "csv"], newline="")))
        parsed = [_parsed(row) for row in cells]
        assert _picked(parsed, lines) == lines


def _cells(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _parsed(row: dict[str, str]) -> dict[str, Any]:
    """A row of CSV with its JSON cells parsed."""
    return {name: _decoded(name, value) for name, value in row.items()}


def _decoded(name: str, value: Any) -> Any:
    is_json = name in ("metadata", "data", "tags") and isinstance(value, str)
    return json.loads(value) if is_json else value


def test_every_text_survives_each_export(hostile: Cli, strings: list[str]) -> None:
    """csv and parquet read by others are exact; json and jsonl imported elsewhere export the same bytes."""
    traces, events = map(_said, _lines(strings))
    exports = [["export", "-o", "out.jsonl"], ["export", "-o", "out.json"]]
    exports += [["export", "-o", form, "--format", form, "--include-events"] for form in ("csv", "parquet")]
    for done in run_all(hostile, exports):
        assert done.code == 0, done.stderr
    for name, lines in (("traces", traces), ("events", events)):
        rows = [_parsed(row) for row in _cells(hostile.folder / "csv" / f"{name}.csv")]
        assert _picked(rows, lines) == lines
        table = pq.read_table(hostile.folder / "parquet" / f"{name}.parquet").to_pylist()
        for row, line in zip(table, lines, strict=True):
            exact = {key: value for key, value in line.items() if key not in ("started_at", "timestamp")}
            assert {key: _decoded(key, row[key]) for key in exact} == exact
    for suffix in ("jsonl", "json"):
        other = Cli(hostile.folder / suffix)
        other.folder.mkdir()
        made = run_all(other, [["import", f"../out.{suffix}"], ["export", "-o", f"out.{suffix}"]])
        assert [done.code for done in made] == [0, 0], made
        assert (other.folder / f"out.{suffix}").read_bytes() == (
            hostile.folder / f"out.{suffix}"
        ).read_bytes()


def test_every_text_finds_itself_as_a_filter(hostile: Cli, strings: list[str]) -> None:
    """As a tag, a context, a name, a value and its key, a source, a type: its own row and no other."""
    options = TraceModuleOptions(data_source=str(hostile.db))
    everything = Pagination()
    with (
        initialize_trace_module(options) as module,
        module.trace_management_service.reading() as db,
    ):
        # Filters narrow, so each of them must let its row pass. An eighth of the strings says as much.
        for at, text in [*enumerate(strings)][::8] + [*enumerate(strings)][-len(OWN) :]:
            same: dict[str, Any] = {"context_ids": [text], "execution_ids": [text], "tags": [text]}
            wanted = TraceFilter(**same, text=[text], names=[glob.escape(text)], metadata={text: text})
            found = query_traces(db, wanted, everything)
            assert [row[0] for row in found.rows] == [f"t{at:03}"], text
            asked = EventFilter(sources=[text], event_types=[glob.escape(text)], data={text: text})
            assert [row[0] for row in query_events(db, asked, everything).rows] == [f"e{at:03}"], text


ARGUMENTS = [*(text for text in OWN if "\x00" not in text), "\\", "'; DROP TABLE traces; --", "'\"`$(x)%s{}"]


def test_every_text_goes_through_arguments(cli: Cli) -> None:
    """What a shell can pass is recorded and told as it is."""
    commands = []
    for at, text in enumerate(ARGUMENTS):
        key = text.replace("=", ":")
        same = [f"--context={text}", f"--tag={text}", f"--meta={key}={text}", f"--execution={text}"]
        told = [f"--source={text}", f"--message={text}", f"--set={key}={text}", f"--parent={text}"]
        commands.append(["create", f"--trace-id=t{at}", *same, "--", text])
        commands.append(["record", f"--trace=t{at}", *told, "--", text])
    for done in run_all(cli, commands):
        assert done.code == 0, done.stderr
    traces, events = (
        json.loads(done.stdout) for done in run_all(cli, [["query", "--json"], ["events", "--json"]])
    )
    for text, trace, event in zip(ARGUMENTS, reversed(traces), events, strict=True):
        assert [trace[name] for name in TRACE_TEXTS if name != "description"] == [text] * 3
        assert (trace["tags"], trace["metadata"]) == ([text], {text.replace("=", ":"): text})
        assert [event[name] for name in EVENT_TEXTS] == [text] * 4
        assert event["data"] == {text.replace("=", ":"): text}


@pytest.mark.parametrize("text", [OWN[3], OWN[6], OWN[10], ARGUMENTS[-1]], ids=ascii)
def test_a_text_given_as_a_filter_is_text(hostile: Cli, text: str) -> None:
    """No escape, quote, dollar or bracket of an argument means anything but itself."""
    same = [f"--context={text}", f"--tag={text}", f"--text={text}", f"--meta={text}={text}"]
    commands = [
        ["query", *same, f"--name={glob.escape(text)}"],
        ["events", f"--source={text}", f"--text={text}"],
    ]
    for done in run_all(hostile, [[*words, "--json"] for words in commands]):
        assert done.code == 0, done.stderr
        assert len(json.loads(done.stdout)) == (text in OWN)


@pytest.fixture(scope="session")
def crowded(strings: list[str], tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store with one trace of all the strings: its tags, its metadata, its events; and some bad lines."""
    cli = Cli(tmp_path_factory.mktemp("crowded"))
    trace: dict[str, Any] = {
        "trace_id": "all",
        "name": " ".join(OWN),
        "description": "".join(strings),
        "tags": strings,
    }
    trace |= {"metadata": {text: text for text in strings}, "context_id": OWN[3], "execution_id": OWN[4]}
    events = [{**event, "trace_id": "all", "parent_event_id": None} for event in _lines(strings)[1]]
    bad = [{"event_type": text, "trace_id": "all", "level": text} for text in OWN]
    lines = "\n".join(json.dumps(line) for line in [trace, *events, *bad])
    (done,) = run_all(cli, [["import", "-"]], stdin=lines.encode())
    assert done.code == 1, done.stderr
    return cli


NEVER = [
    ["show", "all", "--events", "1000"],
    ["events", "--limit", "1000"],
    ["events", "--json"],
    ["diff", "all", "all", "--all", "--limit", "1000"],
    ["query", "--status", "\x1b[31m\u202ered"],
    ["--nosuch\x1b[31m\u202ered"],
]
SHOWN = [
    ["show", "all", "--events", "1000"],
    ["query"],
    ["events", "--limit", "1000"],
    ["rejects", "list"],
    ["sql", "SELECT message, data FROM events"],
    *[[command, "--format", form] for command in ("query", "events") for form in ("json", "csv", "markdown")],
    ["show", "all", "--json"],
    *[
        ["diff", "all", "all", "--all", "--format", form, "--limit", "1000"]
        for form in ("table", "json", "csv")
    ],
    ["sql", 'SELECT 1 AS "\x1b[31m\u202ered[bold]"'],
    ["show", "\x1b[31m\u202ered"],
    ["query", "--status", "\x1b[31m\u202ered"],
    ["--nosuch\x1b[31m\u202ered"],
]


@pytest.mark.parametrize(("color", "shown"), [("always", SHOWN), ("never", NEVER)])
def test_on_a_terminal_nothing_of_it_takes_effect(crowded: Cli, color: str, shown: list[list[str]]) -> None:
    """In every format no escape, no control, no turn of direction comes out but Rich's own colours."""
    for arguments in shown:
        done = on_terminal(crowded, *arguments, "--color", color, columns=120)
        assert done.stdout
        assert dangers(done.stdout) == [], arguments
        assert color == "always" or "\x1b" not in done.stdout
        assert "fault in mplp-trace" not in done.stdout


def test_a_narrow_terminal_shows_events_whole(cli: Cli) -> None:
    """Columns give way before what happened is cut, below every depth of the tree."""
    cli.ok("create", "x", "--trace-id", "t")
    for depth, name in enumerate(("プロセス開始" * 6, "q" * 70, "🚀" * 20)):
        parent = ("--parent", f"e{depth - 1}") if depth else ()
        cli.ok("record", name, "--trace", "t", "--level", "critical", "--event-id", f"e{depth}", *parent)
    done = on_terminal(cli, "show", "t", columns=40)
    assert "…" not in done.stdout
    assert [done.stdout.count(one) for one in "プq🚀"] == [6, 70, 20]


def test_on_a_terminal_markup_and_escapes_are_shown_as_text(crowded: Cli) -> None:
    """What the strings say can be read: brackets, colons, and escapes written out."""
    for arguments in (["show", "all", "--events", "1000"], ["events", "--limit", "1000"]):
        shown = unfolded(on_terminal(crowded, *arguments, columns=400).stdout)
        for text in (
            "[red]notred[/red][bold",
            "[link=https://example.org]nolink[/link][/]",
            ":warning::smile:",
            "\\x1b]0;atitle\\x07\\x1b[2J\\x1b[31mred\\x1b[0m",
            "\\u202egnp.exe\\u202c",
            "over\\rwritten\\nnewline\\ttab",
            "NUL\\x00inthemiddle\\x00",
            "Rosesare\\x1b[0;31mred\\x1b[0m,violetsare\\x1b[0;34mblue.",
        ):
            assert text in shown, (arguments, text)


def test_off_a_terminal_tables_and_markdown_are_one_line_a_row(hostile: Cli, strings: list[str]) -> None:
    """No text breaks out of its row or cell."""
    commands = [["events", "--format", form, "--limit", "1000"] for form in ("table", "markdown")]
    for done in run_all(hostile, commands):
        lines = done.raw.decode().split("\n")
        assert len(lines) == len(strings) + 3
        assert dangers("\n".join(lines)) == []
    bars = {line.replace("\\\\", "").replace("\\|", "").count("|") for line in lines[:-1]}
    assert len(bars) == 1


PAYLOADS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "safe", "a=1", "'=1", "＝1"]


def test_csv_safe_disarms_what_a_spreadsheet_would_run(cli: Cli, conformance: Path) -> None:
    """`'` stands before the cells that begin as a formula does; without the option all is exact."""
    known = (conformance / "csv-injection" / "csv-payload.txt").read_text(encoding="utf-8").splitlines()
    strings = [*known, *PAYLOADS]
    traces, events = _lines(strings)
    lines = "\n".join(json.dumps(line) for line in [*traces, *events])
    exports = [
        ["export", "-o", "safe", "--format", "csv", "--include-events", "--csv-safe"],
        ["export", "-o", "exact", "--format", "csv", "--include-events"],
    ]
    run_all(cli, [["import", "-"]], stdin=lines.encode())
    for done in run_all(cli, exports):
        assert done.code == 0, done.stderr
    for table, columns in (("traces", TRACE_TEXTS), ("events", EVENT_TEXTS)):
        for folder in ("safe", "exact"):
            rows = _cells(cli.folder / folder / f"{table}.csv")
            for row, said in zip(rows, strings, strict=True):
                armed = folder == "safe" and said[0] in "=+-@\t\r\n"
                assert {row[column] for column in columns} == {f"'{said}" if armed else said}
