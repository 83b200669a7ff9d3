"""The checks of `doctor`: of the files from outside, and inside them through a process of its own."""

from __future__ import annotations

import fcntl
import glob
import os
import platform
import re
import shlex
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import NamedTuple

from mplp_trace_cli.storage.child import Child, ChildFailed
from mplp_trace_cli.storage.findings import FAULT, OK, WARNING, Finding
from mplp_trace_cli.storage.health import file_system, is_network
from mplp_trace_cli.storage.paths import StorePaths
from mplp_trace_cli.storage.running import LEFT_OVER_SECONDS, lives

LOW_DISK_BYTES = 500_000_000
LOOKING_SECONDS = 600.0
REPAIR = "mplp-trace doctor --repair"
_LOCK = re.compile(r"^\d+: FLOCK\s+ADVISORY\s+WRITE\s+(?P<pid>\d+) \S+:(?P<inode>\d+) ", re.MULTILINE)


class Looking(NamedTuple):
    """What is looked at, when, and how much of the machine that may take."""

    paths: StorePaths
    now: int
    memory_limit: str
    threads: int | None = None


def examine(looking: Looking) -> list[Finding]:
    """Checks a store and its inbox, and says what to do about each fault; changes nothing."""
    paths = looking.paths
    findings = [Finding("versions", OK, _versions()), *_permissions(paths), *_disk(paths)]
    findings += [*_lock(paths), *_left_over(paths)]
    if not os.path.exists(paths.store) and not os.path.exists(paths.inbox):
        nothing = f"there is no store at {paths.store}"
        return [*findings, Finding("store", FAULT, nothing, "mplp-trace create NAME")]
    if not os.path.exists(paths.store):
        findings.append(_missing_store(paths))
    return [*findings, *_inside(looking)]


def _inside(looking: Looking) -> Iterator[Finding]:
    with Child() as child:
        try:
            given = looking._asdict()
            for said in child.ask("examine", LOOKING_SECONDS, path=given.pop("paths").store, **given):
                yield Finding(**said)
        except ChildFailed as error:
            yield Finding("store", FAULT, f"it cannot be looked through: {error.message}", REPAIR)


def _missing_store(paths: StorePaths) -> Finding:
    return Finding("files", WARNING, f"there is no {paths.store}, only its inbox")


def _versions() -> str:
    own, duckdb = version("mplp-trace"), version("duckdb")
    return (
        f"mplp-trace {own}, Python {platform.python_version()}, DuckDB {duckdb}, "
        f"SQLite {sqlite3.sqlite_version}"
    )


def _permissions(paths: StorePaths) -> Iterator[Finding]:
    wrong = False
    for path in _own_files(paths):
        found = os.lstat(path)
        if stat.S_IMODE(found.st_mode) & 0o077:
            wrong = True
            yield Finding("permissions", WARNING, f"others may read {path}", f"chmod 600 {shlex.quote(path)}")
        if found.st_uid != os.geteuid() and os.geteuid() != 0:
            wrong = True
            yield Finding("owner", WARNING, f"{path} belongs to user {found.st_uid}, not to you")
    if os.path.isdir(paths.folder):
        mode = os.stat(paths.folder).st_mode
        if mode & 0o022 and not mode & stat.S_ISVTX:
            wrong = True
            hint = f"chmod go-w {shlex.quote(paths.folder)}"
            yield Finding("permissions", WARNING, f"others may write into {paths.folder}", hint)
    if not wrong:
        yield Finding("permissions", OK, "nobody else may read or replace the files")


def _own_files(paths: StorePaths) -> list[str]:
    names = [paths.store, paths.log, paths.inbox, f"{paths.inbox}-wal", f"{paths.inbox}-shm", paths.lock]
    return [*filter(os.path.lexists, names), *_set_aside(paths)]


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


def _lock(paths: StorePaths) -> Iterator[Finding]:
    try:
        descriptor = os.open(paths.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # nobody has written yet, or it is not ours to open
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield Finding("lock", OK, f"held: {_holder(os.fstat(descriptor).st_ino)} is writing")
    else:
        yield Finding("lock", OK, "free")
    finally:
        os.close(descriptor)


def _holder(inode: int) -> str:
    import psutil

    try:
        with open("/proc/locks", encoding="ascii") as file:
            found = [int(one["pid"]) for one in _LOCK.finditer(file.read()) if int(one["inode"]) == inode]
        return f"{psutil.Process(found[0]).name()} (PID {found[0]})"
    except (OSError, IndexError, ValueError, psutil.Error):
        return "another process"


def _left_over(paths: StorePaths) -> Iterator[Finding]:
    found = [path for path in _unfinished(paths) if _is_old(path)]
    if found:
        words = " ".join(map(shlex.quote, found))
        detail = f"{len(found)} left by commands that were killed, as {found[0]}"
        yield Finding("leftovers", WARNING, detail, f"rm -r -- {words}")
    aside = _set_aside(paths)
    if aside:
        words = " ".join(map(shlex.quote, aside))
        detail = f"{len(aside)} damaged and set aside, to be removed when nobody needs them: {aside[0]}"
        yield Finding("leftovers", WARNING, detail, f"rm -- {words}")
    if not found and not aside:
        yield Finding("leftovers", OK, "none")


def _unfinished(paths: StorePaths) -> list[str]:
    """Drafts of new files and of exports, and where queries of processes that are gone spilled to."""
    folder = glob.escape(paths.folder)
    spilled = glob.glob(f"{glob.escape(paths.store)}.tmp-*-*")
    dead = [one for one in spilled if not lives(int(one.rsplit("-", 2)[1]))]
    return sorted([*glob.glob(f"{folder}/.new-*"), *glob.glob(f"{folder}/.*.part"), *dead])


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.path.getmtime(path) > LEFT_OVER_SECONDS
    except OSError:  # gone meanwhile
        return False


def _set_aside(paths: StorePaths) -> list[str]:
    return sorted(glob.glob(f"{glob.escape(paths.store)}*.damaged-*"))
