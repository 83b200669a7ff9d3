"""Metric points of OTLP/JSON as they are kept: exact, and with the one number that stands for each.

A point keeps its members under the names of the protocol in snake_case, but for `start_ns`, `time_ns`, `int`
and `double`; its attributes lie beside it. Integers of 64 bits are integers, doubles plain values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.otlp.ids import hex_id
from mplp_trace_cli.interchange.otlp.values import (
    Plain,
    double,
    integer,
    objects,
    pairs_of,
    plain_attributes,
    plain_double,
)

Json = Mapping[str, Any]
TEMPORALITIES = ("", "delta", "cumulative")
"""What is called how, by its number; the first says nothing."""
NO_VALUE = 1
"""The flag of a point that says that there is no value."""


class Point(NamedTuple):
    """A metric point: what is shown of it, and in `otlp` the members that are kept."""

    name: str
    unit: str
    value: float | int
    time_ns: int
    attributes: list[tuple[str, Plain]]
    otlp: dict[str, Any]


class Field(NamedTuple):
    """How a member of OTLP/JSON is kept: its name, its conversion, and whether zero is worth saying."""

    name: str
    convert: Callable[[Any], Any]
    keep_zero: bool = False


class Kind(NamedTuple):
    """A kind of metric: its name, the members of its points, and the number that stands for one."""

    name: str
    fields: Mapping[str, Field]
    value: Callable[[Json], Any]


def points_of(metric: Json) -> Iterator[Point | InvalidInput]:
    """The points of a metric of OTLP/JSON, or what is wrong with one; raises InvalidInput for the metric."""
    found = [name for name in KINDS if metric.get(name) is not None]
    if not found:
        return
    kind = KINDS[found[0]]
    data = objects([metric[found[0]]], found[0])[0]
    shared = {"kind": kind.name, **_kept(metric, _METRIC), **_kept(data, _DATA)}
    name, unit = _word(metric, "name"), _word(metric, "unit")
    for said in objects(data.get("dataPoints"), "dataPoints"):
        try:
            point = _kept(said, kind.fields)
            attributes = pairs_of(said.get("attributes"))
            value, time = _shown(point, kind), point.get("time_ns", 0)
            yield Point(name, unit, value, time, attributes, {**shared, "point": point})
        except InvalidInput as fault:
            yield fault


def _word(metric: Json, name: str) -> str:
    value = metric.get(name)
    if not isinstance(value, str | None):
        raise InvalidInput(f"{name}: must be text")
    return value or ""


def _kept(said: Json, fields: Mapping[str, Field]) -> dict[str, Any]:
    """The members that are there, converted; those of no known name under `unknown`."""
    kept: dict[str, Any] = {}
    unknown = {key: value for key, value in said.items() if key not in fields and key not in _ELSEWHERE}
    for key, field in fields.items():
        value = said.get(key)
        if value is None:
            continue
        try:
            converted = field.convert(value)
        except (AttributeError, TypeError):
            raise InvalidInput(f"{key}: of the wrong kind") from None
        except InvalidInput as fault:
            raise InvalidInput(f"{key}: {fault.message}") from None
        if converted or field.keep_zero or repr(converted) == "-0.0":
            kept[field.name] = converted
    return {**kept, "unknown": unknown} if unknown else kept


def _shown(point: Json, kind: Kind) -> float | int:
    value = kind.value(point)
    if isinstance(value, Mapping) or point.get("flags", 0) & NO_VALUE:
        return 0
    return value if math.isfinite(value) else 0


def _number(point: Json) -> Any:
    return point.get("int", point.get("double", 0))


def _mean(point: Json) -> Any:
    total, count = point.get("sum", 0), point.get("count", 0)
    return total / count if count and not isinstance(total, Mapping) else 0


def _double(value: Any) -> Plain:
    return plain_double(double(value))


def _list_of(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [convert(one) for one in values]


def _object_of(fields: Mapping[str, Field]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: _kept(value, fields)


def _objects_of(fields: Mapping[str, Field]) -> Callable[[Any], list[dict[str, Any]]]:
    return lambda values: [_kept(one, fields) for one in objects(values, "list")]


def _attributes(values: Any) -> Any:
    return plain_attributes(pairs_of(values))


def _id(value: Any) -> str:
    return hex_id(value.strip())


def _temporality(value: Any) -> Any:
    number = _TEMPORALITY_NAMES.get(value) if isinstance(value, str) else None
    number = integer(value) if number is None else number
    return TEMPORALITIES[number] if 0 <= number < len(TEMPORALITIES) else number


_TEMPORALITY_NAMES = {
    "AGGREGATION_TEMPORALITY_UNSPECIFIED": 0,
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
}
_VALUE = {"asInt": Field("int", integer, True), "asDouble": Field("double", _double, True)}
_EXEMPLAR = {
    "timeUnixNano": Field("time_ns", integer),
    **_VALUE,
    "spanId": Field("span_id", _id),
    "traceId": Field("trace_id", _id),
    "filteredAttributes": Field("attributes", _attributes),
}
_EVERY_POINT = {
    "startTimeUnixNano": Field("start_ns", integer),
    "timeUnixNano": Field("time_ns", integer),
    "flags": Field("flags", integer),
}
_EXEMPLARS = {"exemplars": Field("exemplars", _objects_of(_EXEMPLAR))}
_NUMBER = {**_EVERY_POINT, **_VALUE, **_EXEMPLARS}
_TOTALS = {
    "count": Field("count", integer),
    "sum": Field("sum", _double, True),
    "min": Field("min", _double, True),
    "max": Field("max", _double, True),
}
_HISTOGRAM = {
    **_EVERY_POINT,
    **_TOTALS,
    "bucketCounts": Field("bucket_counts", _list_of(integer)),
    "explicitBounds": Field("explicit_bounds", _list_of(_double)),
    **_EXEMPLARS,
}
_BUCKETS = {
    "offset": Field("offset", integer),
    "bucketCounts": Field("bucket_counts", _list_of(integer)),
}
_EXPONENTIAL = {
    **_EVERY_POINT,
    **_TOTALS,
    "scale": Field("scale", integer),
    "zeroCount": Field("zero_count", integer),
    "zeroThreshold": Field("zero_threshold", _double),
    "positive": Field("positive", _object_of(_BUCKETS), True),
    "negative": Field("negative", _object_of(_BUCKETS), True),
    **_EXEMPLARS,
}
_QUANTILE = {"quantile": Field("quantile", _double), "value": Field("value", _double)}
_SUMMARY = {
    **_EVERY_POINT,
    "count": Field("count", integer),
    "sum": Field("sum", _double),
    "quantileValues": Field("quantile_values", _objects_of(_QUANTILE)),
}
_METRIC = {"description": Field("description", str), "metadata": Field("metadata", _attributes)}
_DATA = {
    "aggregationTemporality": Field("temporality", _temporality),
    "isMonotonic": Field("monotonic", bool),
}
KINDS = {
    "gauge": Kind("gauge", _NUMBER, _number),
    "sum": Kind("sum", _NUMBER, _number),
    "histogram": Kind("histogram", _HISTOGRAM, _mean),
    "exponentialHistogram": Kind("exponential_histogram", _EXPONENTIAL, _mean),
    "summary": Kind("summary", _SUMMARY, _mean),
}
"""By the member of a metric that holds the points."""
_ELSEWHERE = frozenset(("attributes", "name", "unit", "dataPoints", *KINDS))
