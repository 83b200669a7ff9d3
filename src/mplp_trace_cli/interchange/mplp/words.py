"""The words of MPLP v1.0 trace documents for what is kept here: ids, statuses, types, names of files.

Where the protocol has no word for it, one is made that is always the same, and the original is written beside
it: a reader takes the original for as long as the word that is made of it is the one that stands there.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "mplp_trace"
"""The key, in attributes of a span and in data of an event, of what only this program reads."""
DOCUMENT = "mplp_document"
"""The key in the metadata of a trace of what a document of others said about it."""
SEGMENT = "mplp.segment"
"""The type of the events that segments of others become."""
NO_SOURCE = "mplp-trace"
"""The source of an event that has none."""
UUID_V4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
EVENT_TYPE = r"[a-z][a-z0-9]*(?:\.[a-z][a-z0-9]*)*"
STATUS_OUT: Mapping[str, str] = {"active": "running", "expired": "cancelled"}
STATUS_IN: Mapping[str, str] = {
    "pending": "active",
    "running": "active",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
_IS_V4 = re.compile(UUID_V4).fullmatch
_IS_TYPE = re.compile(EVENT_TYPE).fullmatch
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PART = re.compile(r"[a-z0-9]+")
_PACKED = (".gz", ".zst")
_SHORT = 200


def mapped_id(text: str) -> str:
    """The id itself when it is a UUID v4, else one cut from its SHA-256."""
    if _IS_V4(text):
        return text
    return _hashed(text) if len(text) <= _SHORT else _hash(text)


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


_hashed = lru_cache(2_048)(_hash)


def segment_id(event_id: str) -> str:
    """The id of the segment that an event makes."""
    return mapped_id(f"segment:{event_id}")


def span_id(trace_id: str) -> str:
    """The id of the root span of a trace."""
    return mapped_id(f"span:{trace_id}")


def folded_type(event_type: str) -> str:
    """The type itself when it is dotted lower case, else what is left of it in that form."""
    return _folded(event_type) if len(event_type) <= _SHORT else _fold(event_type)


def _fold(event_type: str) -> str:
    if _IS_TYPE(event_type):
        return event_type
    folded = ""
    for part in _PART.findall(_HUMP.sub(".", event_type).lower()):
        mark = "." if folded and part[0].isalpha() else ""
        folded += mark + part
    return folded if folded[:1].isalpha() else f"event{folded}"


_folded = lru_cache(_SHORT)(_fold)


def is_by_line(path: str) -> bool:
    """True for the name of a file with a document a line."""
    return unpacked(path).endswith((".jsonl", ".ndjson"))


def unpacked(path: str) -> str:
    """The name of a file in lower case, without the suffix of a compression."""
    lowered = path.lower()
    return next((lowered.removesuffix(one) for one in _PACKED if lowered.endswith(one)), lowered)


def mapped_status(status: str) -> str:
    """The status of a document for one of ours."""
    return STATUS_OUT.get(status, status)
