"""Arrow columns of any type as text: as JSON values, and as the plain text that a cell would hold.

Both give string arrays with NULL where the column has it. Numbers keep their digits, times without a zone
have none, bytes are Base64, and what JSON cannot say (NaN, infinity) is text.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date
from json.encoder import encode_basestring
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mplp_trace_cli.domain.json_text import one_line, value_text
from mplp_trace_cli.domain.times import DAY_US, MAX_INSTANT, MIN_INSTANT, format_instant

TEXT = pa.string()
JSON, UUIDS, TEXTS = "json", "uuid", "text"
"""What a column of text or bytes holds where its type does not say it."""
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_EPOCH = date(1970, 1, 1).toordinal()
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def json_texts(column: pa.Array, holds: str | None = None) -> pa.Array:
    """The JSON text of each value."""
    column, holds = _plain(column, holds)
    kind = column.type
    nested = _nested(kind)
    if nested is not None:
        return nested(column)
    texts = cell_texts(column, holds)
    if holds == JSON:
        return each(texts, json_value)
    if pa.types.is_floating(kind):
        return each(texts, lambda text: text if text[-1].isdigit() else f'"{text}"')
    if pa.types.is_duration(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return texts
    return texts if pa.types.is_boolean(kind) else quoted(texts)


def cell_texts(column: pa.Array, holds: str | None = None) -> pa.Array:
    """The text of each value, as a cell of csv would hold it."""
    column, holds = _plain(column, holds)
    if _nested(column.type) is not None:
        return json_texts(column)
    if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        return each(column, _binary_text(holds))
    for is_of, texts in _CELLS:
        if is_of(column.type):
            return texts(column)
    return each(column, str)  # as Python has it


def each(column: pa.Array, text_of: Callable[[Any], str | None]) -> pa.Array:
    """The text of each value; values that are there more than once are looked at once."""
    coded = _coded(column)
    if coded is None:
        return pa.array([None if one is None else text_of(one) for one in column.to_pylist()], TEXT)
    texts = pa.array([text_of(one) for one in coded.dictionary.to_pylist()], TEXT)
    return texts.take(coded.indices)


def quoted(texts: pa.Array) -> pa.Array:
    """Each text as a JSON string; those that have nothing to escape all at once."""
    plain = pc.binary_join_element_wise('"', texts, '"', "")
    odd = pc.fill_null(pc.match_substring_regex(texts, _TO_ESCAPE), pa.scalar(False))
    if not pc.any(odd).as_py():
        return plain
    return pc.replace_with_mask(plain, odd, each(texts.filter(odd), encode_basestring))


def all_match(texts: pa.Array, pattern: str) -> bool:
    """True when the pattern is found in every text that is there."""
    return bool(pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def json_value(text: str) -> str:
    """A text as JSON: itself when it is that, else a string of JSON.

    msgspec is quick and takes a little more than the domain does, which judges the line that comes of it.
    """
    try:
        _skim(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value_text(text)
    return one_line(text)


_skim = msgspec.json.Decoder(msgspec.Raw).decode
_TO_ESCAPE = '["\\\\\\x00-\\x1f]'


def counts(column: pa.Array) -> pa.Array:
    """Times, dates and durations as the integers that they are."""
    width = pa.int32() if column.type.bit_width == 32 else pa.int64()
    return column.view(width)


def _coded(column: pa.Array) -> Any:
    try:
        return column.dictionary_encode()
    except (pa.ArrowNotImplementedError, TypeError):
        return None


def _plain(column: pa.Array, holds: str | None) -> tuple[pa.Array, str | None]:
    """The column without what does not change its values: dictionaries, views, large offsets."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        told = {"arrow.json": JSON, "arrow.uuid": UUIDS}
        return _plain(column.storage, told.get(kind.extension_name, holds))
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode(), holds)
    name = str(kind)
    if name in ("large_string", "string_view"):
        return column.cast(TEXT), holds
    if name in ("large_binary", "binary_view"):
        return column.cast(pa.binary()), holds
    return column, holds


def _binary_text(holds: str | None) -> Callable[[bytes], str]:
    if holds == UUIDS:
        return lambda value: str(UUID(bytes=value))
    if holds in (TEXTS, JSON):
        return lambda value: value.decode("utf-8", "backslashreplace")
    return lambda value: base64.b64encode(value).decode()


def instant_text(count: int, unit: str, zone: str) -> str:
    """RFC 3339 with the digits of the unit; a number where there is no such year."""
    seconds, rest = divmod(count, _PER_SECOND[unit])
    if not MIN_INSTANT <= seconds * 1_000_000 <= MAX_INSTANT:
        return str(count)
    return format_instant(seconds * 1_000_000)[:19] + _fraction(rest, unit) + zone


def _date_text(days: int) -> str:
    """ISO 8601; the number where there is no such year."""
    try:
        return date.fromordinal(_EPOCH + days).isoformat()
    except (ValueError, OverflowError):
        return str(days)


def _clock_text(count: int, unit: str) -> str:
    seconds, rest = divmod(count, _PER_SECOND[unit])
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}{_fraction(rest, unit)}"


def _fraction(rest: int, unit: str) -> str:
    return f".{rest:0{_DIGITS[unit]}}" if _DIGITS[unit] else ""


def _milliseconds_text(count: int, unit: str) -> str:
    per_ms = _PER_SECOND[unit] // 1_000
    if per_ms <= 1:
        return str(count if per_ms else count * 1_000)
    whole, rest = divmod(abs(count), per_ms)
    digits = f".{rest:0{_DIGITS[unit] - 3}}".rstrip("0").rstrip(".")
    return f"{'-' if count < 0 else ''}{whole}{digits}"


def _instant_texts(column: pa.Array) -> pa.Array:
    unit, zone = column.type.unit, "Z" if column.type.tz else ""
    return each(counts(column), lambda count: instant_text(count, unit, zone))


def _date_texts(column: pa.Array) -> pa.Array:
    per_day = 1 if column.type == pa.date32() else DAY_US // 1_000
    return each(counts(column), lambda count: _date_text(count // per_day))


def _clock_texts(column: pa.Array) -> pa.Array:
    return each(counts(column), lambda count: _clock_text(count, column.type.unit))


def _duration_texts(column: pa.Array) -> pa.Array:
    return each(counts(column), lambda count: _milliseconds_text(count, column.type.unit))


def _decimal_texts(column: pa.Array) -> pa.Array:
    return each(column, lambda value: format(value, "f"))


def _cast(column: pa.Array) -> pa.Array:
    return column.cast(TEXT)


def _float_texts(column: pa.Array) -> pa.Array:
    if column.type.bit_width == 16:
        return each(column, lambda value: _float_text(repr(float(value))))
    if column.type.bit_width == 32:
        return each(column.cast(TEXT), _float_text)  # its own shortest digits, not those of a double
    return each(column, lambda value: _float_text(repr(value)))


def _float_text(text: str) -> str:
    return {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


_CELLS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_string, _cast),
    (pa.types.is_integer, _cast),
    (pa.types.is_boolean, _cast),
    (pa.types.is_null, _cast),
    (pa.types.is_floating, _float_texts),
    (pa.types.is_decimal, _decimal_texts),
    (pa.types.is_timestamp, _instant_texts),
    (pa.types.is_date, _date_texts),
    (pa.types.is_time, _clock_texts),
    (pa.types.is_duration, _duration_texts),
)


# -- nested ----------------------------------------------------------------------------------------


def _nested(kind: pa.DataType) -> Callable[[pa.Array], pa.Array] | None:
    if pa.types.is_struct(kind):
        return _struct_texts
    if pa.types.is_map(kind):
        return _map_texts
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _list_texts
    return None


def _struct_texts(column: pa.Array) -> pa.Array:
    keys = [encode_basestring(column.type.field(at).name) for at in range(column.type.num_fields)]
    values = [_or_null(json_texts(child)) for child in column.flatten()]
    texts = [f"{{{','.join(pairs)}}}" for pairs in _paired(keys, values, len(column))]
    return pc.if_else(column.is_valid(), pa.array(texts, TEXT), pa.scalar(None, TEXT))


def _paired(keys: list[str], values: list[list[str]], size: int) -> list[list[str]]:
    rows = zip(*values, strict=True) if values else [()] * size
    return [[f"{key}:{value}" for key, value in zip(keys, row, strict=True)] for row in rows]


def _map_texts(column: pa.Array) -> pa.Array:
    keys = [encode_basestring(key or "") for key in cell_texts(column.keys).to_pylist()]
    pairs = [f"{key}:{item}" for key, item in zip(keys, _or_null(json_texts(column.items)), strict=True)]
    return _enclosed(column, column.offsets.to_pylist(), pairs, "{}")


def _list_texts(column: pa.Array) -> pa.Array:
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    return _enclosed(column, column.offsets.to_pylist(), _or_null(json_texts(column.values)), "[]")


def _enclosed(column: pa.Array, offsets: list[int], parts: list[str], marks: str) -> pa.Array:
    bounds = zip(offsets, offsets[1:], column.is_valid().to_pylist(), strict=False)
    texts = [f"{marks[0]}{','.join(parts[a:b])}{marks[1]}" if there else None for a, b, there in bounds]
    return pa.array(texts, TEXT)


def _or_null(texts: pa.Array) -> list[str]:
    return [text or "null" for text in texts.to_pylist()]
