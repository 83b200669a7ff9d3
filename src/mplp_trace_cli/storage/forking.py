"""What is put in order when a process forks, so that parent and child both go on recording.

SQLite keeps what it knows of its locks on a file in memory: a child that copied that believes in locks it
does not have, and its commits can be lost. So no file of ours is open while a fork happens: before it,
whoever has one open closes it, and opens it again when it is wanted, on either side. Threads are not copied:
a lock that another thread held would stay locked, so they are taken before, and made anew in the child.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Protocol

WAIT_SECONDS = 10.0
"""How long a fork waits for what other threads have under way."""


class Forked(Protocol):
    """One that has files open, or locks, or threads."""

    def before_fork(self) -> None:
        """Waits a bounded time for what is under way, and closes its files."""

    def after_fork(self, *, in_child: bool) -> None:
        """Lets others go on; in the child with new locks and without the parent's threads."""


class _Forks:
    """Who is to be asked at a fork, and who is in the middle of something that a fork waits for."""

    def __init__(self) -> None:
        self.gate = threading.Condition()
        self.is_installed = False
        self.is_clean = True
        self.members: weakref.WeakSet[Forked] = weakref.WeakSet()
        self.resets: list[Callable[[], None]] = []
        self._asked: list[Forked] = []
        self._forking: int | None = None
        self._inside: dict[int, int] = {}
        """How many blocks of `unforked` each thread is in."""

    def install(self) -> None:
        """Has the hooks called from now on."""
        import logging  # noqa: F401  # these two have hooks too, and theirs are to be there before ours:

        import filelock  # noqa: F401  # see `before`

        os.register_at_fork(before=self.before, after_in_parent=self.in_parent, after_in_child=self.in_child)
        self.is_installed = True

    def enter(self, thread: int) -> None:
        """A thread begins what a fork waits for; waits itself while there is a fork."""
        with self.gate:
            self.gate.wait_for(lambda: self._forking in (None, thread) or thread in self._inside)
            self._inside[thread] = self._inside.get(thread, 0) + 1

    def leave(self, thread: int) -> None:
        """It has ended."""
        with self.gate:
            self._inside[thread] -= 1
            if not self._inside[thread]:
                del self._inside[thread]
            self.gate.notify_all()

    def before(self) -> None:
        """Waits, and closes what is open."""
        # Whoever is waited for may log, and has the lock of the store to release: the hooks of logging and
        # filelock would keep it from that, so ours runs first.
        me = threading.get_ident()
        self.gate.acquire()
        self.gate.wait_for(lambda: self._forking is None)
        self._forking = me
        self.gate.wait_for(lambda: not self._inside.keys() - {me}, WAIT_SECONDS)
        self._asked = list(self.members)
        for member in self._asked:
            member.before_fork()

    def in_parent(self) -> None:
        """Goes on as before."""
        asked, self._asked = self._asked, []
        for member in asked:
            member.after_fork(in_child=False)
        self._forking = None
        self.gate.notify_all()
        self.gate.release()

    def in_child(self) -> None:
        """Forgets the threads of the parent."""
        me, asked, self._asked = threading.get_ident(), self._asked, []
        self.gate, self._forking = threading.Condition(), None
        self.is_clean = self.is_clean and not self._inside
        self._inside = {thread: blocks for thread, blocks in self._inside.items() if thread == me}
        for reset in self.resets:
            reset()
        for member in asked:
            member.after_fork(in_child=True)


_forks = _Forks()


def join(member: Forked) -> None:
    """Has `member` put in order at every fork for as long as it lives."""
    with _forks.gate:
        if not _forks.is_installed:
            _forks.install()
        _forks.members.add(member)


def in_child(reset: Callable[[], None]) -> Callable[[], None]:
    """Has `reset` called in every forked child, before its program goes on."""
    _forks.resets.append(reset)
    return reset


def is_clean() -> bool:
    """False in a child that was forked while a thread, or a block around the fork, used the store."""
    return _forks.is_clean


def leave_store_alone() -> None:
    """Has this forked child fold nothing by itself."""
    _forks.is_clean = False


@contextlib.contextmanager
def unforked() -> Iterator[None]:
    """While it lasts another thread that wants to fork waits. Not for who holds a member's lock."""
    me = threading.get_ident()
    _forks.enter(me)
    try:
        yield
    finally:
        _forks.leave(me)
