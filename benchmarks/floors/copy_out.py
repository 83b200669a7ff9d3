"""DuckDB's own COPY of a store's traces and events: `copy_out.py FILE parquet|csv FOLDER`.

The cells are those of an export; parquet is packed with zstd, csv with gzip.
"""

import sys
from pathlib import Path

import duckdb

INSTANT = "strftime(make_timestamp(epoch_us({0})), '%Y-%m-%dT%H:%M:%S.%fZ') AS {0}"
TRACES = (
    "trace_id, context_id, execution_id, trace_type, name, description, status, metadata, {tags}, "
    "{started_at}, {completed_at}, {expires_at}, duration_ms"
)
EVENTS = (
    "event_id, trace_id, event_type, level, message, data, {timestamp}, duration_ms, parent_event_id, source"
)
INSTANTS = ("started_at", "completed_at", "expires_at", "timestamp")
OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER, COMPRESSION gzip",
}
SUFFIXES = {"parquet": "parquet", "csv": "csv.gz"}

store, form, folder = sys.argv[1:]
cells = {name: name if form == "parquet" else INSTANT.format(name) for name in INSTANTS}
cells["tags"] = "to_json(tags)::VARCHAR AS tags" if form == "csv" else "tags"
Path(folder).mkdir(parents=True)
db = duckdb.connect(store, read_only=True)
for table, columns in (("traces", TRACES), ("events", EVENTS)):
    selected = columns.format(**cells)
    target = f"{folder}/{table}.{SUFFIXES[form]}"
    db.execute(f"COPY (SELECT {selected} FROM {table}) TO '{target}' ({OPTIONS[form]})")
db.close()
