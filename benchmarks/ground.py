"""The ground a run of the benchmarks stands on: its folder, its sizes, its stores, its commands."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import data
from harness import BenchmarkFailed, Command, run

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    short_pairs: int = 40
    """Pairs of processes that take a fraction of a second."""
    long_pairs: int = 5
    """Pairs of processes that take seconds."""
    events: int = 1_000_000
    many_events: int = 5_000_000
    big_events: int = 10_000_000
    """What figures are asked of."""
    stream_events: int = 500_000
    peer_lines: int = 100_000
    """Lines that sqlite-utils is given; what it takes is scaled to all."""
    library_events: int = 2_000
    library_rounds: int = 15
    crowd: int = 64
    small_crowd: int = 32
    commands_each: int = 20


FULL = Sizes()
QUICK = Sizes(4, 1, 20_000, 60_000, 60_000, 20_000, 5_000, 200, 3, 8, 4, 3)


class Ground:
    """Where everything happens; use it as a context manager, which takes the stores away again."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        data.FOLDER.mkdir(exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(prefix="run-", dir=data.FOLDER)
        self.folder = Path(self._folder.name)
        self._stores = 0

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def place(self, name: str) -> Path:
        """A path that nothing is at yet, in a folder of its own."""
        self._stores += 1
        folder = self.folder / f"{self._stores:03}"
        folder.mkdir()
        return folder / name

    def new_store(self) -> Path:
        """The path of a store that is not there yet."""
        return self.place("traces.duckdb")

    def trace(self, store: Path, *arguments: str, feed: Path | None = None) -> Command:
        """A command line of the tool."""
        return Command((str(BIN / "mplp-trace"), *arguments), self._environment(store), feed)

    def python(self, script: str, *arguments: str | Path, feed: Path | None = None) -> Command:
        """One of the scripts beside this file, run by the same interpreter."""
        words = (sys.executable, str(HERE / script), *map(str, arguments))
        return Command(words, self._environment(None), feed)

    def sqlite_utils(self, *arguments: str | Path) -> Command:
        """A command line of sqlite-utils."""
        return Command((str(BIN / "sqlite-utils"), *map(str, arguments)), self._environment(None))

    def watched(self, command: Command, stacks: Path, rate: int) -> Command:
        """The same command under py-spy, which writes down so many stacks a second of it and its children."""
        options = (
            "record",
            "--subprocesses",
            "--format",
            "raw",
            "--rate",
            str(rate),
            "--output",
            str(stacks),
        )
        return Command((str(BIN / "py-spy"), *options, "--", *command.arguments), command.env, command.feed)

    def _environment(self, store: Path | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MPLP_", "PYTHON"))}
        own = {"HOME": str(self.folder), "NO_COLOR": "1"}
        return {**kept, **own, **({"MPLP_TRACE_DB": str(store)} if store else {})}

    def ask(self, store: Path, *arguments: str) -> str:
        """The answer of a command that must succeed."""
        return run(self.trace(store, *arguments)).good().stdout.strip()

    def count_events(self, store: Path) -> int:
        """How many events there are, after everything is folded."""
        self.ask(store, "flush")
        return int(json.loads(self.ask(store, "info", "--json"))["events"])

    def open_store(self) -> tuple[Path, str]:
        """A store with one open trace, and its id."""
        store = self.new_store()
        return store, self.ask(store, "create", "bench")

    @cached_property
    def statements(self) -> dict[str, Path]:
        """For each question of `questions.py`, a file of the SQL that is run over the filled store."""
        return self.statements_of(self.filled_store)

    def statements_of(self, store: Path) -> dict[str, Path]:
        """The same over any store."""
        asked = json.loads(run(self.python("questions.py", store)).good().stdout)
        files = {line: self.place("statements.json") for line in asked}
        for line, file in files.items():
            file.write_text(json.dumps(asked[line]), encoding="utf-8")
        return files

    @cached_property
    def filled_store(self) -> Path:
        """A store with the events of the project file, folded; rows only ask it."""
        return self._stored(self.sizes.events)

    @cached_property
    def big_store(self) -> Path:
        """The same with many times as many events."""
        return self._stored(self.sizes.big_events)

    @cached_property
    def small_store(self) -> Path:
        """A store with the sample project."""
        store = self.new_store()
        self.ask(store, "import", str(HERE.parent / "sample_data" / "project.jsonl"))
        return store

    def _stored(self, events: int) -> Path:
        store = self.new_store()
        self.ask(store, "import", str(data.project_file(events)))
        if self.count_events(store) != events:
            raise BenchmarkFailed("an import lost events")
        return store
