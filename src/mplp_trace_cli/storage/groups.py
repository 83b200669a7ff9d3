"""Recording many lines in one durable transaction: the way of streams and of the library's batches."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput, NotFound, TraceError
from mplp_trace_cli.domain.event_columns import EventColumns
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.lines import Record
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.trace import KnownTrace, TraceRow, TraceStatement, new_trace_row
from mplp_trace_cli.storage.inbox import (
    END,
    EVENT,
    EVENT_WITH_ID,
    METRIC,
    REJECT,
    START,
    Entry,
    OpenTrace,
    encode_body,
)
from mplp_trace_cli.storage.recording import Recorder, open_trace_of, trace_row_of

MAX_REJECT_BYTES = 16 << 20


class Line(NamedTuple):
    """One line of input: where it stood, its bytes, and its record or the reason why it has none."""

    number: int
    offset: int
    raw: bytes
    record: Record | None
    given_id: bool = True
    reason: str = ""


@dataclass
class Counts:
    """What became of lines."""

    traces: int = 0
    events: int = 0
    metrics: int = 0
    ended: int = 0
    repeated: int = 0
    rejected: int = 0

    def add(self, other: Counts) -> None:
        """Adds the counts of another group."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class GroupRules:
    """How a group of lines is recorded."""

    source: str
    now: int
    create_missing: bool = False
    strict: bool = False
    context_id: str | None = None


class StrictRefused(TraceError):
    """A bad line under `--strict`: nothing of its group was recorded."""

    code = "rejected"
    negative = True


@dataclass
class _Group:
    """One transaction in the making."""

    recorder: Recorder
    rules: GroupRules
    known: dict[str, KnownTrace]
    asked: bool
    """False when the store could not be asked which traces it knows."""
    counts: Counts = field(default_factory=Counts)
    entries: list[Entry] = field(default_factory=list)
    traces: dict[str, OpenTrace | None] = field(default_factory=dict)
    opened: list[OpenTrace] = field(default_factory=list)
    ended: dict[str, KnownTrace] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    """Traces that are known to take events now."""

    def take_all(self, lines: Sequence[Line]) -> None:
        ready, entries = self.ready, self.entries
        for line in lines:
            record = line.record
            # Nearly every line of a stream is one more event of a trace it has just written to.
            if type(record) is EventRow and record.trace_id in ready:
                entries.append((EVENT_WITH_ID if line.given_id else EVENT, _encoded(record)))
                self.counts.events += 1
            else:
                self.take(line)

    def take(self, line: Line) -> None:
        record = line.record
        try:
            if isinstance(record, EventRow):
                self._event(record, line)
            elif isinstance(record, TraceStatement):
                self._trace(record)
            elif isinstance(record, MetricRow):
                self.entries.append((METRIC, encode_body(record)))
                self.counts.metrics += 1
            else:
                raise InvalidInput(line.reason)
        except TraceError as error:
            self._reject(line, error)

    def _event(self, row: EventRow, line: Line) -> None:
        self._require_open(row.trace_id)
        self.ready.add(row.trace_id)
        self.entries.append((EVENT_WITH_ID if line.given_id else EVENT, _encoded(row)))
        self.counts.events += 1

    def _require_open(self, trace_id: str) -> None:
        trace = self._open(trace_id)
        if trace is not None and not trace.is_over(self.rules.now):
            return
        if trace is not None or trace_id in self.known or self._has_ended(trace_id):
            raise InvalidInput(f"trace {trace_id} is finished")
        if not self.rules.create_missing:
            unasked = f"trace {trace_id} is not open: unknown or finished"
            raise InvalidInput(f"there is no trace {trace_id}" if self.asked else unasked)
        self._start(new_trace_row(missing_trace(trace_id, self.rules.context_id), trace_id, self.rules.now))

    def _has_ended(self, trace_id: str) -> bool:
        # Recent and not open: it ended since it was looked for, or the store could not be asked.
        return trace_id in self.ended or self.recorder.inbox.is_recent(trace_id)

    def _open(self, trace_id: str) -> OpenTrace | None:
        if trace_id not in self.traces:
            inbox, known = self.recorder.inbox, self.known.get(trace_id)
            trace = inbox.open_trace(trace_id)
            if trace is None and known and known.end is None and not inbox.has_waiting_end(trace_id):
                trace = open_trace_of(known.row)
                self.opened.append(trace)
            self.traces[trace_id] = trace
        return self.traces[trace_id]

    def _trace(self, said: TraceStatement) -> None:
        trace_id = said.trace_id or new_id()
        said = said._replace(trace_id=trace_id)
        trace = self._open(trace_id)
        if trace is not None:
            self._known_open(said, trace)
        elif finished := self.ended.get(trace_id) or self.known.get(trace_id):
            check_repeat(said, finished)
            self.counts.repeated += 1
        elif self._has_ended(trace_id):
            raise InvalidInput(f"trace {trace_id} is finished")
        else:
            row = new_trace_row(said, trace_id, self.rules.now)
            said.end(row.started_at, row.expires_at, self.rules.now)
            self._start(row)
            self._end(said, row)  # counted as one trace, as an import does

    def _known_open(self, said: TraceStatement, trace: OpenTrace) -> None:
        row = trace_row_of(trace)
        check_agrees(said, row)
        if trace.is_over(self.rules.now) and said.status not in (None, "active", "expired"):
            raise InvalidInput(f"trace {trace.trace_id} is expired")
        if self._end(said, row):
            self.counts.ended += 1
        else:
            self.counts.repeated += 1

    def _start(self, row: TraceRow) -> None:
        trace = open_trace_of(row)
        self.traces[row.trace_id] = trace
        self.opened.append(trace)
        self.entries.append((START, encode_body(row)))
        self.counts.traces += 1

    def _end(self, said: TraceStatement, row: TraceRow) -> bool:
        end = said.end(row.started_at, row.expires_at, self.rules.now)
        if end is None:
            return False
        self.entries.append((END, encode_body(end)))
        self.traces[end.trace_id] = None
        self.ended[end.trace_id] = KnownTrace(row, end)
        self.ready.discard(end.trace_id)
        return True

    def _reject(self, line: Line, error: TraceError) -> None:
        if self.rules.strict:
            raise StrictRefused(
                f"{self.rules.source} line {line.number}: {error.message}",
                hint="leave --strict away to keep the good lines",
            ) from error
        self.entries.append((REJECT, reject_body(self.rules, line, error.message)))
        self.counts.rejected += 1

    def write(self) -> None:
        self.recorder.inbox.append(self.entries)
        if self.opened:
            self.recorder.inbox.add_open(self.opened)
        if self.ended:
            self.recorder.inbox.remove_open(self.ended)


def record_group(
    recorder: Recorder,
    lines: Sequence[Line],
    rules: GroupRules,
    tell: Callable[[Sequence[Entry]], None] | None = None,
) -> Counts:
    """Records lines in order, durably and all at once; bad ones go to the rejects.

    `tell` is called with what was recorded. Raises StrictRefused at the first bad line when the rules are
    strict; nothing is recorded then.
    """
    known = _look_up_missing(recorder, lines, rules.now)
    with recorder.inbox.writing():
        group = _Group(recorder, rules, known or {}, asked=known is not None)
        group.take_all(lines)
        group.write()
    if tell is not None:
        tell(group.entries)
    return group.counts


def record_if_open(recorder: Recorder, events: EventColumns, given_ids: bool, now: int) -> bool:
    """Records events durably and all at once when every trace of theirs is open; else records nothing.

    What `record_group` does with events alone, in half the time.
    """
    bodies = _ENCODER.encode_lines(zip(*events, strict=True)).decode().split("\n")[:-1]
    with recorder.inbox.writing():
        for trace_id in set(events.trace_id):
            trace = recorder.inbox.open_trace(trace_id)
            if trace is None or trace.is_over(now):
                return False
        recorder.inbox.append_bodies(EVENT_WITH_ID if given_ids else EVENT, bodies)
    return True


def _look_up_missing(recorder: Recorder, lines: Sequence[Line], now: int) -> dict[str, KnownTrace] | None:
    """What is kept of the traces that are not open; None when the store cannot be asked."""
    said = {
        line.record.trace_id: None
        for line in lines
        if isinstance(line.record, EventRow | TraceStatement) and line.record.trace_id
    }
    missing = [trace_id for trace_id in said if recorder.inbox.open_trace(trace_id) is None]
    if not missing:
        return {}
    try:
        return recorder.look_up(missing, now)
    except NotFound:
        return None


_ENCODER = msgspec.json.Encoder()


def _encoded(row: EventRow) -> str:
    """What `encode_body` gives, four times as fast; the import costs more than that for a single event."""
    return _ENCODER.encode(row).decode()


def missing_trace(trace_id: str, context_id: str | None) -> TraceStatement:
    """What is said of a trace that is made because an event names it."""
    nothing = TraceStatement(*[None] * len(TraceStatement._fields))
    return nothing._replace(trace_id=trace_id, name=trace_id, context_id=context_id)


def check_agrees(said: TraceStatement, row: TraceRow) -> None:
    """Raises InvalidInput when a statement contradicts what is kept of the trace."""
    differing = said.contradictions(row)
    if differing:
        raise InvalidInput(f"trace {row.trace_id} is there already with another {', '.join(differing)}")


def check_repeat(said: TraceStatement, known: KnownTrace) -> None:
    """Raises InvalidInput when a statement about a finished trace is no repeat of what is kept."""
    check_agrees(said, known.row)
    if known.end is None:
        return
    if said.status not in (None, "active", known.end.status):
        raise InvalidInput(f"trace {known.row.trace_id} is already {known.end.status}")
    end = said.end(known.row.started_at, known.row.expires_at, known.end.ended_at)
    if end is not None and end.ended_at != known.end.ended_at:
        raise InvalidInput(f"trace {known.row.trace_id} is there already with another completed_at")


def reject_body(rules: GroupRules, line: Line, reason: str) -> str:
    """The body of a rejected line."""
    said, raw = kept_of_reject(line, reason)
    text = base64.b64encode(raw).decode()
    return encode_body((rules.source, line.number, line.offset, said, text, rules.now))


def kept_of_reject(line: Line, reason: str) -> tuple[str, bytes]:
    """The reason and the bytes of a rejected line; they are cut at 16 MiB, which the reason then says."""
    raw = line.raw
    if len(raw) <= MAX_REJECT_BYTES:
        return reason, raw
    said = f"{reason} (kept: the first {MAX_REJECT_BYTES:,} of {len(raw):,} bytes)"
    return said, raw[:MAX_REJECT_BYTES]
