"""Every figure of groups a second time, in plain Python over exported rows."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mplp_trace_cli.domain.times import parse_instant
from mplp_trace_cli.service import TraceManagementService

Row = dict[str, Any]
SECOND = 1_000_000
MONDAY = 946_857_600 * SECOND
"""2000-01-03 00:00 UTC."""
ERRORS = ("error", "critical")


class Exported(NamedTuple):
    """What a store holds, as its export says it."""

    traces: list[Row]
    events: list[Row]


def exported(service: TraceManagementService, file: Path) -> Exported:
    """The rows of a store, read from its export as JSON lines; instants become microseconds."""
    service.export_traces(destination=str(file)).unwrap()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        for name in ("started_at", "completed_at", "timestamp"):
            if name in row:
                row[name] = parse_instant(row[name])
    traces = [row for row in rows if row["kind"] == "trace"]
    events = [row for row in rows if row["kind"] == "event"]
    for trace in traces:
        inside = [event for event in events if event["trace_id"] == trace["trace_id"]]
        trace["event_count"] = len(inside)
        trace["error_count"] = sum(event["level"] in ERRORS for event in inside)
        ended = trace.get("completed_at")
        trace["duration_ms"] = None if ended is None else (ended - trace["started_at"]) / 1_000
        trace["has_errors"] = trace["status"] == "failed" or trace["error_count"] > 0
    contexts = {trace["trace_id"]: trace["context_id"] for trace in traces}
    for event in events:
        event["context_id"] = contexts[event["trace_id"]]
    return Exported(traces, events)


def at_path(value: Mapping[str, Any], path: str) -> Any:
    """The value under the literal key, else along the dotted path, else None."""
    if path in value:
        return value[path]
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def as_text(value: Any) -> str | None:
    """A JSON value as the key of a group: text as it is, all else as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def percentile(values: Sequence[float], share: float) -> float:
    """The continuous percentile: between two ranks, linearly."""
    ordered = sorted(values)
    rank = share * (len(ordered) - 1)
    low, high = math.floor(rank), math.ceil(rank)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


FUNCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "avg": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
    "sum": math.fsum,
    **{f"p{n}": (lambda values, n=n: percentile(values, n / 100)) for n in (50, 90, 95, 99)},  # type: ignore[misc]
}


def figure(name: str, rows: Sequence[Row], of_traces: bool, seconds: float) -> Any:
    """One figure of a group."""
    if name.endswith("_duration") or "(" in name:
        function, values = _values(name, rows)
        return FUNCTIONS[function](values) if values else None
    with_errors = sum(row["has_errors"] if of_traces else row["level"] in ERRORS for row in rows)
    return {
        "count": len(rows),
        "error_rate": with_errors / len(rows) if rows else None,
        "error_count": sum(row["error_count"] for row in rows) if of_traces else with_errors,
        "event_count": sum(row["event_count"] for row in rows) if of_traces else len(rows),
        "throughput": len(rows) / seconds if seconds else None,
    }[name]


def _values(name: str, rows: Sequence[Row]) -> tuple[str, list[float]]:
    if name.endswith("_duration"):
        found = [row.get("duration_ms") for row in rows]
        return name.removesuffix("_duration"), [value for value in found if value is not None]
    function, _, path = name.removesuffix(")").partition("(")
    home, _, inner = path.partition(".")
    column = {"meta": "metadata", "data": "data"}[home]
    found = [at_path(row.get(column, {}), inner) for row in rows]
    return function, [float(v) for v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def keys_of(row: Row, group_by: Sequence[str]) -> list[tuple[Any, ...]]:
    """The groups that a row is in: one, or one for each of its tags."""
    found: list[tuple[Any, ...]] = [()]
    for name in group_by:
        values: Iterable[Any]
        if name == "tag":
            values = row.get("tags") or [None]
        elif name.startswith(("meta.", "data.")):
            column = "metadata" if name.startswith("meta.") else "data"
            values = [as_text(at_path(row.get(column, {}), name[5:]))]
        else:
            values = [row.get(name)]
        found = [(*key, value) for key in found for value in values]
    return found


def bucket_of(instant: int, width: int) -> int:
    """Where the bucket of an instant begins."""
    return instant - (instant - MONDAY) % width
