"""The metrics that have a meaning of their own: what each is called, its unit, what it says."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class MetricCategory(StrEnum):
    """Where a metric comes from: this machine, the traces of the store, whoever records it."""

    SYSTEM = "system"
    APPLICATION = "application"
    CUSTOM = "custom"


class KnownMetric(NamedTuple):
    """A metric of the catalogue."""

    name: str
    unit: str | None
    help: str


def _by_name(*known: KnownMetric) -> Mapping[str, KnownMetric]:
    return {metric.name: metric for metric in known}


SYSTEM_METRICS = _by_name(
    KnownMetric("cpu_usage", "percent", "Time that the processors were busy, of all their time."),
    KnownMetric("memory_usage", "percent", "Memory that is in use, of all memory."),
    KnownMetric("disk_usage", "percent", "Space that is in use on the file system of the store."),
    KnownMetric("network_io", "bytes/s", "Bytes over the network interfaces, loopback left out."),
    KnownMetric("active_connections", "connections", "TCP connections that are established."),
)
APPLICATION_METRICS = _by_name(
    KnownMetric("request_count", "traces", "Traces that started in the range."),
    KnownMetric(
        "response_time_avg", "ms", "Mean duration of the traces started in the range that have finished."
    ),
    KnownMetric("error_rate", "share", "Traces with errors, of the traces started in the range."),
    KnownMetric("active_traces", "traces", "Traces that were active at the end of the range."),
    KnownMetric("events_per_second", "events/s", "Events in the range, per second of it."),
)
