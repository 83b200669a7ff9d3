"""What following costs: how soon `tail -f` shows an event of a busy writer, and what it takes while idle."""

from __future__ import annotations

import json
import statistics
import subprocess
import threading
import time

import psutil

from ground import Ground
from harness import BenchmarkFailed, Command, Result, at_most, seconds_text

EVENTS_A_SECOND = 5_000
TICK_SECONDS = 0.01
SETTLE_SECONDS = 1.5


def tail(ground: Ground) -> list[Result]:
    """One writer paced at 5,000 events/s and one reader; then the reader alone."""
    seconds = 10.0 if ground.sizes.long_pairs > 1 else 2.0
    store, trace_id = ground.open_store()
    command = ground.trace(store, "tail", "-f", "-n", "0", "--format", "jsonl")
    with _started(command) as follower:
        reader = _Reader(follower)
        time.sleep(SETTLE_SECONDS)
        sent = _write(ground.trace(store, "record", "-", "--trace", trace_id), seconds)
        reader.wait_for(sent)
        busy = _latency(reader, sent, seconds)
        idle = _idle(follower, seconds)
        follower.terminate()
        reader.join()
    return [busy, idle]


def _started(command: Command, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command.arguments, env=dict(command.env), **pipes)  # type: ignore[call-overload, no-any-return]


class _Reader(threading.Thread):
    """Notes when each line arrived; what is in it is looked at afterwards."""

    def __init__(self, follower: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._follower = follower
        self.arrived: list[tuple[float, bytes]] = []
        self.start()

    def run(self) -> None:
        assert self._follower.stdout is not None
        for line in self._follower.stdout:
            self.arrived.append((time.time(), line))

    def wait_for(self, count: int) -> None:
        """Waits until so many lines have come, but no longer than the slowest could take."""
        deadline = time.monotonic() + 30
        while len(self.arrived) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(SETTLE_SECONDS)  # what comes twice would come now


def _write(command: Command, seconds: float) -> int:
    """Sends events at an even pace, each with the time at which it was sent; gives how many."""
    with _started(command, subprocess.PIPE) as writer:
        assert writer.stdin is not None
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * EVENTS_A_SECOND)
            writer.stdin.write(b"".join(map(_line, range(sent, due))))
            writer.stdin.flush()
            sent = max(sent, due)
            time.sleep(TICK_SECONDS)
        writer.stdin.close()
    if writer.returncode:
        raise BenchmarkFailed(f"record - ended with {writer.returncode}")
    return sent


def _line(number: int) -> bytes:
    return b'{"event_type":"stage","data":{"number":%d,"sent":%.6f}}\n' % (number, time.time())


def _latency(reader: _Reader, sent: int, seconds: float) -> Result:
    events = [(at, json.loads(line)["data"]) for at, line in reader.arrived]
    numbers = [data["number"] for _, data in events]
    waits = sorted(at - data["sent"] for at, data in events)
    if len(waits) < 100:
        raise BenchmarkFailed(f"tail -f showed {len(waits)} of {sent} events")
    p50, p99 = statistics.median(waits), waits[int(0.99 * (len(waits) - 1))]
    lost, doubled = sent - len(set(numbers)), len(numbers) - len(set(numbers))
    in_order = "in order" if numbers == sorted(numbers) else "out of order"
    return Result(
        f"`tail -f`, {EVENTS_A_SECOND:,} events/s of another process for {seconds:g} s",
        f"p50 {seconds_text(p50)}, p99 {seconds_text(p99)}",
        "from the write into the pipe of `record -`",
        1_000 * p99,
        at_most(500, "ms, p99"),
        sound=not lost and not doubled and numbers == sorted(numbers),
        note=f"{sent:,} events: {lost} lost, {doubled} doubled, {in_order}",
    )


def _idle(follower: subprocess.Popen[bytes], seconds: float) -> Result:
    process = psutil.Process(follower.pid)
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(max(seconds, 10.0))
    spent, passed = sum(process.cpu_times()[:2]) - before, time.monotonic() - began
    return Result(
        f"`tail -f` while nothing is recorded, {passed:.0f} s",
        f"{seconds_text(spent)} of processor time",
        "a sleeping process: none",
        100 * spent / passed,
        at_most(2.0, "% of a core"),
        note=f"{process.memory_info().rss / 1e6:.0f} MB resident",
    )
