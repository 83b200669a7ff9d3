"""Spans, their events, log records and metric points as events of ours: how each finds its place.

An event's columns hold what has a column, its data the attributes at the top level and one member `otlp`
with all the rest. What a record is given as here is the same whether it came as JSON, as protobuf or from a
program; ids are lowercase hexadecimal digits, instants nanoseconds since 1970, 0 for one that is not known.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.interchange.decoding.translating import Row
from mplp_trace_cli.interchange.otlp.own import (
    KIND,
    SCOPE,
    OwnPoint,
    OwnSpan,
    own_point_line,
    own_span_line,
)
from mplp_trace_cli.interchange.otlp.points import Point
from mplp_trace_cli.interchange.otlp.values import (
    Plain,
    integer,
    pairs_of,
    plain_attributes,
    quoted,
    text,
)

OK, ERROR = 1, 2
KINDS = ("", "internal", "server", "client", "producer", "consumer")
"""What the kinds of spans are called, by their number; the first says nothing."""
is_trace_id = re.compile("(?!0{32})[0-9a-f]{32}").fullmatch
is_span_id = re.compile("(?!0{16})[0-9a-f]{16}").fullmatch
"""As in `domain.w3c`, for what is asked many times a span."""
_OWN_TYPES = {"gauge": "gauge", "sum": "counter", "histogram": "histogram"}
_STATUS = {OK: "ok", ERROR: "error"}
_LEVELS = ("info", *["debug"] * 8, *["info"] * 4, *["warn"] * 4, *["error"] * 4, *["critical"] * 4)
_WORDS = {
    "debug": ("trace", "debug", "verbose", "finest", "finer", "fine"),
    "warn": ("warn", "warning"),
    "error": ("error", "err", "severe"),
    "critical": ("critical", "crit", "fatal", "alert", "emergency", "emerg", "panic"),
}
_LEVEL_OF_WORD = {word: level for level, words in _WORDS.items() for word in words}


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """Attributes as JSON text: the members of an object or, where they cannot be, a list of KeyValue."""

    members: str = ""
    verbatim: str = ""

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, Plain]]) -> Attributes:
        """From keys and plain values."""
        found = plain_attributes(pairs)
        if isinstance(found, list):
            return cls("", text(found))
        return cls(text(found)[1:-1])

    @property
    def value_text(self) -> str:
        """The text of the object or the list."""
        return self.verbatim or f"{{{self.members}}}"

    def __bool__(self) -> bool:
        return bool(self.members or self.verbatim)


NO_ATTRIBUTES = Attributes()


class Span(msgspec.Struct, frozen=True, gc=False):
    """A span without its events. `rest` is the text of `span_rest`."""

    trace_id: str
    span_id: str
    parent: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    status: int = 0
    status_message: str = ""
    rest: str = ""


class SpanEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a span; `message` is what it says of an exception."""

    name: str
    time_ns: int
    attributes: Attributes
    dropped: int = 0
    message: str | None = None


class Link(NamedTuple):
    """A link of a span to another."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    attributes: Attributes = NO_ATTRIBUTES
    flags: int = 0
    dropped: int = 0


class Log(NamedTuple):
    """A log record; `body` is JSON text, empty when there is none."""

    trace_id: str
    span_id: str
    time_ns: int
    observed_ns: int
    severity: int
    severity_text: str
    body: str
    message: str | None
    """The body where it is text."""
    event_name: str
    attributes: Attributes
    flags: int = 0
    dropped: int = 0
    unknown: str = ""


def span_rest(
    *,
    trace_state: str = "",
    flags: int = 0,
    links: Sequence[Link] = (),
    dropped: tuple[int, int, int] = (0, 0, 0),
    unknown: str = "",
) -> str:
    """The text of the seldom members of a span; `dropped` counts attributes, events and links."""
    parts = [
        f',"trace_state":{quoted(trace_state)}' if trace_state else "",
        f',"flags":{flags}' if flags else "",
        f',"links":[{",".join(map(_link_text, links))}]' if links else "",
    ]
    names = ("dropped_attributes_count", "dropped_events_count", "dropped_links_count")
    parts += [f',"{name}":{count}' for name, count in zip(names, dropped, strict=True) if count]
    return "".join(parts) + _unknown(unknown)


def _link_text(link: Link) -> str:
    parts = [f'"trace_id":{quoted(link.trace_id)},"span_id":{quoted(link.span_id)}']
    if link.trace_state:
        parts.append(f'"trace_state":{quoted(link.trace_state)}')
    if link.attributes:
        parts.append(f'"attributes":{link.attributes.value_text}')
    if link.flags:
        parts.append(f'"flags":{link.flags}')
    if link.dropped:
        parts.append(f'"dropped_attributes_count":{link.dropped}')
    return "{" + ",".join(parts) + "}"


def _unknown(members: str) -> str:
    return f',"unknown":{{{members}}}' if members else ""


class Home:
    """Where records lie, a resource and a scope: makes their events, which all tell of it."""

    def __init__(self, resource: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        """Both in the form of `resource_of` and `scope_of`."""
        attributes = resource.get("attributes") or {}
        named = attributes.get("service.name") if isinstance(attributes, Mapping) else None
        self.service = named if isinstance(named, str) and named else None
        self.scope = str(scope.get("name", ""))
        around = [
            f',"{name}":{text(value)}' for name, value in (("resource", resource), ("scope", scope)) if value
        ]
        self.end = "".join(around) + "}}"
        self._attributes = attributes
        self._trace_id = ""
        self._last_trace_id = ""
        self.is_own = self.scope == SCOPE
        self._seen: dict[str, int] = {}

    def begin(self) -> Home:
        """Forgets what came before: records that are equal are told apart within one list of them only."""
        self._seen.clear()
        return self

    @property
    def trace_id(self) -> str:
        """The trace of what names none: that of the resource."""
        if not self._trace_id:
            listed = self._attributes
            ordered = dict(sorted(listed.items())) if isinstance(listed, Mapping) else listed
            self._trace_id = _digest(text(ordered))[:32]
        return self._trace_id

    def span(self, span: Span) -> Row | str:
        """The event of a span; of one of our own, the line that it was made of."""
        if self.is_own and KIND in span.attributes.members and (own := self._own_span(span)):
            return own
        event_id, trace_id, odd = self._ids(span)
        start, end, status, said = span.start_ns, span.end_ns, span.status, span.status_message
        parent, name = span.parent, span.name
        times = f',"start_ns":{start},"end_ns":{end}' if start and end else _times(start, end)
        outcome = status_member(status, said) if status or said else ""
        if parent and not is_span_id(parent):
            odd += f',"parent":{quoted(parent)}'
            parent = ""
        if not name:
            odd += ',"name":""'
        return (
            event_id,
            trace_id,
            name or "span",
            "error" if status == ERROR else "info",
            said or None,
            _data("span", f"{kind_member(span.kind)}{times}{outcome}{odd}{span.rest}", span.attributes),
            _instant(end or start),
            (end - start) / 1e6 if end >= start > 0 else None,
            parent or None,
            self.service,
            self.end,
        )

    def span_events(self, span: Span, events: Iterable[SpanEvent]) -> list[Row]:
        """The events of a span, in their order."""
        span_id, trace_id, _ = self._ids(span)
        return self.events_of(span_id, trace_id, span.start_ns, events)

    def events_of(self, span_id: str, trace_id: str, start_ns: int, events: Iterable[SpanEvent]) -> list[Row]:
        """The events of a span whose row has these ids."""
        return [
            self._span_event(f"{span_id}.{place}", trace_id, span_id, start_ns, event)
            for place, event in enumerate(events)
        ]

    def _span_event(self, event_id: str, trace_id: str, parent: str, start_ns: int, event: SpanEvent) -> Row:
        otlp = "" if event.name else ',"name":""'
        if event.time_ns:
            otlp += f',"time_ns":{event.time_ns}'
        if event.dropped:
            otlp += f',"dropped_attributes_count":{event.dropped}'
        return (
            event_id,
            trace_id,
            event.name or "event",
            "error" if event.name == "exception" else "info",
            event.message,
            _data("event", otlp, event.attributes),
            _instant(event.time_ns or start_ns),
            None,
            parent,
            self.service,
            self.end,
        )

    def log(self, log: Log) -> Row:
        """The event of a log record."""
        trace_id, odd = self._trace_of(log.trace_id)
        parent = log.span_id if is_span_id(log.span_id) else None
        if log.span_id and parent is None:
            odd += f',"span_id":{quoted(log.span_id)}'
        message = log.message if log.message is not None else log.body
        data = _data("log", _log_members(log) + odd, log.attributes)
        return (
            self._id_of("log", f"{trace_id} {parent} {data}{self.end}"),
            trace_id,
            log.event_name or "log",
            level_of(log.severity, log.severity_text),
            message or None,
            data,
            _instant(log.time_ns or log.observed_ns),
            None,
            parent,
            self.service,
            self.end,
        )

    def point(self, point: Point) -> Row | str:
        """The event of a metric point; of one of our own, the line that it was made of."""
        if self.is_own and (own := self._own_point(point)):
            return own
        attributes = plain_attributes(point.attributes)
        standard = {
            "metric_name": point.name or "metric",
            "metric_value": point.value,
            "metric_unit": point.unit or "1",
            "tags": {key: _tag(value) for key, value in point.attributes},
        }
        otlp = text({**({"attributes": attributes} if attributes else {}), **point.otlp})[1:-1]
        odd = ("" if point.name else ',"name":""') + ("" if point.unit else ',"unit":""')
        data = _data("metric", f",{otlp}{odd}", Attributes(text(standard)[1:-1]))
        return (
            self._id_of("metric", data + self.end),
            self.trace_id,
            "performance_metric",
            "info",
            None,
            data,
            _instant(point.time_ns),
            None,
            None,
            self.service,
            self.end,
        )

    def _own_span(self, span: Span) -> str | None:
        line = own_span_line(
            OwnSpan(
                span.trace_id,
                span.span_id,
                span.parent,
                span.name,
                span.start_ns,
                span.end_ns,
                span.status == ERROR,
                span.status_message,
                parse(span.attributes.value_text),
                self.service,
            )
        )
        return None if line is None else line.decode() + "\n"

    def _own_point(self, point: Point) -> str | None:
        value, exact = point.value, point.otlp["point"]
        if "sum" in exact:
            value = exact["sum"]
        line = own_point_line(
            OwnPoint(
                point.name,
                point.unit,
                point.otlp.get("description", ""),
                _OWN_TYPES.get(point.otlp["kind"], ""),
                value,
                exact.get("explicit_bounds", ()),
                point.time_ns,
                dict(point.attributes),
            )
        )
        return None if line is None else line.decode() + "\n"

    def _ids(self, span: Span) -> tuple[str, str, str]:
        """The ids of the event and the trace of a span, and what is to be said of ids that are none."""
        if is_span_id(span.span_id) and self._is_trace_id(span.trace_id):
            return span.span_id, span.trace_id, ""
        trace_id, odd = self._trace_of(span.trace_id)
        if is_span_id(span.span_id):
            return span.span_id, trace_id, odd
        return "span-" + _digest(repr(span))[:16], trace_id, odd + f',"span_id":{quoted(span.span_id)}'

    def _is_trace_id(self, trace_id: str) -> bool:
        """As `is_trace_id`, for spans of one trace that come one after the other."""
        if trace_id != self._last_trace_id and is_trace_id(trace_id):
            self._last_trace_id = trace_id
        return trace_id == self._last_trace_id != ""

    def _trace_of(self, trace_id: str) -> tuple[str, str]:
        if is_trace_id(trace_id):
            return trace_id, ""
        given = f',"trace_id":{quoted(trace_id)}' if trace_id else ""
        return self.trace_id, f',"no_trace":true{given}'

    def _id_of(self, signal: str, said: str) -> str:
        """An id that is the same whenever the same record is read: by its text and place among equals."""
        found = _digest(said)
        place = self._seen[found] = self._seen.get(found, -1) + 1
        return f"{signal}-{(_digest(f'{place}{said}') if place else found)[:16]}"


def resource_of(resource: Mapping[str, Any], schema_url: Any = "") -> dict[str, Any]:
    """What a Resource of OTLP/JSON says, in the form in which it is kept; raises InvalidInput."""
    return _present(
        attributes=plain_attributes(pairs_of(resource.get("attributes"))),
        dropped_attributes_count=integer(resource.get("droppedAttributesCount") or 0),
        schema_url=schema_url,
        entity_refs=resource.get("entityRefs"),
    )


def scope_of(scope: Mapping[str, Any], schema_url: Any = "") -> dict[str, Any]:
    """What an InstrumentationScope of OTLP/JSON says, as it is kept; raises InvalidInput."""
    return _present(
        name=_word(scope, "name"),
        version=_word(scope, "version"),
        attributes=plain_attributes(pairs_of(scope.get("attributes"))),
        dropped_attributes_count=integer(scope.get("droppedAttributesCount") or 0),
        schema_url=schema_url,
    )


def level_of(severity: int, severity_text: str) -> str:
    """The level of a severity; where there is none, of what it is called."""
    if 0 < severity < len(_LEVELS):
        return _LEVELS[severity]
    return _LEVEL_OF_WORD.get(severity_text.strip().lower().rstrip("0123456789"), "info")


def _word(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if not isinstance(value, str | None):
        raise InvalidInput(f"{name}: must be text")
    return value


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _data(signal: str, otlp: str, attributes: Attributes) -> str:
    """The data of an event but for its end, which all of one home share."""
    members, verbatim = attributes.members, attributes.verbatim
    odd = f',"attributes":{verbatim}' if verbatim else ""
    if members:
        return f'{{{members},"otlp":{{"signal":"{signal}"{otlp}{odd}'
    return f'{{"otlp":{{"signal":"{signal}"{otlp}{odd}'


@lru_cache(1000)
def kind_member(kind: int) -> str:
    """The member that tells the kind of a span; empty for none."""
    if not kind:
        return ""
    return f',"kind":"{KINDS[kind]}"' if 0 < kind < len(KINDS) else f',"kind":{kind}'


def _times(start: int, end: int) -> str:
    return "".join(f',"{name}":{at}' for name, at in (("start_ns", start), ("end_ns", end)) if at)


@lru_cache(1000)
def status_member(code: int, message: str) -> str:
    """The member that tells the status of a span."""
    return f',"status":{text(_present(code=_STATUS.get(code, code), message=message))}'


def _log_members(log: Log) -> str:
    numbers = _present(time_ns=log.time_ns, observed_ns=log.observed_ns, severity_number=log.severity)
    others = _present(flags=log.flags, dropped_attributes_count=log.dropped)
    parts = [f',"{name}":{value}' for name, value in numbers.items()]
    if log.severity_text:
        parts.append(f',"severity_text":{quoted(log.severity_text)}')
    if log.body:
        parts.append(f',"body":{log.body}')
    parts += [f',"{name}":{value}' for name, value in others.items()]
    if log.event_name:
        parts.append(f',"event_name":{quoted(log.event_name)}')
    return "".join(parts) + _unknown(log.unknown)


def _tag(value: Plain) -> str:
    return value if isinstance(value, str) else text(value)


def _instant(ns: int) -> int | None:
    """The microseconds; None for an instant that is not known."""
    return ns // 1000 if ns else None


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
