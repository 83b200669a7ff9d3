"""What fuzzing of foreign files needs: seeds of each format, their mutations, and what must hold of any file.

`check_decoding` reads a file as an import does, without a store; `check_import` is the whole way: into a
store, out of it in every format, and every question on the way.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput, TraceError
from mplp_trace_cli.domain.event_row import EventRow, EventRules, event_row
from mplp_trace_cli.domain.json_text import MAX_DEPTH
from mplp_trace_cli.domain.questions import ColumnMapping
from mplp_trace_cli.interchange.decoding.batches import Decoded, DecodingRules
from mplp_trace_cli.interchange.decoding.chunks import decoded as decoded_chunks
from mplp_trace_cli.interchange.decoding.translating import Translator
from mplp_trace_cli.interchange.input_format import Opened, input_format
from mplp_trace_cli.interchange.loading.files import LoadReport
from mplp_trace_cli.interchange.otlp.json_reading import JsonTranslator
from mplp_trace_cli.interchange.otlp.protobuf_reading import ProtobufTranslator
from mplp_trace_cli.interchange.sources import CHUNK_BYTES, STDIN, Chunk, Source, first_bytes
from mplp_trace_cli.interchange.tables.columns import check_mapping
from mplp_trace_cli.service import TraceManagementService
from tests.conftest import CONFORMANCE, ROOT, Cli, Done
from tests.helpers_mutations import (
    Pairs,
    mutate_document,
    mutated_bytes,
    mutated_json,
    mutated_message,
    mutated_stream,
    mutated_table,
    parsed,
)
from tests.helpers_mutations import encoded as json_text
from tests.helpers_otlp import encoded, framed

GOLDEN = ROOT / "tests" / "golden"
LONGEST = 16_384
"""The most bytes of a file that is made from bytes."""
NOW = 1_772_442_000_000_000
RULES = DecodingRules(NOW, 1 << 20, "info", True)
ASKED = EventRules(clock=lambda: NOW, validate_standard_events=False)


UNMAPPED = ColumnMapping()


@dataclass(frozen=True)
class Given:
    """A file as it is given to an import: its name, its bytes, and how its columns are mapped."""

    name: str
    data: bytes
    mapping: ColumnMapping = UNMAPPED


# -- seeds ---------------------------------------------------------------------------------------------


def _golden(*names: str) -> list[str]:
    return [(GOLDEN / name).read_text() for name in names]


def _chrome_of_others() -> str:
    """A trace with an element of every kind."""
    at = {"pid": 1, "tid": 2}
    elements: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": 1, "args": {"name": "server"}},
        {"ph": "M", "name": "thread_name", **at, "args": {"name": "worker"}},
        {"ph": "B", "ts": 0, "name": "outer", "cat": "io", "args": {"a": 1, "b": 1.5}, **at},
        {"ph": "X", "ts": 10, "name": "inner", "dur": 20.5, "extra": True, **at},
        {"ph": "i", "ts": 15, "name": "dot", "s": "t", **at},
        {"ph": "E", "ts": 100, "args": {"b": 2}, "tts": 7, **at},
        {"ph": "b", "ts": 1, "name": "request", "cat": "net", "id": "0x1", **at},
        {"ph": "e", "ts": 9, "name": "request", "cat": "net", "id": "0x1", **at},
        {"ph": "s", "ts": 16, "name": "flow", "cat": "f", "id": 7, **at},
        {"ph": "f", "ts": 30, "name": "flow", "cat": "f", "id": 7, "bp": "e", **at},
        {"ph": "C", "ts": 5, "name": "memory", "args": {"used": 5, "free": 7.5}, **at},
        {"ph": "v", "ts": 6, "name": "dump", "id2": {"local": "0x2"}, "args": {"dumps": {}}, **at},
    ]
    head = {"displayTimeUnit": "ns", "beginTimeUnixNano": "1772442000000000000", "otherData": {"v": "1"}}
    return json.dumps({**head, "traceEvents": elements})


def _document_of_others() -> str:
    """An MPLP document with every member that there may be."""
    first, second = "550e8400-e29b-41d4-a716-446655440000", "00000000-0000-4000-8000-000000000001"
    document = {
        "meta": {
            "protocol_version": "1.0.0",
            "schema_version": "2.1.0",
            "created_at": "2026-03-02T10:00:00Z",
        },
        "governance": {"lifecyclePhase": "review", "locked": True},
        "trace_id": first,
        "context_id": second,
        "plan_id": second,
        "root_span": {"trace_id": first, "span_id": second, "attributes": {"name": "Nightly", "n": 1.5}},
        "status": "failed",
        "started_at": "2026-03-02T09:00:00.000Z",
        "finished_at": "2026-03-02T09:05:00Z",
        "segments": [
            {
                "segment_id": second,
                "label": "design",
                "status": "failed",
                "started_at": "2026-03-02T09:00:00Z",
            },
            {"segment_id": first, "parent_segment_id": second, "label": "sketch", "status": "skipped"},
        ],
        "events": [
            {
                "event_id": "00000000-0000-4000-8000-000000000003",
                "event_type": "execution.started",
                "source": "runtime.ael",
                "timestamp": "2026-03-02T09:00:01.000Z",
                "trace_id": first,
                "data": {"n": 1, "level": "warn", "message": "careful", "duration_ms": 12.5},
            },
            {"event_id": second, "event_type": "x", "source": "y", "timestamp": "2026-03-02T09:00:02Z"},
        ],
    }
    return json.dumps(document)


@functools.cache
def otlp_seeds() -> list[str]:
    """Lines of OTLP/JSON: ours, every type there is, and where it is there a capture of a real system."""
    seeds = _golden(
        "export.otlp.jsonl", "otlp_mixed.jsonl", "otlp_mixed.otlp.jsonl", "otlp_every_hard_type.json"
    )
    capture = CONFORMANCE / "otlp" / "otel_demo_capture.jsonl"
    if capture.is_file():
        seeds += sorted(capture.read_text().splitlines(keepends=True), key=len)[:40]
    return seeds


@functools.cache
def otlp_bodies() -> list[dict[str, Any]]:
    """Each body of them that protobuf can say."""
    found = []
    for seed in otlp_seeds():
        documents = (
            seed.splitlines() if "\n" in seed.strip() and seed[0] == "{" and seed[1] != "\n" else [seed]
        )
        for document in documents:
            body = json.loads(document)
            for name in body:
                with contextlib.suppress(Exception):
                    encoded({name: body[name]})
                    found.append({name: body[name]})
    assert found
    return found


@functools.cache
def chrome_seeds() -> list[str]:
    """Ours, and one of others, in an object and bare."""
    other = _chrome_of_others()
    return [*_golden("export.chrome.json"), other, other, json.dumps(json.loads(other)["traceEvents"])]


@functools.cache
def mplp_seeds() -> list[str]:
    """Ours, one of others, and several of it."""
    other = _document_of_others()
    return [*_golden("hard.mplp.json"), other, other, f"[{other},{other}]", f"{other}\n{other}\n"]


@functools.cache
def json_seeds() -> list[str]:
    """The documents of our own form."""
    lines = [json.loads(line) for line in _golden("export.jsonl")[0].splitlines()]
    return [
        *_golden("export.json"),
        json.dumps(lines),
        json.dumps({"traces": lines[:1], "events": lines[2:]}),
    ]


_ACCESS = """time,level,path,took,status
02/Mar/2026:09:00:00 +0000,warning,/a,12 ms,200
1772442000,error,"/b,c",1.5s,500
2026-03-02 09:00:00,7,,0.1,
"""


@functools.cache
def table_seeds() -> list[str]:
    """Ours of each kind, and one of another tool."""
    names = ("export_events.csv", "export_traces.csv", "export_metrics.csv", "export_safe_events.csv")
    return [*_golden(*names), _ACCESS]


@functools.cache
def parquet_seeds() -> list[bytes]:
    """Tables with columns of many types."""
    columns: list[dict[str, Any]] = [
        {
            "event_type": ["a", "b"],
            "trace_id": pa.array(["t", None]),
            "timestamp": pa.array([1, NOW], pa.timestamp("us", "UTC")),
            "duration_ms": pa.array([1.5, float("nan")]),
            "data": ['{"a":1}', None],
            "day": pa.array([1, 2], pa.date32()),
            "amount": pa.array([1, 2]).cast(pa.decimal128(25, 3)),
            "parts": pa.array([[1, None], []]),
            "inner": pa.array([{"x": 1, "y": "z"}, None]),
            "raw": pa.array([b"\xff", b""]),
            "took": pa.array([5, None], pa.duration("ns")),
        },
        {"name": ["m"], "value": pa.array([3], pa.uint64()), "labels": ['{"a":"b"}']},
        {"name": ["t"], "trace_id": ["t"], "tags": pa.array([["a", "b"]]), "started_at": pa.array([NOW])},
    ]
    found = []
    for one, codec in zip(columns, ("zstd", "none", "snappy"), strict=True):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(one), sink, compression=codec)
        found.append(sink.getvalue().to_pybytes())
    return found


# -- mutated files -------------------------------------------------------------------------------------


def otlp_json(chance: random.Random) -> Given:
    """Lines or a document of OTLP/JSON."""
    return Given("a.otlp.jsonl", mutated_json(chance, chance.choice(otlp_seeds())))


def otlp_protobuf(chance: random.Random) -> Given:
    """Request bodies, with or without their lengths: bytes are changed, or fields of the message."""
    bodies = [chance.choice(otlp_bodies()) for _ in range(chance.randint(1, 3))]
    parts = [mutated_message(chance, encoded(body)) for body in bodies]
    data = framed(parts) if chance.random() < 0.4 else b"".join(parts)
    return Given("a.pb", mutated_bytes(chance, data) if chance.random() < 0.3 else data)


def chrome(chance: random.Random) -> Given:
    """A Chrome trace; sometimes the end of it is missing."""
    data = mutated_json(chance, chance.choice(chrome_seeds()))
    cut = data[: chance.randrange(len(data) + 1)] if chance.random() < 0.2 else data
    return Given("a.chrome.json", cut)


def mplp(chance: random.Random) -> Given:
    """MPLP documents."""
    name = chance.choice(("a.mplp.json", "a.mplp.jsonl"))
    return Given(name, mutated_json(chance, chance.choice(mplp_seeds())))


def json_document(chance: random.Random) -> Given:
    """Documents of our own form."""
    return Given("a.json", mutated_json(chance, chance.choice(json_seeds())))


_FORMS = [
    *(
        None,
        None,
        "s",
        "ms",
        "us",
        "ns",
        "%Y-%m-%d %H:%M:%S",
        "%d/%b/%Y:%H:%M:%S %z",
        "%s",
        "%",
        "%Q",
        "",
        "%j%j",
    ),
    *("rfc3339", "%Y", "%I:%M %p", "%%", "%f" * 40, "(", "%y.%m.%d", "[a", "\x00", "%-d"),
]
_UNITS = ["ms", "ms", "ns", "us", "s", "m", ""]
_NAMES = [
    "event_type",
    "trace_id",
    "timestamp",
    "duration_ms",
    "level",
    "data",
    "kind",
    "name",
    "value",
    "nope",
    "",
]


def mapping(chance: random.Random) -> ColumnMapping:
    """A mapping that may or may not fit."""
    columns = [
        "time",
        "level",
        "path",
        "took",
        "status",
        "event_type",
        "trace_id",
        "name",
        "column_2",
        "nope",
        "",
    ]
    fields = {chance.choice(_NAMES): chance.choice(columns) for _ in range(chance.choice((0, 0, 1, 2, 3)))}
    words = [
        "x",
        "event",
        "trace",
        "metric",
        "",
        "0",
        "{}",
        "@x",
        "\x1b[0m",
        "2026-03-02T09:00:00Z",
        "\udc80",
    ]
    defaults = {chance.choice(_NAMES): chance.choice(words) for _ in range(chance.choice((0, 0, 1, 2)))}
    return ColumnMapping(fields, defaults, chance.choice(_FORMS), chance.choice(_UNITS))


def table(chance: random.Random) -> Given:
    """A csv table, and perhaps a mapping of its columns."""
    seed = chance.choice(table_seeds())
    data = mutated_table(chance, seed)
    name = chance.choice(("a.csv",) * 6 + ("a.tsv", "a.tab"))
    if seed == _ACCESS and chance.random() < 0.7:
        fields = {"timestamp": "time", "event_type": "path", "duration_ms": "took", "level": "level"}
        return Given(name, data, ColumnMapping(fields, {"trace_id": "t"}, chance.choice(_FORMS), "ms"))
    return Given(name, data, mapping(chance) if chance.random() < 0.3 else ColumnMapping())


def parquet(chance: random.Random) -> Given:
    """A parquet file with changed bytes."""
    return Given("a.parquet", mutated_bytes(chance, chance.choice(parquet_seeds())))


def small_seeds() -> list[bytes]:
    """A small file of each format."""
    texts = [*otlp_seeds()[:4], *chrome_seeds(), *mplp_seeds(), *table_seeds(), *_golden("export.jsonl")]
    return [*(text.encode() for text in texts), *parquet_seeds(), b"", b"\n"]


def compressed(chance: random.Random) -> Given:
    """A small file of any format, packed, and the stream damaged."""
    names = ("a", "a.jsonl.gz", "a.csv.zst", "a.json.gz", "a.mplp.json.gz", "a.parquet.zst", "a.pb.gz")
    return Given(chance.choice(names), mutated_stream(chance, chance.choice(small_seeds())))


MUTATIONS: dict[str, Callable[[random.Random], Given]] = {
    "otlp-json": otlp_json,
    "otlp-protobuf": otlp_protobuf,
    "chrome": chrome,
    "mplp": mplp,
    "json": json_document,
    "csv": table,
    "parquet": parquet,
    "compressed": compressed,
}


# -- reading -------------------------------------------------------------------------------------------


class _Memory(Source):
    """Bytes as standard input has them."""

    def __init__(self, data: bytes) -> None:
        super().__init__(STDIN)
        self._data = data

    def _raw(self) -> contextlib.AbstractContextManager[BinaryIO]:
        return contextlib.nullcontext(io.BytesIO(self._data))


def check_bytes(data: bytes, form: str, mapping: ColumnMapping = UNMAPPED) -> int | None:
    """Reads a file as an import does; gives the number of its records and rejects, None for one refused.

    What is refused is refused by an error of ours; what is not has a record or a reason at every number.
    """
    found = 0
    try:
        for piece in decoded(data, form, mapping):
            found += check_piece(piece)
    except (BrokenFile, InvalidInput) as error:
        check_said(error)
        return None
    return found


def decoded(data: bytes, form: str, mapping: ColumnMapping) -> Iterator[Decoded]:
    """What is in a file, as an import has it."""
    check_mapping(mapping)
    source = _Memory(data)
    with source.open() as stream:
        opened = Opened(stream, first_bytes(stream, CHUNK_BYTES), source, RULES, mapping)
        yield from input_format(form, opened).read(opened)


def check_said(error: TraceError) -> None:
    """An error is one line without the control characters of a terminal, at the screen at least."""
    assert error.message
    assert "Traceback" not in error.message


def check_piece(piece: Decoded) -> int:
    """Every number once, every event valid by the rules of one, every other line a record or a reason."""
    piece.events.validate(full=True)
    numbers = [*piece.events.column("number").to_pylist(), *(line.number for line in piece.others)]
    assert len(set(numbers)) == len(numbers), "two records at one number"
    for line in piece.others:
        assert (line.record is None) == bool(line.reason), line
        line.reason.encode()
    for row in piece.events.to_pylist():
        row["data"] += row.pop("data_end", "") or ""
        del row["number"]
        assert event_row(row, ASKED) == EventRow(**row)
    return len(numbers)


# -- the whole way -------------------------------------------------------------------------------------

EXPORTS = (
    "a.json",
    "a.jsonl",
    "traces.csv",
    "tables",
    "a.otlp.jsonl",
    "a.pb",
    "a.chrome.json",
    "a.mplp.json",
)
_VIEWS = ("traces", "events", "metrics")
_WITH_IDS = ("otlp-json", "otlp-protobuf", "chrome")
"""Formats in which every event has an id, given or made of what it says."""
_COMMANDS = (
    ("query",),
    (
        "query",
        "--group-by",
        "status,tag",
        "--metric",
        "count,p95_duration,error_rate",
        "--format",
        "markdown",
    ),
    ("events", "--limit", "50"),
    ("events", "--group-by", "event_type,source", "--metric", "count,avg_duration", "--json"),
    ("show",),
    ("dashboard", "--since", "2026-01-01"),
    ("metrics", "show", "--since", "2026-01-01"),
    ("rejects", "list"),
    ("tail",),
)


@contextlib.contextmanager
def store(folder: Path) -> Iterator[TraceManagementService]:
    """The library on an empty store."""
    with initialize_trace_module(TraceModuleOptions(data_source=str(folder / "traces.duckdb"))) as module:
        yield module.trace_management_service


def rows(service: TraceManagementService) -> dict[str, list[Any]]:
    """All that is kept, but for when it came."""
    columns = "COLUMNS(one -> one <> 'seq')::VARCHAR"
    with service.reading() as db:
        return {view: db.execute(f"SELECT {columns} FROM {view} ORDER BY ALL").fetchall() for view in _VIEWS}


def imported(
    service: TraceManagementService, path: Path, given: Given, **options: Any
) -> LoadReport | TraceError:
    """What an import of a file gives, or how it was refused."""
    report = service.import_files(files=[str(path)], mapping=given.mapping, **options)
    if report.error is not None:
        check_said(report.error)
        return report.error
    return report.unwrap()


def check_imports(files: Sequence[Given], form: str, folder: Path) -> int:
    """The whole way of files into one store; gives how many of them were refused.

    What is counted is there, a rehearsal said the same before, a file that is refused leaves nothing, one
    that comes again changes nothing, and all of it can be asked for and written in every format.
    """
    refused = 0
    with store(folder) as service:
        total: Counter[str] = Counter()
        taken: list[tuple[Path, Given]] = []
        for number, given in enumerate(files):
            place = folder / str(number)
            place.mkdir()
            path = place / given.name
            path.write_bytes(given.data)
            told = imported(service, path, given, dry_run=True)
            outcome = imported(service, path, given)
            if isinstance(outcome, TraceError):
                assert str(told) == str(outcome), "a dry run that says something else"
                refused += 1
                continue
            assert isinstance(told, LoadReport), told
            assert told.counts == outcome.counts, "a dry run that counts something else"
            total.update(asdict(outcome.counts))
            taken.append((path, given))
        found = rows(service)
        assert {view: len(kept) for view, kept in found.items()} == {view: total[view] for view in _VIEWS}
        for path, given in taken:
            skipped = imported(service, path, given)
            assert isinstance(skipped, LoadReport)
            assert len(skipped.skipped) == 1
            if form in _WITH_IDS:
                again = imported(service, path, given, again=True)
                assert isinstance(again, LoadReport), again
        kept = rows(service)
        assert kept["traces"] == found["traces"], "another import changed traces"
        assert kept["events"] == found["events"], "another import changed events"
        check_exports(service, folder)
    check_commands(folder)
    return refused


def check_exports(service: TraceManagementService, folder: Path) -> None:
    """It can be written in every format."""
    for name in EXPORTS:
        options = {"format": "parquet", "include_events": True} if name == "tables" else {}
        service.export_traces(
            destination=str(folder / "out" / name), include_metrics=True, **options
        ).unwrap()


def check_commands(folder: Path) -> None:
    """Every question is answered, in text that no terminal acts upon."""
    cli = Cli(folder)
    for command in _COMMANDS:
        check_done(cli(*command), command)


def check_done(done: Done, command: Sequence[Any]) -> None:
    """A command ended as one may: with 0, 1 or 2, and its errors are no faults of ours."""
    assert done.code in (0, 1, 2), (command, done.code, done.stderr)
    assert "a fault in" not in done.stderr, (command, done.stderr)
    assert "Traceback" not in done.stderr, (command, done.stderr)
    assert "\x1b" not in done.stdout + done.stderr, (command, "an escape reaches the terminal")


def command_of(given: Given, path: Path) -> list[str]:
    """The words of the command that imports a file."""
    words = ["import", str(path)]
    for option, pairs in (("--map", given.mapping.fields), ("--default", given.mapping.defaults)):
        for name, value in pairs.items():
            words += [option, f"{name}={value}"]
    if given.mapping.time_format is not None:
        words += ["--time-format", given.mapping.time_format]
    return (
        [*words, "--duration-unit", given.mapping.duration_unit]
        if given.mapping.duration_unit != "ms"
        else words
    )


def check_command(given: Given, folder: Path) -> None:
    """The import as a command."""
    path = folder / given.name
    path.write_bytes(given.data)
    words = command_of(given, path)
    if not any("\0" in word for word in words):
        check_done(Cli(folder)(*words), words)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one case."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "out").mkdir()
        yield Path(folder)


# -- OTLP in parts and in workers ------------------------------------------------------------------------


def check_otlp_parts(chance: random.Random, folder: Path) -> None:
    """One file, or one for each record in the same order: the same rows, since traces are made of spans."""
    body = parsed(json.dumps(min(chance.choices(otlp_bodies(), k=4), key=lambda one: len(str(one)))))
    mutate_document(chance, body, chance.randint(0, 2))
    parts = parts_of(body)
    if len(set(map(json_text, parts))) < len(parts):
        return  # alike records are several in one file, and repeats in several
    found: list[dict[str, list[Any]]] = []
    for number, files in enumerate(([body], parts)):
        place = folder / str(number)
        place.mkdir()
        with store(place) as service:
            for at, one in enumerate(files):
                path = place / f"{at}.otlp.jsonl"
                path.write_bytes(json_text(one).encode("utf-8", "surrogatepass") + b"\n")
                service.import_files(files=[str(path)], input_format="otlp", again=True).unwrap()
            found.append(rows(service))
    assert found[0] == found[1]


def parts_of(body: Any) -> list[Any]:
    """A body for each record of a body; what is not built as one stays together."""
    return list(_parts(body, ("resourceSpans", "resourceLogs", "resourceMetrics"), _SCOPE_LISTS)) or [body]


_SCOPE_LISTS = ("scopeSpans", "scopeLogs", "scopeMetrics")
_RECORD_LISTS = ("spans", "logRecords", "metrics")
_BELOW: dict[tuple[str, ...], tuple[str, ...]] = {_SCOPE_LISTS: _RECORD_LISTS, _RECORD_LISTS: ()}


def _parts(value: Any, lists: tuple[str, ...], below: tuple[str, ...]) -> Iterator[Any]:
    here = [member for member in value if member[0] in lists] if isinstance(value, Pairs) else []
    if not lists or len(here) != 1 or type(here[0][1]) is not list or not here[0][1]:
        yield value
        return
    ((name, elements),) = here
    for element in elements:
        for part in _parts(element, below, _BELOW.get(below, ())):
            yield Pairs([key, [part]] if key == name else [key, one] for key, one in value)


def check_workers(chance: random.Random) -> None:
    """Two processes that decode give what this one gives, which Hypothesis gives more of Python's stack."""
    pieces = [chance.choice((otlp_json, otlp_protobuf))(chance) for _ in range(6)]
    pieces = [one for one in pieces if one.name.endswith(".pb") or depth_of(one.data) <= MAX_DEPTH]
    for suffix, translator in ((".jsonl", JsonTranslator()), (".pb", ProtobufTranslator("file"))):
        chunks = [Chunk(0, 0, one.data) for one in pieces if one.name.endswith(suffix)]
        alone = _decoded_by(chunks, translator, parallel=False)
        assert _decoded_by(chunks, translator, parallel=True) == alone


def depth_of(text: bytes) -> int:
    """How deep lists and objects stand in each other, those in strings counted too."""
    return max(accumulate((mark in b"[{") - (mark in b"]}") for mark in text), default=0)


def _decoded_by(chunks: list[Chunk], translator: Translator, *, parallel: bool) -> list[Any]:
    found: list[Any] = []
    try:
        for piece in decoded_chunks(chunks, RULES, translator, parallel=parallel):
            others = [(line.number, line.raw, line.reason) for line in piece.others]
            found += [piece.events.to_pylist(), others]
    except BrokenFile as error:
        found.append(error.message)
    return found


FILES = 8
"""So many go into one store."""


def check_seed(seed: int) -> None:
    """The whole way of several files of one form, which a seed makes; the first goes by the command too."""
    chance = random.Random(seed)
    form = chance.choice([*MUTATIONS])
    files = [MUTATIONS[form](chance) for _ in range(FILES)]
    try:
        with scratch() as folder:
            check_imports(files, form, folder)
        with scratch() as folder:
            check_command(files[0], folder)
        with scratch() as folder:
            check_otlp_parts(chance, folder)
        check_workers(chance)
    except BaseException as failure:
        for given in files:
            failure.add_note(f"{form}: {shown(given)}")
        raise


def shown(given: Given, limit: int = 300) -> str:
    """A file for a message."""
    return f"{given.name} {given.mapping if given.mapping != UNMAPPED else ''} {given.data[:limit]!r}"
