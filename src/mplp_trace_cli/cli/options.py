"""Options that asking commands share: how much is shown and how, and what is said about the rest."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.words import counted

if TYPE_CHECKING:
    from mplp_trace_cli.analysis.answers import Answer
    from mplp_trace_cli.domain.questions import Pagination, TraceAggregation

SHAPE = "What is shown"
GROUPS = "Groups and figures"

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
TRACE_KEYS = ("trace_type", "status", "context_id", "execution_id", "name", "tag", "meta.PATH")
EVENT_KEYS = ("event_type", "level", "source", "trace_id", "context_id", "data.PATH")
DURATIONS = ("avg", "min", "max", "sum", "p50", "p90", "p95", "p99")
METRICS = (
    *("count", "error_count", "event_count", "error_rate", "throughput"),
    *(f"{name}_duration" for name in DURATIONS),
)


def _completed(names: Sequence[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names if name.startswith(last)]

    return complete


def _groups(keys: Sequence[str]) -> Any:
    return typer.Option(
        "--group-by",
        metavar="FIELD,…",
        help=f"One row a group: {', '.join(keys)}.",
        autocompletion=_completed([key.replace("PATH", "") for key in keys]),
        rich_help_panel=GROUPS,
    )


def _figures(path: str) -> Any:
    functions = f"{'|'.join(DURATIONS)}"
    return typer.Option(
        "--metric",
        metavar="METRIC,…",
        help=f"Figures of each group: {', '.join(METRICS[:5])}, {functions} as avg_duration or "
        f"avg({path}); by default count,avg_duration,error_rate.",
        autocompletion=_completed(METRICS),
        rich_help_panel=GROUPS,
    )


TraceGroups = Annotated[list[str] | None, _groups(TRACE_KEYS)]
EventGroups = Annotated[list[str] | None, _groups(EVENT_KEYS)]
TraceMetrics = Annotated[list[str] | None, _figures("meta.PATH")]
EventMetrics = Annotated[list[str] | None, _figures("data.PATH")]
Bucket = Annotated[
    str | None,
    typer.Option(metavar="1m|15m|1h|1d|…", help="One row a span of time.", rich_help_panel=GROUPS),
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


def aggregation(
    group_by: list[str] | None, metric: list[str] | None, bucket: str | None
) -> TraceAggregation | None:
    """The groups that are asked for; None where nothing asks for groups."""
    if group_by is None and metric is None and bucket is None:
        return None
    from mplp_trace_cli.domain.questions import TraceAggregation  # 2 ms, which a completion does without

    return TraceAggregation(_listed(group_by), _listed(metric), bucket)


def _listed(given: list[str] | None) -> tuple[str, ...]:
    """The names of an option that takes several between commas, and may be repeated."""
    return tuple(name.strip() for text in given or () for name in _COMMA.split(text))


_COMMA = re.compile(r",(?![^(]*\))")
"""A comma that does not stand in the path of a function."""


def pagination(page: int, limit: int | None, sort: str | None, chosen: str) -> Pagination:
    """The page that is asked for; raises InvalidInput for a page of everything."""
    most = formats.default_limit(chosen) if limit is None else limit
    if most is None and page > 1:
        raise InvalidInput("--page: needs a limit", hint="--limit 50")
    from mplp_trace_cli.domain.questions import Pagination

    return Pagination(page, most, sort)


def tell_total(answer: Answer, page: Pagination, one: str, chosen: str) -> None:
    """Says on stderr how many there are when only a part is shown, or none."""
    if answer.total is None:
        return
    sys.stdout.flush()  # nothing is said about an answer that could not be written
    shown = len(list(answer.rows))
    if answer.total == 0 and chosen in ("table", "markdown"):
        output.note(f"no {one} matches")
    elif shown < answer.total:
        first = page.offset + 1
        last = page.offset + shown
        part = "none" if not shown else f"{first:,}" if first == last else f"{first:,}-{last:,}"
        output.note(f"{part} of {counted(answer.total, one)} (--limit, --page)")
