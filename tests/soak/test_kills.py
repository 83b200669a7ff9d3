"""Hundreds of kills, a cut at every line of ours, and real commands by the dozen."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.helpers_kills import (
    Killer,
    kill_exports,
    kill_folds,
    kill_imports,
    kill_records,
    kill_streams,
    opened,
)
from tests.helpers_processes import at_once, join, start
from tests.helpers_storage import event_ids, held_for_writing, repeated, service_at
from tests.test_concurrency import fold_on_and_on
from tests.test_crash import WORKS, crash

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1_800)]

SEED = int(os.environ.get("MPLP_TRACE_SOAK_SEED", time.time_ns() % 1_000_000))
"""Printed, so that a run can be repeated."""


@pytest.mark.parametrize(
    ("kill", "times"),
    [(kill_records, 80), (kill_streams, 40), (kill_imports, 40), (kill_folds, 50), (kill_exports, 40)],
    ids=["record", "stream", "import", "flush", "export"],
)
def test_killed_250_times(tmp_path: Path, kill: Callable[..., None], times: int) -> None:
    """kill -9 at random moments: 250 in all, on one store for each kind of command."""
    print(f"seed {SEED}")
    cli = opened(tmp_path)
    if kill is kill_exports:
        with service_at(cli.db) as service:
            rows = [{"trace_id": "t", "event_type": "e", "data": {"n": n}} for n in range(50_000)]
            service.record_events(rows).unwrap()
            service.flush().unwrap()
    killer = Killer(SEED)
    kill(cli, killer, times)
    assert killer.kills == times


@pytest.mark.parametrize("work", WORKS)
def test_cut_off_at_hundreds_of_lines(tmp_path: Path, work: Callable[[Path], None]) -> None:
    """Up to 200 lines of each kind of work, spread over all of it."""
    assert crash(work, tmp_path, 200) > 50


def test_everything_killed_on_one_store(tmp_path: Path) -> None:
    """Recorders, streams and folds are killed side by side; what was acknowledged is there once."""
    print(f"seed {SEED}")
    cli = opened(tmp_path)
    chance = random.Random(SEED)
    acknowledged: set[str] = set()
    for round_number in range(25):
        records = [
            cli.start("record", "e", "--trace", "t", "--event-id", f"{round_number}-{at}") for at in range(6)
        ]
        others = [cli.start("flush"), cli.start("query", "--json"), cli.start("events", "--json")]
        together = [*records, *others]
        time.sleep(chance.uniform(0.1, 1.5))
        for process in chance.sample(together, 5):
            process.kill()
        for process in together:
            out, err = process.communicate(timeout=60)
            assert process.returncode in (0, -9), err
            if process in records:
                acknowledged.update(out.decode().split())
    kept = event_ids(cli.db)
    assert not repeated(kept)
    assert acknowledged <= kept.keys()


def test_64_commands_make_a_new_store_and_record_while_it_is_held(cli: Cli) -> None:
    """64 real processes at once on a path where nothing is, then 64 more beside a holder."""
    created = [cli.start("create", "n", "--trace-id", f"t{number}") for number in range(64)]
    for process in created:
        assert process.communicate(timeout=120)[1] == b""
        assert process.returncode == 0
    with held_for_writing(cli.db):
        recorded = [
            cli.start("record", "e", "--trace", f"t{number}", "--event-id", "e") for number in range(64)
        ]
        for process in recorded:
            assert process.communicate(timeout=120)[1] == b""
            assert process.returncode == 0
    assert event_ids(cli.db) == {"e": 64}


def record_and_query(db: Path, number: int) -> None:
    """Records, asks and folds in turn, as a long-lived process does."""
    with service_at(db) as service:
        before = 0
        for turn in range(60):
            for at in range(5):
                service.record_event(trace_id="t", event_type="e", event_id=f"{number}-{turn}-{at}").unwrap()
            total = service.query_events().unwrap().total
            assert total >= before + 5
            before = total


def test_readers_writers_and_folders_for_minutes(tmp_path: Path) -> None:
    """Eight processes that record and ask while another folds; counts never fall."""
    db, stop = opened(tmp_path).db, tmp_path / "stop"
    folder = start(fold_on_and_on, db, stop)
    try:
        at_once(record_and_query, [(db, number) for number in range(8)])
    finally:
        stop.touch()
    join([folder])
    wanted = Counter(f"{number}-{turn}-{at}" for number in range(8) for turn in range(60) for at in range(5))
    assert event_ids(db) == wanted
