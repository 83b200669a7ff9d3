"""Reads a file of OTLP and keeps nothing: the library's own parsing of each body, and every span looked at.

python parse_otlp.py json|protobuf FILE
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from typing import Any


def main(form: str, path: str) -> None:
    """Prints how many spans and attributes there are."""
    spans = attributes = 0
    for one in _json_spans(path) if form == "json" else _protobuf_spans(path):
        spans += 1
        attributes += one
    print(spans, attributes)


def _json_spans(path: str) -> Iterator[int]:
    with open(path, "rb") as file:
        for line in file:
            for element in json.loads(line)["resourceSpans"]:
                for scope in element["scopeSpans"]:
                    for span in scope["spans"]:
                        yield sum(len(str(one["value"])) for one in span["attributes"])


def _protobuf_spans(path: str) -> Iterator[int]:
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    with open(path, "rb") as file:
        while head := file.read(4):
            body: Any = TracesData.FromString(file.read(struct.unpack(">I", head)[0]))
            for element in body.resource_spans:
                for scope in element.scope_spans:
                    for span in scope.spans:
                        yield sum(len(str(one.value)) for one in span.attributes)


if __name__ == "__main__":
    main(*sys.argv[1:])
