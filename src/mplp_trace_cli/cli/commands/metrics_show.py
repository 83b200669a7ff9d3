"""`metrics show`: what metrics amount to over a range, a row a series, or a row a series and bucket."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import filters, options, output, values
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.metrics_table import CELLS, for_people
from mplp_trace_cli.domain.metric_catalog import MetricCategory
from mplp_trace_cli.domain.metrics_data import FIGURES, MetricsData, MetricSeries, MetricsRequest
from mplp_trace_cli.domain.questions import Pagination

COLUMNS = (
    Column("category"),
    Column("name"),
    Column("type"),
    Column("labels", Kind.JSON),
    Column("unit"),
    *(Column(name, Kind.NUMBER) for name in FIGURES),
    Column("timestamp", Kind.INSTANT),
    Column("help"),
)
BUCKET = Column("bucket", Kind.INSTANT)
Types = Annotated[
    list[str] | None,
    filters.option("--type", f"{', '.join(MetricCategory)}.", "TYPE", list(MetricCategory).copy),
]
Names = Annotated[list[str] | None, filters.option("--name", "Name of the metric, as a glob.", "GLOB")]
Bucket = Annotated[
    str | None,
    typer.Option(metavar="WIDTH", help="A row a bucket: 1m, 1h, 1d, ….", rich_help_panel=options.SHAPE),
]


def show_command(
    type_: Types = None,
    name: Names = None,
    since: filters.Since = None,
    until: filters.Until = None,
    bucket: Bucket = None,
    page: options.Page = 1,
    limit: options.Limit = None,
    format_: options.Format = None,
    json_: options.Json = False,
) -> None:
    """Tell metrics over the last 24 hours, or a range: system, application, and what was recorded."""
    chosen = formats.chosen_format(format_, json_)
    asked = options.pagination(page, limit, None, chosen)
    with open_service() as service:
        range_ = filters.Span(since, until, None, None).fields(service.now())["time_range"]
        trend = 0 if bucket or chosen not in ("table", "markdown") else CELLS
        kinds = values.each_word(MetricCategory, type_, "--type")
        request = MetricsRequest(range_, kinds or None, name or (), bucket, trend)
        data = service.get_metrics(request).unwrap()
    series = sorted(data, key=lambda one: one.bucket or 0)
    part = _page(series, asked)
    answer = Answer(_columns(bucket), [_row(one, bucket) for one in part], len(series))
    formats.write(answer, chosen, shown=lambda _all: for_people(part, bucketed=bucket is not None))
    _tell_nothing(data, since)
    options.tell_total(answer, asked, "metric" if bucket is None else "row", chosen)
    _tell_types(data)


def _page(series: list[MetricSeries], page: Pagination) -> list[MetricSeries]:
    return series[page.offset :] if page.limit is None else series[page.offset : page.offset + page.limit]


def _columns(bucket: str | None) -> tuple[Column, ...]:
    return COLUMNS if bucket is None else (BUCKET, *COLUMNS)


def _row(series: MetricSeries, bucket: str | None) -> tuple[object, ...]:
    row = [getattr(series, column.name) for column in _columns(bucket)]
    row[_columns(bucket).index(COLUMNS[3])] = json.dumps(
        dict(series.labels), ensure_ascii=False, separators=(",", ":")
    )
    return tuple(row)


def _tell_nothing(data: MetricsData, since: str | None) -> None:
    if not any(one.value or one.count for one in data):
        when = "in that range" if since else "in the last 24 hours"
        output.note(f"nothing was recorded {when} (--since 7d)")


def _tell_types(data: MetricsData) -> None:
    """Says which names have samples of several types, since an export can take one of them only."""
    types = {name: sorted({one.type for one in series}) for name, series in data.custom.items()}
    several = [name for name, words in types.items() if len(words) > 1]
    if len(several) == 1:
        words = _listed(types[several[0]])
        output.note(f"{several[0]} was recorded as {words}; an export takes the newest of them")
    elif several:
        shown = ", ".join(several[:3]) + (", …" if len(several) > 3 else "")
        output.note(
            f"{len(several):,} names were recorded with several types ({shown}); an export takes the newest"
        )


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


show_command.example = "mplp-trace metrics show --since 1h --type custom"  # type: ignore[attr-defined]
