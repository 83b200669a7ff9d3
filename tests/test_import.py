"""Imports: what is loaded, what is repeated, what is refused, and both ways of decoding."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.interchange import sources
from mplp_trace_cli.interchange.json import lines as json_lines
from mplp_trace_cli.interchange.loading import files as loading
from mplp_trace_cli.interchange.loading import table_rows
from mplp_trace_cli.service import TraceManagementService
from tests.conftest import SAMPLE_DATA, Cli

STARTED = "2026-03-02T09:00:00Z"
TRACE = '{"kind":"trace","trace_id":"t","name":"n","started_at":"2026-03-02T09:00:00Z"}'
ENDED = '{"trace_id":"t","name":"n","status":"completed","completed_at":"2026-03-02T09:00:01Z"}'
EVENT = '{"event_id":"e","event_type":"a","trace_id":"t","timestamp":"2026-03-02T09:00:00Z"}'


def load(
    service: TraceManagementService, folder: Path, lines: Iterable[str], **options: Any
) -> dict[str, int]:
    """What an import of a new file with these lines counts, zeros left out."""
    path = folder / f"in-{len(list(folder.iterdir()))}.jsonl"
    path.write_text("\n".join(lines))
    counts = vars(service.import_files(files=[str(path)], **options).unwrap().counts)
    return {name: count for name, count in counts.items() if count}


def reasons(service: TraceManagementService) -> list[str]:
    """Why lines were rejected, in order."""
    with service.reading() as db:
        return [reason for (reason,) in db.execute("SELECT reason FROM rejects ORDER BY id").fetchall()]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder for input."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


# -- traces and their events -----------------------------------------------------------------------


def test_a_trace_may_come_after_its_events(service: TraceManagementService, files: Path) -> None:
    """Events of a trace that stands further down, or that has ended, are taken; order is that of arrival."""
    second = EVENT.replace('"e"', '"f"')
    own = [EVENT, TRACE.replace('"n"', '"n","status":"failed"'), second]
    assert load(service, files, own) == {"traces": 1, "events": 2}
    found = service.get_trace_by_id("t").unwrap()
    assert ([event.event_id for event in found.events], found.trace.status) == (["e", "f"], "failed")


def test_order_survives_whatever_was_held_back(
    service: TraceManagementService, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events that waited for a trace in a later chunk keep their place, in the store and in an export."""
    for module in (loading, sources):
        monkeypatch.setattr(module, "CHUNK_BYTES", len(EVENT))
    names = [f"e{at}" for at in range(9)]
    lines = [EVENT.replace('"e"', f'"{name}"') for name in names]
    assert load(service, files, [*lines[:5], TRACE, *lines[5:]]) == {"traces": 1, "events": 9}
    assert [event.event_id for event in service.get_trace_by_id("t").unwrap().events] == names
    for wanted in ({}, {"trace_ids": ["t"]}):
        path = files / "out.jsonl"
        service.export_traces(destination=str(path), filter=wanted).unwrap()
        exported = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["event_id"] for line in exported if line["kind"] == "event"] == names


def test_events_of_finished_traces_are_taken(service: TraceManagementService, files: Path) -> None:
    """A finished trace takes imported events, in its file and in a later one."""
    assert load(service, files, [TRACE.replace('"n"', '"n","status":"completed"'), EVENT]) == {
        "traces": 1,
        "events": 1,
    }
    assert load(service, files, [EVENT.replace('"e"', '"late"')]) == {"events": 1}
    assert service.get_trace_by_id("t").unwrap().summary.total_events == 2


def test_events_of_unknown_traces(service: TraceManagementService, files: Path) -> None:
    """They are rejected; `create_missing` makes a trace that starts with its earliest event."""
    earlier = EVENT.replace('"e"', '"f"').replace("09:00:00", "08:00:00")
    assert load(service, files, [EVENT, earlier]) == {"rejected": 2}
    assert reasons(service) == ["there is no trace t", "there is no trace t"]
    assert load(service, files, [EVENT, earlier], create_missing=True, again=True) == {
        "traces": 1,
        "events": 2,
    }
    trace = service.get_trace_by_id("t").unwrap().trace
    assert (trace.name, trace.context_id, trace.started_at.hour, trace.status) == (
        "t",
        "default",
        8,
        "active",
    )


def test_a_trace_line_ends_an_open_trace(service: TraceManagementService, files: Path) -> None:
    """One that was recorded before, or that stands above; nothing can be recorded in it afterwards."""
    service.create_trace(context_id="default", name="n", trace_id="t", started_at=STARTED).unwrap()
    assert load(service, files, [EVENT, ENDED]) == {"events": 1, "ended": 1}
    trace = service.get_trace_by_id("t").unwrap().trace
    assert (trace.status, trace.duration_ms) == ("completed", 1_000.0)
    assert not service.record_event(trace_id="t", event_type="late").success
    other = [line.replace('"t"', '"u"') for line in (TRACE, ENDED)]
    assert load(service, files, other) == {"traces": 1, "ended": 1}


def test_an_imported_open_trace_can_be_recorded_in(service: TraceManagementService, files: Path) -> None:
    """An active trace is open for recorders, however it came in."""
    load(service, files, [TRACE])
    assert service.record_event(trace_id="t", event_type="a").success
    assert service.complete_trace("t").success


# -- repeats and contradictions --------------------------------------------------------------------


def test_repeats_change_nothing(service: TraceManagementService, files: Path) -> None:
    """The same ids again, in the file or in another one, are counted; the first to arrive stays."""
    changed = EVENT.replace('"a"', '"changed"')
    assert load(service, files, [TRACE, EVENT, TRACE, changed]) == {"traces": 1, "events": 1, "repeated": 2}
    assert load(service, files, [ENDED, ENDED, EVENT]) == {"ended": 1, "repeated": 2}
    assert load(service, files, [TRACE, ENDED, changed, EVENT]) == {"repeated": 4}
    assert [event.event_type for event in service.query_events().unwrap().events] == ["a"]


def test_an_id_is_given_once_a_trace(service: TraceManagementService, files: Path) -> None:
    """The same event id in another trace is another event; events without an id are never repeats."""
    other = [line.replace('"t"', '"u"') for line in (TRACE, EVENT)]
    bare = EVENT.replace('"event_id":"e",', "")
    assert load(service, files, [TRACE, EVENT, *other, bare, bare]) == {"traces": 2, "events": 4}
    service.create_trace(context_id="c", name="x", trace_id="v").unwrap()
    service.record_event(trace_id="v", event_type="recorded", event_id="e").unwrap()
    assert load(service, files, [EVENT.replace('"t"', '"v"')]) == {"repeated": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (TRACE.replace('"n"', '"other"'), "trace t is there already with another name"),
        (TRACE.replace("09:00", "08:00"), "trace t is there already with another started_at"),
        (ENDED.replace("completed", "failed", 1), "trace t is already completed"),
        (ENDED.replace("00:01Z", "00:02Z"), "trace t is there already with another completed_at"),
    ],
)
def test_contradictions_are_rejected(
    service: TraceManagementService, files: Path, line: str, reason: str
) -> None:
    """A trace line that says otherwise than what is kept, in the same file or a later one."""
    assert load(service, files, [TRACE, ENDED, line])["rejected"] == 1
    assert load(service, files, [line]) == {"rejected": 1}
    assert reasons(service) == [reason, reason]


def test_derived_and_unknown_keys(service: TraceManagementService, files: Path) -> None:
    """Derived keys of a trace are ignored; unknown ones move into metadata and data, and must not clash."""
    trace = TRACE.replace(
        "}", ',"duration_ms":-1,"summary":{},"has_errors":true,"event_count":"x","run":1e2}'
    )
    event = EVENT.replace("}", ',"stage":{"a":1.10},"data":{"z":1}}')
    clash = EVENT.replace('"e"', '"f"').replace("}", ',"z":2,"data":{"z":1}}')
    assert load(service, files, [trace, event, clash]) == {"traces": 1, "events": 1, "rejected": 1}
    found = service.get_trace_by_id("t").unwrap()
    assert (found.trace.metadata.text, found.events[0].data.text) == (
        '{"run":1e2}',
        '{"z":1,"stage":{"a":1.10}}',
    )
    assert reasons(service) == ["data: the key 'z' is given twice"]


def test_strict_takes_all_or_nothing(service: TraceManagementService, files: Path) -> None:
    """`strict`: nothing of a file with a bad line, wherever it stands, and the file is not taken as seen."""
    path = files / "in.jsonl"
    path.write_text("\n".join([TRACE, EVENT, "nonsense", ENDED]))
    refused = service.import_files(files=[str(path)], strict=True)
    assert refused.error is not None
    assert refused.error.message.startswith(f"{path} line 3: not JSON")
    assert (service.query_traces().unwrap().total, reasons(service)) == (0, [])
    counts = service.import_files(files=[str(path)]).unwrap().counts
    assert (counts.events, counts.ended, counts.rejected) == (1, 1, 1)


# -- files -----------------------------------------------------------------------------------------


def test_import_from_the_shell(cli: Cli) -> None:
    """Several files, packed ones and standard input; counts on stdout, said on stderr; the same file once."""
    (cli.folder / "a.jsonl").write_text(TRACE + "\n" + EVENT)
    (cli.folder / "b.jsonl.gz").write_bytes(gzip.compress(EVENT.replace('"e"', '"f"').encode()))
    packed = pa.compress(EVENT.replace('"e"', '"g"').encode(), codec="zstd", asbytes=True)
    (cli.folder / "c.zst").write_bytes(packed)
    done = cli("import", "a.jsonl", "b.jsonl.gz", "c.zst", "-", stdin=EVENT.replace('"e"', '"h"'))
    assert (done.code, done.stderr) == (0, "4 events, 1 trace\n")
    assert json.loads(done.stdout) == {
        "files": 4,
        "skipped": 0,
        "traces": 1,
        "events": 4,
        "metrics": 0,
        "ended": 0,
        "repeated": 0,
        "rejected": 0,
    }
    (cli.folder / "copy.jsonl").write_text(TRACE + "\n" + EVENT)
    done = cli("import", "copy.jsonl", "b.jsonl.gz", "-", stdin=EVENT.replace('"e"', '"h"'))
    assert (done.code, json.loads(done.stdout)["skipped"]) == (0, 3)
    assert done.stderr.splitlines() == [
        f"{name}: loaded before, skipped (--again loads it anyway)"
        for name in ("copy.jsonl", "b.jsonl.gz", "stdin")
    ]
    done = cli("import", "a.jsonl", "--again")
    assert (done.code, done.stderr) == (0, "2 repeated\n")


def test_options_of_the_shell(cli: Cli) -> None:
    """`--create-missing`, `--strict`, `--input-format`, and what cannot be loaded."""
    (cli.folder / "e.jsonl").write_text(EVENT)
    done = cli("import", "e.jsonl", "--strict")
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: e.jsonl line 1: there is no trace t; nothing of it was recorded\nhint: "
    )
    assert cli("import", "e.jsonl", "--create-missing").stderr == "1 event, 1 trace\n"
    assert cli("import", "-", "--input-format", "json", stdin=f"[{EVENT},\n{TRACE}]").code == 1
    assert cli("import", "-", "--input-format", "jsonl", stdin=f"[{EVENT}]").code == 1
    for arguments, said in (
        (("nowhere.jsonl",), "nowhere.jsonl: no such file"),
        ((str(cli.folder),), "is a folder, not a file"),
        (("e.jsonl", "--input-format", "xml", "--again"), "'xml' is not one of"),
        ((), "FILE... is missing"),
    ):
        done = cli("import", *arguments)
        assert (done.code, done.stdout, said in done.stderr.splitlines()[0]) == (2, "", True), done.stderr


def test_an_empty_file_is_no_fault(cli: Cli) -> None:
    """Nothing in it is nothing recorded, and that is said."""
    done = cli("import", "-", stdin="")
    assert (done.code, done.stderr) == (0, "nothing recorded\n")


# -- two ways of decoding --------------------------------------------------------------------------


EVERYTHING = (
    "SELECT seq, trace_id, name, status, metadata, tags, epoch_us(started_at), epoch_us(completed_at) "
    "FROM traces ORDER BY seq",
    "SELECT seq, event_id, trace_id, event_type, level::VARCHAR, message, data, epoch_us(timestamp), "
    "duration_ms, parent_event_id, source FROM events ORDER BY seq",
    "SELECT seq, name, type, value, labels, buckets, epoch_us(timestamp) FROM metrics ORDER BY seq",
    "SELECT id, line, byte_offset, reason, raw FROM rejects ORDER BY id",
)


def test_workers_give_the_same_as_one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Small chunks through workers, inserted a few at a time, give what one process that gathers gives."""
    lines = [line.encode() for line in (SAMPLE_DATA / "project.jsonl").read_text().splitlines()]
    lines[20:20] = [
        b"nonsense",
        b'{"event_type":"\xff","trace_id":"t"}',
        b"",
        b'{"event_type":"x","trace_id":"no"}',
    ]
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    answers = []
    for name, chunk in (("inline", 64 << 20), ("workers", 50_000)):
        for module in (loading, sources):
            monkeypatch.setattr(module, "CHUNK_BYTES", chunk)
        monkeypatch.setattr(json_lines, "PARALLEL_FROM_BYTES", 2 * chunk)
        monkeypatch.setattr(table_rows, "ROWS_GATHERED", 20_000 if name == "inline" else 3)
        options = TraceModuleOptions(data_source=str(tmp_path / f"{name}.duckdb"))
        with initialize_trace_module(options) as made:
            service = made.trace_management_service
            counts = service.import_files(files=[str(path)]).unwrap().as_dict()
            with service.reading() as db:
                rows = [db.execute(query).fetchall() for query in EVERYTHING]
        answers.append((counts, rows))
    assert answers[0] == answers[1]
    assert (answers[0][0]["rejected"], answers[0][0]["events"] > 4_000) == (3, True)
