"""OTLP as an output: what came from OTLP goes out as it came in, what is ours comes back to the letter."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from mplp_trace_cli.domain.event_row import EventRow, EventRules
from mplp_trace_cli.domain.lines import LineRules
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.interchange.decoding.lines import LineDecoder
from mplp_trace_cli.interchange.decoding.rows import whole
from mplp_trace_cli.interchange.decoding.translating import Translated
from mplp_trace_cli.interchange.otlp.batches import BODY_RECORDS, bodies
from mplp_trace_cli.interchange.otlp.exported import event_records
from mplp_trace_cli.interchange.otlp.json_reading import JsonTranslator
from mplp_trace_cli.interchange.otlp.protobuf_reading import ProtobufTranslator
from mplp_trace_cli.interchange.otlp.protobuf_writing import Serializer
from mplp_trace_cli.interchange.sources import Chunk
from tests.conftest import Cli, examples
from tests.test_export import kept
from tests.test_golden_formats import check

GOLDEN = Path(__file__).parent / "golden"
MESSAGES: dict[str, Any] = {"Spans": TracesData, "Logs": LogsData, "Metrics": MetricsData}
IDS = ("traceId", "spanId", "parentSpanId")
NOW = 1_772_442_000_000_000
RULES = LineRules(EventRules(clock=lambda: NOW, new_id=lambda: "made"))
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


# -- bodies as messages, messages as plain facts -----------------------------------------------------


def in_base64(value: Any) -> Any:
    """OTLP/JSON with its hexadecimal ids as the protobuf library reads them."""
    if isinstance(value, list):
        return [in_base64(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode() if name in IDS else in_base64(one)
        for name, one in value.items()
    }


def in_hex(value: Any) -> Any:
    """The other way round."""
    if isinstance(value, list):
        return [in_hex(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: base64.b64decode(one).hex() if name in IDS else in_hex(one) for name, one in value.items()}


def message_of(line: str | bytes) -> Message:
    """The message of a line; it must be a valid body, with no member that OTLP does not have."""
    body = json.loads(line)
    (name,) = body
    message: Message = MESSAGES[name.removeprefix("resource")]()
    return ParseDict(in_base64(body), message, ignore_unknown_fields=False)


def line_of(message: Any) -> bytes:
    """The message as a line of OTLP/JSON."""
    said = MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(in_hex(said), ensure_ascii=False).encode()


def messages_of(path: Path) -> list[Message]:
    """The messages of a file of JSON lines."""
    return [message_of(line) for line in path.read_bytes().splitlines()]


Facts = tuple[bytes, str, bytes, str, bytes]
"""A resource and its schema, a scope and its schema, and a record."""


def records_of(messages: Iterable[Any]) -> Counter[Facts]:
    """Every record with its resource and scope, whatever the pieces and their order."""
    return Counter(record for message in messages for record in _records(message))


def _records(message: Any) -> Iterator[Facts]:
    for name in ("spans", "logs", "metrics"):
        for resource in getattr(message, f"resource_{name}", ()):
            for scope in getattr(resource, f"scope_{name}"):
                around = (_bytes(resource.resource), resource.schema_url)
                home = (*around, _bytes(scope.scope), scope.schema_url)
                for record in getattr(scope, {"logs": "log_records"}.get(name, name)):
                    for one in _points(record) if name == "metrics" else (record,):
                        yield (*home, _bytes(one))


def _bytes(message: Message) -> bytes:
    """What a message says; a status that says nothing is none."""
    if isinstance(message, Span) and not message.status.ByteSize():
        message.ClearField("status")
    return message.SerializeToString(deterministic=True)


def _points(metric: Metric) -> Iterator[Metric]:
    """Metrics of one point each."""
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    for point in getattr(metric, kind).data_points:
        one = Metric()
        one.CopyFrom(metric)
        del getattr(one, kind).data_points[:]
        getattr(one, kind).data_points.append(point)
        yield one


# -- without a store: rows to bodies, bodies to rows --------------------------------------------------


def rows_of_lines(lines: bytes) -> list[EventRow]:
    """The events of lines of ours, all of which must be good."""
    found = LineDecoder(RULES).columns(Chunk(1, 0, lines))
    assert [line.reason for line in found.others] == []
    return list(found.events.rows())


def to_lines(rows: Sequence[EventRow], *, has_root: bool = True) -> list[bytes]:
    """Events as bodies in JSON."""
    records = event_records((*row, has_root) for row in rows)
    return [msgspec.json.encode(body.content) for body in bodies(records, dict)]


def to_protobuf(rows: Sequence[EventRow]) -> list[bytes]:
    """Events as bodies in protobuf."""
    serializer = Serializer()
    records = event_records((*row, True) for row in rows)
    return [serializer.serialized(body) for body in bodies(records, dict)]


def from_lines(lines: Iterable[bytes]) -> list[EventRow]:
    """The events of bodies in JSON."""
    translated = JsonTranslator().translate(b"\n".join(lines))
    assert translated.faults == []
    return rows_of([translated])


def from_protobuf(parts: Iterable[bytes]) -> list[EventRow]:
    """The events of bodies in protobuf."""
    translated = [ProtobufTranslator("body").translate(part) for part in parts]
    assert [one.faults for one in translated if one.faults] == []
    return rows_of(translated)


def rows_of(translated: Iterable[Translated]) -> list[EventRow]:
    """The events of translations, those that came as lines of ours first."""
    given = list(translated)
    lines = rows_of_lines(b"".join(one.lines for one in given))
    rows = [whole(row) for one in given if one.events for row in one.events.rows]
    return lines + [row._replace(timestamp=RULES.clock()) if row.timestamp is None else row for row in rows]


# -- what came from OTLP ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def captured(conformance: Path, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a store with a real capture; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("capture"))
    made.ok("import", conformance / "otlp" / "otel_demo_capture.jsonl")
    return made


def test_a_real_capture_comes_back(captured: Cli, conformance: Path, tmp_path: Path) -> None:
    """Every span, log record and metric point of a real capture goes out as it came in, and in again."""
    captured.ok("export", "-o", tmp_path / "out.otlp.jsonl.gz")
    before = records_of(messages_of(conformance / "otlp" / "otel_demo_capture.jsonl"))
    lines = gzip.decompress((tmp_path / "out.otlp.jsonl.gz").read_bytes()).splitlines()
    assert before.total() > 4_000
    assert records_of(map(message_of, lines)) == before
    again = Cli(tmp_path)
    again.ok("import", "out.otlp.jsonl.gz")
    assert kept(again) == kept(captured)


def test_a_real_capture_in_protobuf(captured: Cli, tmp_path: Path) -> None:
    """The files of a folder, one a signal, hold what the JSON lines hold."""
    captured.ok("export", "-o", f"{tmp_path}/out/", "--format", "otlp")
    captured.ok("export", "-o", tmp_path / "out.otlp")
    kinds = (TracesData, LogsData, MetricsData)
    parts: dict[str, type[Message]] = dict(zip(("traces.pb", "logs.pb", "metrics.pb"), kinds, strict=True))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(parts)
    read = [kind.FromString((tmp_path / "out" / name).read_bytes()) for name, kind in parts.items()]
    assert records_of(read) == records_of(messages_of(tmp_path / "out.otlp"))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
COUNTS = st.integers(0, 2**32 - 1) | st.just(0)
NANOS = st.integers(1, 2**62) | st.sampled_from([1, 1_730_291_041_637_024_540])
DOUBLES = st.floats().map(lambda value: math.nan if math.isnan(value) else value) | st.sampled_from(
    [0.0, -0.0, 5.0, 0.1]
)
"""There is but one NaN in JSON: what else the bits of one may say is lost."""
PLAIN_DOUBLES = DOUBLES.filter(lambda value: value != 0)
"""Of fields that cannot tell zero from nothing, and minus zero from it least of all."""
INT64S = st.integers(-(2**63), 2**63 - 1)
SPAN_IDS = st.binary(min_size=8, max_size=8).filter(any)
VALUES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.just({})
    | st.builds(lambda value: {"string_value": value}, TEXTS)
    | st.builds(lambda value: {"bool_value": value}, st.booleans())
    | st.builds(lambda value: {"int_value": value}, INT64S)
    | st.builds(lambda value: {"double_value": value}, DOUBLES)
    | st.builds(lambda value: {"bytes_value": value}, st.binary(max_size=3)),
    lambda inner: (
        st.builds(lambda values: {"array_value": {"values": values}}, st.lists(inner, max_size=2))
        | st.builds(
            lambda pairs: {"kvlist_value": {"values": [{"key": k, "value": v} for k, v in pairs]}},
            st.lists(
                st.tuples(st.sampled_from(["a", "b", "", "bytesValue", "doubleValue"]), inner), max_size=2
            ),
        )
    ),
    max_leaves=3,
)
KEYS = st.sampled_from(["http.method", "a", "", "otlp", "service.name", "exception.message", "mplp.kind"])
ATTRIBUTES = st.lists(st.builds(lambda key, value: {"key": key, "value": value}, KEYS, VALUES), max_size=3)
EXEMPLARS = st.lists(
    st.builds(
        lambda time, ids, value, attributes: {
            "time_unix_nano": time,
            "trace_id": ids * 2,
            "span_id": ids,
            "filtered_attributes": attributes,
            **value,
        },
        NANOS,
        SPAN_IDS,
        st.builds(lambda value: {"as_int": value}, INT64S) | st.builds(lambda v: {"as_double": v}, DOUBLES),
        ATTRIBUTES,
    ),
    max_size=1,
)
NUMBERS: st.SearchStrategy[dict[str, Any]] = (
    st.builds(lambda v: {"as_int": v}, INT64S) | st.builds(lambda v: {"as_double": v}, DOUBLES) | st.just({})
)


def some(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """The fields of a message, each of which may be missing."""
    return st.fixed_dictionaries({}, optional=parts)


def _buckets() -> st.SearchStrategy[dict[str, Any]]:
    return some(offset=st.integers(-9, 9), bucket_counts=st.lists(st.integers(0, 2**64 - 1), max_size=2))


POINT = {"start_time_unix_nano": NANOS, "attributes": ATTRIBUTES, "flags": COUNTS}
TOTALS = {"count": st.integers(0, 2**64 - 1), "sum": DOUBLES, "min": DOUBLES, "max": DOUBLES}


def _timed(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"time_unix_nano": NANOS}, optional=POINT | parts)


NUMBER_POINTS = st.lists(
    st.builds(lambda point, number: point | number, _timed(exemplars=EXEMPLARS), NUMBERS),
    min_size=1,
    max_size=2,
)
TEMPORALITY = st.sampled_from([0, 1, 2])
DATA = (
    st.builds(lambda points: {"gauge": {"data_points": points}}, NUMBER_POINTS)
    | st.builds(
        lambda points, when, up: {
            "sum": {"data_points": points, "aggregation_temporality": when, "is_monotonic": up}
        },
        NUMBER_POINTS,
        TEMPORALITY,
        st.booleans(),
    )
    | st.builds(
        lambda points, when: {"histogram": {"data_points": points, "aggregation_temporality": when}},
        st.lists(
            _timed(
                **TOTALS,
                bucket_counts=st.lists(st.integers(0, 2**64 - 1), max_size=2),
                explicit_bounds=st.lists(DOUBLES, max_size=2),
                exemplars=EXEMPLARS,
            ),
            min_size=1,
            max_size=2,
        ),
        TEMPORALITY,
    )
    | st.builds(
        lambda point: {"exponential_histogram": {"data_points": [point], "aggregation_temporality": 2}},
        _timed(
            **TOTALS,
            scale=st.integers(-9, 9),
            zero_count=st.integers(0, 2**64 - 1),
            zero_threshold=PLAIN_DOUBLES,
            positive=_buckets(),
            negative=_buckets(),
        ),
    )
    | st.builds(
        lambda point: {"summary": {"data_points": [point]}},
        _timed(
            count=st.integers(0, 2**64 - 1),
            sum=PLAIN_DOUBLES,
            quantile_values=st.lists(some(quantile=PLAIN_DOUBLES, value=PLAIN_DOUBLES), max_size=2),
        ),
    )
)


def _timed_log(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"observed_time_unix_nano": NANOS}, optional={"time_unix_nano": NANOS} | parts
    )


LINKS = st.lists(
    some(
        trace_id=st.binary(min_size=16, max_size=16),
        span_id=SPAN_IDS,
        trace_state=TEXTS,
        attributes=ATTRIBUTES,
        flags=COUNTS,
        dropped_attributes_count=COUNTS,
    ),
    max_size=2,
)
SPAN_EVENTS = st.lists(
    some(
        name=st.sampled_from(["", "exception", "event", "made"]),
        time_unix_nano=NANOS,
        attributes=ATTRIBUTES,
        dropped_attributes_count=COUNTS,
    ),
    max_size=2,
)
SPANS = st.fixed_dictionaries(
    {"span_id": SPAN_IDS, "trace_id": st.sampled_from([b"t" * 16, b"T" * 16]), "start_time_unix_nano": NANOS},
    optional={
        "name": TEXTS,
        "parent_span_id": SPAN_IDS | st.just(b"odd"),
        "kind": st.integers(0, 9),
        "end_time_unix_nano": NANOS,
        "trace_state": TEXTS,
        "flags": COUNTS,
        "attributes": ATTRIBUTES,
        "events": SPAN_EVENTS,
        "links": LINKS,
        "status": some(code=st.integers(0, 2), message=TEXTS),
        "dropped_attributes_count": COUNTS,
        "dropped_events_count": COUNTS,
        "dropped_links_count": COUNTS,
    },
) | st.fixed_dictionaries(
    {"span_id": st.just(b"odd"), "end_time_unix_nano": NANOS},
    optional={"name": TEXTS, "attributes": ATTRIBUTES, "trace_id": st.just(b"short"), "events": SPAN_EVENTS},
)
LOGS = _timed_log(
    severity_number=st.integers(0, 24),
    severity_text=st.sampled_from(["", "INFO", "fatal", "x"]),
    body=VALUES,
    attributes=ATTRIBUTES,
    dropped_attributes_count=COUNTS,
    flags=COUNTS,
    trace_id=st.sampled_from([b"t" * 16, b"", b"short"]),
    span_id=SPAN_IDS | st.just(b"odd"),
    event_name=TEXTS,
)
METRICS = st.builds(
    lambda head, data: head | data,
    st.fixed_dictionaries(
        {"name": st.sampled_from(["cpu", "λ"])},
        optional={
            "unit": st.sampled_from(["", "1", "ms"]),
            "description": TEXTS,
            "metadata": ATTRIBUTES,
        },
    ),
    DATA,
)
RESOURCE = some(attributes=ATTRIBUTES, dropped_attributes_count=COUNTS)
SCOPE = some(name=TEXTS, version=TEXTS, attributes=ATTRIBUTES, dropped_attributes_count=COUNTS)


def _data(signal: str, records: str, one: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    scopes = st.lists(
        some(scope=SCOPE, schema_url=TEXTS, **{records: st.lists(one, max_size=3)}), min_size=1, max_size=2
    )
    resources = some(resource=RESOURCE, schema_url=TEXTS, **{f"scope_{signal}": scopes})
    return st.builds(lambda found: {f"resource_{signal}": found}, st.lists(resources, min_size=1, max_size=2))


def _differ(message: Any) -> Any:
    """The same with span ids that differ, and with no log record or point twice: of those one is kept."""
    seen: set[bytes] = set()
    for resource in getattr(message, "resource_spans", ()):
        for scope in resource.scope_spans:
            for number, span in enumerate(scope.spans):
                while span.span_id in seen or (span.span_id == b"odd" and seen):
                    span.span_id = bytes([len(seen) % 250 + 1, number + 1] * 4)
                seen.add(span.span_id)
    return message


@settings(max_examples=examples(10), phases=[Phase.explicit, Phase.generate])
@given(_data("spans", "spans", SPANS).map(lambda fields: _differ(TracesData(**fields))))
def test_any_spans_come_back(message: Any) -> None:
    """Spans with whatever they have go out as they came in, through JSON and through protobuf."""
    _check_back(message)


@settings(max_examples=examples(10), phases=[Phase.explicit, Phase.generate])
@given(_data("logs", "log_records", LOGS).map(lambda fields: LogsData(**fields)))
def test_any_log_records_come_back(message: Any) -> None:
    """So do log records."""
    _check_back(message)


@settings(max_examples=examples(10), phases=[Phase.explicit, Phase.generate])
@given(_data("metrics", "metrics", METRICS).map(lambda fields: MetricsData(**fields)))
def test_any_metric_points_come_back(message: Any) -> None:
    """So do metric points."""
    _check_back(message)


def _check_back(message: Any) -> None:
    before = records_of([message])
    rows = from_lines([line_of(message)])
    assert from_protobuf([message.SerializeToString()]) == rows
    assert records_of(map(message_of, to_lines(rows, has_root=False))) == before
    parts = [type(message).FromString(part) for part in to_protobuf(rows)]
    assert records_of(parts) == before


# -- what is ours -------------------------------------------------------------------------------------

IDENTITIES = st.sampled_from(
    ["e-1", "00f067aa0ba902b7", "0" * 16, "4BF92F3577B34DA6", "日本", "trace:t", "x.0"]
) | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=4).filter(
    lambda text: text[0] not in "@-"
)
TRACE_IDS = st.sampled_from(
    ["4bf92f3577b34da6a3ce929d0e0e4736", "t", "0" * 32, "0af76519-16cd-43dd-8448-eb211c80319c"]
)
NUMBERS_AS_TEXT = st.sampled_from(
    [
        "1.10",
        "1e2",
        "-0",
        "-0.0",
        "5.0",
        "1180591620717411303424",
        "9223372036854775808",
        "1e400",
        "0.1",
        "1E5",
    ]
)
DATA_TEXTS = (
    st.sampled_from(
        [
            "{}",
            '{"a":1,"a":2}',
            '{"z":1,"a":[1,{"b":null}]}',
            '{"": 1}',
            '{"":1}',
            '{ "a" : 1 }',
            '{"half":"\\ud800"}',
            '{"nul":"\\u0000","slash":"\\/"}',
            '{"bytesValue":"aGk="}',
            '{"x":{"bytesValue":"aGk="},"y":{"bytesValue":"?"},"z":{"doubleValue":"NaN"}}',
            '{"x":{"kvlistValue":{"values":[]}}}',
            '{"mplp.kind":"trace","mplp.data":"{}"}',
            '{"otlp":{"signal":"span"}}',
            '{"otlp":{"signal":"span","kind":"internal","start_ns":5,"end_ns":7}}',
            '{"otlp":{"signal":"log","time_ns":1,"unknown":[]},"a":1}',
            '{"otlp":{"signal":"metric","kind":"sum","point":{"int":"x"}}}',
            '{"otlp":[]}',
            '{"otlp":{"signal":[]}}',
            '{"deep":' + "[" * 200 + "]" * 200 + "}",
        ]
    )
    | st.builds(lambda number: f'{{"n":{number}}}', NUMBERS_AS_TEXT)
    | st.dictionaries(
        TEXTS, st.none() | st.booleans() | INT64S | TEXTS | st.lists(TEXTS, max_size=2), max_size=3
    ).map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")))
)
INSTANTS = st.sampled_from([0, 1, NOW, -1, -62_135_596_800_000_000, 253_402_300_799_999_999]) | st.integers(
    0, NOW
)
DURATIONS = (
    st.none()
    | st.sampled_from([0.0, 0.0000001, 12.5, 1e300, 1 / 3])
    | st.floats(0, allow_nan=False, allow_infinity=False)
)
ROWS = st.builds(
    EventRow,
    event_id=IDENTITIES,
    trace_id=TRACE_IDS,
    event_type=st.text(st.characters(codec="utf-8"), min_size=1, max_size=4),
    level=st.sampled_from(["debug", "info", "warn", "error", "critical"]),
    message=st.none() | TEXTS,
    data=DATA_TEXTS,
    timestamp=INSTANTS,
    duration_ms=DURATIONS,
    parent_event_id=st.none() | IDENTITIES | st.just(""),
    source=st.none() | st.sampled_from(["plan", "", "mplp-trace"]) | TEXTS,
)


@settings(max_examples=examples(15), phases=[Phase.explicit, Phase.generate])
@given(st.lists(ROWS, max_size=20), st.booleans())
def test_any_events_of_ours_come_back(rows: list[EventRow], has_root: bool) -> None:
    """Events of ours come back in order and to the letter, whatever their ids, times, texts and numbers."""
    lines = to_lines(rows, has_root=has_root)
    assert from_lines(lines) == rows
    assert from_protobuf(to_protobuf(rows)) == rows
    for line in lines:
        message_of(line)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a store with what came from OTLP and what is ours, in the same traces too."""
    made = Cli(tmp_path_factory.mktemp("mixed"))
    made.ok("import", GOLDEN / "otlp_mixed.otlp.jsonl")
    made.ok("import", GOLDEN / "otlp_mixed.jsonl")
    return made


def again_of(path: Path, folder: Path) -> Cli:
    """The command on a new store that holds what a file holds."""
    folder.mkdir()
    again = Cli(folder)
    done = again("import", path)
    assert (done.code, "rejected" in done.stderr) == (0, False), done.stderr
    return again


def test_a_mixed_store_in_golden_lines(mixed: Cli) -> None:
    """The lines, byte for byte; each is a valid body."""
    done = mixed("export", "-o", "-", "--format", "otlp", "--include-metrics")
    check("export.otlp.jsonl", done.raw)
    assert {type(message_of(line)) for line in done.raw.splitlines()} == {TracesData, LogsData, MetricsData}
    lines = (GOLDEN / "otlp_mixed.otlp.jsonl").read_bytes().splitlines()
    missing = records_of(map(message_of, lines)) - records_of(map(message_of, done.raw.splitlines()))
    assert not missing, "a record that came from OTLP is not what it was"


def test_a_mixed_store_in_golden_protobuf(mixed: Cli, tmp_path: Path) -> None:
    """The files of a folder, decoded; each is one valid body."""
    mixed.ok("export", "-o", f"{tmp_path}/out/", "--format", "otlp", "--include-metrics")
    decoded = {}
    kinds: dict[str, type[Message]] = {"traces": TracesData, "logs": LogsData, "metrics": MetricsData}
    for name, kind in kinds.items():
        message = kind.FromString((tmp_path / "out" / f"{name}.pb").read_bytes())
        decoded[name] = json.loads(line_of(message))
    check("export.otlp.protobuf.json", json.dumps(decoded, indent=1, ensure_ascii=False).encode() + b"\n")


def test_a_mixed_store_comes_back(mixed: Cli, tmp_path: Path) -> None:
    """Imported again it is the same store: traces, events in order and to the letter, metric samples."""
    mixed.ok("export", "-o", tmp_path / "out.otlp.jsonl.zst", "--include-metrics")
    assert rows_but_times(again_of(tmp_path / "out.otlp.jsonl.zst", tmp_path / "again")) == rows_but_times(
        mixed
    )


def rows_but_times(cli: Cli) -> dict[str, list[tuple[Any, ...]]]:
    """What is kept, traces by their id: those that are derived come after the others."""
    found = kept(cli)
    return found | {"traces": sorted(found["traces"], key=str)}


@pytest.mark.parametrize("name", ["every_hard_type.jsonl", "every_metric.jsonl"])
def test_every_hard_type_comes_back(name: str, cli: Cli, tmp_path: Path) -> None:
    """The stores of hard types too, in JSON and in protobuf."""
    cli.ok("import", GOLDEN / name)
    cli.ok("export", "-o", "out.otlp.jsonl", "--include-metrics")
    assert kept(again_of(tmp_path / "out.otlp.jsonl", tmp_path / "again")) == kept(cli)
    cli.ok("export", "-o", "out/", "--format", "otlp", "--include-metrics")
    (tmp_path / "body").mkdir()
    again = Cli(tmp_path / "body")
    for part in sorted((tmp_path / "out").iterdir(), reverse=True):
        again.ok("import", part)
    assert kept(again) == kept(cli)


def test_data_that_only_resembles_a_span_comes_back_to_the_letter(cli: Cli, tmp_path: Path) -> None:
    """Though its member `otlp` is that of a span, no span is written as these numbers are."""
    otlp = f'{{"signal":"span","start_ns":{NOW}000,"end_ns":{NOW}000}}'
    at = f'"timestamp":"{format_instant(NOW)}","duration_ms":0.0,"trace_id":"{"5b" * 16}"'
    for place, number in enumerate(("1.10", "1e2", " 1", "1180591620717411303424"), 1):
        line = f'{{"event_type":"x","event_id":"{place:016x}",{at},"data":{{"n":{number},"otlp":{otlp}}}}}\n'
        cli.ok("import", "--create-missing", "-", stdin=line)
    cli.ok("export", "-o", "out.otlp.jsonl")
    assert kept(again_of(tmp_path / "out.otlp.jsonl", tmp_path / "again")) == kept(cli)


def test_attributes_however_deep_come_back_in_protobuf(cli: Cli, tmp_path: Path) -> None:
    """Readers of protobuf have a limit, which no span is to hit."""
    with (tmp_path / "in.jsonl").open("w") as file:
        for levels in (31, 32, 100, 5_000):
            deep = '{"kvlistValue":{"values":[{"key":"k","value":' * levels + "{}" + "}]}}" * levels
            ids = f'"traceId":"{"5b" * 16}","spanId":"{levels:016x}","startTimeUnixNano":"{NOW}000"'
            span = f'{{{ids},"name":"x","attributes":[{{"key":"a","value":{deep}}}]}}'
            file.write(f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}\n')
    assert json.loads(cli("import", "in.jsonl").stdout)["events"] == 3
    cli.ok("export", "-o", "out.pb")
    assert kept(again_of(tmp_path / "out.pb", tmp_path / "again"))["events"] == kept(cli)["events"]
    TracesData.FromString((tmp_path / "out.pb").read_bytes())


# -- the command --------------------------------------------------------------------------------------


def test_the_tree_that_others_show(mixed: Cli) -> None:
    """A trace is the root, its events hang below, a parent that is there is found by its id."""
    done = mixed("export", "-o", "-", "--format", "otlp", "--trace", "run-1")
    (message,) = map(message_of, done.raw.splitlines())
    spans = {
        (span.name, span.span_id.hex()): span
        for resource in message.resource_spans  # type: ignore[attr-defined]
        for scope in resource.scope_spans
        for span in scope.spans
    }
    by_name = {name: span for (name, _), span in spans.items()}
    root, stage, copy = by_name["nightly"], by_name["stage_started"], by_name["copy"]
    assert (root.parent_span_id, stage.parent_span_id, copy.parent_span_id) == (
        b"",
        root.span_id,
        stage.span_id,
    )
    assert len({span.trace_id for span in spans.values()}) == 1
    assert (root.status.code, copy.status.code, copy.status.message) == (2, 2, "disk full")
    assert copy.end_time_unix_nano - copy.start_time_unix_nano == 12_500_000


def test_a_body_in_protobuf_is_of_one_signal(mixed: Cli, tmp_path: Path) -> None:
    """What is left out of it is told in a line that says what to do."""
    done = mixed("export", "-o", tmp_path / "x.pb", "--include-metrics")
    assert done.stderr.splitlines()[0] == (
        "2 log records and 6 metric points left out, a body in protobuf has one signal: "
        "-o FOLDER/ --format otlp, or .otlp.jsonl"
    )
    assert len(TracesData.FromString((tmp_path / "x.pb").read_bytes()).resource_spans) > 1


def test_a_folder_of_all_signals_comes_back(captured: Cli, tmp_path: Path) -> None:
    """Log records and metric points too, when the folder itself is imported."""
    captured.ok("export", "-o", f"{tmp_path}/out/", "--format", "otlp")
    again = Cli(tmp_path / "again")
    again.folder.mkdir()
    again.ok("import", f"{tmp_path}/out/")
    lines = [
        sorted(one.ok("export", "-o", "-", "--format", "jsonl").splitlines()) for one in (captured, again)
    ]
    assert lines[0] == lines[1]


def test_a_folder_is_named_as_one(mixed: Cli, tmp_path: Path) -> None:
    """Without the stroke at its end it would be a file, and the hint says so."""
    done = mixed("export", "-o", tmp_path, "--format", "otlp")
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path} is a folder\nhint: -o {tmp_path}/ writes a file a signal\n"


def test_a_folder_is_replaced_by_another_export(mixed: Cli, tmp_path: Path) -> None:
    """An export replaces what an export made, and nothing else."""
    where = f"{tmp_path}/out/"
    mixed.ok("export", "-o", where, "--format", "otlp", "--compression", "gzip")
    mixed.ok("export", "-o", where, "--format", "otlp", "--trace", "run-1")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["traces.pb"]
    (tmp_path / "out" / "notes.txt").write_text("mine")
    done = mixed("export", "-o", where, "--format", "otlp")
    assert (done.code, done.stderr.count("was not made by an export")) == (2, 1)


def test_traces_alone(mixed: Cli) -> None:
    """Without their events, traces of ours are spans; a trace that was made of spans is told."""
    done = mixed("export", "-o", "-", "--format", "otlp", "--no-include-events")
    (message,) = map(message_of, done.raw.splitlines())
    assert len(_names(message)) == 2
    assert done.stderr.startswith(
        "2 traces from OTLP: nothing without events, leave --no-include-events away\n"
    )


def _names(message: Any) -> list[str]:
    return [span.name for one in message.resource_spans for scope in one.scope_spans for span in scope.spans]


def test_an_empty_export_is_an_empty_file(cli: Cli, tmp_path: Path) -> None:
    """No line and no byte: both are valid."""
    cli.ok("create", "x", "--context", "c")
    cli.ok("export", "-o", "x.otlp.jsonl", "--context", "other")
    cli.ok("export", "-o", "x.pb", "--context", "other")
    assert ((tmp_path / "x.otlp.jsonl").read_bytes(), (tmp_path / "x.pb").read_bytes()) == (b"", b"")


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    """JSON lines do without it; protobuf says in a line what to install, and leaves no file."""
    cold = Cli(tmp_path, warm=False)
    cold.ok("create", "x")
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not here')", encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path)}
    assert cold("export", "-o", "x.otlp.jsonl", env=env).code == 0
    done = cold("export", "-o", "x.pb", env=env)
    assert (done.code, (tmp_path / "x.pb").exists()) == (2, False)
    assert done.stderr.splitlines() == [
        "error: OTLP in protobuf needs packages that are not installed",
        "hint: pip install 'mplp-trace[otlp]'",
    ]


def test_bodies_are_of_bounded_size() -> None:
    """A line has so many records at most, and an own one begins for another signal."""
    row = EventRow("e", "t", "x", "info", None, "{}", NOW, None, None, None)
    lines = to_lines([row._replace(event_id=f"e{number}") for number in range(BODY_RECORDS + 1)])
    assert [len(_names(message_of(line))) for line in lines] == [BODY_RECORDS, 1]
    large = row._replace(data=json.dumps({"x": "y" * 400_000}))
    assert len(to_lines([large] * 4)) == 2


def test_what_is_newer_than_protobuf_is_told() -> None:
    """An unknown member comes back in JSON; protobuf leaves it out and counts it."""
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "x", "startTimeUnixNano": "5", "mood": "good"}
    body = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]}
    rows = from_lines([json.dumps(body).encode()])
    (line,) = to_lines(rows)
    assert json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["mood"] == "good"
    serializer = Serializer()
    records = event_records((*row, True) for row in rows)
    (part,) = [serializer.serialized(body) for body in bodies(records, dict)]
    assert (_names(TracesData.FromString(part)), serializer.unknown) == (["x"], 1)
