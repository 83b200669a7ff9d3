"""Options of the module, from code or from a TOML file, and where the store is.

Precedence: what the caller says, the environment, the project's file, the user's file, the default.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from mplp_trace_cli.domain.enums import Level, parse_word
from mplp_trace_cli.domain.errors import ConfigInvalid, InvalidInput
from mplp_trace_cli.domain.event_row import MAX_EVENT_BYTES

APP = "mplp-trace"
PROJECT_FILE = ".mplp-trace.toml"
STORE_FILE = "traces.duckdb"
DB_VARIABLE = "MPLP_TRACE_DB"
CONFIG_VARIABLE = "MPLP_TRACE_CONFIG"
TRACE_VARIABLE = "MPLP_TRACE_ID"
"""The current trace, which `mplp-trace run` sets for its command."""
PARENT_VARIABLE = "MPLP_PARENT_EVENT_ID"
"""The event of the current trace that others hang on."""
CONTEXT_VARIABLE = "MPLP_CONTEXT_ID"
DECLARED_KEYS = ("type", "help", "value", "buckets", "unit")
"""What may be said of a custom metric."""
_LONGEST_DAYS = 36_500
_LONGEST_MS = _LONGEST_DAYS * 86_400_000
"""Of an interval: what a thread can wait for, and to spare."""
_MEMORY_UNITS = ("B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB")
_MEMORY = re.compile(
    rf"(?P<number>\d+(\.\d+)?) ?(?P<unit>{'|'.join(_MEMORY_UNITS)})", re.ASCII | re.IGNORECASE
)


class MetricsConfig(NamedTuple):
    """How metrics are collected and which ones are told; intervals are in ms."""

    collection_interval: float = 5_000
    """How often the background sampler measures."""
    aggregation_window: float = 60_000
    """Over how long it averages what it measured: one sample a window is kept."""
    enable_custom_metrics: bool = True
    metric_types: tuple[str, ...] = ("system", "application", "custom")
    """The categories that are told when none is asked for; without `system` nothing is measured."""
    custom_metrics: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    """By name: type, unit, help and buckets of samples that say none, and a `value` until there is one."""


class EventConfig(NamedTuple):
    """What events are held to."""

    max_event_bytes: int = MAX_EVENT_BYTES
    default_level: str = Level.INFO.value
    validate_standard_events: bool = True


class TraceModuleOptions(NamedTuple):
    """Everything that can be set about the module; see the TOML file of the same names."""

    data_source: str | None = None
    """Path of the store; None is the default place."""
    enable_real_time_monitoring: bool = True
    enable_metrics_collection: bool = False
    enable_event_aggregation: bool = True
    retention_period_days: float | None = None
    """Finished traces and metric samples older than that are purged, at most once a day, at a fold."""
    max_store_size: str | None = None
    """Where the store is larger than that, the oldest days are purged; in the notation of memory_limit."""
    metrics_config: MetricsConfig = MetricsConfig()
    event_config: EventConfig = EventConfig()
    memory_limit: str = "224MB"
    """How much memory one question may take, in DuckDB's notation."""
    threads: int | None = None
    alerts: Mapping[str, Any] = MappingProxyType({})
    """`rules` and `actions`; checked by those who use them, so that recording never fails for them."""
    durable: bool = False
    """True: every recorded event is on the disk itself before the call returns, at about 6 × the cost;
    False: it survives a killed process, not a power cut."""
    from_project: bool = False
    """True when a project file said all this, which may have come with a checkout; no file says so itself."""


def load_options(config: str | None = None, start: str | None = None) -> TraceModuleOptions:
    """The options of the file that counts; raises ConfigInvalid.

    The file is `config`, else `$MPLP_TRACE_CONFIG`, else the nearest `.mplp-trace.toml` from `start`
    upwards, else the user's. A relative `data_source` is taken from where its file lies.
    """
    path = config_file(config, start)
    if path is None:
        return TraceModuleOptions()
    named = config or os.environ.get(CONFIG_VARIABLE)
    return _from_toml(path)._replace(from_project=not named and os.path.basename(path) == PROJECT_FILE)


def config_file(config: str | None = None, start: str | None = None) -> str | None:
    """The file that `load_options` reads; None where there is none."""
    named = config or os.environ.get(CONFIG_VARIABLE)
    if named:
        return named
    own = user_file()
    return find_project_file(start) or (own if os.path.isfile(own) else None)


def resolve_store(explicit: str | None, options: TraceModuleOptions) -> str:
    """The path of the store: the given one, `$MPLP_TRACE_DB`, the options', or the user data folder."""
    path = explicit or os.environ.get(DB_VARIABLE) or options.data_source
    return path or default_store()


def default_store() -> str:
    """The store in the user's data folder."""
    from platformdirs import user_data_dir  # 6 ms, and only those without a configured store pay

    return os.path.join(user_data_dir(APP, appauthor=False), STORE_FILE)


def find_project_file(start: str | None = None) -> str | None:
    """The nearest `.mplp-trace.toml` from `start` (here) upwards."""
    try:
        folder = os.path.abspath(start or os.getcwd())
    except OSError:  # somebody has removed it
        return None
    while True:
        candidate = os.path.join(folder, PROJECT_FILE)
        if os.path.isfile(candidate):
            return candidate
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def user_file() -> str:
    """Where the settings of a user stand, whether there is such a file or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(base, APP, "config.toml")


def _from_toml(path: str) -> TraceModuleOptions:
    import tomllib  # only where there is a file

    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigInvalid(f"the config file {path}: {error.strerror}") from error
    except ValueError as error:  # of TOML, of UTF-8, of a number with thousands of digits
        reason = str(error).partition(";")[0]
        raise ConfigInvalid(f"the config file {path} is not TOML: {reason}") from error
    except RecursionError as error:
        raise ConfigInvalid(f"the config file {path} is nested too deep") from error
    try:
        options = options_from(table)
    except InvalidInput as fault:
        raise ConfigInvalid(f"the config file {path}: {fault.message}") from fault
    if options.data_source is None:
        return options
    place = os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(options.data_source))
    return options._replace(data_source=place)


def options_from(table: Mapping[str, Any]) -> TraceModuleOptions:
    """The options that a table says; raises InvalidInput naming an unknown or wrong one."""
    values = dict(table)
    for name, kind in (("metrics_config", MetricsConfig), ("event_config", EventConfig)):
        inner = values.get(name)
        if isinstance(inner, Mapping):
            values[name] = _build(kind, inner, f"{name}.")
    if "from_project" in values:
        raise InvalidInput("from_project: there is no such option")
    options: TraceModuleOptions = _build(TraceModuleOptions, values, "")
    check_options(options)
    return options


def options_of(given: TraceModuleOptions | Mapping[str, Any]) -> TraceModuleOptions:
    """The options that code says, held to the rules of the file; raises InvalidInput."""
    if isinstance(given, Mapping):
        return options_from(_with_path(given))
    if not isinstance(given, TraceModuleOptions):
        raise InvalidInput("options: must be TraceModuleOptions, or a mapping of its fields")
    said = {name: value for name, value in _said(given).items() if name != "from_project"}
    return options_from(_with_path(said))._replace(from_project=given.from_project)


def _said(options: Any) -> dict[str, Any]:
    """What is not as it is by default."""
    default = type(options)()._asdict()
    said = {name: value for name, value in options._asdict().items() if value != default[name]}
    inner = {name: _said(said[name]) for name in said if isinstance(said[name], MetricsConfig | EventConfig)}
    return said | inner


def _with_path(values: Mapping[str, Any]) -> Mapping[str, Any]:
    place = values.get("data_source")
    return {**values, "data_source": os.fspath(place)} if isinstance(place, os.PathLike) else values


def check_options(options: TraceModuleOptions) -> None:
    """Raises InvalidInput naming an option whose value nothing could be recorded with."""
    parse_word(Level, options.event_config.default_level, "event_config.default_level")
    if "\0" in (options.data_source or ""):
        raise InvalidInput("data_source: no path has a NUL")
    if options.event_config.max_event_bytes <= 0:
        raise InvalidInput("event_config.max_event_bytes: must be greater than 0")
    if options.max_store_size is not None and bytes_of(options.max_store_size, "max_store_size") == 0:
        raise InvalidInput("max_store_size: must be greater than 0")
    bytes_of(options.memory_limit, "memory_limit")
    if options.retention_period_days is not None and not 0 < options.retention_period_days < math.inf:
        raise InvalidInput("retention_period_days: must be greater than 0")
    if options.metrics_config != MetricsConfig():
        _check_metrics(options.metrics_config)


def bytes_of(text: str, name: str) -> int:
    """The bytes that a size such as `2GB` or `512 MiB` says; raises InvalidInput."""
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{name}: must be a number and one of {', '.join(_MEMORY_UNITS)}")
    unit = found["unit"].lower()
    size = float(found["number"]) * (1024 if "i" in unit else 1000) ** "bkmgt".index(unit[0])
    if math.isinf(size):
        raise InvalidInput(f"{name}: {text[:60]!r} is more than can be measured")
    return int(size)


def _check_metrics(config: MetricsConfig) -> None:
    from mplp_trace_cli.domain.metric_catalog import MetricCategory  # only where they are configured

    for name in ("collection_interval", "aggregation_window"):
        if not 0 < getattr(config, name) <= _LONGEST_MS:
            raise InvalidInput(
                f"metrics_config.{name}: must be greater than 0, and at most {_LONGEST_DAYS} days"
            )
    for word in config.metric_types:
        parse_word(MetricCategory, word, "metrics_config.metric_types")
    for name, declared in config.custom_metrics.items():
        _check_declared(name, declared, f"metrics_config.custom_metrics.{name}")


def _check_declared(name: str, declared: Mapping[str, Any], path: str) -> None:
    from mplp_trace_cli.domain.metric import metric_row

    if not isinstance(declared, Mapping):
        raise InvalidInput(f"{path}: must be a table")
    unknown = [key for key in declared if key not in DECLARED_KEYS]
    if unknown:
        raise InvalidInput(
            f"{path}.{unknown[0]}: there is no such option; there are {', '.join(DECLARED_KEYS)}"
        )
    try:
        metric_row({"name": name, "value": 0, **declared}, lambda: 0)
    except InvalidInput as fault:
        raise InvalidInput(f"{path}: {fault.message}") from None


def _build(kind: type[Any], table: Mapping[str, Any], prefix: str) -> Any:
    known = kind.__annotations__
    defaults = kind()
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise InvalidInput(f"{prefix}{name}: there is no such option; there are {', '.join(known)}")
        annotation = known[name].__forward_arg__
        values[name] = _fitting(value, getattr(defaults, name), annotation, prefix + name)
    return kind(**values)


def _fitting(value: Any, default: Any, annotation: str, name: str) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    wanted = _types_of(default, annotation)
    if isinstance(value, wanted) and isinstance(value, bool) == (wanted == (bool,)):
        return value
    raise InvalidInput(f"{name}: must be {_NAMES.get(wanted[-1], 'a table')}")


_NAMES = {bool: "true or false", float: "a number", int: "a whole number", str: "text", tuple: "a list"}


def _types_of(default: Any, annotation: str) -> tuple[type, ...]:
    if isinstance(default, bool):
        return (bool,)
    if isinstance(default, Mapping):
        return (Mapping,)
    if "float" in annotation:
        return (int, float)
    if annotation in ("int", "int | None"):
        return (int,)
    return (type(default),) if default is not None else (str,)


def project_file_text(store: str) -> str:
    """The text of a new project file that names `store`."""
    import json

    return (
        "# Settings of mplp-trace for this folder and those below it.\n"
        f"data_source = {json.dumps(store, ensure_ascii=False)}\n"
        "\n"
        "# [event_config]\n"
        f"# max_event_bytes = {MAX_EVENT_BYTES}\n"
        f'# default_level = "{Level.INFO.value}"\n'
    )
