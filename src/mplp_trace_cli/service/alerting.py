"""The use cases of alerts: checking the rules, telling people, and what they say and ask about it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mplp_trace_cli.domain.enums import nearest_word
from mplp_trace_cli.domain.errors import (
    InvalidInput,
    NotFound,
    StoreBusy,
    StoreMissing,
    TraceError,
)
from mplp_trace_cli.service.base import operation
from mplp_trace_cli.service.measuring import MeasuringService

if TYPE_CHECKING:
    from mplp_trace_cli.analysis.alert_rules import AlertSet, ParsedRule
    from mplp_trace_cli.domain.alerts.alert import AlertNotice, AlertReading
    from mplp_trace_cli.domain.alerts.machine import AlertRecord, Evaluation
    from mplp_trace_cli.domain.alerts.report import (
        AlertChange,
        AlertDelivery,
        AlertList,
        AlertReport,
        Undelivered,
    )
    from mplp_trace_cli.domain.requests import Instant
    from mplp_trace_cli.storage.alert_book import AlertBook, Delivery
    from mplp_trace_cli.storage.store import Connection

CLOCK_SLACK_US = 60_000_000
"""How far apart the clocks of two checkers may be before it is said."""
SENDING_SECONDS = 60.0
"""How long one check goes on beginning deliveries."""


class AlertingService(MeasuringService):
    """Checks alerts and keeps their book; light to import, since each method imports what it needs."""

    @operation
    def check_alerts(
        self, at: Instant | None = None, rules: str | Collection[str] | None = None
    ) -> AlertReport:
        """Evaluates the rules, or those of these names, remembers what changed and tells people.

        With `at` it is a replay: what would be so at that instant, from what is recorded by now; nothing is
        remembered and nobody told. A condition with `for` is then evaluated at up to ten instants before.
        Raises ConfigInvalid, InvalidInput for a rule that is not there, and the errors of the store.
        """
        from mplp_trace_cli.domain.questions import to_instant

        instant = to_instant(at, "at")
        if instant is not None:
            return self._replayed(rules, instant)
        report = self._evaluated(rules)
        return report._replace(deliveries=self._sent())

    @operation
    def evaluate_alerts(self, rules: str | Collection[str] | None = None) -> AlertReport:
        """The first half of a check: evaluates and remembers; people are told by `send_notices`.

        Without any rules nothing is touched: a config that was not found closes no alert.
        """
        return self._evaluated(rules)

    @operation
    def send_notices(self) -> tuple[AlertDelivery, ...]:
        """The second half of a check: sends all that is due and that no other process is sending.

        An action that fails is not tried again in the same call, and after a minute none is begun any more:
        what is left waits for the next check.
        """
        return self._sent()

    def _evaluated(self, rules: str | Collection[str] | None) -> AlertReport:
        from mplp_trace_cli.domain.alerts.report import AlertReport
        from mplp_trace_cli.storage.alert_book import change_of

        alerts = self._alerts()
        chosen = _chosen(alerts, rules)
        self._require_store()
        at = self.now()
        if not alerts.rules:
            return AlertReport(at, 0, (), remarks=alerts.ignored)
        evaluation = _evaluation(alerts, chosen, self._readings(chosen, at), at)
        with self._book() as book:
            ahead = _ahead(book.evaluated_at(), evaluation)
            steps = book.step(evaluation, alerts.actions.__contains__)
        return AlertReport(
            at,
            len(evaluation.evaluated),
            tuple(one.record for one in steps if not one.is_closed),
            tuple(change for one in steps if (change := change_of(one, at))),
            tuple(one.notice for one in steps if one.notice is not None),
            remarks=(*alerts.ignored, *ahead),
        )

    def _sent(self) -> tuple[AlertDelivery, ...]:
        alerts = self._alerts()
        if not alerts.rules or not os.path.exists(self.paths.alerts):
            return ()
        with self._book() as book:
            return tuple(self._deliveries(book, alerts))

    def _readings(self, rules: Sequence[ParsedRule], at: int) -> list[AlertReading]:
        from mplp_trace_cli.analysis.alert_evaluation import evaluate

        if not rules:
            return []
        with self.reading() as db:
            return evaluate(db, rules, at)

    def _replayed(self, names: str | Collection[str] | None, at: int) -> AlertReport:
        from mplp_trace_cli.domain.alerts.report import AlertReport

        alerts = self._alerts()
        rules = _chosen(alerts, names)
        self._require_store()
        if not rules:
            return AlertReport(at, 0, (), remarks=alerts.ignored)
        with self.reading() as db:
            records = _as_of(db, rules, at)
        return AlertReport(at, len(rules), tuple(records), remarks=alerts.ignored)

    def _deliveries(self, book: AlertBook, alerts: AlertSet) -> Iterator[AlertDelivery]:
        """Sends what was due at the beginning, by each action until it fails, and begins none too late."""
        from mplp_trace_cli.delivery import MOST_SECONDS

        lease_us = round((MOST_SECONDS + 30) * 1_000_000)
        began, end = self.now(), time.monotonic() + SENDING_SECONDS
        failing: set[str] = set()
        while time.monotonic() < end:
            delivery = book.claim(self.now(), lease_us, began, failing)
            if delivery is None:
                return
            yield self._delivered(book, delivery, alerts, failing)

    def _delivered(
        self, book: AlertBook, delivery: Delivery, alerts: AlertSet, failing: set[str]
    ) -> AlertDelivery:
        """How sending it ended; an action that may work later is then one of the failing."""
        from mplp_trace_cli.domain.errors import DeliveryFailed

        try:
            _send(delivery.notice, delivery.action, alerts)
        except TraceError as error:
            # A package that is missing here may be there where the next check is made.
            permanent = isinstance(error, DeliveryFailed) and error.permanent
            if not permanent:
                failing.add(delivery.action)
            next_at = book.mark_failed(delivery, error.message, self.now(), permanent=permanent)
            return _outcome(delivery.notice, delivery.action, error.message, next_at)
        book.mark_sent(delivery, self.now())
        return _outcome(delivery.notice, delivery.action)

    @operation
    def list_alerts(self) -> AlertList:
        """Every alert as the last check left it, and what could not be sent; an unknown one is inactive."""
        from mplp_trace_cli.domain.alerts.alert import AlertState
        from mplp_trace_cli.domain.alerts.machine import AlertRecord
        from mplp_trace_cli.domain.alerts.report import AlertList

        alerts = self._alerts()
        self._require_store()
        records: list[AlertRecord] = []
        undelivered: list[Undelivered] = []
        if os.path.exists(self.paths.alerts):
            with self._book_to_read() as book:
                records, undelivered = book.records(), book.undelivered()
        rules = {parsed.rule.name: parsed.rule for parsed in alerts.rules}
        kept = [one for one in records if one.rule in rules or one.state is not AlertState.INACTIVE]
        known = {record.rule for record in kept}
        unknown = [AlertRecord(name, (), rule.severity) for name, rule in rules.items() if name not in known]
        return AlertList((*kept, *unknown), tuple(undelivered), alerts.ignored)

    @operation
    def alert_history(
        self, limit: int | None = None, rule: str | None = None
    ) -> tuple[list[AlertChange], int]:
        """The newest changes of state, deliveries and acknowledgements, newest first; how many in all."""
        self._require_store()
        if not os.path.exists(self.paths.alerts):
            return [], 0
        with self._book_to_read() as book:
            return book.history(rule, limit)

    @operation
    def acknowledge_alert(
        self,
        rule: str,
        group: Mapping[str, str | None] | None = None,
        note: str | None = None,
        by: str | None = None,
    ) -> list[AlertRecord]:
        """Notes that somebody knows of the firing alerts of a rule, of those whose group has these values.

        They go on firing, and their end is told. Raises NotFound where none is firing, InvalidInput where
        there is no such rule either.
        """
        from mplp_trace_cli.domain.alerts.alert import alert_title
        from mplp_trace_cli.domain.alerts.machine import Acknowledgement

        self._require_store()
        found: list[AlertRecord] = []
        if os.path.exists(self.paths.alerts):
            with self._book() as book:
                said = Acknowledgement(self.now(), by, note)
                found = book.acknowledge(rule, tuple((group or {}).items()), said)
        if not found:
            _chosen(self._alerts(), rule)
            alert = alert_title(rule, tuple((group or {}).items()))
            raise NotFound(f"no such alert is firing: {alert}", hint="mplp-trace alerts list")
        return found

    @operation
    def test_alert(self, rule: str) -> list[AlertDelivery]:
        """Sends a sample by each action of a rule at once, and says how each ended; nothing is remembered."""
        alerts = self._alerts()
        (parsed,) = _chosen(alerts, rule)
        if not parsed.rule.actions:
            why = "; ".join(alerts.ignored) or "actions = [NAME] in its table"
            raise InvalidInput(f"the alert rule {rule} has no actions", hint=why)
        notice = self._sample(parsed)
        ended = []
        for name in dict.fromkeys(parsed.rule.actions):
            try:
                _send(notice, name, alerts)
            except TraceError as error:
                ended.append(_outcome(notice, name, error.message))
            else:
                ended.append(_outcome(notice, name))
        return ended

    def _sample(self, parsed: ParsedRule) -> AlertNotice:
        """A notice with the figures of now, where there is a store to ask."""
        from mplp_trace_cli.domain.alerts.alert import AlertNotice, AlertState

        rule, now = parsed.rule, self.now()
        readings: list[AlertReading] = []
        with contextlib.suppress(StoreMissing, StoreBusy):
            readings = self._readings([parsed], now)
        group, figures = (readings[0].group, readings[0].figures) if readings else ((), ())
        return AlertNotice(
            *(rule.name, rule.severity, AlertState.FIRING, group, rule.condition, rule.window_us, figures),
            since=now,
            at=now,
            is_test=True,
        )

    def _alerts(self) -> AlertSet:
        """The rules and actions of the options; raises ConfigInvalid with every fault of them."""
        from mplp_trace_cli.analysis.alert_rules import load_alerts
        from mplp_trace_cli.delivery import check_action

        return load_alerts(self._wiring.options, check_action)

    def _require_store(self) -> None:
        if not (os.path.exists(self.paths.store) or os.path.exists(self.paths.inbox)):
            raise StoreMissing(f"there is no store at {self.paths.store}", hint="mplp-trace create NAME")

    def _book(self) -> contextlib.closing[AlertBook]:
        from mplp_trace_cli.storage.alert_book import AlertBook

        return contextlib.closing(AlertBook(self.paths))

    def _book_to_read(self) -> contextlib.closing[AlertBook]:
        """The book also where nothing can be written."""
        from mplp_trace_cli.storage.alert_book import AlertBook

        return contextlib.closing(AlertBook(self.paths, writable=os.access(self.paths.folder, os.W_OK)))


def _chosen(alerts: AlertSet, names: str | Collection[str] | None) -> list[ParsedRule]:
    """The rules of these names, all where none are given; raises InvalidInput."""
    known = {parsed.rule.name: parsed for parsed in alerts.rules}
    if names is None:
        return list(known.values())
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"there is no alert rule {name!r}{nearest_word([*known], name)}",
                hint=f"there are {', '.join(known)}" if known else "mplp-trace alerts list",
            )
    return [known[name] for name in dict.fromkeys(names)]


def _evaluation(
    alerts: AlertSet, chosen: Iterable[ParsedRule], readings: Sequence[AlertReading], at: int
) -> Evaluation:
    from mplp_trace_cli.domain.alerts.machine import Evaluation

    names = frozenset(parsed.rule.name for parsed in chosen)
    return Evaluation([parsed.rule for parsed in alerts.rules], names, readings, at)


def _ahead(evaluated_at: Mapping[str, int], evaluation: Evaluation) -> Iterator[str]:
    """A sentence for each rule that was checked by a clock that was far ahead, which hides all until then."""
    from mplp_trace_cli.domain.times import format_instant

    for name in sorted(evaluation.evaluated):
        last = evaluated_at.get(name, evaluation.at)
        if last > evaluation.at + CLOCK_SLACK_US:
            when = format_instant(last)[:19]
            yield f"{name} was checked by a clock that was ahead, and changes only after {when}Z"


def _as_of(db: Connection, rules: Sequence[ParsedRule], at: int) -> list[AlertRecord]:
    """What would be so at an instant: firing where the condition holds all through `for` before it."""
    from mplp_trace_cli.analysis.alert_evaluation import evaluate
    from mplp_trace_cli.domain.alerts.machine import instants_of, replayed

    readings = evaluate(db, rules, at)
    records: list[AlertRecord] = []
    for parsed in rules:
        last = [one for one in readings if one.rule == parsed.rule.name]
        earlier = instants_of(parsed.rule.for_us, at)[:-1] if any(one.holds for one in last) else []
        history = [(instant, evaluate(db, [parsed], instant)) for instant in earlier]
        records += replayed(parsed.rule, [*history, (at, last)])
    return records


def _send(notice: AlertNotice, name: str, alerts: AlertSet) -> None:
    from mplp_trace_cli.delivery import deliver
    from mplp_trace_cli.domain.errors import DeliveryFailed

    action = alerts.actions.get(name)
    if action is None:
        raise DeliveryFailed(f"there is no action {name} in the config that counts", permanent=True)
    deliver(notice, action)


def _outcome(
    notice: AlertNotice, action: str, error: str | None = None, next_at: int | None = None
) -> AlertDelivery:
    from mplp_trace_cli.domain.alerts.report import AlertDelivery

    return AlertDelivery(notice.rule, notice.group, notice.state, action, error, next_at)
