"""Ids: new ones, and which given ones are allowed."""

from __future__ import annotations

import os

MAX_LENGTH = 255
IDS_AT_ONCE = 4_096
ID_LENGTH = 36
_PLACES = [place for place in range(ID_LENGTH) if place not in (8, 13, 18, 23)]
_VERSION_PLACE, _VARIANT_PLACE = 14, 19
_VARIANT_OF = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_VARIANTS = bytes.maketrans(b"0123456789abcdef", b"89ab89ab89ab89ab")


def new_id() -> str:
    """A lowercase UUID v4."""
    digits = os.urandom(16).hex()
    variant = _VARIANT_OF[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class IdPool:
    """New ids for a bulk of rows, made a few thousand at a time.

    For one process: a copy in a forked child would give the same ids again.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []

    def __call__(self) -> str:
        """A lowercase UUID v4."""
        if not self._ids:
            self._ids = _new_ids(IDS_AT_ONCE)
        return self._ids.pop()


def _new_ids(count: int) -> list[str]:
    """Many ids at once: each of their 32 digits is set in all of them by one slice."""
    digits = os.urandom(16 * count).hex().encode()
    text = bytearray(b"-" * (ID_LENGTH * count))
    for digit, place in enumerate(_PLACES):
        text[place::ID_LENGTH] = digits[digit::32]
    text[_VERSION_PLACE::ID_LENGTH] = b"4" * count
    text[_VARIANT_PLACE::ID_LENGTH] = digits[16::32].translate(_VARIANTS)
    joined = text.decode()
    return [joined[start : start + ID_LENGTH] for start in range(0, len(joined), ID_LENGTH)]


def is_id(value: str) -> bool:
    """True for 1-255 characters, none a control character, the first neither `@` nor `-`."""
    if not 1 <= len(value) <= MAX_LENGTH or value[0] in "@-":
        return False
    return value.isprintable() or not any(
        character < " " or "\x7f" <= character <= "\x9f" for character in value
    )
