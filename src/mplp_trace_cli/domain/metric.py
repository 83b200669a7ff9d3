"""A metric sample: one measured value with its labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mplp_trace_cli.domain.checks import Checker, as_number
from mplp_trace_cli.domain.enums import MetricType
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT, dumps, parse


class MetricRow(NamedTuple):
    """A valid sample as plain values: labels and buckets are JSON text, the instant microseconds."""

    name: str
    type: str
    value: float
    unit: str | None
    help: str | None
    labels: str
    buckets: str | None
    timestamp: int


class MetricSample(NamedTuple):
    """One measured value: what a gauge is now, by how much a counter went up, an observation of a histogram.

    `timestamp` is in microseconds since 1970.
    """

    name: str
    type: MetricType
    value: float
    unit: str | None
    help: str | None
    labels: Mapping[str, str]
    buckets: tuple[float, ...] | None
    timestamp: int

    @classmethod
    def from_row(cls, row: MetricRow) -> MetricSample:
        """The sample of a row that is known to be valid."""
        buckets = None if row.buckets is None else tuple(map(float, parse(row.buckets)))
        return cls(
            row.name,
            MetricType(row.type),
            row.value,
            row.unit,
            row.help,
            parse(row.labels),
            buckets,
            row.timestamp,
        )


def metric_row(fields: Mapping[str, Any], clock: Callable[[], int]) -> MetricRow:
    """The valid sample that `fields` describe; raises InvalidInput with every fault."""
    check = Checker(fields)
    type_ = check.word("type", MetricType) or MetricType.GAUGE.value
    labels = check.json_object("labels") or EMPTY_OBJECT
    if any(not isinstance(label, str) for label in parse(labels).values()):
        check.problems.append("labels: must be an object of texts")
    timestamp = check.instant("timestamp")
    row = MetricRow(
        check.required_text("name"),
        type_,
        _value(check, type_),
        check.text("unit"),
        check.text("help"),
        labels,
        _buckets(check),
        clock() if timestamp is None else timestamp,
    )
    check.finish()
    return row


def _value(check: Checker, type_: str) -> float:
    value = check.number("value")
    if check.fields.get("value") is None:
        check.problems.append("value: required")
    elif value is not None and value < 0 and type_ == MetricType.COUNTER:
        check.problems.append("value: a counter only goes up: must not be negative")
    return value or 0.0


def _buckets(check: Checker) -> str | None:
    value = check.fields.get("buckets")
    if value is None:
        return None
    bounds = [as_number(bound) for bound in value] if isinstance(value, list | tuple) else [None]
    numbers = [bound for bound in bounds if bound is not None]
    if len(numbers) != len(bounds) or numbers != sorted(set(numbers)):
        check.problems.append("buckets: must be ascending numbers")
        return None
    return dumps(list(value), "buckets")
