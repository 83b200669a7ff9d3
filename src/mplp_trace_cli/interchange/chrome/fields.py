"""The members of an element of a Chrome trace, each with its exact text."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import Member, dumps, members
from mplp_trace_cli.domain.times import format_instant

Fields = dict[str, Member]
Key = tuple[str, ...]
NS = 1_000
MOST_NS = (1 << 62) - 1


def fields_of(text: bytes) -> Fields:
    """The members by key; raises JsonFault, and InvalidInput for a key that is given twice."""
    found = members(text.decode())
    fields = {member.key: member for member in found}
    if len(fields) < len(found):
        keys = [member.key for member in found]
        raise InvalidInput(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return fields


def value_of(fields: Fields, name: str) -> Any:
    """The value of a member; None when it is not there."""
    member = fields.get(name)
    return None if member is None else member.value


def text_of(fields: Fields, name: str) -> str | None:
    """A text; raises InvalidInput for anything else."""
    value = value_of(fields, name)
    if not isinstance(value, str | None):
        raise InvalidInput(f"{name}: must be text")
    return value or None


def nanoseconds(fields: Fields, name: str) -> int | None:
    """Microseconds, as a number or as text, in whole nanoseconds; raises InvalidInput."""
    member = fields.get(name)
    if member is None or member.value is None:
        return None
    said = member.value if isinstance(member.value, str) else member.text
    try:
        number = Decimal(said)
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(member.value, bool | list | dict) or not number.is_finite():
        raise InvalidInput(f"{name}: must be a number of microseconds")
    if abs(number) > MOST_NS // NS:
        raise InvalidInput(f"{name}: out of range")
    return round(number * NS)


def thread_key(fields: Fields) -> Key:
    """The process and thread of an element, as they are written."""
    return _written(fields, "pid"), _written(fields, "tid")


def async_key(fields: Fields) -> Key:
    """What the halves of something that goes across threads have in common."""
    local = isinstance(value := value_of(fields, "id2"), dict) and "local" in value
    process = (_written(fields, "pid"),) if local else ()
    return "async", *(_written(fields, name) for name in ("cat", "scope", "id", "id2")), *process


def arrow_key(fields: Fields) -> Key:
    """What the parts of an arrow have in common."""
    return tuple(_written(fields, name) for name in ("cat", "name", "scope", "id", "id2"))


def _written(fields: Fields, name: str) -> str:
    member = fields.get(name)
    return "" if member is None else str(member.value) if isinstance(member.value, str) else member.text


def object_of(pairs: Iterable[tuple[str, str]]) -> str:
    """The text of an object of keys and JSON texts."""
    return "{" + ",".join(f"{dumps(key, 'key')}:{text}" for key, text in pairs) + "}"


def instant_text(instant: int) -> str:
    """The JSON text of an instant of microseconds; raises InvalidInput for one that has no date."""
    try:
        return f'"{format_instant(instant)}"'
    except OverflowError:
        raise InvalidInput("ts: out of range") from None
