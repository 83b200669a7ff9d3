"""The bulk way from JSON lines to valid events: msgspec decodes, whatever it doubts goes the one-line way.

It accepts exactly the lines that `domain.lines.read_line` accepts and gives the same rows; a property test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, MAX_DEPTH, dumps
from mplp_trace_cli.domain.lines import LineRules, read_line
from mplp_trace_cli.domain.times import DAY_US, EPOCH, MAX_INSTANT, MIN_INSTANT, SECOND_US
from mplp_trace_cli.domain.trace import TraceStatement
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.storage.groups import Line

_OVERHEAD_BYTES = 4_096
_LETTER_ESCAPES = (b"\\u004", b"\\u005", b"\\u006", b"\\u007")
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Zoned = Annotated[datetime, msgspec.Meta(tz=True)]

_NO_DATA = msgspec.Raw()
_TraceTypes = Literal["workflow_execution", "module_operation", "api_request", "background_task", "custom"]
_Statuses = Literal["active", "completed", "failed", "cancelled", "expired"]


class _EventLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event_type: _Text
    kind: Literal["event"] | None = None
    event_id: _Id | None = None
    trace_id: _Id | None = None
    level: Literal["debug", "info", "warn", "error", "critical"] | None = None
    message: str | None = None
    data: msgspec.Raw = _NO_DATA
    timestamp: _Zoned | None = None
    duration_ms: _NotNegative | None = None
    parent_event_id: str | None = None
    source: str | None = None


class _TraceLine(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    trace_id: _Id
    kind: Literal["trace"]
    context_id: _Text | None = None
    execution_id: str | None = None
    trace_type: _TraceTypes | None = None
    name: _Text | None = None
    description: str | None = None
    metadata: msgspec.Raw = _NO_DATA
    tags: list[str] | None = None
    started_at: _Zoned | None = None
    expires_at: _Zoned | None = None
    status: _Statuses | None = None
    completed_at: _Zoned | None = None


class _WorkflowStarted(msgspec.Struct):
    workflow_id: _Text
    stages: list[str]
    estimated_duration: _NotNegative


class _StageStarted(msgspec.Struct):
    stage: _Text


class _StageCompleted(msgspec.Struct):
    stage: _Text
    status: Literal["success", "failure"]


class _PerformanceMetric(msgspec.Struct):
    metric_name: _Text
    metric_value: float
    metric_unit: _Text
    tags: dict[str, str] | None = None


_STANDARD: dict[str, msgspec.json.Decoder[Any]] = {
    "workflow_started": msgspec.json.Decoder(_WorkflowStarted),
    "stage_started": msgspec.json.Decoder(_StageStarted),
    "stage_completed": msgspec.json.Decoder(_StageCompleted),
    "performance_metric": msgspec.json.Decoder(_PerformanceMetric),
}
_FIELDS = len(_EventLine.__struct_fields__)
_KEYS = tuple(b'"%s"' % name.encode() for name in _EventLine.__struct_fields__)
_TRACE_KEYS = tuple(b'"%s"' % name.encode() for name in _TraceLine.__struct_fields__)
_SHORT = 1_000
_IDS_REMEMBERED = 10_000
_astuple = msgspec.structs.astuple
_DOUBTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LineDecoder:
    """Decodes chunks of JSON lines under one set of rules."""

    def __init__(self, rules: LineRules) -> None:
        self.rules = rules
        self._decode = msgspec.json.Decoder(_EventLine).decode
        self._decode_trace = msgspec.json.Decoder(_TraceLine).decode
        self._standard = _STANDARD if rules.event.validate_standard_events else {}
        self._most = rules.event.max_event_bytes - _OVERHEAD_BYTES
        self._level = rules.defaults.get("level") or rules.event.default_level
        self._trace_id = rules.defaults.get("trace_id", "")
        self._source = rules.defaults.get("source")
        self._plain_ids: set[str] = set()

    def lines(self, chunk: Chunk) -> Iterator[Line]:
        """The lines of a chunk that are not blank, each with its record or its reason."""
        if chunk.skipped:
            size = len(chunk.data) + chunk.skipped
            yield Line(chunk.number, chunk.offset, chunk.data, None, reason=f"a line of {size:,} bytes")
            return
        offset = chunk.offset
        quickly = self._quick_way(chunk.data)
        given_ids = may_give_ids(chunk.data)
        for number, raw in enumerate(chunk.data.split(b"\n"), chunk.number):
            row = quickly(raw)
            if row is not None:
                yield Line(number, offset, raw, row, given_ids)
            elif line := self._slowly(number, offset, raw):
                yield line
            offset += len(raw) + 1

    def certain_events(self, chunk: Chunk) -> list[EventRow] | None:
        """The events of a chunk in which every line is certainly one; None when any is not."""
        if chunk.skipped:
            return None
        raws = chunk.data.split(b"\n")
        if not raws[-1]:
            raws.pop()
        rows = list(map(self._quick_way(chunk.data), raws))
        return None if None in rows else rows  # type: ignore[return-value]

    def columns(self, chunk: Chunk) -> Columns:
        """The same, sorted for bulk loading: the events in one place, all else in another."""
        if chunk.skipped:
            return Columns([], [], list(self.lines(chunk)))
        quickly = self._quick_way(chunk.data)
        raws = chunk.data.split(b"\n")
        found = list(map(quickly, raws))
        others: list[Line] = []
        if None in found:
            self._read_doubted(chunk, raws, found, others)
        numbers = [number for number, row in enumerate(found, chunk.number) if row is not None]
        return Columns([row for row in found if row is not None], numbers, others)

    def _read_doubted(
        self, chunk: Chunk, raws: list[bytes], found: list[EventRow | None], others: list[Line]
    ) -> None:
        offset = chunk.offset
        for at, raw in enumerate(raws):
            line = self._slowly(chunk.number + at, offset, raw) if found[at] is None else None
            if line is not None and isinstance(line.record, EventRow):
                found[at] = line.record
            elif line is not None:
                others.append(line)
            offset += len(raw) + 1

    def _slowly(self, number: int, offset: int, raw: bytes) -> Line | None:
        try:
            record = self._trace(raw) or read_line(raw, self.rules)
        except InvalidInput as fault:
            return Line(number, offset, raw, None, reason=fault.message)
        return None if record is None else Line(number, offset, raw, record)

    def _quick_way(self, whole: bytes) -> Callable[[bytes], EventRow | None]:
        """What reads the lines of one chunk: the event of a line that is certainly good, else None."""
        carriage = b"\r" in whole
        short = min(_SHORT, self._most)
        decode, row_of, most = self._decode, self._row, self._most

        def quickly(raw: bytes) -> EventRow | None:
            try:
                found = decode(raw)
                data = str(found.data, "utf-8")
                if len(raw) > short and (len(raw) > most or _may_be_deep(raw)):
                    return None
                if carriage and "\r" in data:  # becomes a space, so that data is one line everywhere
                    return None
                return None if _may_repeat(found, raw, data) else row_of(found, data)
            except _DOUBTS:
                return None

        return quickly

    def _trace(self, raw: bytes) -> TraceStatement | None:
        """What a line certainly says of a trace, else None."""
        try:
            found = self._decode_trace(raw)
            metadata = str(found.metadata, "utf-8")
        except _DOUBTS:
            return None
        if len(raw) > _SHORT or b"\r" in raw or any(raw.count(key) > 1 for key in _TRACE_KEYS):
            return None
        if b"\\u00" in raw or metadata[:1] not in ("", "{") or not self._is_plain(found.trace_id):
            return None
        if found.completed_at is not None and found.status in (None, "active"):
            return None
        started, expires, completed = (
            None if moment is None else _microseconds(moment)
            for moment in (found.started_at, found.expires_at, found.completed_at)
        )
        if not all(
            MIN_INSTANT <= at <= MAX_INSTANT for at in (started, expires, completed) if at is not None
        ):
            return None
        return TraceStatement(
            found.trace_id,
            found.context_id,
            found.execution_id,
            found.trace_type,
            found.name,
            found.description,
            metadata or None,
            None if found.tags is None else dumps(list(dict.fromkeys(found.tags)), "tags"),
            started,
            expires,
            found.status,
            completed,
        )

    def _row(self, found: _EventLine, data: str) -> EventRow | None:
        rules = self.rules.event
        event_id = found.event_id or rules.new_id()
        trace_id = found.trace_id or self._trace_id
        timestamp = rules.clock() if found.timestamp is None else _microseconds(found.timestamp)
        plain = trace_id in self._plain_ids or self._is_plain(trace_id)
        if not (plain and event_id.isprintable() and event_id[0] not in "@-"):
            return None
        if not MIN_INSTANT <= timestamp <= MAX_INSTANT:
            return None
        if data in ("", "null"):
            data = EMPTY_OBJECT
        elif data[0] != "{":
            return None
        event_type = found.event_type
        if event_type in self._standard:
            self._standard[event_type].decode(data)
        fields = (
            event_id,
            trace_id,
            event_type,
            found.level or self._level,
            found.message,
            data,
            timestamp,
            found.duration_ms,
            found.parent_event_id,
            self._source if found.source is None else found.source,
        )
        return tuple.__new__(EventRow, fields)

    def _is_plain(self, trace_id: str) -> bool:
        if not (trace_id.isprintable() and trace_id[:1] not in ("", "@", "-")):
            return False
        if len(self._plain_ids) > _IDS_REMEMBERED:
            self._plain_ids.clear()
        self._plain_ids.add(trace_id)
        return True


def may_give_ids(data: bytes) -> bool:
    """False when certainly no line brings its own event_id, however the key is spelled."""
    return b'"event_id"' in data or b"\\u00" in data


class Columns(NamedTuple):
    """A decoded chunk: events, their line numbers, and the lines that are no events."""

    rows: list[EventRow]
    numbers: list[int]
    others: list[Line]


def _may_repeat(found: _EventLine, raw: bytes, data: str) -> bool:
    """True when a key may stand twice at the top level, of which msgspec says nothing.

    Each key that was found has two quotes, and so has each value that is text. When there are no more
    quotes than those and the ones inside `data`, none is left for a second key, however it is spelled.
    """
    present = _FIELDS - _astuple(found).count(None) - (not data)
    texts = present - bool(data) - (found.duration_ms is not None)
    return raw.count(b'"') != 2 * (present + texts) + data.count('"') and _repeats(raw)


def _repeats(raw: bytes) -> bool:
    return any(raw.count(key) > 1 for key in _KEYS) or any(escape in raw for escape in _LETTER_ESCAPES)


def _may_be_deep(raw: bytes) -> bool:
    return len(raw) > 2 * MAX_DEPTH and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH


def _microseconds(moment: datetime) -> int:
    span = moment - EPOCH
    return span.days * DAY_US + span.seconds * SECOND_US + span.microseconds
