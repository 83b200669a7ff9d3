"""Answers in every format: table, json, jsonl, csv, markdown. Rich is loaded for tables alone."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.words import humane_duration, humane_rate, humane_share

FORMATS = ("table", "json", "jsonl", "csv", "markdown")
FORMAT_VARIABLE = "MPLP_TRACE_FORMAT"
PAGE_ROWS = 50
_PIPED_WIDTH = 100_000
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_RIGHT = (Kind.NUMBER, Kind.COUNT, Kind.DURATION, Kind.SHARE, Kind.RATE, Kind.FIGURE)
_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}
"""Characters that JSON lets stand and a terminal may obey."""
_TURNS = (0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
_ON_SCREEN = {**_CONTROLS, **{code: f"\\u{code:04x}" for code in _TURNS}}
"""The same and those that turn or hide text, which other languages need and programs get as they are."""


def chosen_format(given: str | None, as_json: bool) -> str:
    """The format of an asking command; raises InvalidInput."""
    name = "json" if as_json else given or os.environ.get(FORMAT_VARIABLE) or "table"
    if name not in FORMATS:
        said_by = "--format" if given else FORMAT_VARIABLE
        raise InvalidInput(f"{said_by}: {unknown_word(FORMATS, name)}")
    return name


def default_limit(name: str) -> int | None:
    """How many rows are shown when nobody says: a page for people, all for programs."""
    return PAGE_ROWS if name in ("table", "markdown") else None


def write(answer: Answer, name: str, *, shown: Callable[[Answer], Answer] | None = None) -> None:
    """Writes an answer to stdout; `shown` makes of it what a table or markdown has instead."""
    writers: dict[str, Callable[[Answer], None]] = {
        "table": _table,
        "json": _json,
        "jsonl": _jsonl,
        "csv": _csv,
        "markdown": _markdown,
    }
    for_people = name in ("table", "markdown")
    writers[name](shown(answer) if for_people and shown is not None else answer)


def write_object(value: dict[str, Any]) -> None:
    """One JSON object to stdout."""
    output.answer(safe_json(json.dumps(value, ensure_ascii=False)))


def safe_json(text: str) -> str:
    """The same JSON with the control characters that are left in it escaped; on a terminal, all of them."""
    if not text.isascii() and "utf" not in (sys.stdout.encoding or "utf").lower():
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    if text.isprintable():
        return text
    return text.translate(_ON_SCREEN if sys.stdout.isatty() else _CONTROLS)


# -- for programs ----------------------------------------------------------------------------------


def _json(answer: Answer) -> None:
    before = ""
    for row in answer.rows:
        if before:
            output.answer(f"{before},")
        before = f"{' ' if before else '['}{json_row(answer.columns, row)}"
    output.answer(f"{before}]" if before else "[]")


def _jsonl(answer: Answer) -> None:
    for row in answer.rows:
        output.answer(json_row(answer.columns, row))


def json_row(columns: Iterable[Column], row: Iterable[Any]) -> str:
    """A row as a JSON object; JSON values keep their own text."""
    cells = (f"{json.dumps(c.name)}:{_json_cell(c.kind, v)}" for c, v in zip(columns, row, strict=True))
    return safe_json("{" + ",".join(cells) + "}")


def _json_cell(kind: Kind, value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "null"
    if kind is Kind.INSTANT:
        return f'"{_exact_instant(value)}"'
    if kind in (Kind.JSON, Kind.TEXTS) or type(value).__name__ == "Decimal":  # whose module costs 1 ms
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _exact_instant(value: int | str) -> str:
    """RFC 3339; what SQL has beyond it, such as infinity, is text already."""
    return value if isinstance(value, str) else format_instant(value)


def _csv(answer: Answer) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    terminal = sys.stdout.isatty()
    names = iter([tuple(answer.names)])
    rows = ([_text_cell(c.kind, v) for c, v in zip(answer.columns, row, strict=True)] for row in answer.rows)
    for row in itertools.chain(names, rows):
        writer.writerow([output.visible(cell) for cell in row] if terminal else row)
        output.answer(buffer.getvalue().removesuffix("\n"))
        buffer.seek(0)
        buffer.truncate()


def _text_cell(kind: Kind, value: Any) -> str:
    if value is None:
        return ""
    if kind is Kind.INSTANT:
        return _exact_instant(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# -- for people ------------------------------------------------------------------------------------


def _markdown(answer: Answer) -> None:
    output.answer("| " + " | ".join(_markdown_cell(name) for name in answer.names) + " |")
    rules = ("---:" if c.kind in _RIGHT else "---" for c in answer.columns)
    output.answer("| " + " | ".join(rules) + " |")
    for row in answer.rows:
        cells = (people_text(c, v) for c, v in zip(answer.columns, row, strict=True))
        output.answer("| " + " | ".join(map(_markdown_cell, cells)) + " |")


def _markdown_cell(text: str) -> str:
    return output.visible(text).translate(_IN_MARKDOWN)


_IN_MARKDOWN = {**{ord(mark): f"\\{mark}" for mark in "\\|*_`[]"}, ord("&"): "&amp;", ord("<"): "&lt;"}
"""What would be more than text in Markdown."""


def people_text(column: Column, value: Any) -> str:
    """A cell as people read it."""
    if value is None:
        return ""
    if column.kind is Kind.INSTANT:
        return humane_instant(value)
    humane = _HUMANE.get(column.kind)
    return _text_cell(column.kind, value) if humane is None else humane(value)


def _humane_number(value: Any) -> str:
    if not isinstance(value, float):
        return f"{value:,}"
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"


_HUMANE: dict[Kind, Callable[[Any], str]] = {
    Kind.DURATION: humane_duration,
    Kind.NUMBER: _humane_number,
    Kind.COUNT: _humane_number,
    Kind.SHARE: humane_share,
    Kind.RATE: humane_rate,
}


def humane_instant(instant: int | str) -> str:
    """`2026-03-02 09:15:00`, in UTC."""
    return instant if isinstance(instant, str) else format_instant(instant)[:19].replace("T", " ")


def console() -> Any:
    """A Rich console on stdout: as wide as the terminal, or without bounds when piped."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    colored = output.paints(sys.stdout)
    return Console(
        file=sys.stdout,
        width=None if terminal else _PIPED_WIDTH,
        force_terminal=colored or terminal,
        no_color=not colored,
        color_system=None if not colored else "auto" if terminal else "standard",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )


def styled(column: str, text: str) -> Any:
    """A cell of a table: plain text, whatever is in it, coloured by what its word means."""
    from rich.text import Text

    style = word_style(text) if column in _COLOURED else _COLUMN_STYLES.get(column, "")
    return Text(output.visible(text), style=style, overflow="fold")


def word_style(word: str) -> str:
    """The colour of a status, a level, a severity or what became of an alert."""
    return _STYLES.get(word, "")


_STYLES = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "expired": "magenta",
    "active": "cyan",
    "killed": "red",
    "debug": "dim",
    "warn": "yellow",
    "error": "red",
    "critical": "bold red",
    "warning": "yellow",
    "high": "red",
    "pending": "yellow",
    "firing": "bold red",
    "resolved": "green",
    "inactive": "dim",
    "sent": "green",
    "retrying": "yellow",
    "given_up": "red",
}
_COLOURED = ("status", "level", "severity", "state", "change")
"""The columns whose words have colours."""
_COLUMN_STYLES = {"trace": "cyan", "trace_id": "cyan", "event_id": "cyan", "errors": "red"}


def _table(answer: Answer) -> None:
    rows = list(answer.rows)
    if not rows:
        return
    print_table(answer.columns, rows)


def print_table(columns: Iterable[Column], rows: Iterable[Iterable[Any]]) -> None:
    """A table without vertical lines; on a terminal long cells fold, and too many columns are lines."""
    columns, rows = list(columns), list(rows)
    if not is_painted():
        print_plain(columns, _texts(columns, rows))
    elif _has_room(columns, _texts(columns, rows)):
        show(folding_table(columns, rows))
    else:
        _print_records(columns, _texts(columns, rows))


def print_table_or_records(columns: Iterable[Column], rows: Iterable[Iterable[Any]]) -> None:
    """The same, but a row after the other wherever a cell would have to fold."""
    columns, rows = list(columns), list(rows)
    texts = _texts(columns, rows)
    if is_painted() and not _fits(columns, texts):
        _print_records(columns, texts)
    else:
        print_table(columns, rows)


def is_painted() -> bool:
    """True where Rich paints and folds: on a terminal, and where colours are asked for."""
    return sys.stdout.isatty() or output.paints(sys.stdout)


def print_line(line: Iterable[tuple[str, str]]) -> None:
    """A line of texts, each with its style; without Rich where nothing is painted."""
    if is_painted():
        show(painted_line(line))
    else:
        output.answer("".join(output.visible(text) for text, _ in line).rstrip())


def painted_line(line: Iterable[tuple[str, str]]) -> Any:
    """The same as Rich prints it."""
    from rich.text import Text

    return Text.assemble(*((output.visible(text), style) for text, style in line))


def _texts(columns: list[Column], rows: Iterable[Iterable[Any]]) -> list[list[str]]:
    return [[people_text(c, value) for c, value in zip(columns, row, strict=True)] for row in rows]


def folding_table(columns: list[Column], rows: Iterable[Iterable[Any]]) -> Any:
    """The table as Rich prints it on a terminal, where long cells fold."""
    from rich import box
    from rich.table import Table

    texts = _texts(columns, rows)
    if not _fits(columns, texts):
        columns = [_on_lines(c, [row[at] for row in texts]) for at, c in enumerate(columns)]
    has_room = _has_room(columns, texts)  # without it all fold: a number that is cut is another number
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False, header_style="bold"
    )
    for column in columns:
        right = column.kind in _RIGHT
        table.add_column(
            "\n".join(map(output.visible, column.name.split("\n"))),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=has_room and _is_narrow(column),
        )
    for row in texts:
        table.add_row(*(styled(column.name, text) for column, text in zip(columns, row, strict=True)))
    return table


def _print_records(columns: list[Column], texts: list[list[str]]) -> None:
    """One row after the other, a line a column: for more columns than a terminal has room for."""
    from rich.table import Table
    from rich.text import Text

    for number, row in enumerate(texts):
        if number:
            show(Text())
        record = Table.grid(padding=(0, 2, 0, 0))
        record.add_column(overflow="fold", max_width=console().width // 2)
        record.add_column(overflow="fold")
        for column, text in zip(columns, row, strict=True):
            record.add_row(Text(output.visible(column.name), style="bold"), styled(column.name, text))
        show(record)


def print_plain(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """The same table where nothing folds and nothing is coloured: Rich's 40 ms are for terminals."""
    from rich.cells import cell_len

    table = [[output.visible(text) for text in row] for row in [[c.name for c in columns], *rows]]
    widths = [max(map(cell_len, cells)) for cells in zip(*table, strict=True)]
    right = [column.kind in _RIGHT for column in columns]
    for number, row in enumerate(table):
        cells = []
        for text, width, to_right in zip(row, widths, right, strict=True):
            space = " " * (width - cell_len(text))
            cells.append(space + text if to_right else text + space)
        output.answer("  ".join(cells).rstrip())
        if number == 0:
            output.answer("─" * (sum(widths) + 2 * (len(widths) - 1)))


def _fits(columns: list[Column], texts: list[list[str]]) -> bool:
    """True when every cell and heading has its whole width on this terminal."""
    widths = (max(map(len, cells)) for cells in zip([c.name for c in columns], *texts, strict=True))
    return bool(sum(widths) + _GAP_CELLS * (len(columns) - 1) <= console().width)


def _on_lines(column: Column, cells: list[str]) -> Column:
    """The column with a heading of several words on lines no wider than its cells need."""
    import textwrap

    if " " not in column.name or column.name in _WORDS:
        return column
    width = max(map(len, (*cells, *column.name.split())))
    return Column(textwrap.fill(column.name, width, break_long_words=False), column.kind)


_NARROW = (*_RIGHT, Kind.INSTANT)
_WORDS = (*_COLOURED, "bucket", "started (UTC)", "time (UTC)", "trend")
_FOLDED_CELLS, _GAP_CELLS = 8, 2


def _is_narrow(column: Column) -> bool:
    return column.kind in _NARROW or column.name in _WORDS


def _has_room(columns: list[Column], texts: list[list[str]]) -> bool:
    """True when the columns that do not fold leave the others something of the terminal's width."""
    headings = (max(re.split("[ \n]", c.name), key=len) for c in columns)
    widths = [max(map(len, cells)) for cells in zip(headings, *texts, strict=True)]
    least = (
        width if _is_narrow(c) else min(width, _FOLDED_CELLS)
        for c, width in zip(columns, widths, strict=True)
    )
    return bool(sum(least) + _GAP_CELLS * (len(columns) - 1) <= console().width)


def show(renderable: Any) -> None:
    """Prints something of Rich's, without trailing spaces when nobody watches a terminal."""
    target = console()
    if sys.stdout.isatty():
        target.print(renderable)
        return
    with target.capture() as captured:
        target.print(renderable)
    for line in _lines(captured.get()):
        output.answer(line)


def _lines(text: str) -> Iterator[str]:
    return (line.rstrip() for line in text.rstrip("\n").split("\n"))
