"""Ids as the W3C and OpenTelemetry have them: 32 hexadecimal digits of a trace, 16 of a span.

Source: W3C Trace Context, https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 1
STATE_KEY = "mplp"
MOST_STATES = 32
"""Members that a `tracestate` may have (section 3.3.1.1)."""


class TraceParent(NamedTuple):
    """What the header `traceparent` says: whose span is the parent of what comes, and the flags."""

    trace_id: str
    span_id: str
    flags: int = SAMPLED

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def w3c_trace_id(trace_id: str) -> str:
    """The W3C id of a trace: its own when it is one, else cut from its SHA-256."""
    return trace_id if is_trace_id(trace_id) else _digest(trace_id)[:32]


def w3c_span_id(event_id: str) -> str:
    """The W3C span id of an event: its own when it is one, else cut from its SHA-256."""
    return event_id if is_span_id(event_id) else _digest(event_id)[:16]


def is_trace_id(text: str) -> bool:
    """True for 32 lowercase hexadecimal digits that are not all zero."""
    return _TRACE_ID.fullmatch(text) is not None and text.strip("0") != ""


def is_span_id(text: str) -> bool:
    """True for 16 lowercase hexadecimal digits that are not all zero."""
    return _SPAN_ID.fullmatch(text) is not None and text.strip("0") != ""


def parse_traceparent(text: str | None) -> TraceParent | None:
    """What a `traceparent` says; None for one that is absent or not to be trusted (section 3.2.2)."""
    match = _TRACEPARENT.fullmatch((text or "").strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or not (is_trace_id(trace_id) and is_span_id(span_id)):
        return None
    return TraceParent(trace_id, span_id, int(flags, 16))


def tracestate_with(state: str | None, span_id: str) -> str:
    """A `tracestate` with our member first, as whoever makes a span writes it (section 3.5)."""
    members = [member.strip(" \t") for member in (state or "").split(",")]
    others = [member for member in members if member and member.partition("=")[0] != STATE_KEY]
    return ",".join([f"{STATE_KEY}={span_id}", *others[: MOST_STATES - 1]])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
