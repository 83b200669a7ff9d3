"""Shell completion: commands, words of closed lists, and ids of traces without opening the store."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import Cli
from tests.test_import_hygiene import HEAVY

_PROBE = f"""
import sys
sys.argv = ["mplp-trace"]
from mplp_trace_cli.cli.main import main
try:
    main()
finally:
    print(",".join(name for name in {HEAVY!r} if sys.modules.get(name)), file=sys.stderr)
"""


def complete(cli: Cli, line: str, shell: str = "bash") -> list[str]:
    """What the shell is offered for the last word of the line; heavy imports are a failure."""
    words = line.split(" ")
    environment = {
        **cli.environment(),
        "_MPLP_TRACE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, env=environment, cwd=cli.folder
    )
    assert done.stderr == "\n"
    return [line for line in done.stdout.split("\n") if line]


@pytest.fixture
def recorded(cli: Cli) -> Cli:
    """Two traces."""
    cli.ok("create", "first", "--trace-id", "abc-1")
    cli.ok("create", "second", "--trace-id", "abd-2")
    return cli


def test_commands(cli: Cli) -> None:
    """The first word completes to commands."""
    assert complete(cli, "mplp-trace re") == ["record", "rejects"]
    assert complete(cli, "mplp-trace rejects cl") == ["clear"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mplp-trace record x --level ", ["debug", "info", "warn", "error", "critical"]),
        ("mplp-trace create x --type c", ["custom"]),
        ("mplp-trace query --status c", ["completed", "cancelled"]),
        ("mplp-trace events --min-level e", ["error"]),
        ("mplp-trace export --type api", ["api_request"]),
    ],
)
def test_words_of_closed_lists(cli: Cli, line: str, offered: list[str]) -> None:
    """An option with a closed list of words offers them."""
    assert complete(cli, line) == offered


@pytest.mark.parametrize("command", ["show", "complete", "record x --trace", "events --trace"])
def test_ids_of_traces(recorded: Cli, command: str) -> None:
    """Where a trace is named its id is offered, the newest first, and `@last`."""
    assert complete(recorded, f"mplp-trace {command} ab") == ["abd-2", "abc-1"]
    assert complete(recorded, f"mplp-trace {command} ") == ["@last", "abd-2", "abc-1"]


def test_ids_with_names(recorded: Cli) -> None:
    """A shell that shows help beside a word shows the name of the trace."""
    (line,) = complete(recorded, "mplp-trace show abc", "zsh")
    assert '"abc-1":"first"' in line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_of_traces_are_text(cli: Cli, shell: str) -> None:
    """No markup of Rich's, no control character of a name has a meaning, and none ends the answer."""
    cli.ok("create", "a [bold]b[/bold] [/x]\n\x1b[31m", "--trace-id", "abc-1")
    offered = complete(cli, "mplp-trace show abc", shell)
    assert len(offered) == 1
    assert offered[0].isprintable() or "\t" in offered[0]
    if shell != "bash":
        assert "a [bold]b[/bold] [/x]" in offered[0].replace("\\[", "[").replace("\\]", "]")


def test_nothing_to_offer(cli: Cli) -> None:
    """Without a store nothing is offered, and no file is made."""
    assert complete(cli, "mplp-trace show x") == []
    assert not cli.db.exists()
