"""What checking alert rules costs: fifty of them, of every kind, over many events, as a whole command."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from ground import Ground
from harness import BenchmarkFailed, Result, Run, at_most, run, seconds_text

AT = "2026-03-04T17:30:00Z"
"""When the data of the benchmarks ends, nearly."""
REACH_SECONDS = 2.0
WINDOWS = ("5m", "1h", "6h", "24h", "7d", "30d")
CONDITIONS = (
    ("error_rate > 5%", ("", "context_id", "trace_type")),
    ("success_rate < 90% or throughput < 30/min", ("", "context_id")),
    ("avg_response_time > 5000ms and p95_response_time >= 2s", ("", "status")),
    ("p99_response_time(type='workflow_execution', tag='bench') > 1s", ("", "context_id")),
    ("active_traces > 100 or request_count(status='failed') > 3", ("", "context_id")),
    ("event_count(type='plan.task.*', min_level='warn') > 10", ("", "source")),
    ("event_count(type='llm_call') >= 3 and error_rate > 1%", ("", "context_id")),
    ("error_count(source='plan', context='ctx-7') > 5", ("", "event_type")),
    ("events_per_second > 100/min", ("", "level", "context_id")),
    ("cpu_usage > 90% and memory_usage > 80%", ("",)),
    ("p95(queue_depth, queue='mail') > 100", ("", "labels.host")),
)
"""Conditions, and what each is grouped by in turn."""
RULES = 50


def alerts(ground: Ground) -> list[Result]:
    """`alerts check` with fifty rules, and with one."""
    fifty, one = (_seconds(ground, count) for count in (RULES, 1))
    return [
        Result(
            f"`alerts check` of {RULES} rules over {ground.sizes.big_events:,} events",
            seconds_text(fifty),
            f"of one rule: {seconds_text(one)}",
            fifty,
            at_most(REACH_SECONDS, "s"),
            note="windows from 5 minutes to 30 days, groups, filters and percentiles; start-up included",
        )
    ]


def _seconds(ground: Ground, rules: int) -> float:
    config = ground.place("alerts.toml")
    config.write_text("\n".join(_rule(number) for number in range(rules)), encoding="utf-8")
    _check(ground, config)
    return statistics.median(_check(ground, config).seconds for _ in range(ground.sizes.long_pairs))


def _check(ground: Ground, config: Path) -> Run:
    """One check; the exit code is 1 where an alert is firing, which is no failure."""
    done = run(ground.trace(ground.big_store, "--config", str(config), "alerts", "check", "--at", AT))
    if done.code not in (0, 1) or "checked" not in done.stderr:
        raise BenchmarkFailed(f"alerts check: {done.code}: {done.stderr.strip()}")
    return done


def _rule(number: int) -> str:
    condition, groups = CONDITIONS[number % len(CONDITIONS)]
    turn = number // len(CONDITIONS)
    by = groups[turn % len(groups)]
    return (
        "[[alerts.rules]]\n"
        f'name = "rule {number}"\n'
        f"condition = {json.dumps(condition)}\n"
        f'window = "{WINDOWS[(number + turn) % len(WINDOWS)]}"\n'
        f"group_by = {json.dumps([by] if by else [])}\n"
    )
