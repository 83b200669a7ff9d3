"""Options that asking commands share: how much is shown and how, and what is said about the rest."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer
from mplp_trace_cli.cli import formats, output
from mplp_trace_cli.cli.words import counted
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import Pagination

SHAPE = "What is shown"

Sort = Annotated[
    str | None, typer.Option(metavar="FIELD[:desc]", help="Order by a field.", rich_help_panel=SHAPE)
]
Page = Annotated[
    int, typer.Option(metavar="N", help="Which page of --limit rows.", min=1, rich_help_panel=SHAPE)
]
Limit = Annotated[
    int | None,
    typer.Option(metavar="N", help="How many rows; 50 in tables, else all.", min=0, rich_help_panel=SHAPE),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(formats.FORMATS)}; $MPLP_TRACE_FORMAT.",
        rich_help_panel=SHAPE,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Short for --format json.", rich_help_panel=SHAPE)]


def pagination(page: int, limit: int | None, sort: str | None, chosen: str) -> Pagination:
    """The page that is asked for; raises InvalidInput for a page of everything."""
    most = formats.default_limit(chosen) if limit is None else limit
    if most is None and page > 1:
        raise InvalidInput("--page: needs a limit", hint="--limit 50")
    return Pagination(page, most, sort)


def tell_total(answer: Answer, page: Pagination, one: str, chosen: str) -> None:
    """Says on stderr how many there are when only a part is shown, or none."""
    if answer.total is None:
        return
    shown = len(list(answer.rows))
    if answer.total == 0 and chosen in ("table", "markdown"):
        output.note(f"no {one} matches")
    elif shown < answer.total:
        first = page.offset + 1
        last = page.offset + shown
        part = "none" if not shown else f"{first:,}" if first == last else f"{first:,}-{last:,}"
        output.note(f"{part} of {counted(answer.total, one)} (--limit, --page)")
