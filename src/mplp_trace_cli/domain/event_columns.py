"""Many valid events as columns: what is checked, encoded and inserted in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.domain.event_row import EventRow


class EventColumns(NamedTuple):
    """Valid events as columns: the fields of EventRow, each a list with one value an event."""

    event_id: list[str]
    trace_id: list[str]
    event_type: list[str]
    level: list[str]
    message: list[str | None]
    data: list[str]
    timestamp: list[int]
    duration_ms: list[float | None]
    parent_event_id: list[str | None]
    source: list[str | None]

    @classmethod
    def of(cls, rows: Sequence[EventRow]) -> EventColumns:
        """The columns of rows."""
        columns: Any = zip(*rows, strict=True) if rows else [()] * len(cls._fields)
        return cls(*map(list, columns))

    def rows(self) -> Iterator[EventRow]:
        """The same as rows."""
        return map(EventRow._make, zip(*self, strict=True))

    def extend(self, other: EventColumns) -> None:
        """Adds the events of others at the end."""
        columns: Any = self
        for column, values in zip(columns, other, strict=True):
            column.extend(values)
