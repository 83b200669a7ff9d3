"""System metrics: what this machine tells of itself, as metric samples.

The processor and the network are rates between two readings. psutil keeps the last reading of those for the
whole process, so this keeps its own: a program that asks psutil too is not disturbed.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import psutil

from mplp_trace_cli.domain.json_text import EMPTY_OBJECT
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.metric_catalog import SYSTEM_METRICS

PRIMING_SECONDS = 0.25
"""Between the first two readings; the kernel counts processor time in hundredths of a second."""
LOOPBACK = ("lo", "lo0")
SNMP = "/proc/net/snmp"


class Reading(NamedTuple):
    """One measured value; `labels` are JSON text."""

    name: str
    value: float
    labels: str = EMPTY_OBJECT


class SystemSampler:
    """Measures this machine again and again. Not for two threads at once."""

    def __init__(self, folder: str, on_fault: Callable[[str], None]) -> None:
        """`folder` is on the file system whose disk usage is told; `on_fault` hears once of what fails."""
        self._folder = folder
        self._on_fault = on_fault
        self._failed: set[str] = set()
        self._cpu: tuple[float, float] | None = None
        self._network: tuple[float, int, int] | None = None

    def sample(self) -> list[Reading]:
        """What can be measured now; rates are those since the last call, left out in the first."""
        sources = (self._cpu_usage, self._memory_usage, self._disk_usage, self._network_io, self._connections)
        return [
            reading
            for name, source in zip(SYSTEM_METRICS, sources, strict=True)
            for reading in self._ask(name, source)
        ]

    def _ask(self, name: str, source: Callable[[], Iterator[Reading]]) -> list[Reading]:
        try:
            return list(source())
        except (psutil.Error, OSError, RuntimeError, ValueError) as error:
            if name not in self._failed:
                self._failed.add(name)
                self._on_fault(f"{name} cannot be measured here: {error or type(error).__name__}")
            return []

    def _cpu_usage(self) -> Iterator[Reading]:
        before, self._cpu = self._cpu, _processor_seconds()
        if before is not None and self._cpu[1] > before[1]:
            busy, all_ = (now - then for now, then in zip(self._cpu, before, strict=True))
            yield Reading("cpu_usage", min(100.0, max(0.0, 100 * busy / all_)))

    def _memory_usage(self) -> Iterator[Reading]:
        yield Reading("memory_usage", psutil.virtual_memory().percent)

    def _disk_usage(self) -> Iterator[Reading]:
        yield Reading("disk_usage", psutil.disk_usage(_existing(self._folder)).percent)

    def _network_io(self) -> Iterator[Reading]:
        before, self._network = self._network, (time.monotonic(), *_network_bytes())
        if before is None:
            return
        seconds, *counts = (now - then for now, then in zip(self._network, before, strict=True))
        for direction, count in zip(("sent", "received"), counts, strict=True):
            if seconds > 0 and count >= 0:  # an interface that went away takes its bytes along
                yield Reading("network_io", count / seconds, f'{{"direction":"{direction}"}}')

    def _connections(self) -> Iterator[Reading]:
        yield Reading("active_connections", _established())


def _processor_seconds() -> tuple[float, float]:
    """The seconds that the processors were busy, and all of theirs; those of guests are in `user` already."""
    times = psutil.cpu_times()
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    all_ = sum(times) - guests
    return all_ - times.idle - getattr(times, "iowait", 0.0), all_


def _network_bytes() -> tuple[int, int]:
    counters = psutil.net_io_counters(pernic=True, nowrap=False)
    own = [counter for name, counter in counters.items() if name not in LOOPBACK]
    return sum(one.bytes_sent for one in own), sum(one.bytes_recv for one in own)


def _established() -> int:
    """The TCP connections that are established.

    On Linux the kernel has the number (RFC 4022, tcpCurrEstab): 0.07 ms, however many there are, where
    psutil takes 10 ms for a look at every process, and 130 ms with 8,000 connections.
    """
    if sys.platform != "linux":
        return sum(one.status == psutil.CONN_ESTABLISHED for one in psutil.net_connections("tcp"))
    with open(SNMP, encoding="ascii") as file:
        names, values = (line.split() for line in file if line.startswith("Tcp:"))
    return int(values[names.index("CurrEstab")])


def _existing(folder: str) -> str:
    while not os.path.exists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return folder


class Means:
    """Adds up readings and gives the mean of each series."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = {}

    def add(self, readings: Iterable[Reading]) -> None:
        """Takes the readings of one moment."""
        for reading in readings:
            self._values.setdefault((reading.name, reading.labels), []).append(reading.value)

    def take(self) -> list[Reading]:
        """The means of what was added since the last call."""
        values, self._values = self._values, {}
        return [Reading(name, statistics.fmean(some), labels) for (name, labels), some in values.items()]


def sample_rows(readings: Iterable[Reading], now: int) -> list[MetricRow]:
    """The readings as samples of that instant."""
    return [_row(reading, now) for reading in readings]


def _row(reading: Reading, now: int) -> MetricRow:
    known = SYSTEM_METRICS[reading.name]
    value = float(reading.value)
    return MetricRow(known.name, "gauge", value, known.unit, known.help, reading.labels, None, now)
