"""Lines read both ways, by the line and in bulk, and what must be the same about it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mplp_trace_cli.domain.errors import BrokenFile, InvalidInput
from mplp_trace_cli.domain.event_row import EventRow, EventRules
from mplp_trace_cli.domain.lines import LineRules, Record, read_line
from mplp_trace_cli.interchange.decoding.lines import LineDecoder
from mplp_trace_cli.interchange.sources import BOM, Chunk
from mplp_trace_cli.service import StreamRequest, TraceManagementService
from mplp_trace_cli.storage.groups import Counts, Line
from tests.helpers_storage import service_at

Outcome = tuple[int, int, bytes, Record | str]
"""Number, offset and bytes of a line, and its record or the reason why it has none."""

EVENT = EventRules(clock=lambda: 1_772_442_000_000_000, new_id=lambda: "made-id")
RULES = [
    LineRules(EVENT),
    LineRules(EVENT, {"trace_id": "t-default", "level": "warn", "source": "plan"}),
    LineRules(EVENT._replace(validate_standard_events=False, default_level="debug")),
    LineRules(EVENT._replace(max_event_bytes=40)),
    LineRules(EVENT._replace(max_event_bytes=5_000), {"trace_id": "@no-id"}),
]


DECODERS = [(rules, LineDecoder(rules)) for rules in RULES]


def one_by_one(data: bytes, rules: LineRules) -> list[Outcome]:
    """What reading each line for itself gives."""
    found: list[Outcome] = []
    offset = 7
    for number, raw in enumerate(data.split(b"\n"), 3):
        try:
            record: Record | str | None = read_line(raw, rules)
        except InvalidInput as fault:
            record = fault.message
        if record is not None:
            found.append((number, offset, raw, record))
        offset += len(raw) + 1
    return found


def decoder(rules: LineRules) -> LineDecoder:
    """A decoder under these rules, made once for each of RULES."""
    return next((made for own, made in DECODERS if own is rules), None) or LineDecoder(rules)


def lines_of(chunk: Chunk, rules: LineRules) -> list[Line]:
    """The lines of a chunk as the decoder reads them."""
    return decoder(rules).columns(chunk).lines(chunk)


def in_bulk(data: bytes, rules: LineRules) -> list[Outcome]:
    """What the decoder's lines give."""
    lines = lines_of(Chunk(3, 7, data), rules)
    return [(line.number, line.offset, line.raw, line.record or line.reason) for line in lines]


def in_columns(data: bytes, rules: LineRules) -> list[tuple[int, Record | str]]:
    """What the decoder's columns give, in the order of the lines."""
    columns = decoder(rules).columns(Chunk(3, 7, data))
    events: list[tuple[int, Record | str]] = list(zip(columns.numbers, columns.events.rows(), strict=True))
    others = [(line.number, line.record or line.reason) for line in columns.others]
    assert not any(isinstance(record, EventRow) for _, record in others)
    return sorted(events + others, key=lambda pair: pair[0])


def assert_same(data: bytes, rules: LineRules) -> None:
    """Both ways agree to the letter, types and signs of zero included."""
    slow = one_by_one(data, rules)
    assert repr(in_bulk(data, rules)) == repr(slow)
    assert repr(in_columns(data, rules)) == repr([(number, record) for number, _, _, record in slow])


def check_recorded(data: bytes) -> None:
    """As a stream and as a file, each line that is not blank is counted once, and a reject has its bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "lines.jsonl").write_bytes(data)
        for way in (_streamed, _imported):
            with service_at(folder / f"{way.__name__}.duckdb", durable=False) as service:
                service.create_trace(context_id="c", name="n", trace_id="t-1").unwrap()
                try:
                    counts = way(service, folder / "lines.jsonl")
                except BrokenFile:
                    assert data.startswith((b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")) or (
                        0 in data[:2]
                    )
                    continue
                text = data.removeprefix(BOM)
                told = [line for line in text.split(b"\n") if line.strip(b" \t\r")]
                assert sum(vars(counts).values()) == len(told)
                with service.reading() as db:
                    rejects = db.execute("SELECT line, byte_offset, raw, reason FROM rejects").fetchall()
                assert len(rejects) == counts.rejected
                for number, offset, raw, reason in rejects:
                    assert raw == text.split(b"\n")[number - 1]
                    assert data[offset : offset + len(raw)] == raw
                    assert reason


def _imported(service: TraceManagementService, path: Path) -> Counts:
    return service.import_files(files=[str(path)], input_format="jsonl").unwrap().counts


def _streamed(service: TraceManagementService, path: Path) -> Counts:
    with path.open("rb") as file:
        return service.record_stream(file.fileno(), StreamRequest("stdin", {})).unwrap()
