"""What the parts of an MPLP trace document say, as fields of ours: the one place that knows how to read them.

Fields are the exact JSON texts of values by the names of our fields. Whoever writes a document asks here too
whether a part would be read back as what it was made of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mplp_trace_cli.domain.checks import as_number, has_surrogate
from mplp_trace_cli.domain.enums import Level, TraceType, unknown_word, words_of
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import (
    EMPTY_OBJECT,
    JsonFault,
    Member,
    add_members,
    check_object,
    dumps,
    members,
    one_line,
    parse,
)
from mplp_trace_cli.domain.times import MIN_INSTANT, format_instant, parse_instant
from mplp_trace_cli.interchange.mplp.words import (
    DOCUMENT,
    MARK,
    NO_SOURCE,
    SEGMENT,
    STATUS_IN,
    folded_type,
    mapped_id,
    mapped_status,
)

Fields = dict[str, str]
Members = Mapping[str, Member]
REQUIRED = ("meta", "trace_id", "context_id", "root_span", "status")
LISTS = ("segments", "events")
_OWN = frozenset((*REQUIRED, "started_at", "finished_at"))
_INFO, _ERROR = '"info"', '"error"'
_EVENT = ("event_id", "event_type", "source", "timestamp")
_TRACE = ("name", "description", "trace_type", "execution_id", "expires_at")
_WRAPPED = frozenset(("level", "message", "duration_ms", "parent_event_id", "data", MARK))
_SEGMENT_IDS = ("segment_id", "parent_segment_id")
_SEGMENT = {"segment_id": "event_id", "parent_segment_id": "parent_event_id", "label": "message"}
_ORIGINALS = {
    "trace": frozenset(("trace_id", "context_id", "status")),
    "event": frozenset(("event_id", "event_type", "source", "parent_event_id")),
}
_TAKEN_APART = re.compile(rf'\\|"(?:level|message|duration_ms|parent_event_id|{MARK})"')
"""What data must have, escapes included, for anything to be read out of it."""


class Home(NamedTuple):
    """The trace whose document is read: its id there, and here."""

    said_id: str
    trace_id: str


class Times(NamedTuple):
    """The earliest and the latest instant in the events and segments of a document."""

    first: int | None = None
    last: int | None = None

    def with_event(self, fields: Fields) -> Times:
        """The same with those of an event, unless it is none that could be read."""
        try:
            ended = parse_instant(parse(fields["timestamp"]))
            begun = max(MIN_INSTANT, ended - round(float(fields.get("duration_ms", "0")) * 1_000))
        except (InvalidInput, KeyError, TypeError, ValueError, OverflowError):
            return self
        first = begun if self.first is None else min(begun, self.first)
        return Times(first, ended if self.last is None else max(ended, self.last))


def object_of(pairs: Iterable[tuple[str, str]]) -> str:
    """A JSON object on one line, of keys and JSON texts."""
    return "{" + ",".join(f"{json.dumps(key)}:{text}" for key, text in pairs) + "}"


def reads_back(fields: Fields, row: Mapping[str, Any]) -> bool:
    """True when the fields are those of a row: its `data` and `metadata` to the letter, all else in value."""
    for name, value in row.items():
        if name in ("data", "metadata"):
            if fields.get(name, EMPTY_OBJECT) != value:
                return False
        elif parse(fields.get(name, "null")) != value:
            return False
    return True


def home_of(header: Members) -> Home | None:
    """Whose events those of a document are; None where it did not say so yet."""
    said = header.get("trace_id")
    if said is None or "root_span" not in header or not _is_text(said.value):
        return None
    originals = _objects((wrapped_attributes(header) or {}).get(MARK))
    return Home(said.value, parse(_restored(said, originals.get("trace_id"), mapped_id)))


# -- traces ----------------------------------------------------------------------------------------


def trace_fields(header: Members, times: Times) -> Fields:
    """The trace of a document, `header` being all but its lists; raises InvalidInput with every fault."""
    _check(header)
    ours = wrapped_attributes(header)
    fields = _of_others(header, times) if ours is None else _of_ours(header, ours)
    tags = _objects(header["meta"]).get("tags")
    if tags is not None and tags.value and isinstance(tags.value, list):
        fields["tags"] = tags.text
    return fields


def _check(header: Members) -> None:
    problems = [f"{name}: required" for name in REQUIRED if name not in header]
    objects = [name for name in ("meta", "root_span") if name in header]
    problems += [f"{name}: not a JSON object" for name in objects if not isinstance(header[name].value, dict)]
    if "status" in header and header["status"].value not in tuple(STATUS_IN):
        problems.append(f"status: {unknown_word(list(STATUS_IN), header['status'].value)}")
    texts = [name for name in ("trace_id", "context_id") if name in header]
    problems += [f"{name}: must be text" for name in texts if not _is_text(header[name].value)]
    if problems:
        raise InvalidInput("; ".join(problems))


def wrapped_attributes(header: Members) -> dict[str, Member] | None:
    """The attributes of a root span that this program wrote; None for any other."""
    attributes = _objects(_objects(header.get("root_span")).get("attributes"))
    mark = _marked(attributes, "trace")
    return attributes if mark is not None and "name" in attributes else None


def _of_ours(header: Members, attributes: Members) -> Fields:
    originals = _objects(attributes[MARK])
    fields = {name: attributes[name].text for name in _TRACE if name in attributes}
    fields["trace_id"] = _restored(header["trace_id"], originals.get("trace_id"), mapped_id)
    fields["context_id"] = _restored(header["context_id"], originals.get("context_id"), mapped_id)
    fields["status"] = _restored(header["status"], originals.get("status"), mapped_status)
    if parse(fields["status"]) in ("running", "pending"):
        fields["status"] = '"active"'
    metadata = _unfolded(attributes["metadata"]) if "metadata" in attributes else EMPTY_OBJECT
    fields["metadata"] = _with_additions(metadata, header)
    return fields | _dates(header, fields["status"])


def _with_additions(metadata: str, header: Members) -> str:
    """The metadata, and what others have put into a document of ours since."""
    more = {name: one for name, one in header.items() if name not in _OWN}
    if not more:
        return metadata
    known = members(metadata)
    kept = {one.key: one.value for one in known}.get(DOCUMENT)
    said = [(one.key, one.value) for one in known] + list(kept.items() if isinstance(kept, dict) else ())
    added = [(name, one.text) for name, one in more.items() if (name, one.value) not in said]
    if not added or kept is not None:
        return metadata
    return add_members(metadata, [(DOCUMENT, object_of(added))], "metadata")


def _of_others(header: Members, times: Times) -> Fields:
    attributes = _objects(_objects(header["root_span"]).get("attributes"))
    status = STATUS_IN[header["status"].value]
    fields = _adopted_attributes(attributes) | {
        "trace_id": header["trace_id"].text,
        "context_id": header["context_id"].text,
        "status": json.dumps(status),
        "metadata": object_of([(DOCUMENT, kept_document(header))]),
    }
    fields.setdefault("name", header["trace_id"].text)
    fields.setdefault("trace_type", f'"{TraceType.WORKFLOW_EXECUTION}"')
    dates = _dates(header, fields["status"])
    return fields | _guessed_dates(header, times, dates) | dates


def kept_document(header: Members) -> str:
    """What a document of others says that no field of ours holds."""
    held = {"trace_id", "context_id", "started_at"}
    if STATUS_IN[header["status"].value] != "active":
        held |= {"status", "finished_at"}
    elif header["status"].value == "running":
        held.add("status")
    return object_of((name, one_line(member.text)) for name, member in header.items() if name not in held)


def _adopted_attributes(attributes: Members) -> Fields:
    """What can be read out of the attributes of a span of others; there it stays."""
    found = {name: attributes[name] for name in _TRACE[:4] if name in attributes}
    fields = {name: one.text for name, one in found.items() if _is_text(one.value)}
    if "trace_type" in fields and found["trace_type"].value not in words_of(TraceType):
        del fields["trace_type"]
    if fields.get("name") == '""':
        del fields["name"]
    return fields


def _dates(header: Members, status: str) -> Fields:
    wanted = {"started_at": "started_at"}
    if status != '"active"':
        wanted["finished_at"] = "completed_at"
    found = {ours: header[said] for said, ours in wanted.items() if said in header}
    return {name: member.text for name, member in found.items() if member.value is not None}


def _guessed_dates(header: Members, times: Times, known: Fields) -> Fields:
    """When a trace began and ended whose document does not say so."""
    said = {name: parse_instant(parse(text), name) for name, text in known.items() if text[:1] == '"'}
    created = _objects(header["meta"]).get("created_at")
    begun = said.get("started_at", times.first)
    if begun is None and created is not None and isinstance(created.value, str):
        begun = parse_instant(created.value, "meta.created_at")
    if begun is None:
        return {}
    ended = said.get("completed_at", max(begun, begun if times.last is None else times.last))
    fields = {"started_at": _instant_text(begun if "started_at" in said else min(begun, ended))}
    if STATUS_IN[header["status"].value] != "active":
        fields["completed_at"] = _instant_text(ended)
    return fields


def _instant_text(instant: int) -> str:
    return f'"{format_instant(instant)}"'


# -- events ----------------------------------------------------------------------------------------


def event_fields(text: str, home: Home) -> Fields:
    """The event of an element of `events`; raises JsonFault or InvalidInput."""
    found = _unrepeated(members(text))
    missing = [f"{name}: required" for name in ("event_type", "timestamp") if name not in found]
    if missing:
        raise InvalidInput("; ".join(missing))
    fields = {name: found.pop(name).text for name in _EVENT if name in found}
    fields["trace_id"] = json.dumps(home.trace_id)
    data = found.pop("data", None)
    if "trace_id" in found and found["trace_id"].value in (home.said_id, home.trace_id, None):
        del found["trace_id"]
    inner = EMPTY_OBJECT if data is None or data.value is None else data.text
    fields |= _inner_fields(fields, inner)
    if found:
        extras = [(key, member.text) for key, member in found.items()]
        fields["data"] = add_members(fields["data"], extras, "data")
    return fields


def _inner_fields(fields: Fields, data: str) -> Fields:
    plain = {"level": _INFO, "data": data}
    if not _TAKEN_APART.search(data) or not data.lstrip(" \t\r\n").startswith("{"):
        return plain
    inner = {member.key: member for member in members(data)}
    originals = _marked(inner, "event")
    if originals is None or not {"level", "data"} <= inner.keys() <= _WRAPPED:
        return plain | _adopted(inner)
    return _unwrapped(fields, inner, originals)


def _adopted(inner: Members) -> Fields:
    """What can be read out of data of others; there it stays."""
    fields: Fields = {}
    for name in ("level", "message", "parent_event_id"):
        if name in inner and _is_text(inner[name].value):
            fields[name] = inner[name].text
    if "level" in fields and inner["level"].value not in words_of(Level):
        del fields["level"]
    duration = as_number(inner["duration_ms"].value) if "duration_ms" in inner else None
    if duration is not None and duration >= 0:
        fields["duration_ms"] = inner["duration_ms"].text
    return fields


def _unwrapped(fields: Fields, inner: Members, originals: Members) -> Fields:
    found = {name: inner[name].text for name in ("level", "message", "duration_ms") if name in inner}
    found["data"] = _unfolded(inner["data"])
    if not originals and "parent_event_id" not in inner:
        return found
    outer = {name: Member(name, text, parse(text)) for name, text in fields.items()}
    mappings = {"event_id": mapped_id, "event_type": folded_type, "source": _mapped_source}
    for name, mapping in mappings.items():
        if name in originals and name in outer:
            found[name] = _restored(outer[name], originals[name], mapping)
    if "parent_event_id" in inner:
        parent = inner["parent_event_id"]
        found["parent_event_id"] = _restored(parent, originals.get("parent_event_id"), mapped_id)
    return found


def _mapped_source(source: str | None) -> str:
    return NO_SOURCE if source is None else source


# -- segments --------------------------------------------------------------------------------------


def segment_fields(text: str, home: Home) -> Fields:
    """The event of a segment; raises JsonFault or InvalidInput.

    It stands at the end of what it measures, as events do, and has no timestamp where it tells no time.
    """
    found = _unrepeated(members(text))
    missing = [f"{name}: required" for name in ("segment_id", "label", "status") if name not in found]
    if missing:
        raise InvalidInput("; ".join(missing))
    fields = {ours: found[said].text for said, ours in _SEGMENT.items() if said in found}
    fields["trace_id"] = json.dumps(home.trace_id)
    fields["event_type"] = json.dumps(SEGMENT)
    fields["level"] = _ERROR if found["status"].value == "failed" else _INFO
    at = next((found[name].text for name in ("finished_at", "started_at") if name in found), None)
    if at is not None:
        fields["timestamp"] = at
    kept = [(key, one_line(one.text)) for key, one in found.items() if key not in _SEGMENT_IDS]
    fields["data"] = object_of(kept)
    return fields | _segment_duration(found)


def _segment_duration(found: Members) -> Fields:
    if not {"started_at", "finished_at"} <= found.keys():
        return {}
    moments = [found[name].value for name in ("started_at", "finished_at")]
    if not all(map(_is_text, moments)):
        return {}
    begun, ended = map(parse_instant, moments)
    return {"duration_ms": dumps((ended - begun) / 1_000, "duration_ms")} if ended >= begun else {}


# -- texts -----------------------------------------------------------------------------------------


def folded_object(text: str) -> str:
    """An object as a value inside a document: as it is, or as text where it is nested so deeply that with
    what is around it nobody could read it."""
    return text if text.count("{") + text.count("[") <= _DEEP else json.dumps(text)


_DEEP = 400


def _unfolded(member: Member) -> str:
    return check_object(member.value, member.key) if isinstance(member.value, str) else member.text


def _restored(said: Member, original: Member | None, mapping: Any) -> str:
    """The original of a word, for as long as that word is what the original becomes."""
    if original is None or not (original.value is None or isinstance(original.value, str)):
        return said.text
    if original.value is None and mapping is not _mapped_source:
        return said.text
    return original.text if mapping(original.value) == said.value else said.text


def _marked(inner: Members, kind: str) -> dict[str, Member] | None:
    mark = inner.get(MARK)
    if mark is None or not isinstance(mark.value, dict) or not mark.value.keys() <= _ORIGINALS[kind]:
        return None
    return _objects(mark)


def _objects(member: Member | None) -> dict[str, Member]:
    """The members of a member, the last where a key is repeated; none for what is no object."""
    if member is None or not isinstance(member.value, dict):
        return {}
    return {one.key: one for one in members(member.text)}


def _unrepeated(found: list[Member]) -> dict[str, Member]:
    by_key = {member.key: member for member in found}
    if len(by_key) != len(found):
        raise JsonFault("a key is given twice")
    return by_key


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not has_surrogate(value)
