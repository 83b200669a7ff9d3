"""Attribute values of OpenTelemetry as plain JSON, and back: the only place that knows how they correspond.

An AnyValue is given here as OTLP/JSON has it, an object of one member such as {"intValue": "5"}, or as a
protobuf message. Plain JSON says the same as people write it: text, true, integers, numbers with a point or
an exponent for doubles, lists and objects. What JSON cannot say stays the object of one member that it is in
OTLP/JSON: {"bytesValue": base64}, {"doubleValue": "NaN"}, and {"kvlistValue": ...} for a list of keys in
which one stands twice, or that would be taken for one of these.
"""

from __future__ import annotations

import base64
import json
import math
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from json.encoder import encode_basestring
from typing import Any

from mplp_trace_cli.domain.errors import InvalidInput

Plain = Any
"""A value as the `json` module has it."""
OtlpValue = Mapping[str, Any]
"""An AnyValue of OTLP/JSON."""

OTLP = "otlp"
"""The member of an event's data that holds all that is not an attribute."""
INT64 = range(-(1 << 63), 1 << 63)
_VERBATIM = frozenset(("bytesValue", "doubleValue", "kvlistValue"))
_WORDS_OF_DOUBLES = ("NaN", "Infinity", "-Infinity")
_STANDARD_BASE64 = str.maketrans("-_", "+/")

text: Callable[[Plain], str] = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode
"""The JSON text of a plain value: always the same for the same value."""
quoted: Callable[[str], str] = encode_basestring
"""The JSON text of a text."""


# -- one value ---------------------------------------------------------------------------------------


def plain_value(value: OtlpValue | None) -> Plain:
    """The plain form of an AnyValue of OTLP/JSON; raises InvalidInput for what is none."""
    found = [(kind, inner) for kind, inner in _object(value).items() if inner is not None]
    if not found:
        return None
    if len(found) > 1:
        raise InvalidInput(f"a value of two kinds: {found[0][0]}, {found[1][0]}")
    kind, inner = found[0]
    convert = _PLAIN.get(kind)
    if convert is None:
        raise InvalidInput(f"no kind of value: {kind[:60]}")
    return convert(inner)


def otlp_value(value: Plain) -> dict[str, Any]:
    """The AnyValue of OTLP/JSON that a plain value stands for."""
    convert = _OTLP_OF.get(type(value))
    return {} if value is None else (convert or _otlp_container)(value)


def _otlp_int(value: int) -> dict[str, Any]:
    return {"intValue": str(value)} if value in INT64 else {"doubleValue": _as_double(value)}


def _otlp_double(value: float) -> dict[str, Any]:
    return {"doubleValue": _double_word(value) or value}


def _otlp_container(value: Plain) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {"arrayValue": {"values": [otlp_value(one) for one in value]}}
    return dict(value) if is_verbatim(value) else {"kvlistValue": {"values": key_values(value)}}


def is_verbatim(value: Plain) -> bool:
    """True for a plain object that is not a list of keys but an AnyValue that JSON has no other form for."""
    if not isinstance(value, Mapping) or len(value) != 1 or _VERBATIM.isdisjoint(value):
        return False
    try:
        return bool(plain_value(value) == value)
    except InvalidInput:
        return False


def are_int64(value: Plain) -> bool:
    """True when every integer in a value has at most 64 bits."""
    if isinstance(value, dict):
        return all(map(are_int64, value.values()))
    if isinstance(value, list):
        return all(map(are_int64, value))
    return not isinstance(value, int) or value in INT64


def is_deeper(value: Plain, most: int) -> bool:
    """True when there are more levels of values in values; counted without recursion, however many."""
    level = [value]
    for _ in range(most):
        inner = [
            one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)
        ]
        level = list(chain.from_iterable(inner))
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def plain_double(value: float) -> Plain:
    """A double: itself, or how OTLP/JSON says what JSON cannot."""
    word = _double_word(value)
    return value if word is None else {"doubleValue": word}


def plain_bytes(value: bytes) -> Plain:
    """Bytes, as OTLP/JSON says them."""
    return {"bytesValue": base64.b64encode(value).decode()}


def plain_list(pairs: Sequence[tuple[str, Plain]]) -> Plain:
    """The keys and values of a kvlist: an object, unless one would not give them back."""
    value = dict(pairs)
    if len(value) == len(pairs) and not is_verbatim(value):
        return value
    return {"kvlistValue": {"values": [_key_value(key, one) for key, one in pairs]}}


def plain_python(value: object) -> Plain:
    """The plain form of what a program gave as an attribute: of anything that has none, its text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return plain_double(value)
    if isinstance(value, bytes | bytearray):
        return plain_bytes(bytes(value))
    if isinstance(value, Mapping):
        return plain_list([(str(key), plain_python(one)) for key, one in value.items()])
    if isinstance(value, Sequence):
        return [plain_python(one) for one in value]
    return str(value)


# -- attributes --------------------------------------------------------------------------------------


def pairs_of(attributes: Any) -> list[tuple[str, Plain]]:
    """The keys and plain values of a list of KeyValue of OTLP/JSON; raises InvalidInput."""
    return [_pair(one) for one in objects(attributes, "attributes")]


def plain_attributes(pairs: Sequence[tuple[str, Plain]]) -> dict[str, Plain] | list[Any]:
    """Attributes as an object; as a list of KeyValue when a key stands twice, is empty or is ours."""
    found = dict(pairs)
    if are_odd(found, len(pairs)):
        return [_key_value(key, value) for key, value in pairs]
    return found


def are_odd(keys: Mapping[str, object], count: int) -> bool:
    """True when so many attributes with these keys cannot be the members of an object."""
    return len(keys) != count or "" in keys or OTLP in keys


def key_values(attributes: Mapping[str, Plain] | Sequence[Any]) -> list[Any]:
    """Attributes as a list of KeyValue of OTLP/JSON, from either form of `plain_attributes`."""
    if isinstance(attributes, Mapping):
        return [{"key": key, "value": otlp_value(value)} for key, value in attributes.items()]
    return list(attributes)


def _key_value(key: str, value: Plain) -> dict[str, Any]:
    return {"key": key, "value": otlp_value(value)}


def _pair(pair: Mapping[str, Any]) -> tuple[str, Plain]:
    key = pair.get("key")
    if not isinstance(key, str | None):
        raise InvalidInput("the key of an attribute must be text")
    return key or "", plain_value(pair.get("value"))


# -- protobuf ----------------------------------------------------------------------------------------


def plain_message(message: Any) -> Plain:
    """The plain form of an AnyValue message."""
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    if kind in ("string_value", "bool_value", "int_value"):
        return value
    if kind == "double_value":
        return plain_double(value)
    if kind == "bytes_value":
        return plain_bytes(value)
    if kind == "array_value":
        return [plain_message(one) for one in value.values]
    if kind == "kvlist_value":
        return plain_list(message_pairs(value.values))
    raise InvalidInput(f"no kind of value: {kind}")


def message_pairs(attributes: Iterable[Any]) -> list[tuple[str, Plain]]:
    """The keys and plain values of KeyValue messages."""
    return [(one.key, plain_message(one.value)) for one in attributes]


# -- what OTLP/JSON leaves open ------------------------------------------------------------------------


def integer(value: Any) -> int:
    """An integer that is a number or text; raises InvalidInput."""
    if type(value) is float and not value.is_integer():
        raise InvalidInput(f"no integer: {value}")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidInput(f"no integer: {text(value)[:60]}")
    try:
        found = int(value)
    except ValueError:
        raise InvalidInput(f"no integer: {str(value)[:60]!r}") from None
    if not -(1 << 63) <= found < 1 << 64:
        raise InvalidInput(f"an integer of more than 64 bits: {str(value)[:60]}")
    return found


def double(value: Any) -> float:
    """A double that is a number or text; raises InvalidInput."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidInput(f"no number: {text(value)[:60]}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InvalidInput(f"no number: {str(value)[:60]!r}") from None


def base64_bytes(value: Any) -> bytes:
    """Bytes of base64, of either alphabet, padded or not; raises InvalidInput."""
    try:
        standard = value.translate(_STANDARD_BASE64).rstrip("=")
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (AttributeError, NotBase64, ValueError):
        raise InvalidInput(f"no base64: {text(value)[:60]}") from None


def objects(values: Any, name: str) -> list[Any]:
    """A list of objects, none for null; raises InvalidInput."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise InvalidInput(f"{name}: must be a list")
    return [_object(one) for one in values]


def _object(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"must be an object: {text(value)[:60]}")
    return value


def _double_word(value: float) -> str | None:
    if math.isfinite(value):
        return None
    return _WORDS_OF_DOUBLES[0] if math.isnan(value) else _WORDS_OF_DOUBLES[1 if value > 0 else 2]


def _as_double(value: int) -> Any:
    try:
        return float(value)
    except OverflowError:
        return _WORDS_OF_DOUBLES[1 if value > 0 else 2]


def _plain_text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"stringValue: must be text: {text(value)[:60]}")
    return value


def _plain_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"boolValue: must be true or false: {text(value)[:60]}")
    return value


def _plain_int(value: Any) -> int:
    found = integer(value)
    if found not in INT64:
        raise InvalidInput(f"an integer of more than 64 bits: {found}")
    return found


_PLAIN: dict[str, Callable[[Any], Plain]] = {
    "stringValue": _plain_text,
    "boolValue": _plain_bool,
    "intValue": _plain_int,
    "doubleValue": lambda value: plain_double(double(value)),
    "arrayValue": lambda value: [plain_value(one) for one in objects(_object(value).get("values"), "values")],
    "kvlistValue": lambda value: plain_list(pairs_of(_object(value).get("values"))),
    "bytesValue": lambda value: plain_bytes(base64_bytes(value)),
}
_OTLP_OF: dict[type, Callable[[Any], dict[str, Any]]] = {
    str: lambda value: {"stringValue": value},
    bool: lambda value: {"boolValue": value},
    int: _otlp_int,
    float: _otlp_double,
}
