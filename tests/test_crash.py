"""Killed at any moment: what was acknowledged is there once, a file is loaded or not, an export is whole."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers_kills import (
    Killer,
    content,
    event_line,
    kill_exports,
    kill_folds,
    kill_imports,
    kill_records,
    kill_streams,
    opened,
)
from tests.helpers_processes import crash_at, lines_of, note, noted
from tests.helpers_storage import event_ids, repeated, service_at

SEED = 20_260_302
POINTS = 4
"""Lines at which each kind of work is cut off; the soak takes every one."""


@pytest.mark.parametrize(
    ("kill", "times"),
    [(kill_records, 8), (kill_streams, 4), (kill_imports, 5), (kill_folds, 6), (kill_exports, 5)],
    ids=["record", "stream", "import", "flush", "export"],
)
def test_killed_at_random_moments(tmp_path: Path, kill: Callable[..., None], times: int) -> None:
    """kill -9 at moments spread over the whole life of each command."""
    cli = opened(tmp_path)
    if kill is kill_exports:
        with service_at(cli.db) as service:
            rows = [{"trace_id": "t", "event_type": "e", "data": {"n": n}} for n in range(5_000)]
            service.record_events(rows).unwrap()
            service.flush().unwrap()
    kill(cli, Killer(SEED), times)


# -- cut off at a given line of ours ---------------------------------------------------------------


def first_command(folder: Path) -> None:
    """Makes both files, a trace and an event."""
    with service_at(folder / "traces.duckdb") as service:
        trace_id = service.create_trace(context_id="c", name="n").unwrap().trace_id
        note(folder / "traces", trace_id)
        note(folder / "events", service.record_event(trace_id=trace_id, event_type="e").unwrap().event_id)


def recording(folder: Path) -> None:
    """Records events one by one and many at once, makes a trace and ends it."""
    with service_at(folder / "traces.duckdb") as service:
        for _ in range(2):
            note(folder / "events", service.record_event(trace_id="t", event_type="e").unwrap().event_id)
        rows = [{"trace_id": "t", "event_type": "e", "event_id": f"many{n}"} for n in range(3)]
        service.record_events(rows).unwrap()
        note(folder / "events", "many0\nmany1\nmany2")
        trace_id = service.create_trace(context_id="c", name="n", trace_id="new").unwrap().trace_id
        note(folder / "traces", trace_id)
        note(folder / "ended", service.complete_trace("new").unwrap().trace_id)


def folding(folder: Path) -> None:
    """Folds what waits, in several batches."""
    from mplp_trace_cli.storage import inbox

    with pytest.MonkeyPatch.context() as patch, service_at(folder / "traces.duckdb") as service:
        patch.setattr(inbox, "BATCH_ENTRIES", 5)
        service.flush().unwrap()


def importing(folder: Path) -> None:
    """Folds what waits and loads a file."""
    with service_at(folder / "traces.duckdb") as service:
        service.import_files(files=[str(folder / "file.jsonl")]).unwrap()
        note(folder / "imported", "yes")


def retrying(folder: Path) -> None:
    """Retries rejected lines."""
    with service_at(folder / "traces.duckdb") as service:
        service.retry_rejects(create_missing=True).unwrap()


FILE = [
    event_line("in-b", "b"),
    event_line("in-t", "t"),
    {"kind": "trace", "trace_id": "a", "name": "n", "context_id": "c", "status": "failed"},
    {"kind": "trace", "trace_id": "b", "name": "n", "context_id": "c"},
    {"kind": "trace", "trace_id": "d", "name": "n", "context_id": "c", "status": "completed"},
    event_line("nowhere", "nowhere"),
    {"name": "m", "value": 1},
]
WAITING = [f"w{number}" for number in range(12)]


def prepare(folder: Path) -> None:
    """A store with something folded and something of every kind waiting, and a file to load."""
    db = opened(folder).db
    lines = [line if isinstance(line, str) else json.dumps(line) for line in FILE]
    (folder / "file.jsonl").write_text("\n".join(lines))
    (folder / "reject.jsonl").write_text(event_line("retried", "later"))
    with service_at(db) as service:
        service.create_trace(context_id="c", name="n", trace_id="a").unwrap()
        service.import_files(files=[str(folder / "reject.jsonl")]).unwrap()
        for one in WAITING:
            service.record_event(trace_id="t", event_type="e", event_id=one).unwrap()
        service.record_event(trace_id="t", event_type="e", event_id="w0").unwrap()
        service.create_trace(context_id="c", name="n", trace_id="waiting").unwrap()
        service.complete_trace("waiting").unwrap()


def check(folder: Path, work: Callable[[Path], None]) -> None:
    """What must be true after a crash, and that the same work can be done again."""
    db = folder / "traces.duckdb"
    with service_at(db) as service:
        service.create_trace(context_id="c", name="n", trace_id="last").unwrap()
        service.record_event(trace_id="last", event_type="e", event_id="last").unwrap()
        with service.reading() as found:
            status = dict(found.execute("SELECT trace_id, status FROM traces").fetchall())
            events = [row[0] for row in found.execute("SELECT event_id FROM events").fetchall()]
            (rejects,) = found.execute("SELECT count(*) FROM rejects").fetchall()[0]
        assert {*noted(folder / "traces"), "last"} <= status.keys()
        assert {*noted(folder / "events"), "last"} <= set(events)
        assert all(status[one] == "completed" for one in noted(folder / "ended"))
        if work is not first_command:
            check_prepared(status, events, rejects)
        if work is not recording:
            work(folder)
        assert not [one for one in service.doctor().unwrap() if one.state == "fault"]
    kept = event_ids(db)
    assert not repeated(kept)
    assert {*events, *AFTER_ALL.get(work, ())} <= kept.keys()


def check_prepared(status: dict[str, str], events: list[str], rejects: int) -> None:
    """What waited is there; the file and the retried reject are there wholly or not at all."""
    assert set(WAITING) <= set(events)
    assert len(events) == len(set(events))
    loaded = "b" in status
    assert (status.get("b"), status.get("d")) == (("active", "completed") if loaded else (None, None))
    assert (status["a"], status["waiting"]) == ("failed" if loaded else "active", "completed")
    assert ({"in-b", "in-t"} <= set(events)) == ("in-b" in events) == loaded
    assert rejects == loaded + ("retried" not in events)


def exporting(folder: Path) -> None:
    """Exports into a folder that an earlier export made."""
    with service_at(folder / "traces.duckdb") as service:
        service.export_traces(
            destination=str(folder / "out"), format="parquet", include_events=True, compression="none"
        ).unwrap()


AFTER_ALL: dict[Callable[[Path], None], tuple[str, ...]] = {
    importing: ("in-b", "in-t"),
    retrying: ("retried",),
}
WORKS = [first_command, recording, folding, importing, retrying]


def crash(work: Callable[[Path], None], folder: Path, most: int | None) -> int:
    """Cuts the work off at lines spread at random over it (None: at every one); says at how many."""
    template = folder / "template"
    template.mkdir()
    if work is not first_command:
        prepare(template)
    measured = folder / "measured"
    shutil.copytree(template, measured)
    total = lines_of(work, measured, count_file=folder / "lines")
    lines = list(range(1, total + 1))
    if most is not None:
        lines = sorted(random.Random(SEED).sample(lines, min(most, total)))
    for line in lines:
        here = folder / f"at{line}"
        shutil.copytree(template, here)
        crash_at(line, work, here)
        try:
            check(here, work)
        except AssertionError as failure:
            failure.add_note(f"after a crash at line {line} of {total} of {work.__name__}")
            raise
        shutil.rmtree(here)
    return len(lines)


@pytest.mark.parametrize("work", WORKS)
def test_cut_off_at_lines_spread_over_the_work(tmp_path: Path, work: Callable[[Path], None]) -> None:
    """Gone between any two lines of storage, loading or service, with nothing undone or cleaned up."""
    assert crash(work, tmp_path, POINTS) == POINTS


def test_an_export_cut_off_leaves_the_folder_of_before_or_the_new_one(tmp_path: Path) -> None:
    """At no line between the first and the last is the destination missing or half of each."""
    template = tmp_path / "template"
    template.mkdir()
    prepare(template)
    shutil.copytree(template, tmp_path / "whole")
    total = lines_of(exporting, tmp_path / "whole", count_file=tmp_path / "lines")
    whole = content(tmp_path / "whole" / "out")
    (template / "out").mkdir()
    (template / "out" / "traces.csv").write_text("old")
    old = content(template / "out")
    total = max(
        total, lines_of(exporting, shutil.copytree(template, tmp_path / "over"), count_file=tmp_path / "n")
    )
    for line in [*range(1, total, total // 3), *range(total - 20, total + 1, 3)]:
        here = shutil.copytree(template, tmp_path / f"at{line}")
        crash_at(line, exporting, here)
        assert content(here / "out") in (old, whole), f"after a crash at line {line} of {total}"
