"""Every output format, byte for byte, over one store with every hard type.

`MPLP_TRACE_UPDATE_GOLDEN=1` writes the files anew; what changed is then for a person to look at.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.conftest import COMMAND, Cli
from tests.terminal import run_on_terminal

GOLDEN = Path(__file__).parent / "golden"
INPUT = GOLDEN / "every_hard_type.jsonl"
TRACES = ("sql", "SELECT * FROM traces ORDER BY seq LIMIT 2")
FORMATS = ("table", "json", "jsonl", "csv", "markdown")
TRACE = "0af76519"
SQL = """
    SELECT
        trace_id, tags, started_at, duration_ms, status = 'failed' AS failed, 1.50::DECIMAL(5, 2) AS exact,
        {'a': 1, 'b': [NULL, 'x']} AS nested, 'NaN'::DOUBLE AS no_number, NULL AS nothing, '' AS empty,
        170141183460469231731687303715884105727 AS huge, INTERVAL 26 HOUR AS span, DATE '2026-03-02' AS day,
        MAP {'k': 1.5} AS map, 1234567.891 AS long
    FROM traces ORDER BY seq LIMIT 3
"""
COMMANDS = {
    "query": ("query",),
    "events": ("events",),
    "tail": ("tail",),
    "show": ("show", TRACE),
    "sql": ("sql", SQL),
    "schema": ("schema",),
    "info": ("info",),
}


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on the store of hard types; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("hard"))
    done = made("import", INPUT)
    assert (done.code, done.stderr) == (0, "14 events, 6 traces, 3 metrics\n")
    return made


def check(name: str, got: bytes) -> None:
    """Compares with the golden file, or writes it when that is asked for."""
    path = GOLDEN / name
    if os.environ.get("MPLP_TRACE_UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(got)
    assert got == path.read_bytes()


def placeless(hard: Cli, text: bytes) -> bytes:
    """The text without what differs between two runs: the folder and the sizes of the files."""
    text = text.replace(str(hard.folder).encode(), b"/FOLDER")
    store, inbox = os.path.getsize(hard.db), os.path.getsize(f"{hard.db}.inbox")
    for size in (str(store), str(inbox), f"{store / 1e6:.1f} MB", f"{inbox / 1e3:.1f} kB"):
        text = text.replace(size.encode(), b"SIZE")
    return text


def on_terminal(hard: Cli, columns: int, *arguments: str) -> bytes:
    """What the command writes to a terminal of that width, line ends as the command wrote them."""
    words = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *COMMAND, *arguments]
    done = run_on_terminal(hard, words, columns=columns, env={"NO_COLOR": "1"})
    assert done.code == 0
    return done.raw.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", COMMANDS)
def test_piped_answers(hard: Cli, name: str, format_name: str) -> None:
    """A piped answer is these bytes: nothing cut, no escape sequence, and nothing said beside it."""
    done = hard(*COMMANDS[name], "--format", format_name)
    assert (done.code, done.stderr) == (0, "")
    if format_name in ("table", "markdown"):
        assert b"\x1b" not in done.raw
    check(f"{name}.{format_name}", placeless(hard, done.raw))


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        *((name, columns) for name in ("query", "events", "show") for columns in (80, 120)),
        *((name, 80) for name in ("sql", "traces", "schema")),
    ],
)
def test_tables_on_a_terminal(hard: Cli, name: str, columns: int) -> None:
    """A table folds to the width or, where it has no room, is a line a cell; nothing is longer or cut."""
    got = on_terminal(hard, columns, *{**COMMANDS, "traces": TRACES}[name])
    check(f"{name}.terminal_{columns}", got)
    lines = got.decode().splitlines()
    assert max(map(cell_len, lines)) <= columns
    assert name == "schema" or "…" not in got.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_watched_lines_on_a_terminal(hard: Cli, columns: int) -> None:
    """A line an event, cut to the width, and a line a day."""
    got = on_terminal(hard, columns, "tail")
    check(f"tail.terminal_{columns}", got)
    assert max(map(cell_len, got.decode().splitlines())) <= columns


def test_text_of_events_cannot_steer_a_terminal(hard: Cli) -> None:
    """In every format, what an event says reaches a terminal as text: no escape, bell or direction mark."""
    for format_name in FORMATS[1:]:
        raw = on_terminal(hard, 80, "events", "--format", format_name).decode()
        assert not {"\x1b", "\x07", "\x00", "\u202e"} & set(raw)
    assert "\u202e" not in on_terminal(hard, 80, "query", "--format", "csv").decode()


def test_colours_are_asked_for(hard: Cli) -> None:
    """`--color always` paints a piped table too."""
    check("show.coloured", hard("show", "t-failed", "--color", "always").raw)


def test_flat_and_short(hard: Cli) -> None:
    """`--flat` keeps the order of time, `--events` the first few and says how many there are."""
    done = hard("show", TRACE, "--flat", "--events", "3")
    assert done.stderr == "8 more events not shown (--events 11)\n"
    check("show.flat", done.raw)


@pytest.mark.parametrize("format_name", ["json", "jsonl"])
def test_exported_text(hard: Cli, format_name: str) -> None:
    """An export in one file, metrics included."""
    done = hard("export", "-o", "-", "--format", format_name, "--include-metrics")
    assert (done.code, done.stderr) == (0, "exported 6 traces, 14 events, 3 metric samples\n")
    check(f"export.{format_name}", done.raw)


@pytest.mark.parametrize("option", ["--include-metrics", "--csv-safe"])
def test_exported_csv(hard: Cli, tmp_path: Path, option: str) -> None:
    """An export as CSV: a folder of one file a table, exact, or made safe for a spreadsheet."""
    folder = tmp_path / "made.csv"
    hard.ok("export", "-o", folder, "--include-events", option)
    for file in sorted(folder.iterdir()):
        safe = "_safe" if option == "--csv-safe" else ""
        check(f"export{safe}_{file.name}", file.read_bytes())
