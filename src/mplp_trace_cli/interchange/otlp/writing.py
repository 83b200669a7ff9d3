"""OTLP as an output: JSON lines, each the body of one request, or protobuf.

A destination that ends in `.pb` or `.binpb` is one body in protobuf, of spans; one that is a folder gets a
body of each signal. All else is JSON lines.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import IO

import msgspec

from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.exporting import Export
from mplp_trace_cli.interchange.otlp.batches import Body, bodies
from mplp_trace_cli.interchange.otlp.exported import Exported

PROTOBUF = (".pb", ".binpb")
_PACKED = (".gz", ".zst")
_RECORDS = {"traces": "span", "logs": "log record", "metrics": "metric point"}


def write(export: Export, stream: IO[bytes]) -> list[str]:
    """Writes what is selected into one stream; gives what could not be carried, a line each."""
    exported = Exported(export)
    if _is_protobuf(export.destination):
        left_out = _write_traces(exported, stream)
    else:
        left_out = []
        for body in bodies(exported.records()):
            stream.write(msgspec.json.encode(body.content) + b"\n")
    return [*left_out, *exported.notes()]


def write_folder(export: Export, opened: Callable[[str], AbstractContextManager[IO[bytes]]]) -> list[str]:
    """Writes a body in protobuf for each signal; `opened` makes a file of the folder by its name."""
    serialize = _serializer()
    exported = Exported(export, knows_unknown=False)
    with ExitStack() as stack:
        streams: dict[str, IO[bytes]] = {}
        for body in bodies(exported.records()):
            if body.signal not in streams:
                streams[body.signal] = stack.enter_context(opened(f"{body.signal}.pb"))
            streams[body.signal].write(serialize(body))
    return exported.notes()
