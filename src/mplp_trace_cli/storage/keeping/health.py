"""The state of a store: what `info` tells, and what kind of file system it lies on."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mplp_trace_cli.domain.times import DAY_US, day_of, parse_instant
from mplp_trace_cli.storage.fold import overlay
from mplp_trace_cli.storage.keeping.purging import SMALL_BYTES, used_bytes
from mplp_trace_cli.storage.migrations import MIGRATIONS
from mplp_trace_cli.storage.reading import inbox_to_read
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import Connection, Store

GROWTH_DAYS = 14
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
