"""Groups and dashboards in every format, byte for byte, over the incident day of the sample project."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tests.conftest import Cli
from tests.test_golden_formats import FORMATS, check, on_terminal

DAY = ("--since", "2026-03-04", "--until", "2026-03-04")
COMMANDS = {
    "groups_of_traces": (
        *("query", *DAY, "--group-by", "tag,status", "--limit", "12"),
        *("--metric", "count,avg_duration,p95_duration,error_rate,event_count,throughput"),
    ),
    "groups_of_events": (
        *("events", *DAY, "--group-by", "level", "--bucket", "6h"),
        *("--metric", "count,p50_duration,max(data.metric_value),error_rate"),
    ),
    "dashboard": ("dashboard", *DAY),
}


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", COMMANDS)
def test_piped_answers(sample_store: Cli, name: str, format_name: str) -> None:
    """A piped answer is these bytes, whole and without an escape sequence."""
    done = sample_store(*COMMANDS[name], "--format", format_name)
    assert done.code == 0
    assert b"\x1b" not in done.raw
    check(f"{name}.{format_name}", done.raw)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_tables_on_a_terminal(sample_store: Cli, name: str, columns: int) -> None:
    """On a terminal everything folds to the width; no line is longer, and nothing is cut."""
    got = on_terminal(sample_store, columns, *COMMANDS[name])
    check(f"{name}.terminal_{columns}", got)
    assert max(map(cell_len, got.decode().splitlines())) <= columns
    assert "…" not in got.decode()


def test_a_dashboard_in_colour(sample_store: Cli) -> None:
    """`--color always` paints what is better green, what is worse red, and each chart in its own colour."""
    check("dashboard.coloured", sample_store("dashboard", *DAY, "--color", "always").raw)
