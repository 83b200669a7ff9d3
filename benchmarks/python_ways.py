"""What each way in from Python costs a call, in turns with the bare insert of the very rows it made.

`python_ways.py FOLDER CALLS ROUNDS` prints a JSON object: of each way the seconds a call of each round, ours
and theirs; `untraced` is an `event` where no trace is open, against a call that does nothing.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from library import _bare, _insert, _newest
from mplp_trace_cli import (
    MplpTraceHandler,
    TraceModule,
    TraceModuleOptions,
    event,
    initialize_trace_module,
    traced,
    use_module,
)

Call = Callable[[], object]


def main(folder: str, calls: int, rounds: int) -> None:
    """Measures and prints."""
    store = Path(folder) / "traces.duckdb"
    told: dict[str, dict[str, list[float]]] = {}
    with initialize_trace_module(TraceModuleOptions(data_source=str(store))) as module:
        use_module(module)
        told["untraced"] = _in_turns(lambda: _timed(_outside, calls), lambda: _timed(_nothing, calls), rounds)
        with module.trace("bench") as trace, closing(_bare(Path(folder) / "bare.db")) as bare:
            assert trace.trace_id is not None
            for name, call in _ways(module, trace.trace_id).items():
                told[name] = _in_turns(
                    lambda call=call: _timed(call, calls),  # type: ignore[misc]
                    lambda: _insert(bare, _newest(f"{store}.inbox", calls)),
                    rounds,
                )
    print(json.dumps(told))


def _in_turns(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> dict[str, list[float]]:
    pairs = [(ours(), theirs()) for _ in range(rounds + 1)][1:]  # the first round warms up
    return {"ours": [pair[0] for pair in pairs], "theirs": [pair[1] for pair in pairs]}


def _timed(call: Call, calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls


def _nothing() -> None:
    return None


def _outside() -> None:
    event("nowhere")


def _ways(module: TraceModule, trace_id: str) -> dict[str, Call]:
    plan, log = module.for_source("plan"), logging.getLogger("bench")
    log.addHandler(MplpTraceHandler())
    log.propagate = False
    call = traced(_nothing)

    def one_step() -> None:
        with module.step("context"):
            pass

    data = {"tasks": 7, "cost": 0.4182}
    return {
        "event": lambda: event("task_done", "task 381 of context done", data=data, duration_ms=16.117),
        "source": lambda: plan.record(trace_id, "plan_created", data=data).unwrap(),
        "traced": call,
        "step": one_step,
        "log": lambda: log.warning("task %d of context done", 381, extra={"tokens": 18}),
    }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
