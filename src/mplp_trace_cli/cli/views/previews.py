"""What a dry run found: the first records as tables, what would be rejected and why, how many there are."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.analysis.answers import Column, Kind
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.counts import counts_text
from mplp_trace_cli.domain.json_text import Member, members
from mplp_trace_cli.domain.times import parse_instant

if TYPE_CHECKING:
    from mplp_trace_cli.interchange.loading.files import LoadReport, Preview

_KINDS = {
    **dict.fromkeys(("started_at", "completed_at", "expires_at", "timestamp"), Kind.INSTANT),
    **dict.fromkeys(("data", "metadata", "labels", "buckets"), Kind.JSON),
    "tags": Kind.TEXTS,
    "duration_ms": Kind.DURATION,
    "value": Kind.NUMBER,
}
_EVENT = (
    *("timestamp", "level", "event_type", "message", "duration_ms", "source", "trace_id", "event_id"),
    *("parent_event_id", "data"),
)
_TRACE = (
    *("trace_id", "name", "status", "started_at", "completed_at", "expires_at", "context_id", "execution_id"),
    *("trace_type", "description", "tags", "metadata"),
)
_METRIC = ("timestamp", "name", "type", "value", "unit", "help", "labels", "buckets")
_TABLES = {"trace": _TRACE, "event": _EVENT, "metric": _METRIC}
_REJECTS = (Column("source"), Column("line", Kind.NUMBER), Column("reason"))
_MADE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def write_json(report: LoadReport, preview: Preview) -> None:
    """One object: the counts, the first records as they would be exported, the first rejects."""
    head = json.dumps({"dry_run": True, **report.as_dict()})[:-1]
    names = ("source", "line", "reason")
    rejects = [dict(zip(names, one, strict=True)) for one in preview.rejects]
    told = f'"rows": [{", ".join(preview.rows)}], "rejects": {json.dumps(rejects, ensure_ascii=False)}'
    output.answer(formats.safe_json(f"{head}, {told}}}"))


def write_tables(report: LoadReport, preview: Preview) -> None:
    """The same for people."""
    for kind, names in _TABLES.items():
        rows = [row for row in map(_row, preview.rows) if row["kind"].value == kind]
        if rows:
            _write_kind(kind, names, rows)
    if preview.rejects:
        _heading("rejected", len(preview.rejects), report.counts.rejected)
        formats.print_table(_REJECTS, preview.rejects)
        output.answer("")
    output.answer(f"dry run, nothing was recorded; it would be: {_counted(vars(report.counts))}")


def _counted(counts: dict[str, int]) -> str:
    recorded = {**counts, "rejected": 0}
    told = [counts_text(recorded)] if any(recorded.values()) else []
    if counts["rejected"]:
        told.append(f"{counts['rejected']:,} rejected")
    return ", ".join(told) or "nothing"


def _row(line: str) -> dict[str, Member]:
    return {member.key: member for member in members(line)}


def _write_kind(kind: str, names: Sequence[str], rows: list[dict[str, Member]]) -> None:
    columns = [Column(name, _KINDS.get(name, Kind.TEXT)) for name in names if _is_told(name, rows)]
    _heading(f"{kind}s", len(rows))
    formats.print_table_or_records(columns, [[_cell(column, row) for column in columns] for row in rows])
    output.answer("")


def _heading(what: str, shown: int, total: int | None = None) -> None:
    part = f", the first {shown} of {total:,}" if total is not None and total > shown else ""
    output.answer(f"{what}{part}")


def _is_told(name: str, rows: list[dict[str, Member]]) -> bool:
    """True for a column that says something: an id that is made up says nothing."""
    values = [row[name].value for row in rows if name in row]
    return bool(values) and not (name == "event_id" and all(map(_MADE_ID.fullmatch, values)))


def _cell(column: Column, row: dict[str, Member]) -> Any:
    member = row.get(column.name)
    if member is None:
        return None
    if column.kind is Kind.INSTANT:
        return parse_instant(member.value)
    return member.text if column.kind in (Kind.JSON, Kind.TEXTS) else member.value
