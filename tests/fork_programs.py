"""Programs that fork, run by their name in an interpreter of their own; each prints what it found as JSON."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from mplp_trace_cli import TraceModule, TraceModuleOptions, TraceScope, initialize_trace_module
from mplp_trace_cli.storage.forking import is_clean

CHILDREN, THREADS, EVENTS = 8, 3, 15

# Python 3.12 warns of every fork with threads; it is what these programs are about.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)


def opened(store: str) -> TraceModule:
    """A module on that store."""
    return initialize_trace_module(TraceModuleOptions(data_source=store))


def forked(work: Callable[..., object], *given: str) -> int:
    """A child that does so and ends as programs do, unwinding the blocks it was forked in."""
    child = os.fork()
    if not child:
        work(*given)
        sys.exit(0)
    return child


def codes(children: list[int]) -> list[int]:
    """How they ended; a child that hangs is killed after a while."""
    ended = []
    until = time.monotonic() + 40
    for child in children:
        while not (done := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.kill(child, 9)
            time.sleep(0.005)
        ended.append(os.waitstatus_to_exitcode(done[1]))
    return ended


def crowd(store: str) -> None:
    """Children are forked while threads of the parent record, fold and ask; both sides go on in one trace."""
    module = opened(store)
    with module.trace("crowd", trace_id="crowd") as trace, _busy(module, trace):

        def work(who: str) -> None:
            with trace.step(f"child {who}"):
                _record(trace, f"child{who}")
            if who == "0":
                module.trace_management_service.flush().unwrap()

        children = []
        for number in range(CHILDREN):
            children.append(forked(work, str(number)))
            _record(trace, f"parent{number}")
        process = multiprocessing.get_context("fork").Process(target=work, args=("mp",))
        process.start()
        process.join(20)
        ended = [*codes(children), process.exitcode]
    module.close()
    print(json.dumps({"codes": ended, **_kept(store)}))


def _record(trace: TraceScope, who: str) -> None:
    for number in range(EVENTS):
        trace.event("made", data={"who": who, "number": number})


@contextlib.contextmanager
def _busy(module: TraceModule, trace: TraceScope) -> Iterator[None]:
    """While it lasts threads record, and another folds and asks."""
    service, done = module.trace_management_service, threading.Event()

    def go_on(who: str) -> None:
        while not done.wait(0.001):
            _record(trace, f"{who}-{time.monotonic_ns()}")

    def fold() -> None:
        while not done.wait(0.05):
            service.fold_if_free()
            service.query_events(limit=1).unwrap()

    threads = [threading.Thread(target=go_on, args=(f"thread{one}",)) for one in range(THREADS)]
    threads.append(threading.Thread(target=fold))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _kept(store: str) -> dict[str, Any]:
    with opened(store) as after, after.trace_management_service.reading() as db:
        groups = db.execute(
            "SELECT data->>'who', count(*), count(DISTINCT data->>'number'), count(DISTINCT event_id) "
            "FROM events WHERE event_type = 'made' GROUP BY ALL"
        ).fetchall()
        stages = db.execute(
            "SELECT event_type, count(*) FROM events WHERE event_type LIKE 'stage%' GROUP BY ALL"
        ).fetchall()
        status = db.execute("SELECT status FROM traces").fetchall()
    wrong = [row for row in groups if row[1:] != (EVENTS, EVENTS, EVENTS)]
    named = sum(row[0].startswith(("child", "parent")) for row in groups)
    return {"wrong": wrong, "named": named, "stages": dict(stages), "status": status}


def alone(store: str) -> None:
    """A child records, folds in a thread of its own, and closes the module."""
    module = opened(store)
    read, write = os.pipe()
    with module.trace("alone", trace_id="alone") as trace:
        trace.event("before")
        child = os.fork()
        if child:
            os.close(write)
            trace.event("parent")
            with os.fdopen(read) as answer:
                said = answer.read()
            print(json.dumps({"said": said, "code": codes([child])}))
            return
    for number in range(100):
        trace.event("child", data={"number": number})
    names = sorted(thread.name for thread in threading.enumerate())
    os.write(write, json.dumps({"threads": names, "clean": is_clean()}).encode())
    module.close()
    module.close()
    os._exit(0)


def inside_a_question(store: str) -> None:
    """A child is forked inside a block that reads the store: it records, and ends without touching DuckDB."""
    module = opened(store)
    service = module.trace_management_service
    with module.trace("asking", trace_id="asking") as trace:
        trace.event("before")
        with service.reading() as db:
            child = forked(trace.event, "child")
            trace.event("parent")
            count = db.execute("SELECT count(*) FROM events").fetchone()
        ended = codes([child])
    module.close()
    with opened(store) as after:
        page = after.trace_management_service.query_events(trace_ids=["asking"]).unwrap()
    print(json.dumps({"count": count, "codes": ended, "types": [event.event_type for event in page.events]}))


def watched(store: str) -> None:
    """Listeners and streams go on in the parent; the child has none of them."""
    module = opened(store)
    service = module.trace_management_service
    heard: list[str] = []
    service.add_event_listener(lambda event: heard.append(event.event_type))
    with module.trace("watched") as trace, service.follow() as stream:

        def work() -> None:
            trace.event("child")
            assert list(stream) == []

        trace.event("before")
        ended = codes([forked(work)])
        trace.event("after")
        seen: list[str] = []
        for event in stream:
            seen.append(event.event_type)
            if seen[-1] == "after":
                break
    module.close()
    print(json.dumps({"codes": ended, "heard": heard, "seen": seen}))


if __name__ == "__main__":
    {one.__name__: one for one in (crowd, alone, inside_a_question, watched)}[sys.argv[1]](sys.argv[2])
