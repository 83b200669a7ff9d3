"""Programs of the side-by-side scene that live through all of it: one records, one follows, until SIGINT."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import time

from mplp_trace_cli import initialize_trace_module

EVENTS_A_TRACE = 20
PAUSE_SECONDS = 0.02


def record(number: str) -> None:
    """Records traces of twenty events and says of each event how long it took to be safe."""
    with initialize_trace_module() as module:
        service = module.trace_management_service
        for turn in itertools.count():
            trace = f"library-{number}-{turn}"
            service.create_trace(context_id="library", name="job", trace_id=trace).unwrap()
            for _ in range(EVENTS_A_TRACE):
                began = time.perf_counter()
                event = service.record_event(trace_id=trace, event_type="live.call").unwrap()
                print(event.event_id, f"{time.perf_counter() - began:.6f}", flush=True)
                time.sleep(PAUSE_SECONDS)
            service.complete_trace(trace).unwrap()


def follow() -> None:
    """Says of each event that anybody records that it came."""
    with initialize_trace_module() as module:
        for event in module.trace_management_service.follow({"event_types": ["live.*"]}):
            print(json.dumps({"event_id": event.event_id}), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        if sys.argv[1] == "record":
            record(sys.argv[2])
        else:
            follow()
