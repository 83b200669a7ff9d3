"""Opening the inbox for those who only ask, also where nothing can be written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mplp_trace_cli.domain.errors import StorageFailed, StoreMissing
from mplp_trace_cli.storage.inbox import Inbox
from mplp_trace_cli.storage.paths import StorePaths

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Store


@contextlib.contextmanager
def inbox_to_read(store: Store) -> Iterator[Inbox | None]:
    """The inbox beside a store, None where there is none; raises StoreMissing where neither is."""
    inbox = open_inbox(store.paths)
    if inbox is None:
        yield None
        return
    with contextlib.closing(inbox):
        if not store.exists() and inbox.store_id is None and inbox.writable:
            store.make()
        yield inbox


def open_inbox(paths: StorePaths) -> Inbox | None:
    """The same for who closes it; in a folder that cannot be written it is opened as an unchanging file."""
    writable = os.access(paths.folder, os.W_OK)
    if not os.path.exists(paths.inbox):
        if not os.path.exists(paths.store):
            raise StoreMissing(f"there is no store at {paths.store}", hint="mplp-trace create NAME")
        if not writable:
            return None
    return _opened(paths, writable)


def _opened(paths: StorePaths, writable: bool) -> Inbox:
    try:
        return Inbox(paths, writable=writable)
    except StorageFailed:
        # On a full disk SQLite has no room for its shared memory, which a reader can do without.
        if os.path.exists(f"{paths.inbox}-wal"):
            raise
        return Inbox(paths, writable=False)
