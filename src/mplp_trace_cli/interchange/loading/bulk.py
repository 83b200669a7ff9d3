"""Bulk load: decoded lines straight into the tables of the store, set by set.

Traces may come after their events, so events of a trace that is not known yet are held back to the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.trace import (
    KnownTrace,
    TraceEndRow,
    TraceRow,
    TraceStatement,
    new_trace_row,
)
from mplp_trace_cli.interchange.decoding.batches import Decoded
from mplp_trace_cli.interchange.loading.table_rows import TableRows
from mplp_trace_cli.interchange.sources import Chunk
from mplp_trace_cli.storage.fold import Pair
from mplp_trace_cli.storage.groups import (
    Counts,
    Line,
    StrictRefused,
    check_agrees,
    check_repeat,
    kept_of_reject,
    missing_trace,
)
from mplp_trace_cli.storage.known import find_known
from mplp_trace_cli.storage.recording import open_trace_of
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import (
    TABLES,
    Connection,
    StoreSettings,
    define_views,
    roll_back,
    seq_base,
    streaming,
)

LINES_RESERVED = 1 << 32
"""Numbers of seq set aside for a load: more lines than a file can have."""
SLICE_ROWS = 1_000_000
"""Events that are looked through at once for repeated ids: memory stays the same however many there are."""


@dataclass(frozen=True)
class DerivedTraces:
    """What traces are like that are made of their events, in a format that tells of events alone."""

    metadata: str
    """The text of a JSON object."""
    trace_type: str = "custom"
    name: str = "root.event_type"
    """An SQL expression of ours over `root`, the columns of the first event."""


@dataclass(frozen=True)
class BulkPlan:
    """How lines are loaded."""

    source: str
    now: int
    create_missing: bool = False
    strict: bool = False
    settings: StoreSettings = field(default_factory=StoreSettings)
    keep_rejects: bool = True
    """False: of what is rejected only the numbers are kept, in `BulkLoad.refused`, for the caller."""
    context_id: str | None = None
    """The context of traces that are made because an event names them."""
    derived: DerivedTraces | None = None
    """How traces that nobody tells of are made; None holds their events back for a trace that may come."""


@contextlib.contextmanager
def bulk_transaction(db: Connection, pair: Pair, plan: BulkPlan) -> Iterator[BulkLoad]:
    """One transaction of the store, which is open for writing and folded; all of the load or nothing.

    A line's seq is its number after the last one given out, so that the order in the store is the order
    of arrival; numbers that were not used are given back.
    """
    base = seq_base(db, pair.inbox.inbox_id) or 0
    before = pair.inbox.reserve(LINES_RESERVED)
    define_load_views(db, plan.now)
    load = BulkLoad(db, plan, base + before)
    db.execute("BEGIN")
    try:
        yield load
        if load.ended:
            with pair.inbox.writing():
                load.withdraw_ends(pair.inbox.waiting_ends())
                pair.inbox.remove_open(load.ended)
        db.execute("COMMIT")
    except BaseException:
        roll_back(db)
        pair.inbox.release(before, before + LINES_RESERVED)
        raise
    pair.inbox.release(before + load.last_number, before + LINES_RESERVED)
    if load.active:
        # A crash before this leaves traces that a recorder finds in the store when it needs them.
        with pair.inbox.writing():
            pair.inbox.add_open(open_trace_of(row) for row in load.active.values())


def define_load_views(db: Connection, now: int) -> None:
    """Defines the views that a load asks: before its transaction, which can only write to the store."""
    define_views(db, {table: f"store.{table}" for table in TABLES}, f"make_timestamptz({now})")


class BulkLoad:
    """Loads decoded chunks inside the transaction that is open; the caller commits."""

    def __init__(self, db: Connection, plan: BulkPlan, first_seq: int) -> None:
        self.db = db
        self.plan = plan
        self.first_seq = first_seq
        self._last_chunk: Chunk | None = None
        self.now = plan.now
        self.counts = Counts()
        self.ended: list[str] = []
        self.active: dict[str, TraceRow] = {}
        self._known: set[str] = set()
        (traces,) = db.execute("SELECT count(*) FROM store.trace_starts").fetchone() or (0,)
        self._store_has_traces = bool(traces)
        self._held: list[tuple[Chunk, pa.Table]] = []
        self._rows = TableRows(db, first_seq)
        self.refused: set[int] = set()
        """The numbers of the lines that were rejected, where rejects are not kept."""

    @property
    def last_number(self) -> int:
        """The number of the last line that was taken; perhaps one more, never less."""
        chunk = self._last_chunk
        return chunk.number + chunk.data.count(b"\n") if chunk else 0

    def run(self, pieces: Iterable[Decoded]) -> None:
        """Takes every chunk, then settles what had to wait for the end."""
        # One thread inserts, however many there are; the others would only wait, and busily.
        with streaming(self.db, self.plan.settings, threads=1):
            for piece in pieces:
                self._take(piece)
            self._rows.insert_all()
            self._settle_held()
            self._rows.insert_all()
        self.counts.events = self._rows.events_inserted
        if self.counts.events:
            self._drop_repeated()
        if self.plan.derived is not None:
            self._derive_traces(self.plan.derived)

    def withdraw_ends(self, ended_meanwhile: set[str]) -> None:
        """Takes back ends of traces that somebody ended since the load began: the first to arrive stays."""
        late = sorted(ended_meanwhile.intersection(self.ended))
        query = "DELETE FROM store.trace_ends WHERE seq > ? AND trace_id = ?"
        for trace_id in late:
            self.db.execute(query, [self.first_seq, trace_id])
        self.counts.ended -= len(late)
        self.counts.repeated += len(late)

    # -- one chunk ---------------------------------------------------------------------------------

    def _take(self, piece: Decoded) -> None:
        self._last_chunk = piece.chunk
        said = [line for line in piece.others if isinstance(line.record, TraceStatement)]
        known = self._find(line.record.trace_id for line in said)  # type: ignore[union-attr]
        for line in piece.others:
            if isinstance(line.record, TraceStatement):
                self._trace(line, line.record, known)
            elif isinstance(line.record, MetricRow):
                self._rows.add("metric_samples", line.number, *line.record)
                self.counts.metrics += 1
            else:
                self._reject(line, line.reason)
        self._events(piece)

    def _find(self, ids: Iterator[str | None]) -> dict[str, KnownTrace]:
        wanted = [one for one in dict.fromkeys(ids) if one and (self._store_has_traces or one in self._known)]
        if not wanted:
            return {}
        self._rows.insert_plain()
        return find_known(self.db, wanted)

    def _trace(self, line: Line, said: TraceStatement, known: dict[str, KnownTrace]) -> None:
        trace_id = said.trace_id or new_id()
        said = said._replace(trace_id=trace_id)
        try:
            kept = known.get(trace_id)
            if kept is None:
                known[trace_id] = self._start(said, line.number)
            elif kept.end is None:
                known[trace_id] = self._continue(said, kept, line.number)
            else:
                check_repeat(said, kept)
                self.counts.repeated += 1
        except TraceError as error:
            self._reject(line, error.message)

    def _start(self, said: TraceStatement, number: int) -> KnownTrace:
        row = new_trace_row(said, said.trace_id or "", self.now)
        end = said.end(row.started_at, row.expires_at, self.now)
        self._rows.add("trace_starts", number, *row)
        self._known.add(row.trace_id)
        self.active[row.trace_id] = row
        self.counts.traces += 1
        if end is not None:
            self._end(end, number)
        return KnownTrace(row, end)

    def _continue(self, said: TraceStatement, kept: KnownTrace, number: int) -> KnownTrace:
        check_agrees(said, kept.row)
        end = said.end(kept.row.started_at, kept.row.expires_at, self.now)
        if end is None:
            self.counts.repeated += 1
            return kept
        self._end(end, number)
        self.counts.ended += 1
        return KnownTrace(kept.row, end)

    def _end(self, end: TraceEndRow, number: int) -> None:
        self._rows.add("trace_ends", number, *end)
        if self.active.pop(end.trace_id, None) is None:
            self.ended.append(end.trace_id)

    def _events(self, piece: Decoded) -> None:
        events = piece.events
        if events.num_rows == 0:
            return
        ids = events.column("trace_id").unique().to_pylist()
        unknown = [trace_id for trace_id in ids if trace_id not in self._known]
        if unknown:
            found = self._find(iter(unknown))
            self._known.update(found)
            unknown = [trace_id for trace_id in unknown if trace_id not in found]
        if unknown and piece.is_certain:
            self._settle(piece.chunk, events)
            return
        if unknown and self.plan.derived is None:
            events = self._hold(piece, unknown)
        self._rows.add_events(events)

    def _hold(self, piece: Decoded, unknown: list[str]) -> pa.RecordBatch:
        held = pc.is_in(piece.events.column("trace_id"), value_set=pa.array(unknown))
        self._held.append((piece.chunk, pa.Table.from_batches([piece.events.filter(held)])))
        return piece.events.filter(pc.invert(held))

    # -- the end -----------------------------------------------------------------------------------

    def _settle_held(self) -> None:
        """Events whose trace came later go in now; the others get a trace made, or are rejected."""
        for chunk, events in self._held:
            for batch in events.to_batches():
                self._settle(chunk, batch)
        self._held.clear()

    def _settle(self, chunk: Chunk, events: pa.RecordBatch) -> None:
        ids = events.column("trace_id").unique().to_pylist()
        unknown = [trace_id for trace_id in ids if trace_id not in self._known]
        if self.plan.create_missing:
            self._make(events, unknown)
            unknown = []
        if unknown:
            held = pc.is_in(events.column("trace_id"), value_set=pa.array(unknown))
            self._reject_events(chunk, events.filter(held))
            events = events.filter(pc.invert(held))
        self._rows.add_events(events)

    def _make(self, events: pa.RecordBatch, unknown: list[str]) -> None:
        """Starts traces that nobody told of, each where the first of its events lies."""
        made = pc.is_in(events.column("trace_id"), value_set=pa.array(unknown, pa.string()))
        firsts = (
            pa.Table.from_batches([events.filter(made)])
            .group_by("trace_id")
            .aggregate([("number", "min"), ("timestamp", "min")])
            .sort_by("number_min")
        )
        for row in firsts.to_pylist():
            said = missing_trace(row["trace_id"], self.plan.context_id)
            self._start(said._replace(started_at=row["timestamp_min"]), row["number_min"])

    def _derive_traces(self, derived: DerivedTraces) -> None:
        query = statement("derived_traces").format(name=derived.name, first_seq=self.first_seq)
        find, make, *forget, begin, end = query.split(";")[:6]
        has_traces = self._store_has_traces or bool(self._known)
        self.db.execute(find, {"metadata": derived.metadata, "has_traces": has_traces})
        self.db.execute(make)
        for one in forget:
            self.db.execute(one)
        self.db.execute(begin, {"trace_type": derived.trace_type, "metadata": derived.metadata})
        self.db.execute(end)
        (made,) = self.db.execute("SELECT count(*) FROM derived WHERE is_new").fetchone() or (0,)
        self.counts.traces += made

    def _reject_events(self, chunk: Chunk, events: pa.RecordBatch) -> None:
        raws = chunk.data.split(b"\n")
        lengths = (0 if chunk.is_made else len(raw) + 1 for raw in raws)
        offsets = list(accumulate(lengths, initial=chunk.offset))
        pairs = zip(events.column("number").to_pylist(), events.column("trace_id").to_pylist(), strict=True)
        for number, trace_id in pairs:
            at = number - chunk.number
            self._reject(Line(number, offsets[at], raws[at], None), f"there is no trace {trace_id}")

    def _reject(self, line: Line, reason: str) -> None:
        if self.plan.strict:
            raise StrictRefused(
                f"{self.plan.source} line {line.number}: {reason}; nothing of it was recorded",
                hint="leave --strict away to keep the good lines",
            )
        self.counts.rejected += 1
        if self.plan.keep_rejects:
            said, raw = kept_of_reject(line, reason)
            self._rows.add_reject(
                line.number, raw, self.plan.source, line.number, line.offset, said, self.now
            )
        else:
            self.refused.add(line.number)

    def _drop_repeated(self) -> None:
        (total,) = self.db.execute("SELECT count(*) FROM store.event_log").fetchone() or (0,)
        slices = -(-total // SLICE_ROWS)
        for at in range(slices):
            repeated = self._find_repeated(slices, at)
            if repeated:
                self.db.execute("DELETE FROM store.event_log WHERE seq IN (SELECT seq FROM repeated)")
                self.counts.events -= repeated
                self.counts.repeated += repeated

    def _find_repeated(self, slices: int, at: int) -> int:
        """How many of a slice are repeated; where there are any, they are in the table of that name."""
        query = statement("repeated_events").format(slices=slices, slice=at, first_seq=self.first_seq)
        suspect, check = query.split(";")[:2]
        self.db.execute(suspect)
        (suspects,) = self.db.execute("SELECT count(*) FROM suspect").fetchone() or (0,)
        if not suspects:
            return 0
        self.db.execute(check)
        (repeated,) = self.db.execute("SELECT count(*) FROM repeated").fetchone() or (0,)
        return int(repeated)
