"""What `metrics` prints, byte for byte, over one store with every type of metric; see test_golden_formats."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tests.conftest import Cli
from tests.test_golden_formats import FORMATS, GOLDEN, check, on_terminal

RANGE = ("--since", "2026-03-02T09:00:00Z", "--until", "2026-03-02T12:00:00Z")
COMMANDS = {
    "metrics": ("metrics", "show", *RANGE),
    "metrics_buckets": (
        "metrics",
        "show",
        *RANGE,
        "--bucket",
        "1h",
        "--type",
        "custom",
        "--type",
        "application",
    ),
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on the store of metrics; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("measured"))
    done = made("import", GOLDEN / "every_metric.jsonl")
    assert (done.code, done.stderr) == (0, "3 events, 3 traces, 10 metrics\n")
    return made


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", COMMANDS)
def test_piped_answers(measured: Cli, name: str, format_name: str) -> None:
    """A piped answer is these bytes: nothing cut, no escape sequence, and nothing said beside it."""
    done = measured(*COMMANDS[name], "--format", format_name)
    assert (done.code, done.stderr) == (0, "")
    if format_name in ("table", "markdown"):
        assert b"\x1b" not in done.raw
    check(f"{name}.{format_name}", done.raw)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_tables_on_a_terminal(measured: Cli, name: str, columns: int) -> None:
    """On a terminal a table folds to the width; no line is longer, and nothing is cut."""
    got = on_terminal(measured, columns, *COMMANDS[name])
    check(f"{name}.terminal_{columns}", got)
    assert max(map(cell_len, got.decode().splitlines())) <= columns
    assert "…" not in got.decode()


@pytest.mark.parametrize("format_name", ["prometheus", "openmetrics"])
def test_expositions(measured: Cli, format_name: str) -> None:
    """The export for scrapers, application metrics of the range without an end."""
    done = measured("metrics", "export", "--format", format_name, "--since", "2026-03-02")
    assert (done.code, done.stderr) == (0, "")
    lines = done.raw.splitlines(keepends=True)  # a rate to this very moment is never the same
    check(
        f"metrics.{format_name}", b"".join(line for line in lines if b"events_per_second " not in line[:36])
    )
