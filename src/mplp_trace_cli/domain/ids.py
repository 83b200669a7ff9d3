"""Ids: new ones, and which given ones are allowed."""

from __future__ import annotations

import re
import uuid

_ID = re.compile(r"[^@\-\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]{0,254}")


def new_id() -> str:
    """A lowercase UUID v4."""
    return str(uuid.uuid4())


def is_id(value: str) -> bool:
    """True for 1-255 characters, none a control character, the first neither `@` nor `-`."""
    return _ID.fullmatch(value) is not None
