"""DuckDB's own copy of a store: `copy_store.py FILE NEW_FILE`."""

import sys

import duckdb

store, copy = sys.argv[1:]
db = duckdb.connect()
db.execute(f"ATTACH '{store}' AS store (READ_ONLY); ATTACH '{copy}' AS copy")
db.execute("COPY FROM DATABASE store TO copy")
db.close()
