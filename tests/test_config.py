"""Options from code and from TOML: what they mean, and that a wrong one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mplp_trace_cli import EventConfig, MetricsConfig, TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.config import (
    PROJECT_FILE,
    find_project_file,
    load_options,
    options_from,
    project_file_text,
    resolve_store,
)
from mplp_trace_cli.domain.errors import ConfigInvalid, InvalidInput

WRONG = [
    ('data_sorce = "x"', "data_sorce: there is no such option; there are data_source, "),
    ("data_source = 5", "data_source: must be text"),
    ('enable_real_time_monitoring = "yes"', "enable_real_time_monitoring: must be true or false"),
    ("enable_metrics_collection = 1", "enable_metrics_collection: must be true or false"),
    ("retention_period_days = true", "retention_period_days: must be a number"),
    ('retention_period_days = "7d"', "retention_period_days: must be a number"),
    ("threads = 1.5", "threads: must be a whole number"),
    ("memory_limit = 512", "memory_limit: must be text"),
    ("memory_limit = '100PB'", "memory_limit: must be a number and one of B, kB, MB, GB, TB, KiB, "),
    ("memory_limit = '80%'", "memory_limit: must be a number and one of "),
    ("durable = 0", "durable: must be true or false"),
    ("event_config = 5", "event_config: must be a table"),
    ("[metrics_config]\nmetric_types = 'system'", "metrics_config.metric_types: must be a list"),
    ("[metrics_config]\ncustom_metrics = []", "metrics_config.custom_metrics: must be a table"),
    ("[metrics_config]\ncollection_interval = '5s'", "metrics_config.collection_interval: must be a number"),
    ("[metrics_config]\ninterval = 5", "metrics_config.interval: there is no such option"),
    ("[event_config]\nmax_event_bytes = 1e6", "event_config.max_event_bytes: must be a whole number"),
    ("[event_config]\nmax_event_bytes = 0", "event_config.max_event_bytes: must be greater than 0"),
    (
        "[event_config]\ndefault_level = 'warning'",
        "event_config.default_level: 'warning' is not one of debug, ",
    ),
    ("[event_config]\nlevel = 'warn'", "event_config.level: there is no such option"),
    ("data_source = ", "is not TOML"),
    ("threads = " + "9" * 5_000, "is not TOML: Exceeds the limit"),
    ("threads = " + "[" * 5_000, "is nested too deep"),
    ('data_source = "a\\u0000b"', "data_source: no path has a NUL"),
    (f"memory_limit = '{'9' * 309}B'", "999' is more than can be measured"),
    (f"max_store_size = '{'9' * 300}TB'", "999' is more than can be measured"),
    ("[metrics_config]\ncollection_interval = 1e300", "collection_interval: must be greater than 0, and at"),
    ("data_source = 'a'\ndata_source = 'b'", "is not TOML"),
]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and a home without settings."""
    for name in ("MPLP_TRACE_DB", "MPLP_TRACE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_a_file_says_every_option(tmp_path: Path) -> None:
    """Each option of the module has its place in the file; what is not said has its default."""
    file = tmp_path / "all.toml"
    file.write_text(
        'data_source = "traces.duckdb"\nenable_real_time_monitoring = false\n'
        "enable_metrics_collection = true\n"
        'enable_event_aggregation = false\nretention_period_days = 30\nmemory_limit = "1GB"\nthreads = 2\n'
        "durable = true\n[metrics_config]\ncollection_interval = 1000\naggregation_window = 0.5\n"
        'enable_custom_metrics = false\nmetric_types = ["system"]\n'
        'custom_metrics = { m = { type = "gauge", help = "h" } }\n'
        '[event_config]\nmax_event_bytes = 99\ndefault_level = "warn"\nvalidate_standard_events = false\n',
        encoding="utf-8",
    )
    assert load_options(str(file)) == TraceModuleOptions(
        data_source=str(tmp_path / "traces.duckdb"),
        enable_real_time_monitoring=False,
        enable_metrics_collection=True,
        enable_event_aggregation=False,
        retention_period_days=30,
        metrics_config=MetricsConfig(1000, 0.5, False, ("system",), {"m": {"type": "gauge", "help": "h"}}),
        event_config=EventConfig(99, "warn", False),
        memory_limit="1GB",
        threads=2,
        durable=True,
    )
    assert options_from({}) == TraceModuleOptions()
    assert options_from({"event_config": {"max_event_bytes": 5}}).event_config == EventConfig(5)


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_option_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The error names the file, the option with its path, and what it must be."""
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigInvalid) as caught:
        load_options("bad.toml")
    assert caught.value.message.startswith("the config file bad.toml")
    assert said in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or not UTF-8."""
    (tmp_path / "latin.toml").write_bytes(b'data_source = "\xe9"')
    for name, said in (
        (str(tmp_path), "directory"),
        ("none.toml", "No such file"),
        ("latin.toml", "is not TOML"),
    ):
        with pytest.raises(ConfigInvalid, match=said):
            load_options(name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            TraceModuleOptions(event_config=EventConfig(default_level="loud")),
            "event_config.default_level: 'loud'",
        ),
        (TraceModuleOptions(event_config=EventConfig(max_event_bytes=-1)), "event_config.max_event_bytes"),
        (TraceModuleOptions(data_source=5), "data_source: must be text"),  # type: ignore[arg-type]
        (TraceModuleOptions(durable="no"), "durable: must be true or false"),  # type: ignore[arg-type]
        (TraceModuleOptions(event_config={"level": "x"}), "event_config.level: there"),  # type: ignore[arg-type]
        (
            TraceModuleOptions(metrics_config=MetricsConfig(collection_interval="5s")),  # type: ignore[arg-type]
            "metrics_config.collection_interval: must be a number",
        ),
        ({"data_sorce": "x"}, "data_sorce: there is no such option"),
        ("traces.duckdb", "options: must be TraceModuleOptions, or a mapping of its fields"),
    ],
)
def test_options_from_code_are_checked_too(options: Any, said: str) -> None:
    """By the rules of the file: a module is not made with options that nothing could be recorded with."""
    with pytest.raises(InvalidInput) as caught:
        initialize_trace_module(options)
    assert caught.value.message.startswith(said)


def test_options_from_code_are_what_the_file_says(tmp_path: Path) -> None:
    """The object, a mapping of its fields, and tables in it; the place of the store is any path."""
    place = tmp_path / "a.duckdb"
    config = EventConfig(default_level="warn")
    for given in (
        TraceModuleOptions(data_source=place, event_config=config),  # type: ignore[arg-type]
        {"data_source": place, "event_config": {"default_level": "warn"}},
        {"data_source": str(place), "event_config": config},
    ):
        with initialize_trace_module(given) as module:
            assert module.options == TraceModuleOptions(str(place), event_config=config)


def test_options_hold_for_what_is_recorded(tmp_path: Path) -> None:
    """The default level, the size limit and the check of standard events are those of the options."""
    config = EventConfig(max_event_bytes=100, default_level="warn", validate_standard_events=False)
    options = TraceModuleOptions(data_source=str(tmp_path / "a.duckdb"), event_config=config)
    with initialize_trace_module(options) as module:
        service = module.trace_management_service
        trace_id = service.create_trace(context_id="c", name="n", trace_id="t").unwrap().trace_id
        event = service.record_event(trace_id=trace_id, event_type="stage_started").unwrap()
        assert event.level == "warn"
        refused = service.record_event(trace_id=trace_id, event_type="x", message="m" * 101)
        assert refused.error is not None
        assert "more than the 100 allowed" in refused.error.message


def test_the_nearest_project_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found from here upwards, before the user's, behind the environment's and an explicit one."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_project_file(str(inner)) is None
    for folder, store in ((tmp_path, "outer"), (tmp_path / "a", "inner")):
        (folder / PROJECT_FILE).write_text(project_file_text(f"{store}é.duckdb"), encoding="utf-8")
    assert find_project_file(str(inner)) == str(tmp_path / "a" / PROJECT_FILE)
    assert load_options(start=str(inner)).data_source == str(tmp_path / "a" / "inneré.duckdb")
    assert load_options().data_source == str(tmp_path / "outeré.duckdb")
    (tmp_path / "env.toml").write_text('data_source = "/abs/env.duckdb"')
    monkeypatch.setenv("MPLP_TRACE_CONFIG", "env.toml")
    assert load_options(start=str(inner)).data_source == "/abs/env.duckdb"
    (tmp_path / "flag.toml").write_text('data_source = "~/flag.duckdb"')
    assert load_options("flag.toml").data_source == str(tmp_path / "home" / "flag.duckdb")


def test_the_store_is_the_first_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the caller says, the environment, the options, the user's data folder."""
    options = TraceModuleOptions(data_source="options.duckdb")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    default = resolve_store(None, TraceModuleOptions())
    assert default.startswith(str(tmp_path / "home"))
    assert default.endswith("mplp-trace/traces.duckdb")
    assert resolve_store(None, options) == "options.duckdb"
    monkeypatch.setenv("MPLP_TRACE_DB", "env.duckdb")
    assert resolve_store(None, options) == "env.duckdb"
    assert resolve_store("said.duckdb", options) == "said.duckdb"
