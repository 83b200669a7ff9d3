"""Everything at once on one store: recorders, streams, followers, questions, alerts, purges and compactions.

`make test` does it for seconds, the soak for ten minutes. Every acknowledged event has to be there once, each
follower has to see each once, nothing may fail, and neither latency nor memory may grow.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil

from tests.conftest import ROOT, Cli
from tests.helpers_storage import event_ids

SHELLS, LIBRARIES, STREAMS = 4, 4, 2
LINES_A_SECOND = 200
STREAM_SECONDS = 8.0
CATCH_UP_SECONDS = 30.0
OLD_TRACES = 200
Value = TypeVar("Value")
LEVELS = ("info",) * 19 + ("error",)
ALERTS = """
[[alerts.rules]]
name = "errors"
condition = "error_rate > 5% or event_count(level='error') > 10"
window = "1m"
actions = ["note"]

[[alerts.rules]]
name = "slow"
condition = "p95_response_time > 5000ms"
window = "10m"
for = "10s"
group_by = "context_id"
actions = ["note"]

[alerts.actions.note]
type = "command"
argv = {command}
"""
NOTE = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read().replace('\\n', ' ') + '\\n')"


@dataclass
class Actor:
    """One that does the same thing over and over: how long each time took, and what went wrong."""

    name: str
    took: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    """Resident bytes of a process that lives through it all, a reading a second."""


@dataclass
class Living:
    """A process that lives through it all, what reads its lines, and how it is asked to end."""

    actor: Actor
    process: subprocess.Popen[bytes]
    reader: threading.Thread

    def end(self) -> None:
        """Ends it as Ctrl-C does; it has to end well and to have had nothing to say."""
        self.process.send_signal(signal.SIGINT)
        self.reader.join(60)
        with self.process as process:
            code = process.wait(60)
            said = (process.stderr.read() if process.stderr else b"").decode().strip()
        if code not in (0, 130) or said:
            self.actor.faults.append(f"ended with {code}: {said}")


class Scene:
    """One store and all that happens to it until time is over."""

    def __init__(self, folder: Path) -> None:
        self.cli = Cli(folder, warm=False)
        self.stopping = threading.Event()
        self.acknowledged: list[str] = []
        self.actors: list[Actor] = []
        self.recorders: list[Living] = []
        self.followers: dict[str, tuple[Living, Counter[str]]] = {}

    def actor(self, name: str) -> Actor:
        """A new one."""
        self.actors.append(Actor(name))
        return self.actors[-1]

    def play(self, seconds: float) -> None:
        """All of it, for so long; then everybody ends."""
        self.cli.ok("create", "warm up", "--trace-id", "warm-up")
        self._follow("tail -f", "tail", "-n", "0", "-f", "--event-type", "live.*", "--format", "jsonl")
        self._follow("follow()")
        self.recorders = [self._record(number) for number in range(LIBRARIES)]
        parts = [threading.Thread(target=part, args=words) for part, *words in self._parts()]
        for part in parts:
            part.start()
        self._watch_memory(seconds)
        self.stopping.set()
        for part in parts:
            part.join()
        for recorder in self.recorders:
            recorder.end()
        self._await_followers()
        for follower, _ in self.followers.values():
            follower.end()

    def _parts(self) -> Iterator[tuple[Callable[..., None], *tuple[object, ...]]]:
        yield from ((self.shell, number) for number in range(SHELLS))
        yield from ((self.stream, number) for number in range(STREAMS))
        yield self.purger, *()
        yield self.asker, "questions", 1.0, QUESTIONS
        yield self.asker, "dashboards", 3.0, DASHBOARDS
        yield self.asker, "alerts", 3.0, [("--config", str(self.alerts_file()), "alerts", "check")], (0, 1)
        yield self.asker, "compact", 15.0, [("compact",)]

    # -- those who record --------------------------------------------------------------------------

    def turns(self, pause: float) -> Iterator[int]:
        """Numbers of turns, with a pause after each, until time is over."""
        for number in itertools.count():
            if self.stopping.is_set():
                return
            yield number
            self.stopping.wait(pause)

    def command(self, actor: Actor, *words: str | Path, codes: tuple[int, ...] = (0,)) -> str:
        """Runs a command as one turn of an actor; another exit code is a fault."""
        began = time.monotonic()
        done = self.cli(*words, timeout=120)
        actor.took.append(time.monotonic() - began)
        if done.code not in codes:
            actor.faults.append(f"{' '.join(map(str, words))}: {done.code}: {done.stderr.strip()}")
        return done.line

    def shell(self, number: int) -> None:
        """A script that starts a command for each thing it records."""
        actor = self.actor(f"shell {number}")
        for turn in self.turns(0.5):
            trace = f"shell-{number}-{turn}"
            self.command(actor, "create", "nightly", "--trace-id", trace, "--context", "shell")
            ids = [self.command(actor, "record", "live.step", "--trace", trace) for _ in range(4)]
            self.acknowledged.extend(one for one in ids if one)
            self.command(actor, "complete", trace)

    def stream(self, number: int) -> None:
        """A pipe into `record -` that is closed and opened anew every few seconds."""
        actor = self.actor(f"stream {number}")
        for turn in self.turns(0):
            process = self.cli.start("record", "-")
            ids = self._pipe(process, f"stream-{number}-{turn}")
            began = time.monotonic()
            _, err = process.communicate(timeout=60)
            actor.took.append(time.monotonic() - began)
            if process.returncode != 0:
                actor.faults.append(f"record -: {process.returncode}: {err.decode().strip()}")
            self.acknowledged.extend(ids)

    def _pipe(self, process: subprocess.Popen[bytes], trace: str) -> list[str]:
        assert process.stdin is not None
        of_trace = {"kind": "trace", "trace_id": trace, "name": "piped", "context_id": "stream"}
        process.stdin.write(f"{json.dumps(of_trace)}\n".encode())
        ids: list[str] = []
        end = time.monotonic() + STREAM_SECONDS
        while time.monotonic() < end and not self.stopping.is_set():
            ids.append(f"{trace}-{len(ids)}")
            event = {"trace_id": trace, "event_type": "live.line", "event_id": ids[-1]}
            level = LEVELS[len(ids) % len(LEVELS)]
            process.stdin.write(f"{json.dumps({**event, 'level': level})}\n".encode())
            process.stdin.flush()
            time.sleep(1 / LINES_A_SECOND)
        process.stdin.write(f"{json.dumps({**of_trace, 'status': 'completed'})}\n".encode())
        return ids

    def _record(self, number: int) -> Living:
        """A program that records through the library and says what it was told is safe."""
        actor = self.actor(f"library {number}")

        def take(line: bytes) -> None:
            event_id, took = line.decode().split()
            self.acknowledged.append(event_id)
            actor.took.append(float(took))

        return self._living(actor, take, self._program("record", str(number)))

    # -- those who follow --------------------------------------------------------------------------

    def _follow(self, name: str, *words: str) -> None:
        """A command that follows, or the program that does."""
        actor, seen = self.actor(name), Counter[str]()
        process = self.cli.start(*words) if words else self._program("follow")

        def take(line: bytes) -> None:
            seen[json.loads(line)["event_id"]] += 1

        self.followers[name] = self._living(actor, take, process), seen
        self._await_first(seen)

    def _await_first(self, seen: Counter[str]) -> None:
        """Records until the follower has seen one: from then on it has to see every one."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not seen:
            self.cli.ok("record", "live.first", "--trace", "warm-up")
            assert time.monotonic() < deadline, "the follower sees nothing"
        seen.clear()

    def _await_followers(self) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        wanted = set(self.acknowledged)
        while time.monotonic() < deadline:
            if all(wanted <= seen.keys() for _, seen in self.followers.values()):
                return
            time.sleep(0.2)

    # -- those who ask and keep --------------------------------------------------------------------

    def asker(
        self, name: str, pause: float, commands: Sequence[Sequence[str]], codes: tuple[int, ...] = (0,)
    ) -> None:
        """Asks the same questions over and over."""
        actor = self.actor(name)
        for turn in self.turns(pause):
            self.command(actor, *commands[turn % len(commands)], codes=codes)

    def purger(self) -> None:
        """Loads an old file and purges it again; nothing of today may go with it."""
        actor = self.actor("import, purge")
        file = self.cli.folder / "old.jsonl"
        for turn in self.turns(10.0):
            file.write_text("".join(_old_lines(turn)))
            self.command(actor, "import", file)
            self.command(actor, "purge", "--older-than", "7d", "--yes")

    def alerts_file(self) -> Path:
        """A config file whose alerts are noted in a file."""
        path = self.cli.folder / "alerts.toml"
        command = [sys.executable, "-c", NOTE, str(self.cli.folder / "noted.jsonl")]
        path.write_text(ALERTS.format(command=json.dumps(command)))
        return path

    # -- processes that live through it all --------------------------------------------------------

    def _program(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.side_by_side_programs", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.cli.environment(),
            cwd=ROOT,
        )

    def _living(
        self, actor: Actor, take: Callable[[bytes], None], process: subprocess.Popen[bytes]
    ) -> Living:
        def read() -> None:
            for line in process.stdout or ():
                take(line)

        living = Living(actor, process, threading.Thread(target=read))
        living.reader.start()
        return living

    def _watch_memory(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        followers = [living for living, _ in self.followers.values()]
        while time.monotonic() < end:
            for living in [*followers, *self.recorders]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    resident = psutil.Process(living.process.pid).memory_info().rss
                    living.actor.memory.append(resident)
            time.sleep(1)

    # -- what must be true -------------------------------------------------------------------------

    def check(self) -> None:
        """Nothing failed, nothing is lost or there twice, and everybody who follows saw all of it once."""
        faults = [f"{actor.name}: {fault}" for actor in self.actors for fault in actor.faults]
        assert not faults, "\n".join(faults)
        kept = event_ids(self.cli.db)
        wanted = Counter(self.acknowledged)
        live = Counter({one: count for one, count in kept.items() if not one.startswith("old-")})
        assert wanted - live == Counter(), "acknowledged events are lost"
        assert [one for one, count in live.items() if count > 1] == []
        for name, (_, seen) in self.followers.items():
            assert wanted - seen == Counter(), f"{name} has not seen all"
            assert [one for one, count in seen.items() if count > 1] == [], f"{name} has seen some twice"


QUESTIONS = (
    ("query", "--status", "active"),
    ("query", "--group-by", "context_id", "--metric", "count,p95_duration,error_rate", "--json"),
    ("events", "--min-level", "error", "--since", "5m", "--json"),
    ("show", "@last"),
    ("sql", "SELECT event_type, count(*) FROM events GROUP BY ALL"),
    ("info",),
    ("doctor",),
)
DASHBOARDS = (("dashboard", "--since", "10m"), ("metrics", "show"), ("expire", "--idle", "1h"))


def _old_lines(turn: int) -> Iterator[str]:
    """A file of traces that ended a month ago."""
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 30 * 86_400))
    for at in range(OLD_TRACES):
        trace = f"old-{turn}-{at}"
        ended = {"status": "completed", "started_at": f"{day}T10:00:00Z", "completed_at": f"{day}T10:01:00Z"}
        yield json.dumps({"kind": "trace", "trace_id": trace, "name": "old", "context_id": "old", **ended})
        yield "\n"
        for number in range(20):
            event = {"trace_id": trace, "event_type": "old", "event_id": f"{trace}-{number}"}
            yield json.dumps({**event, "timestamp": f"{day}T10:00:{number:02}Z"})
            yield "\n"


def table(actors: Sequence[Actor]) -> str:
    """What each did, how long the first and the last third of it took, and how its memory went."""
    head = ("who", "turns", "p50", "p99", "then p50", "then p99", "MB", "then MB", "faults")
    rows: list[tuple[str, ...]] = [head]
    for one in actors:
        early, late = thirds(one.took)
        first, last = thirds(one.memory)
        figures = [_ms(early, 0.5), _ms(early, 0.99), _ms(late, 0.5), _ms(late, 0.99), _mb(first), _mb(last)]
        rows.append((one.name, f"{len(one.took):,}", *figures, str(len(one.faults))))
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures = row
    return "  ".join([name.ljust(widths[0]), *map(str.rjust, figures, widths[1:])])


def thirds(values: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    """The first and the last third."""
    size = len(values) // 3
    return values[:size], values[len(values) - size :]


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _ms(values: Sequence[float], share: float) -> str:
    return f"{1_000 * quantile(values, share):.1f} ms" if values else ""


def _mb(values: Sequence[int]) -> str:
    return f"{max(values) / 1e6:.0f}" if values else ""
