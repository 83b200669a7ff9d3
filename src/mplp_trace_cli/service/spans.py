"""Recording spans of OpenTelemetry, whose traces begin and end with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mplp_trace_cli.service.base import ServiceBase, operation

if TYPE_CHECKING:
    from mplp_trace_cli.domain.trace import TraceEndRow
    from mplp_trace_cli.storage.spans import SpanBatch


class SpanService(ServiceBase):
    """What the span exporter asks of the service."""

    @operation
    def record_spans(self, batch: SpanBatch) -> set[str]:
        """Records a batch in one durable transaction; gives the traces that were made for it."""
        from mplp_trace_cli.storage.spans import record_spans

        with self._lock:
            return record_spans(self.recorder.inbox, batch)

    @operation
    def end_span_traces(self, ends: Sequence[TraceEndRow]) -> None:
        """Ends those of the traces that nobody has ended before."""
        from mplp_trace_cli.storage.spans import end_span_traces

        with self._lock:
            end_span_traces(self.recorder.inbox, ends, self.now())
