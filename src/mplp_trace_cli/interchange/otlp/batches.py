"""Records of OTLP on their way out, put together into bodies of bounded size.

A body is what one request to a collector holds: an object in OTLP's JSON form with resourceSpans,
resourceLogs or resourceMetrics. Records keep their order, so one resource may come more than once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Json = dict[str, Any]

BODY_RECORDS = 1_000
BODY_BYTES = 1 << 20
SIGNALS = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}
"""What the lists of a signal are called: of resources, of scopes, of records."""
_KINDS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


class Home(NamedTuple):
    """Where a record lies: the members of its ResourceSpans and of its ScopeSpans, but for the lists.

    Two records are of one home when these are the same objects.
    """

    signal: str
    resource: Json
    scope: Json


class Record(NamedTuple):
    """A span, a log record, or a metric with one point; and about how many bytes it has."""

    home: Home
    body: Json
    size: int


class Body(NamedTuple):
    """One body, and how many records are in it."""

    signal: str
    content: Json
    records: int


def bodies(records: Iterable[Record], pack: Callable[[Json], Any]) -> Iterator[Body]:
    """The records in bodies, each as `pack` makes it; another signal begins another body."""
    building: _Building | None = None
    for record in records:
        if building is not None and not building.takes(record):
            yield building.finished()
            building = None
        if building is None:
            building = _Building(record.home.signal, pack)
        building.add(record)
    if building is not None:
        yield building.finished()


class _Building:
    """A body that is being put together."""

    def __init__(self, signal: str, pack: Callable[[Json], Any]) -> None:
        self._signal = signal
        self._pack = pack
        self._resources_name, self._scopes_name, self._records_name = SIGNALS[signal]
        self._resources: list[Json] = []
        self._records: list[Any] = []
        self._home: Home | None = None
        self._count = self._size = 0

    def takes(self, record: Record) -> bool:
        """True for a record of the same signal, while there is room."""
        same = record.home.signal == self._signal
        return same and self._count < BODY_RECORDS and self._size < BODY_BYTES

    def add(self, record: Record) -> None:
        """Adds a record after the last."""
        if record.home is not self._home:
            self._move(record.home)
        self._count += 1
        self._size += record.size
        if self._signal != "metrics":
            self._records.append(self._pack(record.body))
        elif not (self._records and _joined(self._records[-1], record.body)):
            self._records.append(record.body)

    def _move(self, home: Home) -> None:
        self._records = []
        scope = {**home.scope, self._records_name: self._records}
        if self._home is None or home.resource is not self._home.resource:
            self._resources.append({**home.resource, self._scopes_name: []})
        self._resources[-1][self._scopes_name].append(scope)
        self._home = home

    def finished(self) -> Body:
        """The body."""
        return Body(self._signal, {self._resources_name: self._resources}, self._count)


def _joined(metric: Json, added: Json) -> bool:
    """Adds the points of a metric to one that is the same otherwise; False when they differ."""
    kind = next((kind for kind in _KINDS if kind in metric), None)
    if kind is None or kind not in added or _header(metric, kind) != _header(added, kind):
        return False
    metric[kind]["dataPoints"] += added[kind]["dataPoints"]
    return True


def _header(metric: Json, kind: str) -> Json:
    return metric | {kind: metric[kind] | {"dataPoints": None}}
