"""What the MPLP v1.0 schemas allow where text of others is passed on: only what fits is written again.

Source: mplp-trace.schema.json and common/ of the MPLP protocol, v1.0.0 (frozen).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import parse_instant
from mplp_trace_cli.interchange.mplp.words import EVENT_TYPE, UUID_V4

_DAY_AND_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_DATE_TIME = rf"\A{_DAY_AND_TIME}(?:\.[0-9]+)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])\Z"

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
"""An escape that a strict decoder refuses where it stands alone; to the schemas it is text as any other."""

Id = Annotated[str, msgspec.Meta(pattern=rf"\A{UUID_V4}\Z")]
EventType = Annotated[str, msgspec.Meta(pattern=rf"\A{EVENT_TYPE}\Z")]
DateTime = Annotated[str, msgspec.Meta(pattern=_DATE_TIME)]
Version = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]+\.[0-9]+\.[0-9]+\Z")]
Anything = dict[str, msgspec.Raw]
Concern = Literal[
    "coordination",
    "error-handling",
    "event-bus",
    "learning-feedback",
    "observability",
    "orchestration",
    "performance",
    "protocol-versioning",
    "security",
    "state-sync",
    "transaction",
]
Module = Literal[
    "context", "plan", "confirm", "trace", "role", "extension", "dialog", "collab", "core", "network"
]


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    """A part of which the schemas say all members."""

    def faultless(self) -> bool:
        """True when what no type can say holds too."""
        return True


class Metadata(Closed):
    """common/metadata.schema.json."""

    protocol_version: Version
    schema_version: Version
    created_at: DateTime | msgspec.UnsetType = msgspec.UNSET
    created_by: str | msgspec.UnsetType = msgspec.UNSET
    updated_at: DateTime | msgspec.UnsetType = msgspec.UNSET
    updated_by: str | msgspec.UnsetType = msgspec.UNSET
    tags: list[str] | msgspec.UnsetType = msgspec.UNSET
    cross_cutting: list[Concern] | msgspec.UnsetType = msgspec.UNSET

    def faultless(self) -> bool:
        """True when lists repeat nothing and times exist."""
        lists = [one for one in (self.tags, self.cross_cutting) if isinstance(one, list)]
        return all(len(set(one)) == len(one) for one in lists) and _exist(self.created_at, self.updated_at)


class Ref(Closed):
    """common/common-types.schema.json, Ref."""

    id: Id
    module: Module
    description: str | msgspec.UnsetType = msgspec.UNSET


class Governance(Closed, rename="camel"):
    """The member `governance` of a document."""

    lifecycle_phase: str | msgspec.UnsetType = msgspec.UNSET
    truth_domain: str | msgspec.UnsetType = msgspec.UNSET
    locked: bool | msgspec.UnsetType = msgspec.UNSET
    last_confirm_ref: Ref | msgspec.UnsetType = msgspec.UNSET


class Span(Closed):
    """common/trace-base.schema.json."""

    trace_id: Id
    span_id: Id
    parent_span_id: Id | msgspec.UnsetType = msgspec.UNSET
    context_id: Id | msgspec.UnsetType = msgspec.UNSET
    attributes: Anything | msgspec.UnsetType = msgspec.UNSET


class Segment(Closed):
    """An element of `segments`."""

    segment_id: Id
    label: str
    status: Literal["pending", "running", "completed", "failed", "cancelled", "skipped"]
    parent_segment_id: Id | msgspec.UnsetType = msgspec.UNSET
    started_at: DateTime | msgspec.UnsetType = msgspec.UNSET
    finished_at: DateTime | msgspec.UnsetType = msgspec.UNSET
    attributes: Anything | msgspec.UnsetType = msgspec.UNSET

    def faultless(self) -> bool:
        """True when its times exist."""
        return _exist(self.started_at, self.finished_at)


class PlainEvent(Closed):
    """common/events.schema.json, but for its data, which may be any object."""

    event_id: Id
    event_type: EventType
    source: str
    timestamp: DateTime
    trace_id: Id


def fits(kind: type[Closed], text: str) -> bool:
    """True when JSON text is certainly valid against that part of the schemas."""
    try:
        return msgspec.json.decode(_SURROGATE.sub(r"\\ufffd", text), type=kind).faultless()
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def fits_id(value: object) -> bool:
    """True for a parsed value that is an identifier of the protocol."""
    return _converts(value, Id)


def fits_date_time(value: object) -> bool:
    """True for a parsed value that is a date-time."""
    return _converts(value, DateTime) and _exist(str(value))


def _converts(value: object, kind: object) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _exist(*moments: str | msgspec.UnsetType) -> bool:
    try:
        for moment in moments:
            if isinstance(moment, str):
                parse_instant(moment)
    except InvalidInput:
        return False
    return True
