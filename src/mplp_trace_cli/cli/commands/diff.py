"""`diff`: two traces side by side, and in what their events differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import options, output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.words import counted

if TYPE_CHECKING:
    from mplp_trace_cli.domain.comparing.changes import Change
    from mplp_trace_cli.domain.comparing.diff import DiffRow, TraceDiff
    from mplp_trace_cli.domain.trace import Trace

_COLUMNS = (
    Column("kind"),
    Column("event_type"),
    Column("message"),
    Column("first_path"),
    Column("second_path"),
    Column("first_position", Kind.NUMBER),
    Column("second_position", Kind.NUMBER),
    Column("first_event_id"),
    Column("second_event_id"),
    Column("first_duration_ms", Kind.DURATION),
    Column("second_duration_ms", Kind.DURATION),
    Column("delta_ms", Kind.DURATION),
    Column("delta_percent", Kind.NUMBER),
    Column("changes", Kind.JSON),
)
TraceArgument = typer.Argument(
    metavar="TRACE",
    help="An id, a unique prefix, or @last.",
    autocompletion=values.complete_trace,
    show_default=False,
)


def diff_command(
    first: Annotated[str, TraceArgument],
    second: Annotated[str, TraceArgument],
    threshold: Annotated[
        str,
        typer.Option(
            metavar="PERCENT", help="How much slower or faster counts, from 1 ms on; 0 lets all of it count."
        ),
    ] = "10%",
    all_: Annotated[bool, typer.Option("--all", help="Events that are the same, too.")] = False,
    limit: options.Limit = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> int:
    """Compare two traces: what is missing, new, moved, slower or changed; exit code 1 when they differ."""
    from mplp_trace_cli.analysis.lookup import get_trace, resolve_trace  # not while a shell completes
    from mplp_trace_cli.domain.comparing.diff import diff_traces

    chosen = formats.chosen_format(format_, json_)
    percent = _percent(threshold)
    with open_service() as service, service.reading() as db:
        one, other = (get_trace(db, resolve_trace(db, text), None).trace for text in (first, second))
    found = diff_traces(one, other, percent)
    rows = list(found.rows) if all_ else found.differences
    most = formats.default_limit(chosen) if limit is None else limit
    _write(found, rows[:most], chosen)
    if found.is_same:
        output.note("no difference")
    elif len(rows[:most]) < len(rows):
        unit = "event" if all_ else "difference"
        output.note(f"{len(rows[:most]):,} of {counted(len(rows), unit)} (--limit)")
    return 0 if found.is_same else 1


def _percent(text: str) -> float:
    found = values.number(text.removesuffix("%"), "--threshold")
    if found is None or not 0 <= found < float("inf"):
        raise InvalidInput(f"--threshold: {text[:60]!r} is not a percentage", hint="--threshold 10%")
    return found


def _write(found: TraceDiff, rows: Sequence[DiffRow], chosen: str) -> None:
    if chosen == "json":
        output.answer(_as_json(found, rows))
    elif chosen in ("jsonl", "csv"):
        formats.write(Answer(_COLUMNS, map(_fields, rows)), chosen)
        if found.changes:
            output.note(f"the traces differ in {', '.join(change.path for change in found.changes)}")
    else:
        from mplp_trace_cli.cli.views.diff_table import write_for_people

        write_for_people(found, rows, chosen)


# -- for programs ----------------------------------------------------------------------------------


def _as_json(found: TraceDiff, rows: Iterable[DiffRow]) -> str:
    summary = {
        "is_same": json.dumps(found.is_same),
        "delta_ms": json.dumps(found.pace.delta_ms),
        "delta_percent": json.dumps(found.pace.delta_percent),
        **{name: str(count) for name, count in found.counts.items()},
        "changes": _changes_json(found.changes),
    }
    parts = {
        "first": _object(_trace_fields(found.first)),
        "second": _object(_trace_fields(found.second)),
        "summary": _object(summary),
        "differences": f"[{', '.join(formats.json_row(_COLUMNS, _fields(row)) for row in rows)}]",
    }
    return formats.safe_json(_object(parts))


def _object(parts: dict[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.items()) + "}"


def _trace_fields(trace: Trace) -> dict[str, str]:
    fields = {
        "trace_id": trace.trace_id,
        "name": trace.name,
        "status": trace.status.value,
        "duration_ms": trace.duration_ms,
        "event_count": len(trace.events),
        "error_count": trace.generate_summary().error_count,
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in fields.items()}


def _fields(row: DiffRow) -> tuple[Any, ...]:
    sides = (row.first, row.second)
    return (
        row.kind.value,
        row.event_type,
        row.message,
        *(side and side.path for side in sides),
        *(side and side.position for side in sides),
        *(side and side.event_id for side in sides),
        row.pace.first_ms,
        row.pace.second_ms,
        row.pace.delta_ms,
        row.pace.delta_percent,
        _changes_json(row.changes),
    )


def _changes_json(changes: Iterable[Change]) -> str:
    """A side that has no value has no key, which is not the same as null."""
    objects = []
    for change in changes:
        sides = {"first": change.first, "second": change.second}
        present = {name: text for name, text in sides.items() if text is not None}
        objects.append(_object({"path": json.dumps(change.path, ensure_ascii=False), **present}))
    return f"[{','.join(objects)}]"


diff_command.example = "mplp-trace diff 7f3a @last"  # type: ignore[attr-defined]
