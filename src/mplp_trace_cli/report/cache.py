"""Text that takes a second to make and is the same each time, kept in the user's cache folder.

What is there counts only when it is the user's own file, nobody else may write it, and its digest is right;
anything else is made anew. Where nothing can be written nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable

import platformdirs

_FOLDER = "mplp-trace"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cached(name: str, make: Callable[[], str]) -> str:
    """The text of that name as it was kept, or made now and kept for the next time."""
    path = os.path.join(platformdirs.user_cache_dir(_FOLDER, appauthor=False), name)
    found = _read(path)
    if found is None:
        found = make()
        _write(path, found)
    return found


def _read(path: str) -> str | None:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        about = os.fstat(file.fileno())
        digest, _, content = file.read().partition(b"\n")
        is_ours = about.st_uid == os.getuid() and not about.st_mode & _OTHERS_MAY_WRITE
        if is_ours and digest == _digest(content):
            return content.decode()
    return None


def _write(path: str, text: str) -> None:
    """Writes it beside its place and renames it, so that it is there whole or not at all."""
    content, draft = text.encode(), f"{path}.{os.getpid()}"
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(_digest(content) + b"\n" + content)
        os.replace(draft, path)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
