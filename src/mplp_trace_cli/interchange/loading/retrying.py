"""Retrying rejected lines: what can be recorded now goes in and leaves the rejects, in one transaction.

However many there are, a few megabytes of them are in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mplp_trace_cli.interchange.decoding.batches import DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.loading.bulk import BulkPlan, bulk_transaction
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, Chunk
from mplp_trace_cli.storage.fold import Pair, fold_into
from mplp_trace_cli.storage.groups import Counts
from mplp_trace_cli.storage.keeping.rejects import Reject, chosen_rejects, delete_rejects
from mplp_trace_cli.storage.store import Connection

_NOTHING = b"null"
"""The line of a reject without any bytes: a blank one would be no line at all."""


@dataclass(frozen=True)
class RetryOptions:
    """Which rejects are retried (none named: all), and how."""

    ids: Sequence[int]
    rules: DecodingRules
    create_missing: bool = False


def retry_rejects(pair: Pair, options: RetryOptions, wait_seconds: float) -> Counts:
    """Records the lines that are good now; `rejected` counts those that still are not."""
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        rejects = chosen_rejects(db, options.ids)
        plan = BulkPlan("rejects", pair.now, options.create_missing, keep_rejects=False)
        with bulk_transaction(db, pair, plan) as load:
            load.run(decoded(_chunks(db, rejects), options.rules, parallel=False))
            numbered = enumerate(rejects, start=1)
            delete_rejects(db, [reject.id for number, reject in numbered if number not in load.refused])
    return load.counts


def _chunks(db: Connection, rejects: Sequence[Reject]) -> Iterator[Chunk]:
    """The rejects as lines, each one line, so that the number of a line is the place of its reject."""
    query = "SELECT raw FROM store.rejected_lines WHERE seq IN (SELECT unnest(?::BIGINT[])) ORDER BY seq"
    number = 1
    for batch in _batches(rejects):
        raws = db.execute(query, [[reject.id for reject in batch]]).fetchall()
        yield Chunk(number, 0, b"".join(_line(raw) + b"\n" for (raw,) in raws))
        number += len(batch)


def _batches(rejects: Sequence[Reject]) -> Iterator[list[Reject]]:
    batch: list[Reject] = []
    size = 0
    for reject in rejects:
        batch.append(reject)
        size += reject.size
        if size >= CHUNK_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _line(raw: bytes) -> bytes:
    """A reject as a line: between the tokens of JSON a space is as good as a line break."""
    return raw.replace(b"\n", b" ") if raw.strip() else _NOTHING
