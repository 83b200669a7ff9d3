"""Alerts as rows: whole for programs, and for people what matters, with figures as they read them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.delivery.texts import humane_figure
from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertState, Severity, alert_title
from mplp_trace_cli.domain.alerts.machine import AlertRecord
from mplp_trace_cli.domain.alerts.report import AlertChange, AlertReport, Undelivered
from mplp_trace_cli.domain.words import humane_duration

COLUMNS = (
    Column("rule"),
    Column("group", Kind.JSON),
    Column("severity"),
    Column("state"),
    Column("since", Kind.INSTANT),
    Column("lasted_ms", Kind.DURATION),
    Column("values", Kind.JSON),
    Column("fired_at", Kind.INSTANT),
    Column("resolved_at", Kind.INSTANT),
    Column("evaluated_at", Kind.INSTANT),
    Column("acknowledged_at", Kind.INSTANT),
    Column("acknowledged_by"),
    Column("note"),
)
UNDELIVERED = Column("undelivered", Kind.JSON)
_CHANGES = (
    Column("at", Kind.INSTANT),
    Column("rule"),
    Column("group", Kind.JSON),
    Column("severity"),
    Column("change"),
    Column("action"),
    Column("values", Kind.JSON),
    Column("detail"),
)
_ORDER = (AlertState.FIRING, AlertState.PENDING, AlertState.RESOLVED, AlertState.INACTIVE)
_SEVERITIES = tuple(Severity)


def rows_of(records: Iterable[AlertRecord]) -> Answer:
    """A row an alert, for programs."""
    return Answer(COLUMNS, [_row(record) for record in records])


def listed(records: Sequence[AlertRecord], undelivered: Sequence[Undelivered]) -> Answer:
    """The same with what could not be sent of each alert."""

    def failed(record: AlertRecord) -> str:
        ours = [one for one in undelivered if (one.rule, one.group) == (record.rule, record.group)]
        kept = ("action", "attempts", "error")
        return _json(
            [{**{name: getattr(one, name) for name in kept}, "given_up": one.next_at is None} for one in ours]
        )

    return Answer((*COLUMNS, UNDELIVERED), [(*_row(record), failed(record)) for record in records])


def changes_of(changes: Iterable[AlertChange]) -> Answer:
    """A row a change, for programs."""
    return Answer(_CHANGES, [change_row(change) for change in changes])


def change_row(change: AlertChange) -> tuple[Any, ...]:
    """One change as the columns of a history have it."""
    return (
        *(change.at, change.rule, _json(dict(change.group)), change.severity.value, change.change.value),
        *(change.action, _values(change.figures), change.detail),
    )


def change_json(change: AlertChange) -> str:
    """One change as a JSON object."""
    return formats.json_row(_CHANGES, change_row(change))


def _row(record: AlertRecord) -> tuple[Any, ...]:
    lasted = record.lasted_us()
    return (
        *(record.rule, _json(dict(record.group)), record.severity.value, record.state.value),
        *(record.since, None if lasted is None else lasted / 1_000, _values(record.figures)),
        *(record.fired_at, record.resolved_at, record.evaluated_at),
        *(record.acknowledged or (None, None, None)),
    )


def _values(figures: Iterable[AlertFigure]) -> str:
    return _json({one.name: one.value if _is_finite(one.value) else None for one in figures})


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# -- for people ------------------------------------------------------------------------------------


def noteworthy(report: AlertReport) -> list[AlertRecord]:
    """The alerts that a check shows: what holds, and what has resolved by it; the worst first."""
    shown = (AlertState.FIRING, AlertState.PENDING)
    return _worst_first(
        one for one in report.alerts if one.state in shown or _has_just_resolved(one, report.at)
    )


def _has_just_resolved(record: AlertRecord, at: int) -> bool:
    return record.state is AlertState.RESOLVED and record.resolved_at == at


def remarkable(records: Sequence[AlertRecord]) -> list[AlertRecord]:
    """The alerts that a list shows: those that are not inactive, and one line for a rule without any."""
    open_ = [one for one in records if one.state is not AlertState.INACTIVE]
    busy = {one.rule for one in open_}
    calm = {one.rule: one._replace(group=()) for one in reversed(records) if one.rule not in busy}
    return _worst_first([*open_, *reversed(calm.values())])


def _worst_first(records: Iterable[AlertRecord]) -> list[AlertRecord]:
    return sorted(records, key=lambda one: (_ORDER.index(one.state), -_SEVERITIES.index(one.severity)))


def alerts_for_people(records: Sequence[AlertRecord]) -> Answer:
    """Alerts for a table or markdown; a column in which nothing stands is left out."""
    return _filled(_SHOWN, records)


def changes_for_people(changes: Sequence[AlertChange]) -> Answer:
    """Changes for a table or markdown."""
    return _filled(_SHOWN_CHANGES, changes)


def _filled(shown: Sequence[tuple[Column, Callable[[Any], object]]], things: Sequence[Any]) -> Answer:
    cells = [[text(one) for one in things] for _, text in shown]
    kept = [(column, texts) for (column, _), texts in zip(shown, cells, strict=True) if any(texts)]
    rows = list(zip(*(texts for _, texts in kept), strict=True))
    return Answer(tuple(column for column, _ in kept), rows)


def figures_text(figures: Iterable[AlertFigure]) -> str:
    """`error_rate 5.3%, throughput 12/min`."""
    return ", ".join(f"{one.name} {_figure(one)}" for one in figures)


def _figure(figure: AlertFigure) -> str:
    return humane_figure(figure) if _is_finite(figure.value) else "none"


def _lasted(record: AlertRecord) -> str:
    lasted = record.lasted_us()
    return humane_duration(lasted / 1_000) if lasted else ""


def _acknowledged(record: AlertRecord) -> str:
    said = record.acknowledged
    if said is None:
        return ""
    return ": ".join(text for text in (said.by, said.note) if text) or "yes"


def _what(change: AlertChange) -> str:
    said = ": ".join(text for text in (change.action, change.detail) if text)
    return said or figures_text(change.figures)


_SHOWN: tuple[tuple[Column, Callable[[AlertRecord], object]], ...] = (
    (Column("alert"), lambda one: alert_title(one.rule, one.group)),
    (Column("severity"), lambda one: one.severity.value),
    (Column("state"), lambda one: one.state.value),
    (Column("lasted", Kind.FIGURE), _lasted),
    (Column("figures"), lambda one: figures_text(one.figures)),
    (Column("acknowledged"), _acknowledged),
)
_SHOWN_CHANGES: tuple[tuple[Column, Callable[[AlertChange], object]], ...] = (
    (Column("time (UTC)", Kind.INSTANT), lambda one: one.at),
    (Column("alert"), lambda one: alert_title(one.rule, one.group)),
    (Column("change"), lambda one: one.change.value),
    (Column("what"), _what),
)
