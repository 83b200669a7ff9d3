"""Recorders of one module's events, which stamp where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.catalogue import events_of
from mplp_trace_cli.domain.requests import OperationResult

if TYPE_CHECKING:
    from mplp_trace_cli.domain.event import Event
    from mplp_trace_cli.service import TraceManagementService


class SourceRecorder:
    """Records events as those of one source: `plan`, `context`, or any other."""

    def __init__(self, service: TraceManagementService, source: str) -> None:
        self._service = service
        self.source = source

    @property
    def events(self) -> tuple[str, ...]:
        """The lifecycle events that are known of this source; others are recorded all the same."""
        return events_of(self.source)

    def record(self, trace_id: str, event_type: str, **given: Any) -> OperationResult[Event]:
        """One event, with the fields of `RecordEventRequest` as keywords."""
        return self._service.record_event(
            trace_id=trace_id, event_type=event_type, **{"source": self.source, **given}
        )
