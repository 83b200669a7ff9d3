"""The data of the benchmarks: JSON lines of events, about 340 bytes each, the same for the same count.

Written once under `benchmarks/data/`, which is not kept in the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

FOLDER = Path(__file__).resolve().parent / "data"
SEED = 7
EVENTS_IN_TRACE = 50
CONTEXTS = 40
START_US = 1_772_445_600_000_000
"""2026-03-02 10:00 UTC."""

TYPES = (
    "stage_started",
    "stage_completed",
    "plan.task.started",
    "plan.task.completed",
    "llm_call",
    "tool_call",
    "tool_result",
    "cache_miss",
)
LEVELS = ("info",) * 16 + ("debug",) * 2 + ("warn", "error")
SOURCES = ("plan", "context", "core", "role", "confirm", "extension")
STATUSES = ("completed",) * 18 + ("failed", None)


def project_file(events: int) -> Path:
    """A file of that many events, every fifty of them after the line of their trace."""
    return file_of(f"project-{events}.jsonl", _project_lines(events))


def stream_file(events: int, trace_id: str) -> Path:
    """A file of that many events of one trace, and nothing else."""
    return file_of(f"stream-{events}.jsonl", _stream_lines(events, trace_id))


def first_lines(path: Path, count: int) -> Path:
    """A file of the first lines of another."""

    def lines() -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            for _, line in zip(range(count), file, strict=False):
                yield line

    return file_of(f"{path.stem}-first-{count}.jsonl", lines())


def file_of(name: str, lines: Iterator[str]) -> Path:
    """A file of the benchmarks, made when it is not there."""
    path = FOLDER / name
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(lines)  # one by one: what this process weighs, its children seem to weigh
    os.replace(draft, path)
    return path


def _project_lines(events: int) -> Iterator[str]:
    maker = _Maker()
    for number in range(events):
        if number % EVENTS_IN_TRACE == 0:
            yield maker.trace(number // EVENTS_IN_TRACE)
        yield maker.event()


def _stream_lines(events: int, trace_id: str) -> Iterator[str]:
    maker = _Maker()
    maker.trace_id = trace_id
    for _ in range(events):
        yield maker.event()


class _Maker:
    """Makes lines one after the other from one seeded source of chance."""

    def __init__(self) -> None:
        self.random = Random(SEED)
        self.now = START_US
        self.trace_id = ""
        self.previous = ""
        self._second = -1
        self._second_text = ""

    def trace(self, number: int) -> str:
        """The line of a new trace, which the events after it belong to."""
        self.now += self.random.randrange(1_000_000)
        self.trace_id, self.previous = self._uuid(), ""
        status = self.random.choice(STATUSES)
        end = ""
        if status:
            end = f', "status": "{status}", "completed_at": "{self._instant(self.now + 2_000_000)}"'
        return (
            f'{{"kind": "trace", "trace_id": "{self.trace_id}", "context_id": "ctx-{number % CONTEXTS}", '
            f'"trace_type": "workflow_execution", "name": "run {number}", "tags": ["bench"], '
            f'"started_at": "{self._instant(self.now)}"{end}}}\n'
        )

    def event(self) -> str:
        """The line of the next event of that trace."""
        chance = self.random
        self.now += chance.randrange(20_000)
        event_type, source = chance.choice(TYPES), chance.choice(SOURCES)
        event_id = self._uuid()
        stage = f'"stage": "{source}", ' if event_type.startswith("stage") else ""
        status = '"status": "success", ' if event_type == "stage_completed" else ""
        parent = ""
        if self.previous and chance.random() < 0.12:
            parent = f', "parent_event_id": "{self.previous}"'
        self.previous = event_id
        return (
            f'{{"event_id": "{event_id}", "trace_id": "{self.trace_id}", "event_type": "{event_type}", '
            f'"level": "{chance.choice(LEVELS)}", '
            f'"message": "task {chance.randrange(1000)} done in {chance.randrange(50)} steps", '
            f'"data": {{{stage}{status}"tokens": {chance.randrange(4000)}, '
            f'"usage": {{"cost": {chance.random():.4f}}}}}, '
            f'"timestamp": "{self._instant(self.now)}", '
            f'"duration_ms": {chance.lognormvariate(4, 1):.3f}, "source": "{source}"{parent}}}\n'
        )

    def _uuid(self) -> str:
        digits = f"{self.random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _instant(self, microseconds: int) -> str:
        second, fraction = divmod(microseconds, 1_000_000)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second_text}.{fraction:06d}Z"
