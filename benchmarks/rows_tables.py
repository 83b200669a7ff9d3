"""What tables cost on their way in: csv and parquet of another tool, and of our own exports."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ground import Ground
from harness import MB, Result, at_least, at_most, run

ROWS_PER_SECOND = 100_000
_MAPPING = (
    *("--map", "event_type=EventType,timestamp=@timestamp,duration_ms=took,level=severity"),
    *("--duration-unit", "us", "--default", "trace_id=app", "--create-missing"),
)
_HEADER = (
    "@timestamp",
    "EventType",
    "severity",
    "message",
    "http.status",
    "took",
    "host",
    "user",
    "bytes",
    "ok",
)


def tables(ground: Ground) -> list[Result]:
    """`import` of csv and parquet: the log of another tool with a mapping, and what its memory is."""
    rows = ground.sizes.events
    log = _log(ground.place("log.csv"), rows)
    packed = ground.place("log.parquet")
    pq.write_table(pa_csv.read_csv(log), packed)
    return [*_load(ground, "csv", log, rows), *_load(ground, "parquet", packed, rows)]


def _log(path: Path, rows: int) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADER)
        for n in range(rows):
            clock = f"{n // 3_600_000 % 24:02}:{n // 60_000 % 60:02}:{n // 1_000 % 60:02}.{n % 1_000:03}"
            told = ("request", "INFO", f"message, number {n}", 200 if n % 9 else 500, n % 99_999)
            writer.writerow((f"2026-03-02 {clock}", *told, f"h{n % 17}", f"u{n % 1_000}", n * 7, "true"))
    return path


def _load(ground: Ground, form: str, file: Path, rows: int) -> list[Result]:
    done = run(ground.trace(ground.new_store(), "import", str(file), *_MAPPING), weigh=True).good()
    what = f"`import` of {form}, {rows:,} rows of ten columns, mapped"
    speed, peak = rows / done.seconds, done.peak_bytes / MB
    size = f"{file.stat().st_size / MB:,.0f} MB"
    return [
        Result(what, f"{speed:,.0f} rows/s", size, speed, at_least(ROWS_PER_SECOND, "rows/s")),
        Result(f"peak memory of `import` of {form}", f"{peak:,.0f} MB", size, peak, at_most(1_000, "MB")),
    ]
