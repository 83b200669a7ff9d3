"""The quick way from JSON lines to valid events: a block of lines at once, its events as columns.

msgspec decodes; each check looks at a whole column. What is not certainly good is only pointed out, for
the one-line way to judge: every event given here is the one that `domain.lines.read_line` would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import compress, filterfalse
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from mplp_trace_cli.domain.event_columns import EventColumns
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, MAX_DEPTH
from mplp_trace_cli.domain.lines import LineRules
from mplp_trace_cli.domain.times import EPOCH, MAX_INSTANT, MIN_INSTANT

Text = Annotated[str, msgspec.Meta(min_length=1)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Zoned = Annotated[datetime, msgspec.Meta(tz=True)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
NO_OBJECT = msgspec.Raw()
DOUBTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_MICROSECOND = timedelta(microseconds=1)
_EVENT_KINDS = (UNSET, "event", None)
_NO_TEXTS = ("data", "duration_ms")
_OVERHEAD_BYTES = 4_096
"""More than what an event has beside its line: an id, defaults."""
_NOT_FIRST = frozenset(("", "@", "-"))
_QUOTE_BY_NUMBER = "\\u0022"
_PRINTABLE = bytes(range(ord(" "), 0x7F))
_first = itemgetter(slice(1))
_before_break = itemgetter(slice(-2, -1))


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line with the keys of all kinds, so that one of another kind does not spoil its block."""

    kind: Literal["event", "trace", "metric"] | UnsetType | None = UNSET
    event_id: Id | UnsetType | None = UNSET
    trace_id: Id | UnsetType | None = UNSET
    event_type: Text | UnsetType | None = UNSET
    level: Literal["debug", "info", "warn", "error", "critical"] | UnsetType | None = UNSET
    message: str | UnsetType | None = UNSET
    data: msgspec.Raw = NO_OBJECT
    timestamp: Zoned | UnsetType | None = UNSET
    duration_ms: NotNegative | UnsetType | None = UNSET
    parent_event_id: str | UnsetType | None = UNSET
    source: str | UnsetType | None = UNSET
    context_id: Any = UNSET
    execution_id: Any = UNSET
    trace_type: Any = UNSET
    name: Any = UNSET
    description: Any = UNSET
    metadata: Any = UNSET
    tags: Any = UNSET
    started_at: Any = UNSET
    expires_at: Any = UNSET
    status: Any = UNSET
    completed_at: Any = UNSET
    type: Any = UNSET
    value: Any = UNSET
    unit: Any = UNSET
    help: Any = UNSET
    labels: Any = UNSET
    buckets: Any = UNSET


class _WorkflowStarted(msgspec.Struct):
    workflow_id: Text
    stages: list[str]
    estimated_duration: NotNegative


class _StageStarted(msgspec.Struct):
    stage: Text


class _StageCompleted(msgspec.Struct):
    stage: Text
    status: Literal["success", "failure"]


class _PerformanceMetric(msgspec.Struct):
    metric_name: Text
    metric_value: float
    metric_unit: Text
    tags: dict[str, str] | None = None


_STANDARD: dict[str, msgspec.json.Decoder[Any]] = {
    "workflow_started": msgspec.json.Decoder(_WorkflowStarted),
    "stage_started": msgspec.json.Decoder(_StageStarted),
    "stage_completed": msgspec.json.Decoder(_StageCompleted),
    "performance_metric": msgspec.json.Decoder(_PerformanceMetric),
}


class Block(NamedTuple):
    """What is certain of a block: its events, and which of its lines they are, from 0."""

    events: EventColumns
    places: list[int]
    doubted: list[int]
    """The other lines, which are to be read one by one."""
    gives_ids: bool
    """True when any of the events came with an id of its own."""


class BlockDecoder:
    """Decodes blocks of JSON lines under one set of rules."""

    def __init__(self, rules: LineRules) -> None:
        self._rules = rules.event
        self._decode = msgspec.json.Decoder(_Line).decode_lines
        self._standard = _STANDARD if rules.event.validate_standard_events else {}
        self._level = rules.defaults.get("level") or rules.event.default_level
        self._trace_id = rules.defaults.get("trace_id", "")
        self._source = rules.defaults.get("source")
        self._most = rules.event.max_event_bytes - _OVERHEAD_BYTES

    def read(self, raws: list[bytes]) -> Block | None:
        """The events of a block of lines, each given with its line break.

        None when nothing is certain: some line is no JSON object with known keys and fitting values.
        """
        if not _are_objects(raws):
            return None
        try:
            lines = self._decode(b"".join(raws))
            return self._read(raws, lines) if len(lines) == len(raws) else None
        except DOUBTS:
            return None

    def _read(self, raws: list[bytes], lines: list[_Line]) -> Block:
        places = list(range(len(lines)))
        doubted = [
            place for place, line in enumerate(lines) if not line.event_type or line.kind not in _EVENT_KINDS
        ]
        if doubted:
            places, raws, lines = _without(doubted, places, raws, lines)
        given = _Given.of(lines)
        events = self._completed(given)
        unsure = self._unsure(given, events, raws)
        if unsure:
            doubted = sorted({*doubted, *(places[at] for at in unsure)})
            (places,), events = _without(unsure, places), EventColumns(*_without(unsure, *events))
        return Block(events, places, doubted, given.gives_ids)

    def _completed(self, given: _Given) -> EventColumns:
        rules = self._rules
        return EventColumns(
            given.filled("event_id", rules.new_id),
            given.filled("trace_id", lambda: self._trace_id),
            given.columns["event_type"],
            given.filled("level", lambda: self._level),
            given.filled("message", _nothing),
            given.filled("data", lambda: EMPTY_OBJECT),
            [(one - EPOCH) // _MICROSECOND if one else rules.clock() for one in given.columns["timestamp"]],
            given.filled("duration_ms", _nothing),
            given.filled("parent_event_id", _nothing),
            given.filled("source", lambda: self._source),
        )

    def _unsure(self, given: _Given, events: EventColumns, raws: list[bytes]) -> set[int]:
        """Which events have a value that is not certainly allowed, or a key too many."""
        unsure: set[int] = set()
        if not raws:
            return unsure
        if not _are_plain(events.event_id):
            unsure.update(_where(is_odd_id, events.event_id))
        odd = set(filter(is_odd_id, set(events.trace_id)))
        if odd:
            unsure.update(_where(odd.__contains__, events.trace_id))
        if min(events.timestamp) < MIN_INSTANT or max(events.timestamp) > MAX_INSTANT:
            unsure.update(_where(_is_no_instant, events.timestamp))
        if not _are_flat_objects(events.data):
            unsure.update(_where(_is_odd_data, events.data))
        if sum(map(len, raws)) > self._most:
            unsure.update(_where(self._most.__lt__, map(len, raws)))
        for event_type in self._standard.keys() & set(events.event_type):
            unsure.update(self._not_standard(event_type, events))
        unsure.update(_with_foreign_keys(given, raws))
        return unsure

    def _not_standard(self, event_type: str, events: EventColumns) -> Iterable[int]:
        decoder = self._standard[event_type]
        pairs = zip(events.event_type, events.data, strict=True)
        data = "\n".join([text for name, text in pairs if name == event_type])
        if _decodes(decoder.decode_lines, data):
            return ()
        places = _where(event_type.__eq__, events.event_type)
        return (place for place in places if not _decodes(decoder.decode, events.data[place]))


class _Given:
    """What the lines of events say, as columns: UNSET where one says nothing, None where it says null."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = columns
        self._absent = {name: list(filterfalse(None, column)) for name, column in columns.items()}

    @classmethod
    def of(cls, lines: list[_Line]) -> _Given:
        """The columns of decoded lines."""
        return cls(
            {
                "kind": [line.kind for line in lines],
                "event_id": [line.event_id for line in lines],
                "trace_id": [line.trace_id for line in lines],
                "event_type": [line.event_type for line in lines],
                "level": [line.level for line in lines],
                "message": [line.message for line in lines],
                "data": _data_texts(lines),
                "timestamp": [line.timestamp for line in lines],
                "duration_ms": [line.duration_ms for line in lines],
                "parent_event_id": [line.parent_event_id for line in lines],
                "source": [line.source for line in lines],
            }
        )

    def row(self, at: int) -> _Given:
        """The columns of one event alone."""
        return _Given({name: column[at : at + 1] for name, column in self.columns.items()})

    @property
    def gives_ids(self) -> bool:
        """True when any event brings its own id."""
        return len(self._absent["event_id"]) < len(self.columns["event_id"])

    def filled(self, name: str, default: Callable[[], str | None]) -> list[Any]:
        """A column with the default in the place of what is absent."""
        column = self.columns[name]
        if not self._absent[name]:
            return column
        return [default() if one is UNSET or one is None else one for one in column]

    def explain_quotes_of(self, raws: list[bytes]) -> bool:
        """True when the lines have no quotes but those of the keys and texts that were found in them.

        Two a key and two a text, those inside `data`, and those inside other texts that are not written by
        their number. Then none are left for a key that stands twice, however it is spelled, nor for one
        that events do not have.
        """
        text = b"".join(raws)
        data = "".join([one for one in self.columns["data"] if one])
        known = data.count('"')
        for name, absent in self._absent.items():
            keys = len(raws) - absent.count(UNSET)
            texts = 0 if name in _NO_TEXTS else keys - absent.count(None)
            known += 2 * (keys + texts)
        others = text.count(b'"') - known
        if others == 0:
            return True
        by_number = text.count(_QUOTE_BY_NUMBER.encode()) - data.count(_QUOTE_BY_NUMBER)
        columns = (column for name, column in self.columns.items() if name not in _NO_TEXTS)
        inside = sum(one.count('"') for column in columns for one in column if isinstance(one, str))
        return others + by_number == inside


def _data_texts(lines: list[_Line]) -> list[Any]:
    texts: list[Any] = [str(line.data, "utf-8") if line.data else UNSET for line in lines]
    return [None if text == "null" else text for text in texts] if "null" in texts else texts


def _are_objects(raws: list[bytes]) -> bool:
    """True when each line break stands between two objects.

    No string holds one, so each line begins a value: when there are as many values as lines, each is one.
    """
    if set(map(_first, raws)) != {b"{"}:
        return False
    return set(map(_before_break, raws)) == {b"}"} or all(raw.rstrip(b"\r\n").endswith(b"}") for raw in raws)


def _with_foreign_keys(given: _Given, raws: list[bytes]) -> Iterable[int]:
    """Which events may have a key twice at the top level, or one that events do not have.

    msgspec says nothing of the first, and was told to say nothing of the second.
    """
    if given.explain_quotes_of(raws):
        return ()
    return (at for at, raw in enumerate(raws) if not given.row(at).explain_quotes_of([raw]))


def _nothing() -> None:
    return None


def _without(places: Iterable[int], *columns: list[Any]) -> tuple[list[Any], ...]:
    """The columns without the values at some places."""
    kept = [True] * len(columns[0])
    for place in places:
        kept[place] = False
    return tuple(list(compress(column, kept)) for column in columns)


def _where(test: Callable[[Any], bool], values: Iterable[Any]) -> Iterator[int]:
    return (place for place, value in enumerate(values) if test(value))


def _are_plain(ids: list[str]) -> bool:
    return _is_printable("".join(ids)) and _NOT_FIRST.isdisjoint(map(_first, ids))


def _is_printable(text: str) -> bool:
    if text.isascii():  # five times as fast as to ask each character
        return not text.encode().translate(None, _PRINTABLE)
    return text.isprintable()


def is_odd_id(value: str) -> bool:
    """True for a text that is perhaps no id."""
    return not value.isprintable() or value[:1] in _NOT_FIRST


def microseconds(moment: datetime) -> int:
    """An instant in microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def _is_no_instant(value: int) -> bool:
    return not MIN_INSTANT <= value <= MAX_INSTANT


def _are_flat_objects(data: list[str]) -> bool:
    return (
        set(map(_first, data)) == {"{"} and max(map(len, data)) <= 2 * MAX_DEPTH and "\r" not in "".join(data)
    )


def _is_odd_data(text: str) -> bool:
    """True for what is no object, may be too deep, or has a line break, which becomes a space."""
    deep = len(text) > 2 * MAX_DEPTH and text.count("[") + text.count("{") > MAX_DEPTH
    return deep or text[0] != "{" or "\r" in text


def _decodes(decode: Callable[[str], Any], text: str) -> bool:
    try:
        decode(text)
    except DOUBTS:
        return False
    return True
