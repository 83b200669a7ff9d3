"""How long single records take: `recording_latency.py STORE SECONDS`.

Until the time is over or standard input has something it records, durably. Prints a JSON object: how many
records it made, and their p50 and p99 in ms.
"""

from __future__ import annotations

import json
import select
import statistics
import sys
import time

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module

PAUSE_SECONDS = 0.005


def main(store: str, seconds: float) -> None:
    """Measures and prints."""
    took: list[float] = []
    options = TraceModuleOptions(data_source=store, durable=True, enable_metrics_collection=False)
    with initialize_trace_module(options) as module:
        service = module.trace_management_service
        trace_id = service.create_trace(context_id="bench", name="bench").unwrap().trace_id
        end = time.monotonic() + seconds
        while time.monotonic() < end and not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            began = time.perf_counter()
            service.record_event(trace_id=trace_id, event_type="step", data={"n": len(took)}).unwrap()
            took.append((time.perf_counter() - began) * 1_000)
    cuts = statistics.quantiles(took, n=100)
    print(json.dumps({"records": len(took), "p50": cuts[49], "p99": cuts[98]}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
