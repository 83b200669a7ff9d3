"""Measuring the system: what psutil and the kernel tell becomes samples, also behind a program."""

from __future__ import annotations

import logging
import socket
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from mplp_trace_cli import MetricsConfig, TraceModuleOptions, initialize_trace_module, sampling
from mplp_trace_cli.domain.metric_catalog import SYSTEM_METRICS
from mplp_trace_cli.sampling import Means, Reading, SystemSampler, sample_rows
from tests.helpers_storage import entries, held_for_writing, inbox_file

EVERYTHING = ["cpu_usage", "memory_usage", "disk_usage", "network_io", "network_io", "active_connections"]


def wait_until(holds: Any, seconds: float = 30) -> None:
    """Waits until something holds, which it must in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_a_second_reading_has_everything(tmp_path: Path) -> None:
    """Rates need two readings; shares lie between 0 and 100, network_io has a label each way."""
    faults: list[str] = []
    sampler = SystemSampler(str(tmp_path), faults.append)
    assert [reading.name for reading in sampler.sample()] == [
        "memory_usage",
        "disk_usage",
        "active_connections",
    ]
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        pass
    readings = sampler.sample()
    assert ([reading.name for reading in readings], faults) == (EVERYTHING, [])
    by_name = {(reading.name, reading.labels): reading.value for reading in readings}
    for name in ("cpu_usage", "memory_usage", "disk_usage"):
        assert 0 <= by_name[name, "{}"] <= 100
    assert by_name["cpu_usage", "{}"] > 0
    assert by_name["disk_usage", "{}"] == pytest.approx(psutil.disk_usage(str(tmp_path)).percent, abs=5)
    assert {labels for name, labels in by_name if name == "network_io"} == {
        '{"direction":"sent"}',
        '{"direction":"received"}',
    }


def test_established_connections_are_counted() -> None:
    """Both ends of a connection on this machine are one more each."""
    before = sampling._established()
    with socket.create_server(("127.0.0.1", 0)) as server:
        pairs = [(socket.create_connection(server.getsockname()), server.accept()[0]) for _ in range(20)]
        assert sampling._established() - before == pytest.approx(40, abs=15)
        for pair in pairs:
            for one in pair:
                one.close()


def test_a_source_that_fails_is_left_out_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on."""

    def denied() -> Any:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "virtual_memory", denied)
    faults: list[str] = []
    sampler = SystemSampler(str(tmp_path), faults.append)
    for _ in range(3):
        names = [reading.name for reading in sampler.sample()]
        assert "memory_usage" not in names
        assert "disk_usage" in names
    assert len(faults) == 1
    assert faults[0].startswith("memory_usage cannot be measured here: ")


def test_the_folder_of_a_store_need_not_be_there(tmp_path: Path) -> None:
    """The disk is that of the folder above, which is."""
    readings = SystemSampler(str(tmp_path / "a" / "b"), pytest.fail).sample()
    assert "disk_usage" in [reading.name for reading in readings]


def test_samples_of_readings_have_unit_and_help() -> None:
    """Those of the catalogue."""
    (row,) = sample_rows([Reading("cpu_usage", 5)], 17)
    known = SYSTEM_METRICS["cpu_usage"]
    assert (row.value, row.unit, row.help, row.type, row.timestamp) == (
        5.0,
        known.unit,
        known.help,
        "gauge",
        17,
    )


def test_means_are_of_each_series_since_the_last() -> None:
    """One that is missing now and then has the mean of what there was."""
    means = Means()
    means.add([Reading("a", 1), Reading("b", 5)])
    means.add([Reading("a", 2)])
    assert means.take() == [Reading("a", 1.5), Reading("b", 5.0)]
    assert means.take() == []


# -- behind a program ------------------------------------------------------------------------------


def collecting(tmp_path: Path, interval: float = 20, window: float = 100) -> TraceModuleOptions:
    """Options of a module that measures."""
    return TraceModuleOptions(
        data_source=str(tmp_path / "a.duckdb"),
        enable_metrics_collection=True,
        metrics_config=MetricsConfig(collection_interval=interval, aggregation_window=window),
    )


def collectors() -> list[threading.Thread]:
    """The threads that measure now."""
    return [thread for thread in threading.enumerate() if thread.name == "mplp-trace-collect"]


def test_a_module_measures_behind_the_program(tmp_path: Path) -> None:
    """One sample a window and series; none of it is recorded twice, and the thread ends with the module."""
    with initialize_trace_module(collecting(tmp_path)) as module:
        service = module.trace_management_service
        wait_until(
            lambda: (tmp_path / "a.duckdb.inbox").exists() and len(entries(tmp_path / "a.duckdb")) >= 18
        )
    assert collectors() == []
    with initialize_trace_module(collecting(tmp_path)._replace(enable_metrics_collection=False)) as module:
        assert collectors() == []
        service = module.trace_management_service
        data = service.get_metrics(metric_types=["system"]).unwrap()
    assert set(data.system) == set(SYSTEM_METRICS)
    (cpu,) = data.system["cpu_usage"]
    assert cpu.count is not None
    assert cpu.count >= 3


def test_closing_records_what_was_measured_and_waits_for_nothing(tmp_path: Path) -> None:
    """A window that is not over is recorded as it is; an interval that is not over ends."""
    began = time.monotonic()
    with initialize_trace_module(collecting(tmp_path, interval=50, window=3_600_000)) as module:
        time.sleep(0.5)
        module.trace_management_service.create_trace(context_id="c", name="n").unwrap()
    with initialize_trace_module(collecting(tmp_path, interval=3_600_000)):
        pass
    assert time.monotonic() - began < 20
    with initialize_trace_module(collecting(tmp_path)._replace(enable_metrics_collection=False)) as module:
        (cpu,) = (
            module.trace_management_service.get_metrics(metric_types=["system"]).unwrap().system["cpu_usage"]
        )
    assert cpu.count == 1


def test_without_system_metrics_nothing_is_measured(tmp_path: Path) -> None:
    """`metric_types` without `system` needs no thread."""
    options = collecting(tmp_path)
    config = options.metrics_config._replace(metric_types=("custom",))
    with initialize_trace_module(options._replace(metrics_config=config)):
        assert collectors() == []


def test_a_held_store_stops_no_measuring(tmp_path: Path) -> None:
    """Another program has the store for writing: samples wait in the inbox."""
    db = tmp_path / "a.duckdb"
    with initialize_trace_module(collecting(tmp_path)) as module:
        module.trace_management_service.create_trace(context_id="c", name="n").unwrap()
        with held_for_writing(db):
            before = len(entries(db))
            wait_until(lambda: len(entries(db)) > before)


def test_an_inbox_that_cannot_be_written_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be recorded is logged and kept; the program hears nothing of it, and nothing is lost."""
    db = tmp_path / "a.duckdb"
    with initialize_trace_module(collecting(tmp_path)) as module, caplog.at_level(logging.WARNING):
        module.trace_management_service.create_trace(context_id="c", name="n").unwrap()
        with inbox_file(db) as inbox:
            inbox.execute("ALTER TABLE entries RENAME TO hidden")
            wait_until(lambda: "system metrics are kept for the next time" in caplog.text)
            inbox.execute("ALTER TABLE hidden RENAME TO entries")
        wait_until(lambda: len(entries(db)) > 12)
