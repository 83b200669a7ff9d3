"""The files of one store, side by side, and how they are made safely."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import InvalidInput, StorageFailed, StoreDamaged

_BESIDE = re.compile(r"(|\.lock|\.(inbox|alerts)(-[a-z]+)?|\.wal(\.[a-z]+)?)(\.damaged-[0-9T.]+)?|\.tmp-.+")
"""What the names of the files of a store have after the name of the store."""


class StorePaths(NamedTuple):
    """The store and what lies beside it; the path is absolute and free of links."""

    store: str

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> StorePaths:
        """The files that belong to the store at `path`; raises StoreDamaged for a folder, InvalidInput."""
        resolved = os.path.realpath(os.path.expanduser(path))
        if has_surrogate(resolved):
            raise InvalidInput(f"{resolved}: the path of a store must be UTF-8")
        if "?" in resolved:  # DuckDB puts its log where the part before it ends, into another folder
            raise InvalidInput(f"{resolved}: the path of a store must have no ? in it")
        if os.path.isdir(resolved):
            raise StoreDamaged(
                f"{resolved} is a folder, not a store",
                hint=f"name a file in it: --db {os.path.join(resolved, 'traces.duckdb')}",
            )
        return cls(resolved)

    @property
    def inbox(self) -> str:
        """The SQLite file of what was acknowledged and is not folded yet."""
        return f"{self.store}.inbox"

    @property
    def alerts(self) -> str:
        """The SQLite file of what is remembered of alerts."""
        return f"{self.store}.alerts"

    @property
    def log(self) -> str:
        """DuckDB's log of what is committed and not in the store's file yet."""
        return f"{self.store}.wal"

    @property
    def lock(self) -> str:
        """The advisory lock of whoever writes the store."""
        return f"{self.store}.lock"

    @property
    def folder(self) -> str:
        """The folder they all lie in."""
        return os.path.dirname(self.store)

    def check_output(self, path: str) -> None:
        """Raises InvalidInput where writing to `path` would replace the store or what belongs to it."""
        resolved = os.path.realpath(path)
        if self._has(resolved) or self.store.startswith(os.path.join(resolved, "")):
            raise InvalidInput(
                f"{path} is of the store {self.store}, which an output must not replace",
                hint="name another file with -o or --html",
            )

    def _has(self, resolved: str) -> bool:
        folder, name = os.path.split(resolved)
        own = os.path.basename(self.store)
        if folder == self.folder and name.startswith(own) and _BESIDE.fullmatch(name[len(own) :]):
            return True
        # The same file by another name: where case does not matter, or by a second hard link.
        kept = filter(os.path.exists, (self.store, self.inbox, self.alerts, self.lock))
        return os.path.exists(resolved) and any(os.path.samefile(resolved, one) for one in kept)

    def make_folder(self) -> None:
        """Makes the folder, for its owner alone; raises StorageFailed."""
        with os_errors(self.folder):
            os.makedirs(self.folder, mode=0o700, exist_ok=True)


@contextlib.contextmanager
def os_errors(path: str) -> Iterator[None]:
    """Turns an OSError about `path` into StorageFailed."""
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror or error}") from error


def name_aside(path: str) -> str:
    """A name beside `path` that nothing has, for a damaged file that is kept: `….damaged-20260302T091500`."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    names = itertools.chain([stamp], (f"{stamp}.{number}" for number in itertools.count(2)))
    return next(f"{path}.damaged-{one}" for one in names if not os.path.lexists(f"{path}.damaged-{one}"))


def sync(path: str) -> None:
    """Waits until a file, or the names in a folder, are on the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_once(final: str, make: Callable[[str], None]) -> None:
    """Makes the file `final` whole by `make(draft)`, unless somebody else is first.

    The draft is made in a private folder beside its place, so that no half-made file is ever seen.
    """
    import shutil  # 2 ms, for the first command on a path alone
    import tempfile

    with os_errors(final):
        # No TemporaryDirectory: at the end of a program it is gone while a thread is still at work in it.
        folder = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(final))
        try:
            draft = os.path.join(folder, os.path.basename(final))
            make(draft)
            os.chmod(draft, 0o600)
            _publish(draft, final)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _publish(draft: str, final: str) -> None:
    try:
        os.link(draft, final)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not os.path.exists(final):
            os.rename(draft, final)
