"""The checks of `doctor`: of the files from outside, and inside them through a process of its own."""

from __future__ import annotations

import fcntl
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

from mplp_trace_cli.storage.keeping.health import file_system, is_network
from mplp_trace_cli.storage.mending.child import Child, ChildFailed
from mplp_trace_cli.storage.mending.findings import FAULT, OK, WARNING, Finding
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
    findings += _lock(paths)
    inside = [*_inside(looking)] if _has_files(paths) else [_nothing(paths)]
    is_sound = not _missing(paths) and not any(one.state == FAULT for one in inside)
    findings += _left_over(paths, is_sound)
    if _has_files(paths) and not os.path.exists(paths.store):
        findings.append(_missing_store(paths))
    return [*findings, *inside]


def _has_files(paths: StorePaths) -> bool:
    return os.path.exists(paths.store) or os.path.exists(paths.inbox)


def _missing(paths: StorePaths) -> list[str]:
    return [path for path in (paths.store, paths.inbox) if not os.path.exists(path)]


def _nothing(paths: StorePaths) -> Finding:
    hint = _put_back(paths) or "mplp-trace create NAME"
    return Finding("store", FAULT, f"there is no store at {paths.store}", hint)


def _put_back(paths: StorePaths) -> str | None:
    """The command that gives what is missing its name again, where it was set aside."""
    moves = []
    for path in _missing(paths):
        for one in (path, paths.log if path == paths.store else f"{path}-wal"):
            newest = max(
                (name for name in _set_aside(paths) if name.startswith(f"{one}.damaged-")), default=None
            )
            if newest is not None and not os.path.lexists(one):
                moves.append(f"mv -n -- {shlex.quote(newest)} {shlex.quote(one)}")
    return " && ".join(moves) or None


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


def _left_over(paths: StorePaths, is_sound: bool) -> Iterator[Finding]:
    """What may go; while there is no sound store it may be all there is, and no command that removes it."""
    found = [path for path in _unfinished(paths) if _is_old(path)]
    if found:
        words = " ".join(map(shlex.quote, found))
        detail = f"{len(found)} left by commands that were killed, as {found[0]}"
        yield Finding("leftovers", WARNING, detail, f"rm -r -- {words}" if is_sound else None)
    aside = _set_aside(paths)
    if aside:
        words = " ".join(map(shlex.quote, aside))
        until = "nobody needs them" if is_sound else "there is a sound store"
        detail = f"{len(aside)} damaged and set aside, to be removed when {until}: {aside[0]}"
        yield Finding("leftovers", WARNING, detail, f"rm -- {words}" if is_sound else _put_back(paths))
    if not found and not aside:
        yield Finding("leftovers", OK, "none")


def _unfinished(paths: StorePaths) -> list[str]:
    """Drafts of new files and of exports, and where queries of processes that are gone spilled to."""
    own = re.escape(os.path.basename(paths.store))
    spill = re.compile(rf"{own}\.tmp-(?P<pid>\d+)-[0-9a-f]+")
    draft = re.compile(rf"({own}|traces\.duckdb|old\.duckdb|old\.inbox)([.-].*)?")
    found = []
    for name, path in _beside(paths):
        spilled = spill.fullmatch(name)
        if (
            (spilled is not None and not lives(int(spilled["pid"])))
            or (_NEW_FOLDER.fullmatch(name) and _is_all(path, draft))
            or _EXPORTED.fullmatch(name)
        ):
            found.append(path)
    return found


_NEW_FOLDER = re.compile(r"\.new-[a-z0-9_]{8}")
_EXPORTED = re.compile(r"\..+\.[0-9a-f]{12}\.part", re.DOTALL)
_ASIDE = re.compile(r"(|\.(inbox|alerts)(-[a-z]+)?|\.wal(\.[a-z]+)?)\.damaged-\d{8}T\d{6}(\.\d+)?")
"""What the name of the store is followed by where one of its files was set aside."""


def _is_all(folder: str, draft: re.Pattern[str]) -> bool:
    """True when a folder has drafts in it and nothing else: others give their folders such names too."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return bool(names) and all(map(draft.fullmatch, names))


def _beside(paths: StorePaths) -> list[tuple[str, str]]:
    try:
        names = sorted(os.listdir(paths.folder))
    except OSError:
        return []
    return [(name, os.path.join(paths.folder, name)) for name in names]


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.path.getmtime(path) > LEFT_OVER_SECONDS
    except OSError:  # gone meanwhile
        return False


def _set_aside(paths: StorePaths) -> list[str]:
    own = os.path.basename(paths.store)
    return [
        path for name, path in _beside(paths) if name.startswith(own) and _ASIDE.fullmatch(name[len(own) :])
    ]
