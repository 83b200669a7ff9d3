"""Export: what a filter selects, written in the formats of this field, as a stream.

DuckDB renders the rows; text goes through a pipe into a faster compressor than its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import ExportRequest
from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.formats import FOLDERS, OUTPUT_FORMATS, SUFFIXES, WITHOUT_METRICS, WRITERS
from mplp_trace_cli.interchange.targets import STDOUT, pump, text_stream, whole_file, whole_folder
from mplp_trace_cli.storage.rows import rows_of
from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.storage.paths import StorePaths
    from mplp_trace_cli.storage.store import Connection

COMPRESSIONS = ("none", "gzip", "zstd", "snappy")
PARTITIONS = ("day", "month", "context_id")
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_TABULAR = ("csv", "parquet")
LINES = "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01', USE_TMP_FILE false)"
_CSV = "HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
_TRACE_TEXTS = ("trace_id", "context_id", "execution_id", "trace_type", "name", "description", "status")
_EVENT_TEXTS = ("event_id", "trace_id", "event_type", "level", "message", "data", "parent_event_id", "source")


@dataclass(frozen=True)
class Selection:
    """The traces to export: a condition over the view `traces` and its values; empty for all."""

    condition: str = ""
    values: Sequence[Any] = ()


@dataclass(frozen=True)
class ExportReport:
    """What was written."""

    destination: str
    format: str
    compression: str
    traces: int
    events: int
    metrics: int
    files: tuple[str, ...] = field(default_factory=tuple)
    bytes: int = 0
    notes: tuple[str, ...] = ()
    """What the format could not carry, a line each."""


class ExportedTrace(NamedTuple):
    """A trace as a writer gets it: metadata and tags are JSON text, instants microseconds since 1970."""

    trace_id: str
    context_id: str
    execution_id: str | None
    trace_type: str
    name: str
    description: str | None
    status: str
    metadata: str
    tags: str
    started_at: int
    completed_at: int | None
    expires_at: int | None

    def plain(self) -> dict[str, Any]:
        """The fields that have no time in them, as values; metadata as text."""
        row = self._asdict() | {"tags": json.loads(self.tags) or None}
        return {name: value for name, value in row.items() if not name.endswith("_at")}


@dataclass(frozen=True)
class Export:
    """What a module that writes a format is given: the views chosen_traces, chosen_events, chosen_metrics."""

    db: Connection
    destination: str
    include_events: bool
    include_metrics: bool


@dataclass(frozen=True)
class _Plan:
    """An export with everything decided."""

    destination: str
    format: str
    compression: str
    include_events: bool
    include_metrics: bool
    partition_by: str | None
    csv_safe: bool
    umask: int

    @property
    def tables(self) -> list[str]:
        named = [
            ("events", self.include_events),
            ("metrics", self.include_metrics and self.format not in WITHOUT_METRICS),
        ]
        return ["traces", *(name for name, wanted in named if wanted)]

    @property
    def is_folder(self) -> bool:
        if self.format in FOLDERS:
            return self.destination.endswith("/")
        return self.format in _TABULAR and (len(self.tables) > 1 or self.partition_by is not None)


def plan_export(request: ExportRequest) -> _Plan:
    """Decides format, compression and shape; raises InvalidInput for what does not fit together."""
    if has_surrogate(request.destination):
        raise InvalidInput(f"{request.destination}: the path of an export must be UTF-8")
    suffix_format, suffix_packed = _from_suffix(request.destination)
    chosen = request.format or suffix_format
    if chosen is None:
        raise InvalidInput(
            f"{request.destination}: its suffix tells no format",
            hint=f"--format {'|'.join(OUTPUT_FORMATS)}",
        )
    _one_of("format", chosen, OUTPUT_FORMATS)
    compression = request.compression or suffix_packed or ("zstd" if chosen == "parquet" else "none")
    _one_of("compression", compression, COMPRESSIONS)
    if suffix_packed is not None and compression != suffix_packed:
        raise InvalidInput(f"compression: {compression} does not fit the suffix of {request.destination}")
    if compression == "snappy" and chosen != "parquet":
        raise InvalidInput("compression: snappy is for parquet", hint="--compression gzip, or zstd")
    if request.partition_by is not None:
        _one_of("partition-by", request.partition_by, PARTITIONS)
        if chosen not in _TABULAR:
            raise InvalidInput("partition-by: is for csv and parquet", hint="--format parquet")
    events = chosen not in _TABULAR if request.include_events is None else request.include_events
    plan = _Plan(
        request.destination,
        chosen,
        compression,
        events,
        request.include_metrics,
        request.partition_by,
        request.csv_safe,
        _umask() if request.umask is None else request.umask,
    )
    _check_place(plan)
    return plan


def _check_place(plan: _Plan) -> None:
    """Raises InvalidInput for a folder that would have to be a file, or the other way round."""
    if plan.destination == STDOUT and plan.is_folder:
        raise InvalidInput("a folder cannot go to standard output", hint="-o FOLDER")
    if plan.format in FOLDERS and not plan.is_folder and os.path.isdir(plan.destination):
        hint = f"-o {plan.destination}/ writes a file a signal"
        raise InvalidInput(f"{plan.destination} is a folder", hint=hint)


def _from_suffix(destination: str) -> tuple[str | None, str | None]:
    stem, suffix = os.path.splitext(destination.lower())
    packed = _PACKED.get(suffix)
    if packed:
        stem, suffix = os.path.splitext(stem)
    doubled = os.path.splitext(stem)[1] + suffix
    return SUFFIXES.get(doubled) or SUFFIXES.get(suffix), packed


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InvalidInput(f"{name}: {unknown_word(allowed, value)}")


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def export(db: Connection, selection: Selection, plan: _Plan, store: StorePaths) -> ExportReport:
    """Writes what is selected; the destination appears whole or not at all.

    Raises InvalidInput for a destination that belongs to the store, StorageFailed, and BrokenPipeError when
    standard output is closed.
    """
    _select(db, selection)
    counts = {
        table: _count(db, table) if table in plan.tables else 0 for table in ("traces", "events", "metrics")
    }
    notes: list[str] = []
    if plan.is_folder:
        with whole_folder(plan.destination, plan.umask, store) as folder:
            notes = _write_folder(db, plan, folder)
    elif plan.destination == STDOUT and plan.format != "parquet":
        notes = _write_file(db, plan, STDOUT)
    elif plan.destination == STDOUT:
        _parquet_to_stdout(db, plan)
    else:
        with whole_file(plan.destination, plan.umask, store) as draft:
            notes = _write_file(db, plan, draft)
    files = tuple(_files(plan.destination))
    return ExportReport(
        plan.destination,
        plan.format,
        plan.compression,
        **counts,
        files=files,
        bytes=sum(os.path.getsize(file) for file in files),
        notes=(*notes, *_changed_cells(db, plan)),
    )


def _files(destination: str) -> Iterator[str]:
    if os.path.isfile(destination):
        yield destination
    for folder, _, names in os.walk(destination):
        yield from (os.path.join(folder, name) for name in sorted(names))


def _select(db: Connection, selection: Selection) -> None:
    where = f"WHERE {selection.condition}" if selection.condition else ""
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE selected AS SELECT trace_id FROM traces {where}", selection.values
    )
    chosen = "SEMI JOIN selected USING (trace_id)" if selection.condition else ""
    # A join may turn rows round, and what an import held back lies behind what came after it; the order of
    # arrival must survive an export. Traces are few; events are sorted only where they are out of order.
    in_order = not selection.condition and _in_order(db)
    orders = {"traces": "ORDER BY seq", "events": "" if in_order else "ORDER BY seq"}
    for view, order in orders.items():
        db.execute(f"CREATE OR REPLACE TEMP VIEW chosen_{view} AS FROM {view} {chosen} {order}")
    db.execute("CREATE OR REPLACE TEMP VIEW chosen_metrics AS FROM metrics")


def _in_order(db: Connection) -> bool:
    """True when the events lie in the order in which they arrived."""
    query = "SELECT bool_or(seq < before) FROM (SELECT seq, lag(seq) OVER () AS before FROM events)"
    return not (db.execute(query).fetchone() or (None,))[0]


def _count(db: Connection, table: str) -> int:
    (count,) = db.execute(f"SELECT count(*) FROM chosen_{table}").fetchone() or (0,)
    return int(count)


def _write_folder(db: Connection, plan: _Plan, folder: str) -> list[str]:
    """Writes the files of a folder and tells what their format could not carry."""
    if plan.format in FOLDERS:
        module = import_module(f"mplp_trace_cli.interchange.{WRITERS[plan.format]}")
        suffix = _packed_suffix(plan)
        notes: list[str] = module.write_folder(
            _wanted(db, plan),
            lambda name: text_stream(os.path.join(folder, name + suffix), plan.compression),
        )
        return notes
    for table in plan.tables:
        _write_table(db, plan, table, os.path.join(folder, table))
    return []


def _packed_suffix(plan: _Plan) -> str:
    return {"gzip": ".gz", "zstd": ".zst"}.get(plan.compression, "")


def _write_file(db: Connection, plan: _Plan, path: str) -> list[str]:
    """Writes a file and tells what its format could not carry."""
    if plan.format == "parquet":
        _copy_parquet(db, plan, "traces", path)
        return []
    with text_stream(path, plan.compression) as stream:
        if plan.format == "csv":
            _copy_csv(db, plan, "traces", stream)
        elif plan.format == "jsonl":
            _write_lines(db, plan, stream)
        elif plan.format in WRITERS:
            return _write_foreign(db, plan, stream)
        else:
            _write_document(db, plan, stream)
    return []


def _write_foreign(db: Connection, plan: _Plan, stream: IO[bytes]) -> list[str]:
    module = import_module(f"mplp_trace_cli.interchange.{WRITERS[plan.format]}")
    notes: list[str] = module.write(_wanted(db, plan), stream)
    return notes


def _wanted(db: Connection, plan: _Plan) -> Export:
    return Export(db, plan.destination, plan.include_events, plan.include_metrics)


def _parquet_to_stdout(db: Connection, plan: _Plan) -> None:
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder, text_stream(STDOUT, "none") as stream:
        path = os.path.join(folder, "traces.parquet")
        _copy_parquet(db, plan, "traces", path)
        with open(path, "rb") as file:
            shutil.copyfileobj(file, stream)


# -- JSON ------------------------------------------------------------------------------------------


def _instant(column: str) -> str:
    return f"'\"' || strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ') || '\"'"


def line_query(table: str, *, with_kind: bool) -> str:
    """A query of the chosen rows of a table as JSON: `line`, and `seq`, which tells their order."""
    kind = f'\'"kind":"{table[:-1]}",\'' if with_kind else "''"
    columns = ("started_at", "completed_at", "expires_at", "timestamp")
    names = {"kind_trace": kind, "kind_event": kind, "kind_metric": kind}
    sources = {name: f"chosen_{name}" for name in ("traces", "events", "metrics")}
    query = statement(f"export_{table[:-1]}_lines").rstrip().rstrip(";")
    return query.format(**names, **sources, **{name: _instant(name) for name in columns})


def _write_lines(db: Connection, plan: _Plan, stream: IO[bytes]) -> None:
    for table in plan.tables:
        query = f"SELECT line FROM ({line_query(table, with_kind=True)})"
        pump(lambda pipe, query=query: copy_query(db, query, pipe, LINES), stream)  # type: ignore[misc]


def _write_document(db: Connection, plan: _Plan, stream: IO[bytes]) -> None:
    stream.write(b'{"traces":[' if plan.include_metrics else b"[")
    traces = line_query("traces", with_kind=False)
    if plan.include_events:
        _write_all(stream, _nested(db, traces))
    else:
        _write_all(stream, _separated(db, f"SELECT line FROM ({traces}) ORDER BY seq"))
    stream.write(b"]")
    if plan.include_metrics:
        stream.write(b',"metrics":[')
        metrics = line_query("metrics", with_kind=False)
        _write_all(stream, _separated(db, f"SELECT line FROM ({metrics})"))
        stream.write(b"]}")
    stream.write(b"\n")


def _write_all(stream: IO[bytes], pieces: Iterator[str]) -> None:
    for piece in pieces:
        stream.write(piece.encode())


def _separated(db: Connection, query: str) -> Iterator[str]:
    mark = "\n"
    for (line,) in rows_of(db, query):
        yield mark + line
        mark = ",\n"
    yield "\n"


def _nested(db: Connection, traces: str) -> Iterator[str]:
    """Pieces of text: each trace with its events inside, in order."""
    events = line_query("events", with_kind=False)
    query = (
        f"SELECT t.line, trace_id, e.line FROM ({traces}) AS t LEFT JOIN ({events}) AS e USING (trace_id) "
        "ORDER BY t.seq, trace_id, e.timestamp, e.seq"
    )
    current, end = None, "\n"
    for trace, trace_id, event in rows_of(db, query):
        if trace_id == current:
            yield f",\n{event}"
            continue
        yield f'{end}{trace[:-1]},"events":[{event or ""}'
        current, end = trace_id, "]},\n"
    yield "\n" if current is None else "]}\n"


# -- tables ----------------------------------------------------------------------------------------


def _write_table(db: Connection, plan: _Plan, table: str, stem: str) -> None:
    if plan.partition_by is not None:
        _copy_partitioned(db, plan, table, stem)
    elif plan.format == "parquet":
        _copy_parquet(db, plan, table, f"{stem}.parquet")
    else:
        with text_stream(f"{stem}.csv{_packed_suffix(plan)}", plan.compression) as stream:
            _copy_csv(db, plan, table, stream)


def _copy_parquet(db: Connection, plan: _Plan, table: str, path: str) -> None:
    options = f"(FORMAT parquet, COMPRESSION {_codec(plan)}, ROW_GROUP_SIZE 122880, USE_TMP_FILE false)"
    copy_query(db, f"SELECT * EXCLUDE seq FROM chosen_{table}", path, options)


def _codec(plan: _Plan) -> str:
    return "uncompressed" if plan.compression == "none" else plan.compression


def _copy_csv(db: Connection, plan: _Plan, table: str, stream: IO[bytes]) -> None:
    query = _csv_query(plan, table)
    pump(lambda pipe: copy_query(db, query, pipe, f"(FORMAT csv, {_CSV}, USE_TMP_FILE false)"), stream)


def _csv_query(plan: _Plan, table: str, extra: str = "") -> str:
    """Cells as exact text: instants in RFC 3339, lists as JSON; what a sheet would run gets a quote."""
    columns = []
    described = db_columns(table)
    for name, kind in described:
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


def _changed_cells(db: Connection, plan: _Plan) -> list[str]:
    """What csv that is safe for a spreadsheet does not carry as it is."""
    if plan.format != "csv" or not plan.csv_safe:
        return []
    cells = 0
    for table in plan.tables:
        texts = [name for name, kind in db_columns(table) if kind == "text"]
        counts = " + ".join(f"count(*) FILTER ({_runs(f'{name}::VARCHAR')})" for name in texts)
        (found,) = db.execute(f"SELECT {counts} FROM chosen_{table}").fetchone() or (0,)
        cells += int(found)
    return [f"csv is not exact: --csv-safe put a ' before {counted(cells, 'cell')}"] if cells else []


def db_columns(table: str) -> list[tuple[str, str]]:
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


def _partition_key(partition_by: str, table: str) -> str | None:
    """What a row is put into folders by; None for a table that has no such thing."""
    if partition_by == "context_id":
        context_of_event = "(SELECT t.context_id FROM traces AS t WHERE t.trace_id = chosen_events.trace_id)"
        return {"traces": "context_id", "events": context_of_event}.get(table)
    moment = "started_at" if table == "traces" else "timestamp"
    form = "%Y-%m-%d" if partition_by == "day" else "%Y-%m"
    return f"strftime(make_timestamp(epoch_us({moment})), '{form}')"


def _copy_partitioned(db: Connection, plan: _Plan, table: str, stem: str) -> None:
    key = _partition_key(plan.partition_by or "", table)
    if key is None:
        _write_table(db, replace(plan, partition_by=None), table, stem)
        return
    name = plan.partition_by
    extra = "" if key == name else f', {key} AS "{name}"'
    query = _csv_query(plan, table, extra)
    if plan.format == "parquet":
        query = f"SELECT * EXCLUDE seq{extra} FROM chosen_{table}"
    codec = f", COMPRESSION {_codec(plan)}" if plan.format == "parquet" or plan.compression != "none" else ""
    kept = "" if extra else ", WRITE_PARTITION_COLUMNS true"
    shape = "parquet" if plan.format == "parquet" else f"csv, {_CSV}"
    copy_query(db, query, stem, f'(FORMAT {shape}, PARTITION_BY ("{name}"){kept}{codec})')


def copy_query(db: Connection, query: str, path: str, options: str) -> None:
    """Has DuckDB write what a query gives; raises StorageFailed."""
    from mplp_trace_cli.storage.store import duckdb_errors  # completion of `export` needs no duckdb

    quoted = path.replace("'", "''")
    with duckdb_errors(path):
        db.execute(f"COPY ({query}) TO '{quoted}' {options}")
