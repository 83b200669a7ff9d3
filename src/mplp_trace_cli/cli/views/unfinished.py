"""Active traces as people read them: how old, what happened last and when, and whose process was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.analysis.queries import last_events
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.settings import for_this_store
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.tables import is_wide, shown_id
from mplp_trace_cli.domain.words import counted, humane_duration
from mplp_trace_cli.storage.processes import ended_process

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

KILLED = "killed"
_COLUMNS = (
    Column("trace"),
    Column("name"),
    Column("context"),
    Column("status"),
    Column("age", Kind.FIGURE),
    Column("last event", Kind.FIGURE),
    Column("what"),
    Column("events", Kind.COUNT),
    Column("errors", Kind.COUNT),
)
_WIDE_ONLY = ("context", "what")


def write_unfinished(db: Connection, answer: Answer, chosen: str, now: int) -> None:
    """Writes a page of active traces, and says whose process has ended."""
    rows = [dict(zip(answer.names, row, strict=True)) for row in answer.rows]
    newest = last_events(db, [row["trace_id"] for row in rows]) if rows else {}
    killed = [row["trace_id"] for row in rows if ended_process(row["metadata"]) is not None]
    cells = [_cells(row, newest.get(row["trace_id"]), row["trace_id"] in killed, now) for row in rows]
    shown = [at for at, column in enumerate(_COLUMNS) if is_wide() or column.name not in _WIDE_ONLY]
    columns = tuple(_COLUMNS[at] for at in shown)
    formats.write(Answer(columns, [tuple(row[at] for at in shown) for row in cells], answer.total), chosen)
    tell_killed(killed)


def _cells(row: dict[str, Any], newest: tuple[str, int] | None, killed: bool, now: int) -> tuple[Any, ...]:
    what, at = newest or (None, None)
    return (
        shown_id(row["trace_id"]),
        row["name"],
        row["context_id"],
        KILLED if killed else row["status"],
        _ago(row["started_at"], now),
        None if at is None else f"{_ago(at, now)} ago",
        what,
        row["event_count"],
        row["error_count"] or None,
    )


def _ago(instant: int, now: int) -> str:
    return humane_duration(max(0, now - instant) / 1_000)


def tell_killed(trace_ids: list[str]) -> None:
    """Says on stderr that the processes of traces have ended, and what to do."""
    if trace_ids:
        whose = counted(len(trace_ids), "active trace")
        output.note(f"{whose} of a process that has ended: {for_this_store('mplp-trace expire --killed')}")
