"""`doctor`: a check of the store, and saving what can be read of a damaged one."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.settings import current, open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.config import config_file, load_options
from mplp_trace_cli.domain.errors import ConfigInvalid, InvalidInput, StorageFailed
from mplp_trace_cli.storage.paths import StorePaths, name_aside

if TYPE_CHECKING:
    from mplp_trace_cli.storage.mending.findings import Finding
    from mplp_trace_cli.storage.mending.repair import RepairReport

_MARKS = {"ok": "ok", "warning": "!!", "fault": "NO"}
_NAMES = ("check", "state", "detail", "hint")
_INDENT = " " * 15


def doctor_command(
    repair: Annotated[
        bool, typer.Option("--repair", help="Save what can be read into a new store beside this one.")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="PATH", help="With --repair: the new store.")
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="With --repair: put the new files here and rename the damaged ones."),
    ] = False,
    format_: Format = None,
    json_: Json = False,
) -> int:
    """Check the store and its inbox, say what to do about each fault, and repair what is damaged."""
    chosen = formats.chosen_format(format_, json_)
    if not repair and (to is not None or in_place):
        raise InvalidInput("--to and --in-place: belong to --repair", hint="mplp-trace doctor --repair")
    if to is not None and in_place:
        raise InvalidInput("--to and --in-place: one of them", hint="mplp-trace doctor --repair --in-place")
    return _repair(to, in_place, chosen) if repair else _examine(chosen)


def _examine(chosen: str) -> int:
    findings = list(_findings())
    if chosen == "table":
        for finding in findings:
            _tell(finding)
    else:
        rows = [tuple(asdict(finding)[name] for name in _NAMES) for finding in findings]
        formats.write(Answer(tuple(map(Column, _NAMES)), rows), chosen)
    return 1 if any(finding.state == "fault" for finding in findings) else 0


def _findings() -> list[Finding]:
    from mplp_trace_cli.storage.mending.findings import FAULT, OK, Finding

    try:
        load_options(current().config)
    except ConfigInvalid as error:
        # Which store is meant stands in that file, so that nothing else can be looked at.
        return [Finding("config", FAULT, error.message, "correct that line of the config file")]
    used = config_file(current().config)
    config = Finding("config", OK, f"{used} counts" if used else "no config file; the defaults count")
    with open_service() as service:
        return [config, *map(_for_this_store, service.doctor().unwrap())]


def _for_this_store(finding: Finding) -> Finding:
    """A hint that works as it stands names the store that was named."""
    from dataclasses import replace

    named, hint = current().db, finding.hint
    if named is None or hint is None or not hint.startswith("mplp-trace "):
        return finding
    return replace(finding, hint=hint.replace("mplp-trace ", f"mplp-trace --db {shlex.quote(named)} ", 1))


def _tell(finding: Finding) -> None:
    for number, line in enumerate(_folded(output.visible(finding.detail))):
        begin = f"{_MARKS[finding.state]:<3}{finding.check:<12}" if number == 0 else _INDENT
        output.answer(f"{begin}{line}")
    if finding.hint and finding.state != "ok":
        # In one line, so that it can be copied.
        output.answer(f"{_INDENT}hint: {output.visible(finding.hint)}")


def _folded(text: str) -> list[str]:
    if not sys.stdout.isatty():
        return [text]
    width = max(20, formats.console().width - len(_INDENT))
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _repair(to: str | None, in_place: bool, chosen: str) -> int:
    with open_service() as service:
        report = service.repair(to, in_place=in_place).unwrap()
        damaged = service.paths
    if report.is_empty:
        reasons = "; ".join(part.detail for part in report.parts if part.detail)
        raise StorageFailed(f"nothing could be saved: {reasons}", hint="put back a copy, or import an export")
    columns = (Column("part"), Column("saved", Kind.COUNT), Column("lost", Kind.COUNT), Column("detail"))
    if chosen == "json":
        formats.write_object({**asdict(report), "whole": report.is_whole})
    else:
        rows = [(part.part, part.saved, part.lost, part.detail) for part in report.parts]
        formats.write(Answer(columns, rows), chosen)
    _tell_places(report, damaged, in_place)
    return 0 if report.is_whole else 1


def _tell_places(report: RepairReport, damaged: StorePaths, in_place: bool) -> None:
    if in_place:
        for path in report.set_aside:
            output.note(f"the damaged file is {path} now")
        output.note(f"the new store is {report.store}")
        return
    output.note(f"the new store is {report.store}; the files it was made from are as they were")
    output.note(f"to put it in place, while nothing records: {_moves(report, damaged)}")


def _moves(report: RepairReport, damaged: StorePaths) -> str:
    old = filter(os.path.exists, (damaged.inbox, f"{damaged.inbox}-wal", damaged.log, damaged.store))
    moves = [(path, name_aside(path)) for path in old]
    moves += [(report.inbox, damaged.inbox), (report.store, damaged.store)]
    return " && ".join(f"mv -n -- {shlex.quote(source)} {shlex.quote(target)}" for source, target in moves)


doctor_command.example = "mplp-trace doctor"  # type: ignore[attr-defined]
