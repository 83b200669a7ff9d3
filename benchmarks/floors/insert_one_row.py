"""Opens a DuckDB file, inserts one row, closes it: `insert_one_row.py FILE`."""

import sys

import duckdb

db = duckdb.connect(sys.argv[1])
db.execute("CREATE TABLE IF NOT EXISTS events (trace_id VARCHAR, event_type VARCHAR, moment TIMESTAMPTZ)")
db.execute("INSERT INTO events VALUES (?, ?, now())", ["trace-1", "stage_started"])
db.close()
