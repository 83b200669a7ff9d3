"""Purging: whole finished traces, those that a plain program says, all at once; and what is kept daily."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import TraceModuleOptions
from mplp_trace_cli.domain.errors import InvalidInput, StoreBusy
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.times import DAY_US, format_instant
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.inbox import Inbox, recent_traces
from mplp_trace_cli.storage.paths import StorePaths
from tests.conftest import Cli, examples
from tests.helpers_kills import Killer, opened
from tests.helpers_processes import at_once
from tests.helpers_storage import SECOND, START_OF_TIME, Clock, held_for_writing, service_at
from tests.test_golden_formats import FORMATS, check

DAY = 86_400
SEED = 20_260_302


class Kept(NamedTuple):
    """A trace as the plain program knows it; instants are days since the start of time."""

    trace_id: str
    context: str
    started: int
    ended: int | None
    expires: int | None
    events: int

    def finished_at(self, now: int) -> int | None:
        """When it ended or expired, in microseconds; None while it is active."""
        if self.ended is not None:
            return at(self.ended) if self.ended > self.started else at(self.started) + 1
        if self.expires is not None and at(self.expires) <= now:
            return max(at(self.expires), at(self.started) + 1)
        return None

    def line(self) -> str:
        """The line that an import takes."""
        moments = {"started_at": self.started, "completed_at": self.ended, "expires_at": self.expires}
        told = {name: format_instant(at(day)) for name, day in moments.items() if day is not None}
        status = {"status": "completed"} if self.ended is not None else {}
        plain = {"kind": "trace", "trace_id": self.trace_id, "name": "n", "context_id": self.context}
        return json.dumps({**plain, **told, **status})


def at(day: int) -> int:
    """The instant of a day since the start of time."""
    return START_OF_TIME + day * DAY * SECOND


def fill(db: Path, clock: Clock, traces: list[Kept], samples: list[int], *, folded: bool = True) -> None:
    """A store with these traces and samples."""
    file = db.parent / "fill.jsonl"
    lines = [one.line() for one in traces]
    for one in traces:
        events = (json.dumps({"trace_id": one.trace_id, "event_type": "e"}) for _ in range(one.events))
        lines += events
    lines += [json.dumps({"name": "m", "value": 1, "timestamp": format_instant(at(day))}) for day in samples]
    file.write_text("\n".join(lines))
    with service_at(db, clock) as service:
        assert service.import_files(files=[str(file)]).unwrap().counts.rejected == 0


def left(service: TraceManagementService) -> tuple[set[str], dict[str, int], int]:
    """The traces, how many events each has, and how many samples there are."""
    with service.reading() as found:
        traces = {row[0] for row in found.execute("SELECT trace_id FROM traces").fetchall()}
        events = dict(found.execute("SELECT trace_id, count(*) FROM events GROUP BY ALL").fetchall())
        (samples,) = found.execute("SELECT count(*) FROM metrics").fetchall()[0]
        stray = found.execute(
            "SELECT count(*) FROM store.trace_ends WHERE trace_id NOT IN (SELECT trace_id FROM traces)"
        )
        assert stray.fetchall() == [(0,)]
    return traces, events, samples


days = st.integers(0, 9)
some_traces = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        days,
        st.none() | st.integers(0, 5),
        st.none() | st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=8,
)


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_traces, st.lists(days, max_size=4), st.none() | st.integers(0, 12), st.sampled_from(["", "a"]))
def test_purge_removes_exactly_what_a_plain_program_says(
    shapes: list[tuple[str, int, int | None, int | None, int]],
    samples: list[int],
    before: int | None,
    context: str,
) -> None:
    """Finished traces by when they ended or expired; a dry run counts the same."""
    traces = [
        Kept(
            f"t{number}",
            where,
            started,
            None if took is None else started + took,
            None if lives is None else started + lives,
            events,
        )
        for number, (where, started, took, lives, events) in enumerate(shapes)
    ]
    clock = Clock()
    clock.now = at(12)
    cut = None if before is None else at(before)
    goes = {
        one.trace_id
        for one in traces
        if (ended := one.finished_at(clock.now)) is not None
        and (cut is None or ended < cut)
        and context in ("", one.context)
    }
    old = sum(cut is not None and at(day) < cut for day in samples) if not context else 0
    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "traces.duckdb"
        fill(db, clock, traces, samples)
        with service_at(db, clock) as service:
            wanted = {"before": cut, "filter": {"context_ids": [context]} if context else {}}
            told = service.purge(wanted)
            if cut is None and not context:
                assert isinstance(told.error, InvalidInput)
                return
            all_before = left(service)
            done = service.purge(wanted, dry_run=False).unwrap()
            assert told.unwrap()._replace(dry_run=False, bytes=0) == done._replace(bytes=0)
            counts = {one.trace_id: one.events for one in traces}
            assert (done.traces, done.metrics) == (len(goes), old)
            assert done.events == sum(counts[one] for one in goes)
            stay = {one.trace_id for one in traces} - goes
            assert all_before == (stay | goes, {k: v for k, v in counts.items() if v}, len(samples))
            events = {one: counts[one] for one in stay if counts[one]}
            assert left(service) == (stay, events, len(samples) - old)


def test_a_purged_trace_is_offered_nowhere_and_its_id_is_free(db: Path) -> None:
    """Not for completion, not as @last, and an event for it is told that there is none."""
    clock = Clock()
    with service_at(db, clock) as service:
        for name in ("ended", "expired", "open"):
            timeout = 1_000 if name == "expired" else None
            service.create_trace(context_id="c", name=name, trace_id=name, timeout=timeout).unwrap()
        service.complete_trace("ended").unwrap()
        clock.pass_seconds(60)
        assert service.purge(before=clock(), dry_run=False).unwrap().traces == 2
        assert [one for one, _ in recent_traces(service.paths, "")] == ["open"]
        assert service.resolve_trace("@last") == "open"
        late = service.record_event(trace_id="expired", event_type="e")
        assert late.error is not None
        assert late.error.message == "there is no trace expired"
        for name in ("ended", "expired"):
            service.create_trace(context_id="c", name="again", trace_id=name).unwrap()
            service.record_event(trace_id=name, event_type="e").unwrap()
            service.complete_trace(name).unwrap()
        service.flush().unwrap()
        rows = service.query_traces().unwrap().rows
        assert {row["trace_id"]: row["status"] for row in rows} == {
            "ended": "completed",
            "expired": "completed",
            "open": "active",
        }


def test_rejects_are_never_purged(db: Path, tmp_path: Path) -> None:
    """What could not be recorded waits for a person."""
    file = tmp_path / "bad.jsonl"
    file.write_text("no JSON")
    clock = Clock()
    with service_at(db, clock) as service:
        service.import_files(files=[str(file)]).unwrap()
        clock.pass_seconds(400 * DAY)
        service.purge(before=clock(), dry_run=False).unwrap()
        assert service.info().unwrap().rejects == 1


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store with three old traces, one of which is active, and a sample; tests only ask it."""
    cli = Cli(tmp_path_factory.mktemp("aged"))
    clock = Clock()
    clock.now = at(-300)
    traces = [Kept(f"t{n}", "ab"[n % 2], n - 400, None if n == 2 else n - 399, None, n + 2) for n in range(3)]
    fill(cli.db, clock, traces, [-400])
    return cli


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_dry_run_in_every_format(aged: Cli, format_name: str) -> None:
    """These bytes, but for the estimate; and nothing is gone."""
    day = format_instant(at(0))[:10]
    done = aged("purge", "--older-than", day, "--format", format_name)
    assert (done.code, done.stderr) == (0, "nothing is deleted yet: --yes does it\n")
    check(f"purge.{format_name}", _sizeless(done.raw))
    assert len(json.loads(aged.ok("query", "--json"))) == 3


def _sizeless(raw: bytes) -> bytes:
    import re

    raw = re.sub(rb"about [\d.]+ \w?B", b"about SIZE", raw)
    raw = re.sub(rb'("bytes": ?)\d+', rb"\1SIZE", raw)
    return re.sub(
        rb"((?:true,|\| true \| )2(?:,| \| )5(?:,| \| )1(?:,| \| ))[\d,]+(,2| \|)", rb"\1SIZE\2", raw
    )


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("command", ["expire", "compact"])
def test_the_other_commands_in_every_format(cli: Cli, command: str, format_name: str) -> None:
    """Rows of what ended, and two sizes."""
    import re

    cli.ok("create", "a *name*", "--trace-id", "t1", "--started-at", "2026-03-02", "--timeout", "1h")
    options = ("--dry-run",) if command == "expire" else ()
    done = cli(command, *options, "--format", format_name)
    assert (done.code, done.stderr) == (0, "would end 1 trace\n" if options else "")
    raw = re.sub(rb"\b\d[\d.,]* MB|(?<=: )\d+|(?<=\":)\d+|\b\d{6,}|\d+,\d{3},\d{3}", b"SIZE", done.raw)
    check(f"{command}.{format_name}", raw if command == "compact" else done.raw)


def test_purge_does_it_with_yes_and_says_how_to_get_the_disk_back(cli: Cli) -> None:
    """A bare purge, one of active traces and a wrong age are refused; nothing left is no error."""
    cli.ok("create", "n", "--trace-id", "t", "--started-at", "3d")
    cli.ok("complete", "t", "--at", "2d")
    for refused in ((), ("--yes",), ("--status", "active"), ("--older-than", "old")):
        assert cli("purge", *refused).code == 2
    assert json.loads(cli.ok("purge", "--older-than", "60h", "--yes", "--json"))["traces"] == 0
    done = cli("purge", "--older-than", "1d", "--yes", "--json")
    assert (done.code, done.stderr) == (0, "mplp-trace compact gives the disk back\n")
    told = json.loads(done.stdout)
    assert (told["dry_run"], told["traces"], told["oldest"]) == (False, 1, told["newest"])
    assert cli.ok("query", "--json") == "[]"
    assert cli("purge", "--older-than", "1d", "--yes").stderr == ""


# -- beside others, and killed ---------------------------------------------------------------------


def purge_old(db: Path, context: str) -> None:
    """Purges one context, as one of several at once."""
    with service_at(db) as service:
        service.purge(filter={"context_ids": [context]}, dry_run=False).unwrap()


def compact_it(db: Path, _context: str) -> None:
    """Compacts, as one of several at once."""
    with service_at(db) as service:
        service.compact().unwrap()


def either(db: Path, number: int) -> None:
    """Purges or compacts."""
    (purge_old if number % 2 else compact_it)(db, "a")


def test_two_purges_and_two_compactions_at_once(db: Path) -> None:
    """They take turns; what nobody purged is there."""
    clock = Clock()
    traces = [Kept(f"t{n}", "ab"[n % 2], 0, 1, None, 3) for n in range(40)]
    clock.now = at(2)
    fill(db, clock, traces, [])
    at_once(either, [(db, number) for number in range(4)])
    with service_at(db) as service:
        assert left(service) == (
            {one.trace_id for one in traces if one.context == "b"},
            {one.trace_id: 3 for one in traces if one.context == "b"},
            0,
        )


@pytest.mark.soak
def test_purge_and_compact_while_others_record_stream_and_read(cli: Cli) -> None:
    """Whatever was acknowledged in an open trace is there afterwards, once."""
    opened(cli.folder)
    acknowledged: list[str] = []
    over = threading.Event()
    stream = cli.start("record", "-", "--trace", "t")

    def record_on() -> None:
        with service_at(cli.db) as service:
            while not over.wait(0.005):
                acknowledged.append(service.record_event(trace_id="t", event_type="e").unwrap().event_id)
                trace_id = service.create_trace(context_id="gone", name="n").unwrap().trace_id
                service.complete_trace(trace_id).unwrap()

    def read_on() -> None:
        with service_at(cli.db) as service:
            while not over.is_set():
                seen = len(acknowledged)
                assert service.query_events({"trace_ids": ["t"]}).unwrap().total >= seen

    workers = [threading.Thread(target=work) for work in (record_on, read_on)]
    for worker in workers:
        worker.start()
    assert stream.stdin is not None
    streamed = 0
    try:
        for _ in range(3):
            for _ in range(200):
                stream.stdin.write(b'{"event_type": "s"}\n')
            stream.stdin.flush()
            streamed += 200
            cli.ok("purge", "--context", "gone", "--yes")
            cli.ok("compact")
    finally:
        over.set()
        for worker in workers:
            worker.join()
    _, err = stream.communicate()
    assert stream.returncode == 0, err
    with service_at(cli.db) as service:
        service.flush().unwrap()
        rows = service.query_events({"trace_ids": ["t"]}).unwrap().rows
        assert sorted(row["event_id"] for row in rows if row["event_type"] == "e") == sorted(acknowledged)
        assert sum(row["event_type"] == "s" for row in rows) == streamed


def test_a_purge_that_is_killed_took_everything_or_nothing(cli: Cli) -> None:
    """kill -9 at random moments of its life."""
    clock = Clock()
    killer = Killer(SEED)
    for number in killer.rounds(3):
        traces = [Kept(f"r{number}-{n}", "ab"[n % 2], 0, 1, None, 20) for n in range(60)]
        clock.now = at(2)
        fill(cli.db, clock, traces, [])
        killer.killed(cli.start("purge", "--context", "a", "--yes"), 0.6)
        with service_at(cli.db) as service:
            kept, events, _ = left(service)
            gone = {one.trace_id for one in traces} - kept
            assert gone in (set(), {one.trace_id for one in traces if one.context == "a"})
            assert all(events[one] == 20 for one in kept)
            service.purge(filter={"context_ids": ["a"]}, dry_run=False).unwrap()
            assert not [one for one in service.doctor().unwrap() if one.state == "fault"]


def test_a_busy_store_is_waited_for_and_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere: who has it, and what to do."""
    from mplp_trace_cli.service import keeping

    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.1)
    opened(cli.folder)
    with held_for_writing(cli.db), service_at(cli.db) as service:
        for refused in (service.purge(before=0, dry_run=False), service.compact()):
            assert isinstance(refused.error, StoreBusy)


# -- what the options keep -------------------------------------------------------------------------


@contextlib.contextmanager
def kept_by(
    db: Path, clock: Clock, *, heard: list[str] | None = None, **options: object
) -> Iterator[TraceManagementService]:
    """A service whose options say how long is kept."""
    made = TraceModuleOptions(**options)  # type: ignore[arg-type]
    hear = None if heard is None else heard.append
    service = TraceManagementService(Wiring(StorePaths.at(db), made, clock, new_id, True, hear))
    try:
        yield service
    finally:
        service.close()


def test_retention_is_kept_at_a_fold_once_a_day(db: Path) -> None:
    """By whoever asks or folds first; what becomes too old in between waits for the next day."""
    clock = Clock()
    fill(db, clock, [Kept(f"t{day}", "c", day - 1, day, None, 1) for day in range(5)], [0, 4])
    heard: list[str] = []
    with kept_by(db, clock, heard=heard, retention_period_days=2) as service:
        clock.now = at(3)
        assert left(service)[0] == {"t1", "t2", "t3", "t4"}
        assert heard[0].startswith("purged 1 trace and 1 metric sample: ")
        clock.now = at(3) + DAY_US - 1
        assert len(left(service)[0]) == 4
        clock.now = at(4)
        service.flush().unwrap()
        assert left(service)[0] == {"t2", "t3", "t4"}
    assert len(heard) == 2


def test_retention_that_cannot_be_kept_is_tried_an_hour_later(db: Path) -> None:
    """The answer comes all the same."""
    clock = Clock()
    fill(db, clock, [Kept("t", "c", 0, 1, None, 1)], [])
    clock.now = at(9)
    with kept_by(db, clock, retention_period_days=2) as service:
        with service._store().locked(1):
            assert left(service)[0] == {"t"}
        clock.pass_seconds(3_599)
        assert left(service)[0] == {"t"}
        clock.pass_seconds(1)
        assert left(service)[0] == set()


def test_whoever_asks_is_answered_where_retention_cannot_even_be_noted(db: Path) -> None:
    """As on a full disk: nothing is purged, and nothing fails."""
    clock = Clock()
    fill(db, clock, [Kept("t", "c", 0, 1, None, 1)], [])
    clock.now = at(9)
    with contextlib.closing(sqlite3.connect(f"{db}.inbox")) as inbox:
        inbox.execute(
            "CREATE TRIGGER full BEFORE INSERT ON meta WHEN NEW.key = 'tidied_at' "
            "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    with kept_by(db, clock, retention_period_days=2) as service:
        assert left(service)[0] == {"t"}
        assert service.flush().unwrap() == 0


def tidy(db: Path, now: int) -> None:
    """Folds under a retention, as one of several at once."""
    clock = Clock()
    clock.now = now
    heard: list[str] = []
    with kept_by(db, clock, heard=heard, retention_period_days=1) as service:
        service.flush().unwrap()
    with open(db.parent / "heard", "a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in heard if line.startswith("purged"))


def test_of_several_at_once_one_keeps_the_retention(db: Path) -> None:
    """It is claimed before it is done."""
    clock = Clock()
    fill(db, clock, [Kept("t", "c", 0, 1, None, 1)], [])
    at_once(tidy, [(db, at(5))] * 4)
    assert len((db.parent / "heard").read_text().splitlines()) <= 1
    with Inbox(StorePaths.at(db)) as inbox:
        assert inbox.tidied_at is not None


def test_a_store_that_is_too_large_loses_its_oldest_days_and_shrinks(db: Path) -> None:
    """Until it fits, never today's, and without being asked twice in a day."""
    clock = Clock()
    clock.now = at(40)
    blob = "".join(chr(33 + (n * n * 31 + n) % 90) for n in range(300)).replace("\\", "x").replace('"', "y")
    file = db.parent / "big.jsonl"
    lines = []
    for day in range(4):
        lines.append(Kept(f"t{day}", "c", 37 + day - 1, 37 + day, None, 0).line())
        for n in range(6_000):
            data = {"n": n, "text": f"{hash((day, n)):x}{blob[n % 300 :]}{hash((n, day, 7)):x}" * 2}
            lines.append(json.dumps({"trace_id": f"t{day}", "event_type": "e", "data": data}))
    file.write_text("\n".join(lines))
    with service_at(db, clock) as service:
        service.import_files(files=[str(file)]).unwrap()
        size = service.compact().unwrap().bytes_after
    cap = f"{size * 7 // 10}B"
    heard: list[str] = []
    with kept_by(db, clock, heard=heard, max_store_size=cap) as service:
        assert left(service)[0] in ({"t2", "t3"}, {"t3"})
        assert service.info().unwrap().store_bytes <= size * 7 // 10
    assert heard
    assert all(line.endswith("to keep within max_store_size") for line in heard)
    with kept_by(db, clock, max_store_size="1B") as service:
        before = left(service)[0]
        clock.pass_seconds(DAY / 2)
        assert left(service)[0] == before
        clock.pass_seconds(DAY / 2)
        assert left(service)[0] == set()


def test_an_empty_text_is_no_filter(cli: Cli) -> None:
    """It stands in every trace: an unset variable of a script must not purge everything."""
    cli.ok("create", "n", "--trace-id", "t")
    cli.ok("complete", "t")
    done = cli("purge", "--text", "", "--yes")
    assert (done.code, done.stderr.startswith("error: --text: must not be empty")) == (2, True)
    assert cli.ok("query", "--format", "csv").count("\n") == 1
