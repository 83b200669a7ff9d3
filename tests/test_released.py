"""What has been released stays: stores of any release are opened by every later one."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from mplp_trace_cli.storage.migrations import MIGRATIONS

RELEASED = {
    "0001_initial.sql": "481a9b7d7144e226c1e1b09c96180da273d4067b0a554eeedbe1270ac5081b1c",  # 1.0.0
}
"""The SHA-256 of each migration that a release has brought to people's stores."""


def test_a_released_migration_is_never_changed() -> None:
    """A change of the schema is a new file at the end."""
    folder = files("mplp_trace_cli.storage.migrations")
    digests = {name: hashlib.sha256(folder.joinpath(name).read_bytes()).hexdigest() for name in MIGRATIONS}
    assert tuple(RELEASED) == MIGRATIONS[: len(RELEASED)]
    assert {name: digests[name] for name in RELEASED} == RELEASED
