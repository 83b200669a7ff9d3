"""`alerts`: checking the rules of the config, and what became of their alerts."""

from __future__ import annotations

import contextlib
import getpass
import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import typer

from mplp_trace_cli.analysis.answers import Answer, Column, Kind
from mplp_trace_cli.cli import output, values
from mplp_trace_cli.cli.app import CommandGroup
from mplp_trace_cli.cli.options import SHAPE, Format, Json, Limit, pagination, tell_total
from mplp_trace_cli.cli.settings import current, open_service
from mplp_trace_cli.cli.views import alerts_table, formats
from mplp_trace_cli.config import PROJECT_FILE, config_file, user_file
from mplp_trace_cli.domain.alerts.alert import AlertState, alert_title
from mplp_trace_cli.domain.alerts.report import AlertChangeKind, AlertDelivery, AlertReport, Undelivered
from mplp_trace_cli.domain.words import counted

alerts_command = CommandGroup(
    "Check alert rules, tell people, and see what became of it.",
    dict.fromkeys(("check", "list", "history", "ack", "test", "watch"), "alerts"),
    "mplp-trace alerts check",
)
Rules = Annotated[list[str] | None, typer.Option("--rule", metavar="NAME", help="This rule alone.")]
Rule = Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.", show_default=False)]


def check_command(
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="As of then: nothing is remembered or sent.")
    ] = None,
    rule: Rules = None,
    format_: Format = None,
    json_: Json = False,
) -> int:
    """Evaluate the rules once, remember what changed, send what is due; exit 1 when an alert is firing."""
    chosen = formats.chosen_format(format_, json_)
    with open_service() as service:
        when = values.moment(at, service.now(), "--at")
        is_replay = when is not None
        asked = (
            service.check_alerts(when, rule or None) if is_replay else service.evaluate_alerts(rule or None)
        )
        report = asked.unwrap()
        _show(report, when, chosen)
        if not is_replay:
            tell_deliveries(service.send_notices().unwrap())
    return 1 if report.firing else 0


def _show(report: AlertReport, at: int | None, chosen: str) -> None:
    """Says what a check found, at once: telling people may take long."""
    warn(report.remarks)
    people = alerts_table.alerts_for_people(alerts_table.noteworthy(report))
    formats.write(alerts_table.rows_of(report.alerts), chosen, shown=lambda _all: people)
    sys.stdout.flush()
    closed = sum(change.change is AlertChangeKind.CLOSED for change in report.changes)
    if closed:
        output.note(f"closed {counted(closed, 'alert')} whose rule is no more, or groups by something else")
    if report.rules:
        output.note(_summary(report, at))
    else:
        output.warning(no_rules())


def no_rules() -> str:
    """Where rules were looked for and there are none."""
    path = config_file(current().config)
    if path is None:
        places = f"{PROJECT_FILE}, {user_file()}, or --config"
        return f"no alert rules are configured: there is no config file ({places})"
    return f"no alert rules are configured in {path}"


def warn(remarks: Iterable[str]) -> None:
    """Says what of the config is left out, and what else is wrong without stopping anything."""
    for remark in remarks:
        output.warning(remark)


def _summary(report: AlertReport, at: int | None) -> str:
    states = Counter(alert.state for alert in report.alerts)
    said = [
        f"{states[state]:,} {state.value}"
        for state in (AlertState.FIRING, AlertState.PENDING)
        if states[state]
    ]
    when = "" if at is None else f" as of {formats.humane_instant(at)} UTC"
    return f"{counted(report.rules, 'rule')} checked{when}: {', '.join(said) or 'nothing firing'}"


def tell_deliveries(deliveries: Iterable[AlertDelivery]) -> None:
    """Says how many notices were sent, and warns of each that was not."""
    ended = list(deliveries)
    sent = sum(delivery.error is None for delivery in ended)
    if sent:
        output.note(f"sent {counted(sent, 'notice')}")
    for one in ended:
        if one.error is not None:
            later = "given up" if one.next_at is None else "it is tried again"
            alert = alert_title(one.rule, one.group)
            output.warning(f"{alert} is {one.state.value}: {one.action} failed: {one.error} ({later})")


def list_command(format_: Format = None, json_: Json = False) -> None:
    """List every alert as the last check left it, and what could not be sent; evaluates nothing."""
    chosen = formats.chosen_format(format_, json_)
    with open_service() as service:
        known = service.list_alerts().unwrap()
    warn(known.remarks)
    people = alerts_table.alerts_for_people(alerts_table.remarkable(known.alerts))
    formats.write(alerts_table.listed(known.alerts, known.undelivered), chosen, shown=lambda _all: people)
    if not known.alerts:
        output.warning(no_rules())
    warn(dict.fromkeys(map(_undelivered, known.undelivered)))


def _undelivered(one: Undelivered) -> str:
    checks = counted(one.attempts, "check")
    later = f"given up after {checks}" if one.next_at is None else f"in {checks} so far"
    return f"{alert_title(one.rule, one.group)}: {one.action} failed: {one.error} ({later})"


def history_command(
    rule: Annotated[str | None, typer.Option("--rule", metavar="NAME", help="This rule alone.")] = None,
    limit: Limit = None,
    format_: Format = None,
    json_: Json = False,
) -> None:
    """List what happened to alerts, newest first: states, deliveries, acknowledgements."""
    chosen = formats.chosen_format(format_, json_)
    asked = pagination(1, limit, None, chosen)
    with open_service() as service:
        changes, total = service.alert_history(asked.limit, rule).unwrap()
        known = service.list_alerts().data if rule is not None and not total else None
    answer = alerts_table.changes_of(changes)._replace(total=total)
    formats.write(answer, chosen, shown=lambda _all: alerts_table.changes_for_people(changes))
    tell_total(answer, asked, "change", chosen)
    if rule is not None and known is not None and rule not in (names := known.names):
        output.note(f"there is no alert rule {rule!r}; there are {', '.join(names) or 'none'}")


def ack_command(
    rule: Rule,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="K=V", help="Of this group alone; null is no value."),
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="What you say about it.")] = None,
) -> None:
    """Say that somebody knows of the firing alerts of a rule; they go on firing until they resolve."""
    wanted = dict(map(_group_value, group or ()))
    with open_service() as service:
        found = service.acknowledge_alert(rule, wanted, message, _user()).unwrap()
    for record in found:
        output.note(f"acknowledged {alert_title(record.rule, record.group)}")


def _group_value(text: str) -> tuple[str, str | None]:
    """A column and its value: `null` is nothing, a JSON string what it says, anything else itself."""
    column, value = values.split_pair(text, "--group")
    with contextlib.suppress(ValueError):
        said = json.loads(value)
        if said is None or isinstance(said, str):
            return column, said
    return column, value


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return None


def test_command(rule: Rule, format_: Format = None, json_: Json = False) -> int:
    """Send a sample by each action of a rule; exit 2 when one could not be sent."""
    chosen = formats.chosen_format(format_, json_)
    with open_service() as service:
        ended = service.test_alert(rule).unwrap()
    columns = (Column("action"), Column("sent", Kind.BOOLEAN), Column("error"))
    formats.write(Answer(columns, [(one.action, one.error is None, one.error) for one in ended]), chosen)
    return 2 if any(one.error is not None for one in ended) else 0


def watch_command(
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often.")] = "30s",
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many times; until it is stopped.")
    ] = None,
    rule: Rules = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FORMAT", help="table or jsonl; $MPLP_TRACE_FORMAT.", rich_help_panel=SHAPE
        ),
    ] = None,
) -> None:
    """Check again and again until it is stopped, or N times; a line for each change of an alert."""
    from mplp_trace_cli.cli.commands.alerts_watch import watch

    watch(interval, count, rule, format_)


check_command.example = "mplp-trace alerts check --at 2026-03-04T15:00:00Z"  # type: ignore[attr-defined]
list_command.example = "mplp-trace alerts list"  # type: ignore[attr-defined]
history_command.example = "mplp-trace alerts history --limit 20"  # type: ignore[attr-defined]
ack_command.example = 'mplp-trace alerts ack high-error-rate --message "on it"'  # type: ignore[attr-defined]
test_command.example = "mplp-trace alerts test high-error-rate"  # type: ignore[attr-defined]
watch_command.example = "mplp-trace alerts watch --interval 1m"  # type: ignore[attr-defined]
