"""`rejects`: the lines that could not be recorded."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.app import CommandGroup
from mplp_trace_cli.cli.options import Format, Json, Limit, Page, pagination, tell_total
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.counts import counts_text
from mplp_trace_cli.domain.errors import InvalidInput, NotFound
from mplp_trace_cli.domain.words import counted

rejects_command = CommandGroup(
    "Look at, retry or clear the lines that could not be recorded.",
    dict.fromkeys(("list", "show", "retry", "clear"), "rejects"),
    "mplp-trace rejects list",
)
_COLUMNS = (
    Column("id"),
    Column("source"),
    Column("line", Kind.NUMBER),
    Column("byte_offset", Kind.NUMBER),
    Column("reason"),
    Column("raw"),
    Column("rejected_at", Kind.INSTANT),
)
_PEOPLE = ("id", "source", "line", "reason")
Ids = Annotated[list[int] | None, typer.Argument(metavar="ID...", help="Which ones.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def list_command(page: Page = 1, limit: Limit = None, format_: Format = None, json_: Json = False) -> None:
    """List rejected lines: where each stood and why it was rejected."""
    chosen = formats.chosen_format(format_, json_)
    asked = pagination(page, limit, None, chosen)
    part = "" if asked.limit is None else f"LIMIT {asked.limit} OFFSET {asked.offset}"
    with open_service() as service, service.reading() as db:
        (total,) = db.execute("SELECT count(*) FROM rejects").fetchone() or (0,)
        rows = db.execute(
            "SELECT id, source, line, byte_offset, reason, raw, epoch_us(rejected_at) FROM rejects "
            f"ORDER BY id {part}"
        ).fetchall()
    rows = [(*row[:5], row[5].decode("utf-8", "backslashreplace"), row[6]) for row in rows]
    answer = Answer(_COLUMNS, rows, total)
    names = answer.names
    shown = Answer(
        tuple(column for column in _COLUMNS if column.name in _PEOPLE),
        [tuple(value for name, value in zip(names, row, strict=True) if name in _PEOPLE) for row in rows],
        total,
    )
    formats.write(answer, chosen, shown=lambda _all: shown)
    tell_total(answer, asked, "reject", chosen)


def show_command(
    id_: Annotated[int, typer.Argument(metavar="ID", help="Which one.", show_default=False)],
    raw: Annotated[bool, typer.Option("--raw", help="Its bytes alone, as they came.")] = False,
) -> None:
    """Show one rejected line, its bytes included."""
    with open_service() as service, service.reading() as db:
        row = db.execute(
            "SELECT source, line, byte_offset, reason, raw FROM rejects WHERE id = ?", [id_]
        ).fetchone()
    if row is None:
        raise NotFound(f"there is no reject {id_}", hint="mplp-trace rejects list")
    if raw:
        sys.stdout.buffer.write(row[4])
        return
    for name, value in zip(("source", "line", "offset", "reason"), row[:4], strict=True):
        output.answer(f"{name:<8}{output.visible(str(value))}")
    output.answer(f"{'raw':<8}{output.visible(row[4].decode('utf-8', 'backslashreplace'))}")


def retry_command(
    ids: Ids = None,
    all_: All = False,
    create_missing: Annotated[
        bool, typer.Option("--create-missing", help="Make traces that are not there.")
    ] = False,
) -> int:
    """Record the rejected lines that are good now; they leave the rejects."""
    with open_service() as service:
        counts = service.retry_rejects(_chosen(ids, all_), create_missing).unwrap()
    output.note(counts_text(vars(counts)))
    formats.write_object(vars(counts))
    return 1 if counts.rejected else 0


def clear_command(ids: Ids = None, all_: All = False) -> None:
    """Delete rejected lines."""
    with open_service() as service:
        output.note(f"cleared {counted(service.clear_rejects(_chosen(ids, all_)).unwrap(), 'reject')}")


def _chosen(ids: list[int] | None, everything: bool) -> list[int]:
    if bool(ids) == everything:
        raise InvalidInput("rejects: name ids, or --all", hint="mplp-trace rejects list")
    return ids or []


list_command.example = "mplp-trace rejects list"  # type: ignore[attr-defined]
show_command.example = "mplp-trace rejects show 12"  # type: ignore[attr-defined]
retry_command.example = "mplp-trace rejects retry --all --create-missing"  # type: ignore[attr-defined]
clear_command.example = "mplp-trace rejects clear --all"  # type: ignore[attr-defined]
