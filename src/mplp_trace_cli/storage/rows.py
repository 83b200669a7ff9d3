"""The rows of a query as they come: what is fetched and not yet taken is bounded, however wide a row is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mplp_trace_cli.storage.store import Connection

FETCH_ROWS = 100
"""Thousands at once are no faster, and a row may have a megabyte."""


def rows_of(
    db: Connection, query: str, values: Sequence[Any] | Mapping[str, Any] = ()
) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, fetched a few at a time."""
    cursor = db.execute(query, values)
    while rows := cursor.fetchmany(FETCH_ROWS):
        yield from rows
