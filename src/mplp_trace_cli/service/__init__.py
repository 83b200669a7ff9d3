"""The use cases: one short method each, every one answering with an OperationResult.

Light to import: what only asks, loads or exports is imported by the method that needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mplp_trace_cli.domain.checks import as_number
from mplp_trace_cli.domain.enums import Level, TraceStatus, parse_word
from mplp_trace_cli.domain.errors import InvalidInput, TraceFinished
from mplp_trace_cli.domain.event_row import EventRow, event_row
from mplp_trace_cli.domain.requests import (
    CreateTraceRequest,
    EndTraceRequest,
    OperationResult,
    RecordEventRequest,
)
from mplp_trace_cli.domain.times import MAX_INSTANT, checked_instant
from mplp_trace_cli.service.alerting import AlertingService
from mplp_trace_cli.service.base import Wiring, operation, request_of
from mplp_trace_cli.service.following import FollowingService
from mplp_trace_cli.service.keeping import KeepingService
from mplp_trace_cli.service.mending import MendingService
from mplp_trace_cli.service.spans import SpanService
from mplp_trace_cli.storage.forking import is_clean
from mplp_trace_cli.storage.recording import Ending

if TYPE_CHECKING:
    from mplp_trace_cli.domain.event import Event
    from mplp_trace_cli.domain.questions import ExportRequest, ImportRequest
    from mplp_trace_cli.domain.trace import KnownTrace, Trace, TraceRow
    from mplp_trace_cli.interchange.decoding.batches import DecodingRules
    from mplp_trace_cli.interchange.decoding.lines import Columns
    from mplp_trace_cli.interchange.exporting.writing import ExportReport
    from mplp_trace_cli.interchange.loading.files import LoadOptions, LoadReport, Progress
    from mplp_trace_cli.interchange.sources import Chunk
    from mplp_trace_cli.storage.groups import Counts, GroupRules
    from mplp_trace_cli.storage.keeping.health import StoreInfo

__all__ = ["StreamRequest", "TraceManagementService", "Wiring"]

FLUSH_SECONDS = 10.0
IMPORT_SECONDS = 60.0

_EVENT_FIELDS = frozenset(RecordEventRequest._fields)

Recorded = TypeVar("Recorded", "Event", EventRow)


class StreamRequest(NamedTuple):
    """How a stream of lines is recorded."""

    name: str
    defaults: Mapping[str, str]
    create_missing: bool = False
    strict: bool = False
    context_id: str | None = None


class TraceManagementService(FollowingService, KeepingService, MendingService, AlertingService, SpanService):
    """Records traces and events and answers questions about them. Safe to share between threads."""

    # -- recording ---------------------------------------------------------------------------------

    @operation
    def create_trace(
        self, request: CreateTraceRequest | Mapping[str, Any] | None = None, /, **given: Any
    ) -> Trace:
        """A new active trace, durably recorded."""
        from mplp_trace_cli.domain.trace import Trace

        asked = request_of(CreateTraceRequest, request, given)
        now = self._wiring.clock()
        row = self._new_trace(asked, now)
        with self._lock:
            self.recorder.start_trace(row, now, given_id=asked.trace_id is not None)
        return Trace.from_row(row)

    @operation
    def start_trace(self, request: CreateTraceRequest, first: RecordEventRequest) -> tuple[str, str]:
        """A new active trace and its first event, durable together; gives the ids of both."""
        now = self._wiring.clock()
        row = self._new_trace(request, now)
        event = event_row({**first._asdict(), "trace_id": row.trace_id}, self._rules)
        with self._lock:
            self.recorder.start_trace(row, now, given_id=request.trace_id is not None, first=event)
            self._tell([event])
        return row.trace_id, event.event_id

    def _new_trace(self, asked: CreateTraceRequest, now: int) -> TraceRow:
        from mplp_trace_cli.domain.trace import new_trace_row, trace_statement

        values = asked._asdict()
        timeout = values.pop("timeout")
        nothing_ends = {"expires_at": None, "status": None, "completed_at": None}
        said = trace_statement({**values, **nothing_ends})
        row = new_trace_row(said, asked.trace_id or self._wiring.new_id(), now)
        if timeout is not None:
            expires_at = checked_instant(row.started_at + _positive_us(timeout), "timeout: its end")
            row = row._replace(expires_at=expires_at)
        return row

    @operation
    def record_event(
        self, request: RecordEventRequest | Mapping[str, Any] | None = None, /, **given: Any
    ) -> Event:
        """One event of an active trace, durably recorded; then the listeners hear of it."""
        return self._record(_event_fields(request, given), _entity_maker())

    @operation
    def record_row(self, request: RecordEventRequest) -> EventRow:
        """The same with the event as plain values, and 2 ms less to import."""
        return self._record(request._asdict(), _itself)

    def _record(self, fields: Mapping[str, Any], made: Callable[[EventRow], Recorded]) -> Recorded:
        row = event_row(fields, self._rules)
        given_id = fields.get("event_id") is not None
        with self._lock:
            self.recorder.record_event(row, self._wiring.clock(), given_id=given_id)
            event = made(row)
            if self._listeners:
                self._tell([event])
        return event

    def event_row(self, fields: Mapping[str, Any]) -> EventRow:
        """The valid event that `fields` describe, not recorded yet; raises InvalidInput with every fault."""
        return event_row(fields, self._rules)

    def record_valid(self, row: EventRow) -> None:
        """Records an event that is known to be valid and has an id of our making; raises TraceError."""
        with self._lock:
            self.recorder.record_event(row, self._wiring.clock(), given_id=False)
            if self._listeners:
                self._tell([row])

    @operation
    def record_events(self, requests: Iterable[RecordEventRequest | Mapping[str, Any]]) -> Counts:
        """Many events in one durable transaction: all of them, or the error of the first bad one."""
        from mplp_trace_cli.storage.groups import GroupRules, Line, record_group

        asked = [request_of(RecordEventRequest, one, {}) for one in requests]
        rows = [event_row(one._asdict(), self._rules) for one in asked]
        lines = [
            Line(number, 0, b"", row, given_id=one.event_id is not None)
            for number, (one, row) in enumerate(zip(asked, rows, strict=True), start=1)
        ]
        rules = GroupRules("record_events", self._wiring.clock(), strict=True)
        with self._lock:
            counts = record_group(self.recorder, lines, rules)
            if self._listeners:
                self._tell(rows)
        return counts

    @operation
    def record_stream(self, descriptor: int, request: StreamRequest, stop: int | None = None) -> Counts:
        """Records JSON lines from an open file descriptor until it ends, a durable group at a time.

        It ends too, with the whole lines that were read, when the descriptor `stop` has something to read.

        The error of a strict stream comes after all groups before it were recorded.
        """
        from mplp_trace_cli.domain.ids import IdPool
        from mplp_trace_cli.domain.lines import LineRules
        from mplp_trace_cli.interchange.decoding.lines import LineDecoder
        from mplp_trace_cli.interchange.streaming import groups
        from mplp_trace_cli.storage.groups import Counts, GroupRules

        decoder = LineDecoder(LineRules(self._rules._replace(new_id=IdPool()), request.defaults))
        missing, strict, context_id = request.create_missing, request.strict, request.context_id
        counts = Counts()
        for chunk in groups(descriptor, request.name, stop):
            rules = GroupRules(request.name, self._wiring.clock(), missing, strict, context_id)
            counts.add(self._record_chunk(chunk, decoder.columns(chunk), rules))
        return counts

    def _record_chunk(self, chunk: Chunk, found: Columns, rules: GroupRules) -> Counts:
        from mplp_trace_cli.storage.groups import Counts, record_group, record_if_open

        with self._lock:
            if not found.others and record_if_open(self.recorder, found.events, found.gives_ids, rules.now):
                if self._listeners:
                    self._tell(found.events.rows())
                return Counts(events=len(found.numbers))
            tell = self._tell_entries if self._listeners else None
            return record_group(self.recorder, found.lines(chunk), rules, tell)

    @operation
    def end_trace(self, request: EndTraceRequest | Mapping[str, Any] | None = None, /, **given: Any) -> Trace:
        """Ends a trace and gives it; ending it the same way again changes nothing."""
        from mplp_trace_cli.domain.trace import Trace

        asked = _checked_end(request_of(EndTraceRequest, request, given))
        now = self._wiring.clock()
        note = None if asked.message is None else self._failure_note(asked, now)
        known, _ = self._end(asked, now, note)
        return Trace.from_row(known.row, known.end)

    @operation
    def finish_trace(self, request: EndTraceRequest, last: RecordEventRequest) -> str:
        """Ends a trace with its last event, durable together, and gives its id; raises TraceFinished."""
        _, noted = self._end(request, self._wiring.clock(), event_row(last._asdict(), self._rules))
        if not noted:
            raise TraceFinished(f"trace {request.trace_id} has already ended")
        return request.trace_id

    def _end(
        self, asked: EndTraceRequest, now: int, note: EventRow | None
    ) -> tuple[KnownTrace, list[EventRow]]:
        from mplp_trace_cli.domain.questions import to_instant

        ending = Ending(asked.status.value, to_instant(asked.at, "at"), note)
        noted: list[EventRow] = []
        with self._lock:
            known = self.recorder.end_trace(asked.trace_id, ending, now, noted)
            self._tell(noted)
        return known, noted

    def _failure_note(self, asked: EndTraceRequest, now: int) -> EventRow:
        return event_row(
            {
                "trace_id": asked.trace_id,
                "event_type": f"trace_{asked.status.value}",
                "level": Level.ERROR.value,
                "message": asked.message,
                "timestamp": now,
            },
            self._rules,
        )

    def complete_trace(self, trace_id: str | Mapping[str, Any], **given: Any) -> OperationResult[Trace]:
        """Ends a trace as completed and gives it; the other fields are those of `EndTraceRequest`."""
        return self.end_trace(_ending_as(TraceStatus.COMPLETED, trace_id, given))

    def fail_trace(self, trace_id: str | Mapping[str, Any], **given: Any) -> OperationResult[Trace]:
        """Ends a trace as failed and gives it; the other fields are those of `EndTraceRequest`."""
        return self.end_trace(_ending_as(TraceStatus.FAILED, trace_id, given))

    def cancel_trace(self, trace_id: str | Mapping[str, Any], **given: Any) -> OperationResult[Trace]:
        """Ends a trace as cancelled and gives it; the other fields are those of `EndTraceRequest`."""
        return self.end_trace(_ending_as(TraceStatus.CANCELLED, trace_id, given))

    def resolve_open(self, text: str) -> str:
        """The open trace that an id, a unique prefix or `@last` means; raises NotFound, AmbiguousId."""
        with self._lock:
            return self.recorder.resolve(text, self._wiring.clock())

    # -- moving data -------------------------------------------------------------------------------

    @operation
    def export_traces(
        self, request: ExportRequest | Mapping[str, Any] | None = None, /, **given: Any
    ) -> ExportReport:
        """Writes what a filter selects; the destination appears whole or not at all."""
        from mplp_trace_cli.analysis.filters import trace_condition
        from mplp_trace_cli.domain.questions import ExportRequest, TraceFilter
        from mplp_trace_cli.interchange.exporting.chosen import Selection
        from mplp_trace_cli.interchange.exporting.planning import plan_export
        from mplp_trace_cli.interchange.exporting.writing import export

        asked = request_of(ExportRequest, request, given)
        plan = plan_export(asked)
        condition = trace_condition(request_of(TraceFilter, asked.filter, {}))
        with self.reading() as db:
            return export(db, Selection(condition.sql, condition.values), plan, self.paths)

    @operation
    def import_files(
        self,
        request: ImportRequest | Mapping[str, Any] | None = None,
        /,
        progress: Progress | None = None,
        **given: Any,
    ) -> LoadReport:
        """Loads files, each in one transaction; bad lines go to the rejects. A dry run takes it all back."""
        from mplp_trace_cli.domain.questions import ImportRequest
        from mplp_trace_cli.interchange.loading.files import LoadReport, load_file
        from mplp_trace_cli.interchange.loading.folders import input_files
        from mplp_trace_cli.interchange.loading.rehearsing import rehearse

        asked = request_of(ImportRequest, request, given)
        files, options = input_files(asked.files), self._load_options(asked, progress)
        report = LoadReport()
        with self.pair() as pair:
            if asked.dry_run:
                return rehearse(pair, files, options, IMPORT_SECONDS)
            for path in files:
                report.add(load_file(pair, path, options, IMPORT_SECONDS))
            self._tidy(pair)
        return report

    def _load_options(self, asked: ImportRequest, progress: Progress | None) -> LoadOptions:
        from mplp_trace_cli.domain.questions import ColumnMapping
        from mplp_trace_cli.interchange.loading.files import LoadOptions
        from mplp_trace_cli.interchange.tables.columns import check_mapping

        mapping: ColumnMapping = request_of(ColumnMapping, asked.mapping, {})
        check_mapping(mapping)
        return LoadOptions(
            self._decoding_rules(),
            mapping,
            asked.input_format,
            asked.create_missing,
            asked.strict,
            asked.again,
            progress,
        )

    def _decoding_rules(self) -> DecodingRules:
        from mplp_trace_cli.interchange.decoding.batches import DecodingRules

        config = self._wiring.options.event_config
        return DecodingRules(
            self._wiring.clock(),
            config.max_event_bytes,
            config.default_level,
            config.validate_standard_events,
        )

    def fold_if_free(self) -> None:
        """Folds when something waits and nobody has the store."""
        from mplp_trace_cli.storage.fold import fold_if_free

        with self._lock:
            waits = self._recorder is not None and self._recorder.inbox.waiting()
        if waits and is_clean():
            with self.pair() as pair:
                fold_if_free(pair)
                self._tidy(pair)

    # -- keeping -----------------------------------------------------------------------------------

    @operation
    def flush(self, wait_seconds: float = FLUSH_SECONDS) -> int:
        """Folds all that waits into the store and says how many entries it was."""
        from mplp_trace_cli.storage.fold import fold

        with self.pair() as pair:
            folded = fold(pair, wait_seconds)
            self._tidy(pair)
        return folded

    @operation
    def info(self) -> StoreInfo:
        """Where the store is, how big, how much is in it and how much waits."""
        from mplp_trace_cli.storage.keeping.health import store_info

        return store_info(self._store(), self._wiring.clock())

    @operation
    def retry_rejects(self, ids: Sequence[int] = (), create_missing: bool = False) -> Counts:
        """Records the rejected lines that are good now; none named is all."""
        from mplp_trace_cli.interchange.loading.retrying import RetryOptions, retry_rejects

        options = RetryOptions(ids, self._decoding_rules(), create_missing)
        with self.pair() as pair:
            return retry_rejects(pair, options, FLUSH_SECONDS)

    @operation
    def clear_rejects(self, ids: Sequence[int] = ()) -> int:
        """Deletes rejected lines and says how many; none named is all."""
        from mplp_trace_cli.storage.keeping.rejects import clear_rejects

        with self.pair() as pair:
            return clear_rejects(pair, ids, FLUSH_SECONDS)

    def close(self) -> None:
        """Ends listeners and streams, and closes the inbox; what was recorded is safe without it."""
        self._end_watching()
        with self._lock:
            self._close_recorder()


def _ending_as(
    status: TraceStatus, trace_id: str | Mapping[str, Any], given: Mapping[str, Any]
) -> Mapping[str, Any]:
    named = trace_id if isinstance(trace_id, Mapping) else {"trace_id": trace_id}
    return {**named, **given, "status": status}


def _checked_end(asked: EndTraceRequest) -> EndTraceRequest:
    """The request with a status that ends a trace; raises InvalidInput."""
    status = parse_word(TraceStatus, asked.status, "status")
    if not status.is_final:
        raise InvalidInput(f"status: a trace does not end as {status.value}")
    if not isinstance(asked.trace_id, str):
        raise InvalidInput("trace_id: must be text")
    return asked._replace(status=status)


def _event_fields(
    request: RecordEventRequest | Mapping[str, Any] | None, given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The fields of an event to record: keywords that are right by themselves need no request around them."""
    if request is None and _EVENT_FIELDS.issuperset(given) and "trace_id" in given and "event_type" in given:
        return given
    return request_of(RecordEventRequest, request, given)._asdict()


@functools.cache
def _entity_maker() -> Callable[[EventRow], Event]:
    """What makes an Event of a row; asked for at the first event: 2 ms that no command need pay."""
    from mplp_trace_cli.domain.event import Event

    return Event.from_row


def _itself(row: EventRow) -> EventRow:
    return row


def _positive_us(milliseconds: float) -> int:
    number = as_number(milliseconds)
    if number is None or number <= 0:
        raise InvalidInput("timeout: must be a number greater than 0")
    return max(1, round(min(number * 1_000, 2.0 * MAX_INSTANT)))
