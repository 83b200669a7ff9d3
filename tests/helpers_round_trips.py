"""Stores of every hard type, written in every form and read again: what is the same, and in which order."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from mplp_trace_cli.service import TraceManagementService
from tests.helpers_storage import service_at
from tests.test_export import HARD, stores
from tests.test_tables_in import stores as lines_of_stores


class Form(NamedTuple):
    """A way to write a store: the name of the file or folder, and what is asked for."""

    name: str
    format: str
    compression: str | None = None
    partition_by: str | None = None

    @property
    def carries_metrics(self) -> bool:
        """All do but MPLP documents and one body of protobuf."""
        return self.format != "mplp" and not self.name.endswith(".pb")

    @property
    def carries_any_span(self) -> bool:
        """Protobuf has hexadecimal ids alone and no newer members; one body of it has no log records."""
        return not self.name.endswith((".pb", "/"))

    @property
    def order(self) -> str:
        """What stays of the order of arrival: all of it, within traces, of equal times there, none."""
        if self.format == "otlp" or self.partition_by is not None:
            return "none"
        return {"json": "of equal times", "mplp": "of traces"}.get(self.format, "all")


FORMS = [
    *(Form("out.jsonl", "jsonl", packed) for packed in (None, "gzip", "zstd")),
    *(Form("out.json", "json", packed) for packed in (None, "gzip", "zstd")),
    *(Form("out", "csv", packed) for packed in (None, "gzip", "zstd")),
    *(Form("out", "parquet", packed) for packed in (None, "none", "gzip", "snappy")),
    *(Form("out", form, None, key) for form in ("csv", "parquet") for key in ("day", "month", "context_id")),
    *(Form("out.otlp.jsonl", "otlp", packed) for packed in (None, "gzip", "zstd")),
    *(Form("out.pb", "otlp", packed) for packed in (None, "gzip", "zstd")),
    *(Form("out/", "otlp", packed) for packed in (None, "gzip", "zstd")),
    *(Form("out.chrome.json", "chrome", packed) for packed in (None, "gzip", "zstd")),
    *(
        Form(name, "mplp", packed)
        for name in ("out.mplp.json", "out.mplp.jsonl")
        for packed in (None, "zstd")
    ),
]
Fill = Callable[[TraceManagementService, Path], None]


def loading(path: Path) -> Fill:
    def fill(service: TraceManagementService, _folder: Path) -> None:
        service.import_files(files=[str(path)]).unwrap()

    return fill


def _loading_lines(lines: str) -> Fill:
    def fill(service: TraceManagementService, folder: Path) -> None:
        (folder / "lines.jsonl").write_text(lines, encoding="utf-8")
        loading(folder / "lines.jsonl")(service, folder)

    return fill


def _recording(made: Callable[[TraceManagementService], None]) -> Fill:
    return lambda service, _folder: made(service)


RECORDED = stores().map(_recording) | lines_of_stores().map(_loading_lines)
SPANS = loading(HARD.with_name("otlp_every_hard_type.json"))
LOADED = [loading(HARD), loading(HARD.with_name("every_metric.jsonl")), SPANS]
FILLS = st.tuples(RECORDED, st.lists(st.sampled_from(LOADED), max_size=1)).map(lambda got: [got[0], *got[1]])
WAYS = st.lists(st.sampled_from(FORMS), min_size=1, max_size=4)


def check_round_trips(fills: list[Fill], forms: list[Form]) -> None:
    """A store that goes from form to form is the same at the end, but for what a form cannot carry."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service_at(folder / "0.duckdb", durable=False) as service:
            for fill in fills:
                if fill is not SPANS or all(form.carries_any_span for form in forms):
                    fill(service, folder)
            first = told = exported(service, folder / "0.jsonl")
        for number, form in enumerate(forms, 1):
            there, back = folder / f"{number - 1}.duckdb", folder / f"{number}.duckdb"
            told = one_way(there, back, form, folder / str(number))
            wanted = first if all(each.carries_metrics for each in forms[:number]) else without_metrics(first)
            assert Counter(told) == Counter(wanted), form
        orders = {form.order for form in forms}
        if "none" not in orders:
            assert by_trace(told, by_time=True) == by_trace(wanted, by_time=True)
        if not orders & {"none", "of equal times"}:
            assert by_trace(told) == by_trace(wanted)
        if orders == {"all"}:
            assert told == wanted


def one_way(there: Path, back: Path, form: Form, folder: Path) -> list[str]:
    """Writes a store in a form, reads that into another, and gives its lines."""
    folder.mkdir()
    with service_at(there, durable=False) as service:
        service.export_traces(
            destination=str(folder / form.name),
            format=form.format,
            compression=form.compression,
            partition_by=form.partition_by,
            include_events=True,
            include_metrics=form.carries_metrics,
        ).unwrap()
    with service_at(back, durable=False) as service:
        report = service.import_files(files=[str(folder / form.name)]).unwrap()
        assert report.counts.rejected == report.counts.repeated == 0, form
        return exported(service, folder / "told.jsonl")


def exported(service: TraceManagementService, path: Path) -> list[str]:
    """Everything that a store has, a line each."""
    service.export_traces(destination=str(path), include_metrics=True).unwrap()
    return path.read_text(encoding="utf-8").split("\n")


def without_metrics(lines: list[str]) -> list[str]:
    """The lines that are no samples."""
    return [line for line in lines if not line.startswith('{"kind":"metric"')]


def by_trace(lines: list[str], *, by_time: bool = False) -> dict[str, list[str]]:
    """The events of each trace, in their order, or in that of their times."""
    events = [json.loads(line) for line in lines if line.startswith('{"kind":"event"')]
    if by_time:
        events.sort(key=lambda event: str(event["timestamp"]))
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event["trace_id"], []).append(event["event_id"])
    return found
