"""Ids of spans and traces as OTLP/JSON may give them: hexadecimal digits, or base64 of older senders."""

from __future__ import annotations

import re

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.otlp.values import base64_bytes

_PLAIN = re.compile(r"[0-9a-f]*").fullmatch
_BASE64_LENGTHS = {11: 8, 12: 8, 22: 16, 24: 16}
"""How many bytes base64 of so many characters may be of: 8 and 16 without and with padding."""


def hex_id(value: str | None) -> str:
    """The id in lowercase hexadecimal digits where it can be told; else as it came, empty for none."""
    if not value or _PLAIN(value):
        return value or ""
    size = _BASE64_LENGTHS.get(len(value))
    if size is not None:
        try:
            found = base64_bytes(value)
        except InvalidInput:
            found = b""
        if len(found) == size:
            return found.hex()
    lower = value.lower()
    return lower if _PLAIN(lower) else value
