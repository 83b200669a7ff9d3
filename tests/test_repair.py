"""`doctor --repair`: what can be read of damaged files is saved once, and they stay as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from mplp_trace_cli.storage.mending.child import Child, ChildFailed
from tests.conftest import Cli
from tests.helpers_damage import (
    BLOCK,
    HEADERS,
    INBOX,
    STORE,
    WAITING,
    all_ids,
    check_damage,
    digests,
    flip,
    make_store,
    overwrite,
    readable_ids,
)
from tests.helpers_processes import start
from tests.helpers_storage import event_ids, held_for_writing, inbox_file, repeated, service_at

FEW = 5_000


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound store; never changed."""
    folder = tmp_path_factory.mktemp("sound")
    make_store(folder, FEW)
    return folder


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of more than one row group; never changed."""
    folder = tmp_path_factory.mktemp("wide")
    make_store(folder)
    return folder


@pytest.fixture
def cli(template: Path, tmp_path: Path) -> Cli:
    """The command on a copy of it."""
    return Cli(Path(shutil.copytree(template, tmp_path / "copy")))


def new_of(cli: Cli) -> Cli:
    """The command on the repaired store beside it."""
    return Cli(cli.folder, {"MPLP_TRACE_DB": str(cli.folder / "traces.repaired.duckdb")})


def parts(stdout: str) -> dict[str, dict[str, object]]:
    """What a repair says of each part."""
    return {part["part"]: part for part in json.loads(stdout)["parts"]}


@pytest.mark.parametrize("name", ["bytes", "no inbox"])
def test_damage_of_several_kinds(wide: Path, tmp_path: Path, name: str) -> None:
    """Doctor says it, repair saves what it can, nothing is changed or doubled; the soak does every kind."""
    check_damage(wide, tmp_path / "damaged", name, 1)


def test_a_sound_store_is_saved_whole(cli: Cli) -> None:
    """Every row, the waiting entries folded; the active traces are open; exit code 0."""
    before = digests(cli.folder)
    done = cli("doctor", "--repair", "--json")
    assert done.code == 0, done.stderr
    assert digests(cli.folder) == before
    saved = parts(done.stdout)
    assert (saved["event_log"]["saved"], saved["event_log"]["lost"]) == (FEW + WAITING, 0)
    assert saved["inbox"]["saved"] == WAITING + 1
    columns = "event_id, trace_id, event_type, level::text, data, timestamp, duration_ms, seq"
    query = f"SELECT md5(string_agg(concat_ws('|', {columns}), chr(10) ORDER BY seq)) AS sum FROM events"
    assert new_of(cli).ok("sql", query, "--json") == cli.ok("sql", query, "--json")
    rows = "SELECT * FROM traces ORDER BY trace_id"
    assert new_of(cli).ok("sql", rows, "--json") == cli.ok("sql", rows, "--json")
    for trace in ("t", "w"):
        assert new_of(cli)("record", "more", "--trace", trace).code == 0
    assert new_of(cli)("record", "more", "--trace", "d").code == 1


@pytest.mark.parametrize("block", (1, 13))
def test_every_row_that_can_be_read_is_saved(wide: Path, tmp_path: Path, block: int) -> None:
    """A damaged block costs the rows of its vectors and no others, and the repair says which."""
    cli = Cli(Path(shutil.copytree(wide, tmp_path / "copy")))
    at = HEADERS + block * BLOCK + 1_000
    if at >= os.path.getsize(cli.db):
        pytest.skip("the file has fewer blocks")
    flip(cli.db, at)
    done = cli("doctor", "--repair", "--json")
    if done.code == 2:  # a block of the catalogue
        return
    found = event_ids(cli.folder / "traces.repaired.duckdb")
    assert not repeated(found)
    waiting = {f"{prefix}{n}" for prefix in "bc" for n in range(WAITING)}
    # The inbox still has what was folded last, so that these come back too.
    assert found.keys() == readable_ids(cli.db) | waiting
    told = parts(done.stdout)
    lost = told["event_log"]["lost"]
    assert lost == len(all_ids()) - len(found)
    assert str(told["event_log"]["detail"]).startswith("rows ") == bool(lost)
    assert done.code == int(any(part["lost"] for part in told.values()))  # the block may be another table's


@pytest.mark.parametrize("at", [0, 4_104])
def test_a_damaged_header_costs_nothing_while_one_state_is_whole(cli: Cli, at: int) -> None:
    """The main header is that of any store; of the two others one is enough, with what the inbox has."""
    flip(cli.db, at)
    done = cli("doctor", "--repair")
    assert done.code in (0, 1), done.stderr
    found = event_ids(cli.folder / "traces.repaired.duckdb")
    assert not repeated(found)
    assert found.keys() >= {f"{prefix}{n}" for prefix in "bc" for n in range(WAITING)}
    if done.code == 0:
        assert found.keys() == all_ids(FEW)


def test_a_store_that_does_not_open_leaves_what_the_inbox_has(cli: Cli) -> None:
    """It is said plainly, with exit code 1: something was saved."""
    overwrite(cli.db, 0, b"x" * HEADERS)
    done = cli("doctor", "--repair", "--json")
    assert done.code == 1
    assert str(parts(done.stdout)["store"]["detail"]).startswith("it does not open: ")
    assert event_ids(cli.folder / "traces.repaired.duckdb").keys() == {
        f"{prefix}{n}" for prefix in "bc" for n in range(WAITING)
    }
    assert new_of(cli)("record", "more", "--trace", "t").code == 0


def test_nothing_to_save_is_an_error_and_makes_no_files(cli: Cli) -> None:
    """Exit code 2."""
    cli.db.write_bytes(b"")
    (cli.folder / INBOX).write_bytes(b"")
    for more in ([], ["--in-place"]):
        done = cli("doctor", "--repair", *more)
        assert (done.code, done.stdout) == (2, "")
        assert done.stderr.startswith("error: nothing could be saved: ")
        assert sorted(path.name for path in cli.folder.glob("*duckdb*") if ".lock" not in path.name) == [
            STORE,
            INBOX,
        ]


def test_in_place_the_damaged_files_keep_their_bytes_under_other_names(cli: Cli) -> None:
    """One command, and recording and asking go on."""
    flip(cli.db, HEADERS + 5 * BLOCK)
    before = digests(cli.folder)
    done = cli("doctor", "--repair", "--in-place")
    assert done.code in (0, 1), done.stderr
    kept = {path.name.split(".damaged-")[0]: path for path in cli.folder.glob("*.damaged-*")}
    assert {name: digests(cli.folder)[path.name] for name, path in kept.items()} == before
    assert cli("record", "more", "--trace", "t").code == 0
    assert cli("doctor").code == 0
    assert all(str(path) in done.stderr for path in kept.values())


def test_what_is_recorded_during_a_repair_in_place_is_there(cli: Cli) -> None:
    """Acknowledged is acknowledged: it is taken over from the renamed inbox."""
    flip(cli.db, HEADERS + 5 * BLOCK)
    said: list[str] = []
    with cli.start("doctor", "--repair", "--in-place") as repairing:
        while repairing.poll() is None:
            done = cli("record", "meanwhile", "--trace", "t")
            if done.code == 0:
                said.append(done.line)
        out, err = repairing.communicate()
    assert repairing.returncode in (0, 1), (out, err)
    assert said
    found = event_ids(cli.db)
    assert not repeated(found)
    assert set(said) <= found.keys()


def test_nothing_is_overwritten(cli: Cli) -> None:
    """Neither an earlier repair nor the damaged store itself."""
    assert cli("doctor", "--repair").code == 0
    for more in ([], ["--to", str(cli.db)], ["--to", "traces.repaired.duckdb"]):
        done = cli("doctor", "--repair", *more)
        assert (done.code, done.stderr.splitlines()[0].endswith("is there already")) == (2, True), done.stderr
    for wrong in (["--to", "x.duckdb"], ["--in-place"], ["--repair", "--in-place", "--to", "x.duckdb"]):
        assert cli("doctor", *wrong).code == 2


def test_a_store_in_use_is_not_repaired_in_place(cli: Cli) -> None:
    """What another program is writing would be lost."""
    with held_for_writing(cli.db):
        done = cli("doctor", "--repair", "--in-place")
        assert done.code == 2, done.stdout
        assert not list(cli.folder.glob("*.damaged-*"))


def test_a_helper_that_dies_is_told_and_started_again(template: Path) -> None:
    """A crash, a hang and an unknown question cost one answer."""
    with Child() as child:
        with pytest.raises(ChildFailed, match="took longer than"):
            child.answer("headers", 0.001, source=str(template / STORE))
        assert len(child.answer("headers", 60, source=str(template / STORE))["headers"]) == 2
        with pytest.raises(ChildFailed, match="there is no such"):
            child.answer("headers", 60, source=str(template / "there is no such"))
        process = child._started()
        process.kill()
        process.wait()
        assert len(child.answer("headers", 60, source=str(template / STORE))["headers"]) == 2


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_a_page_at_either_end_of_the_inbox_costs_its_own_entries_alone(tmp_path: Path, order: str) -> None:
    """Also in place, where what was recorded meanwhile is looked for behind the last one."""
    cli = Cli(tmp_path)
    cli.ok("create", "n", "--trace-id", "t")
    cli.ok("flush")
    lines = [json.dumps({"trace_id": "t", "event_type": "e", "event_id": f"i{n}"}) for n in range(400)]
    cli.ok("record", "-", stdin="\n".join(lines))
    with inbox_file(cli.db) as inbox:
        inbox.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (tmp_path / INBOX).read_bytes()
    place = content.find(b'"i0"') if order == "ASC" else content.rfind(b'"i399"')
    overwrite(tmp_path / INBOX, place // 4_096 * 4_096, bytes(200))
    done = cli("doctor", "--repair", "--in-place", "--json")
    assert (done.code, done.stderr.count("error")) == (1, 0), done.stderr
    inbox_part = parts(done.stdout)["inbox"]
    assert inbox_part["lost"]
    found = event_ids(cli.db)
    assert len(found) >= 300
    assert not repeated(found)


def killed_repair(db: Path, calls: int) -> None:
    """Repairs in place and is gone right before one of the changes of names."""
    done = 0

    def counted(change: Callable[..., None]) -> Callable[..., None]:
        def changed(source: str, target: str) -> None:
            nonlocal done
            if ".new-" not in target:
                done += 1
            if done == calls:
                os._exit(9)
            change(source, target)

        return changed

    os.link, os.rename, os.replace = counted(os.link), counted(os.rename), counted(os.replace)
    with service_at(db) as service:
        service.repair(in_place=True).unwrap()


@pytest.mark.parametrize("calls", range(1, 6))
def test_a_repair_that_is_killed_leaves_a_store_and_can_be_done_again(tmp_path: Path, calls: int) -> None:
    """Doctor names no command that removes what may be the only copy."""
    cli = Cli(tmp_path)
    cli.ok("create", "n", "--trace-id", "t")
    ids = {cli.ok("record", "folded", "--trace", "t")}
    cli.ok("flush")
    ids.add(cli.ok("record", "waits", "--trace", "t"))
    flip(cli.db, 13)
    (tmp_path / f"{STORE}.wal").write_bytes(b"x" * 100)
    process = start(killed_repair, cli.db, calls)
    process.join(60)
    assert process.exitcode == 9
    assert {STORE, INBOX} <= {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.glob(".new-*"):
        os.utime(path, (1, 1))
    hints = [row["hint"] or "" for row in json.loads(cli("doctor", "--json").stdout)]
    assert not [hint for hint in hints if hint.startswith("rm ")]
    assert cli("doctor", "--repair", "--in-place").code in (0, 1)
    found = event_ids(cli.db)
    assert found.keys() == ids
    assert not repeated(found)
    hints = [row["hint"] or "" for row in json.loads(cli("doctor", "--json").stdout)]
    assert [hint.split()[:2] for hint in hints if hint.startswith("rm ")] == [["rm", "-r"], ["rm", "--"]]


@pytest.fixture
def small(tmp_path: Path) -> Cli:
    """A store with an event in it and one that waits."""
    cli = Cli(tmp_path / "a copy's")
    cli.folder.mkdir()
    cli.ok("create", "n", "--trace-id", "t")
    cli.ok("record", "folded", "--trace", "t")
    cli.ok("flush")
    cli.ok("record", "waits", "--trace", "t")
    return cli


def test_tables_and_views_of_the_users_own_are_no_fault_and_are_saved(small: Cli) -> None:
    """What cannot be copied is told as lost."""
    with duckdb.connect(str(small.db)) as db:
        db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text VARCHAR)")
        db.execute("INSERT INTO notes VALUES (1, 'a'), (2, 'b')")
        db.execute("CREATE VIEW kinds AS SELECT event_type FROM events")
        db.execute("CREATE SCHEMA mine; CREATE TABLE mine.events AS SELECT 1 AS x")
        db.execute("CREATE TYPE mood AS ENUM ('good'); CREATE TABLE days (mood mood)")
        db.execute("INSERT INTO days VALUES ('good')")
        db.execute("CREATE SEQUENCE s; CREATE TABLE numbered (n INTEGER DEFAULT nextval('s'), x INTEGER)")
        db.execute("INSERT INTO numbered (x) VALUES (7), (8)")
    assert small("doctor").code == 0
    done = small("doctor", "--repair", "--json")
    told = {name: (part["saved"], part["lost"]) for name, part in parts(done.stdout).items() if " " in name}
    assert done.code == 1
    assert told == {
        "table notes": (2, 0),
        "table mine.events": (1, 0),
        "table days": (1, 0),
        "table numbered": (0, 2),
        "view kinds": (1, 0),
    }
    repaired = str(small.folder / "traces.repaired.duckdb")
    with duckdb.connect(repaired, read_only=True) as db:
        assert db.execute("SELECT * FROM notes").fetchall() == [(1, "a"), (2, "b")]
        assert db.execute("SELECT * FROM kinds ORDER BY 1").fetchall() == [("folded",), ("waits",)]
    assert Cli(small.folder, {"MPLP_TRACE_DB": repaired})("doctor").code == 0


def test_a_database_that_never_was_a_store_is_refused(tmp_path: Path) -> None:
    """It is sound, and somebody else's."""
    cli = Cli(tmp_path)
    with duckdb.connect(str(cli.db)) as db:
        db.execute("CREATE TABLE theirs AS SELECT 1 AS x")
    for more in (["--in-place"], ["--to", str(tmp_path / "new" / "x.duckdb")]):
        done = cli("doctor", "--repair", *more)
        assert (done.code, done.stdout) == (2, "")
        assert "is not a store of mplp-trace\nhint: name another with --db" in done.stderr
    assert not [path for path in tmp_path.iterdir() if path.name not in (STORE, f"{STORE}.lock")]


def test_an_empty_store_with_a_damaged_inbox_is_repaired(tmp_path: Path) -> None:
    """It was read, and had nothing in it."""
    cli = Cli(tmp_path)
    cli.ok("create", "n", "--trace-id", "t")
    cli.ok("complete", "t")
    cli.ok("purge", "--older-than", "0s", "--yes")
    assert json.loads(cli.ok("sql", "FROM traces", "--json")) == []
    overwrite(tmp_path / INBOX, 0, b"x" * 100)
    done = cli("doctor", "--repair", "--in-place", "--json")
    assert (done.code, parts(done.stdout)["inbox"]["lost"]) == (1, None), done.stderr
    assert cli("create", "again").code == 0
    assert cli("doctor").code == 0


def test_nothing_to_save_leaves_no_folder_and_names_the_real_files(small: Cli) -> None:
    """The drafts are gone when somebody reads of them."""
    small.db.write_bytes(b"x" * 20_000)
    (small.folder / INBOX).write_bytes(b"x" * 20_000)
    done = small("doctor", "--repair", "--to", str(small.folder / "new" / "deep" / "x.duckdb"))
    assert done.code == 2
    assert ".new-" not in done.stderr
    assert str(small.db) in done.stderr
    assert not (small.folder / "new").exists()


def test_the_note_says_how_to_put_the_new_files_in_place(small: Cli) -> None:
    """In a shell, with a path that has a blank and a quote in it."""
    flip(small.db, 13)
    done = small("doctor", "--repair")
    command = done.stderr.split("while nothing records: ")[1]
    assert subprocess.run(["bash", "-c", command], capture_output=True).returncode == 0
    assert small("doctor").code == 0
    assert len(event_ids(small.db)) == 2
    assert len(list(small.folder.glob("*.damaged-*"))) == 2


def test_an_inbox_that_somebody_has_open_is_not_replaced(small: Cli) -> None:
    """They would go on recording into the file that was renamed; beside it a repair goes on."""
    before = sorted(path.name for path in small.folder.iterdir())
    with inbox_file(small.db) as inbox:
        inbox.execute("SELECT count(*) FROM entries").fetchone()
        done = small("doctor", "--repair", "--in-place")
        assert (done.code, done.stdout) == (2, "")
        if sys.platform == "linux":
            assert f"(PID {os.getpid()}) has its inbox open" in done.stderr
        assert small("doctor", "--repair").code == 0
    after = {path.name for path in small.folder.iterdir() if ".repaired." not in path.name}
    assert sorted(after) == before
    assert small("doctor", "--repair", "--in-place").code == 0
