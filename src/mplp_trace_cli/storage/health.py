"""The state of a store: what `info` tells and `doctor` checks."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.times import DAY_US, day_of, parse_instant
from mplp_trace_cli.storage.fold import overlay
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.migrations import MIGRATIONS
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.purging import used_bytes
from mplp_trace_cli.storage.reading import inbox_to_read
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import Connection, Store, folded_seq

LOW_DISK_BYTES = 500_000_000
SAMPLED_IDS = 5
GROWTH_DAYS = 14
SMALL_BYTES = 10_000_000
"""Below this a store is mostly blocks that rows have not filled yet, which says nothing of the rows."""
DOCTOR = "mplp-trace doctor"
_NETWORK = ("nfs", "cifs", "smb", "sshfs", "9p", "afs", "ceph", "gluster", "lustre")


@dataclass(frozen=True)
class StoreInfo:
    """Where a store is, how big, how much is in it, and how much waits in its inbox."""

    store: str
    inbox: str
    store_bytes: int
    inbox_bytes: int
    traces: int
    active: int
    events: int
    metrics: int
    rejects: int
    waiting: int
    schema_version: int
    growth: tuple[GrowthDay, ...] = ()
    """What came in on each of the last days that had anything, oldest first."""
    bytes_per_day: int | None = None
    """About how much of the store a day of these takes; None where nothing came in, or in a small store."""


@dataclass(frozen=True)
class GrowthDay:
    """How many traces started and how many events happened on a day of UTC, such as `2026-03-02`."""

    day: str
    traces: int
    events: int


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: fine, worth knowing (`warning`), or a `fault`."""

    check: str
    state: str
    detail: str
    hint: str | None = None


OK, WARNING, FAULT = "ok", "warning", "fault"


def store_info(store: Store, now: int) -> StoreInfo:
    """The figures of a store; raises its errors."""
    with inbox_to_read(store) as inbox:
        waiting = inbox.waiting() if inbox is not None else 0
        with overlay(store, inbox, now) as db:
            counts = {view: _count(db, view) for view in ("traces", "events", "metrics", "rejects")}
            active = _count(db, "traces WHERE status = 'active'")
            growth = _growth(db, now)
            used = used_bytes(db)
    return StoreInfo(
        store=store.paths.store,
        inbox=store.paths.inbox,
        store_bytes=_size(store.paths.store, ".wal"),
        inbox_bytes=_size(store.paths.inbox, "-wal", "-shm"),
        active=active,
        waiting=waiting,
        schema_version=len(MIGRATIONS),
        growth=growth,
        bytes_per_day=_bytes_per_day(growth, used, counts, now),
        **counts,
    )


def _growth(db: Connection, now: int) -> tuple[GrowthDay, ...]:
    first = now // DAY_US - GROWTH_DAYS + 1
    values = {"start": first * DAY_US, "end": now}
    rows = db.execute(statement("growth"), values).fetchall()
    return tuple(GrowthDay(day_of(day), traces, events) for day, traces, events in rows)


def _bytes_per_day(growth: tuple[GrowthDay, ...], used: int, counts: dict[str, int], now: int) -> int | None:
    """The share of the days' traces and events in all, over the days since the first of them."""
    if not growth or used < SMALL_BYTES:
        return None
    came = sum(day.traces + day.events for day in growth)
    first = parse_instant(f"{growth[0].day}T00:00:00Z")
    days = now // DAY_US - first // DAY_US + 1
    return round(used * came / max(1, counts["traces"] + counts["events"]) / days)


def _count(db: Connection, what: str) -> int:
    (count,) = db.execute(f"SELECT count(*) FROM {what}").fetchone() or (0,)
    return int(count)


def _size(path: str, *suffixes: str) -> int:
    files = [path, *(path + suffix for suffix in suffixes)]
    return sum(os.path.getsize(file) for file in files if os.path.exists(file))


def examine(store: Store, now: int) -> list[Finding]:
    """Checks a store and its inbox, and says what to do about each fault."""
    findings = [*_files(store.paths), *_disk(store.paths)]
    try:
        with inbox_to_read(store) as inbox:
            findings += _inbox(inbox)
            findings += _opened(store, inbox, now)
    except TraceError as error:
        findings.append(Finding("opens", FAULT, error.message, _remedy(error)))
    return findings


def _opened(store: Store, inbox: Inbox | None, now: int) -> Iterator[Finding]:
    try:
        with overlay(store, inbox, now) as db:
            yield Finding("store", OK, "opens, and its inbox belongs to it")
            yield Finding("migrations", OK, f"schema {len(MIGRATIONS)}")
            for check in (_gaps, _statistics, _rejects):
                yield check(db, inbox)
    except TraceError as error:
        yield Finding("store", FAULT, error.message, _remedy(error))


def _remedy(error: TraceError) -> str | None:
    """What to do: not to ask the doctor, who is the one that speaks."""
    if error.hint != DOCTOR:
        return error.hint
    return "put back a good copy of that file, or move it away and import the newest export"


def _files(paths: StorePaths) -> Iterator[Finding]:
    for path in (paths.store, paths.inbox):
        if os.path.exists(path) and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
            yield Finding("permissions", WARNING, f"others may read {path}", f"chmod 600 {path}")


def _disk(paths: StorePaths) -> Iterator[Finding]:
    if not os.path.isdir(paths.folder):
        return
    free = shutil.disk_usage(paths.folder).free
    state = OK if free >= LOW_DISK_BYTES else FAULT
    hint = None if state == OK else "free some space"
    yield Finding("disk", state, f"{free / 1e9:,.1f} GB free", hint)
    kind = file_system(paths.folder)
    if is_network(kind):
        yield Finding("file system", WARNING, f"{kind}: locks on a network file system may fail")


def file_system(folder: str) -> str:
    """The kind of file system a folder lies on; empty where that cannot be told."""
    import psutil

    mounts = [part for part in psutil.disk_partitions(all=True) if _lies_in(folder, part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else ""


def is_network(kind: str) -> bool:
    """True for a kind of file system that lies on another machine."""
    return any(name in kind for name in _NETWORK)


def _lies_in(folder: str, mount: str) -> bool:
    return folder == mount or folder.startswith(mount.rstrip("/") + "/")


def _inbox(inbox: Inbox | None) -> Iterator[Finding]:
    if inbox is None:
        yield Finding("inbox", WARNING, "there is none", "mplp-trace flush")
        return
    faults = inbox.check()
    if faults:
        yield Finding("inbox", FAULT, f"{inbox.path} is damaged: {faults[0]}", f"keep a copy of {inbox.path}")
    else:
        yield Finding("inbox", OK, f"sound, {inbox.waiting():,} waiting")


def _gaps(db: Connection, inbox: Inbox | None) -> Finding:
    if inbox is None:
        return Finding("gaps", OK, "no inbox")
    kept, dropped = folded_seq(db, inbox.inbox_id), inbox.folded_seq
    if kept < dropped:
        lost = f"the inbox has folded up to {dropped:,}, the store has up to {kept:,}"
        return Finding("gaps", FAULT, lost, "put back the newest copy of the store")
    return Finding("gaps", OK, "none")


def _statistics(db: Connection, _inbox: Inbox | None) -> Finding:
    """Wrong min/max statistics make `=` find nothing where a full scan finds a row."""
    sampled = db.execute(f"SELECT event_id FROM store.event_log USING SAMPLE {SAMPLED_IDS}").fetchall()
    for (event_id,) in sampled:
        found = _matches(db, "event_id = ?", event_id)
        scanned = _matches(db, "concat(event_id, '') = ?", event_id)
        if found != scanned:
            return Finding(
                "statistics", FAULT, f"= finds {found} of {scanned} rows", "mplp-trace export, then import"
            )
    return Finding("statistics", OK, f"= and a full scan agree on {len(sampled)} ids")


def _matches(db: Connection, condition: str, event_id: str) -> int:
    row = db.execute(f"SELECT count(*) FROM store.event_log WHERE {condition}", [event_id]).fetchone()
    return int(row[0]) if row else 0


def _rejects(db: Connection, _inbox: Inbox | None) -> Finding:
    count = _count(db, "rejects")
    if count:
        return Finding(
            "rejects", WARNING, f"{count:,} lines could not be recorded", "mplp-trace rejects list"
        )
    return Finding("rejects", OK, "none")
