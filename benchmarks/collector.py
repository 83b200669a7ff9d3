"""The processor time of a program that only waits, with the background collector of the library or without.

`collector.py STORE SECONDS on|off` prints the seconds of processor time that it took, importing left out.
"""

from __future__ import annotations

import sys
import time

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module


def main(store: str, seconds: float, *, collects: bool) -> None:
    """Opens a module, waits, closes it, and prints."""
    options = TraceModuleOptions(data_source=store, enable_metrics_collection=collects)
    began = 0.0
    with initialize_trace_module(options) as module:
        module.trace_management_service.create_trace(context_id="bench", name="bench").unwrap()
        began = time.process_time()
        time.sleep(seconds)
    print(time.process_time() - began)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), collects=sys.argv[3] == "on")
