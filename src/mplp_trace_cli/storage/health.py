"""The state of a store: what `info` tells, and what kind of file system it lies on."""

from __future__ import annotations

import os
from dataclasses import dataclass

from mplp_trace_cli.storage.fold import overlay
from mplp_trace_cli.storage.migrations import MIGRATIONS
from mplp_trace_cli.storage.reading import inbox_to_read
from mplp_trace_cli.storage.store import Connection, Store

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


def store_info(store: Store, now: int) -> StoreInfo:
    """The figures of a store; raises its errors."""
    with inbox_to_read(store) as inbox:
        waiting = inbox.waiting() if inbox is not None else 0
        with overlay(store, inbox, now) as db:
            counts = {view: _count(db, view) for view in ("traces", "events", "metrics", "rejects")}
            active = _count(db, "traces WHERE status = 'active'")
    return StoreInfo(
        store=store.paths.store,
        inbox=store.paths.inbox,
        store_bytes=_size(store.paths.store, ".wal"),
        inbox_bytes=_size(store.paths.inbox, "-wal", "-shm"),
        active=active,
        waiting=waiting,
        schema_version=len(MIGRATIONS),
        **counts,
    )


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
