"""The recording commands as a shell uses them, which trace is meant, and which store."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from mplp_trace_cli.cli.app import COMMANDS
from tests.conftest import Cli

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def shown(cli: Cli, trace: str = "@last") -> dict[str, Any]:
    """The trace as JSON."""
    found: dict[str, Any] = json.loads(cli.ok("show", trace, "--json"))
    return found


# -- create ----------------------------------------------------------------------------------------


def test_create_with_nothing_but_a_name(cli: Cli) -> None:
    """A new trace has a new UUID, the default context and type, and stdout has the id alone."""
    done = cli("create", "Nightly import")
    assert (done.code, done.stderr) == (0, "")
    assert UUID.fullmatch(done.line)
    trace = shown(cli)
    assert trace["trace_id"] == done.line
    assert (trace["context_id"], trace["trace_type"], trace["status"]) == (
        "default",
        "workflow_execution",
        "active",
    )
    assert (trace["tags"], trace["metadata"], trace["expires_at"]) == ([], {}, None)


def test_create_with_every_option(cli: Cli) -> None:
    """Each option of `create` is a field of the trace."""
    (cli.folder / "meta.json").write_text('{"from":"file","price":1.10}')
    cli.ok(
        *("create", "Every option", "--context", "ctx", "--execution", "exec-1", "--type", "api_request"),
        *("--description", "why", "--tag", "b", "--tag", "a", "--tag", "b", "--metadata", "@meta.json"),
        *("--meta", "n=1.50", "--meta", "dotted.key=text=more", "--trace-id", "t-1"),
        *("--timeout", "2h", "--started-at", "2026-03-02T10:00:00.5+01:00"),
    )
    trace = shown(cli, "t-1")
    assert '"metadata":{"from":"file","price":1.10,"n":1.50,"dotted.key":"text=more"}' in cli.ok(
        "show", "t-1", "--json"
    )
    del trace["summary"], trace["events"], trace["metadata"]
    assert trace == {
        "trace_id": "t-1",
        "context_id": "ctx",
        "execution_id": "exec-1",
        "trace_type": "api_request",
        "name": "Every option",
        "description": "why",
        "status": "expired",
        "tags": ["b", "a"],
        "started_at": "2026-03-02T09:00:00.500000Z",
        "completed_at": "2026-03-02T11:00:00.500000Z",
        "expires_at": "2026-03-02T11:00:00.500000Z",
        "duration_ms": 7_200_000.0,
    }


def test_metadata_from_standard_input(cli: Cli) -> None:
    """`@-` as a value reads standard input."""
    cli.ok("create", "x", "--metadata", "@-", stdin='{"a": 1e2}')
    assert '"metadata":{"a": 1e2}' in cli.ok("show", "--json")


def test_context_of_the_environment(cli: Cli) -> None:
    """`$MPLP_CONTEXT_ID` is the context where none is given."""
    assert cli("create", "x", env={"MPLP_CONTEXT_ID": "from-env"}).code == 0
    assert shown(cli)["context_id"] == "from-env"
    cli("create", "x", "--context", "given", "--trace-id", "g", env={"MPLP_CONTEXT_ID": "from-env"})
    assert shown(cli, "g")["context_id"] == "given"


def test_a_taken_id_is_refused(cli: Cli) -> None:
    """A trace id is given out once."""
    cli.ok("create", "x", "--trace-id", "t-1")
    done = cli("create", "y", "--trace-id", "t-1")
    assert (done.code, done.stdout, done.stderr) == (1, "", "error: there is a trace t-1 already\n")


# -- record ----------------------------------------------------------------------------------------


def test_record_with_nothing_but_a_type(cli: Cli) -> None:
    """An event of the trace in the environment, at level info, now, with a new id."""
    trace = cli.ok("create", "x")
    done = cli("record", "step", env={"MPLP_TRACE_ID": trace})
    assert (done.code, done.stderr) == (0, "")
    assert UUID.fullmatch(done.line)
    (event,) = shown(cli)["events"]
    assert (event["event_id"], event["level"], event["data"]) == (done.line, "info", {})
    assert event["message"] is event["duration_ms"] is event["parent_event_id"] is event["source"] is None


def test_record_with_every_option(cli: Cli) -> None:
    """Each option of `record` is a field of the event; `--set` parses JSON where it is JSON."""
    cli.ok("create", "x", "--trace-id", "t-1")
    (cli.folder / "data.json").write_text('{\n "big": 1180591620717411303424 }\n')
    told = cli.ok(
        *("record", "plan.task.completed", "--trace", "t-1", "--level", "warn", "--message", "late"),
        *("--data", "@data.json", "--set", "a.b=[1, 2]", "--set", "text=a=b", "--set", "empty="),
        *(
            "--duration-ms",
            "12.5",
            "--timestamp",
            "2026-03-02T09:00:00z",
            "--parent",
            "p",
            "--source",
            "plan",
        ),
        *("--event-id", "e-1"),
    )
    assert told == "e-1"
    raw = cli.ok("events", "--format", "jsonl")
    assert '"data":{"big": 1180591620717411303424,"a.b":[1, 2],"text":"a=b","empty":""}' in raw
    event = json.loads(raw)
    del event["data"]
    assert event == {
        "event_id": "e-1",
        "trace_id": "t-1",
        "event_type": "plan.task.completed",
        "level": "warn",
        "message": "late",
        "timestamp": "2026-03-02T09:00:00.000000Z",
        "duration_ms": 12.5,
        "parent_event_id": "p",
        "source": "plan",
    }


def test_a_given_event_id_is_stored_once(cli: Cli) -> None:
    """The first to arrive wins, before and after a fold; the repeat is acknowledged all the same."""
    cli.ok("create", "x", "--trace-id", "t-1")
    for message in ("first", "second"):
        assert cli.ok("record", "s", "--trace", "t-1", "--event-id", "e-1", "--message", message) == "e-1"
    cli.ok("flush")
    cli.ok("record", "s", "--trace", "t-1", "--event-id", "e-1", "--message", "third")
    assert [event["message"] for event in shown(cli)["events"]] == ["first"]


def test_lines_from_standard_input(cli: Cli) -> None:
    """`record -` takes traces, events and metrics; options are defaults; counts go to stderr."""
    cli.ok("create", "x", "--trace-id", "t-1")
    lines = [
        '{"event_type":"a"}',
        "",
        "   \t",
        '{"event_type":"b","level":"debug","source":"own","stage":"plan","data":{"n":1.10}}',
        '{"kind":"trace","trace_id":"t-2","name":"second","context_id":"c","run":7}',
        '{"event_type":"c","trace_id":"t-2","timestamp":"2026-03-02T09:00:00Z"}',
        '{"trace_id":"t-2","name":"second","status":"failed","duration_ms":9}',
        '{"name":"depth","value":3,"type":"gauge","labels":{"q":"a"}}',
        '{"name":"second","trace_id":"t-2"}',
    ]
    done = cli(
        "record", "-", "--trace", "t-", "--level", "warn", "--source", "plan", stdin="\r\n".join(lines)
    )
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == "3 events, 1 trace, 1 metric, 1 ended, 1 repeated\n"
    events = {
        event["event_type"]: event
        for event in map(json.loads, cli.ok("events", "--format", "jsonl").split("\n"))
    }
    assert (events["a"]["level"], events["a"]["source"], events["a"]["trace_id"]) == ("warn", "plan", "t-1")
    assert (events["b"]["level"], events["b"]["source"]) == ("debug", "own")
    assert '"data":{"n":1.10,"stage":"plan"}' in cli.ok("events", "--event-type", "b", "--json")
    assert (shown(cli, "t-2")["status"], shown(cli, "t-2")["metadata"]) == ("failed", {"run": 7})


def test_lines_with_faults(cli: Cli) -> None:
    """A bad line stops no good one, is kept with its place and reason, and the exit code is 1."""
    cli.ok("create", "x", "--trace-id", "t-1")
    lines = '{"event_type":"a"}\nnonsense\n{"event_type":"b","trace_id":"nowhere"}\n{"event_type":"c"}\n'
    done = cli("record", "-", stdin=lines, env={"MPLP_TRACE_ID": "t-1"})
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == "2 events, 2 rejected (mplp-trace rejects list)\n"
    rejects = json.loads(cli.ok("rejects", "list", "--json"))
    assert [(one["source"], one["line"], one["byte_offset"]) for one in rejects] == [
        ("stdin", 2, 19),
        ("stdin", 3, 28),
    ]
    assert rejects[1]["reason"] == "there is no trace nowhere"


def test_missing_traces_are_made_when_asked(cli: Cli) -> None:
    """`--create-missing` makes a trace, named by its id, in the context of the environment."""
    done = cli(
        *("record", "-", "--create-missing"),
        stdin='{"event_type":"a","trace_id":"new"}\n{"event_type":"b","trace_id":"new"}',
        env={"MPLP_CONTEXT_ID": "ctx"},
    )
    assert (done.code, done.stderr) == (0, "2 events, 1 trace\n")
    assert (shown(cli)["name"], shown(cli)["context_id"]) == ("new", "ctx")


def test_strict_lines_end_at_the_first_bad_one(cli: Cli) -> None:
    """`--strict`: nothing of the group with the bad line is recorded, and the place is named."""
    cli.ok("create", "x", "--trace-id", "t-1")
    done = cli("record", "-", "--strict", "--trace", "t-1", stdin='{"event_type":"a"}\n{"level":"warn"}\n')
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("error: stdin line 2: ")
    assert "hint: " in done.stderr
    assert shown(cli)["events"] == []


def test_options_of_streams_alone(cli: Cli) -> None:
    """`--strict` without `-` is a usage error with a command that shows how."""
    done = cli("record", "x", "--strict")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.endswith("hint: mplp-trace record - < FILE\n")


# -- complete, fail, cancel ------------------------------------------------------------------------


def test_an_end_at_the_very_start_is_a_microsecond_later(cli: Cli) -> None:
    """As a line that says both has it."""
    cli.ok("create", "x", "--trace-id", "t-1", "--started-at", "2026-03-02T09:00:00Z")
    cli.ok("complete", "t-1", "--at", "2026-03-02T09:00:00Z")
    assert shown(cli)["duration_ms"] == 0.001


@pytest.mark.parametrize(
    ("command", "status"), [("complete", "completed"), ("fail", "failed"), ("cancel", "cancelled")]
)
def test_ends(cli: Cli, command: str, status: str) -> None:
    """A trace ends once; the same end again changes nothing and succeeds, another is refused."""
    cli.ok("create", "x", "--trace-id", "t-1", "--started-at", "2026-03-02T09:00:00Z")
    assert cli.ok(command, "t-1", "--at", "2026-03-02T09:00:01Z") == "t-1"
    assert cli.ok(command, "t-1") == "t-1"
    trace = shown(cli)
    assert (trace["status"], trace["duration_ms"]) == (status, 1_000.0)
    other = "cancel" if command == "complete" else "complete"
    done = cli(other, "t-1")
    assert (done.code, done.stderr) == (1, f"error: trace t-1 is already {status}\n")
    done = cli("record", "late", "--trace", "t-1")
    assert (done.code, done.stderr.splitlines()[0]) == (
        1,
        f"error: trace t-1 is {status}: nothing more can be recorded in it",
    )


def test_failure_with_a_message(cli: Cli) -> None:
    """`fail --message` keeps why as an error event at the end."""
    trace = cli.ok("create", "x")
    assert cli("fail", "--message", "disk full", env={"MPLP_TRACE_ID": trace}).line == trace
    found = shown(cli)
    (event,) = found["events"]
    assert (event["event_type"], event["level"], event["message"]) == ("trace_failed", "error", "disk full")
    assert event["timestamp"] == found["completed_at"]
    assert found["duration_ms"] > 0


def test_an_end_folds_when_asked(cli: Cli) -> None:
    """`--flush` leaves nothing waiting in the inbox."""
    cli.ok("create", "x")
    assert json.loads(cli.ok("info", "--json"))["waiting"] == 1
    cli.ok("complete", "@last", "--flush")
    assert json.loads(cli.ok("info", "--json"))["waiting"] == 0


# -- who is meant ----------------------------------------------------------------------------------


def test_prefixes_and_last(cli: Cli) -> None:
    """An exact id wins, a unique prefix does, `@last` is the newest open one; finished ones are no match."""
    for name in ("ab", "abc", "abd"):
        cli.ok("create", name, "--trace-id", name)
    assert cli.ok("complete", "ab") == "ab"
    done = cli("record", "s", "--trace", "a")
    assert (done.code, done.stderr) == (
        1,
        "error: 'a' begins several ids: abc, abd\nhint: give more of the id\n",
    )
    cli.ok("record", "one", "--trace", "abc")
    cli.ok("record", "two", "--trace", "@last")
    cli.ok("complete", "@last")
    cli.ok("record", "three", "--trace", "a")
    assert [row.split(",")[1:3] for row in cli.ok("events", "--format", "csv").split("\n")[1:]] == [
        ["abc", "one"],
        ["abd", "two"],
        ["abc", "three"],
    ]
    cli.ok("complete", "@last")
    done = cli("complete", "@last")
    assert (done.code, done.stderr) == (1, "error: no trace is open\nhint: mplp-trace create NAME\n")


def test_ids_in_the_environment_are_exact(cli: Cli) -> None:
    """`$MPLP_TRACE_ID` is an id, never a prefix."""
    cli.ok("create", "x", "--trace-id", "abc")
    done = cli("record", "s", env={"MPLP_TRACE_ID": "ab"})
    assert (done.code, done.stderr) == (1, "error: there is no trace ab\nhint: mplp-trace query\n")


def test_no_trace_is_named(cli: Cli) -> None:
    """Without `--trace` and `$MPLP_TRACE_ID` a recording command says what to do."""
    cli.ok("create", "x")
    for arguments in (("record", "s"), ("complete",)):
        done = cli(*arguments)
        assert (done.code, done.stderr.splitlines()[0]) == (2, "error: no trace is named")


# -- best effort -----------------------------------------------------------------------------------


def test_best_effort_stops_no_script(cli: Cli) -> None:
    """What goes wrong is one warning and exit code 0, by option or by environment."""
    done = cli("record", "s", "--trace", "nowhere", "--best-effort")
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == "warning: there is no trace nowhere\n"
    done = cli("create", "x", "--type", "nonsense", env={"MPLP_TRACE_BEST_EFFORT": "1"})
    assert (done.code, done.stderr.count("\n"), done.stderr[:9]) == (0, 1, "warning: ")
    assert cli("record", "--no-such-option", "--best-effort").code == 0
    assert cli("show", "nowhere", env={"MPLP_TRACE_BEST_EFFORT": "1"}).code == 1


# -- errors ----------------------------------------------------------------------------------------


WRONG: tuple[tuple[tuple[str, ...], str], ...] = (
    (("create", ""), "name: required"),
    (("create", "x", "--type", "workflow"), "did you mean workflow_execution?"),
    (("create", "x", "--trace-id", "@x"), "--trace-id: must be 1-255 characters"),
    (("create", "x", "--metadata", "[1]"), "--metadata: not a JSON object"),
    (("create", "x", "--metadata", "@nowhere.json"), "--metadata: nowhere.json: No such file"),
    (("create", "x", "--meta", "novalue"), "--meta: 'novalue' is not KEY=VALUE"),
    (("create", "x", "--meta", "a=1", "--meta", "a=2"), "the key 'a' is given twice"),
    (("create", "x", "--timeout", "soon"), "--timeout: 'soon' is not a duration"),
    (("create", "x", "--timeout", "0s"), "--timeout: must be a number greater than 0"),
    (("create", "x", "--started-at", "yesterday"), "--started-at: 'yesterday' is not a time"),
    (("record", "s", "--trace", "t", "--level", "warning"), "did you mean warn?"),
    (("record", "s", "--trace", "t", "--duration-ms", "-1"), "--duration-ms: must not be negative"),
    (("record", "s", "--trace", "t", "--duration-ms", "inf"), "--duration-ms: must be a finite number"),
    (("record", "stage_started", "--trace", "t"), "data.stage: required for stage_started"),
    (("record",), "TYPE is missing"),
    (("recrod", "x"), "there is no command 'recrod' (did you mean record?)"),
)


def test_what_is_wrong_is_one_line(cli: Cli) -> None:
    """A value that cannot be used is exit code 2 and one line that names it; nothing is printed."""
    for arguments, said in WRONG:
        done = cli(*arguments)
        assert (done.code, done.stdout) == (2, ""), done
        assert done.stderr.startswith("error: ")
        assert said in done.stderr.splitlines()[0]


# -- init and the place of the store ---------------------------------------------------------------


def test_init_gives_a_folder_a_store(cli: Cli) -> None:
    """`init` writes the project file, makes the store, and commands below that folder use it."""
    project = cli.folder / "project"
    (project / "deep" / "er").mkdir(parents=True)
    unset = {"MPLP_TRACE_DB": ""}
    done = cli("init", cwd=project, env=unset)
    assert (done.code, done.line) == (0, str(project / ".mplp-trace.toml"))
    assert done.stderr == f"the store is {project / '.mplp-trace' / 'traces.duckdb'}\n"
    assert cli("create", "x", "--trace-id", "t", cwd=project / "deep" / "er", env=unset).code == 0
    assert json.loads(cli("info", "--json", cwd=project, env=unset).stdout)["traces"] == 1
    again = cli("init", cwd=project, env=unset)
    assert (again.code, again.stderr.splitlines()[1]) == (1, "hint: mplp-trace init --force")
    assert cli("init", project, "--force", env=unset).code == 0
    assert json.loads(cli("info", "--json", cwd=project, env=unset).stdout)["traces"] == 1


def test_which_store_is_used(cli: Cli) -> None:
    """The flag wins, then the environment, the project's file, the user's file, the default."""
    project, home = cli.folder / "project", cli.folder / "home"
    project.mkdir()
    (home / ".config" / "mplp-trace").mkdir(parents=True)
    (project / ".mplp-trace.toml").write_text('data_source = "project.duckdb"\n')
    (home / ".config" / "mplp-trace" / "config.toml").write_text(f'data_source = "{home}/user.duckdb"\n')
    (cli.folder / "named.toml").write_text('data_source = "named.duckdb"\n')
    base = {"HOME": str(home), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "MPLP_TRACE_DB": ""}

    def used(*arguments: str, cwd: Path, **env: str) -> str:
        done = cli(*arguments, "create", "x", cwd=cwd, env={**base, **env})
        assert done.code == 0, done.stderr
        made = [path for path in cli.folder.rglob("*.duckdb") if path.is_file()]
        for path in made:
            path.unlink()
            Path(f"{path}.inbox").unlink()
        (found,) = made
        return found.name

    assert (
        used("--db", str(cli.folder / "flag.duckdb"), cwd=project, MPLP_TRACE_DB="env.duckdb")
        == "flag.duckdb"
    )
    assert used(cwd=project, MPLP_TRACE_DB="env.duckdb") == "env.duckdb"
    assert used("--config", str(cli.folder / "named.toml"), cwd=project) == "named.duckdb"
    assert used(cwd=project, MPLP_TRACE_CONFIG=str(cli.folder / "named.toml")) == "named.duckdb"
    assert used(cwd=project) == "project.duckdb"
    assert used(cwd=home) == "user.duckdb"
    (home / ".config" / "mplp-trace" / "config.toml").unlink()
    assert used(cwd=home) == "traces.duckdb"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_sorce = 1", "data_sorce: there is no such option"),
        ("= nonsense", "is not TOML"),
        ("event_config = { default_level = 'loud' }", "event_config.default_level: 'loud' is not one of"),
        ("threads = true", "threads: must be a whole number"),
    ],
)
def test_a_bad_config_file_is_named(cli: Cli, text: str, said: str) -> None:
    """A config file that cannot be used is an error that names the file and the option."""
    (cli.folder / "bad.toml").write_text(text)
    done = cli("create", "x", "--config", "bad.toml")
    assert (done.code, done.stdout) == (2, "")
    assert "bad.toml" in done.stderr.splitlines()[0]
    assert said in done.stderr.splitlines()[0]


def test_config_holds_the_options_of_events(cli: Cli) -> None:
    """The file's default level, size limit and validation switch hold for recording."""
    (cli.folder / ".mplp-trace.toml").write_text(
        "[event_config]\ndefault_level = 'debug'\nmax_event_bytes = 100\nvalidate_standard_events = false\n"
    )
    cli.ok("create", "x")
    cli.ok("record", "stage_started", "--trace", "@last")
    assert shown(cli)["events"][0]["level"] == "debug"
    done = cli("record", "s", "--trace", "@last", "--message", "x" * 101)
    assert (done.code, "more than the 100 allowed" in done.stderr) == (2, True)


def test_global_options_stand_anywhere(cli: Cli) -> None:
    """Global options are understood before and after the command, and among a command's commands."""
    store = str(cli.folder / "other.duckdb")
    cli.ok("--db", store, "create", "x", "--trace-id", "t-1")
    assert cli.ok("show", "t-1", "--db", store, "--format", "csv").startswith("event_id,")
    assert "\x1b" in cli("--color", "always", "show", "--db", store).stdout
    assert "\x1b" in cli("show", "nowhere", "--color", "always", "--db", store).stderr
    assert "\x1b" not in cli("show", "--db", store, "--color", "never").stdout
    for arguments in (
        ("--quiet", "rejects", "list"),
        ("rejects", "list", "--quiet"),
        ("rejects", "--quiet", "list"),
    ):
        assert cli(*arguments, "--db", store).stderr == "", arguments
    assert cli("rejects", "list", "--db", store).stderr != ""


def test_help_and_version(cli: Cli) -> None:
    """`--version`, `--help` and no command at all answer on stdout and make no store."""
    assert re.fullmatch(r"mplp-trace \d+\.\d+\.\d+", cli.ok("--version"))
    helped = cli.ok("--help")
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", helped), command
    assert "Example: " in cli.ok("record", "--help")
    assert cli().code == 0
    assert not cli.db.exists()


def test_what_is_kept_is_its_owners_alone(tmp_path: Path) -> None:
    """Store, inbox and lock can be read by nobody else, whatever the umask."""
    cli = Cli(tmp_path, warm=False)  # a process that has this one's umask
    before = os.umask(0)
    try:
        cli.ok("create", "x", "--db", cli.folder / "new" / "traces.duckdb")
        cli.ok("flush", "--db", cli.folder / "new" / "traces.duckdb")
    finally:
        os.umask(before)
    for path in (cli.folder / "new", *(cli.folder / "new").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
