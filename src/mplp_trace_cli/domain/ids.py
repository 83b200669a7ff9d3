"""Ids: new ones, and which given ones are allowed."""

from __future__ import annotations

import uuid

MAX_LENGTH = 255


def new_id() -> str:
    """A lowercase UUID v4."""
    return str(uuid.uuid4())


def is_id(value: str) -> bool:
    """True for 1-255 characters, none a control character, the first neither `@` nor `-`."""
    if not 1 <= len(value) <= MAX_LENGTH or value[0] in "@-":
        return False
    return value.isprintable() or not any(
        character < " " or "\x7f" <= character <= "\x9f" for character in value
    )
