"""`doctor`: what it finds, that its hints run as they stand, and that it changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.store import Store
from tests.conftest import COMMAND, SAMPLE_DATA, Cli
from tests.helpers_storage import held_for_writing, inbox_file

GOLDEN = Path(__file__).parent / "golden"
WORDS = ("mplp-trace", "chmod", "rm", "mv")
"""What the commands among the hints begin with; the others are advice."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the sample project; never changed."""
    cli = Cli(tmp_path_factory.mktemp("sound"))
    cli.ok("import", SAMPLE_DATA / "project.jsonl")
    cli.ok("create", "waits", "--trace-id", "waits")
    return cli.folder


@pytest.fixture
def cli(sound: Path, tmp_path: Path) -> Cli:
    """The command on a copy of it."""
    return Cli(Path(shutil.copytree(sound, tmp_path / "a copy's")))


def findings(cli: Cli, *options: str) -> dict[str, dict[str, str]]:
    """What doctor says, by check; the worse of two."""
    done = cli(*options, "doctor", "--json")
    assert done.stderr == ""
    rows = sorted(json.loads(done.stdout), key=lambda row: ["ok", "warning", "fault"].index(row["state"]))
    assert done.code == int(any(row["state"] == "fault" for row in rows))
    assert all(list(row) == ["check", "state", "detail", "hint"] for row in rows)
    return {row["check"]: row for row in rows}


def change(cli: Cli, *statements: str) -> None:
    """Does something to the store that the command would not do."""
    with duckdb.connect(str(cli.db)) as db:
        for one in statements:
            db.execute(one)


def test_what_it_says_of_a_sound_store(cli: Cli) -> None:
    """As a person sees it, in 80 columns."""
    cli.ok("flush")
    text = cli.ok("doctor")
    assert max(map(len, text.splitlines())) <= 80
    text = re.sub(r"versions    .*", "versions    VERSIONS", text)
    text = re.sub(r"[\d,.]+ GB free", "N GB free", text)
    expected = GOLDEN / "doctor.table"
    if os.environ.get("MPLP_TRACE_UPDATE_GOLDEN"):
        expected.write_text(text + "\n")
    assert text + "\n" == expected.read_text()


LATE = "TIMESTAMPTZ '2090-01-01 00:00:00Z'"
EVENT = "INSERT INTO event_log SELECT * REPLACE ({}) FROM event_log ORDER BY seq LIMIT 1"
FOUND: dict[str, tuple[str, str, str, str]] = {
    "an orphan": (EVENT.format("'gone' AS trace_id, -1 AS seq"), "events", "warning", "as gone"),
    "a late event": (EVENT.format(f"{LATE} AS timestamp, -1 AS seq"), "events", "warning", "in the future"),
    "an infinite duration": (
        EVENT.format("'infinity'::DOUBLE AS duration_ms, -1 AS seq"),
        "events",
        "fault",
        "1 with a duration that cannot be",
    ),
    "an empty id": (EVENT.format("'' AS event_id, -1 AS seq"), "events", "fault", "1 with an empty id"),
    "an event twice": (EVENT.format("-1 AS seq"), "repeats", "fault", "1 there twice by id"),
    "a number twice": (EVENT.format("'x' AS event_id"), "repeats", "fault", "1 there twice by number"),
    "a trace begun twice": (
        "INSERT INTO trace_starts FROM trace_starts LIMIT 1",
        "traces",
        "fault",
        "1 begun twice",
    ),
    "a trace ended twice": (
        "INSERT INTO trace_ends FROM trace_ends LIMIT 1",
        "traces",
        "fault",
        "1 ended twice",
    ),
    "an end without a beginning": (
        "INSERT INTO trace_ends VALUES (9, 'nix', 'failed', now())",
        "traces",
        "fault",
        "as nix",
    ),
    "an end before its beginning": (
        "INSERT INTO trace_ends SELECT seq, trace_id, 'failed', started_at FROM trace_starts "
        "WHERE trace_id NOT IN (SELECT trace_id FROM trace_ends) LIMIT 1",
        "traces",
        "fault",
        "1 that end before they begin",
    ),
    "a sample that is no number": (
        "INSERT INTO metric_samples (seq, name, type, value, labels, timestamp) "
        "VALUES (9, 'm', 'gauge', 'nan', '{}', now())",
        "metrics",
        "fault",
        "1 with a value that is no number",
    ),
    "a column of somebody else": ("ALTER TABLE meta ADD COLUMN x INTEGER", "migrations", "fault", "meta"),
    "another view": ("CREATE OR REPLACE VIEW events AS SELECT 1 AS x", "migrations", "fault", "events"),
    "migrations out of order": (
        "UPDATE migrations SET version = 7; INSERT INTO migrations VALUES (1, now())",
        "store",
        "fault",
        "newer version of mplp-trace",
    ),
    "a reject": (
        "INSERT INTO rejected_lines VALUES (9, 's', 1, 0, 'could not be folded: x', 'x', now())",
        "rejects",
        "warning",
        "1 of them entries of the inbox",
    ),
    "an end that the inbox does not know of": (
        "INSERT INTO trace_ends SELECT 9, trace_id, 'failed', now() FROM trace_starts "
        "WHERE trace_id NOT IN (SELECT trace_id FROM trace_ends) LIMIT 1",
        "open traces",
        "warning",
        "1 trace open in the inbox and ended in the store",
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_is_wrong_in_the_store(cli: Cli, what: str) -> None:
    """Each check finds its fault, says how much of it there is, and keeps the others going."""
    statement, check, state, detail = FOUND[what]
    cli.ok("create", "open", "--trace-id", "still-open")
    cli.ok("flush")
    change(cli, statement)
    found = findings(cli)
    assert (found[check]["state"], detail in found[check]["detail"]) == (state, True), found[check]


def _wide_open(cli: Cli) -> None:
    cli.db.chmod(0o644)


def _folder_of_all(cli: Cli) -> None:
    cli.folder.chmod(0o777)


def _left_over(cli: Cli) -> None:
    for name in (".new-a_1b2c3d", ".out put.jsonl.0123456789ab.part", "traces.duckdb.tmp-99999999-ab"):
        path = cli.folder / name
        path.mkdir()
        (path / "traces.duckdb").touch()
        long_ago = time.time() - 3_600
        os.utime(path, (long_ago, long_ago))


def _set_aside(cli: Cli) -> None:
    (cli.folder / "traces.duckdb.wal.damaged-20260302T091500").touch(mode=0o600)


def _renamed(cli: Cli) -> None:
    cli.ok("flush")
    for path in (cli.db, Path(f"{cli.db}.inbox")):
        path.rename(f"{path}.damaged-20260302T091500")


def _long_waiting(cli: Cli) -> None:
    cli.ok("flush")
    cli.ok("create", "again", "--trace-id", "again")
    with inbox_file(cli.db) as inbox:
        inbox.execute("UPDATE folded SET at = at - 100000000000")


def _rejected(cli: Cli) -> None:
    assert cli("record", "-", stdin="bad").code == 1


def _no_inbox(cli: Cli) -> None:
    for path in cli.folder.glob("traces.duckdb.inbox*"):
        path.unlink()


def _damaged_log(cli: Cli) -> None:
    with contextlib.suppress(OSError):
        Path(StorePaths.at(cli.db).log).write_bytes(bytes.fromhex("640062650002ffff") + bytes(90))


def _damaged_block(cli: Cli) -> None:
    cli.ok("flush")
    with cli.db.open("r+b") as file:
        file.seek(12_288 + 2_000)
        file.write(os.urandom(100))


MENDED: dict[str, tuple[Callable[[Cli], None], str]] = {
    "permissions": (_wide_open, "permissions"),
    "folder": (_folder_of_all, "permissions"),
    "leftovers": (_left_over, "leftovers"),
    "set aside": (_set_aside, "leftovers"),
    "renamed": (_renamed, "store"),
    "waiting": (_long_waiting, "waiting"),
    "no inbox": (_no_inbox, "inbox"),
    "log": (_damaged_log, "store"),
    "block": (_damaged_block, "store"),
    "rejects": (_rejected, "rejects"),
}


@pytest.mark.parametrize("what", MENDED)
def test_a_hint_that_is_a_command_runs_as_it_stands(cli: Cli, what: str) -> None:
    """In a shell, with a path that has a blank and a quote in it; and then it is no finding any more."""
    damage, check = MENDED[what]
    damage(cli)
    found = findings(cli, "--db", str(cli.db))[check]
    assert found["state"] != "ok", found
    program = " ".join(map(shlex.quote, COMMAND))
    assert found["hint"].split()[0] in WORDS
    ran = subprocess.run(
        ["bash", "-c", f'mplp-trace() {{ {program} "$@"; }}; {found["hint"]}'],
        env=cli.environment({"MPLP_TRACE_DB": "/nonexistent"}),
        capture_output=True,
        text=True,
    )
    assert ran.returncode in ((0, 1) if what == "block" else (0,)), ran.stderr
    if what not in ("rejects", "block"):
        assert findings(cli)[check]["state"] == "ok" or check == "store"


def test_it_changes_nothing(cli: Cli) -> None:
    """Not a byte, not a file, also where the folder cannot be written and something waits."""
    before = {path.name: path.read_bytes() for path in cli.folder.iterdir() if path.is_file()}
    for mode in (0o700, 0o500):
        cli.folder.chmod(mode)
        assert cli("doctor").code == 0
        assert {path.name: path.read_bytes() for path in cli.folder.iterdir()} == before
    cli.folder.chmod(0o700)


def test_a_store_in_other_hands_is_said_and_not_waited_for(cli: Cli) -> None:
    """With the process; the rest is checked, and it is no fault."""
    with held_for_writing(cli.db):
        found = findings(cli)
    assert found["store"]["state"] == "warning"
    assert re.search(r"\(PID \d+\) has it open", found["store"]["detail"])
    assert found["inbox"]["state"] == "ok"


def test_who_holds_the_lock(cli: Cli) -> None:
    """The process that writes is named."""
    with Store(StorePaths.at(cli.db)).locked(5):
        found = findings(cli)["lock"]
    if sys.platform == "linux":
        assert found["detail"].endswith(f"(PID {os.getpid()}) is writing")
    assert findings(cli)["lock"]["detail"] == "free"


def test_the_config_file_is_checked_too(cli: Cli) -> None:
    """Which one counts; one that cannot be used is a fault, and no error."""
    file = cli.folder / ".mplp-trace.toml"
    file.write_text(f"data_source = {json.dumps(str(cli.db))}\n")
    assert findings(cli)["config"]["detail"] == f"{file} counts"
    file.write_text("no_such_option = 1\n")
    found = findings(cli)["config"]
    assert (found["state"], "no_such_option: there is no such option" in found["detail"]) == ("fault", True)
    file.write_text("not toml")
    assert findings(cli)["config"]["state"] == "fault"


def test_an_inbox_that_folded_nothing_yet_and_no_store(cli: Cli) -> None:
    """The store gone is a fault with its remedy."""
    cli.ok("flush")
    cli.db.unlink()
    found = findings(cli)
    assert found["store"]["state"] == "fault"
    assert "is gone" in found["store"]["detail"]


def test_files_of_others_with_names_like_ours_are_no_leftovers(cli: Cli) -> None:
    """Whoever runs the hint must lose nothing else; the commands go on, whatever stands behind `.tmp-`."""
    folders = (".new-myproject", ".new-projectx", ".new-a_1b2c3d", "traces.duckdb.tmp-a-b")
    for name in folders:
        (cli.folder / name).mkdir()
    (cli.folder / ".new-projectx" / "thesis.txt").touch()
    files = (".movie.mp4.part", "traces.duckdb2.damaged-20260302T091500", "traces.duckdb.damaged-goods")
    for name in files:
        (cli.folder / name).touch(mode=0o600)
    for name in (*folders, *files):
        os.utime(cli.folder / name, (1, 1))
    found = findings(cli)["leftovers"]
    assert (found["state"], found["detail"]) == ("ok", "none")


def test_one_entry_is_and_two_are_in_the_inbox(cli: Cli) -> None:
    """Said of a store that was set back to before the fold of what the inbox has half dropped."""
    cli.ok("flush")
    old = cli.db.read_bytes()
    for name in ("a", "b", "c"):
        cli.ok("create", name)
    cli.ok("flush")
    cli.db.write_bytes(old)
    for kept, words in (
        (2, "2 entries are still in the inbox, up to 1 is"),
        (1, "1 entry is still in the inbox, up to 2 are"),
    ):
        with inbox_file(cli.db) as inbox:
            inbox.execute("DELETE FROM entries WHERE seq <= (SELECT max(seq) FROM entries) - ?", (kept,))
        assert f"{words} missing" in findings(cli)["gaps"]["detail"]
