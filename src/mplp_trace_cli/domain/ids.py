"""Ids: new ones, and which given ones are allowed."""

from __future__ import annotations

import os
import uuid

MAX_LENGTH = 255
IDS_AT_ONCE = 4_096
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_id() -> str:
    """A lowercase UUID v4."""
    return str(uuid.uuid4())


class IdPool:
    """New ids for a bulk of rows: random bytes are asked of the system a few thousand ids at a time.

    For one process: a copy in a forked child would give the same ids again.
    """

    def __init__(self) -> None:
        self._digits = ""
        self._at = 0

    def __call__(self) -> str:
        """A lowercase UUID v4."""
        at = self._at
        if at == len(self._digits):
            self._digits, at = os.urandom(16 * IDS_AT_ONCE).hex(), 0
        self._at = at + 32
        d = self._digits[at : at + 32]
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"


def is_id(value: str) -> bool:
    """True for 1-255 characters, none a control character, the first neither `@` nor `-`."""
    if not 1 <= len(value) <= MAX_LENGTH or value[0] in "@-":
        return False
    return value.isprintable() or not any(
        character < " " or "\x7f" <= character <= "\x9f" for character in value
    )
