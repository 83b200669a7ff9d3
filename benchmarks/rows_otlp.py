"""What it costs to load what OpenTelemetry's collector writes."""

from __future__ import annotations

import json
from pathlib import Path

import data_otlp
from ground import Ground
from harness import MB, Result, at_least, run, seconds_text


def import_otlp(ground: Ground) -> list[Result]:
    """`import` of spans as JSON lines and as protobuf, against merely parsing them in one process."""
    spans = ground.sizes.events // 2
    return [
        _import(ground, "OTLP JSON lines", data_otlp.spans_file(spans), "json", 50_000),
        _import(ground, "OTLP protobuf", data_otlp.protobuf_file(spans), "protobuf", 100_000),
    ]


def _import(ground: Ground, what: str, file: Path, form: str, least: int) -> Result:
    spans = ground.sizes.events // 2
    store = ground.new_store()
    ours = run(ground.trace(store, "import", str(file))).good()
    theirs = run(ground.python("floors/parse_otlp.py", form, file)).good()
    counts = json.loads(ours.stdout)
    expected = spans + -(-spans // data_otlp.SPANS_PER_EVENT)
    return Result(
        f"`import` of {spans:,} spans, {what}, {file.stat().st_size / MB:,.0f} MB",
        seconds_text(ours.seconds),
        f"parsing alone: {seconds_text(theirs.seconds)}",
        spans / ours.seconds,
        at_least(least, "spans/s"),
        sound=counts["events"] == expected and counts["rejected"] == 0,
    )
