"""Faults from outside: closed pipes, Ctrl-C, full and read-only disks, damaged files, a store in use."""

from __future__ import annotations

import array
import fcntl
import io
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import duckdb
import pytest

from mplp_trace_cli.domain.errors import StoreBusy
from mplp_trace_cli.interchange.exporting.targets import pump
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.store import Store, StoreSettings
from tests.conftest import COMMAND, SAMPLE_DATA, Cli
from tests.test_bad_input import GOOD, told
from tests.warm import run_all

NEWER_STORAGE = 999
"""The storage version in the main header of a file that DuckDB 2.0.0 writes; 69 in its database headers."""


def wait_until(condition: Callable[[], bool], pause: float = 0.02) -> None:
    """Waits until something is so, half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(pause)


@pytest.fixture
def open_store(cli: Cli) -> Cli:
    """A store with one open trace, t, everything folded."""
    made = run_all(cli, [["create", "t", "--trace-id", "t"], ["flush"]])
    assert [done.code for done in made] == [0, 0]
    return cli


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Cli]:
    """The command on a disk of 4 MB of its own; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        small = Cli(folder, {"HOME": str(tmp_path)})
        small.ok("create", "t", "--trace-id", "t")
        small.ok("flush")
        yield small
    finally:
        subprocess.run(["umount", folder], check=True)


# -- streams that end or refuse ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["events", "--json"],
        ["sql", "FROM events", "--format", "csv"],
        ["export", "-o", "-", "--format", "jsonl"],
        ["events", "--format", "markdown", "--limit", "2000"],
    ],
    ids=" ".join,
)
def test_a_reader_that_leaves_ends_the_command_in_silence(sample_store: Cli, arguments: list[str]) -> None:
    """`| head` is no fault: 141, as a process killed by SIGPIPE has, and not a word."""
    with sample_store.start(*arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert (process.stderr.read(), process.wait(30)) == (b"", 141)


def test_an_output_that_takes_nothing_is_an_error(sample_store: Cli) -> None:
    """An answer that was not written is not passed off as one."""
    for arguments in (["query"], ["events", "--json"], ["export", "-o", "-", "--format", "jsonl"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*COMMAND, *arguments],
                stdout=full,
                stderr=subprocess.PIPE,
                env=sample_store.environment(),
            )
        assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
        assert done.stderr.startswith(b"error: ")
        assert b"No space left on device" in done.stderr


def test_an_export_onto_a_pipe_is_written_into_it_and_leaves_it_there(open_store: Cli) -> None:
    """A device or a named pipe is not replaced by a file."""
    pipe = open_store.folder / "pipe.jsonl"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        open_store.ok("export", "-o", pipe)
        assert b'"trace_id":"t"' in reader.communicate()[0]
    assert pipe.is_fifo()


# -- Ctrl-C ------------------------------------------------------------------------------------------


def _waits_for_more(process: subprocess.Popen[bytes]) -> bool:
    """True when the process has taken everything out of the pipe that is its standard input."""
    assert process.stdin is not None
    left = array.array("i", [0])
    fcntl.ioctl(process.stdin.fileno(), termios.FIONREAD, left)
    return left[0] == 0


def _stopped_while_reading(
    cli: Cli, arguments: list[str], content: bytes, before: str = ""
) -> subprocess.Popen[bytes]:
    """The command after it read `content` and got a Ctrl-C, as a terminal sends it: to the whole group."""
    process = subprocess.Popen(
        ["sh", "-c", f'{before}exec "$@"', "sh", *COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli.environment(),
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(content)
    process.stdin.flush()
    wait_until(lambda: _waits_for_more(process))
    return process


@pytest.fixture(scope="module")
def long_export(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store whose export takes its time."""
    made = Cli(tmp_path_factory.mktemp("long"))
    made.ok("create", "t", "--trace-id", "t")
    made.ok("import", "-", stdin=(GOOD + b"\n") * 300_000)
    return made


@pytest.mark.parametrize(
    "options",
    [("--format", "jsonl"), ("--format", "csv", "--include-events"), ("--format", "parquet")],
    ids=" ".join,
)
def test_an_export_that_is_stopped_ends_soon_and_leaves_what_was_there(
    long_export: Cli, options: tuple[str, ...]
) -> None:
    """At six moments of its writing, by Ctrl-C and by SIGTERM: no draft, no word, the old file as it was."""
    target = long_export.folder / "target"
    folder = "--include-events" in options
    partitions = ("--include-events", "--partition-by", "day") if "parquet" in options else ()
    old = target / "traces.csv" if folder or partitions else target
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")
    ended = []
    for turn in range(6):
        number = (signal.SIGINT, signal.SIGTERM)[turn % 2]
        process = long_export.start("export", "-o", target, *options, *partitions)
        wait_until(lambda: any(target.parent.glob(".target.*.part")))
        time.sleep(0.01 * turn)
        process.send_signal(number)
        try:
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
        ended.append((process.returncode, out, err))
        assert not list(target.parent.glob(".target.*.part"))
        assert old.read_text() == "old"
    assert ended == [(130, b"", b""), (143, b"", b"")] * 3
    shutil.rmtree(target) if target.is_dir() else target.unlink()


def test_a_pipe_that_a_stopped_query_keeps_open_holds_nobody_up() -> None:
    """As DuckDB does with a copy that was interrupted, until the connection is closed."""
    kept: list[IO[bytes]] = []
    ended: list[type[BaseException]] = []

    def stopped(path: str) -> None:
        kept.append(open(path, "wb"))  # noqa: SIM115 - left open on purpose
        raise KeyboardInterrupt

    def pumped() -> None:
        try:
            pump(stopped, io.BytesIO())
        except BaseException as error:
            ended.append(type(error))

    thread = threading.Thread(target=pumped, daemon=True)
    thread.start()
    thread.join(10)
    kept[0].close()
    assert ended == [KeyboardInterrupt]


@pytest.mark.parametrize("lines", [10, 200_000], ids=["a little", "in worker processes"])
def test_ctrl_c_during_an_import_records_nothing_of_that_file(open_store: Cli, lines: int) -> None:
    """130, no words, no traceback; the store is as good as before."""
    process = _stopped_while_reading(open_store, ["import", "-"], (GOOD + b"\n") * lines)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert open_store.ok("events", "--json") == "[]"
    assert open_store.ok("import", "-", stdin=GOOD).startswith('{"files": 1')
    assert json.loads(open_store.ok("doctor", "--json"))[1]["state"] == "ok"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_stream_that_is_stopped_keeps_what_it_has_read(
    open_store: Cli, number: signal.Signals, code: int
) -> None:
    """Every whole line is recorded and counted, however short the wait was; half a line is no reject."""
    for turn in range(1, 4):
        process = _stopped_while_reading(open_store, ["record", "-"], (GOOD + b"\n") * 2_000 + GOOD[:9])
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (code, b"", b"2,000 events\n")
        assert json.loads(open_store.ok("sql", "SELECT count(*) AS n FROM events", "--json")) == [
            {"n": 2_000 * turn}
        ]
    assert open_store.ok("rejects", "list", "--json") == "[]"


def test_a_stream_that_comes_fast_is_durable_in_small_groups(open_store: Cli, tmp_path: Path) -> None:
    """Killed soon after its first lines are durable it keeps those, however much there was to read."""
    file, lines = tmp_path / "fast.jsonl", 150_000
    file.write_bytes(b'{"event_type":"e"}\n' * lines)
    with file.open("rb") as given:
        process = subprocess.Popen(
            [*COMMAND, "record", "-", "--trace", "t"], stdin=given, env=open_store.environment()
        )
    inbox = sqlite3.connect(StorePaths.at(open_store.db).inbox)
    count = "SELECT count(*) FROM entries WHERE kind = 'event'"
    wait_until(lambda: inbox.execute(count).fetchone() != (0,))
    process.kill()
    process.wait(30)
    ((durable,),) = inbox.execute(count).fetchall()
    inbox.close()
    assert 0 < durable < lines
    assert json.loads(open_store.ok("sql", "SELECT count(*) AS n FROM events", "--json")) == [{"n": durable}]


def test_a_signal_that_was_ignored_stays_ignored(open_store: Cli) -> None:
    """Whoever starts the command with a signal switched off does not want it to end of that."""
    process = _stopped_while_reading(open_store, ["record", "-"], GOOD + b"\n", "trap '' INT TERM; ")
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    _, err = process.communicate(GOOD + b"\n", timeout=30)
    assert (process.returncode, err) == (0, b"2 events\n")


def _catches_ctrl_c(process: subprocess.Popen[bytes]) -> bool:
    """True while a handler of the process's own answers SIGINT; Linux tells."""
    with open(f"/proc/{process.pid}/status") as file:
        caught = next((int(line.split()[1], 16) for line in file if line.startswith("SigCgt")), 0)
    return bool(caught >> (signal.SIGINT - 1) & 1)


def _comes_to_catch(process: subprocess.Popen[bytes], caught: bool) -> bool:
    """Waits until it catches Ctrl-C, or does not any more; False when it has ended before that was seen."""
    deadline = time.monotonic() + 30
    while _catches_ctrl_c(process) != caught:
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            process.send_signal(signal.SIGABRT)  # Python says where it stands
            pytest.fail(process.communicate(timeout=30)[1].decode())
    return process.poll() is None


def _begun(cli: Cli) -> subprocess.Popen[bytes]:
    """A command at the moment in which Python's own handler of Ctrl-C is gone, and ours is not there yet."""
    while True:
        process = cli.start("query")
        if _comes_to_catch(process, True) and _comes_to_catch(process, False):
            return process
        process.communicate(timeout=30)  # a busy machine looked away at that moment


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how far Python is")
@pytest.mark.parametrize("milliseconds", [0, 1, 3, 6, *range(10, 70, 6), 80, 100])
def test_ctrl_c_before_the_command_has_begun_ends_it_in_silence(sample_store: Cli, milliseconds: int) -> None:
    """However much of the program was loaded; only Python's own first moments are not the program's."""
    dumping = replace(sample_store, env={"PYTHONFAULTHANDLER": "1"})
    with _begun(dumping) as process:
        time.sleep(milliseconds / 1_000)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert (process.returncode in (-signal.SIGINT, 130), said) == (True, b"")


_STOPPED_IN_A_CALLBACK = """
import os, signal, time, weakref
from mplp_trace_cli.cli import signals

class Lock:
    pass

signals.listen()
lock = Lock()
kept = weakref.ref(lock, lambda _: os.kill(os.getpid(), signal.{name}))
try:
    del lock
    time.sleep(20)
except (KeyboardInterrupt, signals.Terminated) as stopped:
    print(type(stopped).__name__, signals.exit_code())
"""


@pytest.mark.parametrize(
    ("name", "ended"), [("SIGINT", "KeyboardInterrupt 130"), ("SIGTERM", "Terminated 143")]
)
def test_a_signal_that_comes_while_a_weak_reference_is_called_back_is_not_lost(name: str, ended: str) -> None:
    """Python drops what is raised there, and lets such callbacks run whenever a module has been imported."""
    program = _STOPPED_IN_A_CALLBACK.format(name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, ended + "\n", "")


# -- disks -------------------------------------------------------------------------------------------


def test_in_a_folder_that_cannot_be_written_everything_can_still_be_asked(small_disk: Cli) -> None:
    """Readers need neither lock nor write; recording says that it cannot be written."""
    small_disk.ok("import", "-", stdin=GOOD)
    subprocess.run(["mount", "-o", "remount,ro", small_disk.folder], check=True)
    outside = small_disk.folder.parent / "out.jsonl"
    asked = [["query"], ["events"], ["show", "t"], ["info"], ["sql", "FROM events"]]
    for done in run_all(small_disk, [*asked, ["export", "-o", str(outside)]]):
        assert done.code == 0, done.stderr
    assert len(outside.read_bytes().splitlines()) == 2
    refused = [["record", "x", "--trace", "t"], ["create", "x"], ["flush"], ["import", str(outside)]]
    for done in run_all(small_disk, refused):
        assert (done.code, "cannot be opened" in told(done)) == (2, True)
        assert "hint: check that its folder can be written" in done.stderr
    (done,) = run_all(small_disk, [["export", "-o", small_disk.folder / "x.jsonl"]])
    assert (done.code, "cannot be written: Read-only file system" in told(done)) == (2, True)


def _fill(folder: Path) -> Path:
    """Takes all the space there is."""
    path = folder / "ballast"
    with open(path, "wb", buffering=0) as file:
        while True:
            try:
                file.write(b"\0" * 4096)
            except OSError:
                return path


def test_a_full_disk_is_told_and_what_was_recorded_before_is_whole(small_disk: Cli) -> None:
    """Nothing is acknowledged that is not there; once there is space again all goes on."""
    events = (GOOD + b"\n") * 500
    small_disk.ok("record", "-", stdin=events)
    ballast = _fill(small_disk.folder)
    commands = (
        ["record", "x", "--trace", "t"],
        ["create", "x"],
        ["import", str(SAMPLE_DATA / "project.jsonl")],
        ["export", "-o", str(small_disk.folder / "x.jsonl")],
    )
    for done in run_all(small_disk, commands):
        assert (done.code, "disk is full" in told(done)) == (2, True), done.stderr
        assert "hint: free some space" in done.stderr
    ballast.unlink()
    count = "SELECT count(*) AS n FROM events"
    assert json.loads(small_disk.ok("sql", count, "--json")) == [{"n": 500}]
    small_disk.ok("record", "x", "--trace", "t")
    assert json.loads(small_disk.ok("sql", count, "--json")) == [{"n": 501}]
    assert not list(small_disk.folder.glob(".*"))


def test_a_disk_that_fills_up_during_an_import_keeps_nothing_of_it(small_disk: Cli) -> None:
    """One transaction a file: what does not fit leaves no part of itself."""
    lines = b"".join(
        b'{"event_type":"x","trace_id":"t","message":"%s"}\n' % os.urandom(500).hex().encode()
        for _ in range(10_000)
    )
    done = small_disk("import", "-", stdin=lines)
    assert (done.code, "disk is full" in told(done)) == (2, True), done.stderr
    assert small_disk.ok("events", "--json") == "[]"
    small_disk.ok("record", "x", "--trace", "t")


# -- files that are not what they should be ----------------------------------------------------------


def _overwrite(path: Path, start: float, stop: float) -> None:
    """Random bytes over a part of a file, given as shares of its size."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(int(size * start))
        file.write(os.urandom(int(size * (stop - start))))


def _damage_the_middle(cli: Cli) -> None:
    cli.ok("import", SAMPLE_DATA / "project.jsonl")
    _overwrite(cli.db, 0.3, 0.7)


def _no_duckdb_file(cli: Cli) -> None:
    cli.db.write_bytes(os.urandom(5_000))


def _empty_file(cli: Cli) -> None:
    cli.db.write_bytes(b"")


def _store_of_others(cli: Cli) -> None:
    cli.db.unlink()
    with duckdb.connect(str(cli.db)) as db:
        db.execute("CREATE TABLE theirs (a INTEGER)")


def _newer_schema(cli: Cli) -> None:
    with duckdb.connect(str(cli.db)) as db:
        db.execute("INSERT INTO migrations VALUES (99, now())")


def _checksum(block: bytes | bytearray) -> int:
    """DuckDB's checksum of a header."""
    result = 5381
    for (word,) in struct.iter_unpack("<Q", block):
        result ^= (word * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    return result


def _written_by_duckdb_2(cli: Cli) -> None:
    """Puts into the three headers the storage versions that DuckDB 2.0.0 writes there."""
    content = bytearray(cli.db.read_bytes())
    struct.pack_into("<Q", content, 12, NEWER_STORAGE)
    for start in (4096, 8192):
        struct.pack_into("<Q", content, start + 56, 69)
    for start in (0, 4096, 8192):
        struct.pack_into("<Q", content, start, _checksum(content[start + 8 : start + 4096]))
    cli.db.write_bytes(content)


def _other_store(cli: Cli) -> None:
    other = cli.folder / "other.duckdb"
    cli.ok("--db", other, "create", "u", "--trace-id", "u")
    cli.ok("--db", other, "flush")
    shutil.copy(other, cli.db)


def _gone(cli: Cli) -> None:
    cli.db.unlink()


ASKING = [
    ["query"],
    ["events"],
    ["show", "t"],
    ["info"],
    ["sql", "FROM events"],
    ["flush"],
    ["import", str(SAMPLE_DATA / "bad-lines.jsonl")],
]
JSON = {"MPLP_TRACE_FORMAT": "json"}


def _event_of(trace_id: str) -> bytes:
    return b'{"event_type":"x","trace_id":"%s"}' % trace_id.encode()


def _doctor_says(cli: Cli, reason: str) -> None:
    """Doctor finds the fault and has another remedy than to ask the doctor."""
    (doctor,) = run_all(cli, [["doctor"]])
    assert (doctor.code, reason in doctor.stdout) == (1, True), doctor.stdout
    assert "hint: " in doctor.stdout
    assert "hint: mplp-trace doctor\n" not in doctor.stdout


STORES: dict[Callable[[Cli], None], str] = {
    _damage_the_middle: "Corrupt",
    _no_duckdb_file: "it is not a valid DuckDB database file",
    _empty_file: "it is not a valid DuckDB database file",
    _store_of_others: "is not a store of mplp-trace",
    _newer_schema: "was written by a newer version of mplp-trace (schema 99)",
    _written_by_duckdb_2: "was written by a newer DuckDB than this one",
    _other_store: "belongs to another store than",
    _gone: "is gone; its inbox is still there",
}
"""What may happen to a store, and what is said of it."""


@pytest.mark.parametrize("harm", STORES, ids=lambda harm: harm.__name__.strip("_"))
def test_a_store_that_cannot_be_read_is_told_and_recording_goes_on(
    open_store: Cli, harm: Callable[[Cli], None]
) -> None:
    """Every asking command says what is wrong and what to do; what is recorded waits in the inbox."""
    cli = open_store
    good = cli.db.read_bytes()
    harm(cli)
    recorded = (
        ["record", "x", "--trace", "t"],
        ["create", "new", "--trace-id", "new"],
        ["complete", "t"],
    )
    assert [done.code for done in run_all(cli, recorded)] == [0, 0, 0]
    (stream,) = run_all(cli, [["record", "-"]], stdin=b"\n".join(map(_event_of, ("new", "no"))))
    assert (stream.code, stream.stderr) == (1, "1 event, 1 rejected (mplp-trace rejects list)\n")
    before = cli.db.read_bytes() if cli.db.exists() else None
    for done in run_all(cli, [*ASKING, ["export", "-o", "out.jsonl"], ["rejects", "list"]]):
        assert (done.code, STORES[harm] in told(done)) == (2, True), done.stderr
        assert "\nhint: " in done.stderr
    assert not (cli.folder / "out.jsonl").exists()
    assert (cli.db.read_bytes() if cli.db.exists() else None) == before
    _doctor_says(cli, STORES[harm])
    cli.db.write_bytes(good)
    events, rejects = (
        json.loads(done.stdout) for done in run_all(cli, [["events"], ["rejects", "list"]], env=JSON)
    )
    assert [event["trace_id"] for event in events] == ["t", "new"]
    assert [reject["reason"] for reject in rejects] == ["trace no is not open: unknown or finished"]


INBOXES: dict[str, Callable[[Path], object]] = {
    "is not an inbox": lambda inbox: inbox.write_bytes(os.urandom(30_000)),
    "is damaged": lambda inbox: _overwrite(inbox, 4096 / inbox.stat().st_size, 1),
    "was written by a newer version of mplp-trace": lambda inbox: _set_version(inbox, 99),
}
"""What may happen to an inbox, and what is said of it."""


def _set_version(inbox: Path, version: int) -> None:
    with sqlite3.connect(inbox) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


@pytest.mark.parametrize("reason", INBOXES)
def test_an_inbox_that_cannot_be_read_is_told_and_not_touched(open_store: Cli, reason: str) -> None:
    """Nothing is acknowledged, nothing is answered that could lack what waits, and doctor names the file."""
    inbox = Path(StorePaths.at(open_store.db).inbox)
    INBOXES[reason](inbox)
    before = inbox.read_bytes()
    for done in run_all(open_store, [["record", "x", "--trace", "t"], ["create", "x"], *ASKING]):
        assert (done.code, reason in told(done)) == (2, True), done.stderr
    _doctor_says(open_store, reason)
    assert inbox.read_bytes() == before


# -- a store in other hands --------------------------------------------------------------------------


@pytest.fixture
def holder(open_store: Cli) -> Iterator[subprocess.Popen[str]]:
    """Another program that has the store open for writing."""
    program = "import duckdb, sys; db = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, open_store.db],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        if process.poll() is None:
            process.communicate("\n")


def test_a_store_held_by_another_program_is_told_with_its_pid(
    open_store: Cli, holder: subprocess.Popen[str]
) -> None:
    """Readers wait a bounded time and say who has it; recording goes on, and nothing is lost."""
    with open_store.start("events", "--json") as asking:
        recorded = (["record", "x", "--trace", "t"], ["create", "n", "--trace-id", "n"], ["complete", "n"])
        assert [done.code for done in run_all(open_store, recorded)] == [0, 0, 0]
        assert open_store("record", "-", stdin=GOOD).code == 0
        unknown = open_store("record", "x", "--trace", "nope")
        assert (unknown.code, "trace nope is not open: unknown or finished" in told(unknown)) == (1, True)
        late = open_store("record", "x", "--trace", "n")  # the inbox still has its end
        assert (late.code, "trace n is completed" in told(late)) == (1, True)
        assert open_store("complete", "n").line == "n"
        out, err = asking.communicate(timeout=60)
        assert (asking.returncode, out) == (2, b"")
        assert f"(PID {holder.pid}) has it open" in err.decode().splitlines()[0]
        assert b"\nhint: close that program" in err
    holder.communicate("\n")
    assert len(json.loads(open_store.ok("events", "--json"))) == 2


def test_a_reader_waits_for_the_holder_to_leave(open_store: Cli, holder: subprocess.Popen[str]) -> None:
    """Within its bounds a reader gets in as soon as the store is free."""
    paths = StorePaths.at(open_store.db)
    impatient = Store(paths, StoreSettings(busy_seconds=0.1))
    with pytest.raises(StoreBusy, match=rf"PID {holder.pid}\) has it open"), impatient.reading():
        pass
    leaving = threading.Thread(target=holder.communicate, args=("\n",))
    patient = Store(paths, StoreSettings(busy_seconds=60))
    leaving.start()
    with patient.reading() as db:
        assert db.execute("SELECT count(*) FROM store.trace_starts").fetchone() == (1,)
    leaving.join()


def test_an_id_taken_while_the_store_could_not_be_asked_is_found_out_at_the_fold(
    open_store: Cli, holder: subprocess.Popen[str]
) -> None:
    """The first start of an id stays, the second is a reject, when a new inbox knows nothing of it."""
    Path(StorePaths.at(open_store.db).inbox).unlink()
    assert open_store.ok("create", "second", "--trace-id", "t") == "t"
    holder.communicate("\n")
    assert [row["name"] for row in json.loads(open_store.ok("query", "--json"))] == ["t"]
    (reject,) = json.loads(open_store.ok("rejects", "list", "--json"))
    assert (reject["source"], reject["reason"]) == ("inbox", "could not be folded: start")


INTERRUPTED_PROGRAM = """
import sys
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.store import Store

try:
    with Store(StorePaths(sys.argv[1])).reading() as db:
        print("asking", flush=True)
        db.execute("SELECT count(*) FROM range(1000000000000) AS numbers(i) WHERE hash(i) % 7 = 1")
except KeyboardInterrupt:
    print("stopped")
"""


def test_ctrl_c_during_a_query_of_a_program(open_store: Cli) -> None:
    """It is what Python programs know it as, and no fault of the query."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED_PROGRAM, open_store.db],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    process.send_signal(signal.SIGINT)
    said, fault = process.communicate(timeout=30)
    assert (said, fault) == ("stopped\n", "")
