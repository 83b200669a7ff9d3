"""Many at once: recorders, readers, folders and loads of one store, in processes and in threads."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import mplp_trace_cli.module
from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.domain.errors import StoreBusy, TraceFinished
from mplp_trace_cli.interchange.loading.bulk import BulkLoad
from tests.conftest import Cli
from tests.helpers_kills import event_line, opened
from tests.helpers_processes import at_once, join, note, noted, start
from tests.helpers_storage import (
    event_ids,
    held_for_writing,
    inbox_file,
    recorded_ids,
    repeated,
    service_at,
)


def exit_codes(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """How commands ended, in ascending order; none of them in a way that is no answer."""
    errors = [process.communicate()[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert set(codes) <= {0, 1}, errors
    return codes


# -- first commands and one id ---------------------------------------------------------------------


def create_first(db: Path, number: int) -> None:
    """Makes a trace, and the store where there is none."""
    with service_at(db) as service:
        service.create_trace(context_id="c", name="n", trace_id=f"t{number}").unwrap()


def test_64_processes_make_a_new_store_at_once(tmp_path: Path) -> None:
    """Both files are made once, nobody fails, and every trace is there."""
    db = tmp_path / "deep" / "traces.duckdb"
    at_once(create_first, [(db, number) for number in range(64)])
    with service_at(db) as service:
        rows = service.query_traces().unwrap().rows
    assert {row["trace_id"] for row in rows} == {f"t{number}" for number in range(64)}
    left = {file.name for file in db.parent.iterdir()} - {f"{db.name}.inbox-shm", f"{db.name}.inbox-wal"}
    assert left == {db.name, f"{db.name}.inbox", f"{db.name}.lock"}


def test_one_of_eight_commands_wins_an_id(cli: Cli) -> None:
    """The others say that it is taken, also those that were the first on the path."""
    processes = [cli.start("create", "n", "--trace-id", "x") for _ in range(8)]
    assert exit_codes(processes) == [0] + [1] * 7
    assert [row["trace_id"] for row in json.loads(cli.ok("query", "--json"))] == ["x"]


# -- ends ------------------------------------------------------------------------------------------


def end(db: Path, status: str, log: Path) -> None:
    """Ends the trace, and notes how if that was acknowledged."""
    with service_at(db) as service:
        done = service.end_trace(trace_id="t", status=status)
        assert done.success or isinstance(done.error, TraceFinished)
        if done.success:
            note(log, status)


def record_until_ended(db: Path, number: int, log: Path) -> None:
    """Records until the trace is finished, noting what was acknowledged."""
    with service_at(db) as service:
        for turn in range(400):
            event_id = f"{number}-{turn}"
            done = service.record_event(trace_id="t", event_type="e", event_id=event_id)
            if not done.success:
                assert isinstance(done.error, TraceFinished), done.error
                return
            note(log, event_id)


def test_a_trace_ends_once_however_many_end_it(tmp_path: Path) -> None:
    """Whoever ends it as it has ended succeeds; whoever wants another end is refused."""
    db, log = opened(tmp_path).db, tmp_path / "log"
    at_once(end, [(db, status, log) for status in ("completed", "failed") * 6])
    (status,) = set(noted(log))
    assert len(noted(log)) == 6
    with inbox_file(db) as inbox:
        assert inbox.execute("SELECT count(*) FROM entries WHERE kind = 'end'").fetchone() == (1,)
    with service_at(db) as service:
        service.flush().unwrap()
        assert [row["status"] for row in service.query_traces().unwrap().rows] == [status]
        assert service.info().unwrap().rejects == 0


def test_nothing_is_recorded_after_the_end_and_what_was_before_it_stays(tmp_path: Path) -> None:
    """Recorders race the end of their trace: acknowledged is before it, refused is not there."""
    db, log = opened(tmp_path).db, tmp_path / "log"
    recorders = [start(record_until_ended, db, number, log) for number in range(4)]
    while len(noted(log)) < 20:
        assert any(one.is_alive() for one in recorders)
    with service_at(db) as service:
        service.complete_trace("t").unwrap()
    join(recorders)
    with inbox_file(db) as inbox:
        kinds = [kind for (kind,) in inbox.execute("SELECT kind FROM entries ORDER BY seq")]
    assert kinds[-1] == "end"
    assert sorted(noted(log)) == sorted(recorded_ids(db))
    assert event_ids(db) == Counter(noted(log))


def test_an_end_recorded_while_an_import_ends_the_trace_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first to arrive counts, and its acknowledgement is kept."""
    cli = opened(tmp_path)
    said = {"kind": "trace", "trace_id": "t", "name": "n", "context_id": "c", "status": "failed"}
    file = tmp_path / "file.jsonl"
    file.write_text(json.dumps(said))
    run = BulkLoad.run
    with service_at(cli.db) as service:

        def run_and_complete(load: BulkLoad, pieces: Iterator[object]) -> None:
            run(load, pieces)  # type: ignore[arg-type]
            service.complete_trace("t").unwrap()

        monkeypatch.setattr(BulkLoad, "run", run_and_complete)
        counts = service.import_files(files=[str(file)]).unwrap().counts
        assert (counts.ended, counts.repeated) == (0, 1)
        service.flush().unwrap()
        assert [row["status"] for row in service.query_traces().unwrap().rows] == ["completed"]
        assert service.info().unwrap().rejects == 0


# -- recording beside others -----------------------------------------------------------------------


def record_ten(db: Path, number: int) -> None:
    """Ten commands' worth of records: each opens the files anew."""
    for turn in range(10):
        with service_at(db) as service:
            service.record_event(trace_id="t", event_type="e", event_id=f"{number}-{turn}").unwrap()


def test_recording_goes_on_while_another_program_holds_the_store(tmp_path: Path) -> None:
    """16 processes record, traces begin and end; when the holder is gone all of it is there."""
    cli = opened(tmp_path)
    with held_for_writing(cli.db):
        at_once(record_ten, [(cli.db, number) for number in range(16)])
        with service_at(cli.db) as service:
            service.create_trace(context_id="c", name="n", trace_id="own").unwrap()
            assert isinstance(service.flush(wait_seconds=0).error, StoreBusy)
        cli.ok("record", "e", "--trace", "own", "--event-id", "of own")
        cli.ok("complete", "own")
    wanted = Counter(f"{number}-{turn}" for number in range(16) for turn in range(10))
    assert event_ids(cli.db) == wanted + Counter(["of own"])


def test_lines_of_a_stream_are_there_for_others_while_its_pipe_stays_open(tmp_path: Path) -> None:
    """What was written into `record -` can be asked for long before it ends."""
    cli = opened(tmp_path)
    stream = cli.start("record", "-")
    assert stream.stdin is not None
    with service_at(cli.db) as service:
        for number in range(3):
            stream.stdin.write(f"{event_line(f'e{number}')}\n".encode())
            stream.stdin.flush()
            while service.query_events().unwrap().total <= number:
                assert stream.poll() is None
    stream.communicate()
    assert stream.returncode == 0
    assert event_ids(cli.db) == {"e0": 1, "e1": 1, "e2": 1}


def write_and_look(db: Path, number: int) -> None:
    """Records and asks in turn: each moment is whole, has all of one's own, and nothing disappears."""
    mine: set[str] = set()
    before: set[str] = set()
    with service_at(db) as service:
        for turn in range(6):
            for at in range(4):
                mine.add(f"{number}-{turn}-{at}")
                given = (
                    {"event_id": f"{number}-{turn}-{at}"} if at % 2 else {"message": f"{number}-{turn}-{at}"}
                )
                service.record_event(trace_id="t", event_type="e", **given).unwrap()
            with service.reading() as found:
                rows = found.execute("SELECT coalesce(message, event_id) FROM events").fetchall()
                again = found.execute("SELECT count(*) FROM events").fetchall()
            now = [row[0] for row in rows]
            assert again == [(len(now),)]
            assert len(now) == len(set(now)), "an event is seen twice"
            assert mine <= set(now), "an own event is not seen"
            assert before <= set(now), "an event has disappeared"
            before = set(now)


def fold_on_and_on(db: Path, stop: Path) -> None:
    """Folds whenever the store is free, until it is told to stop."""
    with service_at(db) as service:
        while not stop.exists():
            done = service.flush(wait_seconds=0.1)
            assert done.success or isinstance(done.error, StoreBusy), done.error


def test_readers_beside_writers_and_folders_see_whole_moments(tmp_path: Path) -> None:
    """Six that record and ask, and one that folds all the time."""
    db, stop = opened(tmp_path).db, tmp_path / "stop"
    folder = start(fold_on_and_on, db, stop)
    try:
        at_once(write_and_look, [(db, number) for number in range(6)])
    finally:
        stop.touch()
    join([folder])
    kept = event_ids(db)
    assert (len(kept), repeated(kept)) == (6 * 6 * 4, {})


def record_on_and_on(db: Path, stop: Path) -> None:
    """Records faster than a batch is folded, until it is told to stop."""
    with service_at(db, durable=False) as service:
        while not stop.exists():
            service.record_event(trace_id="t", event_type="e").unwrap()
            time.sleep(0.0003)


def test_a_steady_recorder_keeps_nobody_from_answering_or_folding(tmp_path: Path) -> None:
    """Readers and folds take what is there when they begin, and come to an end."""
    db, stop = opened(tmp_path).db, tmp_path / "stop"
    recorder = start(record_on_and_on, db, stop)
    try:
        while not recorded_ids(db):
            assert recorder.is_alive()
        with service_at(db) as service:
            totals = []
            for _ in range(3):
                service.flush().unwrap()
                totals.append(service.query_events().unwrap().total)
        assert 0 < totals[0] < totals[1] < totals[2]
        assert recorder.is_alive()
    finally:
        stop.touch()
    join([recorder])


# -- loading beside others -------------------------------------------------------------------------


def test_two_imports_and_recorders_at_once(tmp_path: Path) -> None:
    """Each load waits for the other; what is recorded meanwhile is there too."""
    cli = opened(tmp_path)
    wanted: Counter[str] = Counter()
    imports = []
    for number in range(2):
        file = tmp_path / f"{number}.jsonl"
        given = [f"{number}-{at}-imported" for at in range(3_000)]
        file.write_text("\n".join(event_line(one) for one in given))
        wanted.update(given)
        imports.append(cli.start("import", file))
    at_once(record_ten, [(cli.db, number) for number in range(8)])
    wanted.update(f"{number}-{turn}" for number in range(8) for turn in range(10))
    assert exit_codes(imports) == [0, 0]
    assert event_ids(cli.db) == wanted
    with service_at(cli.db) as service, service.reading() as found:
        assert found.execute("SELECT count(*) FROM (SELECT seq FROM events GROUP BY seq)").fetchall() == [
            (len(wanted),)
        ]


def test_the_same_file_imported_twice_at_once_is_loaded_once(tmp_path: Path) -> None:
    """The second finds its digest and skips it."""
    cli = opened(tmp_path)
    file = tmp_path / "file.jsonl"
    file.write_text("\n".join(event_line(f"e{at}") for at in range(500)))
    imports = [cli.start("import", file) for _ in range(2)]
    answers = [json.loads(process.communicate()[0]) for process in imports]
    assert sorted(answer["skipped"] for answer in answers) == [0, 1]
    assert sorted(answer["events"] for answer in answers) == [0, 500]


# -- threads ---------------------------------------------------------------------------------------


def test_threads_share_one_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads record and ask through one module that folds in the background; closing loses nothing."""
    monkeypatch.setattr(mplp_trace_cli.module, "FOLD_SECONDS", 0.02)
    db = tmp_path / "traces.duckdb"
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(40):
                service.record_event(trace_id="t", event_type="e", event_id=f"{number}-{turn}").unwrap()
                if turn % 20 == 0:
                    seen = {event.event_id for event in service.query_events().unwrap().events}
                    assert {f"{number}-{at}" for at in range(turn + 1)} <= seen
        except BaseException as fault:
            faults.append(fault)

    heard: list[str] = []
    with initialize_trace_module(TraceModuleOptions(data_source=str(db))) as module:
        service = module.trace_management_service
        service.create_trace(context_id="c", name="n", trace_id="t").unwrap()
        service.add_event_listener(lambda event: heard.append(event.event_id))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not faults
    wanted = Counter(f"{number}-{turn}" for number in range(8) for turn in range(40))
    assert Counter(heard) == wanted
    assert event_ids(db) == wanted


def test_closing_folds_and_what_is_recorded_after_is_safe_too(tmp_path: Path) -> None:
    """A closed module has left nothing waiting; closing again is fine."""
    db = tmp_path / "traces.duckdb"
    module = initialize_trace_module(TraceModuleOptions(data_source=str(db)))
    service = module.trace_management_service
    service.create_trace(context_id="c", name="n", trace_id="t").unwrap()
    service.record_event(trace_id="t", event_type="e", event_id="a").unwrap()
    module.close()
    module.close()
    with service_at(db) as other:
        assert other.flush().unwrap() == 0
    assert event_ids(db) == {"a": 1}
