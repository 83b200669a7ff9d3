"""Writes the reference pages from the program: docs/cli.md from `--help`, docs/schema.md from `schema`.

`--check` writes nothing, names the pages that are out of date and exits with 1.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ |= {"COLUMNS": "80", "NO_COLOR": "1", "TYPER_USE_RICH": "0"}  # before typer is imported

from mplp_trace_cli.cli.app import COMMANDS, PROGRAM, app

HERE = Path(__file__).resolve().parent
REFRESH = "python docs/generate.py"
MADE = "<!-- Made by docs/generate.py; change the help texts and run it again. -->\n"


def main(arguments: list[str]) -> int:
    """Writes the pages, or with `--check` tells which ones differ."""
    pages = {"cli.md": cli_page(), "schema.md": schema_page()}
    stale = [name for name, text in pages.items() if _kept(name) != text]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"docs/{name} is out of date: {REFRESH}\n")
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(pages[name], encoding="utf-8")
        sys.stderr.write(f"wrote docs/{name}\n")
    return 0


def _kept(name: str) -> str | None:
    path = HERE / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def cli_page() -> str:
    """Every command with its help, grouped as on the help page."""
    parts = [MADE, "# Commands\n", f"What `{PROGRAM} COMMAND --help` says, for every command.\n"]
    parts += _overview()
    parts += ["## Global options\n", _block([])]
    for group in dict.fromkeys(group for _, group in COMMANDS.values()):
        parts.append(f"## {group}\n")
        for name in (name for name, (_, its_group) in COMMANDS.items() if its_group == group):
            for path in _paths(name):
                parts += [f"### {' '.join(path)}\n", _block(path)]
    return "\n".join(parts)


def _overview() -> Iterator[str]:
    root = app()
    rows = [f"| [{name}](#{name}) | {_summary(root.commands[name])} |" for name in COMMANDS]
    yield "\n".join(["| command | does |", "|---|---|", *rows]) + "\n"


def _summary(command: Any) -> str:
    return str(command.help).splitlines()[0]


def _paths(name: str) -> Iterator[list[str]]:
    """The command and, below it, its own commands."""
    yield [name]
    for inner in getattr(app().commands[name], "commands", {}):
        yield [name, inner]


def _block(path: list[str]) -> str:
    text, _, _ = run([*path, "--help"]).partition("\nCommands:")  # they stand in the overview
    return f"```text\n{text.rstrip()}\n```\n"


def schema_page() -> str:
    """The columns of the views."""
    intro = f"The views that `{PROGRAM} sql` asks, as `{PROGRAM} schema` tells them. Times are UTC."
    return "\n".join([MADE, "# Views\n", f"{intro}\n", run(["schema", "--format", "markdown"])])


def run(arguments: list[str]) -> str:
    """What the command prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        app()(arguments, prog_name=PROGRAM, standalone_mode=False)
    return printed.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
