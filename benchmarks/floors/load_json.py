"""DuckDB's own typed read_json of a file into a fresh store: `load_json.py JSONL FILE`."""

import sys

import duckdb

COLUMNS = (
    "event_id VARCHAR, trace_id VARCHAR, event_type VARCHAR, level VARCHAR, message VARCHAR, data JSON, "
    "timestamp TIMESTAMPTZ, duration_ms DOUBLE, source VARCHAR, parent_event_id VARCHAR"
)

source, target = sys.argv[1:]
db = duckdb.connect(target)
db.execute(f"CREATE TABLE events ({COLUMNS})")
typed = ", ".join(f"{name}: '{kind}'" for name, kind in (column.split() for column in COLUMNS.split(", ")))
db.execute(
    f"INSERT INTO events FROM read_json(?, format = 'newline_delimited', columns = {{{typed}}})", [source]
)
db.close()
