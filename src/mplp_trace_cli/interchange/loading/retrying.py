"""Retrying rejected lines: what can be recorded now goes in and leaves the rejects, in one transaction.

However many there are, a few megabytes of them are in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mplp_trace_cli.domain.errors import NotFound
from mplp_trace_cli.interchange.decoding.batches import DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.loading.bulk import BulkPlan, bulk_transaction
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, Chunk
from mplp_trace_cli.storage.fold import Pair, fold_into
from mplp_trace_cli.storage.groups import Counts
from mplp_trace_cli.storage.store import Connection

_NOTHING = b"null"
"""The line of a reject without any bytes: a blank one would be no line at all."""


@dataclass(frozen=True)
class RetryOptions:
    """Which rejects are retried (none named: all), and how."""

    ids: Sequence[int]
    rules: DecodingRules
    create_missing: bool = False


class _Reject(NamedTuple):
    """A reject by its number, and how many bytes it has."""

    id: int
    size: int


def retry_rejects(pair: Pair, options: RetryOptions, wait_seconds: float) -> Counts:
    """Records the lines that are good now; `rejected` counts those that still are not."""
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        rejects = _chosen(db, options.ids)
        plan = BulkPlan("rejects", pair.now, options.create_missing, keep_rejects=False)
        with bulk_transaction(db, pair, plan) as load:
            load.run(decoded(_chunks(db, rejects), options.rules, parallel=False))
            numbered = enumerate(rejects, start=1)
            _delete(db, [reject.id for number, reject in numbered if number not in load.refused])
    return load.counts


def clear_rejects(pair: Pair, ids: Sequence[int], wait_seconds: float) -> int:
    """Deletes rejected lines (none named: all) and says how many."""
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        rejects = _chosen(db, ids)
        _delete(db, [reject.id for reject in rejects])
    return len(rejects)


def _chosen(db: Connection, ids: Sequence[int]) -> list[_Reject]:
    """The rejects with those ids, or all of them, in their order; raises NotFound."""
    query = "SELECT seq, octet_length(raw) FROM store.rejected_lines ORDER BY seq"
    found = {seq: _Reject(seq, size) for seq, size in db.execute(query).fetchall()}
    if not ids:
        return [*found.values()]
    missing = sorted(set(ids) - found.keys())
    if missing:
        raise NotFound(f"there is no reject {missing[0]}", hint="mplp-trace rejects list")
    return [found[one] for one in sorted(set(ids))]


def _chunks(db: Connection, rejects: Sequence[_Reject]) -> Iterator[Chunk]:
    """The rejects as lines, each one line, so that the number of a line is the place of its reject."""
    query = "SELECT raw FROM store.rejected_lines WHERE seq IN (SELECT unnest(?::BIGINT[])) ORDER BY seq"
    number = 1
    for batch in _batches(rejects):
        raws = db.execute(query, [[reject.id for reject in batch]]).fetchall()
        yield Chunk(number, 0, b"".join(_line(raw) + b"\n" for (raw,) in raws))
        number += len(batch)


def _batches(rejects: Sequence[_Reject]) -> Iterator[list[_Reject]]:
    batch: list[_Reject] = []
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


def _delete(db: Connection, ids: Sequence[int]) -> None:
    if ids:
        db.execute("DELETE FROM store.rejected_lines WHERE seq IN (SELECT unnest(?::BIGINT[]))", [list(ids)])
