"""The quick way from spans of protobuf to rows: the same rows as the whole way, where it gives one."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

pytest.importorskip("opentelemetry.proto")

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from mplp_trace_cli.interchange.otlp.protobuf_messages import ELEMENTS
from mplp_trace_cli.interchange.otlp.protobuf_reading import _Reader
from mplp_trace_cli.interchange.otlp.reading_records import Records
from mplp_trace_cli.interchange.otlp.records import Home
from mplp_trace_cli.interchange.otlp.wire import SPANS

_HOME = Home({"attributes": {"service.name": "shop"}}, {"name": "scope"})
_PLAIN = {
    "traceId": "q83vASNFZ4mrze8BI0VniQ==",
    "spanId": "q83vASNFZ4k=",
    "name": "n",
    "startTimeUnixNano": "1000",
    "endTimeUnixNano": "2001",
    "attributes": [{"key": "a", "value": {"intValue": "3"}}],
}
_MAY_SAY: dict[str, list[Any]] = {
    "traceId": ["AAAAAAAAAAAAAAAAAAAAAA==", "q83vAQ==", ""],
    "spanId": ["ASNFZ4mrze8=", "AAAAAAAAAAA=", "q80=", ""],
    "parentSpanId": ["ASNFZ4mrze8=", "AAAAAAAAAAA=", "q80="],
    "name": ["", "n\n"],
    "kind": [1, 3],
    "flags": [256],
    "startTimeUnixNano": ["0", "2001", "2002", "1772445600000439499"],
    "endTimeUnixNano": ["0", "1772445600000439499"],
    "traceState": ["a=b"],
    "droppedAttributesCount": [1],
    "droppedEventsCount": [1],
    "droppedLinksCount": [1],
    "links": [[{"spanId": "q83vASNFZ4k="}]],
    "status": [{"code": 1}, {"code": 2, "message": "m"}, {"message": 'q"'}],
    "attributes": [
        [],
        [{"key": "otlp", "value": {}}],
        [{"key": "", "value": {"boolValue": True}}],
        [{"key": "a", "value": {"stringValue": 'q"\\\n'}}, {"key": "b", "value": {"doubleValue": -0.5}}],
        [{"key": "a", "value": {"intValue": "1"}}, {"key": "a", "value": {"intValue": "2"}}],
    ],
}
_CHANGES = [(name, value) for name, values in _MAY_SAY.items() for value in values]
_EVENTS = [
    {"name": "e", "timeUnixNano": "5", "attributes": _PLAIN["attributes"]},
    {"droppedAttributesCount": 1},
    {"name": "exception", "attributes": [{"key": "exception.message", "value": {"stringValue": "m"}}]},
]


def _messages(spans: list[dict[str, Any]]) -> list[Any]:
    raw = ParseDict({"scopeSpans": [{"spans": spans}]}, ResourceSpans()).SerializeToString()
    return list(ELEMENTS[SPANS].FromString(raw).scopes[0].records)


def test_the_quick_way_gives_the_rows_of_the_whole_way() -> None:
    """Of plain spans that are changed in two ways, each with each."""
    reader, quick = _Reader(), 0
    for one in _messages([{**_PLAIN, **dict(changes)} for changes in combinations(_CHANGES, 2)]):
        row = reader._plain.row(one, _HOME)
        assert row in (None, _HOME.span(reader._span(one)))
        quick += row is not None
    assert quick > len(_CHANGES)


@pytest.mark.parametrize(
    ("said", "is_plain"),
    [({}, True), ({"parentSpanId": "ASNFZ4mrze8="}, True), ({"spanId": ""}, False), ({"traceId": ""}, False)],
)
def test_the_events_of_a_span_are_those_of_the_whole_way(said: dict[str, Any], is_plain: bool) -> None:
    """Whether it goes it, as one without ids does, or not."""
    reader, quick, whole = _Reader(), Records(), Records()
    (one,) = _messages([{**_PLAIN, **said, "events": _EVENTS}])
    assert (reader._plain.row(one, _HOME) is not None) == is_plain
    reader._spans([one], _HOME, quick)
    reader._whole(one, _HOME, whole)
    assert quick._found == whole._found
    assert len(whole) == 1 + len(_EVENTS)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, 2**63 - 1, -1])
def test_integers_of_every_length_are_read(number: int) -> None:
    """Short ones are put together at once, longer ones byte by byte."""
    attributes = [{"key": "a", "value": {"intValue": str(number)}}]
    (one,) = _messages([{**_PLAIN, "attributes": attributes}])
    row = _Reader()._plain.row(one, _HOME)
    assert row is not None
    assert row[5].startswith(f'{{"a":{number},"otlp"')
