"""Rows on their way into the tables of the store: gathered, and inserted many at once through Arrow.

What is gathered is bounded, however much of one kind a file has.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mplp_trace_cli.domain.metric import MetricRow
from mplp_trace_cli.domain.trace import TraceEndRow, TraceRow
from mplp_trace_cli.interchange.decoding.batches import SCHEMA
from mplp_trace_cli.storage.sql import statement
from mplp_trace_cli.storage.store import Connection

BATCH_ROWS = 122_880
"""Events that are inserted at once: DuckDB's row group, what it compresses together."""
ROWS_GATHERED = 20_000
"""Rows of another table that wait at the most; those of rejects have their bytes with them."""
REJECT_BYTES_GATHERED = 8 << 20


class TableRows:
    """The rows of one load; `first_seq` is what its line numbers are counted from."""

    def __init__(self, db: Connection, first_seq: int) -> None:
        self._db = db
        self._first_seq = first_seq
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _PLAIN}
        self._reject_bytes = 0
        self._events: list[pa.RecordBatch] = []
        self._event_rows = 0
        self.events_inserted = 0

    def add(self, table: str, number: int, *values: Any) -> None:
        """Adds a row of a plain table, which came of the line with that number."""
        rows = self._rows[table]
        rows.append((self._first_seq + number, *values))
        if len(rows) >= ROWS_GATHERED:
            self._insert(table)

    def add_reject(self, number: int, raw: bytes, *values: Any) -> None:
        """Adds a rejected line with its bytes."""
        self.add("rejected_lines", number, raw, *values)
        self._reject_bytes += len(raw)
        if self._reject_bytes >= REJECT_BYTES_GATHERED:
            self._insert("rejected_lines")
            self._reject_bytes = 0

    def add_events(self, events: pa.RecordBatch) -> None:
        """Adds events; whole row groups of them are inserted.

        DuckDB writes whole row groups to the disk at once; from batches of another size it would write
        much of the file twice.
        """
        self._events.append(events)
        self._event_rows += events.num_rows
        if self._event_rows >= BATCH_ROWS:
            self._insert_events(BATCH_ROWS)

    def insert_plain(self) -> None:
        """Inserts what waits but for events."""
        for table in _PLAIN:
            self._insert(table)

    def insert_all(self) -> None:
        """Inserts what waits."""
        self.insert_plain()
        self._insert_events(max(1, self._event_rows))

    def _insert_events(self, size: int) -> None:
        """Inserts events in batches of so many; the rest waits on."""
        events = pa.Table.from_batches(self._events, self._events[0].schema if self._events else SCHEMA)
        inserted = events.num_rows // size * size
        for start in range(0, inserted, size):
            self._insert_batch(events.slice(start, size))
        rest = events.slice(inserted)
        self._events, self._event_rows = rest.to_batches(), rest.num_rows

    def _insert_batch(self, events: pa.Table) -> None:
        # In one piece: from several, two threads would write two half-full row groups.
        data = "data || data_end" if "data_end" in events.schema.names else "data"
        self._insert_from(
            events, statement("insert_loaded_events").format(first_seq=self._first_seq, data=data)
        )
        self.events_inserted += events.num_rows

    def _insert(self, table: str) -> None:
        rows = self._rows[table]
        if rows:
            names, select = _PLAIN[table]
            columns = [list(column) for column in zip(*rows, strict=True)]
            query = f"INSERT INTO store.{table} SELECT {select} FROM batch"
            self._insert_from(pa.table(columns, names=names), query)
            rows.clear()

    def _insert_from(self, rows: pa.Table, query: str) -> None:
        # What is registered inside a transaction is kept until it ends: a reader that was read holds nothing.
        reader = pa.RecordBatchReader.from_batches(rows.schema, iter(rows.to_batches()))
        self._db.register("batch", reader)
        self._db.execute(query)
        self._db.unregister("batch")


_PLAIN = {
    "trace_starts": (
        ["seq", *TraceRow._fields],
        "seq, trace_id, context_id, execution_id, trace_type, name, description, metadata, "
        "from_json(tags, '[\"VARCHAR\"]'), make_timestamptz(started_at::BIGINT), "
        "make_timestamptz(expires_at::BIGINT)",
    ),
    "trace_ends": (
        ["seq", *TraceEndRow._fields],
        "seq, trace_id, status, make_timestamptz(ended_at::BIGINT)",
    ),
    "metric_samples": (
        ["seq", *MetricRow._fields],
        "seq, name, type, value, unit, help, labels, buckets, make_timestamptz(timestamp::BIGINT)",
    ),
    "rejected_lines": (
        ["seq", "raw", "source", "line", "byte_offset", "reason", "rejected_at"],
        "seq, source, line, byte_offset, reason, raw, make_timestamptz(rejected_at::BIGINT)",
    ),
}
