"""`run` and `step`: a command keeps its output, its signals and its exit code, and gets its trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.w3c import (
    is_span_id,
    parse_traceparent,
    tracestate_with,
    w3c_span_id,
    w3c_trace_id,
)
from mplp_trace_cli.process.last_lines import LastLines
from mplp_trace_cli.process.surroundings import command_line
from mplp_trace_cli.storage.processes import has_ended, process_with, this_process
from tests.conftest import COMMAND, Cli
from tests.helpers_commands import events, path_with_command, sent, trace, until, wrapped
from tests.terminal import Typist, run_on_terminal

W3C = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
PRINT = "import os, json; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def cli(cli: Cli) -> Cli:
    """The command on a store that is there already: only the first one on a path pays for making it."""
    cli.ok("create", "first")
    return cli


def environment_of(cli: Cli, *words: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """The environment that a command gets."""
    done = cli(*words, "--", sys.executable, "-c", PRINT, env=env)
    assert (done.code, done.stderr) == (0, "")
    said: dict[str, str] = json.loads(done.stdout)
    return said


# -- what is recorded ------------------------------------------------------------------------------


def test_a_run_that_goes_well_is_a_completed_trace_with_two_events(cli: Cli) -> None:
    """They say what ran, where, for how long; nothing of what it printed is changed or kept."""
    done = cli("run", "Nightly", "--tag", "etl", "--meta", "n=1", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.code, done.stdout, done.stderr) == (0, "out\n", "err\n")
    kept = trace(cli)
    assert (kept["name"], kept["status"], kept["tags"]) == ("Nightly", "completed", ["etl"])
    assert kept["metadata"]["n"] == 1
    started, completed = events(cli)
    assert [started["event_type"], completed["event_type"]] == ["command_started", "command_completed"]
    assert started["message"] == "sh -c echo out; echo err >&2"
    assert set(started["data"]) == {"command", "cwd", "host", "user"}
    assert completed["data"] == {"status": "success", "exit_code": 0, **started["data"]}
    assert started["data"]["command"] == ["sh", "-c", "echo out; echo err >&2"]
    assert Path(started["data"]["cwd"]) == cli.folder.resolve()
    assert completed["level"] == "info"
    assert completed["duration_ms"] > 0


def test_a_run_that_fails_keeps_the_last_lines_of_its_standard_error(cli: Cli) -> None:
    """Twenty of them, with what is no UTF-8 made readable; the trace has failed."""
    script = r"for i in $(seq 30); do echo line $i >&2; done; printf 'bad \377 byte' >&2; exit 3"
    done = cli("run", "x", "--", "bash", "-c", script)
    assert done.code == 3
    assert done.stderr.count("\n") == 30
    last = events(cli)[-1]
    assert trace(cli)["status"] == "failed"
    assert (last["level"], last["data"]["exit_code"], last["data"]["status"]) == ("error", 3, "failure")
    lines = last["data"]["stderr"].split("\n")
    assert (len(lines), lines[0], lines[-1]) == (20, "line 12", r"bad \xff byte")


def test_the_process_of_a_run_is_told_in_words(cli: Cli) -> None:
    """`show` says it beside the metadata that was given, where `--json` has it as it is recorded."""
    cli("run", "x", "--", "true")
    pid, host = (trace(cli)["metadata"]["process"][key] for key in ("pid", "host"))
    shown = cli("show").stdout
    assert f"\nprocess  {pid} on {host}\n" in shown
    assert "metadata" not in shown
    cli("run", "x", "--meta", "team=data", "--", "true")
    assert '\nmetadata  {"team":"data"}\nprocess ' in cli("show").stdout


def test_what_a_failed_command_said_stands_below_its_events(cli: Cli) -> None:
    """`show` has the last lines of its standard error, those of a step once, with the run around it."""
    step = wrapped("step", "load", "--", "sh", "-c", "printf 'no such table\\n\\033[2Jrow 7\\n' >&2; exit 3")
    cli("run", "x", "--", *step)
    shown = cli("show").stdout
    assert shown.count("no such table") == 1
    assert shown.endswith("exit code 3\n  no such table\n  \\x1b[2Jrow 7\n")
    cli("run", "x", "--", "sh", "-c", "echo noise >&2")
    assert "standard error" not in cli("show").stdout, "of a command that went well nothing is kept"


def test_a_command_that_a_signal_kills_ends_as_in_a_shell(cli: Cli) -> None:
    """128 + n, and the signal by its name."""
    assert cli("run", "x", "--", "bash", "-c", "kill -KILL $$").code == 137
    data = events(cli)[-1]["data"]
    assert (data["exit_code"], data["signal"]) == (137, "SIGKILL")
    assert events(cli)[-1]["message"].endswith(": killed by SIGKILL")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("no-such-command",), 127, "error: no-such-command: command not found\n"),
        (("",), 127, "error: '': command not found\n"),
        (("./missing",), 127, "error: ./missing: No such file or directory\n"),
        (("./text",), 126, "error: ./text: Permission denied\n"),
        ((".",), 126, "error: .: Permission denied\n"),
    ],
)
def test_a_command_that_cannot_be_started(cli: Cli, command: tuple[str, ...], code: int, said: str) -> None:
    """127 where there is none, 126 where it cannot be executed; the trace has failed."""
    (cli.folder / "text").write_text("no program")
    done = cli("run", "x", "--", *command)
    assert (done.code, done.stderr) == (code, said)
    assert trace(cli)["status"] == "failed"
    assert events(cli)[-1]["data"]["exit_code"] == code


def test_a_script_without_a_first_line_is_run_by_the_shell(cli: Cli) -> None:
    """As `env` and every shell do."""
    script = cli.folder / "script"
    script.write_text('echo "$1"; exit 4\n')
    script.chmod(0o755)
    done = cli("run", "x", "--", "./script", "hello")
    assert (done.code, done.stdout) == (4, "hello\n")


def test_steps_build_a_tree(cli: Cli) -> None:
    """A nested step hangs below its own, an event too; each stage's end is the last of its branch."""
    inner = f"{' '.join(COMMAND)} record inner; {' '.join(COMMAND)} step deep --source core -- false"
    done = cli("run", "x", "--", *COMMAND, "step", "build", "--set", "n=1", "--", "sh", "-c", inner)
    assert done.code == 1
    found = [event for event in events(cli) if not event["event_type"].startswith("command_")]
    build, inner_event, deep, deep_end, build_end = found
    assert [event["parent_event_id"] for event in found] == [
        None,
        build["event_id"],
        build["event_id"],
        deep["event_id"],
        build["event_id"],
    ]
    assert inner_event["event_type"] == "inner"
    assert (build["data"]["stage"], build["data"]["n"], build["message"]) == ("build", 1, "build")
    assert (deep["source"], deep_end["source"]) == ("core", "core")
    assert deep_end["data"]["status"] == build_end["data"]["status"] == "failure"
    assert build_end["duration_ms"] > deep_end["duration_ms"] > 0
    assert build_end["message"] == "build: exit code 1"


def test_a_step_of_a_trace_that_is_named(cli: Cli) -> None:
    """`--trace` takes a prefix, and what is the current event of another trace is not its parent."""
    cli.ok("create", "a", "--trace-id", "trace-a")
    env = {"MPLP_TRACE_ID": "other", "MPLP_PARENT_EVENT_ID": "e"}
    got = environment_of(cli, "step", "s", "--trace", "trace", env=env)
    assert got["MPLP_TRACE_ID"] == "trace-a"
    first = events(cli, "--trace", "trace-a")[0]
    assert (first["parent_event_id"], got["MPLP_PARENT_EVENT_ID"]) == (None, first["event_id"])


# -- its environment -------------------------------------------------------------------------------


def test_the_environment_of_a_run(cli: Cli) -> None:
    """The ids, the store's real path, and a W3C context cut from the SHA-256 of an id that is no W3C id."""
    link = cli.folder / "link"
    link.symlink_to(cli.folder)
    got = environment_of(cli, "run", "x", "--trace-id", "t", "--db", "link/traces.duckdb", "--context", "c")
    assert (got["MPLP_TRACE_ID"], got["MPLP_CONTEXT_ID"]) == ("t", "c")
    assert got["MPLP_TRACE_DB"] == os.path.realpath(cli.db)
    parent = parse_traceparent(got["TRACEPARENT"])
    assert parent is not None
    assert (parent.trace_id, parent.flags) == (w3c_trace_id("t"), 1)
    assert parent.span_id == w3c_span_id(events(cli)[0]["event_id"])
    assert got["TRACESTATE"] == f"mplp={parent.span_id}"
    assert "MPLP_PARENT_EVENT_ID" not in got


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere what Python sets cannot be told apart")
@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C"}, {"LC_CTYPE": "C.UTF-8", "LANG": "C"}])
def test_a_locale_that_python_sets_is_not_handed_on(cli: Cli, given: dict[str, str]) -> None:
    """Where there is none, as under cron, or a plain one, the command has that too."""
    env = {"PATH": os.environ["PATH"], "MPLP_TRACE_DB": str(cli.db), **given}
    done = subprocess.run([*COMMAND, "run", "x", "--", "env"], capture_output=True, text=True, env=env)
    said = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {name: value for name, value in said.items() if name.startswith("L")} == given


def test_a_run_inside_another_is_a_trace_of_its_own(cli: Cli) -> None:
    """Its parent is cleared; a W3C context that is there gives the child's W3C id and a link."""
    env = {
        "MPLP_TRACE_ID": "outer",
        "MPLP_PARENT_EVENT_ID": "e",
        "TRACEPARENT": W3C,
        "TRACESTATE": "a=1,mplp=2",
    }
    got = environment_of(cli, "run", "x", env=env)
    assert got["MPLP_TRACE_ID"] not in ("outer", "")
    assert "MPLP_PARENT_EVENT_ID" not in got
    assert got["TRACEPARENT"].split("-")[1] == W3C.split("-")[1]
    assert got["TRACEPARENT"].endswith("-00")
    assert got["TRACESTATE"] == f"mplp={got['TRACEPARENT'].split('-')[2]},a=1"
    assert trace(cli)["metadata"]["link"] == {"traceparent": W3C, "tracestate": "a=1,mplp=2"}


def test_a_w3c_context_that_is_not_valid_counts_for_nothing(cli: Cli) -> None:
    """Neither it nor its state goes on, and there is no link."""
    env = {"TRACEPARENT": W3C.replace("4bf9", "4BF9"), "TRACESTATE": "a=1"}
    got = environment_of(cli, "run", "x", "--trace-id", "4bf92f3577b34da6a3ce929d0e0e4736", env=env)
    assert got["TRACEPARENT"].split("-")[1] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert "a=1" not in got["TRACESTATE"]
    assert "link" not in trace(cli)["metadata"]


def test_a_step_has_a_span_of_its_own_in_the_same_trace(cli: Cli) -> None:
    """Its span id is that of its first event."""
    got = environment_of(cli, "run", "x", "--", *COMMAND, "step", "s")
    stage = events(cli)[1]
    assert got["MPLP_PARENT_EVENT_ID"] == stage["event_id"]
    assert (
        got["TRACEPARENT"] == f"00-{w3c_trace_id(got['MPLP_TRACE_ID'])}-{w3c_span_id(stage['event_id'])}-01"
    )


@given(st.lists(st.sampled_from(["a=1", "mplp=old", "", " b=2 ", "x@y=3"]), max_size=40))
def test_a_tracestate_keeps_others_and_its_length(members: list[str]) -> None:
    """Ours is first and stands there once; of the others the first 31 stay, in order."""
    said = tracestate_with(",".join(members), "1" * 16).split(",")
    others = [member.strip() for member in members if member.strip() and not member.startswith("mplp")]
    assert said == ["mplp=" + "1" * 16, *others[:31]]
    assert is_span_id("1" * 16)


def test_the_user_s_umask_holds_for_the_command(cli: Cli) -> None:
    """What the tool keeps is private, what the command makes is not."""
    ours = [*wrapped("run", "x", "--", "sh", "-c", "umask")]
    script = f"umask 022; {' '.join(map(str, ours[:-1]))} umask"
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=cli.environment(), cwd=cli.folder)
    assert done.stdout == b"0022\n"
    assert cli.db.stat().st_mode & 0o077 == 0


# -- usage, and what cannot be recorded --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "x"),
        ("run", "x", "--"),
        ("run", "--", "true"),
        ("run", "--", "echo", "a"),
        ("run", "x", "y", "--", "true"),
        ("run", "x", "--bogus", "--", "true"),
        ("step", "--", "echo", "a"),
        ("step", "s", "t", "--", "echo"),
        ("--color", "pink", "run", "x", "--", "true"),
        ("--db", "run", "step", "x"),
    ],
    ids=" ".join,
)
def test_a_usage_that_is_wrong_is_125_and_nothing_runs(cli: Cli, arguments: tuple[str, ...]) -> None:
    """Also where failures are to be warnings: what has not run cannot have gone well."""
    done = cli(*arguments, env={"MPLP_TRACE_BEST_EFFORT": "1"})
    assert (done.code, done.stdout) == (125, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") <= 2


def test_what_stands_after_the_mark_is_the_command_s(cli: Cli) -> None:
    """Options of ours, a second mark, `--help` and words that are ours reach it untouched."""
    words = ("--help", "--db", "x", "--", "--best-effort", "record")
    done = cli("run", "x", "--", "echo", *words)
    assert (done.code, done.stdout) == (0, " ".join(words) + "\n")


@pytest.mark.parametrize("how", ["metadata", "folder", "damaged", "config", "no trace", "ended"])
def test_what_cannot_be_recorded_runs_all_the_same(cli: Cli, how: str) -> None:
    """With one line on stderr; `--require-recording` refuses before anything runs."""
    words, env = ["run", "x"], {"MPLP_TRACE_ID": "", "KEEP": "1"}
    if how == "metadata":
        words += ["--metadata", "{"]
    elif how == "folder":
        env["MPLP_TRACE_DB"] = "/dev/null/traces.duckdb"
    elif how == "damaged":
        Path(f"{cli.db}.inbox").write_bytes(b"no database" * 100)
        cli.db.write_bytes(b"")
    elif how == "config":
        words += ["--config", "missing.toml"]
    else:
        words = ["step", "s"]
    if how == "ended":
        env["MPLP_TRACE_ID"] = cli.ok("create", "x")
        cli.ok("complete", env["MPLP_TRACE_ID"])
    done = cli(*words, "--", "sh", "-c", "echo ran; exit 5", env=env)
    assert (done.code, done.stdout) == (5, "ran\n")
    assert done.stderr.startswith("warning: not recorded: ")
    assert done.stderr.count("\n") == 1
    refused = cli(*words, "--require-recording", "--", "echo", "ran", env=env)
    assert (refused.code, refused.stdout) == (125, "")
    assert refused.stderr.startswith("error: ")


def test_a_disk_that_takes_nothing_stops_no_command(cli: Cli) -> None:
    """The limit on the size of files, which is a fault for us, holds for the command as before."""
    ours = " ".join(COMMAND)
    script = f"ulimit -f 0; {ours} run x -- sh -c 'echo ran; echo x > file'; echo $?"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=cli.environment(), cwd=cli.folder
    )
    assert done.stdout == f"ran\n{128 + signal.SIGXFSZ}\n"
    assert done.stderr.startswith("warning: not recorded: ")


def test_an_end_that_cannot_be_recorded_leaves_the_command_s_code(cli: Cli) -> None:
    """One line says so."""
    removed = f"rm -f {cli.db}*; mkdir {cli.db}.inbox; echo ran; exit 5"
    done = cli("run", "x", "--", "sh", "-c", removed)
    assert (done.code, done.stdout, done.stderr.count("\n")) == (5, "ran\n", 1)
    assert done.stderr.startswith("warning: the end of the command is not recorded: ")


def test_a_command_that_ends_its_own_trace(cli: Cli) -> None:
    """Its end stays as it said; that the run's own is not recorded is said."""
    done = cli("run", "x", "--", *COMMAND, "cancel")
    assert done.code == 0
    assert "is already cancelled" in done.stderr
    assert trace(cli)["status"] == "cancelled"


def test_a_folder_that_is_gone_is_no_hindrance(cli: Cli) -> None:
    """A store with a whole path is found from anywhere; where the command ran is not said."""
    gone = cli.folder / "gone"
    gone.mkdir()
    script = f"rmdir {gone}; exec {' '.join(COMMAND)} run x -- true"
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=cli.environment(), cwd=gone)
    assert (done.returncode, done.stderr) == (0, b"")
    assert set(events(cli)[0]["data"]) == {"command", "host", "user"}


def test_a_long_command_line_does_not_keep_its_run_from_being_recorded(cli: Cli) -> None:
    """What is kept of it is bounded."""
    done = cli("run", "x", "--", "true", *["word" * 500] * 100)
    assert (done.code, done.stderr) == (0, "")
    assert len(json.dumps(events(cli)[0]["data"])) < 10_000
    assert command_line(["a\nb", "c" * 100]) == "a b " + "c" * 55 + "…"


# -- streams ---------------------------------------------------------------------------------------


def test_standard_error_passes_byte_for_byte_and_as_it_comes(cli: Cli) -> None:
    """Also a lot of it, with every byte there is, and part of a line before the command ends."""
    process = cli.start("run", "x", "--", "bash", "-c", r"printf 'half a line' >&2; read; cat bytes >&2")
    content = os.urandom(3_000_000)
    (cli.folder / "bytes").write_bytes(content)
    assert process.stderr is not None
    assert os.read(process.stderr.fileno(), 100) == b"half a line"
    assert process.communicate(b"\n", timeout=30) == (b"", content)


def test_a_background_process_keeps_a_working_standard_error(cli: Cli) -> None:
    """Nobody waits for it, it is not killed, and what it writes later still arrives."""
    script = "(read _ < fifo; echo late >&2; echo alive > sign) & echo early >&2; exit 3"
    os.mkfifo(cli.folder / "fifo")
    process = cli.start("run", "x", "--", "bash", "-c", script)
    assert process.wait(30) == 3
    assert events(cli)[-1]["data"]["stderr"] == "early"
    (cli.folder / "fifo").write_text("go\n")
    assert process.stderr is not None
    assert process.stderr.read() == b"early\nlate\n"
    until((cli.folder / "sign").exists)


def test_a_reader_of_standard_error_that_leaves_is_felt_by_the_command(cli: Cli) -> None:
    """It dies of SIGPIPE, as it would have."""
    process = cli.start("run", "x", "--", "bash", "-c", "while :; do echo y >&2; done")
    assert process.stderr is not None
    process.stderr.read(10)
    process.stderr.close()
    assert process.wait(30) == 128 + signal.SIGPIPE


def test_a_terminal_stays_one(cli: Cli) -> None:
    """All three streams of the command are terminals of our size; what it writes comes out unchanged."""
    script = (
        "import os, sys; print([os.isatty(n) for n in (0, 1, 2)], os.get_terminal_size(2), flush=True);"
        "os.write(2, b'\\x1b[31mred\\x1b[0m\\n\\xff|'); sys.exit(6)"
    )
    done = run_on_terminal(cli, wrapped("run", "x", "--", sys.executable, "-c", script), columns=77)
    assert done.code == 6
    shown = b"[True, True, True] os.terminal_size(columns=77, lines=40)\r\n\x1b[31mred\x1b[0m\r\n\xff|"
    assert sorted(done.raw) == sorted(shown)  # the two streams may overtake each other
    assert events(cli)[-1]["data"]["stderr"] == "\x1b[31mred\x1b[0m\n\\xff|"


def test_a_program_may_read_keys_from_its_standard_error(cli: Cli) -> None:
    """As `less` does, which opens that terminal by its name; ours has its own mode again afterwards."""
    script = (
        "import os, tty, termios, sys; keys = os.open(os.ttyname(2), os.O_RDONLY)\n"
        "before = termios.tcgetattr(keys); tty.setraw(keys, termios.TCSANOW); print('press', flush=True)\n"
        "got = os.read(keys, 1); termios.tcsetattr(keys, termios.TCSANOW, before); sys.exit(got[0])\n"
    )
    words = wrapped("run", "x", "--", sys.executable, "-c", script)
    with Typist(cli, words) as typist:
        before = typist.mode()
        typist.press("press", b"q")
        assert typist.code() == ord("q")
        assert typist.mode() == before


def test_a_shell_that_prompts_controls_its_jobs(cli: Cli) -> None:
    """It has the terminal itself, as bash wants it for that."""
    with Typist(cli, wrapped("run", "x", "--", "bash", "--norc", "-i")) as typist:
        typist.press("$ " if os.geteuid() else "# ", b"case $- in *m*) exit 3; esac; exit 4\n")
        assert typist.code() == 3


@pytest.mark.skipif(sys.platform != "linux", reason="a device that is always full")
def test_a_full_disk_under_standard_error_ends_no_command(cli: Cli) -> None:
    """What it writes there is lost, as without us."""
    words = [*COMMAND, "run", "x", "--", "sh", "-c", "echo a >&2; sleep 0.1; echo b >&2; echo out; exit 3"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, env=cli.environment())
    assert (done.returncode, done.stdout) == (3, b"out\n")
    assert events(cli)[-1]["data"]["stderr"] == "a\nb"


def test_a_terminal_is_no_terminal_where_we_have_none(cli: Cli) -> None:
    """With pipes, the command has pipes."""
    script = "import os; print([os.isatty(n) for n in (0, 1, 2)])"
    assert cli("run", "x", "--", sys.executable, "-c", script).stdout == "[False, False, False]\n"


@given(st.lists(st.binary(max_size=30) | st.just(b"line\n"), max_size=12))
def test_the_last_lines_do_not_depend_on_how_they_come(parts: list[bytes]) -> None:
    """In parts or at once they are the same, at most so many, and always text."""
    once, often = LastLines(3, 40), LastLines(3, 40)
    once.add(b"".join(parts))
    for part in parts:
        often.add(part)
    assert once.text == often.text
    assert once.text.count("\n") < 3
    once.text.encode()


def test_lines_that_are_cut_or_written_over() -> None:
    """A line cut short says so, and of a progress bar the last state is kept."""
    cut, bar = LastLines(2, 10), LastLines()
    cut.add(b"0123456789abcdef")
    bar.add(b"10%\r50%\r100%\r\nok\r\n")
    assert (cut.text, bar.text) == ("…6789abcdef", "100%\nok")


# -- signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1]
)
def test_a_signal_to_us_alone_reaches_the_command(cli: Cli, number: signal.Signals) -> None:
    """It decides what to do about it, and its exit code is ours."""
    script = f"trap 'echo got; exit 9' {number.name}; echo ready; while :; do sleep 0.02; done"
    assert sent(cli, script, number) == (9, b"got\n")
    assert events(cli)[-1]["data"]["exit_code"] == 9


def test_a_signal_that_kills_the_command_is_recorded(cli: Cli) -> None:
    """128 + n, by whomever it was sent; a step does the same."""
    cli.ok("create", "t", "--trace-id", "t")
    script = "echo ready; exec sleep 60"
    assert sent(cli, script, signal.SIGTERM) == (143, b"")
    assert events(cli)[-1]["data"]["signal"] == "SIGTERM"
    assert sent(cli, script, signal.SIGTERM, words=("step", "s", "--trace", "t"))[0] == 143
    assert events(cli, "--trace", "t")[-1]["message"] == "s: killed by SIGTERM"


def test_a_signal_reaches_the_command_that_made_the_store(cli: Cli) -> None:
    """What the making of a store leaves running takes no signal away."""
    script = "trap 'echo got; exit 9' USR1; echo ready; while :; do sleep 0.02; done"
    assert sent(cli, script, signal.SIGUSR1, words=("run", "x", "--db", "new.duckdb")) == (9, b"got\n")


def test_a_signal_that_was_ignored_stays_so(cli: Cli) -> None:
    """As under `nohup`."""
    script = f"trap '' HUP; exec {' '.join(COMMAND)} run x -- sh -c 'kill -HUP $$; echo alive'"
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=cli.environment(), cwd=cli.folder)
    assert (done.returncode, done.stdout) == (0, b"alive\n")


def test_ctrl_c_reaches_the_command_once(cli: Cli) -> None:
    """From the terminal itself, not from us a second time."""
    counting = (
        "import signal, time, sys, os; came = []\n"
        "signal.signal(signal.SIGINT, lambda *_: came.append(1))\n"
        "open('ready', 'w').close()\n"
        "while not came: time.sleep(0.01)\n"
        "time.sleep(0.3); print('came', len(came)); sys.exit(7)\n"
    )
    press = (
        "import os, pty, sys, time\n"
        "child, terminal = pty.fork()\n"
        "if not child: os.execvp(sys.argv[1], sys.argv[1:])\n"
        "while not os.path.exists('ready'): time.sleep(0.01)\n"
        "os.write(terminal, b'\\x03'); shown = b''\n"
        "try:\n"
        "    while part := os.read(terminal, 1024): shown += part\n"
        "except OSError: pass\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown)\n"
    )
    words = [
        sys.executable,
        "-c",
        press,
        *map(str, wrapped("run", "x", "--", sys.executable, "-c", counting)),
    ]
    done = subprocess.run(words, capture_output=True, env=cli.environment(), cwd=cli.folder, timeout=60)
    assert done.stdout == b"7 b'^Ccame 1\\r\\n'\n", done.stderr


def test_ctrl_z_stops_it_and_fg_goes_on(cli: Cli) -> None:
    """The whole job stops and continues, as a shell with job control sees it."""
    script = "\n".join(
        [
            "set -m",
            f"{' '.join(COMMAND)} run x -- sh -c 'echo $$ > ready; sleep 0.3; echo done; exit 4' &",
            "until [ -s ready ]; do sleep 0.02; done",
            "kill -TSTP %1; sleep 0.2; jobs; kill -CONT %1; wait %1; echo code $?",
        ]
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, env=cli.environment(), cwd=cli.folder)
    assert b"Stopped" in done.stdout
    assert done.stdout.endswith(b"done\ncode 4\n")


# -- killed ----------------------------------------------------------------------------------------


def test_a_run_that_is_killed_is_found(cli: Cli) -> None:
    """Its trace is there and active before the command starts, and `expire --killed` fails it."""
    process = cli.start("run", "x", "--", "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout is not None
    process.stdout.readline()
    assert trace(cli)["status"] == "active"
    assert cli.ok("expire", "--killed") == ""
    child = int(subprocess.check_output(["pgrep", "-P", str(process.pid)]))
    process.kill()
    process.wait()
    os.kill(child, signal.SIGKILL)
    assert cli.ok("expire", "--killed") != ""
    assert trace(cli)["status"] == "failed"


def test_the_process_that_asks_is_told_without_psutil() -> None:
    """As psutil tells it, within what counts as one start."""
    ours, theirs = this_process(), process_with(os.getpid())
    assert (ours.pid, ours.host) == (theirs.pid, theirs.host)
    assert abs(ours.started - theirs.started) < 1_000_000
    assert not has_ended(ours)


def test_other_descriptors_reach_the_command(cli: Cli) -> None:
    """What a script has opened for it."""
    script = f"exec 7>seven; {' '.join(COMMAND)} run x -- sh -c 'echo seven >&7'"
    subprocess.run(["bash", "-c", script], env=cli.environment(), cwd=cli.folder, check=True)
    assert (cli.folder / "seven").read_text() == "seven\n"


def test_the_command_records_into_its_trace(cli: Cli) -> None:
    """At once, whatever its store is called."""
    done = cli(
        "run",
        "x",
        "--db",
        "own.duckdb",
        "--",
        "sh",
        "-c",
        "mplp-trace record e",
        env={"PATH": path_with_command(cli)},
    )
    assert done.code == 0
    found = json.loads(cli.ok("events", "--json", "--db", "own.duckdb"))
    assert [event["event_type"] for event in found] == ["command_started", "e", "command_completed"]
