"""`hook`: shell functions that record events and steps through one background process."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.process.shell_events import frames_of, line_of
from tests.conftest import Cli
from tests.helpers_commands import events, path_with_command, until


@pytest.fixture(params=["bash", "zsh"])
def shell(request: pytest.FixtureRequest) -> str:
    """Each shell that has functions; in CI every one is there."""
    name = str(request.param)
    if not shutil.which(name) and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def traced(cli: Cli) -> Cli:
    """A store with the open trace `t`."""
    cli.ok("create", "t", "--trace-id", "t")
    return cli


def done_by(
    cli: Cli, shell: str, script: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a script that has the functions; nothing of theirs may be left when it has ended."""
    temporary = cli.folder / "tmp"
    temporary.mkdir(exist_ok=True)
    (cli.folder / "functions").write_text(cli.ok("hook", shell) + "\n")
    done = subprocess.run(
        [shell, "-c", f". ./functions\n{script}"],
        capture_output=True,
        env=cli.environment(
            {"PATH": path_with_command(cli), "TMPDIR": str(temporary), "MPLP_TRACE_ID": "t", **(env or {})}
        ),
        cwd=cli.folder,
        text=True,
        timeout=60,
    )
    assert list(temporary.iterdir()) == []
    return done


def recorded(cli: Cli) -> list[tuple[str, str | None]]:
    """Type and message of what is recorded in the trace."""
    return [(event["event_type"], event["message"]) for event in events(cli, "--trace", "t")]


def test_what_is_said_to_the_functions_is_recorded_to_the_letter(traced: Cli, shell: str) -> None:
    """Quotes, line breaks, controls, what is no UTF-8, and a value longer than a pipe takes at once."""
    script = r"""
set -euo pipefail
mplp_record first --level warn --message $'two\nlines "quoted" \\ \t' --source=me --duration-ms 1.5 \
  n=1 s='a b' e= $'k\ny=v' bad=$'\xff|\x01' --data '{"x": 1.10}'
long=$(printf '%05000d' 7)
mplp_record long "v=x$long"
"""
    done = done_by(traced, shell, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    first, long = events(traced, "--trace", "t")
    assert first["message"] == 'two\nlines "quoted" \\ \t'
    assert (first["level"], first["source"], first["duration_ms"]) == ("warn", "me", 1.5)
    assert first["data"] == {"x": 1.10, "n": 1, "s": "a b", "e": "", "k\ny": "v", "bad": "\\xff|\x01"}
    assert long["data"]["v"] == "x" + "7".zfill(5000)
    assert '"x": 1.10' in traced.ok("sql", "SELECT data FROM events", "--format", "jsonl").replace("\\", "")


def test_steps_nest_and_keep_codes(traced: Cli, shell: str) -> None:
    """Around functions and programs; in a condition a failure ends nothing."""
    script = """
set -euo pipefail
inner() { mplp_record inside; mplp_step deep true; changed=yes; }
mplp_step build inner
echo "$changed"
if mplp_step test sh -c 'mplp-trace record program >/dev/null; exit 3'; then :; else echo "code $?"; fi
"""
    done = done_by(traced, shell, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "yes\ncode 3\n", "")
    build, inside, deep, deep_end, build_end, test, program, test_end = events(traced, "--trace", "t")
    assert (
        inside["parent_event_id"]
        == deep["parent_event_id"]
        == build_end["parent_event_id"]
        == build["event_id"]
    )
    assert deep_end["parent_event_id"] == deep["event_id"]
    assert program["parent_event_id"] == test_end["parent_event_id"] == test["event_id"]
    assert (test["data"]["stage"], test["data"]["command"][0]) == ("test", "sh")
    assert (test_end["data"]["status"], test_end["data"]["exit_code"]) == ("failure", 3)
    assert (test_end["level"], test_end["message"]) == ("error", "test: exit code 3")
    assert test_end["duration_ms"] > 0
    assert re.fullmatch("[0-9a-f]{16}", test["event_id"])


@pytest.mark.parametrize("how", ["sh -c 'exit 1'", "deep", "leave"])
def test_a_step_that_ends_the_script_is_recorded(traced: Cli, shell: str, how: str) -> None:
    """Under `set -e`, by a program, in a function, or by `exit` in one; the script's exit code stays."""
    script = f"""
set -eu
deep() {{ mplp_record before; false; mplp_record never; }}
leave() {{ mplp_record before; exit 1; }}
mplp_step outer {how}
mplp_record never
"""
    done = done_by(traced, shell, script)
    assert (done.returncode, done.stderr) == (1, "")
    names = recorded(traced)
    assert (names[0], names[-1]) == (("stage_started", "outer"), ("stage_completed", "outer: exit code 1"))
    assert ("never", None) not in names


def test_subshells_and_pipelines_record(traced: Cli, shell: str) -> None:
    """Many at once, each event whole and once."""
    script = """
( mplp_record sub )
for i in 1 2 3; do echo $i; done | while read -r i; do mplp_record piped i=$i; done
got=$(mplp_record captured; echo got)
for i in 1 2 3 4 5 6 7 8; do ( for j in 1 2 3 4 5 6 7 8 9 10; do mplp_record many i=$i j=$j; done ) & done
wait
echo "$got"
"""
    done = done_by(traced, shell, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "got\n", "")
    found = events(traced, "--trace", "t")
    pairs = {(event["data"]["i"], event["data"]["j"]) for event in found if event["event_type"] == "many"}
    assert (len(pairs), len(found)) == (80, 85)


def test_a_trap_of_the_script_still_runs(traced: Cli) -> None:
    """Its own EXIT trap, with the exit code, and what it records itself."""
    script = """
trap 'echo "code $?"; mplp_record last' EXIT
mplp_record first
exit 4
"""
    done = done_by(traced, "bash", script)
    assert (done.returncode, done.stdout, done.stderr) == (4, "code 4\n", "")
    assert [name for name, _ in recorded(traced)] == ["first", "last"]


def test_a_trap_that_is_set_later_can_flush(traced: Cli, shell: str) -> None:
    """`mplp_flush` waits; what comes after it is recorded all the same."""
    script = (
        "mplp_record first; mplp_flush; mplp-trace events --trace t --json; mplp_record second; mplp_flush"
    )
    done = done_by(traced, shell, script)
    assert [event["event_type"] for event in json.loads(done.stdout)] == ["first"]
    assert [name for name, _ in recorded(traced)] == ["first", "second"]


def test_without_a_trace_a_script_goes_on(traced: Cli, shell: str) -> None:
    """One line says so; a trace that comes later is used."""
    script = """
set -eu
mplp_record a; mplp_record b; mplp_step s echo ran
export MPLP_TRACE_ID=t
mplp_record c
"""
    done = done_by(traced, shell, script, {"MPLP_TRACE_ID": ""})
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == "warning: not recorded: MPLP_TRACE_ID is not set\n"
    assert recorded(traced) == [("c", None)]


def test_what_cannot_be_recorded_is_said_and_stops_nothing(traced: Cli, shell: str) -> None:
    """A wrong option, a wrong level, a store that cannot be."""
    script = """
set -eu
mplp_record a --levle x; mplp_record b --level loud; mplp_record c x; mplp_record ok; echo ran
"""
    done = done_by(traced, shell, script)
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert sorted(done.stderr.splitlines()) == [
        "warning: 1 event rejected (mplp-trace rejects list)",
        "warning: not recorded: mplp_record c: 'x' is not KEY=VALUE",
        "warning: not recorded: mplp_record has no option --levle",
    ]
    nowhere = done_by(traced, shell, "mplp_record a; mplp_step s echo ran", {"MPLP_TRACE_DB": "/dev/null/t"})
    assert (nowhere.returncode, nowhere.stdout, nowhere.stderr.count("\n")) == (0, "ran\n", 1)


def test_a_shell_that_is_killed_leaves_nothing(traced: Cli) -> None:
    """What it said is recorded, and the background process and its folder go."""
    script = "mplp_record a; mplp_record b; kill -KILL $$"
    temporary = traced.folder / "tmp"
    temporary.mkdir()
    (traced.folder / "functions").write_text(traced.ok("hook", "bash") + "\n")
    env = {"PATH": path_with_command(traced), "TMPDIR": str(temporary), "MPLP_TRACE_ID": "t"}
    words = ["bash", "-c", f". ./functions\n{script}"]
    done = subprocess.run(words, env=traced.environment(env), cwd=traced.folder, timeout=60)
    assert done.returncode == -signal.SIGKILL
    until(lambda: not list(temporary.iterdir()))
    assert [name for name, _ in recorded(traced)] == ["a", "b"]


def test_a_background_process_of_the_script_is_not_waited_for(traced: Cli, shell: str) -> None:
    """It holds nothing that the end waits for, and `wait` waits for its own alone."""
    began = time.monotonic()
    done = done_by(traced, shell, "mplp_record a; sleep 0.1 & wait; sleep 40 >/dev/null 2>&1 & echo $!")
    assert time.monotonic() - began < 30
    os.kill(int(done.stdout), signal.SIGKILL)
    assert recorded(traced) == [("a", None)]


def test_an_event_starts_no_process(traced: Cli) -> None:
    """Fifty of them are made by the shell that says them."""
    script = """
mplp_record a; before=$(echo $BASHPID)
for i in {1..50}; do mplp_record a; done
echo $(($(echo $BASHPID) - before))
"""
    done = done_by(traced, "bash", script)
    assert int(done.stdout) < 40
    assert len(recorded(traced)) == 51


def test_a_shell_that_has_no_functions_is_refused(cli: Cli) -> None:
    """Saying which there are."""
    done = cli("hook", "fish")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: hook: 'fish' is not one of bash, zsh")


def test_a_store_that_is_named_is_named_in_the_functions(cli: Cli) -> None:
    """`--db` holds for the background process too."""
    assert "mplp-trace --db 'my store' record -" in cli.ok("--db", "my store", "hook", "bash")


# -- frames ----------------------------------------------------------------------------------------


@given(
    st.lists(
        st.lists(st.binary(max_size=5).map(lambda field: field.replace(b"\0", b"")), min_size=1, max_size=4)
    ),
    st.integers(0, 60),
)
def test_frames_do_not_depend_on_how_they_come(frames: list[list[bytes]], cut: int) -> None:
    """What is cut is whole with what comes after it."""
    sent = b"".join(b"\0".join([str(len(frame)).encode(), *frame, b""]) for frame in frames)
    first, rest = frames_of(sent[:cut])
    second, nothing = frames_of(rest + sent[cut:])
    assert ([*first, *second], nothing) == (frames, b"")


@given(st.text(), st.text(min_size=1).filter(lambda key: "=" not in key and not key.startswith("--")))
def test_any_text_is_recorded(value: str, key: str) -> None:
    """As one JSON line."""
    line = line_of(["event", "t", "1700000000.123456", "", "e", "--message", value, f"{key}={value}x"])
    said = json.loads(line)
    assert line.count(b"\n") == 1
    assert (said["message"], said["timestamp"]) == (value, "2023-11-14T22:13:20.123456Z")
    assert list(said["data"]) == [key]


def test_a_shell_without_a_clock_or_with_a_comma() -> None:
    """An old bash tells no time; another writes it as its language has it."""
    assert "timestamp" not in json.loads(line_of(["event", "t", "", "", "e"]))
    assert json.loads(line_of(["event", "t", "1,5", "", "e"]))["timestamp"] == "1970-01-01T00:00:01.500000Z"
    completed = json.loads(line_of(["completed", "t", "", "", "id", "0", "s"]))
    assert (completed.get("duration_ms"), completed["data"]["status"]) == (None, "success")
    with pytest.raises(InvalidInput, match="--message needs a value"):
        line_of(["event", "t", "", "", "e", "--message"])
    with pytest.raises(InvalidInput, match="not a number"):
        line_of(["event", "t", "", "", "e", "--duration-ms", "long"])


def test_the_functions_are_packed_with_the_program() -> None:
    """Beside the code that prints them."""
    import mplp_trace_cli.process.hook_text as home

    assert sorted(path.name for path in (Path(home.__file__).parent / "hooks").iterdir()) == [
        "bash.sh",
        "common.sh",
        "last.sh",
        "zsh.sh",
    ]
