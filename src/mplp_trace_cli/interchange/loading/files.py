"""Loading files: each in one transaction, all of its good lines or, broken as a whole, nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from mplp_trace_cli.domain.questions import ColumnMapping
from mplp_trace_cli.interchange.decoding.batches import Decoded, DecodingRules
from mplp_trace_cli.interchange.input_format import InputFormat, Opened, input_format, require_known
from mplp_trace_cli.interchange.loading.bulk import BulkPlan, bulk_transaction
from mplp_trace_cli.interchange.sources import (
    CHUNK_BYTES,
    STDIN,
    Readable,
    Source,
    file_digest,
    first_bytes,
)
from mplp_trace_cli.storage.fold import Pair, fold_into, require_store
from mplp_trace_cli.storage.groups import (
    Counts,
)
from mplp_trace_cli.storage.store import Connection

Progress = Callable[[int, int | None], None]
"""Called with the bytes read and the size of the file, where that is known."""


@dataclass(frozen=True)
class LoadOptions:
    """How files are loaded."""

    rules: DecodingRules
    mapping: ColumnMapping
    input_format: str = "auto"
    create_missing: bool = False
    strict: bool = False
    again: bool = False
    progress: Progress | None = None


class Preview(NamedTuple):
    """The first records that would be made, and the first lines that would be rejected."""

    rows: list[str]
    """JSON lines, as an export would write them: traces, events, metrics."""
    rejects: list[tuple[str, int, str]]
    """Source, line and reason."""


@dataclass
class LoadReport:
    """What became of the files and their lines."""

    files: int = 0
    skipped: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    preview: Preview | None = None
    """What a dry run found; None for a load."""

    def add(self, other: LoadReport) -> None:
        """Adds the report of another file."""
        self.files += other.files
        self.skipped += other.skipped
        self.counts.add(other.counts)

    def as_dict(self) -> dict[str, Any]:
        """The counts as one flat object."""
        return {"files": self.files, "skipped": len(self.skipped), **asdict(self.counts)}


def load_file(pair: Pair, path: str, options: LoadOptions, wait_seconds: float) -> LoadReport:
    """Loads one file, all of its good lines or, when it is broken as a whole, nothing.

    Raises BrokenFile, StrictRefused, StoreBusy. A file that was loaded before is skipped.
    """
    require_known(options.input_format)
    source = Source(path)
    require_store(pair.store, pair.inbox)
    with source.open() as stream, pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        if not options.again and seen_by_size(db, source):
            return LoadReport(skipped=[source.name])
        opened = opened_input(stream, source, options)
        found = input_format(options.input_format, opened)
        try:
            with bulk_transaction(db, pair, bulk_plan(pair, opened, options, found)) as load:
                load.run(told(found.read(opened), source, options.progress))
                _note_digest(db, source, options)
        except _SeenBeforeError:
            return LoadReport(skipped=[source.name])
    return LoadReport(files=1, counts=load.counts)


class _SeenBeforeError(Exception):
    """The bytes just read were loaded before: what they gave is rolled back."""


def _note_digest(db: Connection, source: Source, options: LoadOptions) -> None:
    if not options.again and seen(db, source.digest):
        raise _SeenBeforeError
    db.execute(
        "INSERT INTO store.imported_files VALUES (?, ?, ?, make_timestamptz(?::BIGINT))",
        [source.digest, source.name, source.bytes_read, options.rules.now],
    )


def seen(db: Connection, digest: str) -> bool:
    """True when a file with these bytes was loaded."""
    query = "SELECT count(*) FROM store.imported_files WHERE digest = ?"
    return bool((db.execute(query, [digest]).fetchone() or (0,))[0])


def seen_by_size(db: Connection, source: Source) -> bool:
    """Hashes a file beforehand only when one of its size was loaded: otherwise it cannot be the same."""
    if source.path == STDIN or source.size is None:
        return False
    query = "SELECT count(*) FROM store.imported_files WHERE size = ?"
    same_size = (db.execute(query, [source.size]).fetchone() or (0,))[0]
    return bool(same_size) and seen(db, file_digest(source.path))


def opened_input(stream: Readable, source: Source, options: LoadOptions) -> Opened:
    """An open file with its first bytes read."""
    head = first_bytes(stream, CHUNK_BYTES)
    return Opened(stream, head, source, options.rules, options.mapping)


def bulk_plan(pair: Pair, opened: Opened, options: LoadOptions, found: InputFormat) -> BulkPlan:
    """How a file of that format is loaded."""
    return BulkPlan(
        opened.source.name,
        options.rules.now,
        options.create_missing,
        options.strict,
        pair.store.settings,
        derived=found.derived,
        context_id=options.mapping.defaults.get("context_id"),
    )


def told(pieces: Iterator[Decoded], source: Source, progress: Progress | None) -> Iterator[Decoded]:
    """The pieces of a file; how far it is read is told after each."""
    for piece in pieces:
        yield piece
        if progress is not None:
            progress(source.bytes_read, source.size)
