"""Metrics as text for a scraper: the Prometheus text format 0.0.4, and OpenMetrics 1.0.

Names are made such that `promtool check metrics` finds nothing in them, whatever they were: snake_case, the
base unit at the end, `_total` on counters alone, no abbreviated units, no words for types. Two metrics or
labels that would end up with one name are numbered.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.enums import MetricType, unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.domain.metric_catalog import MetricCategory
from mplp_trace_cli.domain.metric_families import MetricFamily
from mplp_trace_cli.domain.units import base_unit, unit_in

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

FORMATS = ("prometheus", "openmetrics")
OWN_PREFIX = ("mplp", "trace")
COUNTER_ENDING, HISTOGRAM_ENDINGS = "_total", ("_bucket", "_count", "_sum", "_created")

_TYPE_WORDS = frozenset(("counter", "gauge", "summary", "histogram"))
_ABBREVIATIONS = frozenset(("s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"))
_PREFIXES = "pico nano micro milli centi deci deca hecto kilo kibi mega mibi giga gibi tera tebi peta pebi"
_NO_BASE = (
    "minutes hours days weeks kelvins fahrenheit rankine inches yards miles bits calories pounds ounces"
)
_BASE = "amperes bytes celsius grams joules kelvin meters metres seconds volts"
_FOREIGN_UNIT = re.compile(
    f"({_NO_BASE})|({_PREFIXES})({_NO_BASE} {_BASE})".replace(" ", "|").replace(")(", ")(?:")
)
"""A word that promtool takes for a unit that is no base unit."""


def check_format(name: str) -> str:
    """The name of a format; raises InvalidInput for any other."""
    if name not in FORMATS:
        raise InvalidInput(f"format: {unknown_word(FORMATS, name)}")
    return name


def exposition(families: Iterable[MetricFamily], format_: str) -> str:
    """The text of all families; raises InvalidInput, MissingExtra where prometheus-client is not there."""
    check_format(format_)
    try:
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import generate_latest
        from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
        from prometheus_client.registry import Collector
    except ImportError:
        raise missing_extra("prometheus", "this export") from None

    named = _named(families)

    class Collected(Collector):
        def collect(self) -> Iterator[Metric]:
            return (_metric(name, family) for name, family in named)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    generate: Any = generate_latest if format_ == "prometheus" else generate_openmetrics
    text: bytes = generate(registry)
    return text.decode()


def _metric(name: str, family: MetricFamily) -> Metric:
    from prometheus_client.metrics_core import Metric

    unit = "_".join(_words(family.unit.name))
    ends_in_it = bool(unit) and name.endswith(f"_{unit}")
    metric = Metric(name, _help(family), family.type, unit if ends_in_it else "")
    labels = _label_names(family)
    for series in family.series:
        if series.value is not None and not math.isfinite(series.value):
            continue  # a sum that no double holds would spoil the whole text for a scraper
        named = {labels[key]: value for key, value in series.labels.items()}
        metric.samples.extend(_samples(name, family, series, named))
    return metric


def _help(family: MetricFamily) -> str:
    said = family.help or ""
    return said if said.strip() else f"{family.name}, as it was recorded."


def _samples(name: str, family: MetricFamily, series: Any, labels: dict[str, str]) -> Iterator[Any]:
    from prometheus_client.samples import Sample
    from prometheus_client.utils import floatToGoString

    if family.type == MetricType.GAUGE:
        yield Sample(name, labels, series.value)
    elif family.type == MetricType.COUNTER:
        yield Sample(f"{name}{COUNTER_ENDING}", labels, series.value)
    else:
        for bound, count in zip(family.bounds, series.counts, strict=True):
            yield Sample(f"{name}_bucket", {**labels, "le": floatToGoString(bound)}, count)  # type: ignore[no-untyped-call]
        yield Sample(f"{name}_bucket", {**labels, "le": "+Inf"}, series.count)
        yield Sample(f"{name}_count", labels, series.count)
        yield Sample(f"{name}_sum", labels, series.value)


# -- names -----------------------------------------------------------------------------------------


def _named(families: Iterable[MetricFamily]) -> list[tuple[str, MetricFamily]]:
    """Each family with a name that no other one, nor a sample of another one, has."""
    taken: set[str] = set()
    named = []
    for family in families:
        wanted = family_name(family)
        name = next(name for name in _numbered(wanted) if taken.isdisjoint(_names_of(name, family.type)))
        taken.update(_names_of(name, family.type))
        named.append((name, family))
    return named


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def _names_of(name: str, type_: str) -> list[str]:
    endings: Sequence[str] = ()
    if type_ == MetricType.COUNTER:
        endings = (COUNTER_ENDING, "_created")
    elif type_ == MetricType.HISTOGRAM:
        endings = HISTOGRAM_ENDINGS
    return [name, *(name + ending for ending in endings)]


def family_name(family: MetricFamily) -> str:
    """The name of a family as a scraper wants it, without the `_total` of a counter."""
    words = _words(family.name)
    said = unit_in(family.name)
    if said is not None and base_unit(said).name == family.unit.name:
        words = words[:-1]
    if family.type == MetricType.COUNTER and len(words) > 1 and words[-1] == "total":
        words = words[:-1]
    words = _unobjectionable(words)
    unit = _unobjectionable(["", *_words(family.unit.name)])[1:]
    if unit and not _has(words, unit):
        words = [*words, *unit[_overlap(words, unit) :]]
    if f"_{words[-1]}" in (COUNTER_ENDING, *HISTOGRAM_ENDINGS):
        words = [*words, "value"]
    if family.category != MetricCategory.CUSTOM:
        words = [*OWN_PREFIX, *words]
    return _begun("_".join(words))


def _words(text: str) -> list[str]:
    """The words of a name in lower case: runs of ASCII letters and digits, parted where camelCase does."""
    plain = unicodedata.normalize("NFKD", text.replace("µ", "u")).encode("ascii", "ignore").decode()
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", plain)
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", parted)]


def _unobjectionable(words: list[str]) -> list[str]:
    """The words without those that promtool takes for types, abbreviations or foreign units."""
    kept: list[str] = []
    for word in words or ["metric"]:
        if kept and word in _TYPE_WORDS:
            continue
        if kept and word in _ABBREVIATIONS:
            kept[-1] += word
        else:
            kept.append(word)
    return [_no_unit(word) for word in kept]


def _no_unit(word: str) -> str:
    while _FOREIGN_UNIT.fullmatch(word):
        word = word[:-1]
    return word


def _has(words: list[str], unit: list[str]) -> bool:
    size = len(unit)
    return any(words[at : at + size] == unit for at in range(len(words) - size + 1))


def _overlap(words: list[str], unit: list[str]) -> int:
    """How many words at the end are those with which the unit begins."""
    return next(size for size in range(len(unit), -1, -1) if words[len(words) - size :] == unit[:size])


def _begun(name: str) -> str:
    return f"_{name}" if name[:1].isdigit() else name


def _label_names(family: MetricFamily) -> dict[str, str]:
    """A valid name for each label of a family, no two alike."""
    names: dict[str, str] = {}
    for key in sorted({key for series in family.series for key in series.labels}):
        wanted = _begun("_".join(_words(key)) or "label")
        if wanted in ("le", "quantile"):  # they have a meaning of their own
            wanted = f"label_{wanted}"
        names[key] = next(name for name in _numbered(wanted) if name not in names.values())
    return names
