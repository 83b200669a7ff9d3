"""`tail`: what it shows first, how it follows, how it ends; on a terminal and in a pipe."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time

import pytest
from rich.cells import cell_len

from mplp_trace_cli.domain.times import format_instant
from tests.conftest import COMMAND, Cli
from tests.helpers_storage import Clock, held_for_writing, recorded_ids, service_at
from tests.terminal import COLOR, Screen, dangers, on_terminal
from tests.test_hostile_text import OWN

TRACE = "t"


@pytest.fixture
def opened(cli: Cli) -> Cli:
    """The command on a store with an open trace."""
    with service_at(cli.db) as service:
        service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
    return cli


def record(cli: Cli, *ids: str, level: str = "info") -> None:
    """Records an event for each id."""
    with service_at(cli.db) as service:
        for one in ids:
            service.record_event(trace_id=TRACE, event_type="e", event_id=one, level=level).unwrap()


def lines_of(process: subprocess.Popen[bytes], count: int) -> list[str]:
    """The next lines of a command, without their ends."""
    assert process.stdout is not None
    return [process.stdout.readline().decode().rstrip("\n") for _ in range(count)]


def ids_of(lines: list[str]) -> list[str]:
    """The event ids of JSON lines."""
    return [json.loads(line)["event_id"] for line in lines]


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """The exit code of a command, and what it said on stderr."""
    code = process.wait(timeout=30)
    assert process.stderr is not None
    return code, process.stderr.read().decode()


# -- without following -----------------------------------------------------------------------------


def test_the_newest_events(opened: Cli) -> None:
    """Oldest first, ten or -n of them, folded or not; rows are those of `events`."""
    record(opened, *(str(n) for n in range(12)))
    opened.ok("flush")
    record(opened, "12", level="warn")
    events = opened.ok("events", "--format", "jsonl").splitlines()
    assert opened.ok("tail", "--format", "jsonl").splitlines() == events[-10:]
    assert json.loads(opened.ok("tail", "-n", "3", "--json")) == [json.loads(line) for line in events[-3:]]
    assert ids_of(opened.ok("tail", "--level", "warn", "--format", "jsonl").splitlines()) == ["12"]
    assert ids_of(opened.ok("tail", "-n", "1", "--trace", "@last", "--format", "jsonl").splitlines()) == [
        "12"
    ]
    csv = opened.ok("tail", "--number", "2", "--format", "csv").splitlines()
    assert csv[0].startswith("event_id,")
    assert len(csv) == 3
    assert opened.ok("tail", "-n", "1", "--format", "markdown").startswith("| time (UTC) | trace |")
    assert len(opened.ok("tail").splitlines()) == 10


def test_nothing_there(opened: Cli) -> None:
    """No event is a note on stderr; no store and no trace are errors."""
    done = opened("tail")
    assert (done.code, done.stdout, done.stderr) == (0, "", "no event matches\n")
    assert opened("tail", "-n", "0").stderr == ""
    assert opened("tail", "-f", "--trace", "nowhere").code == 1
    for arguments in (("tail",), ("tail", "-f")):
        missing = opened(*arguments, "--db", opened.folder / "none" / "x.duckdb")
        assert (missing.code, missing.stderr.splitlines()[0][:24]) == (2, "error: there is no store")


def test_formats_that_have_an_end(opened: Cli) -> None:
    """An array and a markdown table cannot be followed, wherever the format is said."""
    for arguments in (("--json",), ("--format", "markdown")):
        done = opened("tail", "-f", *arguments)
        assert (done.code, done.stderr.splitlines()[1]) == (2, "hint: mplp-trace tail -f --format jsonl")
    assert opened("tail", "-f", env={"MPLP_TRACE_FORMAT": "json"}).code == 2


def test_switched_off(opened: Cli) -> None:
    """Where real-time monitoring is off, following is refused; the newest events are shown."""
    record(opened, "a")
    (opened.folder / "off.toml").write_text("enable_real_time_monitoring = false\n")
    config = ("--config", opened.folder / "off.toml")
    assert opened("tail", "-f", *config).stderr.splitlines() == [
        "error: real-time monitoring is off",
        "hint: enable_real_time_monitoring = true",
    ]
    assert len(opened.ok("tail", *config).splitlines()) == 1


# -- following -------------------------------------------------------------------------------------


@pytest.mark.parametrize("folded", [False, True])
def test_no_gap_and_no_repeat_where_following_begins(opened: Cli, folded: bool) -> None:
    """While a stream records, `tail -f` shows the newest and everything after them, each once."""
    stream = opened.start("record", "-", "--trace", TRACE)
    assert stream.stdin is not None
    pipe = stream.stdin

    def write(first: int, count: int) -> None:
        for at in range(first, first + count):
            pipe.write(f'{{"event_type":"e","event_id":"{at}"}}\n'.encode())
            pipe.flush()
            time.sleep(0.001)

    write(0, 300)
    deadline = time.monotonic() + 30
    while not recorded_ids(opened.db):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    tail = opened.start("tail", "-f", "-n", "5", "--format", "jsonl")
    write(300, 900)
    if folded:
        opened.ok("flush")
    write(1_200, 200)
    stream.stdin.close()
    assert stream.wait(timeout=30) == 0
    first = int(ids_of(lines_of(tail, 1))[0])
    assert [int(one) for one in ids_of(lines_of(tail, 1_399 - first))] == list(range(first + 1, 1_400))
    tail.send_signal(signal.SIGTERM)
    assert ended(tail) == (143, "")


def test_an_import_before_and_while_following(opened: Cli) -> None:
    """What was imported before is among the newest; what is imported meanwhile is not followed."""
    record(opened, "a")
    opened.ok("import", "--create-missing", "-", stdin='{"trace_id":"i","event_type":"e","event_id":"i1"}\n')
    tail = opened.start("tail", "-f", "--format", "jsonl")
    assert ids_of(lines_of(tail, 2)) == ["a", "i1"]
    opened.ok("import", "--create-missing", "-", stdin='{"trace_id":"i","event_type":"e","event_id":"i2"}\n')
    record(opened, "b")
    assert ids_of(lines_of(tail, 1)) == ["b"]


def test_while_another_program_holds_the_store(opened: Cli) -> None:
    """The newest are those in the inbox, with one line of warning; prefixes and filters work."""
    record(opened, "folded")
    opened.ok("flush")
    record(opened, "waiting")
    record(opened, "warned", level="warn")
    with held_for_writing(opened.db):
        words = ("--trace", "@last", "--min-level", "warn", "--format", "jsonl")
        tail = opened.start("tail", "-f", *words)
        assert ids_of(lines_of(tail, 1)) == ["warned"]
        record(opened, "debugged", level="debug")
        record(opened, "failed", level="error")
        assert ids_of(lines_of(tail, 1)) == ["failed"]
        tail.send_signal(signal.SIGINT)
        code, said = ended(tail)
    assert code == 130
    assert re.fullmatch(r"warning: the store .* is busy: .* has it open .*; shown is what waits .*\n", said)


def test_a_moment_at_which_it_ends(opened: Cli) -> None:
    """`--until` ends the following by itself when that time has come."""
    record(opened, "a")
    done = opened("tail", "-f", "--until", "0s", "--format", "jsonl")
    assert (done.code, ids_of(done.stdout.splitlines())) == (0, ["a"])


def test_a_stopped_tail_that_the_inbox_does_not_wait_for(opened: Cli) -> None:
    """Stopped while the inbox drops what was folded, it reads that from the store when it goes on."""
    tail = opened.start("tail", "-f", "--format", "jsonl")
    record(opened, "a")
    assert ids_of(lines_of(tail, 1)) == ["a"]
    tail.send_signal(signal.SIGSTOP)
    ids = [f"late-{n}" for n in range(200)]
    record(opened, *ids)
    clock = Clock()
    with service_at(opened.db, clock) as service:
        for _ in range(2):
            service.flush().unwrap()
            clock.pass_seconds(61)
            service.record_event(trace_id=TRACE, event_type="marker").unwrap()
        service.flush().unwrap()
    record(opened, "last")
    tail.send_signal(signal.SIGCONT)
    events = [json.loads(line) for line in lines_of(tail, 203)]
    assert [one["event_id"] for one in events if one["event_type"] == "e"] == [*ids, "last"]


# -- how it ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["table", "jsonl", "csv"])
def test_ctrl_c(opened: Cli, format_name: str) -> None:
    """It ends with 130 and says nothing."""
    tail = opened.start("tail", "-f", "--format", format_name)
    record(opened, "a")
    lines_of(tail, 2 if format_name == "csv" else 1)
    tail.send_signal(signal.SIGINT)
    assert ended(tail)[0] == 130


def test_a_reader_that_goes(opened: Cli) -> None:
    """A closed pipe ends it with 141 while no event comes."""
    record(opened, "a")
    tail = opened.start("tail", "-f")
    lines_of(tail, 1)
    assert tail.stdout is not None
    tail.stdout.close()
    assert ended(tail) == (141, "")


def test_into_a_file(opened: Cli) -> None:
    """A file as standard output has no reader that could go: it ends when it is told to."""
    path = opened.folder / "out"
    words = [*COMMAND, "tail", "-f", "--format", "jsonl"]
    with path.open("wb") as out, subprocess.Popen(words, stdout=out, env=opened.environment()) as tail:
        record(opened, "a")
        deadline = time.monotonic() + 30
        while not path.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        tail.terminate()
    assert (tail.returncode, ids_of(path.read_text().splitlines())) == (143, ["a"])


# -- on a terminal ---------------------------------------------------------------------------------


def test_lines_on_a_terminal_are_coloured_and_followed(opened: Cli) -> None:
    """A level has its colour, a line has the terminal's width at most, and Ctrl-C ends it."""
    record(opened, "a")
    with Screen(opened, "tail", "-f", columns=80) as screen:
        screen.wait_for(" info ")
        with service_at(opened.db) as service:
            service.record_event(
                trace_id=TRACE, event_type="x" * 40, level="error", message="word " * 30, duration_ms=1_234
            ).unwrap()
        screen.wait_for("…\r\n")
        screen.interrupt()
        shown = screen.raw.decode()
    assert screen.code == 130
    assert "\x1b[31merror\x1b[0m" in shown
    line = next(one for one in COLOR.sub("", shown).splitlines() if "error" in one)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} error    t        x{17}…   1.23s word", line)
    assert cell_len(line) == 80


@pytest.mark.parametrize("columns", [1, 20, 80, 120])
def test_hostile_text_on_a_terminal(opened: Cli, columns: int) -> None:
    """Whatever an event says, it is a line that fits, and the terminal obeys none of it."""
    with service_at(opened.db) as service:
        for text in [*OWN, "漢字" * 60, "é" * 100]:
            fields = dict.fromkeys(("event_type", "message", "source"), text)
            service.record_event(trace_id=TRACE, **fields).unwrap()
    done = on_terminal(opened, "tail", "-n", "100", columns=columns)
    lines = COLOR.sub("", done.stdout).splitlines()
    assert not dangers(done.stdout)
    assert len(lines) == len(OWN) + 2
    if columns >= 80:
        assert max(map(cell_len, lines)) <= columns


def test_days_on_a_terminal(sample_store: Cli) -> None:
    """Where the day is another than the line before, it stands on a line of its own."""
    shown = COLOR.sub("", on_terminal(sample_store, "tail", "-n", "2").stdout).splitlines()
    assert shown[0] == "2026-03-06"
    assert all(re.match(r"22:50:09\.\d{3} info ", line) for line in shown[1:])


def test_no_colour_in_a_pipe_but_where_it_is_asked_for(opened: Cli) -> None:
    """`--color always` paints what is piped, which stays whole."""
    record(opened, "a", level="critical")
    assert "\x1b" not in opened.ok("tail")
    assert "\x1b[1;31mcritical\x1b[0m" in opened.ok("tail", "--color", "always")


def test_commands_that_record_meanwhile(opened: Cli) -> None:
    """Each way to record is followed: one event, a stream, a failure with a message."""
    record(opened, "a")
    tail = opened.start("tail", "-f", "--format", "jsonl")
    assert ids_of(lines_of(tail, 1)) == ["a"]
    opened.ok("record", "one", "--trace", TRACE)
    opened.ok("record", "-", "--trace", TRACE, stdin='{"event_type":"two"}\n{"event_type":"three"}\n')
    opened.ok("fail", TRACE, "--message", "why")
    types = [json.loads(line)["event_type"] for line in lines_of(tail, 4)]
    assert types == ["one", "two", "three", "trace_failed"]


def test_until_shows_what_happened_before_it(opened: Cli) -> None:
    """Following ends at that moment with the very events that `events` has."""
    until = format_instant(time.time_ns() // 1_000 + 1_500_000)
    tail = opened.start("tail", "-n", "0", "-f", "--until", until, "--format", "jsonl")
    with service_at(opened.db) as service:
        while tail.poll() is None:
            service.record_event(trace_id=TRACE, event_type="e").unwrap()
            time.sleep(0.02)  # so that the pipe holds all of it
    out, err = tail.communicate()
    assert (tail.returncode, err) == (0, b"")
    shown = [json.loads(line)["event_id"] for line in out.splitlines()]
    kept = [row["event_id"] for row in json.loads(opened.ok("events", "--until", until, "--json"))]
    assert shown
    assert shown == kept[len(kept) - len(shown) :]


def test_more_than_any_store_has_is_a_usage_error(opened: Cli) -> None:
    """One line, as for any other wrong number."""
    done = opened("tail", "-n", "99999999999999999999")
    assert (done.code, done.stdout, done.stderr.count("error: ")) == (2, "", 1)
    assert "Conversion" not in done.stderr
