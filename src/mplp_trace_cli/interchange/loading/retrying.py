"""Retrying rejected lines: what can be recorded now goes in and leaves the rejects, in one transaction.

However many there are, a few megabytes of them are in memory at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mplp_trace_cli.interchange.decoding.batches import DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded
from mplp_trace_cli.interchange.loading.bulk import BulkPlan, bulk_transaction
from mplp_trace_cli.storage.fold import Pair, fold_into
from mplp_trace_cli.storage.groups import Counts

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
