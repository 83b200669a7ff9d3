"""What is exported: the chosen rows as views, which every writer of a format asks, and how they are asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from mplp_trace_cli.storage.sql import statement

if TYPE_CHECKING:
    from mplp_trace_cli.interchange.exporting.planning import ExportPlan
    from mplp_trace_cli.storage.store import Connection

LINES = "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01', USE_TMP_FILE false)"
"""How DuckDB writes the texts of one column, a line each, as they are."""


@dataclass(frozen=True)
class Selection:
    """The traces to export: a condition over the view `traces` and its values; empty for all."""

    condition: str = ""
    values: Sequence[Any] = ()


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
    plan: ExportPlan

    def count(self, table: str) -> int:
        """How many rows of a table are chosen."""
        (count,) = self.db.execute(f"SELECT count(*) FROM chosen_{table}").fetchone() or (0,)
        return int(count)


def choose(db: Connection, selection: Selection) -> None:
    """Makes the views of what is selected."""
    chosen = ""
    if selection.condition:
        matching = f"SELECT trace_id FROM traces WHERE {selection.condition}"
        db.execute(f"CREATE OR REPLACE TEMP TABLE selected AS {matching}", selection.values)
        chosen = "SEMI JOIN selected USING (trace_id)"
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


def copy_query(db: Connection, query: str, path: str, options: str) -> None:
    """Has DuckDB write what a query gives; raises StorageFailed."""
    from mplp_trace_cli.storage.store import duckdb_errors  # completion of `export` needs no duckdb

    quoted = path.replace("'", "''")
    with duckdb_errors(path):
        db.execute(f"COPY ({query}) TO '{quoted}' {options}")
