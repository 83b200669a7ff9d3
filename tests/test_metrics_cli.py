"""`metrics` in the shell: recording together, telling, measuring until it is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cli
from tests.helpers_processes import at_once
from tests.helpers_storage import entries, held_for_writing, service_at
from tests.terminal import dangers, on_terminal


def shown(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    """The rows of `metrics show`."""
    rows: list[dict[str, Any]] = json.loads(cli.ok("metrics", "show", "--json", *arguments))
    return rows


def test_set_inc_and_observe(cli: Cli) -> None:
    """They print nothing; each set of labels is a series, whatever the order it is said in."""
    for words in (
        (
            "set",
            "depth",
            "-17.5",
            "--unit",
            "jobs",
            "--help-text",
            "Waiting",
            "--label",
            "a=1",
            "--label",
            "b=x=y",
        ),
        ("set", "depth", "3", "--label", "b=x=y", "--label", "a=1"),
        ("inc", "pages"),
        ("inc", "pages", "4"),
        ("observe", "latency", "1e3", "--unit", "ms", "--buckets", "5,10,50"),
    ):
        done = cli("metrics", *words)
        assert (done.code, done.stdout, done.stderr) == (0, "", "")
    rows = {row["name"]: row for row in shown(cli, "--type", "custom")}
    assert list(rows) == ["depth", "latency", "pages"]
    assert rows["depth"]["labels"] == {"a": "1", "b": "x=y"}
    assert (rows["depth"]["value"], rows["depth"]["unit"], rows["depth"]["help"]) == (3, "jobs", "Waiting")
    assert (rows["depth"]["min"], rows["depth"]["count"]) == (-17.5, 2)
    assert (rows["pages"]["type"], rows["pages"]["sum"]) == ("counter", 5)
    assert (rows["latency"]["type"], rows["latency"]["p95"]) == ("histogram", 1000)


def test_a_time_can_be_given(cli: Cli) -> None:
    """`--timestamp` takes what `record` takes."""
    cli.ok("metrics", "set", "m", "1", "--timestamp", "2026-03-02T09:00:00Z")
    (row,) = shown(cli, "--since", "2026-03-02", "--until", "2026-03-02", "--name", "m")
    assert row["timestamp"] == "2026-03-02T09:00:00.000000Z"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "m", "many"), "value: 'many' is not a number"),
        (("set", "m", "nan"), "value: must be a finite number"),
        (("set", "", "1"), "name: required"),
        (("set", "m"), "VALUE is missing"),
        (("set", "m", "1", "--wrong"), "too many arguments: --wrong"),
        (("inc", "m", "-1"), "value: a counter only goes up: must not be negative"),
        (("observe", "m", "1", "--buckets", "5,x"), "--buckets: '5,x' is not a list of numbers"),
        (("observe", "m", "1", "--buckets", "5,1"), "--buckets: must be ascending numbers"),
        (("set", "m", "1", "--label", "k"), "--label: 'k' is not KEY=VALUE"),
        (("set", "m", "1", "--label", "k=1", "--label", "k=2"), "--label: 'k' is given twice"),
        (("set", "m", "1", "--timestamp", "soon"), "--timestamp: 'soon' is not a time"),
        (("collect", "--interval", "0"), "--interval: must be greater than 0"),
        (("collect", "--interval", "x"), "--interval: 'x' is not a duration"),
        (("export", "--format", "promtheus"), "--format: 'promtheus' is not one of"),
    ],
)
def test_what_is_wrong_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    """And exit code 2; with `--best-effort` a recording command warns and succeeds."""
    done = cli("metrics", *words)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {said}")
    if words[0] in ("set", "inc", "observe"):
        eased = cli("metrics", *words, env={"MPLP_TRACE_BEST_EFFORT": "1"})
        assert eased.code == 0
        assert eased.stderr.startswith(f"warning: {said}")


def test_best_effort_is_an_option_too(cli: Cli) -> None:
    """Of the commands that record, not of those that ask."""
    assert cli("metrics", "inc", "m", "x", "--best-effort").code == 0
    assert cli("metrics", "show", "--since", "x", env={"MPLP_TRACE_BEST_EFFORT": "1"}).code == 2


def count_up(db: str, times: int) -> None:
    """What one process of many does."""
    with service_at(Path(db)) as service:
        for _ in range(times):
            service.record_metric(name="jobs", value=1, type="counter").unwrap()


def test_eight_processes_count_together(cli: Cli) -> None:
    """No increment is lost, while another program holds the store."""
    cli.ok("create", "first")
    with held_for_writing(cli.db):
        at_once(count_up, [(str(cli.db), 50)] * 8)
    (row,) = shown(cli, "--name", "jobs")
    assert (row["sum"], row["count"]) == (400, 400)


def test_eight_commands_count_together(cli: Cli) -> None:
    """Real commands at once, on a path where nothing is yet."""
    processes = [cli.start("metrics", "inc", "jobs", "2") for _ in range(8)]
    ended = [process.communicate(timeout=60) for process in processes]
    assert ended == [(b"", b"")] * 8
    assert {process.returncode for process in processes} == {0}
    (row,) = shown(cli, "--name", "jobs")
    assert row["sum"] == 16


_ACKNOWLEDGING = """
import sys
from tests.helpers_storage import service_at
from pathlib import Path
with service_at(Path(sys.argv[1])) as service:
    for number in range(100_000):
        service.record_metric(name="jobs", value=1, type="counter").unwrap()
        print(number + 1, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(cli: Cli) -> None:
    """`kill -9` at some moment: every sample that was acknowledged is there, and at most one more."""
    words = [sys.executable, "-c", _ACKNOWLEDGING, str(cli.db)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as counter:
        assert counter.stdout is not None
        seen = [counter.stdout.readline() for _ in range(50)]
        counter.kill()
        seen += counter.stdout.readlines()
    acknowledged = int([line for line in seen if line.endswith(b"\n")][-1])
    (row,) = shown(cli, "--name", "jobs")
    assert acknowledged <= row["sum"] <= acknowledged + 1


# -- show ------------------------------------------------------------------------------------------


def test_nothing_is_said_to_be_nothing(cli: Cli) -> None:
    """A store without samples, a name that none has, a range in which nothing was."""
    cli.ok("create", "first", "--started-at", "2026-03-02T09:00:00Z")
    cli.ok("complete", "@last", "--at", "2026-03-02T10:00:00Z")
    assert cli("metrics", "show").stderr == "nothing was recorded in the last 24 hours (--since 7d)\n"
    done = cli("metrics", "show", "--name", "none*")
    assert (done.stdout, done.code) == ("", 0)
    assert "no metric matches" in done.stderr
    assert "nothing was recorded in that range" in cli("metrics", "show", "--since", "2h").stderr
    assert cli("metrics", "show", "--name", "none*", "--json").stdout == "[]\n"


def test_a_name_of_several_types_is_told(cli: Cli) -> None:
    """On stderr, with what an export will do; the rows are all there."""
    cli.ok("metrics", "set", "m", "1")
    cli.ok("metrics", "inc", "m")
    done = cli("metrics", "show", "--type", "custom", "--json")
    assert done.stderr == "m was recorded as counter and gauge; an export takes the newest of them\n"
    assert [row["type"] for row in json.loads(done.stdout)] == ["counter", "gauge"]


def test_pages_of_series(cli: Cli) -> None:
    """`--limit` and `--page` show a part and say of how many."""
    for number in range(5):
        cli.ok("metrics", "set", f"m{number}", "1")
    done = cli("metrics", "show", "--type", "custom", "--limit", "2", "--page", "2", "--json")
    assert [row["name"] for row in json.loads(done.stdout)] == ["m2", "m3"]
    assert done.stderr == "3-4 of 5 metrics (--limit, --page)\n"


def test_words_of_categories(cli: Cli) -> None:
    """`--type` may be repeated; another word is named."""
    cli.ok("metrics", "set", "m", "1")
    assert {row["category"] for row in shown(cli, "--type", "custom", "--type", "application")} == {
        "custom",
        "application",
    }
    assert (
        "'sistem' is not one of system, application, custom"
        in cli("metrics", "show", "--type", "sistem").stderr
    )


HOSTILE = "\x1b[31m[bold]x[/bold]<b>|`\u202e"


def test_hostile_text_is_text(cli: Cli) -> None:
    """Names, labels, units and help steer no terminal, in any format and in the export."""
    cli.ok(
        "metrics",
        "set",
        f"n{HOSTILE}",
        "1",
        "--unit",
        HOSTILE,
        "--help-text",
        HOSTILE,
        "--label",
        f"k{HOSTILE}={HOSTILE}",
    )
    for words in (
        ("show",),
        ("show", "--bucket", "1h"),
        ("show", "--json"),
        ("show", "--format", "csv"),
        ("export",),
    ):
        done = on_terminal(cli, "metrics", *words)
        assert done.code == 0
        assert dangers(done.stdout.replace("\r\n", "\n")) == [], words
    assert "[bold]" in on_terminal(cli, "metrics", "show", columns=200).stdout


# -- collect ---------------------------------------------------------------------------------------


def test_collect_measures_so_many_times(cli: Cli) -> None:
    """Then it ends; stdout stays empty, and the first sample has its rates."""
    done = cli("metrics", "collect", "--count", "2", "--interval", "100ms")
    assert (done.code, done.stdout, done.stderr) == (0, "", "recorded 12 samples\n")
    rows = shown(cli, "--type", "system")
    assert [(row["name"], row["count"]) for row in rows if row["name"] != "network_io"] == [
        ("active_connections", 2),
        ("cpu_usage", 2),
        ("disk_usage", 2),
        ("memory_usage", 2),
    ]
    assert [row["labels"] for row in rows if row["name"] == "network_io"] == [
        {"direction": "received"},
        {"direction": "sent"},
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_collect_ends_when_it_is_stopped(cli: Cli, number: signal.Signals, code: int) -> None:
    """At once, with everything recorded that it counts."""
    process = cli.start("metrics", "collect", "--interval", "50ms")
    end = time.monotonic() + 30
    while not (Path(f"{cli.db}.inbox").exists() and len(entries(cli.db)) >= 12):
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    first, last = said.decode().splitlines()
    assert first == "measuring every 50ms until Ctrl-C"
    assert last == f"recorded {len(entries(cli.db))} samples"


def test_global_options_and_help(cli: Cli) -> None:
    """They are understood after the inner command; the group tells its commands in their order."""
    cli.ok("metrics", "inc", "m", "--db", cli.folder / "other.duckdb")
    assert not cli.db.exists()
    assert (cli.folder / "other.duckdb").exists()
    told = cli.ok("metrics", "--help")
    places = [told.index(f" {name} ") for name in ("show", "export", "collect", "set", "inc", "observe")]
    assert places == sorted(places)
    assert "there is no command 'sett' (did you mean set?)" in cli("metrics", "sett").stderr
