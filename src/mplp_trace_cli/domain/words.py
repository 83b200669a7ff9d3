"""Numbers as people read them."""

from __future__ import annotations

_STEPS = ((86_400_000, "d", 3_600_000, "h"), (3_600_000, "h", 60_000, "m"), (60_000, "m", 1_000, "s"))
_MINUTE = 59_995
_AGES = 10_000_000 * 86_400_000
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
