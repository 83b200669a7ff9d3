"""Text from outside made safe to look at: nothing in it is obeyed by a terminal."""

from __future__ import annotations

import re

_UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"


def visible(text: str) -> str:
    """The text with every control character, direction mark and surrogate written out, as `\\x1b`."""
    return re.sub(_UNSAFE, _written_out, text) if not text.isprintable() else text


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {10: "\\n", 13: "\\r", 9: "\\t"}.get(code)
    return short or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
