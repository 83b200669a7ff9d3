"""Ends that nobody wrote: of traces whose time is over, in which nothing happens, or whose process is gone.

An end is recorded in the inbox, in the transaction that takes the trace off the open ones, so that each
trace gets one end, whoever else records, folds or loads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

from mplp_trace_cli.domain.enums import Level, TraceStatus
from mplp_trace_cli.domain.event_row import EventRow
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT
from mplp_trace_cli.domain.requests import EndedTrace
from mplp_trace_cli.storage.fold import Pair, ended_in_store, overlay
from mplp_trace_cli.storage.inbox import END, EVENT, Entry, Inbox, encode_body
from mplp_trace_cli.storage.processes import ended_process
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import Connection


class ExpireRules(NamedTuple):
    """Which traces end, besides those whose time is over; a dry run only tells them."""

    idle_us: int | None = None
    killed: bool = False
    dry_run: bool = False


class _Candidate(NamedTuple):
    """An end that a trace is to get, and what is recorded beside it."""

    end: EndedTrace
    note: str | None = None


def expire(pair: Pair, rules: ExpireRules) -> list[EndedTrace]:
    """Ends what the rules say and gives it, the overdue first.

    What happened last in a trace is read from one consistent moment, during which nobody can fold or load;
    a trace in which something was recorded since is left alone.
    """
    seen = pair.inbox.newest_seq()
    with overlay(pair.store, pair.inbox, pair.now) as db:
        found = [*_overdue(db, pair), *_unfinished(db, pair.now, rules)]
        if rules.dry_run:
            return [one.end for one in found]
        return _write(pair.inbox, found, seen)


def _overdue(db: Connection, pair: Pair) -> list[_Candidate]:
    traces = pair.inbox.overdue(pair.now)
    ended = ended_in_store(db, [trace.trace_id for trace in traces]) | pair.inbox.waiting_ends()
    return [
        _Candidate(
            EndedTrace(
                trace.trace_id, json.loads(trace.body)[4], TraceStatus.EXPIRED, trace.ends_at, "timeout"
            )
        )
        for trace in traces
        if trace.trace_id not in ended
    ]


def _unfinished(db: Connection, now: int, rules: ExpireRules) -> list[_Candidate]:
    if rules.idle_us is None and not rules.killed:
        return []
    found = []
    for trace_id, name, metadata, started, last in db.execute(statement("unfinished_traces")).fetchall():
        pid = ended_process(metadata) if rules.killed else None
        if pid is not None and started < now:
            at = max(started + 1, min(last, now))
            end = EndedTrace(trace_id, name, TraceStatus.FAILED, at, "killed")
            found.append(_Candidate(end, f"its process ({pid}) has ended"))
        elif rules.idle_us is not None and last + rules.idle_us <= now:
            at = max(started + 1, last + rules.idle_us)
            found.append(_Candidate(EndedTrace(trace_id, name, TraceStatus.EXPIRED, at, "idle")))
    return found


def _write(inbox: Inbox, found: list[_Candidate], seen: int) -> list[EndedTrace]:
    with inbox.writing():
        touched = inbox.traces_after(seen)
        ending = [one for one in found if one.end.trace_id not in touched]
        for one in ending:
            inbox.append(_entries(one))
        inbox.remove_open(one.end.trace_id for one in ending)
    return [one.end for one in ending]


def _entries(one: _Candidate) -> Iterable[Entry]:
    end = one.end
    if one.note is not None:
        row = EventRow(
            new_id(),
            end.trace_id,
            f"trace_{end.status.value}",
            Level.ERROR.value,
            one.note,
            EMPTY_OBJECT,
            end.ended_at,
            None,
            None,
            None,
        )
        yield EVENT, encode_body(row)
    yield END, encode_body((end.trace_id, end.status.value, end.ended_at))
