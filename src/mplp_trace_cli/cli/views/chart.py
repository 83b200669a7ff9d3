"""Charts of text: columns over time with their axes, and a line of them where there is little room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

BLOCKS = " ▁▂▃▄▅▆▇█"
NOTHING = "·"
"""Where nothing was measured, which is not 0."""
_LABEL_GAP = 2
_WIDEST_COLUMN = 6

Values = Sequence[float | None]


class Chart(NamedTuple):
    """Values over time, and how both are told; a label stands below the column it is of."""

    values: Values
    labels: Sequence[str]
    tell: Callable[[float], str]
    width: int
    height: int = 5

    def lines(self) -> list[str]:
        """The chart from top to bottom: columns beside the greatest value, the axis, the labels below it."""
        peak = max((value for value in self.values if value is not None), default=0.0)
        top, bottom = self.tell(peak), self.tell(0.0)
        margin = max(len(top), len(bottom))
        columns = _Columns.fitting(len(self.values), self.width - margin - 1)
        heights = [_eighths(value, peak, self.height) for value in columns.merged(self.values)]
        rows = []
        for row in reversed(range(self.height)):
            told = top if row == self.height - 1 else bottom if row == 0 else ""
            cells = "".join(columns.drawn(_cell(height, row)) for height in heights)
            rows.append(f"{told:>{margin}}┤{cells}".rstrip() if told else f"{'':>{margin}}│{cells}".rstrip())
        return [*rows, *(" " * margin + line for line in columns.axis(self.labels))]


class _Columns(NamedTuple):
    """How values share the width: several a cell, or several cells each."""

    values_each: int
    cells_each: int
    columns: int

    @classmethod
    def fitting(cls, values: int, room: int) -> _Columns:
        values, room = max(values, 1), max(room, 1)
        values_each = -(-values // room)
        count = -(-values // values_each)
        return cls(values_each, max(1, min(_WIDEST_COLUMN, room // count)), count)

    def merged(self, values: Values) -> list[float | None]:
        """The values of the columns: where several share one, the greatest, so that no peak is lost."""
        parts = (values[at : at + self.values_each] for at in range(0, len(values), self.values_each))
        return [max((value for value in part if value is not None), default=None) for part in parts]

    def drawn(self, cell: str) -> str:
        """A cell as wide as a column, with a gap beside it where there is room for one."""
        gap = 1 if self.cells_each > 2 else 0
        return cell * (self.cells_each - gap) + " " * gap

    def axis(self, labels: Sequence[str]) -> tuple[str, str]:
        """The line below the columns with its ticks, and the labels below those."""
        width = self.columns * self.cells_each
        every = self._label_every(labels)
        line, below = ["─"] * width, [" "] * (width + max(map(len, labels), default=0))
        for column in range(0, self.columns, every):
            at, label = column * self.cells_each, labels[column * self.values_each]
            if at and at + len(label) > width:
                break
            line[at] = "┬"
            below[at : at + len(label)] = label
        return "└" + "".join(line), " " + "".join(below).rstrip()

    def _label_every(self, labels: Sequence[str]) -> int:
        """Every how many columns there is room for a label; where days are told in hours, at even ones."""
        least = -(-(max(map(len, labels), default=0) + _LABEL_GAP) // self.cells_each)
        return next((step for step in (1, 2, 3, 6, 12, 24) if step >= least), least)


def _eighths(value: float | None, peak: float, height: int) -> int | None:
    """How many eighths of a cell a column is high; what is more than 0 is seen."""
    if value is None:
        return None
    return max(1, round(value / peak * height * 8)) if value > 0 and peak > 0 else 0


def _cell(eighths: int | None, row: int) -> str:
    if eighths is None:
        return NOTHING if row == 0 else " "
    return BLOCKS[min(8, max(0, eighths - row * 8))]


def sparkline(values: Values, width: int) -> str:
    """The values on one line, as wide as there is room for."""
    columns = _Columns.fitting(len(values), width)
    merged = columns.merged(values)
    peak = max((value for value in merged if value is not None), default=0.0)
    return "".join(_cell(_eighths(value, peak, 1), 0) for value in merged)
