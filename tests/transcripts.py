"""The pages that show commands: their blocks, and a run of what they show on a real terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from tests.conftest import Cli
from tests.terminal import COLOR, run_on_terminal

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:#!.*\n)?# ([\w.-]+\.\w+)\n")
"""How a block begins that is a file of this name."""
BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r\x1b\[1A\x1b\[2K", re.DOTALL)
"""A bar of progress, which comes where a machine is busy, until it is taken away."""
COMMAND = re.compile(r"(.*(?:\n> .*)*)\n?((?:.*\n?)*)")
"""A command with the lines on which it goes on, and what is shown after it."""
CHANGING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"^[0-9a-f]{8}\b|(?<= )[0-9a-f]{8}(?= )", "ID"),
    (r"\d{4}-\d\d-\d\d(?=[T ]|$)", "DATE"),
    (r"\d\d-\d\d(?= )", "DAY"),
    (r"\d\d:\d\d:\d\d\.\d{6}Z", "EXACT"),
    (r"\d\d:\d\d:\d\d\.\d{3}\b", "MILLI"),
    (r"\d\d:\d\d:\d\d", "SECOND"),
    (r"\d\d:\d\d", "MINUTE"),
    (r"[+-]?\b\d[\d.]*(ms|s|m \d\ds)(?=\s|$)", "SPAN"),
    (r"[+-]\d[\d,]*%(?=\s|$)", "DELTA"),
    (r"\d[\d.]* (B|kB|MB)\b", "SIZE"),
    (r"^process +\d+ on \S+", "process PID on HOST"),
    (r"[━╸][━╸ ]*$", "BAR"),
    (r"─+", "─"),
    (r" +", " "),
    (r"( SPAN)* BAR$", " BAR"),
)
"""What differs from run to run, and the padding that goes with it."""


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """The fenced blocks of a document: language and text."""
    for match in BLOCK.finditer(path.read_text(encoding="utf-8")):
        yield match[1], match[2]


def left_on_screen(shown: str) -> str:
    """What stands on a terminal in the end, without colours."""
    return COLOR.sub("", BAR.sub("", shown)).replace("\r", "")


def steady(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def transcript(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block and what is shown after each; a line that begins with `> ` goes on."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, shown = COMMAND.fullmatch(part).groups()  # type: ignore[union-attr]
        yield command.replace("\n> ", "\n"), shown


def play(page: Path, cli: Cli, env: Mapping[str, str], patience: float = 10) -> int:
    """Writes down the files of a page and runs its commands in order, each showing what it says; how many.

    What a page starts in the background it has to end: so many seconds later nothing may run in its folder.
    """
    try:
        commands = _play(page, cli, env)
        assert not psutil.wait_procs(_processes_in(cli.folder), timeout=patience)[1], (
            "the page leaves processes"
        )
    finally:
        for process in _processes_in(cli.folder):
            process.kill()
    return commands


def _processes_in(folder: Path) -> list[psutil.Process]:
    """Those whose working folder it is."""
    here = str(folder.resolve())
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == here]


def _play(page: Path, cli: Cli, env: Mapping[str, str]) -> int:
    commands = 0
    for language, text in blocks(page):
        name = NAMED.match(text)
        if name:
            (cli.folder / name[1]).write_text(text, encoding="utf-8")
        for command, shown in transcript(text) if language == "console" else ():
            done = run_on_terminal(cli, ["bash", "-c", command], env=env)
            assert steady(left_on_screen(done.stdout)) == steady(shown), command
            commands += 1
    return commands
