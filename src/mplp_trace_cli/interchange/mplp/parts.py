"""The parts of an MPLP trace document, made of what is kept here: the header and the events.

Of a trace that came out of a document of others the header is what stood there, and so is an event, as long
as that would be read back as what is kept; anything else is written in our own form, which holds all of it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, JsonFault, Member, members, parse
from mplp_trace_cli.domain.times import SECOND_US, format_instant, parse_instant
from mplp_trace_cli.interchange.exporting.chosen import ExportedTrace
from mplp_trace_cli.interchange.mplp.records import (
    Home,
    Times,
    event_fields,
    folded_object,
    object_of,
    reads_back,
    segment_fields,
    trace_fields,
)
from mplp_trace_cli.interchange.mplp.schema import (
    Closed,
    Governance,
    Metadata,
    PlainEvent,
    Segment,
    Span,
    fits,
    fits_date_time,
    fits_id,
)
from mplp_trace_cli.interchange.mplp.words import (
    DOCUMENT,
    MARK,
    NO_SOURCE,
    SEGMENT,
    folded_type,
    mapped_id,
    mapped_status,
    span_id,
)

VERSION = "1.0.0"
Pairs = list[tuple[str, str]]
encoded = json.JSONEncoder(ensure_ascii=False).encode
_KINDS: dict[str, type[Closed]] = {"meta": Metadata, "governance": Governance, "root_span": Span}


class EventCells(NamedTuple):
    """An event as it is kept: data and duration_ms are JSON text, the timestamp µs since 1970."""

    trace_id: str
    event_id: str
    event_type: str
    level: str
    message: str | None
    data: str
    duration_ms: str | None
    parent_event_id: str | None
    source: str | None
    timestamp: int
    parent_spans: int | None = None
    """1 when its parent makes a segment too; only where segments are made."""

    def plain(self) -> dict[str, Any]:
        """The fields but the time, as values; data as text."""
        row = self._asdict() | {"duration_ms": json.loads(self.duration_ms or "null")}
        return {name: value for name, value in row.items() if name not in ("timestamp", "parent_spans")}


class DocumentRules(NamedTuple):
    """How the parts of one document are written."""

    trace_id: str
    """The JSON text of the id that the document has."""
    home: Home
    of_others: bool
    """True for a document as somebody else wrote it."""
    started_at: int


def instant_text(instant: int) -> str:
    """An instant as JSON text."""
    second, micros = divmod(instant, SECOND_US)
    return f'"{_second_text(second)}.{micros:06}Z"'


@lru_cache(4_096)
def _second_text(second: int) -> str:
    return format_instant(second * SECOND_US)[:19]


# -- the header ------------------------------------------------------------------------------------


def header_of(trace: ExportedTrace) -> tuple[list[str], DocumentRules]:
    """All members of a document but its lists, as texts, and how these are to be written."""
    kept = _kept_document(trace.metadata)
    pairs = _header_of_others(trace, kept) if kept else None
    of_others = pairs is not None
    pairs = _own_header(trace, kept) if pairs is None else pairs
    said = mapped_id(trace.trace_id)
    rules = DocumentRules(f'"{said}"', Home(said, trace.trace_id), of_others, trace.started_at)
    return [f'"{key}":{text}' for key, text in pairs], rules


def _kept_document(metadata: str) -> dict[str, Member]:
    if DOCUMENT not in metadata:
        return {}
    kept = {member.key: member for member in members(metadata)}.get(DOCUMENT)
    if kept is None or not isinstance(kept.value, dict):
        return {}
    return {member.key: member for member in members(kept.text)}


def _header_of_others(trace: ExportedTrace, kept: dict[str, Member]) -> Pairs | None:
    """The header as it was read; None where that would not be read back as this trace."""
    said = {
        "trace_id": encoded(trace.trace_id),
        "context_id": encoded(trace.context_id),
        "status": f'"{mapped_status(trace.status)}"',
        "started_at": instant_text(trace.started_at),
    }
    if trace.completed_at is not None:
        said["finished_at"] = instant_text(trace.completed_at)
    pairs = said | {name: member.text for name, member in kept.items()}
    ordered = {name: pairs[name] for name in (*kept, *said)}
    header = {name: Member(name, text, parse(text)) for name, text in ordered.items()}
    if not all(map(_is_valid, header.values())):
        return None
    try:
        fields = trace_fields(header, Times())
    except (InvalidInput, JsonFault):
        return None
    return list(ordered.items()) if trace.expires_at is None and reads_back(fields, trace.plain()) else None


def _is_valid(member: Member) -> bool:
    if member.key in _KINDS:
        return fits(_KINDS[member.key], member.text)
    if member.key in ("trace_id", "context_id", "plan_id"):
        return fits_id(member.value)
    return member.key == "status" or (
        member.key in ("started_at", "finished_at") and fits_date_time(member.value)
    )


def _own_header(trace: ExportedTrace, kept: dict[str, Member]) -> Pairs:
    fitting = {name: member for name, member in kept.items() if _is_valid(member)}
    pairs = [("meta", _meta(trace, fitting.get("meta")))]
    if "governance" in fitting:
        pairs.append(("governance", fitting["governance"].text))
    pairs += [
        ("trace_id", f'"{mapped_id(trace.trace_id)}"'),
        ("context_id", f'"{mapped_id(trace.context_id)}"'),
    ]
    plan_id = fitting.get("plan_id") or _plan_id(trace.metadata)
    if plan_id is not None:
        pairs.append(("plan_id", plan_id.text))
    pairs.append(("root_span", _root_span(trace, fitting.get("root_span"))))
    pairs += [("status", f'"{mapped_status(trace.status)}"'), ("started_at", instant_text(trace.started_at))]
    if trace.completed_at is not None:
        pairs.append(("finished_at", instant_text(trace.completed_at)))
    return pairs


def _plan_id(metadata: str) -> Member | None:
    """The plan that the metadata names, when it is one of the protocol's."""
    if "plan_id" not in metadata:
        return None
    return next((one for one in members(metadata) if one.key == "plan_id" and fits_id(one.value)), None)


def _meta(trace: ExportedTrace, kept: Member | None) -> str:
    versions = [("protocol_version", f'"{VERSION}"'), ("schema_version", f'"{VERSION}"')]
    pairs = [*versions, ("created_at", instant_text(trace.started_at))]
    if kept is not None:
        pairs = [(one.key, one.text) for one in members(kept.text) if one.key != "tags"]
    return object_of(pairs if trace.tags == "[]" else [*pairs, ("tags", trace.tags)])


def _root_span(trace: ExportedTrace, kept: Member | None) -> str:
    own = {
        "trace_id": f'"{mapped_id(trace.trace_id)}"',
        "span_id": f'"{span_id(trace.trace_id)}"',
        "context_id": f'"{mapped_id(trace.context_id)}"',
    }
    texts = own | ({one.key: one.text for one in members(kept.text)} if kept else {})
    attributes = {one.key: one.text for one in members(texts.get("attributes", EMPTY_OBJECT))}
    for name in ("name", "description", "execution_id"):
        attributes.pop(name, None)
    attributes |= _attributes(trace)
    return object_of((texts | {"attributes": object_of(attributes.items())}).items())


def _attributes(trace: ExportedTrace) -> dict[str, str]:
    texts = {
        "name": trace.name,
        "trace_type": trace.trace_type,
        "description": trace.description,
        "execution_id": trace.execution_id,
    }
    pairs = {name: encoded(text) for name, text in texts.items() if text is not None}
    if trace.expires_at is not None:
        pairs["expires_at"] = instant_text(trace.expires_at)
    if trace.metadata != EMPTY_OBJECT:
        pairs["metadata"] = folded_object(trace.metadata)
    originals = {
        "trace_id": (trace.trace_id, mapped_id(trace.trace_id)),
        "context_id": (trace.context_id, mapped_id(trace.context_id)),
        "status": (trace.status, mapped_status(trace.status)),
    }
    pairs[MARK] = object_of((name, encoded(one)) for name, (one, said) in originals.items() if one != said)
    return pairs


# -- events ----------------------------------------------------------------------------------------


def event_text(rules: DocumentRules, event: EventCells) -> str | None:
    """An element of `events`; None for one that is an element of `segments`."""
    if rules.of_others:
        if event.event_type == SEGMENT and segment_of_others(rules, event) is not None:
            return None
        text = _event_of_others(rules, event)
        if text is not None:
            return text
    return _own_event(rules, event)


def _event_of_others(rules: DocumentRules, event: EventCells) -> str | None:
    pairs = [
        ("event_id", encoded(event.event_id)),
        ("event_type", encoded(event.event_type)),
        ("source", encoded(event.source)),
        ("timestamp", instant_text(event.timestamp)),
        ("trace_id", rules.trace_id),
    ]
    if not fits(PlainEvent, object_of(pairs)):
        return None
    text = object_of(pairs if event.data == EMPTY_OBJECT else [*pairs, ("data", event.data)])
    try:
        is_same = reads_back(event_fields(text, rules.home), event.plain())
    except (InvalidInput, JsonFault):
        return None
    return text if is_same else None


def _own_event(rules: DocumentRules, event: EventCells) -> str:
    event_id, event_type = mapped_id(event.event_id), folded_type(event.event_type)
    source = NO_SOURCE if event.source is None else event.source
    said: list[tuple[str, str | None, str | None]] = [
        ("event_id", event.event_id, event_id),
        ("event_type", event.event_type, event_type),
        ("source", event.source, source),
    ]
    inner = f'"level":"{event.level}"'
    if event.message is not None:
        inner += f',"message":{encoded(event.message)}'
    if event.duration_ms is not None:
        inner += f',"duration_ms":{event.duration_ms}'
    if event.parent_event_id is not None:
        parent = mapped_id(event.parent_event_id)
        said.append(("parent_event_id", event.parent_event_id, parent))
        inner += f',"parent_event_id":"{parent}"'
    originals = ",".join([f'"{name}":{encoded(one)}' for name, one, shown in said if one != shown])
    return (
        f'{{"event_id":"{event_id}","event_type":"{event_type}","source":{encoded(source)},'
        f'"timestamp":{instant_text(event.timestamp)},"trace_id":{rules.trace_id},'
        f'"data":{{{inner},"data":{folded_object(event.data)},"{MARK}":{{{originals}}}}}}}'
    )


# -- segments of others ----------------------------------------------------------------------------


def segment_of_others(rules: DocumentRules, event: EventCells) -> str | None:
    """The element of `segments` that an event was made of; None where it would not be read back as that."""
    pairs = [("segment_id", encoded(event.event_id))]
    if event.parent_event_id is not None:
        pairs.append(("parent_segment_id", encoded(event.parent_event_id)))
    text = object_of([*pairs, *((one.key, one.text) for one in members(event.data))])
    if not fits(Segment, text):
        return None
    try:
        fields = segment_fields(text, rules.home)
    except (InvalidInput, JsonFault):
        return None
    started_at = json.loads(fields.get("timestamp", instant_text(rules.started_at)))
    is_same = parse_instant(started_at) == event.timestamp and reads_back(fields, event.plain())
    return text if is_same else None
