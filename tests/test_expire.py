"""Unfinished traces: how their time runs out, how others end them once, and how a killed process is found."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mplp_trace_cli.domain.errors import InvalidInput, StoreMissing
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage import fold as fold_module
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.processes import ended_process, process_with
from tests.conftest import Cli
from tests.helpers_processes import at_once
from tests.helpers_storage import SECOND, START_OF_TIME, Clock, inbox_file, service_at
from tests.terminal import COLOR, on_terminal

HOUR = 3_600.0


@pytest.fixture
def service(db: Path, clock: Clock) -> Iterator[TraceManagementService]:
    """A service on a store with the open trace `open`, and `short`, which ends by itself after 5 s."""
    with service_at(db, clock) as made:
        made.create_trace(context_id="c", name="open", trace_id="open").unwrap()
        made.create_trace(context_id="c", name="short", trace_id="short", timeout=5_000).unwrap()
        yield made


def record(service: TraceManagementService, trace_id: str) -> None:
    """Records an event now."""
    service.record_event(trace_id=trace_id, event_type="e").unwrap()


def said(service: TraceManagementService) -> dict[str, tuple[str, str | None]]:
    """Status and end of each trace, as a query gives them."""
    rows = service.query_traces().unwrap().rows
    return {row["trace_id"]: (row["status"], row["completed_at"]) for row in rows}


def ends(service: TraceManagementService) -> list[tuple[str, str]]:
    """The ends that are written in the store."""
    with service.reading() as found:
        return found.execute("SELECT trace_id, status FROM store.trace_ends ORDER BY seq").fetchall()


def ended(service: TraceManagementService, **given: object) -> list[tuple[str, str, int, str]]:
    """What `expire` ends: id, status, seconds since the start of time, and why."""
    found = service.expire_traces(**given).unwrap()
    return [
        (one.trace_id, one.status.value, (one.ended_at - START_OF_TIME) // SECOND, one.reason)
        for one in found
    ]


def test_a_fold_writes_the_end_of_an_overdue_trace_once_and_no_answer_changes(
    service: TraceManagementService, clock: Clock, db: Path
) -> None:
    """Derived before the fold and written after it, status and time are the same."""
    record(service, "short")
    clock.pass_seconds(60)
    before = said(service)
    assert before["short"] == ("expired", format_instant(START_OF_TIME + 5 * SECOND))
    for _ in range(3):
        service.flush().unwrap()
    assert ends(service) == [("short", "expired")]
    assert said(service) == before
    assert service.info().unwrap().rejects == 0
    with Inbox(StorePaths.at(db)) as inbox:
        assert inbox.open_ids_like("", 9) == ["open"]


def test_a_trace_that_expires_before_it_starts_ends_right_after_its_start(
    service: TraceManagementService, clock: Clock, tmp_path: Path
) -> None:
    """At 1 µs after it, written as derived."""
    line = {"kind": "trace", "name": "n", "context_id": "c", "trace_id": "at once"}
    moment = format_instant(START_OF_TIME)
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps({**line, "started_at": moment, "expires_at": moment}))
    service.import_files(files=[str(file)]).unwrap()
    before = said(service)["at once"]
    assert ended(service) == [("at once", "expired", 0, "timeout")]
    service.flush().unwrap()
    assert said(service)["at once"] == before == ("expired", format_instant(START_OF_TIME + 1))


def test_many_overdue_traces_are_ended_in_bounded_pieces(
    service: TraceManagementService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than go at once, each once."""
    monkeypatch.setattr(fold_module, "OVERDUE_AT_ONCE", 3)
    for number in range(10):
        service.create_trace(context_id="c", name="n", trace_id=f"t{number}", timeout=1_000).unwrap()
    clock.pass_seconds(10)
    service.flush().unwrap()
    assert sorted(ends(service)) == sorted([("short", "expired"), *((f"t{n}", "expired") for n in range(10))])


def test_an_end_that_the_store_has_already_is_not_written_again(
    service: TraceManagementService, clock: Clock, db: Path, tmp_path: Path
) -> None:
    """An open row that was left behind, as after a race with an import, goes without an end and a reject."""
    with inbox_file(db) as inbox:
        rows = inbox.execute("SELECT * FROM open_traces WHERE trace_id = 'short'").fetchall()
    file = tmp_path / "end.jsonl"
    file.write_text(json.dumps({"kind": "trace", "trace_id": "short", "status": "completed"}))
    service.import_files(files=[str(file)]).unwrap()
    with inbox_file(db) as inbox:
        inbox.executemany("INSERT INTO open_traces VALUES (?, ?, ?, ?)", rows)
    clock.pass_seconds(60)
    assert ended(service) == []
    service.flush().unwrap()
    assert ends(service) == [("short", "completed")]
    assert service.info().unwrap().rejects == 0
    with Inbox(StorePaths.at(db)) as inbox:
        assert inbox.overdue(clock()) == []


def test_an_import_that_brings_the_end_of_an_overdue_trace_is_told_that_it_has_expired(
    service: TraceManagementService, clock: Clock, tmp_path: Path
) -> None:
    """As it was when the end was only derived."""
    clock.pass_seconds(60)
    file = tmp_path / "end.jsonl"
    file.write_text(json.dumps({"kind": "trace", "trace_id": "short", "status": "completed"}))
    report = service.import_files(files=[str(file)]).unwrap()
    assert (report.counts.ended, report.counts.rejected) == (0, 1)
    assert said(service)["short"][0] == "expired"


def test_expire_writes_overdue_ends_and_nothing_the_second_time(
    service: TraceManagementService, clock: Clock
) -> None:
    """Without --idle the trace without a timeout goes on."""
    clock.pass_seconds(9 * HOUR)
    assert ended(service, dry_run=True) == ended(service) == [("short", "expired", 5, "timeout")]
    assert ended(service) == []
    record(service, "open")
    assert said(service)["open"][0] == "active"


def test_idle_counts_from_the_last_event(service: TraceManagementService, clock: Clock) -> None:
    """A trace without any counts from its start; the end is where the idle time was over."""
    service.create_trace(context_id="c", name="busy", trace_id="busy").unwrap()
    clock.pass_seconds(50 * 60)
    record(service, "busy")
    clock.pass_seconds(50 * 60)
    expected = [("short", "expired", 5, "timeout"), ("open", "expired", 3_600, "idle")]
    assert ended(service, idle=HOUR * 1_000, dry_run=True) == expected
    assert ended(service, idle=HOUR * 1_000) == expected
    assert said(service)["busy"][0] == "active"
    clock.pass_seconds(20 * 60)
    assert ended(service, idle=HOUR * 1_000) == [("busy", "expired", 6_600, "idle")]
    assert sorted(ends(service)) == [("busy", "expired"), ("open", "expired"), ("short", "expired")]


def test_a_trace_with_an_event_of_the_future_is_not_idle(
    service: TraceManagementService, clock: Clock
) -> None:
    """No end is ever later than the present."""
    moment = clock() + round(2 * HOUR * SECOND)
    service.record_event(trace_id="open", event_type="e", timestamp=moment).unwrap()
    clock.pass_seconds(1.5 * HOUR)
    assert ended(service, idle=HOUR * 1_000) == [("short", "expired", 5, "timeout")]


def test_what_is_recorded_while_expire_looks_keeps_its_trace_open(
    service: TraceManagementService, clock: Clock, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry between the look and the end is seen inside the transaction of the inbox."""
    from mplp_trace_cli.storage.keeping import expiring

    clock.pass_seconds(2 * HOUR)
    look = expiring._unfinished

    def looked_and_recorded(*given: object) -> object:
        found = look(*given)  # type: ignore[arg-type]
        with service_at(db, clock) as other:
            record(other, "open")
        return found

    monkeypatch.setattr(expiring, "_unfinished", looked_and_recorded)
    assert ended(service, idle=HOUR * 1_000) == [("short", "expired", 5, "timeout")]
    assert said(service)["open"][0] == "active"


def expire_all(db: Path, now: int) -> None:
    """Ends what is idle, as one of several at once."""
    with service_at(db, lambda: now) as service:
        service.expire_traces(idle=1_000).unwrap()


def test_several_at_once_end_each_trace_once(service: TraceManagementService, clock: Clock, db: Path) -> None:
    """No end is there twice, and none goes to the rejects."""
    for number in range(50):
        service.create_trace(context_id="c", name="n", trace_id=f"t{number}").unwrap()
    clock.pass_seconds(60)
    at_once(expire_all, [(db, clock())] * 4)
    service.flush().unwrap()
    assert len(ends(service)) == len(set(ends(service))) == 52
    assert service.info().unwrap().rejects == 0


def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    """Keeping what is not there is refused."""
    with service_at(tmp_path / "none.duckdb") as service:
        for refused in (service.expire_traces(), service.purge(before=0, dry_run=False), service.compact()):
            assert isinstance(refused.error, StoreMissing)
        assert isinstance(service.expire_traces(idle=0).error, InvalidInput)
    assert list(tmp_path.iterdir()) == []


# -- processes -------------------------------------------------------------------------------------


def sleeper() -> subprocess.Popen[bytes]:
    """A process that waits to be killed."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def test_the_trace_of_a_killed_process_is_found_told_and_ended(cli: Cli) -> None:
    """By query, by show and by expire --killed, which notes why; a living one is left alone."""
    with sleeper() as dies:
        killed = cli.ok("create", "dies", "--pid", str(dies.pid))
        cli.ok("record", "step", "--trace", killed)
        alive = cli.ok("create", "lives", "--pid", str(os.getpid()))
        assert cli("query", "--status", "active").stderr == ""
        assert cli.ok("expire", "--killed") == ""
        dies.kill()
    done = cli("query", "--status", "active")
    assert done.stderr == "1 active trace of a process that has ended: mplp-trace expire --killed\n"
    assert [line.split()[3] for line in done.stdout.splitlines()[2:]] == ["active", "killed"]
    assert cli("show", killed).stderr == done.stderr
    assert cli("show", alive).stderr == ""
    done = cli("expire", "--killed")
    assert (done.code, done.line, done.stderr) == (0, killed, "ended 1 trace\n")
    (trace,) = json.loads(cli.ok("query", "--status", "failed", "--json"))
    assert (trace["trace_id"], trace["error_count"]) == (killed, 1)
    note = json.loads(cli.ok("events", "--trace", killed, "--json"))[-1]
    assert (note["event_type"], note["level"]) == ("trace_failed", "error")
    assert note["message"] == f"its process ({dies.pid}) has ended"
    assert note["timestamp"] == trace["completed_at"]
    assert cli("expire", "--killed").stderr == "ended 0 traces\n"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, False),
        ({"started": "2020-01-01T00:00:00Z"}, True),
        ({"pid": 2**70}, True),
        ({"host": "another host"}, False),
        ({"host": "another host", "pid": 2**30}, False),
        ({"pid": "1"}, False),
        ({"pid": -1}, False),
        ({"started": "long ago"}, False),
        ({"started": None}, False),
    ],
)
def test_what_tells_that_a_process_is_gone(change: dict[str, object], found: bool) -> None:
    """No such number, or one that was used again; of another host, or said otherwise, nothing is known."""
    here = json.loads(process_with(os.getpid()).as_json())
    assert here["host"] == socket.gethostname()
    process = {**here, **change}
    assert ended_process(json.dumps({"process": process})) == (process["pid"] if found else None)
    assert ended_process('{"process":"mine"}') is None


def test_a_process_that_nobody_waits_for_has_ended() -> None:
    """A zombie has a number still."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    metadata = f'{{"process":{process_with(child.pid).as_json()}}}'
    assert ended_process(metadata) is None
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert ended_process(metadata) == child.pid
    child.wait()


def test_create_refuses_a_process_that_is_not_there_and_a_key_that_is_taken(cli: Cli) -> None:
    """Nothing is recorded then."""
    done = cli("create", "n", "--pid", "4194305")
    assert (done.code, done.stderr.splitlines()[0]) == (2, "error: --pid: there is no process 4194305")
    done = cli("create", "n", "--pid", str(os.getpid()), "--meta", "process=mine")
    assert (done.code, "'process' is given twice" in done.stderr) == (2, True)
    cli.ok("create", "n", "--pid", str(os.getpid()), "--meta", "a=1")
    (trace,) = json.loads(cli.ok("query", "--json"))
    assert list(trace["metadata"]) == ["a", "process"]


# -- what people see -------------------------------------------------------------------------------


AFTER_AGE = ("last", "event", "what", "events", "errors")


def test_active_traces_tell_their_age_and_last_event(cli: Cli) -> None:
    """In tables alone: what programs read has the columns that it always has."""
    cli.ok("create", "old", "--trace-id", "t1", "--started-at", "3h")
    cli.ok("record", "stage.done", "--trace", "t1", "--timestamp", "2h")
    cli.ok("create", "new", "--trace-id", "t2", "--started-at", "1h")
    head, _, new, old = cli.ok("query", "--status", "active").splitlines()
    assert head.split() == ["trace", "name", "context", "status", "age", *AFTER_AGE]
    assert new.split() == ["t2", "new", "default", "active", "1h", "00m", "0"]
    assert old.split() == [
        "t1",
        "old",
        "default",
        "active",
        "3h",
        "00m",
        "2h",
        "00m",
        "ago",
        "stage.done",
        "1",
    ]
    plain = json.loads(cli.ok("query", "--json"))
    assert json.loads(cli.ok("query", "--status", "active", "--json")) == plain
    both = cli.ok("query", "--status", "active", "--status", "failed").splitlines()[0]
    assert "started (UTC)" in both
    assert cli("query", "--status", "active", "--name", "none").stderr == "no trace matches\n"


def test_active_traces_on_a_terminal_of_80_columns(cli: Cli) -> None:
    """A line a trace, and nothing of it cut."""
    cli.ok("create", "Nightly import of everything", "--started-at", "3h")
    shown = COLOR.sub("", on_terminal(cli, "query", "--status", "active").stdout)
    assert "Nightly import of everything" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_expire_tells_ids_alone_or_rows(cli: Cli) -> None:
    """Ids for scripts; rows in the format that is asked for, whatever the environment says."""
    cli.ok("create", "n", "--trace-id", "t1", "--started-at", "3h")
    cli.ok("create", "n", "--trace-id", "t2", "--started-at", "2h", "--timeout", "1h")
    done = cli("expire", "--idle", "1h", "--dry-run", env={"MPLP_TRACE_FORMAT": "json"})
    assert (done.code, done.stdout) == (0, "t2\nt1\n")
    assert done.stderr == "would end 2 traces (1 timeout, 1 idle)\n"
    rows = json.loads(cli.ok("expire", "--idle", "1h", "--json"))
    assert [(row["trace_id"], row["status"], row["reason"]) for row in rows] == [
        ("t2", "expired", "timeout"),
        ("t1", "expired", "idle"),
    ]
    done = cli("expire", "--idle", "1h")
    assert (done.code, done.stdout, done.stderr) == (0, "", "ended 0 traces\n")
    assert cli("expire", "--idle", "soon").code == 2


def test_recorders_beside_expire_lose_nothing(cli: Cli) -> None:
    """A trace that is written to all the time is never idle, and what was acknowledged is there."""
    cli.ok("create", "n", "--trace-id", "t")
    kept: list[str] = []
    over = threading.Event()

    def record_on() -> None:
        with service_at(cli.db) as service:
            while not over.wait(0.005):
                kept.append(service.record_event(trace_id="t", event_type="e").unwrap().event_id)

    recorder = threading.Thread(target=record_on)
    recorder.start()
    try:
        for _ in range(3):
            assert cli.ok("expire", "--idle", "30s") == ""
    finally:
        over.set()
        recorder.join()
    with service_at(cli.db) as service:
        assert {row["event_id"] for row in service.query_events().unwrap().rows} == set(kept)
