"""A log that cannot be replayed: set aside and told, never fatal; what the inbox still has comes back."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from mplp_trace_cli.domain.errors import StorageFailed, StoreBusy, StoreDamaged, StoreTooNew, TraceError
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.store import LogDamaged, Store, StoreSettings
from tests.conftest import Cli
from tests.helpers_processes import note, noted, start
from tests.helpers_storage import event_ids, held_for_writing, repeated, service_at

SEED = 20_260_302
FIRST, LATER, BATCH, COMMITS = 500, 900, 100, 5
WHOLE = {*(f"a{n}" for n in range(FIRST)), *(f"b{n}" for n in range(LATER))}


def killed_fold(folder: Path) -> None:
    """Folds in small batches under an open umask and is gone after some, its last rows in the log alone."""
    from mplp_trace_cli.storage import fold, inbox

    os.umask(0o022)
    commit, done = fold._commit, 0

    def counted(db: duckdb.DuckDBPyConnection, inbox_id: str, last_seq: int) -> None:
        nonlocal done
        commit(db, inbox_id, last_seq)
        done += 1
        if done == COMMITS:
            modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(folder)}
            note(folder / "modes.json", json.dumps(modes))
            os._exit(0)

    inbox.BATCH_ENTRIES, fold._commit = BATCH, counted
    with service_at(folder / "traces.duckdb") as service:
        service.flush().unwrap()


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose fold was killed between two batches; never changed."""
    folder = tmp_path_factory.mktemp("killed")
    with service_at(folder / "traces.duckdb") as service:
        service.create_trace(context_id="c", name="n", trace_id="t").unwrap()
        for prefix, count in (("a", FIRST), ("b", LATER)):
            rows = [
                {"trace_id": "t", "event_type": "e", "event_id": f"{prefix}{n}", "data": {"n": n}}
                for n in range(count)
            ]
            service.record_events(rows).unwrap()
            if prefix == "a":
                service.flush().unwrap()
    process = start(killed_fold, folder)
    process.join(60)
    assert process.exitcode == 0
    assert os.path.getsize(folder / "traces.duckdb.wal")
    return folder


@pytest.fixture
def cli(killed: Path, tmp_path: Path) -> Cli:
    """The command on a copy of it."""
    shutil.copytree(killed, tmp_path / "copy")
    return Cli(tmp_path / "copy")


def log_of(cli: Cli) -> Path:
    """The log of its store."""
    return Path(StorePaths.at(cli.db).log)


def aside(cli: Cli) -> list[Path]:
    """The logs that were set aside."""
    return sorted(cli.folder.glob("traces.duckdb.wal.damaged-*"))


def another_log(tmp_path: Path) -> bytes:
    """The log of a database with other tables."""
    process = start(_other_database, tmp_path / "other.duckdb")
    process.join(60)
    return (tmp_path / "other.duckdb.wal").read_bytes()


def _other_database(path: Path) -> None:
    db = duckdb.connect(str(path))
    db.execute("CREATE TABLE other (i INTEGER); CHECKPOINT; INSERT INTO other VALUES (1)")
    os._exit(0)


DAMAGES: dict[str, Callable[[bytes, Path], bytes]] = {
    "a byte in the middle": lambda log, _: log[: len(log) // 2] + b"\xff\x00\xff" + log[len(log) // 2 + 3 :],
    "a block of zeros": lambda log, _: log[:2_000] + bytes(1_000) + log[3_000:],
    "zeros after its end": lambda log, _: log + bytes(300),
    "its beginning": lambda log, _: b"\x00" + log[1:],
    "its length": lambda log, _: log[:12] + b"\xff" + log[13:],
    "noise": lambda log, _: random.Random(SEED).randbytes(len(log)),
    "only zeros": lambda log, _: bytes(len(log)),
    "of another database": lambda _, folder: another_log(folder),
}
"""What may have become of a log that then cannot be replayed, or that DuckDB would pass over in silence."""


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_writer_sets_a_damaged_log_aside_and_folds_again_what_it_held(
    cli: Cli, tmp_path: Path, damage: str
) -> None:
    """One warning; the log's bytes are kept; every event is there once, because the inbox still has them."""
    bad = DAMAGES[damage](log_of(cli).read_bytes(), tmp_path)
    log_of(cli).write_bytes(bad)
    done = cli("flush")
    assert (done.code, done.stderr.count("\n")) == (0, 2), done.stderr
    assert done.stderr.startswith("warning: the log of the store could not be replayed (")
    (kept,) = aside(cli)
    assert kept.read_bytes() == bad
    assert str(kept) in done.stderr
    counts = event_ids(cli.db)
    assert not repeated(counts)
    assert counts.keys() == WHOLE
    assert cli("flush").stderr == "folded 0 entries\n"
    assert len(aside(cli)) == 1


@pytest.mark.parametrize("damage", ["a byte in the middle", "its beginning", "of another database"])
def test_a_reader_sets_it_aside_too(cli: Cli, tmp_path: Path, damage: str) -> None:
    """Nothing waits, so nobody folds, and the answer is whole: the inbox gives what the store lost."""
    whole = DAMAGES[damage](log_of(cli).read_bytes(), tmp_path)
    log_of(cli).write_bytes(whole)
    reader = Store(StorePaths.at(cli.db), on_damage=(told := list[str]()).append)
    with reader.reading() as db:
        assert db.execute("SELECT count(*) FROM store.event_log").fetchone() == (FIRST,)
    assert [one.split(" (")[0] for one in told] == ["the log of the store could not be replayed"]
    assert len(json.loads(cli.ok("events", "--json"))) == len(WHOLE)
    assert [one.read_bytes() for one in aside(cli)] == [whole]


def test_doctor_and_repair_tell_a_log_whose_beginning_is_wrong(cli: Cli) -> None:
    """DuckDB opens the store without it and says nothing; the rows it held come from the inbox."""
    log_of(cli).write_bytes(DAMAGES["its beginning"](log_of(cli).read_bytes(), cli.folder))
    found = {row["check"]: row for row in json.loads(cli("doctor", "--json").stdout)}
    assert found["store"]["state"] == "fault"
    assert "its beginning is not that of a log" in found["store"]["detail"]
    done = cli("doctor", "--repair", "--json")
    assert done.code == 1
    assert {"part": "log", "saved": 0, "lost": None} in [
        {name: part[name] for name in ("part", "saved", "lost")} for part in json.loads(done.stdout)["parts"]
    ]
    assert event_ids(cli.folder / "traces.repaired.duckdb").keys() == WHOLE


@pytest.mark.parametrize("left", [0, 1, 20, 100, 0.3, 0.5, 0.9, -1])
def test_a_log_that_was_cut_short_loses_nothing(cli: Cli, left: float) -> None:
    """DuckDB takes the transactions that are whole; the rest is folded again."""
    log = log_of(cli).read_bytes()
    log_of(cli).write_bytes(log[: left if isinstance(left, int) else int(left * len(log))])
    assert cli("flush").code == 0
    counts = event_ids(cli.db)
    assert not repeated(counts)
    assert counts.keys() == WHOLE


def test_flipped_bits_are_never_fatal(killed: Path, tmp_path: Path) -> None:
    """At places spread at random over the log: the command works, and nothing is lost or there twice."""
    chosen = random.Random(SEED)
    for turn in range(2):
        folder = Path(shutil.copytree(killed, tmp_path / str(turn)))
        log = bytearray((folder / "traces.duckdb.wal").read_bytes())
        log[chosen.randrange(len(log))] ^= 1 << chosen.randrange(8)
        (folder / "traces.duckdb.wal").write_bytes(log)
        counts = event_ids(folder / "traces.duckdb")
        assert not repeated(counts)
        assert counts.keys() == WHOLE


def test_a_lock_that_is_held_is_no_damage(cli: Cli) -> None:
    """Whoever holds the store has its log in use."""
    with held_for_writing(cli.db):
        log_of(cli).write_bytes(b"in use")
        with pytest.raises(StoreBusy), Store(StorePaths.at(cli.db)).writing(0.1):
            pass
        assert (log_of(cli).read_bytes(), aside(cli)) == (b"in use", [])


def test_a_log_of_a_newer_version_is_refused_and_stays(cli: Cli) -> None:
    """Its version stands in its first entry."""
    log = log_of(cli)
    newer = bytearray(log.read_bytes())
    newer[5] = 9
    log.write_bytes(newer)
    for refused in (Store(StorePaths.at(cli.db)).reading(), Store(StorePaths.at(cli.db)).writing(0)):
        with pytest.raises(StoreTooNew), refused:
            pass
    assert (log.read_bytes(), aside(cli)) == (bytes(newer), [])


def test_too_little_memory_is_no_damage(cli: Cli) -> None:
    """A replay that found no room leaves the log for one that does."""
    log = log_of(cli)
    before = log.read_bytes()
    tight = Store(StorePaths.at(cli.db), StoreSettings(memory_limit="1MB"))
    try:
        with tight.reading():
            pass
    except TraceError as error:
        assert not isinstance(error, LogDamaged)
    assert (log.read_bytes(), aside(cli)) == (before, [])


def test_where_nothing_may_be_set_aside_it_is_an_error(cli: Cli) -> None:
    """Doctor only looks: the log is told and stays."""
    log = log_of(cli)
    log.write_bytes(log.read_bytes() + bytes(300))
    before = log.read_bytes()
    looking = Store(StorePaths.at(cli.db), StoreSettings(sets_aside=False))
    with pytest.raises(StoreDamaged, match="cannot be replayed: Corrupt WAL file"), looking.reading():
        pass
    assert (log.read_bytes(), aside(cli)) == (before, [])


def test_a_log_that_was_replayed_is_in_the_store_before_the_inbox_drops_anything(cli: Cli) -> None:
    """From the first moment of a fold on the rows of the killed one are in the file itself."""
    with Store(StorePaths.at(cli.db)).writing() as db:
        assert os.path.getsize(log_of(cli)) == 0
        (count,) = db.execute("SELECT count(*) FROM store.event_log").fetchone() or (0,)
        assert count > FIRST
    assert not log_of(cli).exists()


def test_files_are_for_their_owner_alone_whatever_the_umask(killed: Path) -> None:
    """The library under umask 022: store, inbox, their logs and the lock while a fold runs, spill folders."""
    modes = json.loads(noted(killed / "modes.json")[0])
    assert {oct(mode) for name, mode in modes.items() if ".tmp-" not in name and "json" not in name} == {
        "0o600"
    }
    assert {oct(mode) for name, mode in modes.items() if ".tmp-" in name} == {"0o700"}
    assert {"traces.duckdb.wal", "traces.duckdb.inbox-wal", "traces.duckdb.inbox-shm"} <= modes.keys()


def test_a_full_disk_is_not_taken_for_damage() -> None:
    """Only what can never be replayed counts."""
    from mplp_trace_cli.storage.store import _replay_fault

    said = 'Failure while replaying WAL file "x.wal": '
    for passes in (
        duckdb.OutOfMemoryException(f"{said}could not allocate block"),
        duckdb.IOException(f"{said}Could not write file: No space left on device"),
        duckdb.IOException(f'{said}Cannot open file "x.wal": Permission denied'),
        duckdb.PermissionException(f"{said}no"),
        duckdb.IOException("Could not set lock on file x: Corrupt WAL file"),
    ):
        assert _replay_fault(passes) is None
    assert issubclass(LogDamaged, StoreDamaged)
    assert not issubclass(LogDamaged, StorageFailed)
