"""Any bytes as a table of csv; the first byte chooses the mapping of its columns."""

from __future__ import annotations

import random

from mplp_trace_cli.domain.questions import ColumnMapping
from tests.fuzz_targets import FuzzTarget
from tests.helpers_foreign import LONGEST, check_bytes, mapping, table_seeds
from tests.helpers_mutations import mutated_table

_ACCESS = ColumnMapping(
    {"timestamp": "time", "event_type": "path", "duration_ms": "took", "level": "level"}, {"trace_id": "t"}
)


def check(data: bytes) -> None:
    """A byte below a quarter is a seed of a mapping; above is none, or that of a log."""
    first = (data[:1] or b"\xff")[0]
    chosen = mapping(random.Random(first)) if first < 64 else _ACCESS if first < 96 else ColumnMapping()
    check_bytes(data[1:], "csv", chosen)


def mutate(chance: random.Random, data: bytes) -> bytes:
    """The table is changed, and sometimes its mapping."""
    first = bytes([chance.randrange(256)]) if chance.random() < 0.1 else data[:1]
    return first + mutated_table(chance, data[1:].decode("utf-8", "replace"))


TARGET = FuzzTarget(
    check,
    [first + seed.encode() for seed in table_seeds() for first in (b"\xff", b"\x50")],
    [
        b'""',
        b'"\n"',
        b"\r\n",
        b"\x00",
        b";",
        b"\t",
        b"|",
        b"\xef\xbb\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"1e400",
        b"kind",
        b"event",
    ],
    mutate,
    LONGEST,
)
