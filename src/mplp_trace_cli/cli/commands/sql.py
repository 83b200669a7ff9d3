"""`sql` and `schema`: a person's own questions, and what there is to ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from mplp_trace_cli.analysis.answers import Answer, Column
from mplp_trace_cli.analysis.catalog import COLUMNS
from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.options import Format, Json, Limit
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.signals import ending_the_deaf
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.json_text import JsonFault, parse
from mplp_trace_cli.domain.words import counted


def sql_command(
    query: Annotated[
        str, typer.Argument(metavar="SQL", help="One SELECT; - reads it from stdin.", show_default=False)
    ],
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A value for $K in the query.")
    ] = None,
    limit: Limit = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """Ask in SQL, read-only, over the views traces, events, metrics and rejects."""
    from mplp_trace_cli.analysis.sql import most_memory, run_sql

    chosen = formats.chosen_format(format_, json_)
    text = values.from_file("@-", "sql") if query == "-" else query
    given = dict(values.split_pair(pair, "--param") for pair in param or ())
    most = formats.default_limit(chosen) if limit is None else limit
    with open_service() as service, service.reading() as db, ending_the_deaf(most_memory(db)):
        one_more = None if most is None else most + 1  # which tells that more are left
        answer = run_sql(db, text, {name: _typed(value) for name, value in given.items()}, one_more)
        seen = _Counted(answer.rows, most)
        formats.write(answer._replace(rows=seen), chosen)
    if seen.left:
        shown = counted(seen.count, "row")
        output.note(f"{shown} shown, there are more (--limit)")
    elif not seen.count and chosen in ("table", "markdown"):
        output.note("no row")


class _Counted:
    """The first rows of a stream; afterwards, how many they were and whether more are left."""

    def __init__(self, rows: Iterable[tuple[Any, ...]], most: int | None) -> None:
        self._rows = rows
        self._most = most
        self.count = 0
        self.left = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in self._rows:
            if self.count == self._most:
                self.left = True
                return
            self.count += 1
            yield row


def _typed(text: str) -> object:
    """What the text is as JSON: a number, true, false, null, a text in quotes; else, as it stands, a text."""
    try:
        value = parse(text)
    except JsonFault:
        return text
    return text if isinstance(value, dict | list) else value


def schema_command(format_: Format = None, json_: Json = False) -> None:
    """Show the columns of the views, with their types and what they mean."""
    chosen = formats.chosen_format(format_, json_)
    names = ("view", "column", "type", "meaning")
    formats.write(Answer(tuple(map(Column, names)), list(COLUMNS), len(COLUMNS)), chosen)


sql_command.example = (  # type: ignore[attr-defined]
    'mplp-trace sql "SELECT event_type, count(*) FROM events GROUP BY 1"'
)
schema_command.example = "mplp-trace schema"  # type: ignore[attr-defined]
