"""Help: every page whole at 80 columns, with an example that runs; and mistakes in one voice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mplp_trace_cli.cli.app import COMMANDS, app
from tests.conftest import SAMPLE_DATA, Cli
from tests.terminal import COLOR, on_terminal
from tests.test_demo import command_folder

PAGES = [
    (name, *inner)
    for name in COMMANDS
    for inner in [(), *((one,) for one in getattr(app().commands[name], "commands", {}))]
]
RULES = """
[[alerts.rules]]
name = "high-error-rate"
condition = "error_rate > 5%"
actions = ["local"]

[alerts.actions.local]
type = "command"
argv = ["true"]
"""
SECONDS = 2
"""How long an example that never ends by itself may show that it goes on."""
ENDLESS = {"tail", "alerts watch", "metrics collect"}
NEGATIVE = {"alerts", "alerts check", "rejects show", "rejects retry", "diff", "step"}
"""What may end with 1 (step: with what `make all` says)."""


def example(cli: Cli, page: tuple[str, ...]) -> str:
    """The example at the end of a help page."""
    helped = cli.ok(*page, "--help")
    assert helped.count("Example: ") == 1, page
    return helped.partition("Example: ")[2]


@pytest.mark.parametrize("page", [(), *PAGES], ids=" ".join)
def test_a_help_page_is_whole_at_80_columns(cli: Cli, page: tuple[str, ...]) -> None:
    """It says what it says at 200 columns; its example stands on the last line; `-h` is `--help`."""
    lines = shown(cli, *page, "-h", columns=80)
    assert lines == shown(cli, *page, "--help", columns=80)
    assert max(map(len, lines)) <= 80
    assert words(lines) == words(shown(cli, *page, "--help", columns=200))
    assert lines[-1].startswith(" Example: ")


def shown(cli: Cli, *arguments: str, columns: int) -> list[str]:
    """The lines on a terminal."""
    text = COLOR.sub("", on_terminal(cli, *arguments, columns=columns).stdout)
    return [line.rstrip() for line in text.replace("\r", "").rstrip().split("\n")]


def words(lines: list[str]) -> list[str]:
    """What they say, wherever it is folded and whatever is drawn around it, in no order."""
    return sorted(re.sub(r"[─╭╮╰╯│]", " ", " ".join(lines)).split())


def test_every_example_runs(tmp_path: Path) -> None:
    """Each does what it says on a store with the sample project, in a shell, without an error."""
    cli = Cli(tmp_path)
    place = prepared(cli)
    for page in PAGES:
        name = " ".join(page)
        words = ["bash", "-c", example(cli, page)]
        if name in ENDLESS:
            words = ["timeout", "--signal=INT", str(SECONDS), *words]
        done = subprocess.run(words, env=place, cwd=tmp_path, capture_output=True, text=True)
        ends = {0, 124, 130} if name in ENDLESS else {0, 1} if name in NEGATIVE else {0}
        assert done.returncode in ends, (name, done.stdout, done.stderr)
        assert "hint: " not in done.stderr or name in NEGATIVE, (name, done.stderr)


def prepared(cli: Cli) -> dict[str, str]:
    """The environment of a folder in which what the examples name is there."""
    folder = cli.folder
    shutil.copy(SAMPLE_DATA / "project.jsonl", folder / "events.jsonl")
    subprocess.run(["gzip", "-k", "events.jsonl"], cwd=folder, check=True)
    cli.ok("import", "events.jsonl")
    cli.ok("create", "x", "--trace-id", "7f3a")
    cli.ok("create", "y", "--trace-id", "current")
    (folder / "import.sh").write_text("#!/bin/sh\n")
    (folder / "import.sh").chmod(0o755)
    (folder / "Makefile").write_text("all:\n\ttrue\n")
    (folder / "rules.toml").write_text(RULES)
    path = f"{command_folder(folder / 'bin')}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "MPLP_TRACE_ID": "current", "ID": "7f3a", "MPLP_TRACE_CONFIG": "rules.toml"}
    return cli.environment(own)


@pytest.mark.parametrize(
    ("typed", "said", "hint"),
    [
        (("qurey",), "there is no command 'qurey' (did you mean query?)", ""),
        (
            ("alerts", "histroy"),
            "there is no command 'histroy' (did you mean history?)",
            "alerts ",
        ),
        (
            ("query", "--satus", "x"),
            "there is no option --satus (did you mean --status?)",
            "query ",
        ),
        (("query", "--zzz"), "there is no option --zzz", "query "),
        (("query", "--limit"), "--limit: needs a value", "query "),
        (("query", "--json=1"), "--json: takes no value", "query "),
        (("--db",), "--db: needs a value", ""),
        (("query", "--limit", "x"), "--limit: must be a whole number, at least 0", "query "),
        (
            ("tail", "-n", "-1"),
            "-n/--number: must be a whole number, at least 0, at most 1,000,000,000",
            "tail ",
        ),
        (("rejects", "show", "x"), "ID: must be a whole number", "rejects show "),
        (("create",), "NAME is missing", "create "),
        (("export",), "-o/--output is missing", "export "),
        (("info", "a", "b\x1b"), "too many arguments: a b\\x1b", "info "),
    ],
)
def test_a_mistake_is_told_in_one_voice(cli: Cli, typed: tuple[str, ...], said: str, hint: str) -> None:
    """A line of fact, and a hint that names the command whose help there is."""
    done = cli(*typed)
    assert (done.code, done.stderr) == (2, f"error: {said}\nhint: mplp-trace {hint}--help\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("query", "--type", "zzz"), "--type: 'zzz' is not one of workflow_execution, "),
        (("query", "--status", "zzz"), "--status: 'zzz' is not one of active, "),
        (("events", "--level", "zzz"), "--level: 'zzz' is not one of debug, "),
        (("events", "--min-level", "zzz"), "--min-level: 'zzz' is not one of debug, "),
        (("create", "x", "--type", "zzz"), "--type: 'zzz' is not one of workflow_execution, "),
        (("record", "x", "--trace", "t", "--level", "zzz"), "--level: 'zzz' is not one of debug, "),
        (("metrics", "show", "--type", "zzz"), "--type: 'zzz' is not one of system, "),
        (("dashboard", "--interval", "zzz"), "--interval: 'zzz' is not a duration"),
        (("query", "--format", "zzz"), "--format: 'zzz' is not one of table, "),
    ],
)
def test_a_bad_value_names_its_option(cli: Cli, words: tuple[str, ...], said: str) -> None:
    """As it was typed, not as the field is called that it fills."""
    cli.ok("create", "t", "--trace-id", "t")
    done = cli(*words)
    assert (done.code, done.stderr.startswith(f"error: {said}")) == (2, True), done.stderr
