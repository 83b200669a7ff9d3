"""`doctor --repair`: saves what can be read of a damaged store and inbox into a new pair.

The damaged files are only read. Whatever reads them does so in a process of its own, which may crash.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput, StoreBusy, StoreDamaged, StoreMissing
from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.storage.mending.child import Child, ChildFailed
from mplp_trace_cli.storage.paths import StorePaths, name_aside, os_errors, sync
from mplp_trace_cli.storage.store import Store

STEP_SECONDS = 120.0
WHOLE_SECONDS = 3_600.0
VECTOR_ROWS = 2_048
"""DuckDB reads that many rows at once: of a vector all can be read or none."""
GROUP_ROWS = 60 * VECTOR_ROWS
LOCK_SECONDS = 10.0
INBOX_SECONDS = 3.0
RETRY_SECONDS = 0.01
INBOX = "inbox"
STORE = "store"


@dataclass(frozen=True)
class Saved:
    """What was saved of one part: a table, or the inbox; `lost` None where nobody knows how much."""

    part: str
    saved: int
    lost: int | None
    detail: str = ""


@dataclass(frozen=True)
class RepairReport:
    """A new pair, what is in it, and what could not be saved."""

    store: str
    inbox: str
    parts: list[Saved]
    set_aside: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """True when nothing was lost."""
        return not any(part.lost or part.lost is None for part in self.parts)

    @property
    def is_empty(self) -> bool:
        """True when nothing was saved because nothing could be read; a sound store may have no rows."""
        is_read = not any(part.part == STORE for part in self.parts)
        return not is_read and not any(part.saved for part in self.parts)


class RepairPlan(NamedTuple):
    """Which store is repaired, where the new one goes (None: into its place), and the present."""

    paths: StorePaths
    to: StorePaths | None
    now: int


def beside(paths: StorePaths) -> StorePaths:
    """Where the new store goes when nothing is said: `traces.repaired.duckdb` beside `traces.duckdb`."""
    base, suffix = os.path.splitext(paths.store)
    return StorePaths.at(f"{base}.repaired{suffix}")


def repair(plan: RepairPlan) -> RepairReport:
    """Saves what can be read; raises InvalidInput, StoreMissing, StoreBusy, StorageFailed.

    Without `to` the damaged files get names with `.damaged-…` and the new ones take their places; where
    nothing could be saved they stay where they are.
    """
    paths, to = plan.paths, plan.to or plan.paths
    if not os.path.exists(paths.store) and not os.path.exists(paths.inbox):
        raise StoreMissing(f"there is no store at {paths.store}", hint="mplp-trace create NAME")
    if plan.to is not None:
        _check_free(to)
    with (
        _folder_for(to),
        Store(paths).locked(LOCK_SECONDS),
        os_errors(to.folder),
        tempfile.TemporaryDirectory(prefix=".new-", dir=to.folder) as folder,
        Child() as child,
    ):
        if plan.to is None:
            _wait_for_inbox(child, paths)
        work = _Repair(child, paths, folder, plan.now)
        parts = work.run()
        report = RepairReport(to.store, to.inbox, parts)
        if report.is_empty:
            return report
        child.answer("close_stores", STEP_SECONDS)
        if plan.to is None:
            _wait_for_inbox(child, paths)
        aside = _publish(work.new, to) if plan.to is not None else _replaced(work.new, paths)
        if work.last_read is not None:
            _take_late(child, aside, to, work.last_read)
    return RepairReport(to.store, to.inbox, parts, aside)


def _wait_for_inbox(child: Child, paths: StorePaths) -> None:
    """Waits for those who record one event; raises StoreBusy for who would go on in the renamed file."""
    until = time.monotonic() + INBOX_SECONDS
    while (pid := child.answer("inbox_holder", STEP_SECONDS, inbox=paths.inbox)["pid"]) is not None:
        if time.monotonic() > until:
            raise StoreBusy(
                f"the store {paths.store} is busy: {_program(pid)} has its inbox open",
                hint="close that program, then run this again",
            )
        time.sleep(RETRY_SECONDS)


def _program(pid: int) -> str:
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (PID {pid})"
    except (psutil.Error, ValueError):  # gone meanwhile, or of another container
        return "another program"


@contextlib.contextmanager
def _folder_for(to: StorePaths) -> Iterator[None]:
    """Makes the folder of the new store, and takes it away again where nothing came into it."""
    missing, folder = list[str](), to.folder
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    to.make_folder()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the first that has something in it
            for one in missing:
                os.rmdir(one)


def _take_late(child: Child, aside: list[str], to: StorePaths, last_read: int) -> None:
    """What was recorded while the repair went on is acknowledged, and must not stay in the renamed file."""
    inbox = [path for path in aside if path.startswith(f"{to.inbox}.")]
    logs = [path for path in aside if path.startswith(f"{to.inbox}-wal.")]
    if inbox:
        log = logs[0] if logs else None
        child.answer("take_late", STEP_SECONDS, inbox=inbox[0], log=log, new=to.store, after=last_read)


def _check_free(to: StorePaths) -> None:
    for path in (to.store, to.inbox, to.log):
        if os.path.lexists(path):
            raise InvalidInput(f"{path} is there already", hint="name another file with --to")


def _replaced(new: StorePaths, paths: StorePaths) -> list[str]:
    """Puts the new files over the damaged ones, which have second names by then; says these names.

    At every moment there is a store. The inbox is first: a repair that was killed after it takes over from
    the new one what the damaged store lacks.
    """
    _make_lasting(new)
    aside = [*_linked(paths.store), *_linked(paths.inbox)]
    sync(paths.folder)
    aside += _renamed(f"{paths.inbox}-wal")
    with contextlib.suppress(FileNotFoundError):  # an index of SQLite's log, which it makes again
        os.unlink(f"{paths.inbox}-shm")
    os.replace(new.inbox, paths.inbox)
    aside += _renamed(paths.log)
    os.replace(new.store, paths.store)
    sync(paths.folder)
    return aside


def _linked(path: str) -> list[str]:
    """Gives a file that is there a second name for damaged files."""
    if not os.path.exists(path):
        return []
    named = name_aside(path)
    try:
        os.link(path, named)
    except OSError:  # no hard links here, or a file of somebody else: for a moment it has the new name alone
        os.rename(path, named)
    return [named]


def _renamed(path: str) -> list[str]:
    if not os.path.exists(path):
        return []
    named = name_aside(path)
    os.rename(path, named)
    return [named]


def _publish(new: StorePaths, to: StorePaths) -> list[str]:
    """Puts the new files where nothing is."""
    _make_lasting(new)
    for draft, final in ((new.store, to.store), (new.inbox, to.inbox)):
        if os.path.lexists(final):
            raise InvalidInput(f"{final} has come into being meanwhile", hint="name another file with --to")
        os.rename(draft, final)
    sync(to.folder)
    return []


def _make_lasting(new: StorePaths) -> None:
    for path in (new.store, new.inbox):
        os.chmod(path, 0o600)
        sync(path)


class _Piece(NamedTuple):
    """Rows of a table by their numbers: how many were copied, and why not."""

    first: int
    last: int
    rows: int
    reason: str | None = None


class _Repair:
    """One repair: its helper, the damaged files, the folder for drafts."""

    def __init__(self, child: Child, paths: StorePaths, folder: str, now: int) -> None:
        self._child = child
        self._paths = paths
        self._now = now
        self._restored: dict[str, int] = {}
        self.last_read: int | None = None
        """The last entry of the inbox that was read; None when it could not be."""
        self._old = os.path.join(folder, "old.duckdb")
        self._old_inbox = os.path.join(folder, "old.inbox")
        self.new = StorePaths(os.path.join(folder, "traces.duckdb"))

    def run(self) -> list[Saved]:
        """Saves store and inbox, and says what of each."""
        self._answer("make_pair", path=self.new.store)
        parts, rows = self._open()
        tables = [self._table(table, *counts) for table, counts in rows.items()]
        others = self._others() if rows else []
        with contextlib.suppress(ChildFailed):
            self._answer("close_stores")
        parts += tables
        doubtful = [part.part for part in parts if part.lost or part.lost is None]
        inbox = self._inbox(bool(rows), [*doubtful, *_lost_with(parts)])
        return [*map(self._with_restored, parts), *others, inbox]

    def _with_restored(self, part: Saved) -> Saved:
        """What the store lost and the inbox still had is not lost."""
        back = self._restored.get(part.part, 0)
        if not part.lost or not back:
            return part
        detail = f"{part.detail}; {back:,} of them were still in the inbox"
        return replace(part, saved=part.saved + back, lost=max(0, part.lost - back), detail=detail)

    def _answer(self, work: str, seconds: float = STEP_SECONDS, **given: Any) -> dict[str, Any]:
        try:
            return self._child.answer(work, seconds, **given)
        except ChildFailed as error:
            # The names of drafts mean nothing to anybody.
            message = error.message.replace(self._old_inbox, self._paths.inbox)
            message = message.replace(self._old, self._paths.store)
            raise ChildFailed(message, hint=error.hint, details=error.details) from error

    # -- the store -------------------------------------------------------------------------------

    def _open(self) -> tuple[list[Saved], dict[str, tuple[int, int]]]:
        """Finds a way to open the damaged store: says what that cost, and the rows of each table."""
        if not os.path.exists(self._paths.store):
            return [Saved(STORE, 0, None, "the file is not there")], {}
        reasons = []
        for header, with_log, cost in self._ways():
            try:
                self._stage(header, with_log)
                found = self._answer("open_old", path=self._old)
                if not found["is_foreign"] and "rows" in found:
                    return cost, found["rows"]
                if header is None and found["is_foreign"]:
                    raise StoreDamaged(
                        f"{self._paths.store} is a DuckDB file, but is not a store of mplp-trace",
                        hint="name another with --db",
                    )
                reasons.append("it has none of the tables of a store")
            except ChildFailed as error:
                if error.details.get("code") == StoreBusy.code:
                    raise StoreBusy(
                        f"the store {self._paths.store}: {error.message}",
                        hint="close that program, then run this again",
                    ) from error
                reasons.append(error.message)
        return [Saved(STORE, 0, None, f"it does not open: {reasons[0]}")], {}

    def _ways(self) -> Iterator[tuple[int | None, bool, list[Saved]]]:
        """The ways to open it, the best first: which header, with its log or not, what is lost so."""
        has_log = os.path.exists(self._paths.log)
        no_log = [Saved("log", 0, None, "it cannot be replayed")] if has_log else []
        yield None, True, []
        if has_log:
            yield None, False, no_log
        newest, older = self._answer("headers", source=self._paths.store)["headers"]
        yield newest, True, []
        if has_log:
            yield newest, False, no_log
        yield older, False, [Saved("log", 0, None, "the newest state is damaged, the one before it is saved")]

    def _stage(self, header: int | None, with_log: bool) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._old}.wal")
        self._answer(
            "stage_store", source=self._paths.store, draft=self._old, header=header, fresh=self.new.store
        )
        if with_log and os.path.exists(self._paths.log):
            self._answer("stage_log", source=self._paths.log, draft=f"{self._old}.wal")

    def _table(self, table: str, count: int, last_row: int) -> Saved:
        """Copies a table, around what cannot be read."""
        if count == 0:
            return Saved(table, 0, 0)
        saved, reasons = 0, dict[str, list[tuple[int, int]]]()
        for piece in self._copied(table, 0, last_row):
            saved += piece.rows
            if piece.reason is not None:
                reasons.setdefault(piece.reason, []).append((piece.first, piece.last))
        return Saved(table, saved, count - saved, _told(reasons))

    def _copied(self, table: str, first: int, last: int) -> Iterator[_Piece]:
        size = last - first + 1
        given = {"old": self._old, "new": self.new.store, "table": table, "first": first, "last": last}
        try:
            seconds = WHOLE_SECONDS if size > GROUP_ROWS else STEP_SECONDS
            yield _Piece(first, last, self._answer("copy_rows", seconds, **given)["rows"])
        except ChildFailed as error:
            if size <= VECTOR_ROWS:
                yield _Piece(first, last, 0, error.message)
                return
            step = GROUP_ROWS if size > 2 * GROUP_ROWS else VECTOR_ROWS
            middle = (first + last) // 2 // step * step
            middle = middle if middle > first else first + VECTOR_ROWS
            yield from self._copied(table, first, middle - 1)
            yield from self._copied(table, middle, last)

    def _others(self) -> list[Saved]:
        """Copies what somebody else has put into the store, each as a whole."""
        both: dict[str, Any] = {"old": self._old, "new": self.new.store}
        try:
            found = self._answer("others", **both)["others"]
        except ChildFailed as error:
            return [Saved("other tables", 0, None, error.message)]
        return [self._other(both, one) for one in found]

    def _other(self, both: dict[str, Any], other: dict[str, Any]) -> Saved:
        schema = "" if other["schema"] == "main" else f"{other['schema']}."
        part = f"{other['kind']} {schema}{other['name']}"
        try:
            return Saved(part, self._answer("copy_other", WHOLE_SECONDS, **both, other=other)["rows"], 0)
        except ChildFailed as error:
            return Saved(part, 0, other["rows"] or None, error.message)

    # -- the inbox -------------------------------------------------------------------------------

    def _inbox(self, has_store: bool, doubtful: list[str]) -> Saved:
        """Takes over what the inbox has and the new store has not, and folds it."""
        if not os.path.exists(self._paths.inbox):
            self._answer("finish", WHOLE_SECONDS, new=self.new.store, now=self._now)
            return Saved(INBOX, 0, None, "there is none: what waited in it is not there")
        try:
            inbox_id, detail = self._staged_inbox()
            folded, base = self._folded(inbox_id) if has_store else (None, 0)
            read = self._answer(
                "read_inbox",
                WHOLE_SECONDS,
                draft=self._old_inbox,
                new=self.new.store,
                folded=folded,
                base=base,
                doubtful=doubtful,
            )
            faults = [*([detail] if detail else []), *read["faults"]]
            self._restored, self.last_read = read["restored"], read["last"]
            lost = read["lost"] + bool(detail)
            saved = Saved(INBOX, read["taken"], lost, "; ".join(faults))
        except ChildFailed as error:
            saved = Saved(INBOX, 0, None, f"it cannot be read: {error.message}")
        unfolded = self._answer("finish", WHOLE_SECONDS, new=self.new.store, now=self._now)["unfolded"]
        return _with_unfolded(saved, unfolded)

    def _staged_inbox(self) -> tuple[str | None, str]:
        given: dict[str, Any] = {"source": self._paths.inbox, "draft": self._old_inbox}
        try:
            return self._answer("stage_inbox", with_log=True, **given)["inbox_id"], ""
        except ChildFailed as error:
            if not os.path.exists(f"{self._paths.inbox}-wal"):
                raise
            found = self._answer("stage_inbox", with_log=False, **given)
            return found["inbox_id"], f"its log is damaged: {error.message}"

    def _folded(self, inbox_id: str | None) -> tuple[int | None, int]:
        try:
            found = self._answer("folded_of", old=self._old, inbox_id=inbox_id or "")
            return (found["folded"], found["base"]) if inbox_id else (None, 0)
        except ChildFailed:
            return None, 0


def _with_unfolded(part: Saved, unfolded: int) -> Saved:
    """Entries that make no sense are kept among the rejects, but as what they were they are lost."""
    if not unfolded or part.lost is None:
        return part
    detail = f"{counted(unfolded, 'entry', 'entries')} could not be folded and are among the rejects"
    detail = f"{part.detail}; {detail}" if part.detail else detail
    return replace(part, saved=part.saved - unfolded, lost=part.lost + unfolded, detail=detail)


def _lost_with(parts: list[Saved]) -> list[str]:
    """All tables where a log or a whole store is lost."""
    from mplp_trace_cli.storage.store import TABLES

    return list(TABLES) if any(part.part in ("log", STORE) for part in parts) else []


def _told(reasons: dict[str, list[tuple[int, int]]]) -> str:
    """`rows 0-2,047 and 4,096-6,143: Corrupt database file …`."""
    told = []
    for reason, ranges in reasons.items():
        joined = list[tuple[int, int]]()
        for first, last in ranges:
            goes_on = bool(joined) and joined[-1][1] + 1 == first
            joined.append((joined.pop()[0] if goes_on else first, last))
        shown = ", ".join(f"{first:,}-{last:,}" for first, last in joined[:5])
        more = f" and {counted(len(joined) - 5, 'more range')}" if len(joined) > 5 else ""
        told.append(f"rows {shown}{more}: {reason}")
    return "; ".join(told[:3])
