"""OTLP as an output: JSON lines, each the body of one request, or protobuf.

A destination that ends in `.pb` or `.binpb` is one body in protobuf, of spans; one that is a folder gets a
body of each signal. All else is JSON lines.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from typing import IO

import msgspec

from mplp_trace_cli.domain.words import counted
from mplp_trace_cli.interchange.exporting.chosen import Export
from mplp_trace_cli.interchange.exporting.targets import text_stream
from mplp_trace_cli.interchange.otlp.batches import Json, bodies
from mplp_trace_cli.interchange.otlp.exported import exported
from mplp_trace_cli.interchange.otlp.own import MARK
from mplp_trace_cli.interchange.otlp.protobuf_writing import Serializer

PROTOBUF = (".pb", ".binpb")
_PACKED = (".gz", ".zst")
_RECORDS = {"logs": "log record", "metrics": "metric point"}


def write(export: Export, stream: IO[bytes]) -> list[str]:
    """Writes what is selected into one stream; gives what could not be carried, a line each."""
    if _is_protobuf(export.plan.destination):
        return _write_traces(export, stream)
    for body in bodies(exported(export), _packed):
        stream.write(msgspec.json.encode(body.content) + b"\n")
    return _nothing_of(export)


def write_folder(export: Export, folder: str) -> list[str]:
    """Writes a body in protobuf for each signal, a file each."""
    serializer = Serializer()
    with ExitStack() as stack:
        streams: dict[str, IO[bytes]] = {}
        for body in bodies(exported(export), _as_it_is):
            if body.signal not in streams:
                path = os.path.join(folder, f"{body.signal}.pb{export.plan.packed_suffix}")
                streams[body.signal] = stack.enter_context(text_stream(path, export.plan.compression))
            streams[body.signal].write(serializer.serialized(body))
    return _nothing_of(export) + _unknown(serializer)


def _write_traces(export: Export, stream: IO[bytes]) -> list[str]:
    serializer = Serializer()
    left_out: Counter[str] = Counter()
    for body in bodies(exported(export), _as_it_is):
        if body.signal == "traces":
            stream.write(serializer.serialized(body))
        else:
            left_out[body.signal] += body.records
    told = " and ".join(
        counted(left_out[signal], word) for signal, word in _RECORDS.items() if left_out[signal]
    )
    notes = [f"{told} left out, a body in protobuf has one signal: -o FOLDER/ --format otlp, or .otlp.jsonl"]
    return (notes if told else []) + _nothing_of(export) + _unknown(serializer)


def _packed(record: Json) -> msgspec.Raw:
    """A record as its text: hundreds of objects that lived on would be walked for cycles again and again."""
    return msgspec.Raw(msgspec.json.encode(record))


def _as_it_is(record: Json) -> Json:
    return record


def _nothing_of(export: Export) -> list[str]:
    """What is to be said of traces that were made of spans, where their spans are not wanted."""
    if export.plan.include_events:
        return []
    query = "SELECT count(*) FROM chosen_traces WHERE metadata = ?"
    (count,) = export.db.execute(query, [MARK]).fetchone() or (0,)
    told = f"{counted(count, 'trace')} from OTLP: nothing without events, leave --no-include-events away"
    return [told] if count else []


def _unknown(serializer: Serializer) -> list[str]:
    if not serializer.unknown:
        return []
    told = counted(serializer.unknown, "member")
    return [f"{told} left out, protobuf has no place for such ids or for a newer OTLP: .otlp.jsonl has"]


def _is_protobuf(destination: str) -> bool:
    stem, suffix = os.path.splitext(destination.lower())
    if suffix in _PACKED:
        suffix = os.path.splitext(stem)[1]
    return suffix in PROTOBUF
