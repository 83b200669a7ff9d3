"""The quick way to read events of our own form in a trace document; what it doubts goes the exact way.

It gives the same lines as `records.event_fields`; a property test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from mplp_trace_cli.interchange.mplp.records import Home
from mplp_trace_cli.interchange.mplp.words import NO_SOURCE, folded_type, mapped_id, segment_id

_Said = str | msgspec.UnsetType
_Unset = msgspec.UNSET


class _Originals(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event_id: _Said = _Unset
    event_type: _Said = _Unset
    source: str | msgspec.UnsetType | None = _Unset
    parent_event_id: _Said = _Unset


class _Data(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    level: Literal["debug", "info", "warn", "error", "critical"]
    data: msgspec.Raw
    mplp_trace: _Originals
    message: _Said = _Unset
    duration_ms: msgspec.Raw | msgspec.UnsetType = _Unset
    parent_event_id: _Said = _Unset


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event_id: str
    event_type: str
    source: str
    timestamp: str
    trace_id: str
    data: _Data


class _Line(msgspec.Struct, gc=False):
    kind: str
    event_id: str
    trace_id: str
    event_type: str
    level: str
    data: msgspec.Raw
    timestamp: str
    source: str | None
    message: _Said
    duration_ms: msgspec.Raw | msgspec.UnsetType
    parent_event_id: _Said


class _Mark(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event_id: str


class _Attributes(msgspec.Struct, gc=False):
    mplp_trace: _Mark


class _Segment(msgspec.Struct, gc=False):
    segment_id: str
    attributes: _Attributes


_DOUBTS = (msgspec.MsgspecError, UnicodeError, RecursionError)
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_segment = msgspec.json.Decoder(_Segment).decode
_encode = msgspec.json.Encoder().encode
_ONCE = ('"timestamp":', '"trace_id":', '"level":', '"message":', '"duration_ms":', '"mplp_trace":')
_ORIGINALS = ('"event_id":', '"event_type":', '"source":')


def is_derived(text: str) -> bool:
    """True for a segment that was made of an event of ours, which is there itself."""
    if '"mplp_trace"' not in text:
        return False
    try:
        found = _decode_segment(text)
    except _DOUBTS:
        return False
    return found.segment_id == segment_id(found.attributes.mplp_trace.event_id)


def quick_line(text: str, home: Home) -> bytes | None:
    """The line of an event of our own form; None when that is not certain."""
    try:
        event = _decode_event(text)
    except _DOUBTS:
        return None
    inner = event.data
    data = bytes(inner.data)
    if not data.startswith(b"{") or b"\n" in data or b"\r" in data or event.trace_id != home.said_id:
        return None
    if _may_repeat_keys(text, inner):
        return None
    original = inner.mplp_trace
    return _encode(
        _Line(
            "event",
            _restored(original.event_id, event.event_id, mapped_id),
            home.trace_id,
            _restored(original.event_type, event.event_type, folded_type),
            inner.level,
            inner.data,
            event.timestamp,
            _source(original.source, event.source),
            inner.message,
            inner.duration_ms,
            _restored(original.parent_event_id, inner.parent_event_id, mapped_id),
        )
    )


def _may_repeat_keys(text: str, inner: _Data) -> bool:
    """True when some key may stand twice where the last one would win: a fault for the exact way to tell."""
    original = inner.mplp_trace
    named = (original.event_id, original.event_type, original.source)
    return (
        text.count('"data":') != 2
        or any(text.count(key) > 1 for key in _ONCE)
        or any(text.count(key) != 1 + (one is not _Unset) for key, one in zip(_ORIGINALS, named, strict=True))
        or text.count('"parent_event_id":')
        != (inner.parent_event_id is not _Unset) + (original.parent_event_id is not _Unset)
    )


def _restored(original: Any, said: Any, mapping: Callable[[str], str]) -> Any:
    return original if original is not _Unset and said is not _Unset and mapping(original) == said else said


def _source(original: str | msgspec.UnsetType | None, said: str) -> str | None:
    if isinstance(original, msgspec.UnsetType):
        return said
    return original if (NO_SOURCE if original is None else original) == said else said
