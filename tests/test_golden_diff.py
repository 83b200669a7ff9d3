"""`diff` in every format, byte for byte, over two traces that differ in every way."""

from __future__ import annotations

import json

import pytest
from rich.cells import cell_len

from tests.conftest import Cli
from tests.terminal import COLOR, dangers, on_terminal
from tests.test_golden_formats import FORMATS, GOLDEN, check

FIRST, SECOND = "1111", "2222"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a store with the two traces; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("pair"))
    done = made("import", GOLDEN / "diff_pair.jsonl")
    assert (done.code, done.stderr) == (0, "14 events, 2 traces\n")
    return made


@pytest.mark.parametrize("format_name", FORMATS)
def test_piped_differences(pair: Cli, format_name: str) -> None:
    """A piped answer is these bytes: nothing cut and no escape sequence; the exit code is 1."""
    done = pair("diff", FIRST, SECOND, "--format", format_name)
    assert done.code == 1
    if format_name in ("table", "markdown"):
        assert not dangers(done.stdout.replace("\n", ""))
    check(f"diff.{format_name}", done.raw)


@pytest.mark.parametrize("columns", [80, 120])
def test_differences_on_a_terminal(pair: Cli, columns: int) -> None:
    """On a terminal no line is longer than it is wide, and no text of an event steers it."""
    done = on_terminal(pair, "diff", FIRST, SECOND, "--all", columns=columns)
    shown = done.stdout.replace("\r\n", "\n")
    assert (done.code, dangers(shown)) == (1, [])
    assert max(cell_len(COLOR.sub("", line)) for line in shown.splitlines()) <= columns
    check(f"diff.terminal_{columns}", shown.encode())


def test_the_same_trace_twice(pair: Cli) -> None:
    """Nothing differs: it is said on stderr, and the exit code is 0."""
    done = pair("diff", FIRST, FIRST)
    assert (done.code, done.stderr) == (0, "no difference\n")
    check("diff.same", done.raw)
    answer = json.loads(pair.ok("diff", FIRST, FIRST, "--json"))
    assert (answer["summary"]["is_same"], answer["differences"]) == (True, [])
