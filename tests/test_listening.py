"""Listeners: in a thread of their own, in order, bounded; recording never waits for one."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

import pytest

from mplp_trace_cli import Event, EventFilter, RecordEventRequest, TraceError, TraceStatus
from mplp_trace_cli.module import TraceModule
from mplp_trace_cli.service import StreamRequest, TraceManagementService, listening

TRACE = "t"


@pytest.fixture
def recording(service: TraceManagementService) -> TraceManagementService:
    """The service of a module, with an open trace."""
    service.create_trace(context_id="c", name="n", trace_id=TRACE).unwrap()
    return service


def record(service: TraceManagementService, count: int) -> float:
    """Records so many events and gives the longest that one took, in seconds."""
    slowest = 0.0
    for at in range(count):
        began = time.perf_counter()
        service.record_event(trace_id=TRACE, event_type=str(at)).unwrap()
        slowest = max(slowest, time.perf_counter() - began)
    return slowest


def test_every_way_of_recording_is_heard(recording: TraceManagementService) -> None:
    """One event, rows, batches, streams of any lines, the note of a failure; what is rejected is not."""
    heard: list[str] = []
    recording.add_event_listener(lambda event: heard.append(event.event_type))
    recording.record_event(trace_id=TRACE, event_type="one").unwrap()
    recording.record_row(RecordEventRequest(TRACE, "row")).unwrap()
    recording.record_events([{"trace_id": TRACE, "event_type": name} for name in ("b1", "b2")]).unwrap()
    plain = b'{"event_type":"s1"}\n{"event_type":"s2"}\n'
    mixed = b'{"event_type":"m1"}\nnonsense\n{"name":"x","value":1}\n{"event_type":"m2"}\n'
    for lines in (plain, mixed):
        hears, says = os.pipe()
        os.write(says, lines)
        os.close(says)
        recording.record_stream(hears, StreamRequest("test", {"trace_id": TRACE})).unwrap()
        os.close(hears)
    recording.end_trace(trace_id=TRACE, status=TraceStatus.FAILED, message="why").unwrap()
    recording.end_trace(trace_id=TRACE, status=TraceStatus.FAILED, message="again").unwrap()
    recording.close()
    assert heard == ["one", "row", "b1", "b2", "s1", "s2", "m1", "m2", "trace_failed"]


def test_a_slow_listener_keeps_nobody_from_recording(
    recording: TraceManagementService, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While it sleeps all is recorded; what its full queue has no room for is counted and logged once."""
    monkeypatch.setattr(listening, "MOST_WAITING", 50)
    released, slow_heard, quick_heard = threading.Event(), [], []

    def sleeps(event: Event) -> None:
        released.wait(30)
        slow_heard.append(event.event_type)

    slow = recording.add_event_listener(sleeps)
    quick = recording.add_event_listener(lambda event: quick_heard.append(event.event_type))
    with caplog.at_level(logging.WARNING, "mplp_trace_cli"):
        for _ in range(10):
            slowest = record(recording, 40)
            _until(lambda: quick.waiting == 0)
            assert slowest < 5, "recording waited for the listener"
    assert recording.query_events().unwrap().total == 400
    assert "is slow: 1 events were not delivered" in caplog.text
    assert caplog.text.count("is slow") == 1
    released.set()
    recording.close()
    assert (quick.delivered, quick.dropped, quick.failed) == (400, 0, 0)
    assert quick_heard == [str(at % 40) for at in range(400)]
    assert slow.delivered == len(slow_heard) == 400 - slow.dropped
    assert 340 <= slow.dropped <= 350
    assert slow_heard == [str(at % 40) for at in range(len(slow_heard))]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_counts(recording: TraceManagementService, caplog: pytest.LogCaptureFixture) -> None:
    """Delivered, and of these failed; what the filter leaves out counts nowhere."""

    def raises(event: Event) -> None:
        if event.event_type != "3":
            raise RuntimeError("mine")

    listener = recording.add_event_listener(raises, EventFilter(event_types=("[1-4]",)))
    record(recording, 6)
    listener.close()
    assert (listener.delivered, listener.failed, listener.dropped, listener.waiting) == (4, 3, 0, 0)
    assert caplog.text.count("an event listener raised") == 3


def test_a_wrong_filter_is_refused_at_once(recording: TraceManagementService) -> None:
    """Not at the first event, in a thread where nobody hears of it."""
    with pytest.raises(TraceError, match="loud"):
        recording.add_event_listener(print, EventFilter(min_level="loud"))


def test_a_listener_that_removes_itself(recording: TraceManagementService) -> None:
    """From its own thread it does not wait for itself, and hears nothing more."""
    heard: list[str] = []

    def once(event: Event) -> None:
        heard.append(event.event_type)
        recording.remove_event_listener(once)

    listener = recording.add_event_listener(once)
    record(recording, 5)
    _until(lambda: bool(heard))
    listener.close()
    assert heard == ["0"]


def test_a_listener_that_never_returns(
    module: TraceModule, recording: TraceManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing waits for it a bounded time, and after that it is not called again."""
    monkeypatch.setattr(listening, "DRAIN_SECONDS", 0.2)
    released, heard = threading.Event(), []

    def stuck(event: Event) -> None:
        heard.append(event.event_type)
        released.wait(30)

    listener = recording.add_event_listener(stuck)
    record(recording, 3)
    _until(lambda: bool(heard))
    module.close()
    released.set()
    _until(lambda: listener.delivered == 1)
    time.sleep(0.05)
    assert heard == ["0"]


def test_a_listener_may_use_the_service(recording: TraceManagementService) -> None:
    """It asks and records without blocking whoever it hears of."""
    counts: list[int] = []

    def asks(event: Event) -> None:
        if event.event_type == "answer":
            return
        counts.append(recording.query_events().unwrap().total)
        recording.record_event(trace_id=TRACE, event_type="answer").unwrap()

    recording.add_event_listener(asks)
    record(recording, 3)
    recording.remove_event_listener(asks)
    assert len(counts) == 3
    assert recording.query_events(event_types=["answer"]).unwrap().total == 3


def test_threads_are_heard_in_the_order_of_arrival(recording: TraceManagementService) -> None:
    """However many record at once, a listener hears what the store has, in its order."""
    heard: list[str] = []
    recording.add_event_listener(lambda event: heard.append(event.event_id))
    threads = [threading.Thread(target=record, args=(recording, 50)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recording.close()
    with recording.reading() as db:
        kept = [row[0] for row in db.execute("SELECT event_id FROM events ORDER BY seq").fetchall()]
    assert heard == kept


def test_one_that_means_to_end_the_program_goes_on_hearing(service: TraceManagementService) -> None:
    """Its thread is not the program's: it is counted as failed, and the next event is delivered."""
    heard: list[str] = []

    def leave(event: Event) -> None:
        heard.append(event.event_type)
        sys.exit(3)

    trace = service.create_trace(context_id="c", name="n").unwrap()
    listener = service.add_event_listener(leave)
    for number in range(3):
        service.record_event(trace_id=trace.trace_id, event_type=f"e{number}").unwrap()
    service.remove_event_listener(leave)
    assert (heard, listener.failed) == (["e0", "e1", "e2"], 3)
