"""Compacting: the store is written anew, checked row by row, and put in the place of the old one at once.

While it lasts the store is attached read-only: others read beside it and record into the inbox, and nobody
can write to the file that is copied. A crash at any moment leaves the old file or the new one, whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from typing import Any

from mplp_trace_cli.domain.errors import StorageFailed, StoreBusy
from mplp_trace_cli.domain.requests import CompactReport
from mplp_trace_cli.domain.words import humane_bytes
from mplp_trace_cli.storage.engine import duckdb
from mplp_trace_cli.storage.fold import Pair, fold_into, require_store
from mplp_trace_cli.storage.keeping.purging import used_bytes
from mplp_trace_cli.storage.paths import StorePaths, os_errors, sync
from mplp_trace_cli.storage.running import new_spill
from mplp_trace_cli.storage.store import CHECKPOINT_AT, STORAGE, Connection, Store

ROOM_BYTES = 64_000_000
"""What is to be left on the disk: others record meanwhile."""
_SCHEMAS = (
    "SELECT schema_name, table_name, sql FROM duckdb_tables() WHERE database_name = ? ORDER BY ALL",
    "SELECT schema_name, view_name, sql FROM duckdb_views() WHERE database_name = ? AND NOT internal "
    "ORDER BY ALL",
    "SELECT schema_name, table_name, column_index, column_name, data_type, is_nullable, column_default "
    "FROM duckdb_columns() WHERE database_name = ? AND NOT internal ORDER BY ALL",
)
_NEWEST_FOLDS = "SELECT inbox_id, max(folded_seq) AS folded_seq FROM store.folds GROUP BY inbox_id"
"""Of the rows that say how far each inbox is folded the greatest counts."""


def compact(pair: Pair, wait_seconds: float) -> CompactReport:
    """Folds what waits and writes the store anew.

    Raises StoreBusy; StorageFailed where the disk has no room for a second file, or the copy is not the same.
    """
    store = pair.store
    require_store(store, pair.inbox)
    with store.locked(wait_seconds):
        with store.writing_locked(wait_seconds) as db:
            fold_into(db, pair)
            db.execute("CHECKPOINT store")
        with _draft(store.paths) as draft, store.reading() as db:
            _check_alone(store.paths)
            _check_room(db, store.paths)
            before = os.path.getsize(store.paths.store)
            _write_anew(db, draft)
            _check_same(db, draft)
            _put_in_place(draft, store)
        return CompactReport(before, os.path.getsize(store.paths.store))


@contextlib.contextmanager
def _draft(paths: StorePaths) -> Iterator[str]:
    """The path of a new file in a private folder beside the store; a fold sweeps what a killed one left."""
    folder = new_spill(paths)
    with os_errors(folder):
        os.mkdir(folder, 0o700)
    try:
        yield os.path.join(folder, os.path.basename(paths.store))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_alone(paths: StorePaths) -> None:
    """Raises StoreBusy where another program has written since the file was closed: a log of the old file
    would be applied to the new one."""
    if os.path.exists(f"{paths.store}.wal"):
        raise StoreBusy(
            f"the store {paths.store} is busy: another program has just written to it",
            hint="close that program, then run this again",
        )


def _check_room(db: Connection, paths: StorePaths) -> None:
    needed = used_bytes(db) + ROOM_BYTES
    with os_errors(paths.folder):
        free = shutil.disk_usage(paths.folder).free
    if free < needed:
        raise StorageFailed(
            f"compacting writes a second file beside the store: it needs {humane_bytes(needed)}, "
            f"and {humane_bytes(free)} are free",
            hint="free some space",
        )


def _write_anew(db: Connection, draft: str) -> None:
    """Copies everything, each table in the order in which its rows lie."""
    db.execute(f"SET checkpoint_threshold = '{CHECKPOINT_AT}'")
    db.execute(f"ATTACH {_quoted(draft)} AS draft ({STORAGE})")
    db.execute("COPY FROM DATABASE store TO draft (SCHEMA)")
    _fill(db, _tables(db))
    db.execute("CHECKPOINT draft")
    db.execute("DETACH draft")


def _fill(db: Connection, tables: list[str]) -> None:
    """Copies the rows; a table of the user's own that refers to another one comes after it.

    Raises StorageFailed for one that cannot be copied, such as one with generated columns.
    """
    reasons: dict[str, duckdb.Error] = {}
    for name in tables:
        try:
            db.execute(f"INSERT INTO draft.{name} {_rows(name)}")
        except (duckdb.ConstraintException, duckdb.BinderException) as error:
            reasons[name] = error
    if len(reasons) == len(tables):
        name, reason = next(iter(reasons.items()))
        raise StorageFailed(
            f"the table {name} cannot be copied: {str(reason).splitlines()[0]}",
            hint="move tables that are not of mplp-trace into a file of their own",
        ) from reason
    if reasons:
        _fill(db, list(reasons))


def _tables(db: Connection) -> list[str]:
    query = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'store' ORDER BY ALL"
    return [f"{_name(schema)}.{_name(table)}" for schema, table in db.execute(query).fetchall()]


def _rows(name: str) -> str:
    return _NEWEST_FOLDS if name == '"main"."folds"' else f"FROM store.{name}"


def _check_same(db: Connection, draft: str) -> None:
    """Raises StorageFailed where what lies on the disk is not what the store has, table by table."""
    db.execute(f"ATTACH {_quoted(draft)} AS draft (READ_ONLY)")
    for query in _SCHEMAS:
        if db.execute(query, ["store"]).fetchall() != db.execute(query, ["draft"]).fetchall():
            raise _not_the_same("the tables and views")
    for name in _tables(db):
        if _sum_of(db, _rows(name)) != _sum_of(db, f"FROM draft.{name}"):
            raise _not_the_same(name)
    db.execute("DETACH draft")


def _sum_of(db: Connection, rows: str) -> Any:
    """How many rows there are, and two sums of their hashes in which their order does not matter."""
    query = f"SELECT count(*), bit_xor(hash(whole)), sum(hash(whole)) FROM ({rows}) AS whole"
    return db.execute(query).fetchone()


def _not_the_same(what: str) -> StorageFailed:
    return StorageFailed(
        f"the new file has not the same in {what}; the store is as it was", hint="mplp-trace doctor"
    )


def _put_in_place(draft: str, store: Store) -> None:
    """Makes the new file durable and private, then lets it take the place of the old one."""
    path = store.paths.store
    with os_errors(path):
        kept = os.stat(path)
        os.chmod(draft, stat.S_IMODE(kept.st_mode))
        if (kept.st_uid, kept.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(draft, kept.st_uid, kept.st_gid)
        sync(draft)
        os.replace(draft, path)
        sync(store.paths.folder)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
