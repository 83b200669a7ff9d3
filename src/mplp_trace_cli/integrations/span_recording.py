"""Recording batches of spans: which traces begin with them, and when those end.

A trace ends a while after its root did, because spans may end after the root and come in a later batch. What
comes later still is recorded all the same. One whose root is in another process is that process's to end;
where no other process has begun it, it ends when nothing of it has come for a longer while. One that goes on
around this process is never ended here.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan

from mplp_trace_cli.domain.enums import TraceStatus, TraceType
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.times import MAX_INSTANT, MIN_INSTANT
from mplp_trace_cli.domain.trace import DEFAULT_CONTEXT, TraceEndRow, TraceRow
from mplp_trace_cli.integrations.span_rows import INNER, REMOTE, ROOT, Rejected, SpanReader, SpanRow
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage.groups import GroupRules, Line, reject_body
from mplp_trace_cli.storage.spans import DERIVED, SpanBatch

GRACE_SECONDS = 10.0
REMOTE_GRACE = 3
"""How many times as long a trace waits whose root is in another process."""
MOST_TRACES = 20_000
MOST_KEPT = 8_192
"""Spans that wait for an inbox that cannot be written."""
SOURCE = "opentelemetry"


class _News:
    """What a batch tells of one trace."""

    def __init__(self, row: SpanRow) -> None:
        self.nearest = row
        """The span that is nearest to the root: of several, the one that started first."""
        self.started_at = row.started_at
        self.ended_at = row.ended_at

    def add(self, row: SpanRow) -> None:
        """Adds another span of the trace."""
        nearest = self.nearest
        if (row.nearness, row.started_at) < (nearest.nearness, nearest.started_at):
            self.nearest = row
        self.started_at = min(self.started_at, row.started_at)
        self.ended_at = max(self.ended_at, row.ended_at)


@dataclass(slots=True)
class _Trace:
    """A trace of which spans have come."""

    row: TraceRow
    ended_at: int = 0
    is_own: bool = False
    """True for one that began with spans of this process."""
    nearness: int = INNER
    """How near to the root the spans were that have come."""
    failed: bool = False
    due: float | None = None
    """When it is to end, on the monotonic clock."""
    is_over: bool = False

    def begin(self, news: _News) -> TraceRow:
        """How it begins, by what is known of it now."""
        if news.nearest.nearness >= self.nearness:
            return self.row
        row = _begin(news)
        return row._replace(started_at=min(row.started_at, self.row.started_at))

    def is_better(self, news: _News) -> bool:
        """True when more is known of how it begins than what it began with, here or in another process."""
        nearness = news.nearest.nearness
        return nearness < self.nearness and (self.is_own or nearness == ROOT)

    def end(self) -> TraceEndRow:
        """How it ends."""
        status = TraceStatus.FAILED if self.failed else TraceStatus.COMPLETED
        return TraceEndRow(self.row.trace_id, status.value, self.ended_at)


class SpanRecording:
    """Records spans through one service. Not for two threads at once, nor for two processes."""

    def __init__(
        self, service: TraceManagementService, reader: SpanReader, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self.service = service
        self.unfolded = 0
        """How many events were recorded; whoever folds them sets it back."""
        self._reader = reader
        self._grace = grace_seconds
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self._waiting: dict[str, _Trace] = {}
        """Those that have a time at which they are to end."""
        self._kept: list[ReadableSpan] = []

    @property
    def is_inner(self) -> bool:
        """True when a trace goes on around this process, or in another of which spans have come."""
        return self._reader.around.parent is not None or not all(one.is_over for one in self._traces.values())

    @property
    def next_end(self) -> float | None:
        """When the next trace is to end, on the monotonic clock."""
        return min((trace.due for trace in self._waiting.values() if trace.due is not None), default=None)

    def record(self, spans: Sequence[ReadableSpan]) -> None:
        """Records a batch in one durable transaction, and ends what is due; raises the errors of recording.

        A batch that could not be recorded is tried again with the next.
        """
        spans = [*self._kept, *spans]
        try:
            self._record(spans)
        except TraceError:
            self._kept = spans[-MOST_KEPT:]
            raise
        self._kept = []
        self.end_due()

    def _record(self, spans: Sequence[ReadableSpan]) -> None:
        found = _by_trace(self._reader.read(span) for span in spans if span.context is not None)
        bodies, rejects = self._reader.take()
        traces = {trace_id: self._trace(trace_id, news) for trace_id, news in found.items()}
        begins = {
            trace_id: trace.begin(found[trace_id]) for trace_id, trace in traces.items() if not trace.is_over
        }
        restated = [
            begin for trace_id, begin in begins.items() if traces[trace_id].is_better(found[trace_id])
        ]
        lines = [self._reject_body(one) for one in rejects]
        batch = SpanBatch(list(begins.values()), bodies, lines, restated)
        made = self.service.record_spans(batch).unwrap()
        self.unfolded += len(bodies)
        for trace_id, begin in begins.items():
            trace = traces[trace_id]
            trace.row, trace.is_own = begin, trace.is_own or trace_id in made
            self._note(trace, found[trace_id])
        self._forget_oldest()

    def _trace(self, trace_id: str, news: _News) -> _Trace:
        known = self._traces.get(trace_id)
        if known is None:
            known = self._traces[trace_id] = _Trace(_begin(news))
        return known

    def _reject_body(self, rejected: Rejected) -> str:
        line = Line(0, 0, rejected.line, None)
        return reject_body(GroupRules(SOURCE, self.service.now()), line, rejected.reason)

    # -- the ends of traces ------------------------------------------------------------------------

    def _note(self, trace: _Trace, news: _News) -> None:
        """Notes what was recorded of a trace, and when it is to end."""
        trace.ended_at = max(trace.ended_at, news.ended_at)
        if news.nearest.nearness < trace.nearness:
            trace.nearness, trace.failed = news.nearest.nearness, news.nearest.failed
            trace.due = None
        if self._reader.around.is_around(trace.row.trace_id):
            return
        if trace.nearness == ROOT and trace.due is None:
            trace.due = time.monotonic() + self._grace
        elif trace.nearness == REMOTE and trace.is_own:
            trace.due = time.monotonic() + self._grace * REMOTE_GRACE
        if trace.due is not None:
            self._waiting[trace.row.trace_id] = trace

    def end_due(self) -> None:
        """Ends the traces whose time has come."""
        now = time.monotonic()
        self._end([trace for trace in self._waiting.values() if trace.due is not None and trace.due <= now])

    def flush(self) -> None:
        """Ends the traces whose root has ended in this process."""
        self._end([trace for trace in self._waiting.values() if trace.nearness == ROOT])

    def close(self) -> None:
        """Records what was kept, and ends every trace that this process is to end."""
        if self._kept:
            self.record(())
        self._end(list(self._waiting.values()))

    def _end(self, traces: Sequence[_Trace]) -> None:
        if not traces:
            return
        self.service.end_span_traces([trace.end() for trace in traces]).unwrap()
        for trace in traces:
            trace.is_over = True
            self._waiting.pop(trace.row.trace_id, None)

    def _forget_oldest(self) -> None:
        """Knows only the newest traces; one that waits for its end has it earlier."""
        surplus = len(self._traces) - MOST_TRACES
        forgotten = [self._traces.popitem(last=False)[1] for _ in range(surplus)]
        self._end([trace for trace in forgotten if trace.row.trace_id in self._waiting])


def _by_trace(rows: Iterable[SpanRow]) -> dict[str, _News]:
    found: dict[str, _News] = {}
    for row in rows:
        news = found.get(row.trace_id)
        if news is None:
            found[row.trace_id] = _News(row)
        else:
            news.add(row)
    return found


def _begin(news: _News) -> TraceRow:
    """The begin of a trace of which no more is known."""
    root = news.nearest
    return TraceRow(
        root.trace_id,
        _utf8(root.source or DEFAULT_CONTEXT),
        None,
        TraceType.CUSTOM.value,
        _utf8(root.name),
        None,
        DERIVED,
        "[]",
        max(MIN_INSTANT, min(news.started_at, MAX_INSTANT - 1)),
        None,
    )


def _utf8(text: str) -> str:
    """The same text, without what UTF-8 cannot hold."""
    return text if text.isascii() else text.encode(errors="replace").decode()
