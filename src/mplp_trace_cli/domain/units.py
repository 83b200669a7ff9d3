"""Units and their base units: `ms` is seconds ÷ 1,000, `percent` a ratio ÷ 100, `kB/s` bytes per second."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class BaseUnit(NamedTuple):
    """A base unit, empty for a plain number, and how a value gets there: × multiplier ÷ divisor."""

    name: str = ""
    multiplier: float = 1.0
    divisor: float = 1.0

    def of(self, value: float) -> float:
        """The value in the base unit."""
        return value * self.multiplier / self.divisor


def base_unit(unit: str | None) -> BaseUnit:
    """The base unit of a unit; one that is not known is its own."""
    said = (unit or "").strip()
    amount, per = _split_rate(said)
    known = _KNOWN.get(amount) or _KNOWN.get(amount.lower()) or BaseUnit(amount)
    if per is None:
        return known
    return BaseUnit(f"{known.name} per second".strip(), known.multiplier, known.divisor * per)


def unit_in(name: str) -> str | None:
    """The unit that the last word of a metric's name says: `ms` of `latency_ms`."""
    last = re.search(r"[^_\W]_([A-Za-z]+)$", name)
    return last[1].lower() if last and last[1].lower() in _WORDS else None


def _split_rate(unit: str) -> tuple[str, float | None]:
    """What is counted, and the seconds of the time that it is counted in; None for what is no rate."""
    amount, slash, time = re.sub(r"\s+per\s+", "/", unit).rpartition("/")
    known = _KNOWN.get(time.strip().lower())
    if not slash or known is None or known.name != "seconds":
        return unit, None
    return amount.strip(), known.of(1.0)


def _units() -> Mapping[str, BaseUnit]:
    units: dict[str, BaseUnit] = {}
    for base, names in _TABLE.items():
        for words, multiplier, divisor in names:
            units |= dict.fromkeys(words.split(), BaseUnit(base, multiplier, divisor))
    return units


_TABLE = {
    "": (("count counts number none 1", 1, 1),),
    "ratio": (("share ratio", 1, 1), ("percent percents percentage %", 1, 100)),
    "seconds": (
        ("s sec secs second seconds", 1, 1),
        ("ms msec millisecond milliseconds", 1, 1e3),
        ("us µs μs usec microsecond microseconds", 1, 1e6),
        ("ns nanosecond nanoseconds", 1, 1e9),
        ("min minute minutes", 60, 1),
        ("h hour hours", 3_600, 1),
        ("d day days", 86_400, 1),
        ("w week weeks", 604_800, 1),
    ),
    "bytes": (
        ("B b byte bytes", 1, 1),
        ("bit bits", 1, 8),
        ("kB KB kb kilobyte kilobytes", 1e3, 1),
        ("MB mb megabyte megabytes", 1e6, 1),
        ("GB gb gigabyte gigabytes", 1e9, 1),
        ("TB tb terabyte terabytes", 1e12, 1),
        ("PB pb petabyte petabytes", 1e15, 1),
        ("KiB kib kibibyte kibibytes", 2.0**10, 1),
        ("MiB mib mebibyte mebibytes", 2.0**20, 1),
        ("GiB gib gibibyte gibibytes", 2.0**30, 1),
        ("TiB tib tebibyte tebibytes", 2.0**40, 1),
    ),
}
"""For each base unit: how a unit of it is written, and what a value is multiplied by and divided by."""
_KNOWN = _units()
_WORDS = frozenset(_KNOWN) - set("bhdw1") - {"count", "counts", "number", "none", "min", "share"}
"""The units that a name may end in; the others mean something else as often."""
