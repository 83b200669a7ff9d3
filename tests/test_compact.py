"""Compacting: the same rows in a smaller file, whole at every moment, whoever reads, records or kills."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mplp_trace_cli.domain.errors import StorageFailed, StoreBusy
from mplp_trace_cli.storage.keeping import compacting
from tests.conftest import SAMPLE_DATA, Cli
from tests.helpers_kills import Killer
from tests.helpers_processes import crash_at, lines_of
from tests.helpers_storage import service_at

SEED = 20_260_302


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample project, rejects, several folds, half of it purged, something that waits; never changed."""
    cli = Cli(tmp_path_factory.mktemp("filled"))
    cli.ok("import", SAMPLE_DATA / "project.jsonl")
    cli("import", "-", stdin='no JSON\n{"name": "m", "value": 1}\n')
    open_trace = cli.ok("create", "open")
    cli.ok("flush")
    with service_at(cli.db) as service, service.reading() as found:
        (middle,) = found.execute("SELECT epoch_us(median(completed_at)) FROM traces").fetchall()[0]
        middle = int(middle)
    with service_at(cli.db) as service:
        assert service.purge(before=middle, dry_run=False).unwrap().traces
    cli.ok("record", "waits", "--trace", open_trace)
    return cli.folder


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Cli:
    """The command on a copy of it."""
    return Cli(Path(shutil.copytree(template, tmp_path / "copy")))


def rows_of(db: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table in the order in which it lies; of how far is folded, the greatest counts."""
    with duckdb.connect(str(db), read_only=True) as store:
        store.execute("SET TimeZone = 'UTC'")
        names = [row[0] for row in store.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found = {}
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            found[name] = store.execute(f"SELECT row::VARCHAR FROM {quoted} AS row").fetchall()
        found["folds"] = store.execute("SELECT inbox_id, max(folded_seq) FROM folds GROUP BY ALL").fetchall()
        found["schema"] = store.execute("SELECT sql FROM sqlite_master ORDER BY ALL").fetchall()
    return found


def packed(db: Path) -> set[str]:
    """How the data of events lies in the file."""
    query = (
        "SELECT DISTINCT compression FROM pragma_storage_info('event_log') "
        "WHERE column_name = 'data' AND segment_type = 'VARCHAR'"
    )
    with duckdb.connect(str(db), read_only=True) as store:
        return {row[0] for row in store.execute(query).fetchall()}


def test_the_data_of_events_is_packed_with_zstd_before_and_after(filled: Cli) -> None:
    """A new file is of a version that has it; in one of another version nothing would be packed."""
    assert packed(filled.db) == {"ZSTD"}
    filled.ok("compact")
    assert packed(filled.db) == {"ZSTD"}


def test_the_new_file_has_the_same_rows_in_the_same_order_and_is_smaller(filled: Cli) -> None:
    """Tables, views, ids and what the imports left; private, and with nothing left beside it."""
    filled.ok("flush")
    before, size = rows_of(filled.db), filled.db.stat().st_size
    told = json.loads(filled.ok("compact", "--json"))
    assert rows_of(filled.db) == before
    assert told == {"bytes_before": told["bytes_before"], "bytes_after": filled.db.stat().st_size}
    assert told["bytes_after"] < min(size, told["bytes_before"])
    assert filled.db.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in filled.folder.glob("traces*")} <= {
        *("traces.duckdb", "traces.duckdb.inbox", "traces.duckdb.lock"),
        *("traces.duckdb.inbox-wal", "traces.duckdb.inbox-shm"),
    }
    with duckdb.connect(str(filled.db), read_only=True) as store:
        assert store.execute("SELECT count(*) FROM folds").fetchall() == [(1,)]
    assert filled("doctor").code in (0, 1)
    assert not [one for one in json.loads(filled("doctor", "--json").stdout) if one["state"] == "fault"]


def test_what_somebody_added_to_the_file_stays(filled: Cli) -> None:
    """A table, a view and an index of their own, whatever their names."""
    with duckdb.connect(str(filled.db)) as store:
        store.execute('CREATE TABLE "my ""own""" (a INTEGER PRIMARY KEY, b VARCHAR DEFAULT \'x\')')
        store.execute('INSERT INTO "my ""own""" VALUES (2, NULL), (1, \'y\')')
        store.execute(
            "CREATE SCHEMA aside; CREATE VIEW aside.few AS SELECT count(*) AS n FROM main.event_log"
        )
    filled.ok("flush")
    before = rows_of(filled.db)
    filled.ok("compact")
    assert rows_of(filled.db) == before
    with duckdb.connect(str(filled.db), read_only=True) as store:
        assert len(store.execute("FROM aside.few").fetchall()) == 1


def test_what_waits_in_the_inbox_is_folded_first_and_recording_goes_on(filled: Cli) -> None:
    """Files that belong together belong together afterwards."""
    filled.ok("compact")
    assert json.loads(filled.ok("info", "--json"))["waiting"] == 0
    filled.ok("record", "after", "--trace", "@last")
    types = [row["event_type"] for row in json.loads(filled.ok("events", "--trace", "@last", "--json"))]
    assert types == ["waits", "after"]


def test_a_reader_that_has_the_old_file_open_goes_on_with_it(filled: Cli) -> None:
    """And the next one has the new file."""
    with duckdb.connect(str(filled.db), read_only=True) as reader:
        # While a reader has the file nobody can write to it: compact waits for its turn.
        process = filled.start("compact")
        (before,) = reader.execute("SELECT count(*) FROM event_log").fetchall()[0]
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.count(b"\n") == 2
    assert len(json.loads(filled.ok("events", "--json"))) == before + 1


def test_without_room_it_is_refused_beforehand_with_numbers(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing has changed."""
    filled.ok("flush")
    before = rows_of(filled.db)
    monkeypatch.setattr(compacting, "ROOM_BYTES", 10**18)
    with service_at(filled.db) as service:
        refused = service.compact().error
    assert isinstance(refused, StorageFailed)
    assert "it needs 1,000,000" in refused.message
    assert rows_of(filled.db) == before
    assert not list(filled.folder.glob("*.tmp-*"))


def test_a_copy_that_is_not_the_same_is_thrown_away(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row less is found, and the store is as it was."""
    filled.ok("flush")
    before = rows_of(filled.db)
    write = compacting._write_anew

    def write_less(db: Any, draft: str) -> None:
        write(db, draft)
        with duckdb.connect(draft) as less:
            less.execute("DELETE FROM event_log WHERE seq = (SELECT max(seq) FROM event_log)")

    monkeypatch.setattr(compacting, "_write_anew", write_less)
    with service_at(filled.db) as service:
        refused = service.compact().error
    assert isinstance(refused, StorageFailed)
    assert 'in "main"."event_log"' in refused.message
    assert rows_of(filled.db) == before


def test_a_log_that_a_foreign_program_left_is_not_applied_to_the_new_file(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wrote between the fold and the copy and has not cleaned up is waited out."""
    filled.ok("flush")
    log = Path(f"{filled.db}.wal")
    check = compacting._check_alone

    def check_with_log(paths: Any) -> None:
        log.write_bytes(b"log")
        check(paths)

    monkeypatch.setattr(compacting, "_check_alone", check_with_log)
    with service_at(filled.db) as service:
        assert isinstance(service.compact().error, StoreBusy)
    log.unlink()
    filled.ok("compact")


# -- killed ----------------------------------------------------------------------------------------


def test_killed_at_random_moments_it_leaves_one_good_file(filled: Cli) -> None:
    """The old one or the new one, with the same rows; the next run does it."""
    filled.ok("flush")
    before = rows_of(filled.db)
    killer = Killer(SEED)
    for _ in killer.rounds(4):
        killer.killed(filled.start("compact"), 0.7)
        assert rows_of(filled.db) == before
    filled.ok("compact")
    assert rows_of(filled.db) == before


def compact_here(folder: Path) -> None:
    """Compacts the store of a folder."""
    with service_at(folder / "traces.duckdb") as service:
        service.compact().unwrap()


def test_cut_off_at_lines_spread_over_the_work_it_leaves_one_good_file(filled: Cli, tmp_path: Path) -> None:
    """Gone between two lines of ours, the last ones above all, where the files change places."""
    filled.ok("flush")
    before = rows_of(filled.db)
    places = tmp_path / "places"
    template = places / "template"
    template.mkdir(parents=True)
    for path in filled.folder.glob("traces.duckdb*"):
        shutil.copy(path, template)
    total = lines_of(compact_here, shutil.copytree(template, places / "whole"), count_file=places / "n")
    for line in [*range(1, total, total // 3), *range(total - 60, total, 12)]:
        here = shutil.copytree(template, places / f"at{line}")
        assert crash_at(line, compact_here, here)
        assert rows_of(here / "traces.duckdb") == before, f"after a crash at line {line} of {total}"
        compact_here(here)
        assert rows_of(here / "traces.duckdb") == before
        shutil.rmtree(here)


def test_tables_of_the_users_own_come_along(filled: Cli) -> None:
    """One that refers to another comes after it; one that cannot be copied is named, and nothing changes."""
    filled.ok("flush")
    with duckdb.connect(str(filled.db)) as db:
        db.execute("CREATE TABLE owners (id INTEGER PRIMARY KEY); INSERT INTO owners VALUES (1)")
        db.execute("CREATE TABLE notes (id INTEGER REFERENCES owners (id)); INSERT INTO notes VALUES (1)")
    filled.ok("compact")
    with duckdb.connect(str(filled.db)) as db:
        assert db.execute("SELECT * FROM notes").fetchall() == [(1,)]
        db.execute("CREATE TABLE twice (n INTEGER, m INTEGER GENERATED ALWAYS AS (n * 2))")
        db.execute("INSERT INTO twice VALUES (1)")
    done = filled("compact")
    assert (done.code, "twice" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert filled.ok("info")


def test_the_modes_of_the_file_stay(filled: Cli) -> None:
    """Whoever shares a store with a group goes on sharing it."""
    filled.ok("flush")
    filled.db.chmod(0o660)
    filled.ok("compact")
    assert stat.S_IMODE(filled.db.stat().st_mode) == 0o660
