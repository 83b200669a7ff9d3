"""What each command imports: what it does not use costs it more than the work that it does."""

from __future__ import annotations

import functools
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mplp_trace_cli.cli.app import COMMANDS, app
from tests.conftest import GUIDE_TOOLS, ROOT, SAMPLE_DATA, Cli

HEAVY = {
    *("duckdb", "pyarrow", "numpy", "pandas", "polars", "msgspec", "isal", "filelock", "psutil", "rich"),
    *(
        "tomllib",
        "platformdirs",
        "lark",
        "apprise",
        "altair",
        "vl_convert",
        "prometheus_client",
        "opentelemetry",
    ),
    *("asyncio", "unittest", "multiprocessing", "requests", "yaml", "pydantic"),
}
"""Packages, and modules of Python's own, that take 5 ms or more."""
_PROBE = """
import sys
sys.argv = ["mplp-trace", *{arguments!r}]
from mplp_trace_cli.cli.main import main
code = main()
print(code, ",".join(name for name in {heavy!r} if sys.modules.get(name)), file=sys.stderr)
"""
_READS = {"duckdb"}
_TELLS = {"duckdb", "rich"}
_FOLDS = {"duckdb", "filelock"}
_LOADS = {"duckdb", "pyarrow", "msgspec", "filelock"}
ALLOWED: dict[str, set[str]] = {
    "--version": set(),
    "--help": {"rich"},
    # recording
    "create another": set(),
    "create another --trace-id t9": _READS,  # asks the store whether the id is taken
    "record step --trace t1 --set a=1 --level warn": set(),
    "record step --trace @last --data '{\"a\": 1.10}'": set(),
    "complete t1": set(),
    "fail t1 --message why": set(),
    "cancel t1": set(),
    "run another --tag x -- true": set(),
    "step build --trace t1 -- true": set(),
    "hook bash": set(),
    # asking
    "show t1": _TELLS,
    "show t1 --json": _READS,
    "show t1 --html -": _READS,
    "query --status active": _TELLS,
    "query --json": _READS,
    "query --format csv --group-by status": _READS,
    "events": _TELLS,
    "events --format jsonl": _READS,
    "tail": _TELLS,
    "tail --json": _READS,
    "diff t1 t1": _TELLS,
    "diff t1 t1 --json": _READS,
    "sql 'SELECT 1 AS one'": _TELLS,
    "sql 'SELECT $x' --param x=1 --json": _READS,
    "schema": {"rich"},
    "schema --json": set(),
    # watching
    "dashboard": _READS,
    "dashboard --json": _READS,
    "dashboard --html -": {"duckdb", "altair", "vl_convert", "platformdirs"},
    "metrics show": _TELLS,
    "metrics show --json": _READS,
    "metrics export": {"duckdb", "prometheus_client"},
    "metrics collect --count 1 --interval 10ms": {"psutil"},
    "metrics set m 1 --unit ms --label k=v --timestamp 5m": set(),
    "metrics inc m": set(),
    "metrics observe m 1 --buckets 1,2": set(),
    "alerts check": set(),
    "alerts list": set(),
    "alerts history": set(),
    "alerts watch --count 1 --interval 10ms": set(),
    # moving
    "import events.jsonl --create-missing": _LOADS,
    "export -o out.jsonl": _READS,
    "export -o out.json": _READS,
    "export -o out.csv": _READS,
    "export -o out.parquet": _READS,
    "rejects list": _TELLS,
    "rejects show 1 --raw": _READS,
    "rejects retry --all": _LOADS,
    "rejects clear --all": _FOLDS,
    # keeping
    "init other": {*_FOLDS, "psutil", "tomllib"},
    "info": _READS,
    "flush": _FOLDS,
    "expire": _READS,
    "purge --older-than 30d": _READS,
    "purge --older-than 30d --yes": _FOLDS,
    "compact": _FOLDS,
    "doctor": {"duckdb", "psutil"},
}
"""What each command line may import, of `HEAVY`; it imports all of it, and nothing else."""
NEEDS_RULES = {"alerts ack", "alerts test"}
"""What ends with an error where there are no rules."""


def imported(cli: Cli, *arguments: str) -> tuple[int, set[str]]:
    """How a command ended, and which heavy packages it had imported by then."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(arguments=list(arguments), heavy=HEAVY)],
        capture_output=True,
        text=True,
        env=cli.environment(),
        cwd=cli.folder,
    )
    code, _, names = done.stderr.splitlines()[-1].partition(" ")
    return int(code), set(filter(None, names.split(",")))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folded store with an open trace, an event, a metric and a reject, and a file; never changed."""
    cli = Cli(tmp_path_factory.mktemp("template"))
    cli.ok("create", "first", "--trace-id", "t1")
    cli.ok("record", "x", "--trace", "t1")
    cli.ok("metrics", "set", "depth", "1")
    assert cli("record", "-", stdin='{"event_type":"x","trace_id":"nowhere"}\n').code == 1
    cli.ok("flush")
    (cli.folder / "events.jsonl").write_text('{"event_type":"x","trace_id":"other"}\n')
    return cli.folder


@pytest.fixture
def recorded(template: Path, tmp_path: Path) -> Cli:
    """The command on a copy of it."""
    return Cli(Path(shutil.copytree(template, tmp_path / "copy")))


@functools.cache
def brought() -> frozenset[str]:
    """What filelock brings along: asyncio, before its version 4."""
    code = f"import sys, filelock; print(*({HEAVY - {'filelock'}!r} & set(sys.modules)))"
    return frozenset(subprocess.check_output([sys.executable, "-c", code], text=True).split())


@pytest.mark.parametrize("line", ALLOWED)
def test_a_command_imports_what_it_uses_and_nothing_else(recorded: Cli, line: str) -> None:
    """In a process of its own, on a store that is there."""
    code, names = imported(recorded, *shlex.split(line))
    assert code in (0, 1)
    assert names == ALLOWED[line] | (brought() if "filelock" in names else set())


def test_every_command_is_in_the_table() -> None:
    """And every command of a group."""
    root = app()
    inner = {name: getattr(root.commands[name], "commands", None) for name in COMMANDS}
    names = {f"{name} {one}" for name, ones in inner.items() for one in ones or ()}
    names |= {name for name, ones in inner.items() if ones is None}
    told = {
        " ".join(words[:1] if inner.get(words[0]) is None else words[:2]) for words in map(str.split, ALLOWED)
    }
    assert names - NEEDS_RULES <= told


def test_pandas_stays_out_though_it_is_installed(recorded: Cli) -> None:
    """DuckDB would import it for a bound value, and the workers of `import` for a scalar of pyarrow's."""
    said = recorded.environment({"PYTHONVERBOSE": "1", "PYTHONPATH": str(GUIDE_TOOLS)})
    subprocess.run([sys.executable, "-c", "import pandas"], check=True, capture_output=True, env=said)
    for line in ("show t1", f"import {SAMPLE_DATA / 'project.jsonl'}"):
        words = [sys.executable, "-m", "mplp_trace_cli", *line.split()]
        done = subprocess.run(words, capture_output=True, text=True, env=said, cwd=recorded.folder)
        assert done.returncode == 0
        assert "import 'duckdb'" in done.stderr
        assert "import 'pandas" not in done.stderr


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    """`import mplp_trace_cli` is free until a name of it is used."""
    code = f"import sys, mplp_trace_cli; print(sorted({HEAVY!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"
