"""`metrics`: the group, and its commands that record, which load nothing of those that tell."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import values
from mplp_trace_cli.cli.app import CommandGroup
from mplp_trace_cli.cli.settings import open_service
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.requests import RecordMetricRequest

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the metric.", show_default=False)]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="A number.", show_default=False)]
Unit = Annotated[
    str | None,
    typer.Option(
        "--unit",  # Typer 0.27 would take the placeholder for the name
        metavar="UNIT",
        help="Its unit: ms, bytes, percent, jobs, ….",
    ),
]
HelpText = Annotated[str | None, typer.Option("--help-text", metavar="TEXT", help="What it measures.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="K=V", help="A label; each set of labels is a series.")
]
Timestamp = Annotated[str | None, typer.Option(metavar="TIME", help="When it was measured; now.")]
BestEffort = Annotated[bool, typer.Option("--best-effort", help="Never fail: warn and exit 0.")]


metrics_command = CommandGroup(
    "Record metrics, measure the system, and tell what metrics amount to.",
    {
        "show": "metrics_show",
        "export": "metrics_export",
        "collect": "metrics_collect",
        "set": "metrics",
        "inc": "metrics",
        "observe": "metrics",
    },
    "mplp-trace metrics show --since 1h",
)


def set_command(
    name: Name,
    value: Value,
    unit: Unit = None,
    help_text: HelpText = None,
    label: Labels = None,
    timestamp: Timestamp = None,
    best_effort: BestEffort = False,
) -> None:
    """Record what a gauge is now."""
    _record(RecordMetricRequest(name, _number(value), "gauge", unit, help_text), label, timestamp)


def inc_command(
    name: Name,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="By how much, not negative; 1.", show_default=False)
    ] = "1",
    unit: Unit = None,
    help_text: HelpText = None,
    label: Labels = None,
    timestamp: Timestamp = None,
    best_effort: BestEffort = False,
) -> None:
    """Count a counter up; any number of processes may count together."""
    _record(RecordMetricRequest(name, _number(value), "counter", unit, help_text), label, timestamp)


def observe_command(
    name: Name,
    value: Value,
    unit: Unit = None,
    help_text: HelpText = None,
    label: Labels = None,
    buckets: Annotated[
        str | None,
        typer.Option("--buckets", metavar="N,N,…", help="Ascending upper bounds, for the export."),
    ] = None,
    timestamp: Timestamp = None,
    best_effort: BestEffort = False,
) -> None:
    """Record one observation of a histogram."""
    request = RecordMetricRequest(
        name, _number(value), "histogram", unit, help_text, buckets=_bounds(buckets)
    )
    _record(request, label, timestamp)


def _record(request: RecordMetricRequest, label: list[str] | None, timestamp: str | None) -> None:
    labels: dict[str, str] = {}
    for text in label or ():
        key, value = values.split_pair(text, "--label")
        if key in labels:
            raise InvalidInput(f"--label: {key[:60]!r} is given twice")
        labels[key] = value
    with open_service() as service:
        at = values.moment(timestamp, service.now(), "--timestamp")
        service.record_metric(request._replace(labels=labels, timestamp=at)).unwrap()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"value: {text[:60]!r} is not a number") from None


def _bounds(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(
            f"--buckets: {text[:60]!r} is not a list of numbers", hint="--buckets 5,10,50"
        ) from None


_NEGATIVE_NUMBERS = {"ignore_unknown_options": True}
"""`-5` is a value, not an option."""

set_command.settings = inc_command.settings = observe_command.settings = _NEGATIVE_NUMBERS  # type: ignore[attr-defined]
set_command.example = "mplp-trace metrics set queue_depth 17 --label queue=mail"  # type: ignore[attr-defined]
inc_command.example = "mplp-trace metrics inc pages_read 12"  # type: ignore[attr-defined]
observe_command.example = "mplp-trace metrics observe llm_latency 212 --unit ms"  # type: ignore[attr-defined]
