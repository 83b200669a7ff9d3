"""The rules and actions of the config: what they say, and every fault of them at once.

A file that came with a checkout may not run commands, nor send away what lies in files or in the environment:
such actions are left out, and it is said which. It may take a whole address from a variable of ours: then the
secret is the destination and reaches nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.analysis.alert_groups import group_fault
from mplp_trace_cli.analysis.alert_language import parse_condition
from mplp_trace_cli.config import TraceModuleOptions
from mplp_trace_cli.domain.alerts.alert import ActionKind, AlertAction, AlertRule, Severity
from mplp_trace_cli.domain.alerts.conditions import AlertCondition, comparisons
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.enums import parse_word, unknown_word, words_of
from mplp_trace_cli.domain.errors import ConfigInvalid, InvalidInput
from mplp_trace_cli.domain.times import DAY_US, parse_duration

DEFAULT_WINDOW = "5m"
LONGEST_DAYS = 36_500
LONGEST_US = LONGEST_DAYS * DAY_US
LONGEST_NAME = 255
OWN_VARIABLES = "MPLP_TRACE_"
"""How the names of variables begin that a project file may take the address of a web action from."""
_RULE_KEYS = ("name", "condition", "window", "for", "cooldown", "severity", "group_by", "actions")


class ParsedRule(NamedTuple):
    """A rule with its condition understood."""

    rule: AlertRule
    condition: AlertCondition


class AlertSet(NamedTuple):
    """What a configuration says about alerts."""

    rules: tuple[ParsedRule, ...]
    actions: Mapping[str, AlertAction]
    ignored: tuple[str, ...] = ()
    """Why actions were left out: a sentence each."""


def load_alerts(
    options: TraceModuleOptions, check_action: Callable[[AlertAction], None] = lambda _action: None
) -> AlertSet:
    """The rules and actions of the options; raises ConfigInvalid with every fault and where it is.

    `check_action` raises InvalidInput for settings of an action that counts.
    """
    reader = _Reader(options.from_project, check_action)
    table = options.alerts
    reader.only(table, ("rules", "actions"), "alerts")
    actions = reader.actions(table.get("actions", {}))
    rules = reader.rules(table.get("rules", ()))
    if reader.problems:
        problems = tuple(reader.problems)
        raise ConfigInvalid("; ".join(problems), hint=reader.hint, details={"problems": problems})
    return AlertSet(rules, actions, tuple(reader.ignored.values()))


class _Reader:
    """Reads the tables, and remembers what is wrong with them and what was left out."""

    def __init__(self, from_project: bool, check_action: Callable[[AlertAction], None]) -> None:
        self.from_project = from_project
        self.check_action = check_action
        self.hint: str | None = None
        self.problems: list[str] = []
        self.ignored: dict[str, str] = {}
        self.known_actions: tuple[str, ...] = ()
        self._names: dict[str, str] = {}

    def only(self, table: Mapping[str, Any], keys: Sequence[str], path: str) -> None:
        """Every key of a table is one of these."""
        self.problems += [
            f"{path}: there is no such key, {unknown_word(keys, key)}" for key in table if key not in keys
        ]

    # -- actions

    def actions(self, tables: object) -> dict[str, AlertAction]:
        """The actions that count, by name."""
        if not isinstance(tables, Mapping):
            self.problems.append("alerts.actions: must be tables, [alerts.actions.NAME]")
            return {}
        self.known_actions = tuple(tables)
        found = [self._action(str(name), table) for name, table in tables.items()]
        kept = {action.name: action for action in found if action and action.name not in self.ignored}
        for action in kept.values():
            self._check_settings(action)
        return kept

    def _check_settings(self, action: AlertAction) -> None:
        try:
            self.check_action(action)
        except InvalidInput as fault:
            self.problems.append(fault.message)
            self.hint = self.hint or fault.hint

    def _action(self, name: str, table: object) -> AlertAction | None:
        path = f"alerts.actions.{name}"
        if not isinstance(table, Mapping):
            self.problems.append(f"{path}: must be a table, [{path}]")
            return None
        said = table.get("type", name)
        if "type" not in table and name not in words_of(ActionKind):
            self.problems.append(f"{path}.type: required, one of {', '.join(words_of(ActionKind))}")
            return None
        try:
            kind = parse_word(ActionKind, said, f"{path}.type")
        except InvalidInput as fault:
            self.problems.append(fault.message)
            return None
        action = AlertAction(name, kind, {key: value for key, value in table.items() if key != "type"})
        reason = _why_left_out(action) if self.from_project else None
        if reason is not None:
            self.ignored[name] = (
                f"{path} is left out: {reason}, which a project file may not; "
                "it counts from the user's file or --config"
            )
        return action

    # -- rules

    def rules(self, tables: object) -> tuple[ParsedRule, ...]:
        """The rules, in their order."""
        if not isinstance(tables, Sequence) or isinstance(tables, str):
            self.problems.append("alerts.rules: must be tables, [[alerts.rules]]")
            return ()
        found = [self._rule(table, f"alerts.rules[{at}]") for at, table in enumerate(tables, start=1)]
        return tuple(rule for rule in found if rule is not None)

    def _rule(self, table: object, path: str) -> ParsedRule | None:
        if not isinstance(table, Mapping):
            self.problems.append(f"{path}: must be a table, [[alerts.rules]]")
            return None
        before = len(self.problems)
        self.only(table, _RULE_KEYS, path)
        fields = _Fields(table, path, self.problems)
        condition = fields.condition()
        rule = AlertRule(
            self._unused(fields.name(), path),
            str(table.get("condition", "")),
            fields.span("window", DEFAULT_WINDOW, 1),
            fields.span("for", "0", 0),
            fields.span("cooldown", "0", 0),
            fields.severity(),
            fields.group_by(condition),
            tuple(name for name in self._action_names(fields) if name not in self.ignored),
        )
        if condition is None or len(self.problems) > before:
            return None
        return ParsedRule(rule, condition)

    def _unused(self, name: str, path: str) -> str:
        if name in self._names:
            self.problems.append(f"{path}.name: {name!r} is the name of {self._names[name]} already")
        elif name:
            self._names[name] = path
        return name

    def _action_names(self, fields: _Fields) -> tuple[str, ...]:
        names = fields.texts("actions", "must be the NAME of an [alerts.actions.NAME], or a list of such")
        there = self.known_actions
        for name in names:
            if name not in there:
                said = unknown_word(there, name) if there else f"there is no [alerts.actions.{name}]"
                self.problems.append(f"{fields.path}.actions: {said}")
        return names


class _Fields:
    """Reads the keys of one rule; what is wrong is added to the problems and read as the default."""

    def __init__(self, table: Mapping[str, Any], path: str, problems: list[str]) -> None:
        self.table, self.path, self._problems = table, path, problems

    def _wrong(self, key: str, said: str) -> None:
        self._problems.append(f"{self.path}.{key}: {said}")

    def _text(self, key: str) -> str:
        value = self.table.get(key)
        if value is not None and not isinstance(value, str):
            self._wrong(key, "must be text")
        elif not value or not value.strip():
            self._wrong(key, "required")
        else:
            return value
        return ""

    def name(self) -> str:
        """The name, which is one line of text."""
        name = self._text("name")
        if len(name) > LONGEST_NAME or not _is_one_line(name):
            self._wrong("name", f"must be 1-{LONGEST_NAME} characters without control characters")
            return ""
        return name

    def condition(self) -> AlertCondition | None:
        """The condition; None where there is none that can be read."""
        text = self._text("condition")
        try:
            return parse_condition(text) if text else None
        except InvalidInput as fault:
            hint = f" (hint: {fault.hint})" if fault.hint else ""
            said = fault.message.removeprefix("condition, ")
            self._wrong("condition", f"{said}{hint}")
            return None

    def span(self, key: str, default: str, least_us: int) -> int:
        """A duration in microseconds."""
        value = self.table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self._wrong(key, "must be a duration such as 5m")
            return 0
        try:
            span_ms = parse_duration(str(value), f"{self.path}.{key}")
        except InvalidInput as fault:
            self._problems.append(fault.message)
            return 0
        if not least_us <= span_ms * 1_000 <= LONGEST_US:
            self._wrong(key, f"must be {'more than 0' if least_us else 'from 0'}, up to {LONGEST_DAYS}d")
            return 0
        return round(span_ms * 1_000)

    def severity(self) -> Severity:
        """How much it matters."""
        try:
            return parse_word(Severity, self.table.get("severity", Severity.WARNING), f"{self.path}.severity")
        except InvalidInput as fault:
            self._problems.append(fault.message)
            return Severity.WARNING

    def texts(self, key: str, rule: str = "must be a text, or a list of texts") -> tuple[str, ...]:
        """A list of texts, or one by itself; `rule` is told of anything else."""
        value = self.table.get(key, ())
        values = (value,) if isinstance(value, str) else value
        if not isinstance(values, Sequence) or not all(isinstance(one, str) for one in values):
            self._wrong(key, rule)
            return ()
        return tuple(dict.fromkeys(values))

    def group_by(self, condition: AlertCondition | None) -> tuple[str, ...]:
        """The columns of groups, which every figure of the condition must have."""
        keys = self.texts("group_by")
        if condition is None:
            return keys
        subjects = {one.figure.subject for one in comparisons(condition)}
        for key in keys:
            fault = group_fault(key, subjects)
            if fault is not None:
                self._wrong("group_by", fault)
        return keys


def _is_one_line(text: str) -> bool:
    return not has_surrogate(text) and all(ord(each) >= 32 and not 127 <= ord(each) < 160 for each in text)


def _why_left_out(action: AlertAction) -> str | None:
    """What the action would do that a file from elsewhere may not; None where there is nothing."""
    if action.kind is ActionKind.COMMAND:
        return "it runs a command"
    settings = action.settings
    if action.kind in (ActionKind.SLACK, ActionKind.WEBHOOK) and _is_own_address(settings.get("url")):
        settings = {key: value for key, value in settings.items() if key != "url"}
    for key in _keys_within(settings):
        if key == "file":
            return "it reads a file"
        if key == "env":
            return f"it reads a variable other than {OWN_VARIABLES}… for the whole url of slack or a webhook"
    return None


def _is_own_address(url: object) -> bool:
    """True where an address is one of our variables, and nothing else."""
    if not isinstance(url, Mapping) or [*url] != ["env"]:
        return False
    return isinstance(url["env"], str) and url["env"].startswith(OWN_VARIABLES)


def _keys_within(value: object) -> Iterator[str]:
    """Every key, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _keys_within(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for inner in value:
            yield from _keys_within(inner)
