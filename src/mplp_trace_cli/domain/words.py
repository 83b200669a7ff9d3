"""Numbers as people read them."""

from __future__ import annotations

_STEPS = ((86_400_000, "d", 3_600_000, "h"), (3_600_000, "h", 60_000, "m"), (60_000, "m", 1_000, "s"))
_MINUTE = 59_995
_AGES = 10_000_000 * 86_400_000
_RATES = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_UNITS = ("B", "kB", "MB", "GB", "TB")


def humane_duration(milliseconds: float) -> str:
    """`0.2ms`, `38ms`, `2.35s`, `1m 02s`, `3h 05m`, `2d 04h`."""
    if milliseconds < 0:
        return f"-{humane_duration(-milliseconds)}"
    if milliseconds >= _AGES:
        return f"{milliseconds / 86_400_000:.3g}d"
    if milliseconds >= _MINUTE:
        return _in_two_units(milliseconds)
    if milliseconds >= 999.5:
        return f"{milliseconds / 1_000:.2f}s"
    return f"{milliseconds:.0f}ms" if milliseconds >= 10 else f"{milliseconds:.3g}ms"


def _in_two_units(milliseconds: float) -> str:
    size, unit, part, part_unit = next(step for step in _STEPS if milliseconds >= step[0] - step[2] / 2)
    parts, per = round(milliseconds / part), size // part
    return f"{parts // per:,}{unit} {parts % per:02}{part_unit}"


def humane_share(share: float) -> str:
    """`4.2%`, of a share from 0 to 1."""
    return f"{share * 100:.1f}%"


def humane_rate(per_second: float, unit: str | None = None) -> str:
    """`12.5/s`, `3.2/min`, `4.1/h`: in the given unit, else in the one in which it is at least one."""
    chosen = unit or rate_unit(per_second)
    count = per_second * _RATES[chosen]
    return f"{count:,.3g}/{chosen}" if count < 1_000 else f"{count:,.0f}/{chosen}"


def rate_unit(per_second: float) -> str:
    """The unit of time in which a rate reads best: s, min, h or d."""
    units = (unit for unit, seconds in _RATES.items() if per_second * seconds >= 0.9995 or not per_second)
    return next(units, "d")


def humane_bytes(size: float) -> str:
    """`532 B`, `1.4 MB`: powers of 1,000."""
    step = 0
    while size >= 999.5 and step < len(_UNITS) - 1:
        size /= 1_000
        step += 1
    return f"{size:,.{min(step, 1)}f} {_UNITS[step]}"


def counted(count: int, one: str, many: str | None = None) -> str:
    """`1 event`, `1,204 events`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
