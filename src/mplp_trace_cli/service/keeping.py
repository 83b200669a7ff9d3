"""The use cases of keeping: ending what nobody ended, purging what is old, giving disk back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.checks import as_number
from mplp_trace_cli.domain.enums import TraceStatus
from mplp_trace_cli.domain.errors import InvalidInput, StoreMissing
from mplp_trace_cli.domain.requests import CompactReport, EndedTrace, ExpireRequest, PurgeReport
from mplp_trace_cli.domain.times import MAX_INSTANT
from mplp_trace_cli.service.base import ServiceBase, operation, request_of

if TYPE_CHECKING:
    from mplp_trace_cli.domain.questions import PurgeRequest, TraceFilter
    from mplp_trace_cli.storage.fold import Pair
    from mplp_trace_cli.storage.keeping.purging import PurgeSelection

KEEP_SECONDS = 60.0
"""How long a purge and a compaction wait for a busy store."""


class KeepingService(ServiceBase):
    """Keeps a store small and true; light to import, since each method imports what it needs."""

    @operation
    def expire_traces(
        self, request: ExpireRequest | Mapping[str, Any] | None = None, /, **given: Any
    ) -> list[EndedTrace]:
        """Ends the traces whose time is over, and those the request names; gives what it ended."""
        from mplp_trace_cli.storage.keeping.expiring import ExpireRules, expire

        asked: ExpireRequest = request_of(ExpireRequest, request, given)
        rules = ExpireRules(_idle_us(asked.idle), asked.killed, asked.dry_run)
        with self._existing() as pair:
            return expire(pair, rules)

    @operation
    def purge(self, request: PurgeRequest | Mapping[str, Any] | None = None, /, **given: Any) -> PurgeReport:
        """Deletes whole finished traces and old metric samples, all at once; a dry run only counts them."""
        from mplp_trace_cli.domain.questions import PurgeRequest
        from mplp_trace_cli.storage.keeping.purging import purge, tell_purge

        asked: PurgeRequest = request_of(PurgeRequest, request, given)
        selection = _selection(asked)
        if asked.dry_run:
            with self.reading() as db:
                return tell_purge(db, selection)
        with self._existing() as pair:
            return purge(pair, selection, KEEP_SECONDS)

    @operation
    def compact(self) -> CompactReport:
        """Writes the store anew, so that the disk gets back what purged rows took; says the sizes.

        Other threads of this process that ask something wait for it.
        """
        from mplp_trace_cli.storage.keeping.compacting import compact

        with self._existing() as pair:
            return compact(pair, KEEP_SECONDS)

    @contextlib.contextmanager
    def _existing(self) -> Iterator[Pair]:
        """The pair of files, which is not made where there is none; raises StoreMissing."""
        if not os.path.exists(self.paths.store) and not os.path.exists(self.paths.inbox):
            raise StoreMissing(f"there is no store at {self.paths.store}", hint="mplp-trace create NAME")
        with self.pair() as pair:
            yield pair


def _idle_us(milliseconds: float | None) -> int | None:
    if milliseconds is None:
        return None
    number = as_number(milliseconds)
    if number is None or number <= 0:
        raise InvalidInput("idle: must be a number greater than 0")
    return max(1, round(min(number * 1_000, 2.0 * MAX_INSTANT)))


def _selection(asked: PurgeRequest) -> PurgeSelection:
    from mplp_trace_cli.analysis.filters import texts_of, trace_condition
    from mplp_trace_cli.domain.questions import TraceFilter, to_instant
    from mplp_trace_cli.storage.keeping.purging import PurgeSelection

    wanted: TraceFilter = request_of(TraceFilter, asked.filter, {})
    if TraceStatus.ACTIVE.value in texts_of(wanted.status, "status"):
        raise InvalidInput("status: active traces are never purged", hint="mplp-trace expire --idle 1d")
    if "" in texts_of(wanted.text, "text"):
        # It stands in every text: an unset variable of a script would purge everything.
        raise InvalidInput("text: must not be empty")
    condition = trace_condition(wanted)
    before = to_instant(asked.before, "before")
    if before is None and not condition.sql:
        raise InvalidInput("purge: say how old, or which traces", hint="mplp-trace purge --older-than 30d")
    return PurgeSelection(before, condition.sql, condition.values)
