"""What the tool asks of DuckDB, so that a bare program can ask the very same.

`questions.py STORE` prints a JSON object: for each command line, and for an export of JSON lines
(`export`), the pairs of SQL text and values that it runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from mplp_trace_cli.analysis.aggregation import aggregate_events, aggregate_traces
from mplp_trace_cli.analysis.answers import Answer
from mplp_trace_cli.analysis.dashboard import dashboard
from mplp_trace_cli.analysis.lookup import get_trace
from mplp_trace_cli.analysis.metrics import get_metrics, question_of
from mplp_trace_cli.analysis.queries import query_events, query_traces
from mplp_trace_cli.analysis.sql import run_sql
from mplp_trace_cli.cli.views.formats import PAGE_ROWS
from mplp_trace_cli.cli.views.metrics_table import CELLS
from mplp_trace_cli.config import TraceModuleOptions
from mplp_trace_cli.domain.dashboard import DashboardRequest
from mplp_trace_cli.domain.metrics_data import MetricsRequest
from mplp_trace_cli.domain.questions import (
    EventFilter,
    ExportRequest,
    Pagination,
    TimeRange,
    TraceAggregation,
    TraceFilter,
)
from mplp_trace_cli.interchange.exporting.chosen import Selection
from mplp_trace_cli.interchange.exporting.planning import plan_export
from mplp_trace_cli.interchange.exporting.writing import export
from mplp_trace_cli.module import open_service
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.store import Connection

PAGE = Pagination(1, PAGE_ROWS)
EXPORT = "export"


def _export(db: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_export(ExportRequest(str(Path(folder) / "all.jsonl")))
        export(db, Selection(), plan, StorePaths.at(Path(folder) / "traces.duckdb"))


SINCE, UNTIL = "2026-03-03T10:00:00Z", "2026-03-04T10:00:00Z"
"""The last 24 hours in which the data of the benchmarks has something."""
_DAY = TimeRange(SINCE, UNTIL)
_SPREAD = ("count", "p50_duration", "p95_duration", "p99_duration", "error_rate")
_BY_TYPE = TraceAggregation(["event_type"], _SPREAD, "1h")
_BY_STATUS = TraceAggregation(["status"], ["count", "avg_duration", "error_rate"])
COUNTS = "SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC"


def _now() -> int:
    return time.time_ns() // 1_000


QUESTIONS: dict[str, Callable[[Connection, str], object]] = {
    "query": lambda db, _: query_traces(db, TraceFilter(), PAGE),
    "query --has-errors": lambda db, _: query_traces(db, TraceFilter(has_errors=True), PAGE),
    "query --group-by status": lambda db, _: aggregate_traces(db, TraceFilter(), _BY_STATUS, PAGE, _now()),
    "events": lambda db, _: query_events(db, EventFilter(), PAGE),
    "events --level error --source plan": lambda db, _: query_events(
        db, EventFilter(levels=["error"], sources=["plan"]), PAGE
    ),
    f"events --group-by event_type --bucket 1h --metric {','.join(_SPREAD)}": lambda db, _: aggregate_events(
        db, EventFilter(), _BY_TYPE, PAGE, _now()
    ),
    "events --trace ID": lambda db, trace: query_events(db, EventFilter(trace_ids=[trace]), Pagination()),
    f"dashboard --since {SINCE} --until {UNTIL}": lambda db, _: dashboard(db, DashboardRequest(_DAY), _now()),
    f"metrics show --since {SINCE} --until {UNTIL}": lambda db, _: get_metrics(
        db, question_of(MetricsRequest(_DAY, trend=CELLS), TraceModuleOptions(), _now())
    ),
    "show ID": lambda db, trace: get_trace(db, trace, None),
    "diff ID ID": lambda db, trace: [get_trace(db, trace, None) for _ in range(2)],
    f'sql "{COUNTS}"': lambda db, _: run_sql(db, COUNTS, {}),
    EXPORT: lambda db, _: _export(db),
}
"""Each command line and the question that its command asks; ID is the newest trace."""


class Listening:
    """A connection that notes what it is asked."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.heard: list[tuple[str, list[Any] | dict[str, Any]]] = []

    def execute(self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> Connection:
        """Runs a statement, and notes it."""
        self.heard.append((query, dict(values) if isinstance(values, Mapping) else list(values)))
        return self._db.execute(query, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def main(store: str) -> None:
    """Asks every question once and prints what was heard."""
    service = open_service(store)
    heard = {}
    trace = service.resolve_trace("@last")
    for line, ask in QUESTIONS.items():
        with service.reading() as db:
            listening = Listening(db)
            answer = ask(cast(Connection, listening), trace)
            if isinstance(answer, Answer):
                list(answer.rows)
            heard[line.replace("ID", trace)] = listening.heard
    service.close()
    print(json.dumps(heard))


if __name__ == "__main__":
    main(sys.argv[1])
