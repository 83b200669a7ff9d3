"""What a recording command must not import: each of these costs more than the recording itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

HEAVY = {
    *("duckdb", "pyarrow", "rich", "msgspec", "filelock", "psutil", "isal", "tomllib", "platformdirs"),
    *("lark", "apprise"),
}
_PROBE = """
import sys
sys.argv = ["mplp-trace", *{arguments!r}]
try:
    from mplp_trace_cli.cli.main import main
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
print(",".join(sorted({heavy!r} & set(sys.modules))), file=sys.stderr)
"""


def imported(cli: Cli, *arguments: str) -> set[str]:
    """Which heavy packages a command had imported when it ended."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(arguments=list(arguments), heavy=HEAVY)],
        capture_output=True,
        text=True,
        env=cli.environment(),
        cwd=cli.folder,
    )
    assert done.returncode == 0, done.stderr
    return set(filter(None, done.stderr.splitlines()[-1].split(",")))


@pytest.fixture
def recorded(cli: Cli) -> Cli:
    """A store that is there already: only the command that makes one pays for it."""
    cli.ok("create", "first", "--trace-id", "t1")
    return cli


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "another"),
        ("record", "step", "--trace", "t1", "--set", "a=1", "--level", "warn"),
        ("record", "step", "--trace", "@last", "--data", '{"a": 1.10}'),
        ("complete", "t1"),
        ("fail", "t1", "--message", "why"),
        ("cancel", "t1"),
        ("run", "another", "--tag", "x", "--", "true"),
        ("step", "build", "--trace", "t1", "--", "true"),
        ("hook", "bash"),
        ("metrics", "set", "m", "1", "--unit", "ms", "--label", "k=v", "--timestamp", "5m"),
        ("metrics", "inc", "m"),
        ("metrics", "observe", "m", "1", "--buckets", "1,2"),
    ],
)
def test_recording_imports_nothing_heavy(recorded: Cli, arguments: tuple[str, ...]) -> None:
    """A command that records loads no analytics library and no renderer."""
    assert imported(recorded, *arguments) == set()


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    """`import mplp_trace_cli` is free until a name of it is used."""
    code = f"import sys, mplp_trace_cli; print(sorted({HEAVY!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
