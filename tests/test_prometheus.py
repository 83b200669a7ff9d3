"""The export for scrapers: values against a second computation, names that promtool has nothing against."""

from __future__ import annotations

import bisect
import json
import math
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from mplp_trace_cli import MetricsConfig, TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.metric_families import DEFAULT_BOUNDS, FamilySeries, MetricFamily
from mplp_trace_cli.domain.units import base_unit, unit_in
from mplp_trace_cli.interchange.prometheus import FORMATS, exposition, family_name
from tests.conftest import Cli, examples
from tests.helpers_storage import START_OF_TIME, Clock, service_at

PROMTOOL = shutil.which("promtool")
NOON = START_OF_TIME - 3_600_000_000


def lint(text: str) -> None:
    """`promtool check metrics` finds nothing in it."""
    if PROMTOOL is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is not installed (Debian: prometheus)")
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b""), text


def values(text: str, *, openmetrics: bool = False) -> dict[tuple[Any, ...], float]:
    """Every sample of an exposition by its name and labels, none of them twice."""
    parse = parse_openmetrics if openmetrics else parse_prometheus
    found: dict[tuple[Any, ...], float] = {}
    for family in parse(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def both(service: Any) -> str:
    """The classic text, after it was compared with the OpenMetrics one."""
    text: str = service.export_metrics().unwrap()
    opened: str = service.export_metrics("openmetrics").unwrap()
    assert opened.endswith("# EOF\n")
    assert values(opened, openmetrics=True) == pytest.approx(values(text))
    return text


@pytest.fixture
def service(tmp_path: Path) -> Any:
    """A service whose clock stands still, over a store of its own."""
    with service_at(tmp_path / "a.duckdb", Clock()) as made:
        made.create_trace(context_id="c", name="n").unwrap()
        yield made


def custom(text: str) -> dict[tuple[Any, ...], float]:
    """The samples that are none of ours."""
    return {key: value for key, value in values(text).items() if not key[0].startswith("mplp_trace_")}


# -- values ----------------------------------------------------------------------------------------

OBSERVED = st.lists(
    st.tuples(
        st.sampled_from(["gauge", "counter", "histogram"]),
        st.integers(0, 20_000),
        st.sampled_from(["ms", "s", None]),
        st.sampled_from(["{}", '{"a":"1"}', '{ "a" : "1" }', '{"a":""}']),
        st.sampled_from([None, "[1,10,1000]", "[5]"]),
    ),
    min_size=1,
    max_size=30,
)
FACTORS = {"ms": (1, 1_000), "s": (1, 1)}


@settings(max_examples=examples(6))
@given(OBSERVED)
def test_values_are_those_of_a_plain_computation(observed: list[Any]) -> None:
    """Newest of a gauge, sum of a counter, cumulative buckets: in seconds, whatever unit was said."""
    rows = [
        MetricRow(f"m_{type_}", type_, float(value), unit, None, labels, buckets, NOON + at)
        for at, (type_, value, unit, labels, buckets) in enumerate(observed)
    ]
    with TemporaryDirectory() as folder, service_at(Path(folder, "a.duckdb"), Clock()) as made:
        made.record_samples(rows)
        text = both(made)
    lint(text)
    assert custom(text) == pytest.approx(plain(rows))


def plain(rows: Sequence[MetricRow]) -> dict[tuple[Any, ...], float]:
    """The custom samples of the export, in plain Python."""
    said = {row.name: row.unit for row in rows if row.unit is not None}
    series: dict[tuple[Any, ...], list[tuple[float, MetricRow, tuple[int, int]]]] = defaultdict(list)
    for row in rows:
        unit = row.unit or said.get(row.name)
        up, down = FACTORS.get(unit or "", (1, 1))
        ending = "_seconds" if unit in FACTORS else ""
        labels = tuple(sorted((k, v) for k, v in json.loads(row.labels).items() if v))
        series["m", row.type, ending, labels].append((row.value * up / down, row, (up, down)))
    out: dict[tuple[Any, ...], float] = {}
    names = numbered_names(series)
    for (_, type_, ending, labels), found in series.items():
        name = names[type_, ending]
        amounts = [amount for amount, _, _ in found]
        if type_ == "gauge":
            out[name, *labels] = amounts[-1]
        elif type_ == "counter":
            out[f"{name}_total", *labels] = math.fsum(amounts)
        else:
            all_ = [one for key, some in series.items() if key[1:3] == (type_, ending) for one in some]
            out |= plain_histogram(name, labels, amounts, plain_bounds(all_))
    return out


def numbered_names(series: Any) -> dict[tuple[str, str], str]:
    """The names of the three families in order of name; those that would be the same are numbered."""
    taken: dict[str, int] = defaultdict(int)
    names = {}
    for type_, ending in sorted({key[1:3] for key in series}):
        wanted = f"m{ending}"
        taken[wanted] += 1
        names[type_, ending] = wanted if taken[wanted] == 1 else f"{wanted}_{taken[wanted]}"
    return names


def plain_bounds(found: Sequence[Any]) -> list[float]:
    """The bounds of the newest sample that has some."""
    said = [(row.timestamp, row.buckets, way) for _, row, way in found if row.buckets]
    if not said:
        return list(DEFAULT_BOUNDS)
    _, buckets, (up, down) = max(said)
    return [bound * up / down for bound in json.loads(buckets)]


def plain_histogram(
    name: str, labels: tuple[Any, ...], amounts: Sequence[float], bounds: Sequence[float]
) -> dict[tuple[Any, ...], float]:
    """The samples of one histogram."""
    from prometheus_client.utils import floatToGoString

    ordered = sorted(amounts)
    out: dict[tuple[Any, ...], float] = {}
    for bound in [*bounds, math.inf]:
        le = ("le", floatToGoString(bound))  # type: ignore[no-untyped-call]
        out[f"{name}_bucket", *sorted([*labels, le])] = bisect.bisect_right(ordered, bound)
    out[f"{name}_count", *labels] = len(ordered)
    out[f"{name}_sum", *labels] = math.fsum(ordered)
    return out


def test_the_newest_type_of_a_name_wins(service: Any) -> None:
    """Samples of another type are kept and not exported."""
    service.record_metric(name="m", value=5, type="counter", timestamp=NOON).unwrap()
    service.record_metric(name="m", value=7, type="gauge", timestamp=NOON + 1).unwrap()
    assert custom(both(service)) == {("m",): 7}
    service.record_metric(name="m", value=1, type="counter", timestamp=NOON + 2).unwrap()
    assert custom(both(service)) == {("m_total",): 6}


def test_application_and_system_metrics(service: Any) -> None:
    """Gauges under our own prefix, in base units; what has no value is not there."""
    service.record_metric(name="cpu_usage", value=25, unit="percent").unwrap()
    text = both(service)
    lint(text)
    assert values(text) == {
        ("mplp_trace_cpu_usage_ratio",): 0.25,
        ("mplp_trace_request_count_traces",): 1,
        ("mplp_trace_error_rate_ratio",): 0,
        ("mplp_trace_active_traces",): 1,
        ("mplp_trace_events_per_second",): 0,
    }


def test_what_is_declared_is_there_before_it_is_recorded(tmp_path: Path) -> None:
    """The value of a gauge or counter; a histogram without observations."""
    declared = {
        "jobs": {"type": "counter", "value": 3, "help": "Done."},
        "wait": {"type": "histogram", "value": 0, "unit": "ms", "buckets": [100]},
    }
    given = TraceModuleOptions(
        str(tmp_path / "a.duckdb"), metrics_config=MetricsConfig(custom_metrics=declared)
    )
    with initialize_trace_module(given) as module:
        made = module.trace_management_service
        made.create_trace(context_id="c", name="n").unwrap()
        text = both(made)
        assert "# HELP jobs_total Done.\n" in text
        assert custom(text) == {
            ("jobs_total",): 3,
            ("wait_seconds_bucket", ("le", "0.1")): 0,
            ("wait_seconds_bucket", ("le", "+Inf")): 0,
            ("wait_seconds_count",): 0,
            ("wait_seconds_sum",): 0,
        }
        made.record_metric(name="jobs", value=1).unwrap()
        assert custom(both(made))["jobs_total",] == 1


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "type_", "unit", "wanted"),
    [
        ("latency", "gauge", "ms", "latency_seconds"),
        ("latency_ms", "gauge", "ms", "latency_seconds"),
        ("latency_ms", "gauge", None, "latency_seconds"),
        ("latency_seconds", "histogram", "s", "latency_seconds"),
        ("cpu.load", "gauge", "percent", "cpu_load_ratio"),
        ("sent", "counter", "kB", "sent_bytes"),
        ("bytes_sent", "counter", "bytes", "bytes_sent"),
        ("jobs_total", "counter", None, "jobs"),
        ("jobs_total", "gauge", None, "jobs_total_value"),
        ("retry_count", "gauge", "count", "retry_count_value"),
        ("requests", "gauge", "requests/s", "requests_per_second"),
        ("io", "gauge", "MB/min", "io_bytes_per_second"),
        ("queueDepth", "gauge", "jobs", "queue_depth_jobs"),
        ("my_gauge", "gauge", None, "my"),
        ("days_since_login", "gauge", None, "day_since_login"),
        ("a_m_x", "gauge", None, "am_x"),
        ("Größe", "gauge", None, "groe"),
        ("日本", "gauge", None, "metric"),
        ("5xx", "counter", None, "_5xx"),
        ("cost", "gauge", "USD", "cost_usd"),
    ],
)
def test_names(name: str, type_: str, unit: str | None, wanted: str) -> None:
    """snake_case, the base unit at the end, nothing that a linter objects to."""
    family = MetricFamily("custom", name, type_, base_unit(unit or unit_in(name)), None, ())
    assert family_name(family) == wanted


PLAIN_WORDS = (
    "a ms s m h total count sum bucket created gauge counter histogram minutes days kilobytes millikelvin "
    "inches seconds bytes Camel caseX 5 é 日 _ . : - { }"
)
WORDS = st.sampled_from([*PLAIN_WORDS.split(), "\x00", "\n", '"', "\\", " "])
NAMES = st.lists(WORDS, min_size=1, max_size=5).map("_".join) | st.text(min_size=1, max_size=8)
UNITS = st.sampled_from(
    [None, "ms", "kB", "percent", "1", "jobs/s", "furlongs", "inches", "kB/h", '\n"', "m"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.tuples(
            NAMES,
            UNITS,
            st.sampled_from(["gauge", "counter", "histogram"]),
            st.dictionaries(NAMES, TEXTS, max_size=3),
        ),
        max_size=8,
    ),
    TEXTS,
)
def test_whatever_the_names_promtool_and_the_parser_find_nothing(found: list[Any], help_: str) -> None:
    """Names, units, labels, values and help of any text; no two samples alike, all of them there."""
    families = []
    for name, unit, type_, labels in found:
        given_labels = {key: value for key, value in labels.items() if value}
        series = FamilySeries(given_labels, 1.0, 3, (1, 2))
        families.append(MetricFamily("custom", name, type_, base_unit(unit), help_, (series,), (1.0, 2.5)))
    texts = {format_: exposition(families, format_) for format_ in FORMATS}
    samples = values(texts["prometheus"])
    assert len(samples) == sum(5 if family.type == "histogram" else 1 for family in families)
    assert len(values(texts["openmetrics"], openmetrics=True)) == len(samples)
    lint(texts["prometheus"])


def test_label_values_and_help_come_back(service: Any) -> None:
    """To the letter, through both formats."""
    hostile = 'a"b\\c\nd\re\x1b{}=,é日\x85\u2028'
    service.record_metric(name="m", value=1, labels={"k": hostile}, help=hostile).unwrap()
    text = both(service)
    lint(text)
    assert custom(text) == {("m", ("k", hostile)): 1}
    opened = service.export_metrics("openmetrics").unwrap()
    documented = {one.name: one.documentation for one in parse_openmetrics(opened)}  # type: ignore[no-untyped-call]
    assert documented["m"] == hostile


# -- the command -----------------------------------------------------------------------------------


def test_the_command_writes_a_file_or_stdout(cli: Cli) -> None:
    """The file appears whole; the same text goes to stdout; OpenMetrics has its end."""
    cli.ok("metrics", "inc", "jobs", "3")
    cli.ok("metrics", "export", "-o", "out.prom")
    text = (cli.folder / "out.prom").read_text(encoding="utf-8")
    lint(text)
    assert text == cli("metrics", "export").stdout
    assert cli.ok("metrics", "export", "--format", "openmetrics").endswith("# EOF")
    assert [path.name for path in cli.folder.iterdir() if path.name.endswith(".part")] == []
    done = cli("metrics", "export", "-o", "none/out.prom")
    assert (done.code, done.stdout) == (2, "")
    assert "no such folder" in done.stderr


def test_since_is_the_range_of_application_metrics(cli: Cli) -> None:
    """The last hour where none is given."""
    cli.ok("create", "old", "--started-at", "2026-03-02T09:00:00Z")
    assert values(cli("metrics", "export").stdout)["mplp_trace_request_count_traces",] == 0
    done = cli("metrics", "export", "--since", "2026-03-01")
    assert values(done.stdout)["mplp_trace_request_count_traces",] == 1


def test_a_missing_extra_is_named(cli: Cli) -> None:
    """One line, and the command that installs it."""
    cli.ok("create", "x")
    (cli.folder / "prometheus_client.py").write_text("raise ImportError('not here')", encoding="utf-8")
    done = cli("metrics", "export", env={"PYTHONPATH": str(cli.folder)})
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: this export needs packages that are not installed",
        "hint: pip install 'mplp-trace[prometheus]'",
    ]


def test_an_unknown_format_is_refused(service: Any) -> None:
    """Before anything is read."""
    assert isinstance(service.export_metrics("statsd").error, InvalidInput)


def test_importing_the_service_needs_no_extra() -> None:
    """prometheus-client is loaded by the export alone."""
    rooms = "mplp_trace_cli.service.measuring, mplp_trace_cli.interchange.prometheus"
    code = f"import sys, {rooms}; print('prometheus_client' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_what_no_double_holds_is_left_out(cli: Cli) -> None:
    """A counter that has come to infinity spoils nothing else for a scraper."""
    cli.ok("metrics", "inc", "big", "1e308")
    cli.ok("metrics", "inc", "big", "1e308")
    cli.ok("metrics", "set", "small", "1")
    text = cli.ok("metrics", "export", "--format", "openmetrics")
    families = {family.name: family for family in parse_openmetrics(text + "\n")}  # type: ignore[no-untyped-call]
    assert families["big"].samples == []
    assert families["small"].samples[0].value == 1.0
