"""The fold: moves what waits in the inbox into the store, exactly once; and the same staging for readers.

Exactly once is by (inbox id, seq): the store's transaction writes the entries together with how far it
came, and only then does the inbox drop them. A crash anywhere leaves nothing lost and nothing twice.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import StorageFailed, StoreBusy, StoreMissing, WrongPair
from mplp_trace_cli.storage.inbox import Batch, Inbox
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import (
    TABLES,
    Connection,
    Store,
    define_views,
    folded_seq,
    next_seq_base,
    roll_back,
    seq_base,
    store_id,
)

LEVELS = ", ".join(f"'{level}'" for level in Level)
"""A text beside an ENUM makes both text; as `'warn'::level` it is compared by rank."""

OVERDUE_AT_ONCE = 1_000


class Pair(NamedTuple):
    """A store, the inbox beside it, and the present in microseconds."""

    store: Store
    inbox: Inbox
    now: int


def fold(pair: Pair, wait_seconds: float) -> int:
    """Folds all that waits and says how many entries it was.

    Raises StoreBusy when the store is not free within `wait_seconds`; StoreMissing, WrongPair.
    """
    require_store(pair.store, pair.inbox)
    # Also where nothing waits: a store that was set back lacks what is folded and still in the inbox.
    with pair.store.writing(wait_seconds) as db:
        return fold_into(db, pair)


def fold_if_free(pair: Pair) -> None:
    """Folds when something waits and nobody has the store; otherwise does nothing."""
    if pair.inbox.writable and pair.inbox.waiting():
        with contextlib.suppress(StoreBusy, StorageFailed):
            fold(pair, 0)


def fold_into(db: Connection, pair: Pair) -> int:
    """Folds all that waits into the store that is open for writing."""
    inbox = pair.inbox
    base = _adopt(db, pair)
    inbox_id = inbox.inbox_id
    done = folded_seq(db, inbox_id)
    entries = 0
    _tell_gap(pair, done)
    _end_overdue(db, pair)
    _make_stages(db)
    for batch in inbox.batches(done):
        _stage(db, batch, base, pair.now)
        inbox.note_taken(batch.last_seq)
        _commit(db, inbox_id, batch.last_seq)
        pair.store.make_log_private()
        done, entries = batch.last_seq, entries + batch.entries
    inbox.forget(done, pair.now)
    return entries


def _tell_gap(pair: Pair, done: int) -> None:
    """Notes what a store that was set back lacks: this fold goes on behind it, and would hide it."""
    inbox = pair.inbox
    dropped = inbox.folded_seq
    missing = dropped - done - inbox.kept_between(done, dropped)
    if done < dropped and missing:
        inbox.note_gap(done, dropped)
        pair.store.on_damage(
            f"the store {pair.store.paths.store} was set back: up to {missing:,} of the entries that were "
            "folded into it are missing, which the newest copy of it has"
        )


def _end_overdue(db: Connection, pair: Pair) -> None:
    """Records the ends of open traces whose time is over; what queries derive of them stays the same."""
    inbox = pair.inbox
    while overdue := inbox.overdue(pair.now, OVERDUE_AT_ONCE):
        ended = ended_in_store(db, [trace.trace_id for trace in overdue]) | inbox.waiting_ends()
        inbox.end_overdue(overdue, ended)


def ended_in_store(db: Connection, trace_ids: list[str]) -> set[str]:
    """Those of the traces that have an end in the attached store."""
    if not trace_ids:
        return set()
    rows = db.execute(statement("ended_traces"), {"ids": json.dumps(trace_ids)}).fetchall()
    return {row[0] for row in rows}


def _adopt(db: Connection, pair: Pair) -> int:
    """Binds a fresh inbox to the store beside it; raises WrongPair when it belongs to another."""
    check_pair(db, pair)
    base = seq_base(db, pair.inbox.inbox_id)
    if base is None:
        base = next_seq_base(db)
        db.execute("INSERT INTO store.inboxes VALUES (?, ?)", [pair.inbox.inbox_id, base])
    if pair.inbox.store_id is None:
        pair.inbox.bind_to(store_id(db))
    return base


def check_pair(db: Connection, pair: Pair) -> None:
    """Raises WrongPair when the inbox belongs to another store than the one attached, or is an old copy."""
    bound = pair.inbox.store_id
    if bound is not None and bound != store_id(db):
        raise WrongPair(
            f"{pair.inbox.path} belongs to another store than {pair.store.paths.store}",
            hint=_PUT_BACK,
        )
    done, known = folded_seq(db, pair.inbox.inbox_id), _known_folds(pair.inbox)
    if known < done:
        # What an old copy takes in gets numbers that were folded once already, and would be dropped.
        raise WrongPair(
            f"{pair.inbox.path} is older than its store: folded are {done:,} entries, it knows {known:,}",
            hint=_PUT_BACK,
        )


def _known_folds(inbox: Inbox) -> int:
    """How far an inbox knows at most that it was folded."""
    taken = inbox.taken_seq
    if taken is None and inbox.store_id is not None:
        return inbox.last_seq  # written before folds were noted beforehand
    return max(taken or 0, inbox.folded_seq)


_PUT_BACK = "put back the two files that belong together, or move the inbox away"


def _make_stages(db: Connection) -> None:
    for table in TABLES:
        db.execute(f"CREATE OR REPLACE TEMP TABLE new_{table} AS FROM store.{table} LIMIT 0")


def _stage(db: Connection, batch: Batch, base: int, now: int) -> None:
    """Sorts a batch into the tables `new_…`; what fits none of them becomes a reject."""
    db.execute(statement("stage_entries"), {"seq_base": base, "block": batch.lines})
    kinds = {kind for (kind,) in db.execute("SELECT DISTINCT kind FROM entry").fetchall()}
    stages = [_STAGES[kind] for kind in _STAGES if kind in kinds]
    if "stage_events" in stages:
        stages = [stage for stage in stages if stage != "stage_new_events"]
    staged = sum(_inserted(db, stage) for stage in stages)
    if staged < batch.entries:
        db.execute(statement("stage_rejects").format(now=_instant(now)))


_STAGES = {
    "start": "stage_trace_starts",
    "end": "stage_trace_ends",
    "event_with_id": "stage_events",
    "event": "stage_new_events",
    "metric": "stage_metrics",
}
"""What takes each kind of entry; `stage_events` takes both kinds of events."""


def _inserted(db: Connection, stage: str) -> int:
    (count,) = db.execute(statement(stage)).fetchone() or (0,)
    return int(count)


def _commit(db: Connection, inbox_id: str, last_seq: int) -> None:
    db.execute("BEGIN")
    try:
        for table in TABLES:
            db.execute(f"INSERT INTO store.{table} FROM new_{table} ORDER BY seq")
        db.execute("INSERT INTO store.folds VALUES (?, ?)", [inbox_id, last_seq])
        db.execute("COMMIT")
    except BaseException:
        roll_back(db)
        raise
    for table in TABLES:
        db.execute(f"TRUNCATE new_{table}")


def require_store(store: Store, inbox: Inbox | None) -> None:
    """Raises StoreMissing when the store that this inbox has folded into is not there."""
    if inbox is not None and inbox.store_id is not None and not store.exists():
        raise StoreMissing(
            f"the store {store.paths.store} is gone; its inbox is still there",
            hint="put the store back where it was",
        )


@contextlib.contextmanager
def overlay(store: Store, inbox: Inbox | None, now: int) -> Iterator[Connection]:
    """One consistent moment: the views over the store and what waits in the inbox.

    While it is open nobody can fold, so nothing is seen twice or missed.
    """
    require_store(store, inbox)
    with store.reading() as db:
        db.execute(f"CREATE TYPE level AS ENUM ({LEVELS})")
        stages = inbox is not None and _stage_waiting(db, Pair(store, inbox, now))
        sources = {table: f"store.{table}" for table in TABLES}
        if stages:
            sources = {table: f"(FROM store.{table} UNION ALL FROM new_{table})" for table in TABLES}
        define_views(db, sources, _instant(now))
        yield db


def _stage_waiting(db: Connection, pair: Pair) -> bool:
    check_pair(db, pair)
    inbox = pair.inbox
    base = seq_base(db, inbox.inbox_id)
    if base is None:
        base = next_seq_base(db)
    staged = False
    for batch in inbox.batches(folded_seq(db, inbox.inbox_id)):
        if not staged:
            _make_stages(db)
        _stage(db, batch, base, pair.now)
        staged = True
    return staged


def _instant(now: int) -> str:
    return f"make_timestamptz({now}::BIGINT)"
