"""The alert book: a SQLite file beside the store with the state of each alert, its history and an outbox.

A check steps all alerts, and writes what is to be sent, in one transaction; sending comes after it, outside
of any. So of checkers at once each notice is made once, and one that was killed in between is sent later.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertNotice, AlertState, Group, Severity
from mplp_trace_cli.domain.alerts.machine import (
    Acknowledgement,
    AlertRecord,
    Evaluation,
    Step,
    is_forgettable,
    step_all,
)
from mplp_trace_cli.domain.alerts.report import AlertChange, AlertChangeKind, Undelivered
from mplp_trace_cli.domain.times import SECOND_US
from mplp_trace_cli.storage.paths import StorePaths, make_once, os_errors
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.sqlite_files import SqliteFile, new_file

BOOK_VERSION = 1
HISTORY_ROWS = 10_000
SENT_ROWS = 1_000
"""Deliveries that are over and kept."""
RETRY_US = tuple(seconds * SECOND_US for seconds in (30, 120, 480, 1_920))
"""The waits between attempts; after one more the delivery is given up."""

_RECORD = (
    "rule, group_key, severity, state, since, fired_at, resolved_at, evaluated_at, figures, "
    "acknowledged_at, acknowledged_by, note"
)
_CHANGE = "at, rule, group_key, severity, change, action, figures, detail"


class Delivery(NamedTuple):
    """A notice that this process alone is to send by that action, until `claimed_until`."""

    id: int
    notice: AlertNotice
    action: str
    attempts: int
    """How often it was tried before."""
    claimed_until: int


class AlertBook(SqliteFile):
    """One open book. Not for two threads at once."""

    kind = "alert book"
    version = BOOK_VERSION
    remedy = "move it away, with its -wal and -shm: without them all alerts begin anew"

    def __init__(self, paths: StorePaths, *, writable: bool = True) -> None:
        if writable and not os.path.exists(paths.alerts):
            _make_anew(paths)
        super().__init__(paths.alerts, writable=writable)
        if writable:
            with self.errors():
                self.db.execute("PRAGMA synchronous=FULL")

    # -- checking --------------------------------------------------------------------------------

    def step(self, evaluation: Evaluation, sendable: Callable[[str], bool]) -> list[Step]:
        """Takes all alerts through one check, and puts what is to be told into the outbox.

        `sendable` says whether there is an action of that name.
        """
        rules = {rule.name: rule for rule in evaluation.rules}
        with self.writing():
            steps = step_all(evaluation, self._records(), self._evaluated_at())
            for one in steps:
                if one.record is not one.before:
                    self._keep(one, evaluation)
                if one.notice is not None:
                    actions = filter(sendable, dict.fromkeys(rules[one.notice.rule].actions))
                    self._post(one.notice, actions)
            self._note(change for one in steps if (change := change_of(one, evaluation.at)))
            self._mark_evaluated(evaluation)
            self._drop_old()
        return steps

    def _keep(self, one: Step, evaluation: Evaluation) -> None:
        rule = next((rule for rule in evaluation.rules if rule.name == one.record.rule), None)
        if is_forgettable(rule, one, evaluation.at):
            key = (one.record.rule, group_text(one.record.group))
            self.db.execute("DELETE FROM alerts WHERE (rule, group_key) = (?, ?)", key)
        else:
            marks = ", ".join("?" * 12)
            self.db.execute(
                f"INSERT OR REPLACE INTO alerts ({_RECORD}) VALUES ({marks})", _row_of(one.record)
            )

    def _post(self, notice: AlertNotice, actions: Iterable[str]) -> None:
        query = "INSERT INTO outbox (rule, group_key, action, notice, next_at) VALUES (?, ?, ?, ?, ?)"
        key, text = group_text(notice.group), _notice_text(notice)
        self.db.executemany(query, ((notice.rule, key, action, text, notice.at) for action in actions))

    def _note(self, changes: Iterable[AlertChange]) -> None:
        rows = (
            (
                *(one.at, one.rule, group_text(one.group), one.severity.value, one.change.value),
                *(one.action, figures_text(one.figures), one.detail),
            )
            for one in changes
        )
        self.db.executemany(f"INSERT INTO history ({_CHANGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _mark_evaluated(self, evaluation: Evaluation) -> None:
        query = (
            "INSERT INTO rules VALUES (?, ?) ON CONFLICT (rule) "
            "DO UPDATE SET evaluated_at = max(evaluated_at, excluded.evaluated_at)"
        )
        self.db.executemany(query, ((name, evaluation.at) for name in evaluation.evaluated))

    def _drop_old(self) -> None:
        self.db.execute("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?", (HISTORY_ROWS,))
        over = "sent_at IS NOT NULL OR failed_at IS NOT NULL"
        newest = f"SELECT id FROM outbox WHERE {over} ORDER BY id DESC LIMIT {SENT_ROWS}"
        self.db.execute(f"DELETE FROM outbox WHERE ({over}) AND id NOT IN ({newest})")

    # -- sending ---------------------------------------------------------------------------------

    def claim(
        self, now: int, lease_us: int, began: int | None = None, failing: Collection[str] = ()
    ) -> Delivery | None:
        """The next delivery that is due and nobody else has, which is this sender's for that long.

        It was due when the sender `began`, now unless said, and goes by none of the `failing` actions.
        """
        values = {
            "now": now,
            "began": now if began is None else began,
            "lease": lease_us,
            "longest": max(RETRY_US),
            "failing": json.dumps([*failing]),
        }
        with self.writing() as db:
            row = db.execute(statement("claim_delivery"), values).fetchone()
        return None if row is None else Delivery(row[0], _notice_of(row[1]), *row[2:])

    def mark_sent(self, delivery: Delivery, now: int) -> None:
        """Notes that people were told, also when the claim has run out meanwhile."""
        query = "UPDATE outbox SET sent_at = ?, attempts = attempts + 1 WHERE id = ? AND sent_at IS NULL"
        with self.writing() as db:
            db.execute(query, (now, delivery.id))
            self._note([_delivered(delivery, AlertChangeKind.SENT, now)])

    def mark_failed(self, delivery: Delivery, error: str, now: int, *, permanent: bool) -> int | None:
        """Notes a failure and gives when it is tried again: None, never, where that makes no sense."""
        gives_up = permanent or delivery.attempts >= len(RETRY_US)
        next_at = None if gives_up else now + RETRY_US[delivery.attempts]
        query = (
            "UPDATE outbox SET attempts = attempts + 1, last_error = ?, claimed_until = NULL, "
            "next_at = coalesce(?, next_at), failed_at = ? WHERE id = ? AND claimed_until = ?"
        )
        failed_at = now if gives_up else None
        kind = AlertChangeKind.GIVEN_UP if gives_up else AlertChangeKind.RETRYING
        with self.writing() as db:
            values = (error, next_at, failed_at, delivery.id, delivery.claimed_until)
            if db.execute(query, values).rowcount:  # else another sender has it by now
                self._note([_delivered(delivery, kind, now, error)])
        return next_at

    # -- people ----------------------------------------------------------------------------------

    def acknowledge(self, rule: str, group: Group, said: Acknowledgement) -> list[AlertRecord]:
        """Notes that somebody knows of the firing alerts of a rule whose group has these values."""
        with self.writing() as db:
            wanted = [
                record._replace(acknowledged=said)
                for record in self._records()
                if record.rule == rule and record.state is AlertState.FIRING and {*group} <= {*record.group}
            ]
            for one in wanted:
                db.execute(
                    "UPDATE alerts SET (acknowledged_at, acknowledged_by, note) = (?, ?, ?) "
                    "WHERE (rule, group_key) = (?, ?)",
                    (*said, one.rule, group_text(one.group)),
                )
            self._note(_acknowledged(one, said) for one in wanted)
        return wanted

    def records(self) -> list[AlertRecord]:
        """Every alert that is remembered, by rule and group."""
        with self.errors():
            return self._records()

    def undelivered(self) -> list[Undelivered]:
        """What could not be sent so far."""
        with self.errors():
            rows = self.db.execute(statement("undelivered")).fetchall()
        return [
            Undelivered(rule, group_of(key), action, attempts, error, next_at if failed_at is None else None)
            for rule, key, action, attempts, error, failed_at, next_at in rows
        ]

    def history(self, rule: str | None, limit: int | None) -> tuple[list[AlertChange], int]:
        """The newest changes, newest first, of one rule or of all; and how many there are."""
        where, values = ("", ()) if rule is None else (" WHERE rule = ?", (rule,))
        most = -1 if limit is None else limit
        with self.errors():
            (total,) = self.db.execute(f"SELECT count(*) FROM history{where}", values).fetchone()
            rows = self.db.execute(
                f"SELECT {_CHANGE} FROM history{where} ORDER BY id DESC LIMIT ?", (*values, most)
            ).fetchall()
        return [_change_of_row(row) for row in rows], total

    def evaluated_at(self) -> dict[str, int]:
        """When each rule was evaluated last."""
        with self.errors():
            return self._evaluated_at()

    def _evaluated_at(self) -> dict[str, int]:
        return dict(self.db.execute("SELECT rule, evaluated_at FROM rules").fetchall())

    def _records(self) -> list[AlertRecord]:
        rows = self.db.execute(f"SELECT {_RECORD} FROM alerts ORDER BY rule, group_key").fetchall()
        return [_record_of(row) for row in rows]


def _make_anew(paths: StorePaths) -> None:
    """Makes the book where there is none, without what a removed one left in its journals.

    SQLite would replay them into the new file, claims of dead checkers included. Whoever makes a book holds
    the lock of the folder, so that nobody removes the journals of one that another has just made.
    """
    with os_errors(paths.alerts), _locked(paths.folder):
        if os.path.exists(paths.alerts):
            return
        for journal in (f"{paths.alerts}-wal", f"{paths.alerts}-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(journal)
        make_once(paths.alerts, _make)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Alone in a folder, of those who ask for it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make(path: str) -> None:
    with new_file(path, AlertBook.kind, AlertBook.version) as db:
        _create(db)


def _create(db: sqlite3.Connection) -> None:
    db.executescript(f"BEGIN;{statement('alert_book')}COMMIT;")


def change_of(one: Step, at: int) -> AlertChange | None:
    """What a step changed, as the history says it; None where nothing."""
    if not one.is_change:
        return None
    record = one.record
    kind = AlertChangeKind.CLOSED if one.is_closed else AlertChangeKind(record.state.value)
    detail = "the rule is no more, or groups by something else" if one.is_closed else None
    return AlertChange(at, record.rule, record.group, record.severity, kind, None, record.figures, detail)


def _delivered(delivery: Delivery, kind: AlertChangeKind, at: int, error: str | None = None) -> AlertChange:
    notice = delivery.notice
    said = f"{notice.state.value}: {error}" if error else notice.state.value
    return AlertChange(at, notice.rule, notice.group, notice.severity, kind, delivery.action, (), said)


def _acknowledged(record: AlertRecord, said: Acknowledgement) -> AlertChange:
    detail = ": ".join(text for text in (said.by, said.note) if text) or None
    kind = AlertChangeKind.ACKNOWLEDGED
    return AlertChange(said.at, record.rule, record.group, record.severity, kind, None, (), detail)


# -- values as text --------------------------------------------------------------------------------


def group_text(group: Group) -> str:
    """A group as the key that it has in the book."""
    return json.dumps(group, ensure_ascii=False)


def group_of(text: str) -> Group:
    """The group of such a key."""
    return tuple((name, value) for name, value in json.loads(text))


def figures_text(figures: Sequence[AlertFigure]) -> str:
    """Figures as a JSON array."""
    return json.dumps(figures, ensure_ascii=False)


def _figures_of(text: str) -> tuple[AlertFigure, ...]:
    return tuple(AlertFigure(*one) for one in json.loads(text))


def _notice_text(notice: AlertNotice) -> str:
    return json.dumps(notice._asdict(), ensure_ascii=False)


def _notice_of(text: str) -> AlertNotice:
    said = json.loads(text)
    said["severity"], said["state"] = Severity(said["severity"]), AlertState(said["state"])
    said["group"] = tuple((name, value) for name, value in said["group"])
    said["figures"] = tuple(AlertFigure(*one) for one in said["figures"])
    return AlertNotice(**said)


def _row_of(record: AlertRecord) -> tuple[Any, ...]:
    return (
        *(record.rule, group_text(record.group), record.severity.value, record.state.value),
        *(record.since, record.fired_at, record.resolved_at, record.evaluated_at),
        figures_text(record.figures),
        *(record.acknowledged or (None, None, None)),
    )


def _record_of(row: Sequence[Any]) -> AlertRecord:
    rule, key, severity, state, since, fired_at, resolved_at, evaluated_at, figures, *acknowledged = row
    return AlertRecord(
        rule,
        group_of(key),
        Severity(severity),
        AlertState(state),
        since,
        fired_at,
        resolved_at,
        evaluated_at,
        _figures_of(figures),
        None if acknowledged[0] is None else Acknowledgement(*acknowledged),
    )


def _change_of_row(row: Sequence[Any]) -> AlertChange:
    at, rule, key, severity, change, action, figures, detail = row
    kind = AlertChangeKind(change)
    return AlertChange(
        at, rule, group_of(key), Severity(severity), kind, action, _figures_of(figures), detail
    )
