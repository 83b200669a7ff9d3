"""A store to which anything is done, and every question asked before and after a fold."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

from filelock import BaseFileLock, FileLock
from hypothesis import strategies as st

from mplp_trace_cli.analysis.measures import METRICS
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.service import StreamRequest, TraceManagementService
from mplp_trace_cli.storage.paths import StorePaths
from tests.helpers_storage import SECOND, START_OF_TIME, Clock, service_at

RANGE = {"start": START_OF_TIME - 600 * SECOND, "end": START_OF_TIME + 600 * SECOND}
PATHS = ("sum(data.n)", "avg(data.n)", "max(data.n)", "p95(data.n)")


def answers(service: TraceManagementService, folder: Path) -> dict[str, Any]:
    """What the service says to every kind of question."""
    traces = service.query_traces().unwrap()
    told: dict[str, Any] = {
        "query": traces.rows,
        "failed": service.query_traces(has_errors=True).unwrap().rows,
        "fine": service.query_traces(has_errors=False, text=["n"]).unwrap().rows,
        "tagged": service.query_traces(tags=["a"], metadata={"k": 1}).unwrap().rows,
        "long": service.query_traces(min_duration_ms=1_000).unwrap().rows,
        "events": service.query_events().unwrap().rows,
        "some events": service.query_events(data={"n": 1}, min_level="warn").unwrap().rows,
        "a page": service.query_events(limit=2, page=2, sort="timestamp:desc").unwrap().rows,
        "metrics": service.get_metrics(time_range=RANGE, trend=4).unwrap(),
        "metrics over time": service.get_metrics(time_range=RANGE, bucket="1m").unwrap(),
        "exposition": service.export_metrics("openmetrics", RANGE).unwrap(),
        "dashboard": service.get_dashboard_data(time_range=RANGE, group_by="minute").unwrap(),
    }
    for key in ("status", "tag", "meta.k"):
        asked: dict[str, Any] = {"group_by": [key], "metrics": METRICS}
        told[f"traces by {key}"] = service.query_traces(time_range=RANGE, **asked).unwrap().rows
    for key in ("event_type", "context_id", "data.n"):
        asked = {"group_by": [key], "metrics": [*METRICS, *PATHS]}
        told[f"events by {key}"] = service.query_events(time_range=RANGE, **asked).unwrap().rows
    asked = {"group_by": ["status"], "time_bucket": "1m"}
    told["traces over time"] = service.query_traces(time_range=RANGE, **asked).unwrap().rows
    for row in traces.rows:
        told[f"show {row['trace_id']}"] = vars(service.get_trace_by_id(row["trace_id"]).unwrap())
    with service.reading() as db:
        for view in ("traces", "events", "metrics", "rejects"):
            told[f"view {view}"] = db.execute(
                f"SELECT COLUMNS(*)::VARCHAR FROM {view} ORDER BY ALL"
            ).fetchall()
    service.export_traces(destination=str(folder / "out.jsonl"), include_metrics=True).unwrap()
    return told | {"export": (folder / "out.jsonl").read_bytes()}


class Folding:
    """A store that is folded only by `fold`, `load` and `tidy`; what cannot be done to it is not done."""

    def __init__(
        self, folder: Path, service: TraceManagementService, clock: Clock, lock: BaseFileLock
    ) -> None:
        self.folder, self.service, self.clock = folder, service, clock
        self.lock = lock
        """The store's: while it is held readers cannot fold, and answer from the overlay."""

    def create(self, trace_id: str, name: str, timeout: float | None, metadata: str, tags: list[str]) -> None:
        """A trace, unless its id is taken."""
        given: dict[str, Any] = {
            "metadata": metadata,
            "tags": tags,
            "timeout": timeout,
            "context_id": f"c-{name}",
        }
        self.service.create_trace(trace_id=trace_id, name=name, **given)

    def record(
        self, trace_id: str, event_id: str | None, what: tuple[str, str], level: str, ago: int
    ) -> None:
        """An event, if the trace is there and open."""
        at, (event_type, data) = self.clock.now - ago * SECOND, what
        given: dict[str, Any] = {
            "event_id": event_id,
            "data": data,
            "level": level,
            "timestamp": at,
            "message": f"m {ago}",
        }
        given |= {"duration_ms": None if ago == 1 else ago * 250.0, "source": None if ago else "s"}
        self.service.record_event(trace_id=trace_id, event_type=event_type, **given)

    def end(self, trace_id: str, status: str) -> None:
        """The end of a trace, if it is there."""
        self.service.end_trace(trace_id=trace_id, status=status)

    def measure(self, name: str, kind: str, value: int, label: str) -> None:
        """A sample of a metric."""
        self.service.record_metric(name=name, type=kind, value=value, labels={"l": label})

    def stream(self, lines: list[str]) -> None:
        """Lines of any kind, the bad ones too."""
        reader, writer = os.pipe()
        text = "".join(f"{line}\n" for line in lines).encode()
        feeder = threading.Thread(target=lambda: _fed(writer, text))
        feeder.start()
        try:
            self.service.record_stream(reader, StreamRequest("stdin", {"level": "warn"})).unwrap()
        finally:
            os.close(reader)
            feeder.join()

    def expire(self, idle: float | None) -> None:
        """The end of what is overdue, or idle."""
        self.service.expire_traces(idle=idle).unwrap()

    def wait(self, seconds: int) -> None:
        """Lets time pass."""
        self.clock.pass_seconds(seconds)

    def load(self, lines: list[str]) -> None:
        """An import of lines, which folds first."""
        (self.folder / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
        with self._free():
            self.service.import_files(files=[str(self.folder / "in.jsonl")], again=True).unwrap()

    def tidy(self, how: str) -> None:
        """A retry of the rejects, their end, a purge of what ended a minute ago, or a new file."""
        with self._free():
            if how == "retry":
                self.service.retry_rejects().unwrap()
            elif how == "clear":
                self.service.clear_rejects().unwrap()
            elif how == "purge":
                self.service.purge(before=self.clock.now - 60 * SECOND, dry_run=False).unwrap()
            else:
                self.service.compact().unwrap()

    def fold(self) -> None:
        """Moves what waits."""
        with self._free():
            self.service.flush().unwrap()

    def check(self) -> None:
        """Asks everything, folds, and asks again."""
        before = answers(self.service, self.folder)
        self.fold()
        after = answers(self.service, self.folder)
        for name, told in before.items():
            assert told == after[name], name

    def _free(self) -> Released:
        return Released(self.lock)


class Released:
    """The lock let go for a while."""

    def __init__(self, lock: BaseFileLock) -> None:
        self.lock = lock

    def __enter__(self) -> None:
        self.lock.release()

    def __exit__(self, *_: object) -> None:
        self.lock.acquire()


def _fed(descriptor: int, text: bytes) -> None:
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(text)


class Step(NamedTuple):
    """A method of Folding, and what it gets."""

    name: str
    given: tuple[Any, ...] = ()


def step(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """One thing that is done."""
    return st.tuples(*arguments).map(lambda given: Step(name, given))


def _line(**fields: Any) -> str:
    return json.dumps(fields)


_AT = format_instant(START_OF_TIME + SECOND)
_IDS = st.sampled_from(["a", "b", "c", "d"])
_WHAT = st.sampled_from(
    [
        ("e", '{"n":1}'),
        ("e", '{"n":2.5,"n":"x"}'),
        ("f", "{}"),
        ("stage_completed", '{"stage":"s","status":"failure"}'),
        ("performance_metric", '{"metric_name":"m","metric_value":4,"metric_unit":"s","tags":{"l":"x"}}'),
    ]
)
LINES = [
    _line(event_type="e", trace_id="a", event_id="e1", data={"n": 1}, level="error"),
    _line(event_type="e", trace_id="b", data={"n": 3}, timestamp=_AT, duration_ms=0.5),
    _line(event_type="e", trace_id="nowhere"),
    _line(name="n", trace_id="a", started_at=_AT, tags=["a"], metadata={"k": 1}),
    _line(name="n", trace_id="c", started_at=_AT, status="failed", completed_at=_AT),
    _line(trace_id="b", kind="trace", status="cancelled"),
    _line(name="m", value=2, type="counter", labels={"l": "x"}, timestamp=_AT),
    '{"event_type":"e","trace_id":"a","data":{"n":NaN}}',
    "not a line",
]
_LINES = st.lists(st.sampled_from(LINES), max_size=6)
STEPS = st.lists(
    step(
        "create",
        _IDS,
        st.sampled_from(["n", "o"]),
        st.sampled_from([None, None, 2_000.0]),
        st.sampled_from(["{}", '{"k":1}', '{"k":"x"}']),
        st.lists(st.sampled_from(["a", "b"]), max_size=2),
    )
    | step(
        "record",
        _IDS,
        st.sampled_from([None, "e1", "e2"]),
        _WHAT,
        st.sampled_from(["info", "warn", "error"]),
        st.integers(0, 3),
    )
    | step("end", _IDS, st.sampled_from(["completed", "failed", "cancelled"]))
    | step(
        "measure",
        st.sampled_from(["m", "h"]),
        st.sampled_from(["gauge", "counter", "histogram"]),
        st.integers(0, 5),
        st.sampled_from(["x", "y"]),
    )
    | step("stream", _LINES)
    | step("load", _LINES)
    | step("expire", st.sampled_from([None, 1_000.0]))
    | step("wait", st.sampled_from([1, 70]))
    | step("tidy", st.sampled_from(["retry", "clear", "purge", "compact"]))
    | step("fold")
    | step("check"),
    min_size=4,
    max_size=24,
)


def check_folding(steps: list[Step]) -> None:
    """No fold changes an answer, whatever was done before it."""
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), Clock()
        lock = FileLock(StorePaths.at(folder / "traces.duckdb").lock)
        with service_at(folder / "traces.duckdb", clock, durable=False) as service, lock:
            store = Folding(folder, service, clock, lock)
            store.create("a", "n", None, '{"k":1}', ["a"])
            store.fold()  # without a store readers would wait for the lock, to make one
            for one in steps:
                getattr(store, one.name)(*one.given)
            store.check()
