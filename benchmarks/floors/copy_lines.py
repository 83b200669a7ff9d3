"""DuckDB's own COPY and gzip of the JSON lines of an export: `copy_lines.py FILE STATEMENTS FOLDER`.

STATEMENTS is a JSON file of the SQL an export runs; only where each COPY goes, and its packing, differ.
"""

import json
import re
import sys
from pathlib import Path

import duckdb

store, statements, folder = sys.argv[1:]
Path(folder).mkdir(parents=True)
db = duckdb.connect(store, read_only=True)
copies = 0
for query, values in json.loads(Path(statements).read_text(encoding="utf-8")):
    if not query.startswith("COPY"):
        db.execute(query, values)
        continue
    target = f"{folder}/{copies}.jsonl.gz"
    packed = re.sub(
        r" TO '[^']*' \((.*)\)$", f" TO '{target}' (\\1, COMPRESSION gzip)", query, flags=re.DOTALL
    )
    db.execute(packed, values)
    copies += 1
db.close()
