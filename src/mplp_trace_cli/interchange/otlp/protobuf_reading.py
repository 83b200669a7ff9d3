"""Request bodies in protobuf, alone or framed by their lengths: pieces, and their records.

Needs the packages of the extra `otlp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.decoding.translating import Translated
from mplp_trace_cli.interchange.otlp.plain_spans import PlainSpans
from mplp_trace_cli.interchange.otlp.protobuf_messages import ELEMENTS, Request
from mplp_trace_cli.interchange.otlp.reading_records import (
    KnownAttributes,
    Records,
    exception_message,
)
from mplp_trace_cli.interchange.otlp.records import (
    Home,
    Link,
    Log,
    Span,
    SpanEvent,
    resource_of,
    scope_of,
    span_rest,
)
from mplp_trace_cli.interchange.otlp.simple_attributes import ProtobufMembers
from mplp_trace_cli.interchange.otlp.values import plain_message, quoted, text
from mplp_trace_cli.interchange.otlp.wire import LOGS, METRICS, SPANS, WireFault, broken, signal_of

_HOMES_KEPT = 1_000
_STATUSES_KEPT = 10_000


class ProtobufTranslator:
    """Turns request bodies into lines; `name` is the file's, for what is said of a broken one."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def _reader(self) -> _Reader:
        return _Reader()

    def translate(self, piece: bytes, /) -> Translated:
        """The lines of a body; raises BrokenFile."""
        found = Records()
        try:
            for element in Request.FromString(piece).elements:
                self._reader.element(element, found)
        except (DecodeError, WireFault) as fault:
            raise broken(self.name, str(fault)) from None
        return found.translated()


class _Reader:
    """Reads elements, and remembers what is likely to come again."""

    def __init__(self) -> None:
        self._known = KnownAttributes(_pair, ProtobufMembers().member)
        self._attributes = self._known.attributes
        self._homes: dict[tuple[bytes, str, bytes, str], Home] = {}
        self._statuses: dict[bytes, tuple[int, str]] = {}
        self._plain = PlainSpans(self._known.members, self._status)

    def element(self, raw: bytes, found: Records) -> None:
        """Adds the lines of an element of a request."""
        signal = signal_of(memoryview(raw))
        if signal is None:
            return
        read = {SPANS: self._spans, LOGS: self._logs, METRICS: self._metrics}[signal]
        element = ELEMENTS[signal].FromString(raw)
        around = element.resource, element.schema_url
        for scope in element.scopes:
            read(scope.records, self._home((*around, scope.scope, scope.schema_url)), found)

    def _home(self, around: tuple[bytes, str, bytes, str]) -> Home:
        home = self._homes.get(around)
        if home is None:
            if len(self._homes) >= _HOMES_KEPT:
                self._homes.clear()
            home = self._homes[around] = _home(*around)
        home.begin()
        return home

    def _spans(self, spans: Iterable[Any], home: Home, found: Records) -> None:
        for one in spans:
            try:
                row = None if home.is_own else self._plain.row(one, home)
                if row is None:
                    self._whole(one, home, found)
                    continue
                if events := one.events:
                    told = self._events(events)  # a fault in them is one of all of it
                    rows = home.events_of(row[0], row[1], one.start_time_unix_nano, told)
                    found.add_rows((row, *rows))
                else:
                    found.add_row(row)
            except (InvalidInput, DecodeError) as fault:
                found.fault(one.SerializeToString(), str(fault))

    def _whole(self, one: Any, home: Home, found: Records) -> None:
        span = self._span(one)
        made = home.span(span)
        rows = home.span_events(span, self._events(one.events)) if one.events else ()
        found.add(made)
        found.add_rows(rows)

    def _span(self, one: Any) -> Span:
        status = one.status
        code, message = self._status(status) if status else (0, "")
        return Span(
            one.trace_id.hex(),
            one.span_id.hex(),
            one.parent_span_id.hex(),
            one.name,
            one.kind,
            one.start_time_unix_nano,
            one.end_time_unix_nano,
            self._attributes(one.attributes[:]),
            code,
            message,
            self._rest(one),
        )

    def _rest(self, one: Any) -> str:
        flags, state, links = one.flags, one.trace_state, one.links
        dropped = (one.dropped_attributes_count, one.dropped_events_count, one.dropped_links_count)
        if not state and not links and dropped == (0, 0, 0):
            return f',"flags":{flags}' if flags else ""
        found = [self._link(raw) for raw in links]
        return span_rest(trace_state=state, flags=flags, links=found, dropped=dropped)

    def _link(self, raw: bytes) -> Link:
        link = SpanMessage.Link.FromString(raw)
        return Link(
            link.trace_id.hex(),
            link.span_id.hex(),
            link.trace_state,
            self._attributes([one.SerializeToString() for one in link.attributes]),
            link.flags,
            link.dropped_attributes_count,
        )

    def _status(self, raw: bytes) -> tuple[int, str]:
        found = self._statuses.get(raw)
        if found is None:
            status = Status.FromString(raw)
            found = (status.code, status.message)
            if len(self._statuses) < _STATUSES_KEPT:
                self._statuses[raw] = found
        return found

    def _events(self, events: Iterable[Any]) -> list[SpanEvent]:
        return [self._event(one) for one in events]

    def _event(self, one: Any) -> SpanEvent:
        name, attributes = one.name, self._attributes(one.attributes[:])
        message = exception_message(name, attributes)
        return SpanEvent(name, one.time_unix_nano, attributes, one.dropped_attributes_count, message)

    def _logs(self, records: Iterable[Any], home: Home, found: Records) -> None:
        for one in records:
            try:
                found.add(home.log(self._log(one)))
            except (InvalidInput, DecodeError) as fault:
                found.fault(one.SerializeToString(), str(fault))

    def _log(self, one: Any) -> Log:
        body, message = _body(one.body)
        return Log(
            one.trace_id.hex(),
            one.span_id.hex(),
            one.time_unix_nano,
            one.observed_time_unix_nano,
            one.severity_number,
            one.severity_text,
            body,
            message,
            one.event_name,
            self._attributes(one.attributes[:]),
            one.flags,
            one.dropped_attributes_count,
        )

    def _metrics(self, metrics: Iterable[bytes], home: Home, found: Records) -> None:
        for raw in metrics:
            metric = MessageToDict(Metric.FromString(raw), use_integers_for_enums=True)
            found.points(metric, raw, home)


def _home(resource: bytes, resource_schema: str, scope: bytes, scope_schema: str) -> Home:
    said = MessageToDict(Resource.FromString(resource))
    inner = MessageToDict(InstrumentationScope.FromString(scope))
    return Home(resource_of(said, resource_schema), scope_of(inner, scope_schema))


def _pair(raw: bytes) -> tuple[str, Any]:
    pair = KeyValue.FromString(raw)
    return pair.key, plain_message(pair.value)


def _body(raws: Sequence[bytes]) -> tuple[str, str | None]:
    """The JSON text of a body and, where it is text, itself; an empty one when there is none."""
    if not raws:
        return "", None
    body = plain_message(AnyValue.FromString(raws[-1]))
    return (quoted(body), body) if isinstance(body, str) else (text(body), None)
