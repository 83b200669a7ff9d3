"""What the options do not keep: purged at a fold, at most once a day, in nobody's way."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mplp_trace_cli.config import TraceModuleOptions, bytes_of
from mplp_trace_cli.domain.errors import StorageFailed, TraceError
from mplp_trace_cli.domain.requests import PurgeReport
from mplp_trace_cli.domain.times import DAY_US, MAX_INSTANT, MIN_INSTANT
from mplp_trace_cli.domain.words import counted, humane_bytes
from mplp_trace_cli.storage.fold import Pair, overlay
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.keeping.compacting import compact
from mplp_trace_cli.storage.keeping.purging import PurgeSelection, day_weights, purge, used_bytes

AGAIN_US = 3_600_000_000
"""After how long it is tried again when it could not be done."""
Say = Callable[[str], None]


class RetentionRules(NamedTuple):
    """How old and how large a store may grow; None is without bound."""

    most_age_us: int | None
    most_bytes: int | None


def retention_rules(options: TraceModuleOptions) -> RetentionRules:
    """The rules that options say."""
    days, size = options.retention_period_days, options.max_store_size
    return RetentionRules(
        None if days is None else round(min(days * DAY_US, 2.0 * MAX_INSTANT)),
        None if size is None else bytes_of(size, "max_store_size"),
    )


def tidy_if_due(pair: Pair, rules: RetentionRules, say: Say) -> None:
    """Purges what is too old or too much, if nobody has done so within a day; says what it did.

    What goes wrong is left for an hour later: whoever asked something is answered.
    """
    inbox, now = pair.inbox, pair.now
    last = inbox.tidied_at
    if not inbox.writable or (last is not None and 0 <= now - last < DAY_US):
        return
    with contextlib.suppress(TraceError):
        if inbox.note_tidied(last, now):
            with _tried_again_where_it_fails(inbox, now):
                _tidy(pair, rules, say)


@contextlib.contextmanager
def _tried_again_where_it_fails(inbox: Inbox, now: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(TraceError):  # on a full disk it is tried again in a day
            inbox.note_tidied(now, now - DAY_US + AGAIN_US)
        raise


def _tidy(pair: Pair, rules: RetentionRules, say: Say) -> None:
    if rules.most_age_us is not None:
        before = max(MIN_INSTANT, pair.now - rules.most_age_us)
        _say(purge(pair, PurgeSelection(before), 0), say, "older than retention_period_days")
    if rules.most_bytes is not None and _size(pair) > rules.most_bytes:
        _shrink(pair, rules.most_bytes, say)


def _shrink(pair: Pair, most_bytes: int, say: Say) -> None:
    _compact(pair, say)  # rows that were deleted earlier would be counted, and too much would go
    while _size(pair) > most_bytes and (day := _first_day_kept(pair, most_bytes)) is not None:
        report = purge(pair, PurgeSelection(day * DAY_US), 0)
        _compact(pair, say)
        _say(report, say, "to keep within max_store_size")


def _compact(pair: Pair, say: Say) -> None:
    """Gives the disk back where that can be: on a full disk what is purged makes room for what comes."""
    try:
        compact(pair, 0)
    except StorageFailed as error:
        say(f"max_store_size: the file stays as large as it is: {error.message}")


def _say(report: PurgeReport, say: Say, why: str) -> None:
    if report.traces or report.metrics:
        traces, samples = counted(report.traces, "trace"), counted(report.metrics, "metric sample")
        size = "" if report.bytes is None else f", about {humane_bytes(report.bytes)}"
        say(f"purged {traces} and {samples}{size}: {why}")


def _size(pair: Pair) -> int:
    path = pair.store.paths.store
    return sum(os.path.getsize(file) for file in (path, f"{path}.wal") if os.path.exists(file))


def _first_day_kept(pair: Pair, most_bytes: int) -> int | None:
    """The day before which everything goes so that the rest fits; None where nothing need or can go."""
    with overlay(pair.store, pair.inbox, pair.now) as db:
        used, weights = used_bytes(db), day_weights(db, pair.now // DAY_US)
    total = sum(weight for _, weight in weights)
    left, kept = total, None
    for day, weight in weights:
        if day is None or used * left <= most_bytes * total:
            break
        left, kept = left - weight, day + 1
    return kept
