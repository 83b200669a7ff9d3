"""What a Chrome trace costs: the whole command, from the store to the file."""

from __future__ import annotations

from statistics import median

from ground import Ground
from harness import MB, Result, at_least, run, seconds_text


def chrome(ground: Ground) -> list[Result]:
    """`export` as a Chrome trace; each event must be in the file."""
    events, path = ground.sizes.events, ground.place("out.chrome.json")
    command = ground.trace(ground.filled_store, "export", "-o", str(path))
    took = median(run(command).good().seconds for _ in range(ground.sizes.long_pairs))
    with path.open("rb") as file:
        written = sum(b'"args":{"event_id":' in line for line in file)
    result = Result(
        f"`export` as a Chrome trace, {events:,} events",
        f"{seconds_text(took)}, {path.stat().st_size / MB:,.0f} MB",
        f"{written:,} events in the file",
        events / took,
        at_least(200_000, "events/s"),
        sound=written == events,
    )
    path.unlink()
    return [result]
