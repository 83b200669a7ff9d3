"""The SQL of the store: one question a file, its reason as a comment at its top."""

from __future__ import annotations

import functools


def statement(name: str) -> str:
    """The text of the file `name`.sql in this folder."""
    return _text(__name__, f"{name}.sql")


def migration(name: str) -> str:
    """The text of one numbered migration."""
    return _text("mplp_trace_cli.storage.migrations", name)


@functools.cache
def _text(package: str, file: str) -> str:
    import pkgutil  # only where SQL is run, which is not where a recorder starts

    content = pkgutil.get_data(package, file)
    if content is None:
        raise FileNotFoundError(file)
    return content.decode()
