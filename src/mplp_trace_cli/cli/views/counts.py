"""What was recorded, counted in words."""

from __future__ import annotations


def counts_text(counts: dict[str, int]) -> str:
    """`3 events, 1 trace, 1 rejected`: what is not zero, or that it was nothing."""
    one = {"events": "event", "traces": "trace", "metrics": "metric"}
    parts = []
    for name in ("events", "traces", "metrics", "ended", "repeated", "rejected"):
        count = counts.get(name, 0)
        if count:
            parts.append(f"{count:,} {one.get(name, name) if count == 1 else name}")
    text = ", ".join(parts) or "nothing recorded"
    return f"{text} (mplp-trace rejects list)" if counts.get("rejected") else text
