"""OTLP/JSON: the lines of request bodies, one a line.

Each record is read by itself, so that a bad one spoils no other. Members are called as the specification
has it; bodies in snake_case, or with the older names of scopes, are renamed first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import chain
from typing import Annotated, Any

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.decoding.translating import Translated
from mplp_trace_cli.interchange.otlp.ids import hex_id
from mplp_trace_cli.interchange.otlp.reading_records import (
    KnownAttributes,
    Records,
    exception_message,
)
from mplp_trace_cli.interchange.otlp.records import (
    NO_ATTRIBUTES,
    Attributes,
    Home,
    Link,
    Log,
    Span,
    SpanEvent,
    resource_of,
    scope_of,
    span_rest,
)
from mplp_trace_cli.interchange.otlp.simple_attributes import JsonMembers
from mplp_trace_cli.interchange.otlp.values import integer, pairs_of, plain_value, quoted, text

REQUESTS = ("resourceSpans", "resourceLogs", "resourceMetrics")
"""The members that make an object a request body."""
_FAULTS = (msgspec.DecodeError, InvalidInput, UnicodeError, RecursionError, OverflowError)
_ABSENT = msgspec.Raw()
_OLD_NAME = re.compile(
    rb'"(?:resource|scope|instrumentation_library)_(?:spans|logs|metrics)"|"[a-z_]+_unix_nano"'
    rb'|"(?:trace|span)_id"\s*:|"(?:string|int|bool|double|array|kvlist|bytes)_value"'
    rb'|"instrumentationLibrary'
)
_MARK_OF_OLD_NAMES = re.compile(rb'_(?:spans|logs|metrics|unix_nano|id|value)"\s*:')
_OLDEST_NAME = b'"instrumentationLibrary'
"""One of these two is in every line that the pattern above is in; they are found much sooner."""
_NAME = re.compile(r"_([a-z])")
_HOMES_KEPT = 1_000

Raws = list[msgspec.Raw] | None
Count = Annotated[int, msgspec.Meta(ge=0)]
Int = Count | None
Text = str | None


class _Body(msgspec.Struct, rename="camel", gc=False):
    resource_spans: Raws = None
    resource_logs: Raws = None
    resource_metrics: Raws = None


class _Element(msgspec.Struct, rename="camel", gc=False):
    resource: msgspec.Raw = _ABSENT
    schema_url: Text = None
    scope_spans: Raws = None
    scope_logs: Raws = None
    scope_metrics: Raws = None


class _Scope(msgspec.Struct, rename="camel", gc=False):
    scope: msgspec.Raw = _ABSENT
    schema_url: Text = None
    spans: Raws = None
    log_records: Raws = None
    metrics: Raws = None


class _Event(msgspec.Struct, rename="camel", gc=False):
    time_unix_nano: Int = None
    name: Text = None
    attributes: Raws = None
    dropped_attributes_count: Int = None


class _Link(msgspec.Struct, rename="camel", gc=False):
    trace_id: Text = None
    span_id: Text = None
    trace_state: Text = None
    attributes: Raws = None
    dropped_attributes_count: Int = None
    flags: Int = None


class _Status(msgspec.Struct, gc=False):
    code: int | str | None = None
    message: Text = None


class _Span(msgspec.Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    trace_id: Text = None
    span_id: Text = None
    trace_state: Text = None
    parent_span_id: Text = None
    flags: Int = None
    name: Text = None
    kind: int | str | None = None
    start_time_unix_nano: Int = None
    end_time_unix_nano: Int = None
    attributes: Raws = None
    dropped_attributes_count: Int = None
    events: list[_Event] | None = None
    dropped_events_count: Int = None
    links: list[_Link] | None = None
    dropped_links_count: Int = None
    status: _Status | None = None


class _Log(msgspec.Struct, rename="camel", gc=False, forbid_unknown_fields=True):
    time_unix_nano: Int = None
    observed_time_unix_nano: Int = None
    severity_number: int | str | None = None
    severity_text: Text = None
    body: msgspec.Raw = _ABSENT
    attributes: Raws = None
    dropped_attributes_count: Int = None
    flags: Int = None
    trace_id: Text = None
    span_id: Text = None
    event_name: Text = None


class _WholeScope(msgspec.Struct, rename="camel", gc=False):
    scope: msgspec.Raw = _ABSENT
    schema_url: Text = None
    spans: list[_Span] | None = None
    log_records: list[_Log] | None = None
    metrics: Raws = None


class _WholeElement(msgspec.Struct, rename="camel", gc=False):
    resource: msgspec.Raw = _ABSENT
    schema_url: Text = None
    scope_spans: list[_WholeScope] | None = None
    scope_logs: list[_WholeScope] | None = None
    scope_metrics: list[_WholeScope] | None = None


class _WholeBody(msgspec.Struct, rename="camel", gc=False):
    resource_spans: list[_WholeElement] | None = None
    resource_logs: list[_WholeElement] | None = None
    resource_metrics: list[_WholeElement] | None = None


_decode = msgspec.json.decode
_whole_body = msgspec.json.Decoder(_WholeBody, strict=False).decode
_body = msgspec.json.Decoder(_Body).decode
_element = msgspec.json.Decoder(_Element).decode
_scope = msgspec.json.Decoder(_Scope).decode
_read_span = msgspec.json.Decoder(_Span, strict=False).decode
_read_log = msgspec.json.Decoder(_Log, strict=False).decode
_SPAN_NAMES = frozenset(field.encode_name for field in msgspec.structs.fields(_Span))
_LOG_NAMES = frozenset(field.encode_name for field in msgspec.structs.fields(_Log))


class JsonTranslator:
    """Turns lines, each a request body, into lines of ours."""

    @cached_property
    def _reader(self) -> _Reader:
        return _Reader()

    def translate(self, piece: bytes, /) -> Translated:
        """The lines of bodies; what is none, in whole or in part, is a fault."""
        found = Records()
        for line in piece.split(b"\n"):
            if line.strip():
                self._reader.body(line, found)
        return found.translated()


class _Reader:
    """Reads bodies, and remembers what is likely to come again."""

    def __init__(self) -> None:
        self._attributes = KnownAttributes(_pair, JsonMembers().member).attributes
        self._homes: dict[tuple[bytes, str, bytes, str], Home] = {}

    def body(self, line: bytes, found: Records) -> None:
        """Adds the lines of a body."""
        before = len(found)
        is_old = _has_old_names(line)
        try:
            if not is_old and self._whole(_whole_body(line), found):
                return
        except _FAULTS:
            found.cut(before)
        self._parts(line, found, is_old=is_old)

    def _whole(self, body: _WholeBody, found: Records) -> bool:
        """Adds the lines of a body that was read at once; False when it has none of the lists."""
        lists = (body.resource_spans, body.resource_logs, body.resource_metrics)
        for element in chain.from_iterable(filter(None, lists)):
            around = bytes(element.resource), element.schema_url or ""
            resource_of(_object(around[0]))
            scopes = (element.scope_spans, element.scope_logs, element.scope_metrics)
            for scope in chain.from_iterable(filter(None, scopes)):
                home = self._home((*around, bytes(scope.scope), scope.schema_url or ""))
                for span in scope.spans or ():
                    self._span(span, "", home, found)
                for log in scope.log_records or ():
                    self._log(log, "", home, found)
                for metric in scope.metrics or ():
                    _metric(metric, home, found)
        return any(one is not None for one in lists)

    def _parts(self, line: bytes, found: Records, *, is_old: bool) -> None:
        """Adds the lines of a body that is faulty somewhere: part by part, so that the rest is not lost."""
        try:
            lists = _lists_of(_renamed(line) if is_old else line)
        except _FAULTS as fault:
            found.fault(line, _reason(fault))
            return
        for elements in lists:
            for raw in elements or ():
                self._element(bytes(raw), found)

    def _element(self, raw: bytes, found: Records) -> None:
        try:
            element = _element(raw)
            resource = bytes(element.resource)
            resource_of(_object(resource))
        except _FAULTS as fault:
            found.fault(raw, _reason(fault))
            return
        around = resource, element.schema_url or ""
        for scopes in (element.scope_spans, element.scope_logs, element.scope_metrics):
            for one in scopes or ():
                self._scope(bytes(one), around, found)

    def _scope(self, raw: bytes, around: tuple[bytes, str], found: Records) -> None:
        try:
            scope = _scope(raw)
            home = self._home((*around, bytes(scope.scope), scope.schema_url or ""))
        except _FAULTS as fault:
            found.fault(raw, _reason(fault))
            return
        for read, raws in (
            (self._raw_span, scope.spans),
            (self._raw_log, scope.log_records),
            (_metric, scope.metrics),
        ):
            for record in raws or ():
                try:
                    read(record, home, found)
                except _FAULTS as fault:
                    found.fault(bytes(record), _reason(fault))

    def _home(self, around: tuple[bytes, str, bytes, str]) -> Home:
        home = self._homes.get(around)
        if home is None:
            if len(self._homes) >= _HOMES_KEPT:
                self._homes.clear()
            home = self._homes[around] = _home(*around)
        return home.begin()

    def _raw_span(self, raw: msgspec.Raw, home: Home, found: Records) -> None:
        self._span(*_known(_read_span, _SPAN_NAMES, raw), home, found)

    def _raw_log(self, raw: msgspec.Raw, home: Home, found: Records) -> None:
        self._log(*_known(_read_log, _LOG_NAMES, raw), home, found)

    def _span(self, one: _Span, unknown: str, home: Home, found: Records) -> None:
        events, status = one.events, one.status
        span = Span(
            _id(one.trace_id),
            _id(one.span_id),
            _id(one.parent_span_id),
            one.name or "",
            _number(one.kind, _KINDS),
            _ns(one.start_time_unix_nano),
            _ns(one.end_time_unix_nano),
            self._attributes_of(one.attributes),
            0 if status is None else _number(status.code, _CODES),
            "" if status is None else status.message or "",
            self._rest(one, unknown),
        )
        made = home.span(span)
        rows = (
            home.span_events(span, map(self._event, events)) if events else ()
        )  # a fault is one of all of it
        found.add(made)
        found.add_rows(rows)

    def _rest(self, one: _Span, unknown: str) -> str:
        flags, state, links = one.flags or 0, one.trace_state or "", one.links or ()
        dropped = (
            one.dropped_attributes_count or 0,
            one.dropped_events_count or 0,
            one.dropped_links_count or 0,
        )
        if not state and not links and not unknown and dropped == (0, 0, 0):
            return f',"flags":{flags}' if flags else ""
        found = [self._link(link) for link in links]
        return span_rest(trace_state=state, flags=flags, links=found, dropped=dropped, unknown=unknown)

    def _link(self, link: _Link) -> Link:
        return Link(
            _id(link.trace_id),
            _id(link.span_id),
            link.trace_state or "",
            self._attributes_of(link.attributes),
            link.flags or 0,
            link.dropped_attributes_count or 0,
        )

    def _event(self, event: _Event) -> SpanEvent:
        name, attributes = event.name or "", self._attributes_of(event.attributes)
        message = exception_message(name, attributes)
        dropped = event.dropped_attributes_count or 0
        return SpanEvent(name, _ns(event.time_unix_nano), attributes, dropped, message)

    def _log(self, one: _Log, unknown: str, home: Home, found: Records) -> None:
        body, message = _body_of(bytes(one.body))
        found.add(
            home.log(
                Log(
                    _id(one.trace_id),
                    _id(one.span_id),
                    _ns(one.time_unix_nano),
                    _ns(one.observed_time_unix_nano),
                    _number(one.severity_number, _SEVERITIES),
                    one.severity_text or "",
                    body,
                    message,
                    one.event_name or "",
                    self._attributes_of(one.attributes),
                    one.flags or 0,
                    one.dropped_attributes_count or 0,
                    unknown,
                )
            )
        )

    def _attributes_of(self, raws: Raws) -> Attributes:
        return self._attributes(list(map(bytes, raws))) if raws else NO_ATTRIBUTES


def _home(resource: bytes, resource_schema: str, scope: bytes, scope_schema: str) -> Home:
    return Home(resource_of(_object(resource), resource_schema), scope_of(_object(scope), scope_schema))


def _lists_of(line: bytes) -> tuple[Raws, ...]:
    """The lists of a body; raises InvalidInput when it has none of them, though it has something."""
    body = _body(line)
    lists = (body.resource_spans, body.resource_logs, body.resource_metrics)
    if lists == (None, None, None) and (said := _object(line)) and said.keys().isdisjoint(REQUESTS):
        raise InvalidInput(f"none of {', '.join(REQUESTS)}")
    return lists


def _metric(raw: msgspec.Raw, home: Home, found: Records) -> None:
    found.points(_object(bytes(raw)), bytes(raw), home)


def _known(read: Callable[[Any], Any], names: frozenset[str], raw: msgspec.Raw) -> tuple[Any, str]:
    """A record, and the text of its members that have none of the names."""
    try:
        return read(raw), ""
    except msgspec.ValidationError:
        members = _object(bytes(raw))
        unknown = {name: members.pop(name) for name in [*members] if name not in names}
        if not unknown:
            raise
    return read(msgspec.json.encode(members)), text(unknown)[1:-1]


def _object(raw: bytes) -> dict[str, Any]:
    found = _decode(raw) if raw else {}
    if not isinstance(found, dict | None):
        raise InvalidInput("must be an object")
    return found or {}


def _pair(raw: bytes) -> tuple[str, Any]:
    return pairs_of([_decode(raw)])[0]


def _body_of(raw: bytes) -> tuple[str, str | None]:
    """The JSON text of a body and, where it is text, itself; an empty one when there is none."""
    if raw in (b"", b"null"):
        return "", None
    body = plain_value(_decode(raw))
    return (quoted(body), body) if isinstance(body, str) else (text(body), None)


def _id(value: str | None) -> str:
    return hex_id(value) if value else ""


def _ns(value: int | None) -> int:
    """An instant, 0 for none; raises InvalidInput for one of more than 64 bits."""
    return integer(value) if value and value >> 63 else value or 0


def _number(value: int | str | None, names: Mapping[str, int]) -> int:
    """An enum, which may be given as its number or its name."""
    if not isinstance(value, str):
        return value or 0
    found = names.get(value)
    return integer(value) if found is None else found


def _has_old_names(line: bytes) -> bool:
    is_likely = _MARK_OF_OLD_NAMES.search(line) is not None or _OLDEST_NAME in line
    return is_likely and _OLD_NAME.search(line) is not None


def _renamed(line: bytes) -> bytes:
    return msgspec.json.encode(_with_names(_decode(line)))


def _with_names(value: Any) -> Any:
    """The same with every member under its name of today: all keys of OTLP/JSON are names of the protocol."""
    if isinstance(value, list):
        return [_with_names(one) for one in value]
    if isinstance(value, dict):
        return {_name_of(key): _with_names(one) for key, one in value.items()}
    return value


def _name_of(name: str) -> str:
    if "_" in name:
        name = _NAME.sub(lambda match: match[1].upper(), name)
    return name.replace("instrumentationLibrary", "scope")


def _reason(fault: Exception) -> str:
    if isinstance(fault, RecursionError):
        return "nested too deeply"
    return fault.message if isinstance(fault, InvalidInput) else str(fault)


_KINDS = {
    f"SPAN_KIND_{name}": number
    for number, name in enumerate(("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"))
}
_CODES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_SEVERITIES = {
    f"SEVERITY_NUMBER_{name}{number or ''}": first + max(0, number - 1)
    for first, name in zip(range(1, 25, 4), ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"), strict=True)
    for number in (0, 2, 3, 4)
}
