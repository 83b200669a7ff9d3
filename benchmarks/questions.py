"""What the tool asks of DuckDB, so that a bare program can ask the very same.

`questions.py STORE` prints a JSON object: for `query` and `events` command lines, and for an export of
JSON lines (`export`), the pairs of SQL text and values that they run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from mplp_trace_cli.analysis.queries import query_events, query_traces
from mplp_trace_cli.cli.formats import PAGE_ROWS
from mplp_trace_cli.domain.questions import EventFilter, ExportRequest, Pagination, TraceFilter
from mplp_trace_cli.interchange.exporting import Selection, export, plan_export
from mplp_trace_cli.module import open_service
from mplp_trace_cli.storage.store import Connection

PAGE = Pagination(1, PAGE_ROWS)
EXPORT = "export"


def _export(db: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        export(db, Selection(), plan_export(ExportRequest(str(Path(folder) / "all.jsonl"))))


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "query": lambda db: query_traces(db, TraceFilter(), PAGE),
    "query --has-errors": lambda db: query_traces(db, TraceFilter(has_errors=True), PAGE),
    "events": lambda db: query_events(db, EventFilter(), PAGE),
    "events --level error --source plan": lambda db: query_events(
        db, EventFilter(levels=["error"], sources=["plan"]), PAGE
    ),
    EXPORT: _export,
}
"""Each command line and the question that its command asks."""


class Listening:
    """A connection that notes what it is asked."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.heard: list[tuple[str, list[Any]]] = []

    def execute(self, query: str, values: Sequence[Any] = ()) -> Connection:
        """Runs a statement, and notes it."""
        self.heard.append((query, list(values)))
        return self._db.execute(query, values)


def main(store: str) -> None:
    """Asks every question once and prints what was heard."""
    service = open_service(store)
    heard = {}
    with service.reading() as db:
        for line, ask in QUESTIONS.items():
            listening = Listening(db)
            ask(cast(Connection, listening))
            heard[line] = listening.heard
    service.close()
    print(json.dumps(heard))


if __name__ == "__main__":
    main(sys.argv[1])
