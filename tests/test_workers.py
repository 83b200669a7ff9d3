"""Worker processes that decode: what they do not import, and what becomes of what goes wrong in one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mplp_trace_cli.domain.errors import InvalidInput, StorageFailed
from mplp_trace_cli.domain.questions import ColumnMapping
from mplp_trace_cli.interchange.decoding.batches import DecodingRules
from mplp_trace_cli.interchange.decoding.workers import in_workers
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.interchange.tables.columns import table_plan
from mplp_trace_cli.interchange.tables.rows import TableTranslator

RULES = DecodingRules(0, 1 << 20, "info", True)
LINE = b'{"event_type":"a","trace_id":"t"}\n'
COLUMNS = ("event_type", "trace_id")
WORKER = "mplp_trace_cli.interchange.decoding.workers"


def chunks(count: int) -> Iterator[Chunk]:
    """Chunks of one line each."""
    return (Chunk(number, len(LINE) * (number - 1), LINE) for number in range(1, count + 1))


def test_nothing_of_the_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker takes no module of the folder that one is in for one of its own: it may be anybody's."""
    (tmp_path / "pickle.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert [found.events.num_rows for found in in_workers(chunks(3), RULES, None)] == [1, 1, 1]


def test_chunks_come_back_in_their_order() -> None:
    """Whichever worker was quicker, and however many chunks were handed out ahead."""
    found = in_workers(chunks(50), RULES, None)
    assert [number for one in found for number in one.events.column("number").to_pylist()] == [*range(1, 51)]


def test_a_worker_that_dies_is_told_of() -> None:
    """What killed it may be the system, out of memory; nothing waits for it for ever."""

    def deadly() -> Iterator[Chunk]:
        yield from chunks(1)
        for child in psutil.Process().children():
            if WORKER in child.cmdline():
                child.kill()
        yield from chunks(1_000)

    with pytest.raises(StorageFailed, match="a decoding process died"):
        list(in_workers(deadly(), RULES, None))


def test_an_error_in_a_worker_is_raised_here(capfd: pytest.CaptureFixture[str]) -> None:
    """It says where it was, and the worker itself says nothing."""
    translator = TableTranslator(table_plan(COLUMNS, ColumnMapping(), {}, is_text=True))
    with pytest.raises(pickle.UnpicklingError) as raised:
        list(in_workers([Chunk(0, 0, b"no table")], RULES, translator))
    assert "in translate" in raised.value.__notes__[0]
    assert capfd.readouterr().err == ""


def test_a_default_is_judged_before_rows_are() -> None:
    """One that its field cannot have is told of once, however many processes would read the rows."""
    plan = table_plan(COLUMNS, ColumnMapping(defaults={"level": "loud"}), {}, is_text=True)
    with pytest.raises(InvalidInput, match="default: level: 'loud' is not one of"):
        TableTranslator(plan)
