"""Metrics as a scraper wants them: families of series in base units, with what they have come to so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mplp_trace_cli.domain.units import BaseUnit

DEFAULT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The upper bounds that Prometheus' own libraries take where nobody says any."""


@dataclass(frozen=True)
class FamilySeries:
    """One set of labels: the newest value of a gauge, else the sum; for a histogram, how many in each bucket.

    `counts` are cumulative, one for each bound; `count` is all observations.
    """

    labels: Mapping[str, str]
    value: float
    count: int = 0
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class MetricFamily:
    """A name in one base unit, of the type that was recorded last."""

    category: str
    name: str
    type: str
    unit: BaseUnit
    help: str | None
    series: tuple[FamilySeries, ...]
    bounds: tuple[float, ...] = ()
