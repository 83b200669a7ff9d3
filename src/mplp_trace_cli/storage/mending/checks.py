"""What doctor checks in the files of a store themselves, for a process of its own: they may be damaged."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import StorageFailed, StoreBusy, TraceError
from mplp_trace_cli.domain.times import DAY_US, format_instant
from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.storage.fold import overlay
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.mending.findings import FAULT, OK, WARNING, Finding
from mplp_trace_cli.storage.migrations import MIGRATIONS
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import (
    Connection,
    LogDamaged,
    Store,
    StoreSettings,
    duckdb_errors,
    folded_seq,
)

BUSY_SECONDS = 2.0
SAMPLED_IDS = 5
REPEATS_AT_ONCE = 1_000_000
REPAIR = "mplp-trace doctor --repair"
FLUSH = "mplp-trace flush"


class Looked(NamedTuple):
    """What the checks look at: the attached store, its inbox, and the present."""

    db: Connection
    inbox: Inbox | None
    now: int


def examine_files(path: str, now: int, memory_limit: str, threads: int | None) -> Iterator[Mapping[str, Any]]:
    """The findings of the inbox and of the store, each as soon as it is known."""
    paths = StorePaths(path)
    store = Store(paths, StoreSettings(memory_limit, threads, BUSY_SECONDS, sets_aside=False))
    with contextlib.ExitStack() as stack:
        inbox, findings = _opened_inbox(stack, paths, now)
        yield from map(asdict, findings)
        yield from map(asdict, _store(store, inbox, now))


def _opened_inbox(
    stack: contextlib.ExitStack, paths: StorePaths, now: int
) -> tuple[Inbox | None, list[Finding]]:
    if not os.path.exists(paths.inbox):
        return None, [Finding("inbox", WARNING, "there is none", FLUSH)]
    try:
        inbox = stack.enter_context(inbox_to_look_at(paths))
        faults = inbox.check()
        if faults:
            return None, [Finding("inbox", FAULT, f"{paths.inbox} is damaged: {faults[0]}", REPAIR)]
        return inbox, [Finding("inbox", OK, "sound"), _waiting(inbox, now)]
    except TraceError as error:
        return None, [Finding("inbox", FAULT, error.message, remedy(error))]


@contextlib.contextmanager
def inbox_to_look_at(paths: StorePaths) -> Iterator[Inbox]:
    """The inbox, opened so that nothing is written; where SQLite cannot do that, a copy of it."""
    try:
        inbox = Inbox(paths, writable=False)
    except StorageFailed:
        with copied_inbox(paths) as copy:
            yield copy
        return
    with inbox:
        yield inbox


@contextlib.contextmanager
def copied_inbox(paths: StorePaths, *, with_log: bool = True) -> Iterator[Inbox]:
    """A copy of the inbox in a folder of its own, which goes away; its SQLite log is replayed there."""
    import shutil

    with tempfile.TemporaryDirectory(prefix="mplp-trace-") as folder:
        copy = StorePaths(os.path.join(folder, "traces.duckdb"))
        try:
            shutil.copyfile(paths.inbox, copy.inbox)
            if with_log and os.path.exists(f"{paths.inbox}-wal"):
                shutil.copyfile(f"{paths.inbox}-wal", f"{copy.inbox}-wal")
        except OSError as error:
            raise StorageFailed(f"{paths.inbox}: {error.strerror}") from error
        with Inbox(copy) as inbox:
            yield inbox


def _waiting(inbox: Inbox, now: int) -> Finding:
    waiting, last = inbox.waiting(), inbox.folded_at
    if not waiting:
        return Finding("waiting", OK, "nothing")
    since = "nothing was folded yet" if last is None else f"the last fold was at {format_instant(last)}"
    old = last is not None and last < now - DAY_US
    state = WARNING if old else OK
    return Finding(
        "waiting", state, f"{counted(waiting, 'entry', 'entries')}; {since}", FLUSH if old else None
    )


def remedy(error: TraceError) -> str | None:
    """What to do: not to ask the doctor, who is the one that speaks."""
    return REPAIR if error.hint == "mplp-trace doctor" else error.hint


def _store(store: Store, inbox: Inbox | None, now: int) -> Iterator[Finding]:
    try:
        with overlay(store, inbox, now) as db:
            yield Finding("store", OK, f"opens, storage {_storage(db)}")
            for check in _CHECKS:
                with duckdb_errors(store.paths.store):
                    yield from check(Looked(db, inbox, now))
    except StoreBusy as error:
        yield Finding("store", WARNING, error.message, "close that program, then run this again")
    except LogDamaged as error:
        yield Finding("store", FAULT, error.message, FLUSH)
    except TraceError as error:
        yield Finding("store", FAULT, error.message, remedy(error))


def _storage(db: Connection) -> str:
    (tags,) = _row(db, "SELECT tags FROM duckdb_databases() WHERE database_name = 'store'")
    return str(tags.get("storage_version", "unknown")) if tags else "unknown"


def _row(db: Connection, query: str, values: Any = ()) -> Any:
    return db.execute(query, values).fetchone() or ()


def _migrations(looked: Looked) -> Iterator[Finding]:
    rows = looked.db.execute("SELECT version FROM store.migrations ORDER BY rowid").fetchall()
    done = [version for (version,) in rows]
    if done != list(range(1, len(done) + 1)):
        yield Finding("migrations", FAULT, f"applied in the order {done}", REPAIR)
    elif len(done) < len(MIGRATIONS):
        detail = f"schema {len(done)}; the next fold makes it schema {len(MIGRATIONS)}"
        yield Finding("migrations", WARNING, detail, FLUSH)
    else:
        yield _schema(looked.db)


def _schema(db: Connection) -> Finding:
    """Columns and views must be those of a store that is made now; others may be there beside them."""
    with tempfile.TemporaryDirectory(prefix="mplp-trace-") as folder:
        fresh = Store(StorePaths(os.path.join(folder, "traces.duckdb")))
        fresh.make()
        with fresh.reading() as made:
            wanted = _shape(made)
    found = _shape(db)
    ours = {one[0] for one in wanted}
    differing = sorted({str(one[0]) for one in wanted ^ found if one[0] in ours})
    if differing:
        detail = f"not those of schema {len(MIGRATIONS)}: {', '.join(differing)}"
        return Finding("migrations", FAULT, detail, REPAIR)
    return Finding("migrations", OK, f"schema {len(MIGRATIONS)}, tables and views as they should be")


def _shape(db: Connection) -> set[tuple[Any, ...]]:
    columns = (
        "SELECT table_name, column_index, column_name, data_type, is_nullable "
        "FROM duckdb_columns() WHERE database_name = 'store' AND schema_name = 'main'"
    )
    views = (
        "SELECT view_name, sql FROM duckdb_views() "
        "WHERE database_name = 'store' AND schema_name = 'main' AND NOT internal"
    )
    return {*db.execute(columns).fetchall(), *db.execute(views).fetchall()}


def _gaps(looked: Looked) -> Iterator[Finding]:
    inbox = looked.inbox
    if inbox is None:
        return
    kept, dropped = folded_seq(looked.db, inbox.inbox_id), inbox.folded_seq
    if kept >= dropped:
        yield from _old_gaps(inbox)
        return
    there = inbox.kept_between(kept, dropped)
    missing = dropped - kept - there
    detail = f"the inbox has folded up to {dropped:,}, the store has up to {kept:,}"
    if missing == 0:
        yield Finding("gaps", WARNING, f"{detail}; all of it is still in the inbox", FLUSH)
        return
    yield Finding(
        "gaps",
        FAULT,
        f"{detail}; {counted(there, 'entry', 'entries')} {'is' if there == 1 else 'are'} still in the inbox, "
        f"up to {missing:,} {'is' if missing == 1 else 'are'} missing",
        "put back the newest copy of the store, or import again what was imported last",
    )


def _old_gaps(inbox: Inbox) -> Iterator[Finding]:
    if not inbox.gaps:
        yield Finding("gaps", OK, "none")
    for after, upto in inbox.gaps:
        yield Finding("gaps", WARNING, f"of the entries {after + 1:,} to {upto:,} the store lacks some")


def _traces(looked: Looked) -> Iterator[Finding]:
    late = looked.now + DAY_US
    rows, repeated, empty, late_ones, ends_first, _ = _row(
        looked.db, statement("check_trace_starts"), {"late": late}
    )
    ends, ended_twice, orphans, orphan, backwards, sample, _ = _row(looked.db, statement("check_trace_ends"))
    faults = _said(
        (repeated, "begun twice"),
        (empty, "with an empty id, context or name"),
        (ends_first, "that expire before they begin"),
        (ended_twice, "ended twice"),
        (orphans, f"ended and never begun, as {orphan}"),
        (backwards, f"that end before they begin, as {sample}"),
    )
    yield _counted("traces", f"{rows:,}, {ends:,} of them ended", faults, _said((late_ones, "in the future")))


def _events(looked: Looked) -> Iterator[Finding]:
    found = _row(looked.db, statement("check_event_log"), {"late": looked.now + DAY_US})
    rows, empty, late, durations, orphans, orphan, *_ = found
    faults = _said((empty, "with an empty id or type"), (durations, "with a duration that cannot be"))
    warnings = _said((late, "in the future"), (orphans, f"of traces that are not there, as {orphan}"))
    yield _counted("events", f"{rows:,}", faults, warnings)
    yield _repeats(looked.db, rows)


def _repeats(db: Connection, rows: int) -> Finding:
    part = max(1, rows // REPEATS_AT_ONCE)
    ids, numbers = _row(db, statement("check_repeats"), {"part": part})
    of = "all events" if part == 1 else f"one in {part:,} events"
    faults = _said((ids, "there twice by id"), (numbers, "there twice by number"))
    if faults:
        return Finding("repeats", FAULT, f"of {of}: {', '.join(faults)}", REPAIR)
    return Finding("repeats", OK, f"none in {of}")


def _metrics(looked: Looked) -> Iterator[Finding]:
    rows, empty, late, figures, _ = _row(
        looked.db, statement("check_metric_samples"), {"late": looked.now + DAY_US}
    )
    faults = _said((empty, "without a name"), (figures, "with a value that is no number"))
    yield _counted("metrics", counted(rows, "sample"), faults, _said((late, "in the future")))


def _said(*told: tuple[int, str]) -> list[str]:
    return [f"{count:,} {what}" for count, what in told if count]


def _counted(check: str, count: str, faults: Sequence[str], warnings: Sequence[str]) -> Finding:
    state = FAULT if faults else WARNING if warnings else OK
    hint = "mplp-trace export -o traces.jsonl" if faults else None
    return Finding(check, state, "; ".join([count, *faults, *warnings]), hint)


def _rejects(looked: Looked) -> Iterator[Finding]:
    (count,) = _row(looked.db, "SELECT count(*) FROM rejects")
    if not count:
        yield Finding("rejects", OK, "none")
        return
    (unfolded,) = _row(looked.db, "SELECT count(*) FROM rejects WHERE reason LIKE 'could not be folded:%'")
    of = f", {unfolded:,} of them entries of the inbox" if unfolded else ""
    yield Finding(
        "rejects", WARNING, f"{counted(count, 'line')} could not be recorded{of}", "mplp-trace rejects list"
    )


def _statistics(looked: Looked) -> Iterator[Finding]:
    """Wrong min/max statistics make `=` find nothing where a full scan finds a row."""
    db = looked.db
    sampled = db.execute(f"SELECT event_id FROM store.event_log USING SAMPLE {SAMPLED_IDS}").fetchall()
    ids = [event_id for (event_id,) in sampled]
    scanned = dict(db.execute(_SCANNED, [ids]).fetchall()) if ids else {}
    for event_id, rows in scanned.items():
        (found,) = _row(db, "SELECT count(*) FROM store.event_log WHERE event_id = ?", [event_id])
        if found != rows:
            yield Finding("statistics", FAULT, f"= finds {found} of {rows} rows", REPAIR)
            return
    yield Finding("statistics", OK, f"= and a full scan agree on {len(sampled)} ids")


_SCANNED = (
    "SELECT concat(event_id, '') AS id, count(*) FROM store.event_log "
    "WHERE id IN (SELECT unnest(?)) GROUP BY ALL"
)
"""A computed value has no statistics, so that every row is looked at."""


def _open_traces(looked: Looked) -> Iterator[Finding]:
    if looked.inbox is None:
        return
    open_ids = looked.inbox.open_ids()
    ended = looked.db.execute("SELECT trace_id FROM store.trace_ends").fetchall() if open_ids else []
    wrong = open_ids & {trace_id for (trace_id,) in ended}
    if wrong:
        detail = f"{counted(len(wrong), 'trace')} open in the inbox and ended in the store, as {min(wrong)}"
        yield Finding("open traces", WARNING, detail, REPAIR)
        return
    yield Finding("open traces", OK, f"{len(open_ids):,}; the store knows none of them as ended")


_CHECKS = (_migrations, _gaps, _traces, _events, _metrics, _rejects, _statistics, _open_traces)
