"""Commands killed with SIGKILL, and what must be true then; `make test` does a few, the soak many."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import Cli
from tests.helpers_storage import event_ids, inbox_file, recorded_ids, repeated, service_at

TRACE = "t"


def event_line(event_id: str, trace_id: str = TRACE) -> str:
    """A JSON line of an event."""
    return json.dumps({"trace_id": trace_id, "event_type": "e", "event_id": event_id, "data": {"n": 1}})


def opened(folder: Path) -> Cli:
    """The command on a new store with the open trace `t`."""
    folder.mkdir(exist_ok=True)
    cli = Cli(folder)
    with service_at(cli.db) as service:
        service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
        service.flush().unwrap()
    return cli


class Killer:
    """Kills commands at moments that a seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.kills = 0
        """How many commands were killed before they had ended."""

    def rounds(self, kills: int) -> Iterator[int]:
        """Numbers of rounds until that many commands were killed before they had ended."""
        for number in itertools.count():
            if self.kills >= kills:
                return
            assert number < 10 * kills, "nearly every command ends before it is killed"
            yield number

    def killed(self, process: subprocess.Popen[bytes], within: float) -> tuple[bytes, bytes]:
        """Kills a process at a random moment `within` so many seconds; gives what it had written."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.random.uniform(0, within))
        return self.kill(process)

    def kill(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """Kills a process now; gives what it had written."""
        if process.poll() is None:
            process.kill()
            self.kills += 1
        out, err = process.communicate()
        assert process.returncode in (0, -9), err.decode()
        return out, err


def kill_records(cli: Cli, killer: Killer, times: int, within: float = 0.35) -> None:
    """What `record` has printed is there once; what it has not printed at most once."""
    acknowledged: set[str] = set()
    given: set[str] = set()
    for number in killer.rounds(times):
        given.add(f"r{number}")
        out, _ = killer.killed(cli.start("record", "e", "--trace", TRACE, "--event-id", f"r{number}"), within)
        acknowledged.update(out.decode().split())
    kept = event_ids(cli.db)
    assert not repeated(kept)
    assert acknowledged <= kept.keys() <= given


def kill_streams(cli: Cli, killer: Killer, times: int, most_lines: int = 2_000) -> None:
    """Every line of `record -` that another process has seen in the inbox is there once, in order."""
    seen: list[str] = []
    turns = 0
    for turn in killer.rounds(times):
        turns = turn + 1
        already = _durable_lines(cli.db)
        stream = cli.start("record", "-")
        writer = threading.Thread(target=_write_lines, args=(stream, f"s{turn}-"))
        writer.start()
        _await_lines(cli.db, already + killer.random.randint(1, most_lines))
        visible = recorded_ids(cli.db)
        if stream.poll() is None:
            killer.kills += 1
        stream.kill()
        writer.join()
        assert stream.wait() in (0, -9)
        for pipe in (stream.stdout, stream.stderr):
            assert pipe is not None
            pipe.close()
        seen = visible
    kept = event_ids(cli.db)
    assert not repeated(kept)
    assert set(seen) <= kept.keys()
    for turn in range(turns):
        numbers = sorted(int(one.split("-")[1]) for one in kept if one.startswith(f"s{turn}-"))
        assert numbers == list(range(len(numbers))), "lines before the last one that arrived are missing"


def _write_lines(stream: subprocess.Popen[bytes], prefix: str) -> None:
    """Writes lines until nobody reads them any more."""
    assert stream.stdin is not None
    with contextlib.suppress(BrokenPipeError), stream.stdin as pipe:
        for number in itertools.count():
            pipe.write(f"{event_line(f'{prefix}{number}')}\n".encode())
            if number % 20 == 0:
                pipe.flush()
                time.sleep(0.005)


def _await_lines(db: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while _durable_lines(db) < count:
        assert time.monotonic() < deadline, f"fewer than {count} lines are durable"
        time.sleep(0.01)


def _durable_lines(db: Path) -> int:
    with inbox_file(db) as inbox:
        (count,) = inbox.execute("SELECT count(*) FROM entries WHERE kind LIKE 'event%'").fetchone()
    return int(count)


def kill_imports(cli: Cli, killer: Killer, times: int, lines: int = 6_000, within: float = 0.7) -> None:
    """Of a file whose import was killed all or nothing is there; importing it again completes it."""
    expected: Counter[str] = Counter()
    for number in killer.rounds(times):
        prefix = f"i{number}-"
        file = cli.folder / f"{prefix}.jsonl"
        trace = json.dumps({"kind": "trace", "trace_id": prefix, "name": "n", "context_id": "c"})
        events = [event_line(f"{prefix}{at}", prefix) for at in range(lines)]
        file.write_text("\n".join([*events, trace, ""]))
        killer.killed(cli.start("import", file), within)
        assert _count(cli.db, prefix) in (0, lines)
        with service_at(cli.db) as service:
            service.import_files(files=[str(file)]).unwrap()
            service.record_event(trace_id=prefix, event_type="e", event_id=f"{prefix}after").unwrap()
        expected.update([*(f"{prefix}{at}" for at in range(lines)), f"{prefix}after"])
        file.unlink()
    assert event_ids(cli.db) == expected


def _count(db: Path, trace_id: str) -> int:
    with service_at(db) as service, service.reading() as found:
        rows = found.execute("SELECT count(*) FROM events WHERE trace_id = ?", [trace_id]).fetchall()
    return int(rows[0][0])


def kill_folds(cli: Cli, killer: Killer, times: int, events: int = 2_000, within: float = 0.6) -> None:
    """A fold that was killed, and killed again, loses nothing and keeps nothing twice."""
    expected: Counter[str] = Counter()
    for number in killer.rounds(times):
        given = [f"f{number}-{at}" for at in range(events)]
        with service_at(cli.db) as service:
            rows = [{"trace_id": TRACE, "event_type": "e", "event_id": one} for one in given]
            service.record_events(rows).unwrap()
            expected.update(given)
            for _ in range(events // 100):
                expected[service.record_event(trace_id=TRACE, event_type="e").unwrap().event_id] += 1
        killer.killed(cli.start("flush"), within)
    assert event_ids(cli.db) == expected


EXPORTS = (("out.jsonl",), ("out.json.gz",), ("out.csv",), ("out.parquet",), ("out", "--format", "parquet"))


def kill_exports(cli: Cli, killer: Killer, times: int, within: float = 0.8) -> None:
    """The destination of a killed export holds what it held before, or the whole new export."""
    for number in killer.rounds(times):
        name, *options = EXPORTS[number % len(EXPORTS)]
        target = cli.folder / name
        words = ("export", "-o", target, *options, *(("--include-events",) if options else ()))
        cli.ok(*words)
        whole = content(target)
        old = _left_from_before(target)
        killer.killed(cli.start(*words), within)
        assert content(target) in (old, whole)
        _remove(target)


def content(target: Path) -> dict[str, bytes]:
    """The bytes of each file of an export."""
    files = [target] if target.is_file() else sorted(one for one in target.rglob("*") if one.is_file())
    return {str(file.relative_to(target.parent)): file.read_bytes() for file in files}


def _left_from_before(target: Path) -> dict[str, bytes]:
    """Puts something else where the export goes."""
    _remove(target)
    if target.suffix:
        target.write_bytes(b"old")
    else:
        target.mkdir()
        (target / "traces.parquet").write_bytes(b"old")
    return content(target)


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    elif os.path.lexists(target):
        target.unlink()
