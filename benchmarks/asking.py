"""One question over a store, timed without what starting costs.

`asking.py ours STORE LINE` asks as the tool does, `asking.py bare STORE STATEMENTS` runs its SQL in bare
DuckDB; both print the seconds from before the store is opened until the last row is there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

import mplp_trace_cli.storage.fold
import mplp_trace_cli.storage.reading  # noqa: F401  what is imported when it is first used is start-up
from mplp_trace_cli.analysis.answers import Answer
from mplp_trace_cli.module import open_service
from questions import QUESTIONS


def ours(store: str, line: str) -> None:
    """The question of a command line, through the service."""
    service = open_service(store)
    known = next(
        one for one in QUESTIONS if line == one or (one.endswith("ID") and line.startswith(one[:-2]))
    )
    trace = line[len(known) - 2 :] if known.endswith("ID") else ""
    with service.reading() as db:
        answer = QUESTIONS[known](db, trace)
        if isinstance(answer, Answer):
            list(answer.rows)
    service.close()


def bare(store: str, statements: str) -> None:
    """The very SQL, in a connection of its own."""
    db = duckdb.connect(store, read_only=True)
    for query, values in json.loads(Path(statements).read_text(encoding="utf-8")):
        db.execute(query, values).fetchall()
    db.close()


if __name__ == "__main__":
    began = time.perf_counter()
    {"ours": ours, "bare": bare}[sys.argv[1]](*sys.argv[2:])
    print(time.perf_counter() - began)
