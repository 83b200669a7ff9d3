"""What waits in the inbox answers like what is in the store: a plain model says what is right."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_trace_cli.domain.questions import EventFilter
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage.paths import StorePaths
from tests.conftest import examples
from tests.helpers_folding import LINES, Step, check_folding
from tests.helpers_storage import SECOND, Clock, service_at

TRACES = ("a", "b", "c")
EVENTS = ("e1", "e2", "e3")
LEVELS = ("info", "error")


@dataclass
class ModelTrace:
    """What is known of a trace, and its events in order of arrival."""

    started_at: int
    expires_at: int | None
    ended: tuple[str, int] | None = None
    events: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """Timestamp, order of arrival and level by id."""

    def status(self, now: int) -> str:
        """What the trace is now."""
        if self.ended is not None:
            return self.ended[0]
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"

    def completed_at(self, now: int) -> int | None:
        """When it ended, or expired."""
        if self.ended is not None:
            return self.ended[1]
        return self.expires_at if self.status(now) == "expired" else None


@dataclass
class Model:
    """The same store as plain Python values."""

    clock: Clock
    traces: dict[str, ModelTrace] = field(default_factory=dict)
    arrivals: int = 0

    def create(self, trace_id: str, timeout: int | None) -> bool:
        """A new trace, if its id is free."""
        if trace_id in self.traces:
            return False
        expires_at = None if timeout is None else self.clock.now + timeout * SECOND
        self.traces[trace_id] = ModelTrace(self.clock.now, expires_at)
        return True

    def record(self, trace_id: str, event_id: str, level: str, ago: int) -> bool:
        """An event of an active trace; a repeat changes nothing."""
        trace = self.traces.get(trace_id)
        if trace is None or trace.status(self.clock.now) != "active":
            return False
        self.arrivals += 1
        trace.events.setdefault(event_id, (self.clock.now - ago, self.arrivals, level))
        return True

    def end(self, trace_id: str, status: str) -> bool:
        """The end of an active trace, or the same end again."""
        trace = self.traces.get(trace_id)
        if trace is None:
            return False
        if trace.status(self.clock.now) == "active":
            trace.ended = (status, max(trace.started_at + 1, self.clock.now))
        return trace.status(self.clock.now) == status

    def told(self) -> dict[str, Any]:
        """The answers to the questions of `told`."""
        now = self.clock.now
        traces = {
            trace_id: (
                trace.status(now),
                _text(trace.completed_at(now)),
                len(trace.events),
                sum(level == "error" for _, _, level in trace.events.values()),
            )
            for trace_id, trace in self.traces.items()
        }
        events = sorted(
            (at, arrival, trace_id, event_id, level)
            for trace_id, trace in self.traces.items()
            for event_id, (at, arrival, level) in trace.events.items()
        )
        rows = [(trace_id, event_id, _text(at), level) for at, _, trace_id, event_id, level in events]
        return {
            "traces": traces,
            "events": rows,
            "errors of a": [row for row in rows if (row[0], row[3]) == ("a", "error")],
        }


def _text(instant: int | None) -> str | None:
    return None if instant is None else format_instant(instant)


def told(service: TraceManagementService) -> dict[str, Any]:
    """What the service answers to a few questions."""

    def events(**wanted: Any) -> list[tuple[str, ...]]:
        rows = service.query_events(EventFilter(**wanted)).unwrap().rows
        return [(row["trace_id"], row["event_id"], row["timestamp"], row["level"]) for row in rows]

    traces = service.query_traces().unwrap().rows
    return {
        "traces": {
            row["trace_id"]: (row["status"], row["completed_at"], row["event_count"], row["error_count"])
            for row in traces
        },
        "events": events(),
        "errors of a": events(trace_ids=["a"], levels=["error"]),
    }


@dataclass
class Played:
    """A store and its model, to which the same is done; nothing is folded but by `fold`."""

    service: TraceManagementService
    model: Model
    clock: Clock
    lock: BaseFileLock
    """The store's: while it is held readers cannot fold, and answer from the overlay."""

    def create(self, trace_id: str, timeout: int | None) -> None:
        """A trace in both."""
        given = {} if timeout is None else {"timeout": timeout * 1_000}
        done = self.service.create_trace(context_id="c", name="n", trace_id=trace_id, **given)
        assert done.success == self.model.create(trace_id, timeout), done.error

    def record(self, trace_id: str, event_id: str, level: str, ago: int) -> None:
        """An event in both."""
        done = self.service.record_event(
            trace_id=trace_id,
            event_type="e",
            event_id=event_id,
            level=level,
            timestamp=self.clock.now - ago,
        )
        assert done.success == self.model.record(trace_id, event_id, level, ago), done.error

    def end(self, trace_id: str, status: str) -> None:
        """An end in both."""
        done = self.service.end_trace(trace_id=trace_id, status=status)
        assert done.success == self.model.end(trace_id, status), done.error

    def fold(self) -> None:
        """Moves what waits, which changes no answer."""
        self.lock.release()
        self.service.flush().unwrap()
        self.lock.acquire()

    def wait(self, seconds: int) -> None:
        """Lets time pass for both."""
        self.clock.pass_seconds(seconds)

    def ask(self) -> None:
        """Compares the answers."""
        assert told(self.service) == self.model.told()


Deed = Callable[[Played], None]


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Deed]:
    """One thing that is done to both."""
    return st.tuples(*arguments).map(lambda given: lambda played: getattr(played, name)(*given))


trace_ids = st.sampled_from(TRACES)
STEPS = st.lists(
    step("create", trace_ids, st.sampled_from([None, None, 2]))
    | step("record", trace_ids, st.sampled_from(EVENTS), st.sampled_from(LEVELS), st.integers(0, 2))
    | step("record", trace_ids, st.sampled_from(EVENTS), st.sampled_from(LEVELS), st.integers(0, 2))
    | step("end", trace_ids, st.sampled_from(["completed", "failed"]))
    | step("fold")
    | step("wait", st.sampled_from([1, 70]))
    | step("ask"),
    min_size=6,
    max_size=20,
)


@settings(max_examples=examples(3))
@given(STEPS)
def test_unfolded_folded_and_the_model_agree(steps: list[Deed]) -> None:
    """Any order of creating, recording, ending, folding, waiting and asking gives the model's answers."""
    with tempfile.TemporaryDirectory() as folder:
        db, clock = Path(folder) / "traces.duckdb", Clock()
        lock = FileLock(StorePaths.at(db).lock)
        with service_at(db, clock) as service, lock:
            played = Played(service, Model(clock), clock, lock)
            played.fold()
            for one in steps:
                one(played)
            played.ask()
            played.fold()
            played.ask()
            assert service.info().unwrap().rejects == 0


def test_a_fold_changes_no_answer() -> None:
    """Questions of every kind are answered the same before and after a fold (`make soak`: any fold)."""
    check_folding(
        [
            Step("create", ("b", "o", 2_000.0, "{}", ["a", "b"])),
            Step("record", ("a", "e1", ("e", '{"n":1}'), "error", 3)),
            Step("end", ("b", "failed")),
            Step("load", (LINES[:4],)),
            Step("wait", (70,)),
            Step("stream", (LINES,)),
            Step("record", ("a", "e1", ("f", "{}"), "info", 0)),
            Step("measure", ("m", "counter", 3, "x")),
            Step("expire", (1_000.0,)),
        ]
    )
