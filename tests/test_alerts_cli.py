"""`alerts` in the shell: checking and telling, remembering, exit codes, many checkers at once, watching."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import COMMAND, ROOT, SAMPLE_DATA, Cli
from tests.helpers_alerts import DEEP, configure, set_depth, states, told, web_hook, writer
from tests.helpers_storage import held_for_writing
from tests.terminal import dangers, on_terminal, unfolded

SAMPLE = SAMPLE_DATA / "alerts.toml"
GROUPED = DEEP.replace('name = "deep"', 'name = "deep"\ngroup_by = "labels.queue"')


@pytest.fixture
def notes(cli: Cli) -> Path:
    """Where the notices of the rule `deep` arrive; the store has a depth that is fine."""
    written = cli.folder / "notices"
    configure(cli, DEEP, writer(written))
    set_depth(cli, 1)
    return written


def alerts(cli: Cli, *words: str, **given: Any) -> Any:
    """A command of `alerts` with the config of the test."""
    return cli("--config", cli.folder / "alerts.toml", "alerts", *words, **given)


def named(cli: Cli) -> str:
    """How a hint begins that works with this config as it stands."""
    return f"mplp-trace --config {cli.folder / 'alerts.toml'}"


def rows(cli: Cli, *words: str) -> list[dict[str, Any]]:
    """What such a command answers as JSON, however it ends."""
    found: list[dict[str, Any]] = json.loads(alerts(cli, *words, "--json").stdout)
    return found


def test_an_alert_fires_stays_and_resolves(cli: Cli, notes: Path) -> None:
    """Exit code 1 as long as it fires; each of both is told once."""
    calm = alerts(cli, "check")
    assert (calm.code, calm.stdout, calm.stderr) == (0, "", "1 rule checked: nothing firing\n")
    set_depth(cli, 12)
    fired = alerts(cli, "check")
    assert (fired.code, fired.stderr) == (1, "1 rule checked: 1 firing\nsent 1 notice\n")
    assert fired.stdout.splitlines()[2].split()[:3] == ["deep", "warning", "firing"]
    assert "last(depth) 12" in fired.stdout
    again = alerts(cli, "check")
    assert (again.code, again.stderr) == (1, "1 rule checked: 1 firing\n")
    set_depth(cli, 2)
    over = alerts(cli, "check")
    assert (over.code, over.stderr) == (0, "1 rule checked: nothing firing\nsent 1 notice\n")
    assert "resolved" in over.stdout
    assert alerts(cli, "check").stdout == "", "what has resolved is said once"
    assert states(notes) == ["firing", "resolved"]
    assert [row["change"] for row in rows(cli, "history")] == ["sent", "resolved", "sent", "firing"]


def test_pending_is_not_told(cli: Cli) -> None:
    """Before `for` is over; then it is."""
    written = cli.folder / "notices"
    configure(cli, DEEP.replace("window =", 'for = "1s"\nwindow ='), writer(written))
    set_depth(cli, 12)
    first = alerts(cli, "check")
    assert (first.code, first.stderr) == (0, "1 rule checked: 1 pending\n")
    time.sleep(1.1)
    assert alerts(cli, "check").code == 1
    assert states(written) == ["firing"]


def test_a_program_gets_every_row(cli: Cli, notes: Path) -> None:
    """Inactive ones too, with what is remembered of each."""
    (row,) = rows(cli, "check")
    assert (row["rule"], row["group"], row["state"], row["severity"]) == ("deep", {}, "inactive", "warning")
    assert (row["values"], row["since"], row["lasted_ms"]) == ({"last(depth)": 1}, None, None)
    set_depth(cli, 12)
    rows(cli, "check")
    (row,) = rows(cli, "check")
    assert row["state"] == "firing"
    assert row["since"] == row["fired_at"] < row["evaluated_at"]
    assert row["lasted_ms"] > 0


def test_acknowledging(cli: Cli, notes: Path) -> None:
    """It is said in the list and in the history; the alert goes on firing, and its end is told."""
    nothing = alerts(cli, "ack", "deep")
    assert (nothing.code, nothing.stderr) == (
        1,
        f"error: no such alert is firing: deep\nhint: {named(cli)} alerts list\n",
    )
    set_depth(cli, 12)
    alerts(cli, "check")
    done = alerts(cli, "ack", "deep", "--message", "we are on it", env={"LOGNAME": "ann"})
    assert (done.code, done.stdout, done.stderr) == (0, "", "acknowledged deep\n")
    (row,) = rows(cli, "list")
    assert (row["acknowledged_by"], row["note"]) == ("ann", "we are on it")
    assert "ann: we are on it" in alerts(cli, "list").stdout
    assert alerts(cli, "check").code == 1
    set_depth(cli, 1)
    alerts(cli, "check")
    assert states(notes) == ["firing", "resolved"]
    assert "acknowledged" in [row["change"] for row in rows(cli, "history")]


def test_groups_are_alerts_of_their_own(cli: Cli) -> None:
    """One is acknowledged without the other."""
    configure(cli, GROUPED, writer(cli.folder / "notices"))
    set_depth(cli, 12, queue="mail")
    set_depth(cli, 13, queue="[red]x[/red] \x1b[31m")
    assert alerts(cli, "check").code == 1
    assert len(told(cli.folder / "notices")) == 2
    done = alerts(cli, "ack", "deep", "--group", "labels.queue=mail")
    assert done.stderr == "acknowledged deep labels.queue=mail\n"
    acknowledged = {
        row["group"]["labels.queue"]: row["acknowledged_at"] is not None for row in rows(cli, "list")
    }
    assert acknowledged == {"mail": True, "[red]x[/red] \x1b[31m": False}
    assert alerts(cli, "ack", "deep", "--group", "labels.queue=other").code == 1
    for words in (("check",), ("list",), ("history",)):
        shown = on_terminal(cli, "--config", cli.folder / "alerts.toml", "alerts", *words)
        assert not dangers(shown.stdout.replace("\r\n", "\n"))
        assert "[red]x[/red]" in unfolded(shown.stdout)


def test_a_group_without_a_value_is_acknowledged_by_itself(cli: Cli) -> None:
    """`null` is no value; a text that looks like it stands in quotes, and a number is a text."""
    configure(cli, GROUPED, writer(cli.folder / "notices"))
    set_depth(cli, 12)
    for queue in ("null", "5"):
        set_depth(cli, 13, queue=queue)
    assert "labels.queue=(none)" in alerts(cli, "check").stdout
    for said, shown in (("null", "(none)"), ('"null"', "null"), ("5", "5")):
        done = alerts(cli, "ack", "deep", "--group", f"labels.queue={said}")
        assert (done.code, done.stderr) == (0, f"acknowledged deep labels.queue={shown}\n")
    lost = alerts(cli, "ack", "deep", "--group", "labels.queue=x")
    assert (lost.code, lost.stderr.splitlines()[0]) == (
        1,
        "error: no such alert is firing: deep labels.queue=x",
    )


def test_a_rule_that_there_is_not_is_said(cli: Cli, notes: Path) -> None:
    """With the one that is meant, or those there are."""
    for words in (("ack", "dep"), ("check", "--rule", "dep"), ("test", "dep")):
        done = alerts(cli, *words)
        assert (done.code, done.stderr) == (
            2,
            "error: there is no alert rule 'dep' (did you mean deep?)\nhint: there are deep\n",
        )
    done = alerts(cli, "history", "--rule", "nope")
    assert (done.code, done.stderr) == (
        0,
        "no change matches\nthere is no alert rule 'nope'; there are deep\n",
    )
    assert alerts(cli, "history", "--rule", "deep").stderr == "no change matches\n"


def test_a_rule_by_name(cli: Cli, notes: Path) -> None:
    """Only it is evaluated; an unknown one is a usage error."""
    configure(cli, DEEP, DEEP.replace('"deep"', '"other"'), writer(notes))
    set_depth(cli, 12)
    assert [row["rule"] for row in rows(cli, "check", "--rule", "other")] == ["other"]
    assert [notice["rule"] for notice in told(notes)] == ["other"]
    wrong = alerts(cli, "check", "--rule", "shallow")
    assert (wrong.code, wrong.stderr) == (
        2,
        "error: there is no alert rule 'shallow'\nhint: there are deep, other\n",
    )


def test_a_rule_that_is_removed_is_closed(cli: Cli, notes: Path) -> None:
    """Where there are others; nothing is sent, and it is said."""
    set_depth(cli, 12)
    alerts(cli, "check")
    configure(cli, DEEP.replace('"deep"', '"other"').replace("> 10", "> 100"), writer(notes))
    done = alerts(cli, "check")
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == (
        "closed 1 alert whose rule is no more, or groups by something else\n1 rule checked: nothing firing\n"
    )
    assert states(notes) == ["firing"]
    assert [row["change"] for row in rows(cli, "history")] == ["closed", "sent", "firing"]


def test_a_check_without_rules_is_never_silent(cli: Cli) -> None:
    """It watches nothing: `--quiet` leaves the warning, which says where a config is looked for."""
    cli.ok("create", "x")
    for words in (("check",), ("list",), ("watch", "--count", "1")):
        done = cli("alerts", *words, "--quiet")
        assert (done.code, done.stderr) == (
            0,
            "warning: no alert rules are configured: there is no config file "
            f"(.mplp-trace.toml, {cli.folder}/.config/mplp-trace/config.toml, or --config)\n",
        )


def test_a_config_without_rules_closes_nothing(cli: Cli, notes: Path) -> None:
    """It may be the wrong one: the alert goes on where it was, and is not told again."""
    set_depth(cli, 12)
    alerts(cli, "check")
    (cli.folder / "none.toml").write_text("")
    done = cli("--config", cli.folder / "none.toml", "alerts", "check")
    assert (done.code, done.stdout) == (0, "")
    assert done.stderr == f"warning: no alert rules are configured in {cli.folder / 'none.toml'}\n"
    assert alerts(cli, "check").code == 1
    assert states(notes) == ["firing"]
    assert [row["change"] for row in rows(cli, "history")] == ["sent", "firing"]


# -- telling ---------------------------------------------------------------------------------------


def test_a_delivery_that_fails_is_a_warning(cli: Cli) -> None:
    """The exit code says what fires; the list says what could not be sent; a later check tries again."""
    with web_hook() as hook:
        configure(cli, DEEP, hook.action, '[alerts.actions.lost]\ntype = "command"\nargv = ["/nowhere"]')
        set_depth(cli, 12)
        hook.status = 503
        failed = alerts(cli, "check")
        assert failed.code == 1
        assert f"warning: deep is firing: note failed: {hook.place} answered 503" in failed.stderr
        assert "(it is tried again)" in failed.stderr
        listed = alerts(cli, "list")
        assert f"warning: deep: note failed: {hook.place} answered 503" in listed.stderr
        assert "(in 1 check so far)" in listed.stderr
        (row,) = rows(cli, "list")
        assert [(one["action"], one["given_up"]) for one in row["undelivered"]] == [("note", False)]
        hook.status = 200
        hook.received.clear()
        alerts(cli, "check")
        assert hook.received == [], "not before its time"


def test_a_delivery_that_never_will_is_given_up(cli: Cli) -> None:
    """And shown, until something was sent that way."""
    configure(cli, DEEP, '[alerts.actions.note]\ntype = "command"\nargv = ["/nowhere/at-all"]')
    set_depth(cli, 12)
    failed = alerts(cli, "check")
    assert failed.code == 1
    assert "(given up)" in failed.stderr
    assert "given up after 1 check" in alerts(cli, "list").stderr
    assert [row["change"] for row in rows(cli, "history")] == ["given_up", "firing"]


def test_trying_a_rule(cli: Cli, notes: Path) -> None:
    """A sample goes out by each action, marked as a test; nothing is remembered of it."""
    done = alerts(cli, "test", "deep")
    assert (done.code, done.stderr) == (0, "")
    (notice,) = told(notes)
    assert (notice["test"], notice["rule"], notice["values"]) == (True, "deep", {"last(depth)": 1})
    configure(cli, DEEP, '[alerts.actions.note]\ntype = "command"\nargv = ["/nowhere/at-all"]')
    failed = alerts(cli, "test", "deep", "--json")
    assert failed.code == 2
    (row,) = json.loads(failed.stdout)
    assert (row["action"], row["sent"]) == ("note", False)
    assert "/nowhere/at-all" in row["error"]
    configure(cli, DEEP.replace('actions = ["note"]\n', ""))
    assert alerts(cli, "test", "deep").code == 2
    assert rows(cli, "history") == []


def test_a_command_of_a_project_file_is_not_run(cli: Cli, notes: Path) -> None:
    """The alert fires, and it is said that nobody is told."""
    set_depth(cli, 12)
    (cli.folder / ".mplp-trace.toml").write_text((cli.folder / "alerts.toml").read_text())
    done = cli("alerts", "check")
    assert done.code == 1
    assert done.stderr.startswith("warning: alerts.actions.note is left out: it runs a command")
    assert told(notes) == []
    tried = cli("alerts", "test", "deep")
    assert tried.code == 2
    assert "hint: alerts.actions.note is left out: it runs a command" in tried.stderr
    assert told(notes) == []


def test_what_changed_is_said_before_it_is_sent(cli: Cli) -> None:
    """A check that is stopped while it tells people has answered."""
    argv = ["sleep", "600"]
    blocked = f'[alerts.actions.note]\ntype = "command"\nargv = {json.dumps(argv)}\ntimeout = "20s"\n'
    for words in (("watch", "--format", "jsonl"), ("check", "--format", "jsonl")):
        configure(cli, DEEP.replace('"deep"', f'"{words[0]}"'), blocked)
        set_depth(cli, 12)
        began = time.monotonic()
        checker = cli.start("--config", cli.folder / "alerts.toml", "alerts", *words)
        assert checker.stdout is not None
        assert json.loads(checker.stdout.readline())["rule"] == words[0]
        assert time.monotonic() - began < 15
        checker.send_signal(signal.SIGTERM)
        checker.communicate(timeout=60)


# -- at once, and killed ---------------------------------------------------------------------------


def test_eight_checkers_at_once_tell_once(cli: Cli) -> None:
    """Each firing and each resolving arrives exactly once, however many look."""
    with web_hook() as hook:
        configure(cli, DEEP, hook.action)
        for value in (12, 1):
            set_depth(cli, value)
            checkers = [
                cli.start("--config", cli.folder / "alerts.toml", "alerts", "check") for _ in range(8)
            ]
            ended = [checker.communicate(timeout=100)[1].decode() for checker in checkers]
            assert {checker.returncode for checker in checkers} <= {0, 1}, ended
    assert hook.states == ["firing", "resolved"]


def test_a_checker_that_is_killed_while_it_sends_is_followed(cli: Cli) -> None:
    """Between the state and the sending: a check after the lease sends again, one before does not."""
    started = cli.folder / "started"
    argv = ["sh", "-c", f"echo $$ >> {started}; exec sleep 600"]
    blocked = f'[alerts.actions.note]\ntype = "command"\nargv = {json.dumps(argv)}\ntimeout = "60s"\n'
    configure(cli, DEEP, blocked)
    set_depth(cli, 12)
    checker = cli.start("--config", cli.folder / "alerts.toml", "alerts", "check")
    await_that(lambda: started.exists() and started.read_text().endswith("\n"))
    checker.kill()
    checker.communicate()
    for pid in started.read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    written = cli.folder / "notices"
    configure(cli, DEEP, writer(written))
    assert alerts(cli, "check").code == 1
    assert told(written) == [], "it may still be under way"
    done = subprocess.run(
        [sys.executable, "-c", _LATER, cli.db, cli.folder / "alerts.toml"], cwd=ROOT, env=cli.environment()
    )
    assert done.returncode == 0
    assert states(written) == ["firing"]


_LATER = """
import sys
from mplp_trace_cli.config import load_options
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.module import wall_clock
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.paths import StorePaths

clock = lambda: wall_clock() + 200_000_000
wiring = Wiring(StorePaths.at(sys.argv[1]), load_options(sys.argv[2]), clock, new_id, True)
service = TraceManagementService(wiring)
assert [one.error for one in service.check_alerts().unwrap().deliveries] == [None]
service.close()
"""


def await_that(is_so: Callable[[], bool]) -> None:
    """Waits until something is so."""
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


# -- replaying -------------------------------------------------------------------------------------


def replay(sample: Cli, at: str, *words: str) -> dict[str, str]:
    """The states of the sample's rules that do not group, as of a time on the day of the incident."""
    done = sample("--config", SAMPLE, "alerts", "check", "--at", f"2026-03-04T{at}Z", "--json", *words)
    assert done.code in (0, 1), done.stderr
    found = {row["rule"]: row["state"] for row in json.loads(done.stdout) if not row["group"]}
    assert done.code == ('"state":"firing"' in done.stdout)
    return found


def test_the_past_is_replayed(sample_store: Cli) -> None:
    """In the incident rules fire that did not at noon; nothing is remembered and nobody told."""
    assert replay(sample_store, "12:00:00")["high-error-rate"] == "inactive"
    assert replay(sample_store, "15:00:00")["high-error-rate"] == "firing"
    calm = ("alerts", "check", "--at", "2026-03-04T12:00:00Z", "--rule", "high-error-rate")
    assert sample_store("--config", SAMPLE, *calm).code == 0
    assert not Path(f"{sample_store.db}.alerts").exists()
    assert sample_store("--config", SAMPLE, "alerts", "list").code == 0


def test_for_is_replayed_too(cli: Cli) -> None:
    """A condition has to hold all through it: at first it is pending."""
    configure(cli, DEEP.replace("window =", 'for = "10m"\nwindow ='), writer(cli.folder / "notices"))
    cli.ok("metrics", "set", "depth", "12", "--timestamp", "2026-03-04T12:00:00Z")
    for at, state, lasted in (
        ("11:59:00", "inactive", None),
        ("12:05:00", "pending", 4),
        ("12:11:00", "firing", 10),
    ):
        (row,) = rows(cli, "check", "--at", f"2026-03-04T{at}Z")
        assert row["state"] == state
        if lasted is not None:
            assert lasted * 60_000 <= row["lasted_ms"] <= 10 * 60_000


# -- what goes wrong -------------------------------------------------------------------------------


def test_no_store_and_no_rules(cli: Cli) -> None:
    """The store comes first, and no book is made beside none."""
    for words in (("check",), ("check", "--at", "2026-03-04T15:00:00Z"), ("watch", "--count", "1")):
        done = cli("alerts", *words)
        assert (done.code, done.stdout) == (2, ""), words
        assert done.stderr == f"error: there is no store at {cli.db}\nhint: mplp-trace create NAME\n"
    assert list(cli.folder.iterdir()) == []


def test_no_store(cli: Cli) -> None:
    """Is said as anywhere, and none is made."""
    configure(cli, DEEP, writer(cli.folder / "notices"))
    for words in (("check",), ("list",), ("history",), ("ack", "deep"), ("watch", "--count", "1")):
        done = alerts(cli, *words)
        assert (done.code, done.stdout) == (2, ""), words
        assert done.stderr == (f"error: there is no store at {cli.db}\nhint: {named(cli)} create NAME\n")
    assert [path.name for path in cli.folder.iterdir()] == ["alerts.toml"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (DEEP, "alerts.rules[1].actions"),
        (DEEP.replace("window", "windw"), "alerts.rules[1]: there is no such key"),
        (
            DEEP + '[alerts.actions.note]\ntype = "webhook"\nurl = "ftp://x"\n',
            "alerts.actions.note.url: must be",
        ),
        ("alerts = 3\n", "alerts: must be a table"),
    ],
)
def test_a_broken_config(cli: Cli, config: str, said: str) -> None:
    """Is an error that names the place, before anything is evaluated."""
    configure(cli, config)
    set_depth_without_config = cli("metrics", "set", "depth", "12")
    assert set_depth_without_config.code == 0
    for words in (("check",), ("list",), ("test", "deep")):
        done = alerts(cli, *words)
        assert (done.code, done.stdout) == (2, "")
        assert said in done.stderr
        assert done.stderr.startswith("error: ")
    assert not Path(f"{cli.db}.alerts").exists()


def test_a_damaged_or_newer_book(cli: Cli, notes: Path) -> None:
    """Exit code 2, and what it is."""
    Path(f"{cli.db}.alerts").write_bytes(b"nonsense" * 1_000)
    done = alerts(cli, "check")
    assert done.code == 2
    assert done.stderr == (
        f"error: the alert book {cli.db}.alerts is not an alert book\n"
        "hint: move it away, with its -wal and -shm: without them all alerts begin anew\n"
    )


# -- watching --------------------------------------------------------------------------------------


def test_watching_tells_changes(cli: Cli, notes: Path) -> None:
    """A line each, as it comes; Ctrl-C ends it."""
    words = (
        "--config",
        cli.folder / "alerts.toml",
        "alerts",
        "watch",
        "--interval",
        "200ms",
        "--format",
        "jsonl",
    )
    watcher = cli.start(*words)
    assert watcher.stdout is not None
    assert watcher.stderr is not None
    assert watcher.stderr.readline() == b"watching 1 rule every 200ms until Ctrl-C: 0 firing\n"
    for value, state in ((12, "firing"), (1, "resolved")):
        set_depth(cli, value)
        assert json.loads(watcher.stdout.readline())["change"] == state
        assert watcher.stderr.readline() == b"sent 1 notice\n"
    assert states(notes) == ["firing", "resolved"]
    watcher.send_signal(signal.SIGINT)
    out, err = watcher.communicate(timeout=60)
    assert (watcher.returncode, out, err) == (130, b"", b"")


def test_watching_for_a_while(cli: Cli, notes: Path) -> None:
    """`--count` ends it; people get a line they can read."""
    set_depth(cli, 12)
    done = alerts(cli, "watch", "--interval", "10ms", "--count", "3")
    assert done.code == 0
    (line,) = done.stdout.splitlines()
    assert line.split()[2:5] == ["firing", "warning", "deep"]
    assert done.stderr == "watching 1 rule every 10ms, 3 times: 1 firing\nsent 1 notice\n"
    assert alerts(cli, "watch", "--format", "csv").code == 2
    assert alerts(cli, "watch", "--interval", "0").code == 2


def test_how_watching_begins(cli: Cli, notes: Path) -> None:
    """The pace as somebody would say it, and lines of JSON where the environment asks for them."""
    set_depth(cli, 12)
    for given, said in (("30s", "30s"), ("2m", "2m"), ("2500ms", "2.50s")):
        done = alerts(cli, "watch", "--interval", given, "--count", "1", env={"MPLP_TRACE_FORMAT": "jsonl"})
        assert done.stderr.splitlines()[0] == f"watching 1 rule every {said}, 1 time: 1 firing"
        if given == "30s":
            assert json.loads(done.stdout)["change"] == "firing"


def test_every_fault_of_the_config_at_once(cli: Cli, notes: Path) -> None:
    """Of rules and of actions; what is not printable is escaped once."""
    mail = '[alerts.actions.mail]\ntype = "email"\nto = "a\\u001b"\nfrom = "a@b.example"\nhost = "h"\n'
    configure(cli, DEEP.replace("window", "windw"), writer(notes), mail)
    said = alerts(cli, "check").stderr
    assert "alerts.rules[1]: there is no such key" in said
    assert r"alerts.actions.mail.to: 'a\x1b' is not an address" in said


def test_watching_survives_a_busy_store(cli: Cli, notes: Path) -> None:
    """It says so once, and goes on when the store is free."""
    set_depth(cli, 12)
    cli.ok("flush")
    with held_for_writing(cli.db):
        words = ("--config", cli.folder / "alerts.toml", "alerts", "watch", "--interval", "10ms")
        watcher = subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=cli.environment(),
            cwd=cli.folder,
        )
        assert watcher.stderr is not None
        lines = [watcher.stderr.readline().decode()]
        while not lines[-1].startswith("warning: "):
            lines.append(watcher.stderr.readline().decode())
        assert lines[-1].endswith("; checks go on\n")
    assert watcher.stdout is not None
    assert b" firing " in watcher.stdout.readline()
    watcher.send_signal(signal.SIGTERM)
    _, rest = watcher.communicate(timeout=60)
    assert watcher.returncode == 143
    assert b"warning" not in rest
