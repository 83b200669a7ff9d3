"""`sql` and `schema`: a person's own questions, and what there is to ask."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer, Column
from mplp_trace_cli.analysis.catalog import COLUMNS
from mplp_trace_cli.cli import formats, output, values
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.json_text import JsonFault, parse


def sql_command(
    query: Annotated[
        str, typer.Argument(metavar="SQL", help="One SELECT; - reads it from stdin.", show_default=False)
    ],
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A value for $K in the query.")
    ] = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """Ask in SQL, read-only, over the views traces, events, metrics and rejects."""
    from mplp_trace_cli.analysis.sql import run_sql

    chosen = formats.chosen_format(format_, json_)
    text = values.from_file("@-", "sql") if query == "-" else query
    given = dict(values.split_pair(pair, "--param") for pair in param or ())
    with open_service() as service, service.reading() as db:
        answer = run_sql(db, text, {name: _typed(value) for name, value in given.items()})
        if chosen in ("table", "markdown"):
            rows = list(answer.rows)
            answer = Answer(answer.columns, rows, len(rows))
            if not rows:
                output.note("no row")
        formats.write(answer, chosen)


def _typed(text: str) -> object:
    """A number where the text is one, else the text."""
    try:
        value = parse(text)
    except JsonFault:
        return text
    return value if isinstance(value, int | float) else text


def schema_command(format_: Format = None, json_: Json = False) -> None:
    """Show the columns of the views, with their types and what they mean."""
    chosen = formats.chosen_format(format_, json_)
    names = ("view", "column", "type", "meaning")
    formats.write(Answer(tuple(map(Column, names)), list(COLUMNS), len(COLUMNS)), chosen)


sql_command.example = (  # type: ignore[attr-defined]
    'mplp-trace sql "SELECT event_type, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC"'
)
schema_command.example = "mplp-trace schema"  # type: ignore[attr-defined]
