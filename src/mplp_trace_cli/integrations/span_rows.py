"""Spans of the OpenTelemetry SDK as events: one of each span, and one of each of its span events.

What has no column goes into `data`: the attributes at its top level, all else into its member "otlp".
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from mplp_trace_cli.config import PARENT_VARIABLE, TRACE_VARIABLE
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.ids import is_id
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, dumps
from mplp_trace_cli.domain.times import MAX_INSTANT, MIN_INSTANT, checked_instant, format_instant
from mplp_trace_cli.domain.w3c import TraceParent, parse_traceparent
from mplp_trace_cli.interchange.otlp.values import OTLP, are_odd, plain_attributes, plain_python

ROOT, REMOTE, INNER = range(3)
"""How near to the root a span is: it has no parent, one of another process, or one of this process."""

Attributes = Mapping[str, Any]
Cells = list[Any]
"""The values of an EventRow."""

_LOCAL_FLAGS, _REMOTE_FLAGS = 0x100, 0x300
"""Flags of OTLP: it is known whether the other span is of another process, and it is not; it is."""
_DROPPED = ("dropped_attributes_count", "dropped_events_count", "dropped_links_count")
_MOST_CACHED = 1_000
_DATA, _TIMESTAMP = EventRow._fields.index("data"), EventRow._fields.index("timestamp")
_KINDS = {kind.value: kind.name.lower() for kind in SpanKind}
_CERTAIN = frozenset((str, bool, int))
_encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Surroundings(NamedTuple):
    """The trace around this process, as the environment tells of it."""

    parent: TraceParent | None = None
    """The span of another process that is the parent of what this one does."""
    trace_id: str | None = None
    """The trace of ours that the spans of that parent's trace belong to."""
    event_id: str | None = None
    """The event below which the children of that parent hang."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Surroundings:
        """What the variables of the W3C and of `mplp-trace run` and `step` say."""
        parent = parse_traceparent(environment.get("TRACEPARENT"))
        trace_id = environment.get(TRACE_VARIABLE, "")
        known = parent is not None and is_id(trace_id)
        return cls(parent, trace_id if known else None, environment.get(PARENT_VARIABLE) or None)

    def is_around(self, trace_id: str) -> bool:
        """True for the trace that goes on after this process, with that id of ours or of the W3C."""
        return self.parent is not None and trace_id in (self.trace_id, self.parent.trace_id)


class SpanRow(NamedTuple):
    """What a trace is to know of one of its spans; instants are microseconds since 1970."""

    trace_id: str
    nearness: int
    started_at: int
    ended_at: int
    """When the last of its events was, its own end included."""
    name: str
    source: str | None
    failed: bool


class Rejected(NamedTuple):
    """An event that cannot be recorded: its line, and why."""

    line: bytes
    reason: str


class _Shared(NamedTuple):
    """What the events of one resource and scope have in common."""

    source: str | None
    members: dict[str, msgspec.Raw]


class SpanReader:
    """Reads spans as events; remembers the texts of resources and scopes, which many spans share."""

    def __init__(self, max_event_bytes: int, around: Surroundings | None = None) -> None:
        self.around = Surroundings.of(os.environ) if around is None else around
        self._bodies: list[str] = []
        self._rejects: list[Rejected] = []
        self._most = max_event_bytes
        self._shared: dict[tuple[int, int], tuple[object, object, _Shared]] = {}

    def take(self) -> tuple[list[str], list[Rejected]]:
        """The events read since the last time, each an EventRow as a JSON array, and the rejects."""
        taken = self._bodies, self._rejects
        self._bodies, self._rejects = [], []
        return taken

    def read(self, span: ReadableSpan) -> SpanRow:
        """Reads a span and its events."""
        shared = self._shared_by(span.resource, span.instrumentation_scope)
        otlp = _about_span(span)
        cells = self._cells(span, otlp, shared.source)
        otlp.update(shared.members)
        self._add(cells, span.attributes, otlp)
        span_id, trace_id, name, level, _, _, last, duration_ms, *_ = cells
        started_at = last - int((duration_ms or 0) * 1_000 + 0.5)  # as an import derives the start of a trace
        for number, event in enumerate(span.events):
            about = _about_event(event)
            about.update(shared.members)
            own = [f"{span_id}.{number}", trace_id, *_event_cells(event), span_id, shared.source]
            self._add(own, event.attributes, about)
            last = max(last, event.timestamp // 1_000)
        failed = level == "error"
        return SpanRow(trace_id, _nearness(span.parent), started_at, last, name, shared.source, failed)

    # -- the columns -------------------------------------------------------------------------------

    def _cells(self, span: ReadableSpan, otlp: dict[str, Any], source: str | None) -> Cells:
        context, status, end = span.context, span.status, span.end_time or 0
        start = span.start_time or end or time.time_ns()
        trace_id, parent = self._place(f"{context.trace_id:032x}", span.parent, otlp)
        return [
            f"{context.span_id:016x}",
            trace_id,
            span.name or "span",
            "error" if status.status_code is StatusCode.ERROR else "info",
            status.description or None,
            EMPTY_OBJECT,
            (end or start) // 1_000,
            (end - start) / 1e6 if span.start_time and end >= start else None,
            parent,
            source,
        ]

    def _place(
        self, trace_id: str, parent: SpanContext | None, otlp: dict[str, Any]
    ) -> tuple[str, str | None]:
        """The trace and parent of a span; in the trace around this process, by our ids."""
        parent_id = None if parent is None else f"{parent.span_id:016x}"
        outer = self.around.parent
        if outer is None or self.around.trace_id is None or outer.trace_id != trace_id:
            return trace_id, parent_id
        if self.around.trace_id != trace_id:
            otlp["trace_id"] = trace_id
        if parent_id == outer.span_id and self.around.event_id is not None:
            otlp["parent"] = parent_id
            return self.around.trace_id, self.around.event_id
        return self.around.trace_id, parent_id

    # -- an event ----------------------------------------------------------------------------------

    def _add(self, cells: Cells, attributes: Attributes | None, otlp: dict[str, Any]) -> None:
        try:
            cells[_DATA] = _data_text(attributes, otlp)
            self._bodies.append(self._body(cells))
        except InvalidInput as fault:
            self._rejects.append(Rejected(_line(EventRow(*cells)), fault.message))

    def _body(self, cells: Cells) -> str:
        if not 0 <= cells[_TIMESTAMP] <= MAX_INSTANT:
            checked_instant(cells[_TIMESTAMP], "timestamp: the number")
        try:
            body = _encode(cells)
        except UnicodeEncodeError:
            raise InvalidInput(f"{_not_utf8(EventRow(*cells))}: has a lone surrogate") from None
        if len(body) > self._most:
            self._check_size(cells)
        return body.decode()

    def _check_size(self, cells: Cells) -> None:
        size = sum(len(text.encode()) for text in cells if isinstance(text, str))
        if size > self._most:
            raise InvalidInput(f"event: {size:,} bytes of text, more than the {self._most:,} allowed")

    # -- what many spans share ---------------------------------------------------------------------

    def _shared_by(self, resource: Resource, scope: InstrumentationScope | None) -> _Shared:
        key = id(resource), id(scope)
        known = self._shared.get(key)
        if known is None:
            if len(self._shared) >= _MOST_CACHED:
                self._shared.clear()
            # The objects are kept with it, so that their ids stay their own.
            known = self._shared[key] = resource, scope, _read_shared(resource, scope)
        return known[2]


def _read_shared(resource: Resource, scope: InstrumentationScope | None) -> _Shared:
    attributes = plain_of(resource.attributes)
    members = {"resource": _said({"attributes": attributes, "schema_url": resource.schema_url})}
    if scope is not None:
        about = {"name": scope.name, "version": scope.version, "attributes": plain_of(scope.attributes)}
        members["scope"] = _said({**about, "schema_url": scope.schema_url})
    name = resource.attributes.get(SERVICE_NAME)
    texts = {key: msgspec.Raw(dumps(value, key).encode()) for key, value in members.items() if value}
    return _Shared(name if name and isinstance(name, str) else None, texts)


def _said(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that say something: OTLP leaves out what is empty."""
    return {name: value for name, value in members.items() if value}


def _nearness(parent: SpanContext | None) -> int:
    if parent is None:
        return ROOT
    return REMOTE if parent.is_remote else INNER


def _event_cells(event: Event) -> Cells:
    """The columns of a span event from its type to its duration."""
    message = (event.attributes or {}).get("exception.message")
    level = "error" if event.name == "exception" else "info"
    said = message if isinstance(message, str) else None
    return [event.name or "event", level, said, EMPTY_OBJECT, event.timestamp // 1_000, None]


# -- what has no column ------------------------------------------------------------------------------


def _about_span(span: ReadableSpan) -> dict[str, Any]:
    parent, status, links = span.parent, span.status, span.links
    told: dict[str, Any] = {
        "signal": "span",
        "kind": _KINDS[span.kind.value],
        "start_ns": span.start_time,
        "end_ns": span.end_time,
    }
    if status.status_code is not StatusCode.UNSET or status.description:
        told["status"] = _about_status(status)
    if not (span.start_time and span.end_time and span.name):
        _tell_missing(span, told)
    if span.context.trace_state:
        told["trace_state"] = _state_text(span.context)
    told["flags"] = _REMOTE_FLAGS if parent is not None and parent.is_remote else _LOCAL_FLAGS
    if links:
        told["links"] = [_about_link(link) for link in links]
    dropped = span.dropped_attributes, span.dropped_events, span.dropped_links
    if any(dropped):
        told |= _said(dict(zip(_DROPPED, dropped, strict=True)))
    return told


def _tell_missing(span: ReadableSpan, told: dict[str, Any]) -> None:
    """Of a span without a time or a name: what is not there is not told, but for an empty name."""
    for name in ("start_ns", "end_ns"):
        if not told[name]:
            del told[name]
    if not span.name:
        told["name"] = ""


def _about_status(status: Status) -> dict[str, Any]:
    code = "" if status.status_code is StatusCode.UNSET else status.status_code.name.lower()
    return _said({"code": code, "message": status.description})


def _about_event(event: Event) -> dict[str, Any]:
    told = {"signal": "event", "time_ns": event.timestamp}
    if not event.name:
        told["name"] = ""
    if event.dropped_attributes:
        told["dropped_attributes_count"] = event.dropped_attributes
    return told


def _about_link(link: Link) -> dict[str, Any]:
    context = link.context
    told = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    more = {
        "trace_state": _state_text(context),
        "attributes": plain_of(link.attributes),
        "flags": _REMOTE_FLAGS if context.is_remote else _LOCAL_FLAGS,
        "dropped_attributes_count": link.dropped_attributes,
    }
    return told | _said(more)


def _state_text(context: SpanContext) -> str:
    return ",".join(f"{key}={value}" for key, value in context.trace_state.items())


def plain_of(attributes: Attributes | None) -> dict[str, Any] | list[Any]:
    """Attributes as plain JSON; a list of KeyValue of OTLP/JSON where an object cannot hold their keys."""
    return plain_attributes([(str(key), plain_python(one)) for key, one in (attributes or {}).items()])


def _data_text(attributes: Attributes | None, otlp: dict[str, Any]) -> str:
    """The data of an event; raises InvalidInput for what is no JSON."""
    data = {} if attributes is None else _dict_of(attributes)
    if is_certain(data.values()) and not are_odd(data, len(data)):
        data[OTLP] = otlp
        try:
            return _encode(data).decode()
        except (UnicodeEncodeError, OverflowError):
            pass  # lone surrogates and integers of more than 64 bits: the other way writes them
    return _careful_text(attributes, otlp)


def _dict_of(attributes: Attributes) -> dict[str, Any]:
    """A dict of its own; the mappings of the SDK copy theirs many times as fast as `dict` reads them."""
    copied = attributes.copy() if hasattr(attributes, "copy") else None
    return copied if type(copied) is dict else dict(attributes)


def is_certain(values: Iterable[Any]) -> bool:
    """True when JSON says them all as they are, which of most attributes shows at a glance."""
    for value in values:
        kind = type(value)
        if kind in _CERTAIN or (kind is float and math.isfinite(value)):
            continue
        if kind is not tuple or not all(type(one) in _CERTAIN for one in value):
            return False
    return True


def _careful_text(attributes: Attributes | None, otlp: dict[str, Any]) -> str:
    try:
        plain = plain_of(attributes)
        about = {
            key: json.loads(bytes(one)) if isinstance(one, msgspec.Raw) else one for key, one in otlp.items()
        }
    except RecursionError:
        raise InvalidInput("data: nested too deep") from None
    if isinstance(plain, list):
        home = {key: about.pop(key) for key in ("resource", "scope") if key in about}
        return dumps({OTLP: about | {"attributes": plain} | home}, "data")
    return dumps(plain | {OTLP: about}, "data")


# -- what cannot be recorded ---------------------------------------------------------------------------


def _not_utf8(row: EventRow) -> str:
    texts = ((name, text) for name, text in row._asdict().items() if isinstance(text, str))
    return next(name for name, text in texts if has_surrogate(text))


def _line(row: EventRow) -> bytes:
    """An event as the line that would record it; without data where that is no JSON."""
    fields = {name: value for name, value in row._asdict().items() if value is not None and name != "data"}
    if MIN_INSTANT <= row.timestamp <= MAX_INSTANT:
        fields["timestamp"] = format_instant(row.timestamp)
    line = json.dumps(fields, separators=(",", ":"))
    return f'{line[:-1]},"data":{row.data or EMPTY_OBJECT}}}'.encode()
