"""What differs between two JSON values, path by path; numbers are compared exactly, key order is nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

from mplp_trace_cli.domain.json_text import dumps

_PLAIN_KEY = re.compile(r"[^\W\d][\w-]*")


@dataclass(frozen=True)
class Change:
    """The JSON texts of a value on both sides; None where a side has none.

    `path` begins with the field: `level`, `data.items[3].price`, `data["a.b"]`.
    """

    path: str
    first: str | None
    second: str | None


class _Exact(str):
    """Text that stands in JSON as it is: of a number, all its digits."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_int=_Exact, parse_float=_Exact)
_ABSENT = object()


def json_changes(path: str, first: str, second: str) -> list[Change]:
    """What differs between two valid JSON texts, at and below the path that they stand at."""
    if first == second:
        return []
    found: list[Change] = []
    waiting = [(path, _DECODER.decode(first), _DECODER.decode(second))]
    while waiting:
        at, a, b = waiting.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            waiting += [(_member(at, key), a.get(key, _ABSENT), b.get(key, _ABSENT)) for key in _keys(a, b)]
        elif isinstance(a, list) and isinstance(b, list):
            waiting += [(f"{at}[{n}]", _item(a, n), _item(b, n)) for n in range(max(len(a), len(b)))][::-1]
        elif not _same(a, b):
            found.append(Change(at, _text(a), _text(b)))
    return found


def _keys(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    return sorted(a.keys() | b.keys(), reverse=True)


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{dumps(key, 'key')}]"


def _item(values: list[Any], number: int) -> Any:
    return values[number] if number < len(values) else _ABSENT


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    return bool(a == b) or (isinstance(a, _Exact) and _same_number(a, b))


def _same_number(a: str, b: str) -> bool:
    try:
        return Decimal(a) == Decimal(b)
    except DecimalException:  # an exponent that no number has room for
        return False


def _text(value: Any) -> str | None:
    """The compact JSON text of a value; without recursion, since JSON may be nested deeply."""
    if value is _ABSENT:
        return None
    parts: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, _Exact):
            parts.append(one)
        elif isinstance(one, dict):
            waiting += _reversed_between("{", one.items(), "}")
        elif isinstance(one, list):
            waiting += _reversed_between("[", ((None, item) for item in one), "]")
        else:
            parts.append(dumps(one, "value"))
    return "".join(parts)


def _reversed_between(opened: str, members: Any, closed: str) -> list[Any]:
    pieces: list[Any] = [_Exact(opened)]
    for key, value in members:
        if len(pieces) > 1:
            pieces.append(_Exact(","))
        if key is not None:
            pieces.append(_Exact(f"{dumps(key, 'key')}:"))
        pieces.append(value)
    return [*pieces, _Exact(closed)][::-1]
