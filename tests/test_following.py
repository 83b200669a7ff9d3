"""Following: every event once and in order, across processes, folds, stops, repeats and replaced files."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mplp_trace_cli import EventFilter, TraceError, TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.module import TraceModule
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.service.following import EventStream
from mplp_trace_cli.storage import following
from mplp_trace_cli.storage.following import Follower
from tests.conftest import Cli
from tests.helpers_processes import at_once
from tests.helpers_storage import Clock, entries, held_for_writing, inbox_file, recorded_ids, service_at

TRACE = "t"


@pytest.fixture
def made(tmp_path: Path, clock: Clock) -> Iterator[TraceManagementService]:
    """A service that folds only when it is told to, with an open trace."""
    with service_at(tmp_path / "traces.duckdb", clock) as service:
        service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
        yield service


def record(service: TraceManagementService, *ids: str) -> None:
    """Records events of those ids."""
    for one in ids:
        service.record_event(trace_id=TRACE, event_type="e", event_id=one).unwrap()


def drop_folded(service: TraceManagementService, clock: Clock) -> None:
    """Folds all that waits and lets the inbox drop it."""
    service.flush().unwrap()
    clock.pass_seconds(61)
    service.record_event(trace_id=TRACE, event_type="marker").unwrap()
    service.flush().unwrap()


def taken(stream: EventStream) -> list[str]:
    """The ids of the events that are there now."""
    rows = stream.rows()
    found = [row.event_id for row in rows if row.event_type == "e"]
    while rows or stream.is_behind:
        rows = stream.rows()
        found += [row.event_id for row in rows if row.event_type == "e"]
    return found


def import_events(service: TraceManagementService, folder: Path, *ids: str) -> None:
    """Loads a file of events."""
    file = folder / f"{ids[0]}.jsonl"
    lines = [json.dumps({"trace_id": TRACE, "event_type": "e", "event_id": one}) for one in ids]
    file.write_text("\n".join(lines) + "\n")
    service.import_files(files=[str(file)]).unwrap()


# -- every event once ------------------------------------------------------------------------------


def test_what_is_recorded_from_now_on(made: TraceManagementService) -> None:
    """In order, before and after a fold; what was there before is not told."""
    record(made, "before")
    stream = made.follow()
    assert taken(stream) == []
    record(made, "a", "b")
    made.flush().unwrap()
    record(made, "c")
    assert taken(stream) == ["a", "b", "c"]
    assert taken(stream) == []


def test_events_come_as_they_are_kept(made: TraceManagementService) -> None:
    """A followed event equals the one that was recorded, and the one that is asked for afterwards."""
    stream = made.follow()
    fields = {"level": "warn", "message": "m", "data": '{"n": 1.10}', "duration_ms": 12, "source": "plan"}
    event = made.record_event(trace_id=TRACE, event_type="e", parent_event_id="p", **fields).unwrap()
    followed = next(stream)
    (asked,) = made.query_events().unwrap().events
    assert followed == event == asked
    assert (followed.data.text, type(followed.duration_ms)) == ('{"n": 1.10}', float)


def test_a_follower_that_was_stopped_for_long(made: TraceManagementService, clock: Clock) -> None:
    """What the inbox has dropped is read from the store, once, in order, and what waits comes after it."""
    stream = made.follow()
    record(made, "a")
    assert taken(stream) == ["a"]
    record(made, "b", "c")
    drop_folded(made, clock)
    record(made, "d")
    drop_folded(made, clock)
    record(made, "e")
    assert next(seq for seq, _, _ in entries(Path(made.paths.store))) > 5, "nothing was dropped"
    assert taken(stream) == ["b", "c", "d", "e"]
    assert taken(stream) == []


def test_a_long_range_is_read_in_pieces(
    made: TraceManagementService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much was missed, a bounded number of events is held at once."""
    monkeypatch.setattr(following, "ENTRIES_AT_ONCE", 7)
    stream = made.follow()
    ids = [f"{n:03}" for n in range(50)]
    record(made, *ids)
    drop_folded(made, clock)
    more = [f"{n:03}" for n in range(50, 80)]
    record(made, *more)
    assert len(stream.rows()) == 7
    assert taken(stream) == [*ids[7:], *more]


def test_an_import_is_neither_followed_nor_a_loss(
    made: TraceManagementService, clock: Clock, tmp_path: Path
) -> None:
    """Its block of numbers is no gap, for a follower that looks at once and for one that was stopped."""
    quick, late = made.follow(), made.follow()
    record(made, "a")
    import_events(made, tmp_path, *(f"i{n}" for n in range(20)))
    record(made, "b")
    assert taken(quick) == ["a", "b"]
    import_events(made, tmp_path, "j1", "j2")
    record(made, "c")
    drop_folded(made, clock)
    record(made, "d")
    drop_folded(made, clock)
    assert taken(quick) == ["c", "d"]
    assert taken(late) == ["a", "b", "c", "d"]


def test_reserved_blocks_are_noted_as_they_were_used(made: TraceManagementService) -> None:
    """A block that is given back ends at the last number that was used; an unused one is gone."""
    inbox = made.recorder.inbox
    start = inbox.reserve(100)
    inbox.release(start + 10, start + 100)
    unused = inbox.reserve(100)
    inbox.release(unused, unused + 100)
    assert inbox.reserved() == [(start, start + 10)]
    record(made, "a")
    assert [seq for seq, kind, _ in entries(Path(made.paths.store)) if kind != "start"] == [start + 11]


# -- repeated ids ----------------------------------------------------------------------------------


def test_a_repeated_id_is_told_once(made: TraceManagementService, clock: Clock) -> None:
    """Whether the first came while following, before it, or long before it and lies in the store."""
    record(made, "folded")
    drop_folded(made, clock)
    record(made, "waiting")
    stream = made.follow()
    record(made, "folded", "waiting", "new", "new")
    assert taken(stream) == ["new"]
    drop_folded(made, clock)
    record(made, "new", "newer")
    assert taken(stream) == ["newer"]
    kept = [one.event_id for one in made.query_events(event_types=["e"]).unwrap().events]
    assert kept == ["folded", "waiting", "new", "newer"]


def test_an_id_belongs_to_its_trace(made: TraceManagementService) -> None:
    """The same id in another trace is another event; in a trace that began meanwhile nothing is asked for."""
    stream = made.follow()
    made.create_trace(context_id="c", name="n", trace_id="other").unwrap()
    for trace_id in (TRACE, "other", TRACE, "other"):
        made.record_event(trace_id=trace_id, event_type="e", event_id="a").unwrap()
    assert taken(stream) == ["a", "a"]


def test_an_id_that_an_import_brought(made: TraceManagementService, tmp_path: Path) -> None:
    """The repeat of an imported event is none, also where the trace is known already."""
    stream = made.follow()
    record(made, "a")
    assert taken(stream) == ["a"]
    import_events(made, tmp_path, "i")
    record(made, "i", "a", "b")
    assert taken(stream) == ["b"]


def test_a_generated_id_that_is_given_again(made: TraceManagementService) -> None:
    """Lines that were exported and are recorded again are repeats of events whose ids were generated."""
    stream = made.follow()
    event = made.record_event(trace_id=TRACE, event_type="e").unwrap()
    record(made, event.event_id)
    assert taken(stream) == [event.event_id]


def test_while_another_program_holds_the_store(made: TraceManagementService, tmp_path: Path) -> None:
    """Following goes on; repeats are known as far as the inbox knows them."""
    record(made, "a")
    made.flush().unwrap()
    with held_for_writing(tmp_path / "traces.duckdb"):
        stream = made.follow()
        record(made, "a", "b", "b")
        assert taken(stream) == ["b"]


def test_what_is_remembered_is_bounded(made: TraceManagementService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeat is recognised within the last MOST_IDS events at least."""
    monkeypatch.setattr(following, "MOST_IDS", 10)
    stream = made.follow()
    ids = [str(n) for n in range(30)]
    record(made, *ids)
    assert taken(stream) == ids
    record(made, *ids[-10:])
    assert taken(stream) == []
    record(made, ids[0])
    assert taken(stream) == [ids[0]]


# -- files that change -----------------------------------------------------------------------------


def test_nothing_to_follow(tmp_path: Path) -> None:
    """Without a store there is an error, and no file is made."""
    with service_at(tmp_path / "none" / "traces.duckdb") as service, pytest.raises(TraceError) as refused:
        service.follow()
    assert refused.value.code == "store_missing"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("way", ["replaced", "written over", "gone"])
def test_another_inbox_in_its_place(made: TraceManagementService, tmp_path: Path, way: str) -> None:
    """Following ends with an error that says so."""
    with service_at(tmp_path / "other" / "traces.duckdb") as other:
        other.create_trace(context_id="c", name="n").unwrap()
    stream = made.follow()
    taken(stream)
    inbox = tmp_path / "traces.duckdb.inbox"
    if way == "replaced":
        os.replace(tmp_path / "other" / "traces.duckdb.inbox", inbox)
    elif way == "gone":
        inbox.rename(tmp_path / "elsewhere")
    else:
        made.recorder.inbox.bind_to("x")  # another commit, so that it is looked at
        with inbox_file(tmp_path / "traces.duckdb") as db:
            db.execute("UPDATE meta SET value = 'another' WHERE key = 'inbox_id'")
    with pytest.raises(TraceError) as ended:
        taken(stream)
    assert ended.value.code == ("store_missing" if way == "gone" else "wrong_pair")


def test_an_older_copy_put_back(made: TraceManagementService, tmp_path: Path) -> None:
    """Numbers that were told already would come again: it is an error."""
    db = tmp_path / "traces.duckdb"
    record(made, "a")
    made.close()
    shutil.copy(f"{db}.inbox", tmp_path / "copy")
    with service_at(db) as service:
        stream = service.follow()
        record(service, "b", "c")
        assert taken(stream) == ["b", "c"]
        for journal in (f"{db}.inbox-wal", f"{db}.inbox-shm"):
            os.unlink(journal)
        os.replace(tmp_path / "copy", f"{db}.inbox")
        with pytest.raises(TraceError, match="replaced"):
            taken(stream)


def test_a_damaged_inbox(made: TraceManagementService, tmp_path: Path) -> None:
    """It is said, with the remedy."""
    made.close()
    (tmp_path / "traces.duckdb.inbox").write_bytes(b"no database at all " * 100)
    with pytest.raises(TraceError) as refused:
        made.follow()
    assert (refused.value.code, refused.value.hint) == ("store_damaged", "mplp-trace doctor")


def test_where_nothing_can_be_written(made: TraceManagementService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without permission to write follows too, from the moment others make the journal."""
    folder = made.paths.folder
    record(made, "a")
    made.close()
    permitted = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: mode != os.W_OK and permitted(path, mode)
    )  # root may write anywhere
    with closing(Follower(made.paths, made._store)) as follower:
        assert not os.path.exists(f"{folder}/traces.duckdb.inbox-wal")
        monkeypatch.undo()
        record(made, "b")
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and permitted(path, mode))
        assert [row.event_id for row in follower.poll()] == ["b"]
        record(made, "c")
        assert [row.event_id for row in follower.poll()] == ["c"]


def test_entries_that_no_fold_would_take(made: TraceManagementService, tmp_path: Path) -> None:
    """What lies in the inbox and is no event is not told, and stops nobody."""
    stream = made.follow()
    good = entries(Path(made.paths.store))[0][2]
    bodies = ["", "nonsense", "[]", "[1,2,3,4,5,6,7,8,9,10]", good, '{"a":1}']
    levels = [
        '["e","t","x","loud",null,"{}",1,null,null,null]',
        '["e","t","x","info",5,"{}",1,null,null,null]',
    ]
    with inbox_file(tmp_path / "traces.duckdb") as db:
        for body in (*bodies, *levels):
            db.execute("INSERT INTO entries (kind, body) VALUES ('event_with_id', ?)", (body,))
        db.execute("INSERT INTO entries (kind, body) VALUES ('end', '[')")
        db.execute("INSERT INTO entries (kind, body) VALUES ('event', CAST(x'ff' AS TEXT))")
    record(made, "a")
    assert taken(stream) == ["a"]


# -- filters, ends, ways to iterate ----------------------------------------------------------------


def test_filters(made: TraceManagementService) -> None:
    """A filter, or its fields; a text by itself is a list of one; a wrong one is refused."""
    stream = made.follow(EventFilter(levels="error"))
    fields = made.follow(event_types=["b*"])
    for event_type, level in (("a", "error"), ("b", "info"), ("bb", "error")):
        made.record_event(trace_id=TRACE, event_type=event_type, level=level).unwrap()
    assert [row.event_type for row in stream.rows()] == ["a", "bb"]
    assert [row.event_type for row in fields.rows()] == ["b", "bb"]
    for wrong in ({"min_level": "loud"}, {"levels": ["loud"]}, {"colour": "red"}):
        with pytest.raises(TraceError, match=r"loud|colour"):
            made.follow(**wrong)


def test_switched_off(tmp_path: Path) -> None:
    """`enable_real_time_monitoring=False` refuses followers, saying which option it is."""
    options = TraceModuleOptions(data_source=str(tmp_path / "t.duckdb"), enable_real_time_monitoring=False)
    with initialize_trace_module(options) as module, pytest.raises(TraceError) as refused:
        module.trace_management_service.follow()
    assert (refused.value.code, refused.value.hint) == (
        "feature_disabled",
        "enable_real_time_monitoring = true",
    )


@pytest.mark.parametrize("ends", ["close", "module"])
def test_a_stream_ends(module: TraceModule, ends: str) -> None:
    """From another thread, or with its module; whoever waits is let go."""
    service = module.trace_management_service
    service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
    stream = service.follow()
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.extend(event.event_id for event in stream))
    reader.start()
    record(service, "a")
    _until(lambda: heard == ["a"])
    (stream.close if ends == "close" else module.close)()
    reader.join(timeout=10)
    assert not reader.is_alive()
    assert list(stream) == []


def test_with_asyncio(module: TraceModule) -> None:
    """`async for` gives every event while the loop goes on turning; cancelling loses none of them."""
    service = module.trace_management_service
    service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
    ids = [str(n) for n in range(300)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    async def follow() -> list[str]:
        heard: list[str] = []
        counting = asyncio.create_task(count_turns())
        writer = threading.Thread(target=record, args=(service, *ids))
        async with service.follow() as events:
            writer.start()
            while len(heard) < len(ids):
                try:
                    heard.append((await asyncio.wait_for(anext(events), 0.02)).event_id)
                except TimeoutError:
                    continue
            await asyncio.sleep(0.2)
        writer.join()
        counting.cancel()
        assert [event async for event in events] == []
        return heard

    assert asyncio.run(follow()) == ids
    assert turns > 20


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


# -- real processes --------------------------------------------------------------------------------


def record_on_and_on(db: Path, name: str, count: int) -> None:
    """Records events one by one and in batches, as a program of its own."""
    with service_at(db, durable=False) as service:
        for at in range(count):
            service.record_event(trace_id=TRACE, event_type="e", event_id=f"{name}-{at}").unwrap()
            rows = [{"trace_id": TRACE, "event_type": "e", "event_id": f"{name}-{at}-{n}"} for n in range(5)]
            service.record_events(rows).unwrap()


def fold_a_while(db: Path, _name: str, count: int) -> None:
    """Folds again and again, with a clock that lets the inbox drop everything at once."""
    clock = Clock()
    with service_at(db, clock) as service:
        for _ in range(count):
            service.flush().unwrap()
            clock.pass_seconds(120)


def test_many_writers_and_folds(tmp_path: Path) -> None:
    """Programs record at once while others fold and drop at once: each event once, in order of arrival."""
    db = tmp_path / "traces.duckdb"
    with service_at(db) as service:
        service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
        stream = service.follow()
        heard: list[str] = []
        reader = threading.Thread(target=lambda: heard.extend(event.event_id for event in stream))
        reader.start()
        at_once(record_or_fold, [(db, f"w{n}", 60) for n in range(4)] + [(db, "fold", 15)])
        _until(lambda: len(heard) >= 4 * 60 * 6)
        stream.close()
        reader.join()
        service.flush().unwrap()
        with service.reading() as found:
            kept = [row[0] for row in found.execute("SELECT event_id FROM events ORDER BY seq").fetchall()]
    assert heard == kept
    assert len(set(heard)) == 4 * 60 * 6


def record_or_fold(db: Path, name: str, count: int) -> None:
    """One of the programs above."""
    (fold_a_while if name == "fold" else record_on_and_on)(db, name, count)


def test_killed_writers_and_a_stopped_reader(cli: Cli) -> None:
    """Streams are killed, `record` goes on, `tail -f` is stopped and continued: all that is there, once."""
    cli.ok("create", "n", "--trace-id", TRACE)
    tail = cli.start("tail", "-f", "-n", "0", "--format", "jsonl")
    heard: list[str] = []
    assert tail.stdout is not None
    lines = tail.stdout
    reader = threading.Thread(target=lambda: heard.extend(json.loads(line)["event_id"] for line in lines))
    reader.start()
    _begun(cli, heard)
    for turn in range(3):
        stream = cli.start("record", "-", "--trace", TRACE)
        assert stream.stdin is not None
        for at in range(400):
            line = json.dumps({"event_type": "e", "event_id": f"{turn}-{at}"})
            stream.stdin.write(f"{line}\n".encode())
            stream.stdin.flush()
        before = len(heard)
        _until(lambda before=before: len(heard) > before)  # type: ignore[misc]
        if turn == 1:
            tail.send_signal(signal.SIGSTOP)
        stream.kill()
        cli.ok("record", "e", "--trace", TRACE, "--event-id", f"{turn}-one")
        cli.ok("flush")
        tail.send_signal(signal.SIGCONT)
    recorded = recorded_ids(cli.db)
    kept = recorded[recorded.index(heard[0]) :]
    _until(lambda: len(heard) >= len(kept))
    tail.send_signal(signal.SIGINT)
    assert tail.wait(timeout=30) == 130
    reader.join()
    assert heard == kept
    assert len(set(kept)) == len(kept)


def _begun(cli: Cli, heard: list[str]) -> None:
    """Records until the follower tells of it: from then on it tells of everything."""
    for at in range(600):
        if heard:
            return
        with service_at(cli.db) as service:
            record(service, f"begin-{at}")
        time.sleep(0.05)
    raise AssertionError("nothing was followed")
