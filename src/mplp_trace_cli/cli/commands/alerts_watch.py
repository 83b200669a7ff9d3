"""`alerts watch`: checks again and again, and tells each change as it comes."""

from __future__ import annotations

import os
import re
import sys

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.commands.alerts import no_rules, tell_deliveries, warn
from mplp_trace_cli.cli.pacing import interval_ms, moments
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import alerts_table, formats
from mplp_trace_cli.domain.alerts.alert import alert_title
from mplp_trace_cli.domain.alerts.report import AlertChange, AlertReport
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput, StorageFailed, StoreBusy, TraceError
from mplp_trace_cli.domain.words import counted, humane_duration

_FORMATS = ("table", "jsonl")
_PASSING = (StoreBusy, StorageFailed)
"""What the next check may find mended: a store that is held, a disk that is full."""


def watch(interval: str, count: int | None, rules: list[str] | None, format_: str | None) -> None:
    """Checks at a steady pace; what passes by itself is one warning until a check succeeds again."""
    chosen = _format(format_)
    milliseconds = interval_ms(interval)
    seen = _Seen(chosen, _pace(milliseconds, count))
    with open_service() as service:
        for _ in moments(milliseconds / 1_000, count):
            try:
                report = service.evaluate_alerts(rules or None).unwrap()
                seen.checked(report)
                tell_deliveries(service.send_notices().unwrap())
            except _PASSING as error:
                seen.failed(error)


def _format(given: str | None) -> str:
    """The format of the lines: of those that the environment may name, the one that makes lines counts."""
    usual = "jsonl" if os.environ.get(formats.FORMAT_VARIABLE) == "jsonl" else "table"
    chosen = given or usual
    if chosen not in _FORMATS:
        raise InvalidInput(f"--format: {unknown_word(_FORMATS, chosen)}")
    return chosen


class _Seen:
    """What was said already, so that it is not said at every check."""

    def __init__(self, chosen: str, pace: str) -> None:
        self._chosen = chosen
        self._pace = pace
        self._has_begun = False
        self._fails = False

    def failed(self, error: TraceError) -> None:
        """Warns, once, that checks fail."""
        if not self._fails:
            output.warning(f"{error.message}; checks go on")
        self._fails = True

    def checked(self, report: AlertReport) -> None:
        """Tells what a check changed, before anything is sent, and before the first what is watched."""
        self._fails = False
        if not self._has_begun:
            warn(report.remarks)
            _tell_beginning(report, self._pace)
        self._has_begun = True
        for change in report.changes:
            _tell(change, self._chosen)
        sys.stdout.flush()


def _pace(milliseconds: float, count: int | None) -> str:
    """`every 30s until Ctrl-C`, `every 2m, 3 times`: without the zeros of a measured time."""
    span = re.sub(r"\.00(?=s$)| 00\w$", "", humane_duration(milliseconds))
    return f"every {span} until Ctrl-C" if count is None else f"every {span}, {counted(count, 'time')}"


def _tell_beginning(report: AlertReport, pace: str) -> None:
    if report.rules:
        output.note(f"watching {counted(report.rules, 'rule')} {pace}: {report.firing:,} firing")
    else:
        output.warning(no_rules())


def _tell(change: AlertChange, chosen: str) -> None:
    if chosen == "jsonl":
        output.answer(alerts_table.change_json(change))
        return
    state, severity = change.change.value, change.severity.value
    formats.print_line(
        [
            (f"{formats.humane_instant(change.at)}  ", "dim"),
            (f"{state:<10}", formats.word_style(state)),
            (f"{severity:<10}", formats.word_style(severity)),
            (f"{alert_title(change.rule, change.group)}  ", ""),
            (change.detail or alerts_table.figures_text(change.figures), ""),
        ]
    )
