"""The figures that a condition may name: what each is of, in which unit, and which filters it takes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Dimension(StrEnum):
    """What a figure measures, by the unit of its values."""

    SHARE = "share"
    TIME = "ms"
    RATE = "/s"
    NUMBER = ""


class Subject(StrEnum):
    """What a figure is computed from."""

    TRACES = "traces"
    EVENTS = "events"
    METRICS = "metrics"


class KnownFigure(NamedTuple):
    """A figure by name."""

    name: str
    subject: Subject
    dimension: Dimension
    meaning: str


class Unit(NamedTuple):
    """A unit of the language, and how a number in it gets to the unit of its dimension."""

    dimension: Dimension
    multiplier: float = 1.0
    divisor: float = 1.0

    def of(self, number: float) -> float:
        """The number in the unit of the dimension."""
        return number * self.multiplier / self.divisor


_T, _E = Subject.TRACES, Subject.EVENTS
_SHARE, _TIME, _RATE, _NUMBER = Dimension
_ENDED = "`duration_ms` of the traces that started in the window and have ended"
_ALL = (
    KnownFigure("error_rate", _T, _SHARE, "traces with errors ÷ traces that started in the window"),
    KnownFigure("success_rate", _T, _SHARE, "completed ÷ finished, of the traces that started in the window"),
    KnownFigure("avg_response_time", _T, _TIME, f"mean {_ENDED}"),
    KnownFigure("response_time_avg", _T, _TIME, "the same"),
    KnownFigure("min_response_time", _T, _TIME, f"least {_ENDED}"),
    KnownFigure("max_response_time", _T, _TIME, f"greatest {_ENDED}"),
    *(
        KnownFigure(f"p{n}_response_time", _T, _TIME, f"continuous percentile {n} of {_ENDED}")
        for n in (50, 90, 95, 99)
    ),
    KnownFigure("request_count", _T, _NUMBER, "traces that started in the window"),
    KnownFigure("trace_count", _T, _NUMBER, "the same"),
    KnownFigure("throughput", _T, _RATE, "traces that started in the window ÷ its seconds"),
    KnownFigure("active_traces", _T, _NUMBER, "traces that had started and not ended at the window's end"),
    KnownFigure("event_count", _E, _NUMBER, "events in the window"),
    KnownFigure("error_count", _E, _NUMBER, "events at error or critical in the window"),
    KnownFigure("events_per_second", _E, _RATE, "events in the window ÷ its seconds"),
)
FIGURES: Mapping[str, KnownFigure] = {figure.name: figure for figure in _ALL}

TRACE_FILTERS = ("type", "context", "execution", "name", "status", "tag")
"""The filters of figures over traces; `name` is a glob."""
EVENT_FILTERS = ("type", "level", "min_level", "source", "context", "execution", "name", "trace_type")
"""The filters of figures over events; `type` is a glob of event types, the last four are of their traces."""
FILTERS: Mapping[Subject, tuple[str, ...]] = {_T: TRACE_FILTERS, _E: EVENT_FILTERS}

METRIC = "metric"
"""The function of a metric's own kind: newest, sum or mean."""
METRIC_FUNCTIONS = (METRIC, "avg", "min", "max", "last", "sum", "count", "p50", "p90", "p95", "p99")

UNITS: Mapping[str, Unit] = {
    "%": Unit(_SHARE, 1, 100),
    "ms": Unit(_TIME),
    "s": Unit(_TIME, 1_000),
    "m": Unit(_TIME, 60_000),
    "min": Unit(_TIME, 60_000),
    "h": Unit(_TIME, 3_600_000),
    "d": Unit(_TIME, 86_400_000),
    "/s": Unit(_RATE),
    "/m": Unit(_RATE, 1, 60),
    "/min": Unit(_RATE, 1, 60),
    "/h": Unit(_RATE, 1, 3_600),
    "/d": Unit(_RATE, 1, 86_400),
}


def units_of(dimension: Dimension) -> list[str]:
    """How numbers of a dimension may be written."""
    return [name for name, unit in UNITS.items() if unit.dimension is dimension]
