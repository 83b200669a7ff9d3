"""Loading files: each in one transaction, all of its good lines or, broken as a whole, nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput
from mplp_trace_cli.interchange.bulk import BulkPlan, bulk_transaction
from mplp_trace_cli.interchange.decoding import Decoded, DecodingRules, decoded
from mplp_trace_cli.interchange.documents import document_lines, looks_like_document
from mplp_trace_cli.interchange.sources import (
    CHUNK_BYTES,
    STDIN,
    Chunk,
    Readable,
    Source,
    chunks,
    file_digest,
    first_bytes,
    without_bom,
)
from mplp_trace_cli.storage.fold import Pair, fold_into, require_store
from mplp_trace_cli.storage.groups import (
    Counts,
)
from mplp_trace_cli.storage.store import Connection

PARALLEL_FROM_BYTES = 2 * CHUNK_BYTES
FORMATS = ("auto", "jsonl", "json")

Progress = Callable[[int, int | None], None]
"""Called with the bytes read and the size of the file, where that is known."""


@dataclass(frozen=True)
class LoadOptions:
    """How files are loaded."""

    rules: DecodingRules
    input_format: str = "auto"
    create_missing: bool = False
    strict: bool = False
    again: bool = False
    progress: Progress | None = None


@dataclass
class LoadReport:
    """What became of the files and their lines."""

    files: int = 0
    skipped: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

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
    if options.input_format not in FORMATS:
        raise InvalidInput(f"input format: {options.input_format!r} is not one of {', '.join(FORMATS)}")
    source = Source(path)
    plan = BulkPlan(
        source.name, options.rules.now, options.create_missing, options.strict, pair.store.settings
    )
    require_store(pair.store, pair.inbox)
    with source.open() as stream, pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        if not options.again and _seen_by_size(db, source):
            return LoadReport(skipped=[source.name])
        try:
            with bulk_transaction(db, pair, plan) as load:
                load.run(_lines_of(stream, source, options))
                _note_digest(db, source, options)
        except _SeenBeforeError:
            return LoadReport(skipped=[source.name])
    return LoadReport(files=1, counts=load.counts)


class _SeenBeforeError(Exception):
    """The bytes just read were loaded before: what they gave is rolled back."""


def _note_digest(db: Connection, source: Source, options: LoadOptions) -> None:
    if not options.again and _seen(db, source.digest):
        raise _SeenBeforeError
    db.execute(
        "INSERT INTO store.imported_files VALUES (?, ?, ?, make_timestamptz(?::BIGINT))",
        [source.digest, source.name, source.bytes_read, options.rules.now],
    )


def _seen(db: Connection, digest: str) -> bool:
    query = "SELECT count(*) FROM store.imported_files WHERE digest = ?"
    return bool((db.execute(query, [digest]).fetchone() or (0,))[0])


def _seen_by_size(db: Connection, source: Source) -> bool:
    """Hashes a file beforehand only when one of its size was loaded: otherwise it cannot be the same."""
    if source.path == STDIN or source.size is None:
        return False
    query = "SELECT count(*) FROM store.imported_files WHERE size = ?"
    same_size = (db.execute(query, [source.size]).fetchone() or (0,))[0]
    return bool(same_size) and _seen(db, file_digest(source.path))


def _lines_of(stream: Readable, source: Source, options: LoadOptions) -> Iterator[Decoded]:
    begin = first_bytes(stream, CHUNK_BYTES)
    head = without_bom(begin, source.name)
    offset = len(begin) - len(head)
    wanted = options.input_format
    if wanted == "json" or (wanted == "auto" and looks_like_document(head, source.path)):
        stream = document_lines(stream, head, source.name)
        head, offset = first_bytes(stream, CHUNK_BYTES), 0
    parallel = len(head) >= CHUNK_BYTES and (source.size is None or source.size > PARALLEL_FROM_BYTES)
    yield from decoded(
        _told(chunks(stream, head, offset), source, options.progress), options.rules, parallel=parallel
    )


def _told(pieces: Iterator[Chunk], source: Source, progress: Progress | None) -> Iterator[Chunk]:
    for chunk in pieces:
        yield chunk
        if progress is not None:
            progress(source.bytes_read, source.size)


def check_files(paths: Sequence[str]) -> None:
    """Raises BrokenFile for the first path that is no readable file."""
    for path in paths:
        if path != STDIN and not os.path.exists(path):
            raise BrokenFile(f"{path}: no such file")
