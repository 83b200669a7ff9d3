"""Pipes that hold more than usual."""

from __future__ import annotations

import contextlib
import fcntl

PIPE_BYTES = 1 << 20
"""What a pipe holds before its writer has to wait: the most that Linux gives to everyone."""


def widen(*descriptors: int) -> None:
    """Makes turns between writer and reader fewer, where these are pipes and the system lets us."""
    with contextlib.suppress(AttributeError, OSError):
        for descriptor in descriptors:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
