"""What is chosen as tables: csv that is exact, and Parquet with real types; DuckDB writes both."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import IO

from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.exporting.chosen import Export, copy_query
from mplp_trace_cli.interchange.exporting.planning import ExportPlan
from mplp_trace_cli.interchange.exporting.targets import STDOUT, pump, text_stream

_CSV = "HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
_TRACE_TEXTS = ("trace_id", "context_id", "execution_id", "trace_type", "name", "description", "status")
_EVENT_TEXTS = ("event_id", "trace_id", "event_type", "level", "message", "data", "parent_event_id", "source")


def write(export: Export, stream: IO[bytes]) -> list[str]:
    """Writes the traces as csv; tells what of it is not exact."""
    _write_csv(export, "traces", stream)
    return _changed_cells(export)


def write_parquet(export: Export, path: str) -> list[str]:
    """Writes the traces as Parquet, which carries everything."""
    if path == STDOUT:
        _parquet_to_stdout(export)
    else:
        _copy_parquet(export, "traces", path)
    return []


def write_folder(export: Export, folder: str) -> list[str]:
    """Writes a file for each table, or a folder of partitions; tells what is not exact."""
    for table in export.plan.tables:
        stem = os.path.join(folder, table)
        key = _partition_key(export.plan, table)
        if key is None:
            _write_table(export, table, stem)
        else:
            _copy_partitioned(export, table, key, stem)
    return _changed_cells(export)


def _write_table(export: Export, table: str, stem: str) -> None:
    plan = export.plan
    if plan.format == "parquet":
        _copy_parquet(export, table, f"{stem}.parquet")
        return
    with text_stream(f"{stem}.csv{plan.packed_suffix}", plan.compression) as stream:
        _write_csv(export, table, stream)


def _parquet_to_stdout(export: Export) -> None:
    """Through a file: DuckDB goes back in what it writes of Parquet, which a stream cannot."""
    with tempfile.TemporaryDirectory() as folder, text_stream(STDOUT, "none") as stream:
        path = os.path.join(folder, "traces.parquet")
        _copy_parquet(export, "traces", path)
        with open(path, "rb") as file:
            shutil.copyfileobj(file, stream)


def _copy_parquet(export: Export, table: str, path: str) -> None:
    codec = _codec(export.plan)
    options = f"(FORMAT parquet, COMPRESSION {codec}, ROW_GROUP_SIZE 122880, USE_TMP_FILE false)"
    copy_query(export.db, f"SELECT * EXCLUDE seq FROM chosen_{table}", path, options)


def _codec(plan: ExportPlan) -> str:
    return "uncompressed" if plan.compression == "none" else plan.compression


def _write_csv(export: Export, table: str, stream: IO[bytes]) -> None:
    query = _csv_query(export.plan, table)
    pump(lambda pipe: copy_query(export.db, query, pipe, f"(FORMAT csv, {_CSV}, USE_TMP_FILE false)"), stream)


def _csv_query(plan: ExportPlan, table: str, extra: str = "") -> str:
    """Cells as exact text: instants in RFC 3339, lists as JSON; what a sheet would run gets a quote."""
    columns = []
    for name, kind in _columns(table):
        cell = f'"{name}"'
        if kind == "instant":
            cell = f"make_timestamp(epoch_us({cell}))"  # the writer formats it: as text it would take memory
        elif kind == "list":
            cell = f"to_json({cell})::VARCHAR"
        elif kind == "text" and plan.csv_safe:
            cell = f"if({_runs(cell)}, '''' || {cell}, {cell}::VARCHAR)"
        columns.append(f'{cell} AS "{name}"')
    return f"SELECT {', '.join(columns)}{extra} FROM chosen_{table}"


def _runs(cell: str) -> str:
    """A condition: a spreadsheet would run the text of the cell."""
    return f"regexp_matches({cell}, '^[=+\\-@\\t\\r\\n]')"


def _changed_cells(export: Export) -> list[str]:
    """What csv that is safe for a spreadsheet does not carry as it is."""
    if export.plan.format != "csv" or not export.plan.csv_safe:
        return []
    cells = 0
    for table in export.plan.tables:
        texts = [name for name, kind in _columns(table) if kind == "text"]
        counts = " + ".join(f"count(*) FILTER ({_runs(f'{name}::VARCHAR')})" for name in texts)
        (found,) = export.db.execute(f"SELECT {counts} FROM chosen_{table}").fetchone() or (0,)
        cells += int(found)
    return [f"csv is not exact: --csv-safe put a ' before {counted(cells, 'cell')}"] if cells else []


def _columns(table: str) -> list[tuple[str, str]]:
    """The exported columns of a table and whether each is text, an instant, a list or a number."""
    instants = ("started_at", "completed_at", "expires_at", "timestamp")
    kinds = dict.fromkeys(instants, "instant") | {"tags": "list", "duration_ms": "number", "value": "number"}
    return [(name, kinds.get(name, "text")) for name in _COLUMNS[table]]


_COLUMNS = {
    "traces": (
        *_TRACE_TEXTS,
        "metadata",
        "tags",
        "started_at",
        "completed_at",
        "expires_at",
        "duration_ms",
    ),
    "events": (*_EVENT_TEXTS[:6], "timestamp", "duration_ms", *_EVENT_TEXTS[6:]),
    "metrics": ("name", "type", "value", "unit", "help", "labels", "buckets", "timestamp"),
}


def _partition_key(plan: ExportPlan, table: str) -> str | None:
    """What a row is put into folders by; None for a table that has no such thing, or where none is wanted."""
    if plan.partition_by is None:
        return None
    if plan.partition_by == "context_id":
        context_of_event = "(SELECT t.context_id FROM traces AS t WHERE t.trace_id = chosen_events.trace_id)"
        return {"traces": "context_id", "events": context_of_event}.get(table)
    moment = "started_at" if table == "traces" else "timestamp"
    form = "%Y-%m-%d" if plan.partition_by == "day" else "%Y-%m"
    return f"strftime(make_timestamp(epoch_us({moment})), '{form}')"


def _copy_partitioned(export: Export, table: str, key: str, stem: str) -> None:
    plan, name = export.plan, export.plan.partition_by
    extra = "" if key == name else f', {key} AS "{name}"'
    query = _csv_query(plan, table, extra)
    if plan.format == "parquet":
        query = f"SELECT * EXCLUDE seq{extra} FROM chosen_{table}"
    codec = f", COMPRESSION {_codec(plan)}" if plan.format == "parquet" or plan.compression != "none" else ""
    kept = "" if extra else ", WRITE_PARTITION_COLUMNS true"
    shape = "parquet" if plan.format == "parquet" else f"csv, {_CSV}"
    copy_query(export.db, query, stem, f'(FORMAT {shape}, PARTITION_BY ("{name}"){kept}{codec})')
