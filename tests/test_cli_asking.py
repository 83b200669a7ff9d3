"""The asking commands as a person uses them: show, query, events, info, doctor, flush, and empty states."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Cli

DAY = "2026-03-02T09"
WRONG: list[tuple[list[str], str]] = [
    (["query", "--status", "complete"], "did you mean completed?"),
    (["query", "--sort", "nonsense"], "--sort: 'nonsense' is not one of trace_id,"),
    (["query", "--sort", "durration_ms"], "(did you mean duration_ms?)"),
    (["query", "--sort", "name:dsc"], "--sort: 'dsc' is not one of asc, desc (did you mean desc?)"),
    (["query", "--bucket", "1d", "--sort", "cout"], "(did you mean count?)"),
    (["query", "--since", "2026-03-03", "--until", "2026-03-01"], "error: --until: is before --since"),
    (["events", "--since", "2026-03-02", "--until", "2026-03-01"], "error: --until: is before --since"),
    (["dashboard", "--since", "1h", "--until", "2h"], "error: --until: is before --since"),
    (["events", "--level", "warning"], "did you mean warn?"),
    (["events", "--data", "n"], "--data: 'n' is not KEY=VALUE"),
    (["events", "--limit", "-1"], "--limit"),
]
EVENTS: list[tuple[list[str], int]] = [
    ([], 60),
    (["--trace", "t-1"], 30),
    (["--trace", "t-0", "--trace", "t-1"], 60),
    (["--event-type", "stage.*"], 40),
    (["--level", "error"], 12),
    (["--min-level", "warn"], 36),
    (["--source", "plan", "--level", "info"], 6),
    (["--data", "n=7", "--data", "n=8"], 2),
    (["--since", f"{DAY}:30:10Z", "--until", f"{DAY}:30:20Z"], 10),
    (["--min-duration", "100ms", "--max-duration", "0.2s"], 11),
    (["--text", "MESSAGE 5"], 11),
]
QUERIES: list[tuple[list[str], str]] = [
    ([], "6543210"),
    (["--context", "ctx-1"], "531"),
    (["--execution", "exec-1", "--execution", "exec-2"], "21"),
    (["--type", "api_request", "--status", "active"], "5"),
    (["--status", "active", "--status", "failed"], "5421"),
    (["--tag", "tag-3", "--tag", "tag-4"], "43"),
    (["--name", "*number [12]"], "21"),
    (["--meta", "run=3"], "3"),
    (["--meta", "deep.er=true", "--meta", "run=2", "--meta", "run=4"], "42"),
    (["--since", f"{DAY}:05:00Z"], "65"),
    (["--until", f"{DAY}:01:00Z"], "0"),
    (["--until", "2026-03-02", "--since", "2026-03-02", "--limit", "2"], "65"),
    (["--until", "2026-03-01"], ""),
    (["--has-errors"], "410"),
    (["--no-errors"], "6532"),
    (["--min-duration", "4s", "--max-duration", "5000"], "43"),
    (["--text", "ODD ONE"], "531"),
    (["--sort", "name"], "0123456"),
    (["--sort", "event_count:desc", "--limit", "2"], "10"),
    (["--sort", "duration_ms:desc", "--limit", "3", "--page", "2"], "105"),
]


def lines(text: str) -> list[Any]:
    """The objects of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a small store; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("asked"))
    records: list[dict[str, Any]] = [
        {
            "kind": "trace",
            "trace_id": f"t-{at}",
            "context_id": f"ctx-{at % 2}",
            "execution_id": f"exec-{at}",
            "trace_type": ("workflow_execution", "api_request")[at % 2],
            "name": f"Trace number {at}",
            "description": "the odd one" if at % 2 else None,
            "status": ("completed", "failed", "active")[at % 3],
            "metadata": {"run": at, "deep": {"er": at % 2 == 0}},
            "tags": ["all", f"tag-{at}"],
            "started_at": f"{DAY}:{at:02}:00Z",
            "completed_at": None if at % 3 == 2 else f"{DAY}:{at:02}:{at + 1:02}Z",
        }
        for at in range(7)
    ]
    records += [
        {
            "kind": "event",
            "event_id": f"e-{at}",
            "trace_id": f"t-{at % 2}",
            "event_type": ("stage.begun", "stage.done", "other")[at % 3],
            "level": ("debug", "info", "warn", "error", "critical")[at % 5],
            "message": f"message {at}",
            "data": {"n": at},
            "timestamp": f"{DAY}:30:{at:02}Z",
            "duration_ms": at * 10,
            "source": ("plan", "core")[at % 2],
        }
        for at in range(60)
    ]
    text = "\n".join(json.dumps({k: v for k, v in one.items() if v is not None}) for one in records)
    made.ok("import", "-", stdin=text)
    return made


# -- query -----------------------------------------------------------------------------------------


def test_query(asked: Cli) -> None:
    """Each filter of `query` narrows, a repeated one widens, and the newest come first."""
    for arguments, found in QUERIES:
        done = asked("query", *arguments, "--format", "jsonl")
        assert "".join(row["trace_id"][2:] for row in lines(done.stdout)) == found, arguments


def test_query_rows(asked: Cli) -> None:
    """A row has the field names of a trace and the counts of its events."""
    (row,) = json.loads(asked.ok("query", "--name", "*1", "--json"))
    assert row == {
        "trace_id": "t-1",
        "context_id": "ctx-1",
        "execution_id": "exec-1",
        "trace_type": "api_request",
        "name": "Trace number 1",
        "description": "the odd one",
        "status": "failed",
        "metadata": {"run": 1, "deep": {"er": False}},
        "tags": ["all", "tag-1"],
        "started_at": f"{DAY}:01:00.000000Z",
        "completed_at": f"{DAY}:01:02.000000Z",
        "expires_at": None,
        "duration_ms": 2000.0,
        "event_count": 30,
        "error_count": 12,
    }


# -- events ----------------------------------------------------------------------------------------


def test_events(asked: Cli) -> None:
    """Each filter of `events` narrows, a repeated one widens, and the oldest come first."""
    for arguments, count in EVENTS:
        done = asked("events", *arguments, "--format", "jsonl")
        stamps = [row["timestamp"] for row in lines(done.stdout)]
        assert (len(stamps), stamps) == (count, sorted(stamps)), arguments


def test_a_part_says_how_many_there_are(asked: Cli) -> None:
    """Tables show 50 rows, programs get all; what is left out is said on stderr."""
    assert asked("events").stderr == "1-50 of 60 events (--limit, --page)\n"
    assert len(asked("events").stdout.splitlines()) == 52
    assert asked("events", "--page", "2", "--limit", "25").stderr == "26-50 of 60 events (--limit, --page)\n"
    done = asked("events", "--page", "9", "--limit", "25", "--json")
    assert (done.code, json.loads(done.stdout), done.stderr) == (
        0,
        [],
        "none of 60 events (--limit, --page)\n",
    )
    assert asked("events", "--json").stderr == ""
    assert asked("events", "--page", "2", "--limit", "25", "--quiet").stderr == ""
    done = asked("events", "--json", "--page", "2")
    assert (done.code, done.stderr) == (2, "error: --page: needs a limit\nhint: --limit 50\n")


def test_format_of_the_environment(asked: Cli) -> None:
    """`$MPLP_TRACE_FORMAT` is the format of asking commands; an option wins; an unknown one is named."""
    assert asked("query", env={"MPLP_TRACE_FORMAT": "jsonl"}).stdout.startswith('{"trace_id":"t-6"')
    assert asked("query", "--format", "csv", env={"MPLP_TRACE_FORMAT": "json"}).stdout.startswith("trace_id,")
    done = asked("query", env={"MPLP_TRACE_FORMAT": "jsonn"})
    assert (done.code, done.stderr) == (
        2,
        "error: MPLP_TRACE_FORMAT: 'jsonn' is not one of table, json, jsonl, csv, markdown"
        " (did you mean json?)\n",
    )


def test_a_group_of_commands_alone_shows_its_help(cli: Cli) -> None:
    """As the program without a word does; that is no error."""
    for arguments in ((), ("rejects",), ("metrics",)):
        done = cli(*arguments)
        assert (done.code, done.stderr) == (0, ""), arguments
        assert f"Usage: {' '.join(('mplp-trace', *arguments))} [OPTIONS] COMMAND" in done.stdout


def test_what_cannot_be_asked(asked: Cli) -> None:
    """A bad filter is exit code 2 and one line that names it."""
    for arguments, said in WRONG:
        done = asked(*arguments)
        assert (done.code, done.stdout) == (2, ""), arguments
        assert said in done.stderr.splitlines()[0]


# -- show ------------------------------------------------------------------------------------------


def test_show_finds_finished_traces_too(asked: Cli) -> None:
    """Asking commands look among all traces: an id, a prefix, `@last`, the environment, in that order."""
    assert json.loads(asked.ok("show", "--json"))["trace_id"] == "t-6"
    assert json.loads(asked("show", "--json", env={"MPLP_TRACE_ID": "t-3"}).stdout)["trace_id"] == "t-3"
    assert (
        json.loads(asked("show", "t-1", "--json", env={"MPLP_TRACE_ID": "t-3"}).stdout)["trace_id"] == "t-1"
    )
    done = asked("show", "t-")
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: 't-' begins several ids: t-0, t-1, t-2, t-3, t-4, …\nhint: ")
    done = asked("show", "nowhere")
    assert (done.code, done.stderr) == (1, "error: there is no trace nowhere\nhint: mplp-trace query\n")


def test_show_is_one_object(asked: Cli) -> None:
    """The JSON of `show` is the trace with its summary and events; `--events` limits these alone."""
    found = json.loads(asked.ok("show", "t-1", "--json", "--events", "2"))
    assert [event["event_id"] for event in found["events"]] == ["e-1", "e-3"]
    assert found["summary"]["total_events"] == 30
    assert found["summary"]["events_by_level"] == {
        "debug": 6,
        "info": 6,
        "warn": 6,
        "error": 6,
        "critical": 6,
    }
    assert (found["summary"]["error_count"], found["summary"]["warning_count"]) == (12, 6)


def test_show_draws_a_tree(cli: Cli) -> None:
    """Children hang under their parents; one whose parent is missing or in a circle hangs on the trace."""
    cli.ok("create", "Tree", "--trace-id", "t", "--started-at", f"{DAY}:00:00Z")
    parents = {"a": None, "b": "a", "c": "b", "d": "a", "lost": "nobody", "x": "y", "y": "x", "self": "self"}
    events = [
        {"event_type": name, "event_id": name, "parent_event_id": parent, "timestamp": f"{DAY}:00:{at:02}Z"}
        for at, (name, parent) in enumerate(parents.items())
    ]
    cli.ok("record", "-", "--trace", "t", stdin="\n".join(map(json.dumps, events)))
    table = cli.ok("show", "t").split("─\n")[1]
    drawn = [line.split(" info ")[0].rstrip() for line in table.splitlines()]
    assert drawn == ["a", "├╴b", "│ └╴c", "└╴d", "lost", "x", "└╴y", "self"]
    flat = cli.ok("show", "t", "--flat").split("─\n")[1]
    assert [line.split()[0] for line in flat.splitlines()] == list(parents)


# -- the store itself ------------------------------------------------------------------------------


def test_info_and_doctor(cli: Cli) -> None:
    """`info` tells what waits, `flush` folds it and says how much, `doctor` finds nothing wrong."""
    cli.ok("create", "x", "--trace-id", "t")
    cli("record", "-", "--trace", "t", stdin='{"event_type":"a"}\nbad\n{"name":"m","value":1}')
    info = json.loads(cli.ok("info", "--json"))
    assert (info["store"], info["inbox"]) == (str(cli.db), f"{cli.db}.inbox")
    figures = ("traces", "active", "events", "metrics", "rejects", "waiting")
    assert [info[name] for name in figures] == [1, 1, 1, 1, 1, 4]
    done = cli("flush")
    assert (done.code, done.stdout, done.stderr) == (0, "", "folded 4 entries\n")
    assert cli("flush").stderr == "folded 0 entries\n"
    done = cli("doctor")
    assert (done.code, done.stderr) == (0, "")
    assert "\n!! rejects     1 line could not be recorded\n" in done.stdout
    assert "hint: mplp-trace rejects list\n" in done.stdout
    assert {row["state"] for row in json.loads(cli.ok("doctor", "--json"))} == {"ok", "warning"}


def test_info_shows_how_the_store_grows(cli: Cli) -> None:
    """A column a day of those with anything, as high as its events; a dot for a day without any."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0)
    days_ago = (20, 4, 4, 2, 2, 2, 2)
    lines = [
        {"trace_id": "t", "event_type": "a", "timestamp": (noon - timedelta(days=days)).isoformat()}
        for days in days_ago
    ]
    started = (noon - timedelta(days=1)).isoformat()
    lines.append({"kind": "trace", "trace_id": "t", "context_id": "c", "name": "n", "started_at": started})
    cli.ok("import", "-", stdin="\n".join(map(json.dumps, lines)))
    first, second, third = (f"{noon - timedelta(days=days):%Y-%m-%d}" for days in (4, 2, 1))
    assert json.loads(cli.ok("info", "--json"))["growth"] == [
        {"day": first, "traces": 0, "events": 2},
        {"day": second, "traces": 0, "events": 4},
        {"day": third, "traces": 1, "events": 0},
    ]
    assert cli.ok("info").splitlines()[-1] == f"growth   ▄·█· events a day since {first}"


def test_no_store(cli: Cli) -> None:
    """Without a store an asking command says so and how to get one; it makes no files; doctor finds it."""
    for arguments in (
        ("show",),
        ("query",),
        ("events",),
        ("info",),
        ("rejects", "list"),
        ("sql", "SELECT 1"),
    ):
        done = cli(*arguments)
        assert (done.code, done.stdout) == (2, ""), arguments
        assert done.stderr == f"error: there is no store at {cli.db}\nhint: mplp-trace create NAME\n"
    done = cli("doctor")
    assert done.code == 1
    assert f"there is no store at {cli.db}" in done.stdout
    assert not any(cli.folder.glob("traces*"))


def test_an_empty_store(cli: Cli) -> None:
    """An empty answer is an answer: exit code 0, nothing or an empty list on stdout."""
    cli.ok("flush")
    assert (cli("query").code, cli("query").stdout, cli("query").stderr) == (0, "", "no trace matches\n")
    assert cli("events").stderr == "no event matches\n"
    assert cli.ok("query", "--json") == "[]"
    assert cli("events", "--format", "jsonl").stdout == ""
    assert cli.ok("events", "--format", "csv").startswith("event_id,trace_id,")
    assert cli("rejects", "list").stderr == "no reject matches\n"
    done = cli("show")
    assert (done.code, done.stderr) == (
        1,
        "error: there is no trace yet\nhint: mplp-trace create NAME\n",
    )
    done = cli("export", "-o", "-", "--format", "jsonl")
    assert (done.code, done.stdout, done.stderr) == (0, "", "exported 0 traces\n")
