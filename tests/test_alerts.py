"""Alerts from Python, with a clock that is given: checking, replaying, asking; and that the page is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.config import options_from
from mplp_trace_cli.domain.alerts.alert import AlertReading, AlertRule, AlertState
from mplp_trace_cli.domain.alerts.machine import REPLAYED, Evaluation, instants_of
from mplp_trace_cli.domain.errors import ConfigInvalid, InvalidInput, NotFound
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.alert_book import AlertBook
from mplp_trace_cli.storage.paths import StorePaths
from tests.conftest import ROOT, Cli
from tests.helpers_storage import SECOND, Clock
from tests.transcripts import blocks

DEEP = {"name": "deep", "condition": "last(depth) > 10", "window": "1h", "cooldown": "10m"}


def made(folder: Path, clock: Clock, **alerts: object) -> TraceManagementService:
    """A service with these alerts."""
    options = options_from({"alerts": {"rules": [DEEP], **alerts}})
    paths = StorePaths.at(folder / "traces.duckdb")
    return TraceManagementService(Wiring(paths, options, clock, new_id, durable=False))


@pytest.fixture
def watched(tmp_path: Path, clock: Clock) -> Iterator[TraceManagementService]:
    """A service with the rule `deep`, which tells nobody."""
    service = made(tmp_path, clock)
    yield service
    service.close()


def check(service: TraceManagementService, depth: float | None = None) -> str:
    """The state of the one alert after a check, a moment after a depth was recorded."""
    if depth is not None:
        service.record_metric(name="depth", value=depth, timestamp=service.now() - 1).unwrap()
    (alert,) = service.check_alerts().unwrap().alerts
    return alert.state.value


def test_a_life_of_an_alert(watched: TraceManagementService, clock: Clock) -> None:
    """Firing, resolved, pending while it cools down, firing again."""
    seen = []
    for depth, seconds in ((1, 60), (12, 60), (13, 60), (2, 60), (14, 300), (15, 300), (16, 0)):
        seen.append(check(watched, depth))
        clock.pass_seconds(seconds)
    assert seen == ["inactive", "firing", "firing", "resolved", "pending", "pending", "firing"]
    changes, total = watched.alert_history(limit=2).unwrap()
    assert ([one.change.value for one in changes], total) == (["firing", "pending"], 4)


def test_an_earlier_check_changes_nothing(watched: TraceManagementService, clock: Clock) -> None:
    """And a clock that was far ahead is told of, since nothing changes until then."""
    assert check(watched, 12) == "firing"
    clock.pass_seconds(-30)
    report = watched.check_alerts().unwrap()
    assert (report.firing, report.changes, report.remarks) == (1, (), ())
    clock.pass_seconds(-3_600)
    (remark,) = watched.check_alerts().unwrap().remarks
    assert remark.startswith("deep was checked by a clock that was ahead, and changes only after ")


def test_a_place_that_does_not_answer_is_tried_once_a_check(tmp_path: Path, clock: Clock) -> None:
    """However many notices go there and however late it gets meanwhile; the others are no attempts."""
    argv = ["sh", "-c", f"echo x >> {tmp_path}/tries; exit 1"]
    actions = {"note": {"type": "command", "argv": argv, "timeout": "100ms"}}
    rule = {**DEEP, "group_by": "labels.queue", "actions": "note"}
    with closing(made(tmp_path, clock, rules=[rule], actions=actions)) as service:
        for queue in "abcde":
            service.record_metric(
                name="depth", value=12, labels={"queue": queue}, timestamp=service.now() - 1
            ).unwrap()
        for tries in (1, 2):
            report = service.check_alerts().unwrap()
            assert [one.error is None for one in report.deliveries] == [False]
            assert len(service.list_alerts().unwrap().undelivered) == tries
            clock.pass_seconds(1)
    assert (tmp_path / "tries").read_text() == "x\n" * 2


def test_a_check_does_not_begin_what_fell_due_meanwhile(watched: TraceManagementService) -> None:
    """What is due after its beginning is for the next check."""
    book = AlertBook(watched.paths)
    rule = AlertRule("deep", "last(depth) > 10", 3_600 * SECOND, actions=("note",))
    at = watched.now()
    book.step(Evaluation([rule], frozenset(["deep"]), [AlertReading("deep", (), True, ())], at), bool)
    assert book.claim(at + 30 * SECOND, SECOND, began=at - 1) is None
    assert book.claim(at, SECOND, failing=["note"]) is None
    assert book.claim(at, SECOND) is not None
    book.close()


def test_a_replay_remembers_nothing(watched: TraceManagementService, clock: Clock) -> None:
    """Any way to give an instant; the state of now is not looked at."""
    before = datetime.fromtimestamp(clock.now / SECOND, UTC)
    clock.pass_seconds(60)
    assert check(watched, 12) == "firing"
    assert [one.state for one in watched.check_alerts(before).unwrap().alerts] == [AlertState.INACTIVE]
    report = watched.check_alerts(at=clock.now, rules="deep").unwrap()
    assert (report.firing, report.notices, report.deliveries) == (1, (), ())
    assert watched.alert_history().unwrap()[1] == 1
    assert watched.list_alerts().unwrap().alerts[0].state is AlertState.FIRING


def test_what_cannot_be_is_an_error(watched: TraceManagementService, tmp_path: Path, clock: Clock) -> None:
    """As a result with its code."""
    check(watched, 1)
    assert isinstance(watched.check_alerts(rules=["deep", "shallow"]).error, InvalidInput)
    assert isinstance(watched.check_alerts("yesterday").error, InvalidInput)
    assert isinstance(watched.acknowledge_alert("deep").error, NotFound)
    assert isinstance(watched.test_alert("deep").error, InvalidInput), "it has no actions"
    faulty = made(tmp_path, clock, actions={"slack": {"url": 3}, "webhook": {}})
    error = faulty.check_alerts().error
    assert isinstance(error, ConfigInvalid)
    assert "alerts.actions.slack.url" in error.message
    assert "alerts.actions.webhook.url" in error.message


@given(st.integers(0, 100_000 * SECOND), st.integers(0, 10**16))
def test_when_a_replay_evaluates(for_us: int, at: int) -> None:
    """At the instant, at its beginning of `for` when that is a second or more, and evenly between."""
    instants = instants_of(for_us, at)
    assert instants[-1] == at
    assert len(instants) <= REPLAYED
    assert instants[0] == (at - for_us if for_us >= SECOND else at)
    gaps = [later - sooner for sooner, later in pairwise(instants)]
    assert all(gap >= SECOND for gap in gaps)
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_the_examples_of_the_page_are_rules(cli: Cli) -> None:
    """Every TOML block of the pages about alerts is taken by the command."""
    cli.ok("metrics", "set", "depth", "1")
    examples = [text for language, text in blocks(ROOT / "docs" / "alerts.md") if language == "toml"]
    assert examples
    for text in examples:
        (cli.folder / "alerts.toml").write_text(text, encoding="utf-8")
        done = cli("alerts", "list", "--config", "alerts.toml")
        assert (done.code, done.stderr) == (0, "")
