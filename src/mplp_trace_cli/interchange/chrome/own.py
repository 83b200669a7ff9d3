"""What an export of ours looks like as a Chrome trace, and how its elements become our lines again."""

from __future__ import annotations

import json
import re

import msgspec

from mplp_trace_cli.domain.json_text import MAX_DEPTH, JsonFault, members
from mplp_trace_cli.domain.times import format_instant

PRODUCER = "mplp-trace"
TRACE_CATEGORY = "trace"
LONGEST_US = 9_000_000_000_000_000
"""No slice is drawn longer, 285 years: beyond that a viewer could not tell two instants apart."""
_DERIVED = ("M", "s", "f")
"""Names of processes and threads, and arrows: they follow from the rest."""
_EXACT = ("name", "args", "duration_ms", "sample")
_DEPTH_AROUND = 2
"""By so many levels an element is deeper than the data that lie in it."""
_EVENT = re.compile(rb'\{[ \t]*(?="event_id"[ \t]*:)')
_DOUBTS = (msgspec.MsgspecError, JsonFault, UnicodeError, RecursionError, OverflowError)


class _Element(msgspec.Struct, gc=False):
    ph: str
    pid: int
    name: msgspec.Raw = msgspec.Raw()
    cat: str = ""
    ts: int = 0
    dur: int = 0
    args: msgspec.Raw = msgspec.Raw()
    duration_ms: msgspec.Raw = msgspec.Raw()
    sample: msgspec.Raw = msgspec.Raw()


class _Named(msgspec.Struct, gc=False):
    trace_id: msgspec.Raw


class OwnElements:
    """Turns the elements of an export of ours into lines; its traces come before their events."""

    def __init__(self) -> None:
        self._traces: dict[int, bytes] = {}
        self._decode = msgspec.json.Decoder(_Element).decode
        self._decode_trace = msgspec.json.Decoder(_Named).decode

    def line(self, element: bytes) -> bytes | None:
        """The line of an element, empty when it needs none; None for one that is not ours."""
        try:
            found = self._read(element)
            if found.ph in _DERIVED:
                return b""
            if found.ph == "C":
                return _line(b"metric", bytes(found.sample))
            return self._trace(found) if found.cat == TRACE_CATEGORY else self._event(found)
        except _DOUBTS:
            return None

    def _read(self, element: bytes) -> _Element:
        try:
            return self._decode(element)
        except msgspec.DecodeError:  # data may have an escape that only JSON's own grammar allows
            found = members(element.decode(), MAX_DEPTH + _DEPTH_AROUND)
            texts = {one.key: msgspec.Raw(one.text.encode()) for one in found}
            values = {one.key: one.value for one in found}
            return msgspec.convert(values | {name: texts[name] for name in _EXACT if name in texts}, _Element)

    def _trace(self, found: _Element) -> bytes | None:
        args = bytes(found.args)
        self._traces[found.pid] = self._trace_id(args)
        return _line(b"trace", args)

    def _trace_id(self, trace: bytes) -> bytes:
        try:
            return bytes(self._decode_trace(trace).trace_id)
        except msgspec.DecodeError:
            found = members(trace.decode(), MAX_DEPTH + _DEPTH_AROUND)
            return next((one.text.encode() for one in found if one.key == "trace_id"), b"null")

    def _event(self, found: _Element) -> bytes | None:
        trace_id = self._traces.get(found.pid)
        args, name = bytes(found.args), bytes(found.name)
        opening = _EVENT.match(args)
        if trace_id is None or opening is None or not name:
            return None
        stamp = found.ts + found.dur if found.ph == "X" else found.ts
        lasted = bytes(found.duration_ms) or (repr(found.dur / 1_000).encode() if found.ph == "X" else b"")
        return b"".join(
            (
                b'{"kind":"event","trace_id":',
                trace_id,
                b',"event_type":',
                name,
                b',"level":',
                json.dumps(found.cat).encode(),
                b',"timestamp":"',
                format_instant(stamp).encode(),
                b'","duration_ms":' + lasted + b"," if lasted else b'",',
                args[opening.end() :],
            )
        )


def _line(kind: bytes, record: bytes) -> bytes | None:
    """The line of a record that lies in an element as it is."""
    return b'{"kind":"' + kind + b'",' + record[1:] if record.startswith(b"{") else None
