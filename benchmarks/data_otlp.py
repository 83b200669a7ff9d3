"""The OpenTelemetry data of the benchmarks: spans as a collector writes them, the same for the same count.

Traces of some services: eight to ten attributes a span, every fifth with an event, a resource of a dozen
attributes; as JSON lines, and as request bodies in protobuf, each after its length.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

import data

SPANS_IN_BATCH = 512
SPANS_IN_TRACE = 12
SPANS_PER_EVENT = 5
_SERVICES = ("frontend", "cartservice", "checkoutservice", "paymentservice", "adservice", "currencyservice")
_METHODS = ("GetCart", "AddItem", "PlaceOrder", "Charge", "GetAds", "Convert", "ListProducts", "GetQuote")
_START_NS = data.START_US * 1000

Json = dict[str, Any]


def spans_file(spans: int) -> Path:
    """A file of OTLP/JSON lines with that many spans."""
    return data.file_of(
        f"otlp-{spans}.jsonl", (json.dumps(one, separators=(",", ":")) + "\n" for one in _bodies(spans))
    )


def protobuf_file(spans: int) -> Path:
    """The same spans as protobuf, each body after its length."""
    path = data.FOLDER / f"otlp-{spans}.binpb"
    if not path.exists():
        data.FOLDER.mkdir(exist_ok=True)
        draft = path.with_suffix(".part")
        with draft.open("wb") as file:
            for body in _bodies(spans):
                message = ParseDict(_with_base64_ids(body), TracesData()).SerializeToString()
                file.write(struct.pack(">I", len(message)) + message)
        draft.replace(path)
    return path


def _with_base64_ids(body: Json) -> Json:
    for element in body["resourceSpans"]:
        for scope in element["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = b64encode(bytes.fromhex(span[name])).decode()
    return body


def _bodies(spans: int) -> Iterator[Json]:
    chance = Random(data.SEED)
    makers = [_Service(name, chance) for name in _SERVICES]
    for first in range(0, spans, SPANS_IN_BATCH):
        count = min(SPANS_IN_BATCH, spans - first)
        yield {"resourceSpans": [makers[first // SPANS_IN_BATCH % len(makers)].element(first, count)]}


class _Service:
    """A program that sends spans."""

    def __init__(self, name: str, chance: Random) -> None:
        self._name = name
        self._chance = chance
        self._resource = {
            "attributes": [
                _text("service.name", name),
                _text("service.namespace", "shop"),
                _text("service.version", "1.11.1"),
                _text("service.instance.id", f"{chance.getrandbits(128):032x}"),
                _text("telemetry.sdk.language", "go"),
                _text("telemetry.sdk.name", "opentelemetry"),
                _text("telemetry.sdk.version", "1.28.0"),
                _text("host.name", f"{chance.getrandbits(48):012x}"),
                _text("os.type", "linux"),
                _int("process.pid", chance.randrange(40_000)),
                _text("process.runtime.name", "go"),
            ]
        }

    def element(self, first: int, count: int) -> Json:
        """The resource and so many spans, which are those from `first`."""
        scope = {"name": f"{self._name}/grpc", "version": "0.53.0"}
        spans = list(self._spans(first, count))
        return {"resource": self._resource, "scopeSpans": [{"scope": scope, "spans": spans}]}

    def _spans(self, first: int, count: int) -> Iterator[Json]:
        parent = trace_id = ""
        for number in range(first, first + count):
            if not trace_id or number % SPANS_IN_TRACE == 0:
                parent, trace_id = "", f"{self._chance.getrandbits(128):032x}"
            span = self._span(number, trace_id, parent)
            parent = span["spanId"]
            yield span

    def _span(self, number: int, trace_id: str, parent: str) -> Json:
        chance = self._chance
        start = _START_NS + number * 1_000_000 + chance.randrange(1_000_000)
        end = start + int(chance.lognormvariate(14, 1))
        failed = chance.random() < 0.02
        method = chance.choice(_METHODS)
        span: Json = {
            "traceId": trace_id,
            "spanId": f"{chance.getrandbits(64):016x}",
            "flags": 256,
            "name": f"oteldemo.{self._name}/{method}",
            "kind": chance.choice((1, 2, 2, 3, 3)),
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(end),
            "attributes": self._attributes(method, failed),
        }
        if parent:
            span["parentSpanId"] = parent
        if number % SPANS_PER_EVENT == 0:
            size = [
                _text("message.type", "SENT"),
                _int("message.id", 1),
                _int("message.size", chance.randrange(4000)),
            ]
            span["events"] = [
                {"timeUnixNano": str((start + end) // 2), "name": "message", "attributes": size}
            ]
        span["status"] = {"code": 2, "message": "deadline exceeded"} if failed else {}
        return span

    def _attributes(self, method: str, failed: bool) -> list[Json]:
        chance = self._chance
        found = [
            _text("rpc.system", "grpc"),
            _text("rpc.service", f"oteldemo.{self._name}"),
            _text("rpc.method", method),
            _int("rpc.grpc.status_code", 4 if failed else 0),
            _text("net.sock.peer.addr", f"172.18.0.{chance.randrange(2, 30)}"),
            _int("net.sock.peer.port", chance.randrange(32_768, 60_999)),
            _text("session.id", f"{chance.getrandbits(128):032x}"),
            _text("app.user.currency", chance.choice(("USD", "EUR", "CHF"))),
        ]
        if chance.random() < 0.5:
            found.append(
                {"key": "app.order.amount", "value": {"doubleValue": round(chance.random() * 900, 2)}}
            )
        if chance.random() < 0.5:
            found.append({"key": "app.cached", "value": {"boolValue": chance.random() < 0.5}})
        return found


def _text(key: str, value: str) -> Json:
    return {"key": key, "value": {"stringValue": value}}


def _int(key: str, value: int) -> Json:
    return {"key": key, "value": {"intValue": str(value)}}
