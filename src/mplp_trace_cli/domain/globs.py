"""Globs as regular expressions: `*`, `?`, `[a-z]`, `[!a]`, over characters, not bytes."""

from __future__ import annotations

import re

_WILD = {"*": ".*", "?": "."}
_NOTHING, _ANYTHING = r"[^\s\S]", r"[\s\S]"


def glob_regex(glob: str) -> str:
    """What a glob means, as Python and RE2 write it: for a full match in which `.` is any character."""
    parts: list[str] = []
    at = 0
    while at < len(glob):
        first = at + 1 + glob.startswith("!", at + 1)
        end = glob.find("]", first + 1) if glob[at] == "[" else -1
        if end > 0:
            parts.append(_class(glob[first:end], negated=first > at + 1))
            at = end + 1
        else:
            parts.append(_WILD.get(glob[at]) or re.escape(glob[at]))
            at += 1
    return "".join(parts)


def _class(body: str, *, negated: bool) -> str:
    members: list[str] = []
    at = 0
    while at < len(body):
        low, high = body[at], body[at + 2 : at + 3]
        is_range = body[at + 1 : at + 2] == "-" and high != ""
        if not is_range:
            members.append(_literal(low))
        elif low <= high:
            members.append(f"{_literal(low)}-{_literal(high)}")
        at += 3 if is_range else 1
    if not members:
        return _ANYTHING if negated else _NOTHING
    return f"[{'^' if negated else ''}{''.join(members)}]"


def _literal(character: str) -> str:
    return f"\\{character}" if character in r"\]^[-&~|" else character
