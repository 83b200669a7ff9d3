"""The fold: exactly once, whatever lies in the inbox, and only between files that belong together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mplp_trace_cli.domain.errors import StoreMissing, TraceFinished, WrongPair
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage import inbox as inbox_module
from mplp_trace_cli.storage.inbox import EVENT, Inbox
from mplp_trace_cli.storage.paths import StorePaths
from tests.conftest import Cli
from tests.helpers_storage import (
    Clock,
    entries,
    event_ids,
    held_for_writing,
    inbox_file,
    service_at,
)


@pytest.fixture
def service(db: Path, clock: Clock) -> Iterator[TraceManagementService]:
    """A service on a store with the open trace t."""
    with service_at(db, clock) as made:
        made.create_trace(context_id="c", name="n", trace_id="t").unwrap()
        yield made


def ids(service: TraceManagementService) -> list[str]:
    """The ids of all events, as a query gives them."""
    return [event.event_id for event in service.query_events().unwrap().events]


def faults(service: TraceManagementService) -> dict[str, str]:
    """What doctor finds wrong."""
    return {one.check: one.detail for one in service.doctor().unwrap() if one.state == "fault"}


def record(service: TraceManagementService, *given: str, trace_id: str = "t") -> None:
    """Records an event for each of the ids."""
    for event_id in given:
        service.record_event(trace_id=trace_id, event_type="e", event_id=event_id).unwrap()


def test_a_given_id_is_stored_once_a_trace_however_late_the_repeat_comes(
    service: TraceManagementService,
) -> None:
    """The first to arrive wins: within a batch, before a fold, after it, and beside an import."""
    service.create_trace(context_id="c", name="n", trace_id="other").unwrap()
    for message in ("first", "same batch"):
        service.record_event(trace_id="t", event_type="e", event_id="e1", message=message).unwrap()
    record(service, "e1", trace_id="other")
    assert service.query_events().unwrap().total == 2
    service.flush().unwrap()
    service.record_event(trace_id="t", event_type="e", event_id="e1", message="after").unwrap()
    assert service.query_events().unwrap().total == 2
    service.flush().unwrap()
    rows = service.query_events({"trace_ids": ["t"]}).unwrap().rows
    assert [row["message"] for row in rows] == ["first"]
    assert service.info().unwrap().rejects == 0


def test_a_generated_id_that_is_given_later_is_a_repeat(service: TraceManagementService) -> None:
    """Sending again what was acknowledged with a generated id adds nothing."""
    event = service.record_event(trace_id="t", event_type="e").unwrap()
    record(service, event.event_id)
    assert ids(service) == [event.event_id]
    service.flush().unwrap()
    record(service, event.event_id)
    service.flush().unwrap()
    assert ids(service) == [event.event_id]


def test_small_batches_give_what_one_batch_gives(
    service: TraceManagementService, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Repeats are found, and ends stay with their traces, across the batches of one fold."""
    monkeypatch.setattr(inbox_module, "BATCH_ENTRIES", 2)
    record(service, "a", "b", "a", "c", "b", "a", "d")
    service.complete_trace("t").unwrap()
    assert ids(service) == ["a", "b", "c", "d"]
    service.flush().unwrap()
    assert ids(service) == ["a", "b", "c", "d"]
    assert [row["status"] for row in service.query_traces().unwrap().rows] == ["completed"]


def test_what_arrives_during_a_fold_is_left_for_the_next(service: TraceManagementService, db: Path) -> None:
    """Otherwise a fold, and a reader, would never end beside somebody who records steadily."""
    record(service, "a")
    with Inbox(StorePaths.at(db)) as inbox:
        batches = inbox.batches(0)
        assert next(batches).entries == 2
        record(service, "b")
        assert list(batches) == []
        assert [batch.entries for batch in inbox.batches(0)] == [3]


def event_body(event_id: str, *, trace_id: object = "t", level: str = "info", timestamp: object = 0) -> str:
    """The body of an event entry."""
    return json.dumps([event_id, trace_id, "e", level, None, "{}", timestamp, None, None, None])


STRANGE = [
    ("event", "no JSON at all"),
    ("event", "[1, 2"),
    ("event", "{}"),
    ("event", "null"),
    ("event", ""),
    ("event", event_body("x")[:-1] + ", 11]"),
    ("event", event_body("x", level="loud")),
    ("event", event_body("x", trace_id=None)),
    ("event", event_body("x", timestamp="yesterday")),
    ("event", event_body("x", timestamp=2**63 - 1)),
    ("event", event_body("x", timestamp=2**62)),
    ("event", event_body("x", timestamp=-(2**70))),
    ("event_with_id", "[\n1,\t2]"),
    ("event_with_id", event_body("x", timestamp=2**63 - 1)),
    ("event", b"\xff\xfe[]"),
    ("start", '["s"]'),
    ("start", json.dumps(["s", "c", None, "custom", "n", None, "{}", "[]", 2**62, None])),
    ("start", json.dumps(["s", "c", None, "custom", "n", None, "{}", "[]", 0, 2**62])),
    ("start", json.dumps(["s", "c", None, "custom", "n", None, "{}", "no list", 0, None])),
    ("end", '["t", "forgotten", 5]'),
    ("end", '["t", "completed", 4611686018427387904]'),
    ("end", "not JSON"),
    ("metric", '["m", "gauge", "much", null, null, "{}", null, 0]'),
    ("metric", json.dumps(["m", "gauge", 1, None, None, "{}", None, 2**62])),
    ("wat", "[]"),
    ("a\tb\nc", "[]"),
    ("\x00", "\x00"),
]


def test_what_cannot_be_folded_goes_to_the_rejects_and_blocks_nobody(
    service: TraceManagementService, db: Path
) -> None:
    """Whatever stands in the inbox, readers and folds go on and the good entries around it arrive."""
    record(service, "before")
    with inbox_file(db) as inbox:
        inbox.executemany("INSERT INTO entries (kind, body) VALUES (?, ?)", STRANGE)
        inbox.execute("INSERT INTO entries (kind, body) VALUES ('event', CAST(x'5bff5d' AS TEXT))")
    record(service, "after")
    seen = [row["event_id"] for row in service.query_events().unwrap().rows]
    assert (seen, service.info().unwrap().rejects) == (["before", "after"], len(STRANGE) + 1)
    service.flush().unwrap()
    assert (ids(service), service.info().unwrap().rejects) == (["before", "after"], len(STRANGE) + 1)
    service.complete_trace("t").unwrap()
    assert [row["status"] for row in service.query_traces().unwrap().rows] == ["completed"]


def test_a_lost_inbox_is_made_anew_and_its_seq_goes_on_above(
    service: TraceManagementService, db: Path, clock: Clock
) -> None:
    """A new inbox is adopted; what it takes comes after all that is in the store."""
    record(service, "a", "b")
    service.flush().unwrap()
    service.close()
    for suffix in (".inbox", ".inbox-wal", ".inbox-shm"):
        Path(f"{db}{suffix}").unlink(missing_ok=True)
    with service_at(db, clock) as later:
        record(later, "c", "a")
        assert ids(later) == ["a", "b", "c"]
        later.flush().unwrap()
        record(later, "d")
        with later.reading() as found:
            seqs = found.execute("SELECT event_id, seq FROM events ORDER BY seq").fetchall()
        assert [event_id for event_id, _ in seqs] == ["a", "b", "c", "d"]
        assert len({seq for _, seq in seqs}) == 4
        assert not faults(later)


def test_an_inbox_of_another_store_is_refused_while_recording_goes_on(tmp_path: Path, clock: Clock) -> None:
    """Nobody folds, loads or reads a pair of files that do not belong together."""
    here, there = tmp_path / "here.duckdb", tmp_path / "there.duckdb"
    for db in (here, there):
        with service_at(db, clock) as service:
            service.create_trace(context_id="c", name=db.stem, trace_id=db.stem).unwrap()
            service.flush().unwrap()
    shutil.copy(f"{there}.inbox", f"{here}.inbox")
    with service_at(here, clock) as service:
        record(service, "e", trace_id="there")
        service.create_trace(context_id="c", name="new", trace_id="new").unwrap()
        for refused in (service.flush(), service.query_traces(), service.query_events(), service.info()):
            assert isinstance(refused.error, WrongPair)
        assert "store" in faults(service)
    shutil.copy(f"{here}.inbox", f"{there}.inbox")
    assert event_ids(there) == {"e": 1}


def test_an_old_copy_of_an_inbox_is_refused(service: TraceManagementService, db: Path) -> None:
    """Its next entries would get numbers that are folded already, and would be lost."""
    service.flush().unwrap()
    service.close()
    shutil.copy(f"{db}.inbox", f"{db}.old")
    record(service, "a", "b")
    service.flush().unwrap()
    service.close()
    shutil.copy(f"{db}.inbox", f"{db}.new")
    shutil.copy(f"{db}.old", f"{db}.inbox")
    record(service, "c")
    assert isinstance(service.flush().error, WrongPair)
    assert isinstance(service.query_events().error, WrongPair)
    service.close()
    shutil.copy(f"{db}.new", f"{db}.inbox")
    assert event_ids(db) == {"a": 1, "b": 1}


def test_a_store_that_is_gone_is_told_while_recording_goes_on(
    service: TraceManagementService, db: Path
) -> None:
    """No new store takes its place; put back, it has everything."""
    record(service, "a")
    service.flush().unwrap()
    db.rename(f"{db}.away")
    record(service, "b")
    service.create_trace(context_id="c", name="n", trace_id="t2").unwrap()
    service.complete_trace("t2").unwrap()
    for refused in (service.flush(), service.query_traces(), service.info()):
        assert isinstance(refused.error, StoreMissing)
        assert "is gone" in refused.error.message
    assert not db.exists()
    Path(f"{db}.away").rename(db)
    assert ids(service) == ["a", "b"]


def test_doctor_finds_that_the_store_is_an_old_copy(
    service: TraceManagementService, db: Path, clock: Clock
) -> None:
    """Entries that the inbox has dropped and the store does not have are a gap."""
    service.flush().unwrap()
    assert not faults(service)
    shutil.copy(db, f"{db}.old")
    record(service, "a", "b", "c")
    service.flush().unwrap()
    clock.pass_seconds(61)
    record(service, "d")
    service.flush().unwrap()
    shutil.copy(f"{db}.old", db)
    assert "gaps" in faults(service)


def test_what_a_store_that_was_set_back_lacks_is_folded_again(
    service: TraceManagementService, db: Path
) -> None:
    """While the inbox still has it that is no fault, and a flush puts it back though nothing waits."""
    record(service, "a")
    service.flush().unwrap()
    shutil.copy(db, f"{db}.old")
    record(service, "b")
    service.flush().unwrap()
    shutil.copy(f"{db}.old", db)
    (gaps,) = (one for one in service.doctor().unwrap() if one.check == "gaps")
    assert (gaps.state, gaps.hint) == ("warning", "mplp-trace flush")
    assert service.flush().unwrap() == 1
    assert not faults(service)
    assert ids(service) == ["a", "b"]


def test_entries_stay_a_minute_for_followers(service: TraceManagementService, db: Path, clock: Clock) -> None:
    """What is folded lies in the inbox for 60 s more, and is gone with the next fold after that."""
    record(service, "a")
    service.flush().unwrap()
    clock.pass_seconds(59)
    record(service, "b")
    service.flush().unwrap()
    assert [kind for _, kind, _ in entries(db)] == ["start", "event_with_id", "event_with_id"]
    clock.pass_seconds(1)
    record(service, "c")
    service.flush().unwrap()
    assert [json.loads(body)[0] for _, _, body in entries(db)] == ["b", "c"]
    clock.pass_seconds(60)
    record(service, "d")
    service.flush().unwrap()
    assert [json.loads(body)[0] for _, _, body in entries(db)] == ["d"]
    assert ids(service) == ["a", "b", "c", "d"]
    assert service.info().unwrap().waiting == 0


def test_folding_nothing_again_does_not_keep_entries_longer(
    service: TraceManagementService, db: Path, clock: Clock
) -> None:
    """A fold that finds nothing new leaves the time of the last one as it is."""
    empty = db.parent / "empty.jsonl"
    empty.write_text("\n")
    for _ in range(4):
        clock.pass_seconds(20)
        service.import_files(files=[str(empty)], again=True).unwrap()
    assert entries(db) == []


def test_numbers_set_aside_are_given_back_unless_somebody_recorded_meanwhile(
    service: TraceManagementService, db: Path
) -> None:
    """A load's seq lies between what was recorded before and what comes after; none is given twice."""
    with Inbox(StorePaths.at(db)) as inbox:
        before = inbox.reserve(1_000)
        inbox.release(before + 3, before + 1_000)
        assert inbox.reserve(0) == before + 3
        again = inbox.reserve(1_000)
        with inbox.writing():
            inbox.append([(EVENT, event_body("a"))])
        inbox.release(again + 1, again + 1_000)
        assert inbox.last_seq == again + 1_001 == entries(db)[-1][0]


def test_a_trace_that_expires_gets_its_end_at_a_fold(service: TraceManagementService, clock: Clock) -> None:
    """Past expires_at an active trace is expired: derived until a fold writes it, and the same afterwards."""
    service.create_trace(context_id="c", name="short", trace_id="s", timeout=5_000).unwrap()
    record(service, "in time", trace_id="s")
    clock.pass_seconds(4.999_999)
    assert status_of(service, "s") == "active"
    clock.pass_seconds(0.000_001)
    assert status_of(service, "s") == "expired"
    late = service.record_event(trace_id="s", event_type="e")
    assert isinstance(late.error, TraceFinished)
    assert isinstance(service.complete_trace("s").error, TraceFinished)
    service.flush().unwrap()
    trace = service.get_trace_by_id("s").unwrap().trace
    assert (trace.status, trace.duration_ms) == ("expired", 5_000)
    with service.reading() as found:
        assert found.execute("SELECT trace_id, status FROM store.trace_ends").fetchall() == [("s", "expired")]
    assert ids(service) == ["in time"]


def status_of(service: TraceManagementService, trace_id: str) -> str:
    """What a query says of a trace."""
    (row,) = service.query_traces({"trace_ids": [trace_id]}).unwrap().rows
    return str(row["status"])


def test_a_trace_whose_row_is_missing_among_the_open_ones_is_found_in_the_store(
    service: TraceManagementService, db: Path
) -> None:
    """A crash between a load and the note of its open traces costs nothing but a look into the store."""
    service.flush().unwrap()
    with inbox_file(db) as inbox:
        inbox.execute("DELETE FROM open_traces")
    record(service, "a")
    with inbox_file(db) as inbox:
        inbox.execute("DELETE FROM open_traces")
    assert service.complete_trace("t").unwrap().status == "completed"
    assert isinstance(service.record_event(trace_id="t", event_type="e").error, TraceFinished)
    assert ids(service) == ["a"]


def test_an_id_that_has_just_ended_is_taken_also_when_the_store_cannot_be_asked(
    service: TraceManagementService, db: Path
) -> None:
    """A second start of it would be lost to the rejects; an id that nobody knows is free."""
    service.flush().unwrap()
    with held_for_writing(db):
        service.complete_trace("t").unwrap()
        taken = service.create_trace(context_id="c", name="again", trace_id="t")
        assert taken.error is not None
        assert taken.error.code == "already_exists"
        service.create_trace(context_id="c", name="free", trace_id="free").unwrap()
    service.flush().unwrap()
    assert service.info().unwrap().rejects == 0


def test_an_old_copy_of_the_inbox_is_refused_also_after_it_took_something(cli: Cli) -> None:
    """What it takes gets a number that was folded before, and would be dropped in silence."""
    cli.ok("create", "n", "--trace-id", "t")
    cli.ok("flush")
    inbox = Path(f"{cli.db}.inbox")
    old = inbox.read_bytes()
    cli.ok("record", "e", "--trace", "t")
    cli.ok("flush")
    inbox.write_bytes(old)
    cli.ok("record", "late", "--trace", "t")
    for words in (("show", "t"), ("flush",)):
        done = cli(*words)
        assert (done.code, "is older than its store" in done.stderr) == (2, True)


def test_a_store_that_was_set_back_is_told_and_stays_known(cli: Cli, clock: Clock) -> None:
    """A later fold goes on behind what is missing; doctor still says so."""
    with service_at(cli.db, clock) as service:
        service.create_trace(context_id="c", name="n", trace_id="t").unwrap()
        service.flush().unwrap()
        old = cli.db.read_bytes()
        for event_id in ("e1", "e2"):
            service.record_event(trace_id="t", event_type="e", event_id=event_id).unwrap()
            service.flush().unwrap()
            clock.pass_seconds(100)
        service.record_event(trace_id="t", event_type="e", event_id="e3").unwrap()
        service.flush().unwrap()
    cli.db.write_bytes(old)
    cli.ok("record", "later", "--trace", "t", "--event-id", "e4")
    assert "was set back: up to 2 of the entries" in cli("flush").stderr
    assert cli("flush").stderr == "folded 0 entries\n"
    gaps = [one for one in json.loads(cli("doctor", "--json").stdout) if one["check"] == "gaps"]
    assert [one["state"] for one in gaps] == ["warning"]
