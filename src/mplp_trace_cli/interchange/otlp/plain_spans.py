"""Spans of protobuf that say nothing odd, as most do: straight to the rows that `Home.span` makes of them.

Whatever is odd about a span, or seldom said, has no row here; whoever asks then reads it as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from mplp_trace_cli.interchange.decoding.translating import Row
from mplp_trace_cli.interchange.otlp.records import ERROR, Home, kind_member, status_member

_MOST_KEPT = 10_000
_TRACE_BYTES, _SPAN_BYTES = 16, 8
_NO_TRACE, _NO_SPAN = bytes(_TRACE_BYTES), bytes(_SPAN_BYTES)

Said = tuple[int, int, bytes]
"""The kind of a span, its flags and the bytes of its status."""


class _Outline(NamedTuple):
    """What spans of one kind that ended alike have in common: the texts before and after their times."""

    before: str
    after: str
    level: str
    message: str | None


class PlainSpans:
    """Makes the rows; keeps the outlines."""

    def __init__(
        self,
        members: Callable[[Collection[bytes]], str],
        status: Callable[[bytes], tuple[int, str]],
    ) -> None:
        self._members = members
        self._status = status
        self._outlines: dict[Said, _Outline] = {}

    def row(self, one: Any, home: Home) -> Row | None:
        """The row of a plain span without its events, else None; raises DecodeError, InvalidInput."""
        if _says_more(one):
            return None
        name, start, end = one.name, one.start_time_unix_nano, one.end_time_unix_nano
        span_id, trace_id, parent = one.span_id, one.trace_id, one.parent_span_id
        are_ids = _are_ids(trace_id, span_id, parent or span_id)
        if not name or not 0 < start <= end or not are_ids:
            return None
        members = self._members(one.attributes[:])
        if not members:
            return None
        before, after, level, message = self._outline((one.kind, one.flags, one.status))
        return (
            span_id.hex(),
            trace_id.hex(),
            name,
            level,
            message,
            f'{{{members},{before},"start_ns":{start},"end_ns":{end}{after}',
            end // 1000,
            (end - start) / 1e6,
            parent.hex() or None,
            home.service,
            home.end,
        )

    def _outline(self, said: Said) -> _Outline:
        found = self._outlines.get(said)
        if found is None:
            if len(self._outlines) >= _MOST_KEPT:
                self._outlines.clear()
            found = self._outlines[said] = self._new_outline(*said)
        return found

    def _new_outline(self, kind: int, flags: int, status: bytes) -> _Outline:
        code, message = self._status(status) if status else (0, "")
        return _Outline(
            f'"otlp":{{"signal":"span"{kind_member(kind)}',
            (status_member(code, message) if code or message else "")
            + (f',"flags":{flags}' if flags else ""),
            "error" if code == ERROR else "info",
            message or None,
        )


def _are_ids(trace_id: bytes, span_id: bytes, parent: bytes) -> bool:
    return (
        len(trace_id) == _TRACE_BYTES
        and len(span_id) == len(parent) == _SPAN_BYTES
        and trace_id != _NO_TRACE
        and span_id != _NO_SPAN != parent
    )


def _says_more(one: Any) -> bool:
    """True for a span with more than a plain one has, but for its events."""
    return bool(
        one.links
        or one.trace_state
        or one.dropped_attributes_count
        or one.dropped_events_count
        or one.dropped_links_count
    )
