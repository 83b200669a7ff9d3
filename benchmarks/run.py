"""Measures what the project is to reach, each against a floor or peer of the same run, and says so.

python benchmarks/run.py             all of it; prints a table and writes docs/benchmarks.md
python benchmarks/run.py --quick     small sizes: shows that everything works, measures nothing
python benchmarks/run.py --only ask  one row; may be repeated; prints only
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import rows_alerts
import rows_asking
import rows_chrome
import rows_completion
import rows_figures
import rows_keeping
import rows_live
import rows_metrics
import rows_moving
import rows_otlp
import rows_process
import rows_python
import rows_recording
import rows_spans
import rows_tables
from ground import FULL, QUICK, Ground
from harness import BenchmarkFailed, Result
from machine import machine

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
COLUMNS = ("what", "measured", "against", "comes to", "reach", "")

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; not edited by hand. Every number stands beside a floor or a peer that was measured
in the same run, so that the ratio means something on any machine. What keeps the large moves busy is in
[where the time goes](profiles.md).
"""
METHOD = """\
## How it is measured

- Whole processes, from their start to their end, by the same interpreter; ours and the other in turns, so
  that a busy moment hits both; medians. Each has run once before it counts.
- The file: seeded events of about 340 bytes with nested data, every fifty of them after the line of their
  trace (`benchmarks/data.py`).
- Peak memory: the resident sizes of a command and its worker processes, added up every 10 ms; pages that
  they share count more than once.
- The bare program that `query` and `events` stand against runs the very SQL that they run
  (`benchmarks/questions.py`).
- A reach that is no ratio (events, rows or spans a second, µs) was set on a machine that starts Typer's hello
  world in 65 ms. What it takes here stands in the first row, and in those of completion in the middle of the
  run: where it is twice as long, half as much is done in a second, by the floors too.
- MB are 10⁶ bytes."""

Row = Callable[[Ground], list[Result]]
ROWS: dict[str, Row] = {
    "record-hello": rows_recording.record_vs_hello,
    "record-duckdb": rows_recording.record_vs_duckdb,
    "library": rows_recording.library_record,
    "wrapping": rows_process.wrapping,
    "passing": rows_process.passing,
    "hook": rows_process.hook,
    "python": rows_python.python_ways,
    "spans": rows_spans.spans,
    "crowd-held": rows_recording.crowd_while_held,
    "stream": rows_recording.stream,
    "import": rows_moving.import_file,
    "otlp": rows_otlp.import_otlp,
    "memory": rows_moving.memory,
    "ask": rows_asking.ask,
    "figures": rows_figures.many,
    "small": rows_figures.few,
    "completion": rows_completion.completion,
    "collector": rows_metrics.collector,
    "tail": rows_live.tail,
    "alerts": rows_alerts.alerts,
    "export": rows_moving.export,
    "chrome": rows_chrome.chrome,
    "crowd": rows_recording.crowd_vs_sqlite_utils,
    "tables": rows_tables.tables,
    "disk": rows_moving.disk,
    "keeping": rows_keeping.purge_and_compact,
    "keeping-latency": rows_keeping.latency,
}


def main() -> int:
    """Runs what is asked for; 1 when something falls short, 2 when it could not be measured."""
    options = _options()
    load = os.getloadavg()[0]
    results: list[Result] = []
    try:
        with Ground(QUICK if options.quick else FULL) as ground:
            for name in options.only or ROWS:
                print(f"{name} …", file=sys.stderr, flush=True)
                for result in ROWS[name](ground):
                    results.append(result)
                    print("   ", " | ".join(cells(result)), file=sys.stderr, flush=True)
    except BenchmarkFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 2
    _print(results)
    if not options.quick and not options.only:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(results, machine(load)), encoding="utf-8")
        print(f"wrote {PAGE}", file=sys.stderr)
    return 0 if all(result.ok for result in results) or options.quick else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke test")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="NAME", help=", ".join(ROWS))
    return parser.parse_args()


def cells(result: Result) -> tuple[str, ...]:
    """A line of the table."""
    verdict = (
        "WRONG" if not result.sound else "short" if not result.ok else "ok" if str(result.reach) else "told"
    )
    return (result.what, result.measured, result.against, result.ratio, str(result.reach), verdict)


def _print(results: Sequence[Result]) -> None:
    from rich import box  # late: whatever this process weighs, its children seem to weigh
    from rich.console import Console
    from rich.table import Table

    table = Table(*COLUMNS, box=box.SIMPLE_HEAD, pad_edge=False)
    for result in results:
        table.add_row(*(cell.replace("`", "") for cell in cells(result)))
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 180)
    console.print(table)
    for result in results:
        if result.note:
            console.print(f"{result.what.replace('`', '')}: {result.note}")


def page(results: Sequence[Result], about: Sequence[tuple[str, str]]) -> str:
    """The page for docs/."""
    lines = [
        INTRODUCTION,
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in about),
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(cells(result))} |" for result in results),
        "",
        METHOD,
        *(f"- {result.what}: {result.note}." for result in results if result.note),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
