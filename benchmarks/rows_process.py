"""What wrapping a command costs: `run` and `step`, the way of its standard error, the shell functions."""

from __future__ import annotations

from ground import BIN, Ground
from harness import MB, Command, Result, Turns, at_most, in_turns, run, seconds_text, told

NOTHING = ("--", "true")
EVENTS = 2_000
NOISE = "import os; data = b'x' * 79 + b'\\n'\nfor _ in range({parts}): os.write(2, data * 800)"


def wrapping(ground: Ground) -> list[Result]:
    """`run` and `step` around a command that does nothing, against one `record`; `true` is taken off."""
    store, trace_id = ground.open_store()
    environment = ground.trace(store).env
    record = ground.trace(store, "record", "step", "--trace", trace_id)
    wrapped = {
        "`run`": ground.trace(store, "run", "bench", *NOTHING),
        "`step`": ground.trace(store, "step", "bench", "--trace", trace_id, *NOTHING),
    }
    bare = Command(("true",), environment)
    results = []
    for name, command in wrapped.items():
        turns = in_turns(
            lambda ours=command: _seconds(ours) - _seconds(bare),  # type: ignore[misc]
            lambda: _seconds(record),
            ground.sizes.short_pairs,
        )
        results.append(_result(f"{name} around `true`, more than `true`", turns, "one `record`", 2))
    return results


def passing(ground: Ground) -> list[Result]:
    """Much standard error through `run`, against the same through `cat`."""
    store, _ = ground.open_store()
    script = ground.place("noise.py")
    script.write_text(NOISE.format(parts=ground.sizes.events // 500), encoding="utf-8")
    bare = ground.python(str(script))
    wrapped = ground.trace(store, "run", "bench", "--", *bare.arguments)
    through = Command(("bash", "-c", '"$@" 2>&1 | cat >&2', "bash", *bare.arguments), bare.env)
    turns = in_turns(lambda: _seconds(wrapped), lambda: _seconds(through), ground.sizes.long_pairs)
    size = ground.sizes.events // 500 * 800 * 80 / MB
    what, speed = f"`run`, {size:,.0f} MB of standard error", size / turns.our_median
    against = f"through `cat`: {seconds_text(turns.their_median)}"
    return [Result(what, seconds_text(turns.our_median), against, speed, told("MB/s"))]


def hook(ground: Ground) -> list[Result]:
    """Events of the shell functions, flushed, against as many processes of `record`."""
    store, trace_id = ground.open_store()
    script = ground.place("events.sh")
    functions = ground.ask(store, "hook", "bash")
    loop = f"for i in {{1..{EVENTS}}}; do mplp_record step i=$i; done; mplp_flush"
    script.write_text(f"{functions}\n{loop}\n", encoding="utf-8")
    environment = {**ground.trace(store).env, "MPLP_TRACE_ID": trace_id}
    environment["PATH"] = f"{BIN}:{environment['PATH']}"
    ours = Command(("bash", str(script)), environment)
    record = ground.trace(store, "record", "step", "--trace", trace_id)
    turns = in_turns(lambda: _seconds(ours) / EVENTS, lambda: _seconds(record), ground.sizes.long_pairs)
    return [_result(f"`mplp_record` in bash, one of {EVENTS:,}", turns, "one `record`", 0.02)]


def _seconds(command: Command) -> float:
    return run(command).good().seconds


def _result(what: str, turns: Turns, floor: str, bound: float) -> Result:
    against = f"{floor}: {seconds_text(turns.their_median)}"
    return Result(what, seconds_text(turns.our_median), against, turns.times_as_long, at_most(bound))
