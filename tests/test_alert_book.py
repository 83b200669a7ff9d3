"""The book of alerts: one transaction a check, an outbox that sends at least once, a file like the others."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from mplp_trace_cli.domain.alerts.alert import (
    AlertFigure,
    AlertReading,
    AlertRule,
    AlertState,
    Group,
    Severity,
)
from mplp_trace_cli.domain.alerts.machine import Acknowledgement, AlertRecord, Evaluation, Step
from mplp_trace_cli.domain.alerts.report import AlertChangeKind
from mplp_trace_cli.domain.errors import InvalidInput, StoreDamaged, StoreTooNew
from mplp_trace_cli.storage.alert_book import HISTORY_ROWS, RETRY_US, SENT_ROWS, AlertBook, Delivery
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.sqlite_files import SqliteFile
from tests.helpers_processes import at_once, note, noted
from tests.helpers_storage import SECOND, START_OF_TIME

LEASE = 100 * SECOND
NOW = START_OF_TIME
RULE = AlertRule("slow answers", "p95_response_time > 5s", 600 * SECOND, actions=("mail", "chat", "mail"))
FIGURES = (AlertFigure("p95_response_time", 6_200.0, "ms"), AlertFigure("odd", None))


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    """Where the book lies."""
    return StorePaths.at(tmp_path / "traces.duckdb")


@pytest.fixture
def book(paths: StorePaths) -> Iterator[AlertBook]:
    """A new book."""
    with AlertBook(paths) as made:
        yield made


def check(
    book: AlertBook, at: int, holds: bool | None, rule: AlertRule = RULE, group: Group = ()
) -> list[Step]:
    """One check of one rule."""
    readings = [] if holds is None else [AlertReading(rule.name, group, holds, FIGURES)]
    return book.step(Evaluation([rule], frozenset([rule.name]), readings, at), lambda _name: True)


def claim(book: AlertBook, now: int) -> Delivery:
    """The next delivery, which there has to be."""
    found = book.claim(now, LEASE)
    assert found is not None
    return found


def changes(book: AlertBook) -> list[tuple[str, str | None]]:
    """What the history says, oldest first."""
    return [(one.change.value, one.detail) for one in reversed(book.history(None, None)[0])]


def test_what_is_remembered_comes_back(book: AlertBook, paths: StorePaths) -> None:
    """State, instants, figures, group and acknowledgement, by another process too."""
    group = (("context_id", "ctx-Ü\n\x1b"), ("data.x", None))
    rule = RULE._replace(group_by=("context_id", "data.x"))
    (one,) = check(book, NOW, True, rule, group)
    said = Acknowledgement(NOW + 1, "ann", 'we are "on" it')
    book.acknowledge(rule.name, (), said)
    with AlertBook(paths, writable=False) as other:
        assert other.records() == [one.record._replace(acknowledged=said)]
        assert other.evaluated_at() == {rule.name: NOW}
    delivery = claim(book, NOW)
    assert delivery.notice == one.notice


def test_a_notice_goes_out_once_for_each_action(book: AlertBook) -> None:
    """An action named twice has it once, one that there is not never; what is claimed nobody else gets."""
    unknown = RULE._replace(actions=("mail", "chat", "mail", "gone"))
    readings = [AlertReading(RULE.name, (), True, FIGURES)]
    book.step(Evaluation([unknown], frozenset([RULE.name]), readings, NOW), lambda name: name != "gone")
    assert [claim(book, NOW).action for _ in range(2)] == ["mail", "chat"]
    assert book.claim(NOW, LEASE) is None


def test_the_outbox_is_as_durable_as_the_state(book: AlertBook) -> None:
    """Where the notice cannot be written, neither is the state: the next check makes both."""
    book.db.execute("CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT raise(ABORT, 'full'); END")
    with pytest.raises(Exception, match="full"):
        check(book, NOW, True)
    assert (book.records(), book.history(None, None)) == ([], ([], 0))
    book.db.execute("DROP TRIGGER full")
    assert check(book, NOW + 1, True)[0].notice is not None
    assert claim(book, NOW + 1).action == "mail"


def test_a_sender_that_died_is_followed_after_its_lease(book: AlertBook) -> None:
    """Not before, and one that comes back late is heard when it has sent."""
    check(book, NOW, True, RULE._replace(actions=("mail",)))
    first = claim(book, NOW)
    assert book.claim(NOW + LEASE - 1, LEASE) is None
    second = claim(book, NOW + LEASE)
    assert (second.id, second.attempts) == (first.id, 0)
    book.mark_failed(first, "too late", NOW + LEASE, permanent=True)
    assert changes(book) == [("firing", None)], "the delivery is another sender's by now"
    book.mark_sent(first, NOW + LEASE)
    assert book.claim(NOW + 3 * LEASE, LEASE) is None


def test_a_failure_is_tried_again_later_and_later(book: AlertBook) -> None:
    """Four times; then it is given up, and said."""
    check(book, NOW, True, RULE._replace(actions=("mail",)))
    now = NOW
    for wait in RETRY_US:
        assert book.mark_failed(claim(book, now), "refused", now, permanent=False) == now + wait
        assert book.claim(now + wait - 1, LEASE) is None
        (waiting,) = book.undelivered()
        assert (waiting.next_at, waiting.error) == (now + wait, "refused")
        now += wait
    assert book.mark_failed(claim(book, now), "refused", now, permanent=False) is None
    assert book.claim(now + 10 * LEASE, LEASE) is None
    (lost,) = book.undelivered()
    assert (lost.attempts, lost.next_at) == (5, None)
    assert changes(book)[1:] == [("retrying", "firing: refused")] * 4 + [("given_up", "firing: refused")]


def test_a_failure_for_good_is_given_up_at_once(book: AlertBook) -> None:
    """It is shown until something was sent the same way."""
    rule = RULE._replace(actions=("mail",))
    check(book, NOW, True, rule)
    assert book.mark_failed(claim(book, NOW), "no such host", NOW, permanent=True) is None
    check(book, NOW + 1, False, rule)
    assert [one.error for one in book.undelivered()] == ["no such host"]
    book.mark_sent(claim(book, NOW + 1), NOW + 2)
    assert book.undelivered() == []


def test_the_end_is_not_told_before_the_beginning(book: AlertBook) -> None:
    """By each action on its own."""
    check(book, NOW, True)
    mail, chat = claim(book, NOW), claim(book, NOW)
    book.mark_failed(mail, "busy", NOW, permanent=False)
    book.mark_sent(chat, NOW)
    check(book, NOW + 1, False)
    resolved = claim(book, NOW + 1)
    assert (resolved.action, resolved.notice.state) == ("chat", AlertState.RESOLVED)
    assert book.claim(NOW + 1, LEASE) is None
    later = NOW + RETRY_US[0]
    again = claim(book, later)
    assert (again.action, again.notice.state) == ("mail", AlertState.FIRING)
    book.mark_sent(again, later)
    assert claim(book, later).notice.state is AlertState.RESOLVED


def test_a_clock_that_was_set_back_keeps_nothing_from_being_sent(book: AlertBook) -> None:
    """A wait or a lease that is longer than any is of another time."""
    check(book, NOW, True, RULE._replace(actions=("mail",)))
    book.mark_failed(claim(book, NOW), "busy", NOW, permanent=False)
    year_before = NOW - 365 * 86_400 * SECOND
    assert claim(book, year_before).attempts == 1
    assert claim(book, year_before - 2 * LEASE).attempts == 1


def test_a_rule_that_is_no_more_is_closed_and_its_cooldown_kept(book: AlertBook) -> None:
    """The history says so; a rule of that name that comes back does not fire before it may."""
    rule = RULE._replace(cooldown_us=10 * SECOND)
    check(book, NOW, True, rule)
    closed = book.step(Evaluation([], frozenset(), [], NOW + SECOND), lambda _name: True)
    assert [(one.is_closed, one.notice) for one in closed] == [(True, None)]
    assert [change for change, _ in changes(book)] == ["firing", "closed"]
    assert book.records()[0].state is AlertState.INACTIVE
    assert check(book, NOW + 5 * SECOND, True, rule)[0].record.state is AlertState.PENDING
    assert check(book, NOW + 10 * SECOND, True, rule)[0].record.state is AlertState.FIRING


def test_a_rule_that_is_no_more_is_forgotten_in_the_end(book: AlertBook) -> None:
    """A day after it fired; one that had resolved is not closed once more."""
    nothing = Evaluation([], frozenset(), [], NOW + 2)
    check(book, NOW, True)
    check(book, NOW + 1, False)
    book.step(nothing, lambda _name: True)
    assert [change for change, _ in changes(book)] == ["firing", "resolved"]
    assert [one.state for one in book.records()] == [AlertState.RESOLVED]
    book.step(nothing._replace(at=NOW + 86_400 * SECOND), lambda _name: True)
    assert book.records() == []


def test_groups_without_data_are_forgotten(book: AlertBook) -> None:
    """And a slow check of the time before does not bring them back."""
    rule = RULE._replace(group_by=("context_id",))
    check(book, NOW, False, rule, (("context_id", "a"),))
    assert len(book.records()) == 1
    check(book, NOW + 2, None, rule)
    assert book.records() == []
    (late,) = check(book, NOW + 1, True, rule, (("context_id", "a"),))
    assert (late.record.state, book.records()) == (AlertState.INACTIVE, [])


def test_acknowledging_is_of_what_fires(book: AlertBook) -> None:
    """All groups of the rule, or those with these values; a new firing is not acknowledged any more."""
    rule = RULE._replace(group_by=("context_id",))
    groups: list[Group] = [(("context_id", one),) for one in ("a", "b")]
    readings = [AlertReading(rule.name, group, True, ()) for group in groups]
    book.step(Evaluation([rule], frozenset([rule.name]), readings, NOW), lambda _name: True)
    said = Acknowledgement(NOW + 1, None, None)
    assert book.acknowledge(rule.name, (("context_id", "c"),), said) == []
    assert book.acknowledge("another", (), said) == []
    assert [one.group for one in book.acknowledge(rule.name, groups[0], said)] == [groups[0]]
    assert len(book.acknowledge(rule.name, (), said)) == 2
    check(book, NOW + 2, False, rule, groups[0])
    assert book.acknowledge(rule.name, groups[0], said) == []
    (again, *_) = check(book, NOW + 3, True, rule, groups[0])
    assert again.record.acknowledged is None


def test_the_file_stays_small(book: AlertBook) -> None:
    """The newest rows of the history and of what is over are kept; what waits is never dropped."""
    rows = ((at, "r", "[]", "info", "pending", "[]") for at in range(HISTORY_ROWS + 50))
    book.db.executemany(
        "INSERT INTO history (at, rule, group_key, severity, change, figures) VALUES (?, ?, ?, ?, ?, ?)", rows
    )
    over = (("r", "[]", "mail", "{}", 0, 1 if at % 2 else None) for at in range(2 * SENT_ROWS + 100))
    book.db.executemany(
        "INSERT INTO outbox (rule, group_key, action, notice, next_at, sent_at) VALUES (?, ?, ?, ?, ?, ?)",
        over,
    )
    check(book, NOW, True, RULE._replace(actions=()))
    newest, total = book.history(None, 1)
    assert (total, newest[0].change) == (HISTORY_ROWS, AlertChangeKind.FIRING)
    counts = book.db.execute("SELECT count(sent_at), count(*) - count(sent_at) FROM outbox").fetchone()
    assert counts == (SENT_ROWS, SENT_ROWS + 50)


def test_the_history_of_one_rule(book: AlertBook) -> None:
    """With how many changes of it there are."""
    check(book, NOW, True)
    check(book, NOW + 1, False)
    check(book, NOW + 1, True, RULE._replace(name="another"))
    found, total = book.history(RULE.name, 1)
    assert ([one.change.value for one in found], total) == (["resolved"], 2)
    assert {one.rule for one in book.history("another", None)[0]} == {"another"}


# -- the file --------------------------------------------------------------------------------------


def test_it_is_its_owners_alone(book: AlertBook, paths: StorePaths) -> None:
    """And no output replaces it, nor its journals."""
    assert stat.S_IMODE(os.stat(paths.alerts).st_mode) == 0o600
    for beside in ("", "-wal", "-shm"):
        with pytest.raises(InvalidInput, match="of the store"):
            paths.check_output(f"{paths.alerts}{beside}")
    os.link(paths.alerts, paths.folder + "/other name")
    with pytest.raises(InvalidInput, match="of the store"):
        paths.check_output(paths.folder + "/other name")


def test_a_newer_or_broken_book_is_refused(book: AlertBook, paths: StorePaths) -> None:
    """It stays as it is, and what is said is ours."""
    book.close()
    for version, error in ((99, StoreTooNew), (0, StoreDamaged)):
        with contextlib.closing(sqlite3.connect(paths.alerts)) as db:
            db.execute(f"PRAGMA user_version={version}")
        with pytest.raises(error):
            AlertBook(paths)
    for beside in ("", "-wal", "-shm"):
        Path(f"{paths.alerts}{beside}").unlink(missing_ok=True)
    Path(paths.alerts).write_bytes(b"nonsense" * 1_000)
    with pytest.raises(StoreDamaged, match="is not an alert book"):
        AlertBook(paths)


def test_journals_without_a_book_are_not_replayed(paths: StorePaths) -> None:
    """What a killed checker left beside a book that was removed; its claims are gone with it."""
    with kept_journals(paths.alerts, lambda: AlertBook(paths)) as book:
        check(book, NOW, True)
        claim(book, NOW)
    with AlertBook(paths) as book:
        assert (book.records(), book.history(None, None)) == ([], ([], 0))
        check(book, NOW, True)
        assert claim(book, NOW).action == "mail"


def test_events_in_a_log_without_an_inbox_are_kept(paths: StorePaths) -> None:
    """It is said, and the log stays as it is; an empty one is in nobody's way."""
    log = Path(f"{paths.inbox}-wal")
    with kept_journals(paths.inbox, lambda: Inbox(paths)) as inbox, inbox.writing():
        inbox.append([("metric", "[]")])
    before = log.read_bytes()
    with pytest.raises(StoreDamaged, match="which may hold events"):
        Inbox(paths)
    assert (log.read_bytes(), os.path.exists(paths.inbox)) == (before, False)
    log.write_bytes(b"")
    Inbox(paths).close()


AnyFile = TypeVar("AnyFile", bound=SqliteFile)


@contextlib.contextmanager
def kept_journals(path: str, opened: Callable[[], AnyFile]) -> Iterator[AnyFile]:
    """A file that is removed afterwards, while its journals stay as one that was killed leaves them."""
    with opened() as file:
        yield file
        kept = {name: Path(name).read_bytes() for name in (f"{path}-wal", f"{path}-shm")}
    os.remove(path)
    for name, content in kept.items():
        Path(name).write_bytes(content)


def step_once(store: str, written: str) -> None:
    """What one of many checkers does: steps, and sends what it gets."""
    with AlertBook(StorePaths.at(store)) as book:
        for at in range(NOW, NOW + 6 * SECOND, SECOND):
            check(book, at, (at // SECOND) % 2 == 0)
            while (delivery := book.claim(at, LEASE)) is not None:
                note(Path(written), f"{delivery.action} {delivery.notice.state.value} {delivery.notice.at}")
                book.mark_sent(delivery, at)


def test_eight_processes_send_each_notice_once(tmp_path: Path) -> None:
    """They make the file together, step the same checks, and share the outbox."""
    written = tmp_path / "written"
    at_once(step_once, [(str(tmp_path / "traces.duckdb"), str(written))] * 8)
    lines = noted(written)
    assert len(lines) == len(set(lines)), "sent twice"
    states = [line.split()[1] for line in lines if line.startswith("mail")]
    assert states == ["firing", "resolved"] * (len(states) // 2) + ["firing"] * (len(states) % 2)
    assert len(lines) == 2 * len(states)


def test_records_of_a_rule_know_how_long_it_lasted() -> None:
    """So far, or in all."""
    record = AlertRecord("r", (), Severity.INFO, since=5, evaluated_at=9)
    assert record.lasted_us() == 4
    assert record._replace(state=AlertState.RESOLVED, resolved_at=7).lasted_us() == 2
    assert record._replace(since=None).lasted_us() is None
