"""Dry runs: files are loaded in one transaction, looked at as the store has them then, and taken back.

So it is the load itself that says what would be recorded and what would be rejected, whatever the format.
"""

from __future__ import annotations

from collections.abc import Sequence

from mplp_trace_cli.interchange.exporting.chosen import line_query
from mplp_trace_cli.interchange.exporting.targets import ENTRIES
from mplp_trace_cli.interchange.input_format import input_format, require_known
from mplp_trace_cli.interchange.loading.bulk import LINES_RESERVED, BulkLoad, define_load_views
from mplp_trace_cli.interchange.loading.files import (
    LoadOptions,
    LoadReport,
    Preview,
    bulk_plan,
    opened_input,
    seen,
    seen_by_size,
    told,
)
from mplp_trace_cli.interchange.sources import Source
from mplp_trace_cli.storage.fold import Pair, fold_into, require_store
from mplp_trace_cli.storage.store import Connection, roll_back

FIRST_SEQ = 1 << 61
"""Beyond every number that a store gives out: what the dry run recorded is what lies above."""
PREVIEW_ROWS = 10
"""Of each kind."""


def rehearse(pair: Pair, paths: Sequence[str], options: LoadOptions, wait_seconds: float) -> LoadReport:
    """What loading the files would record and reject; nothing of it stays, not even their digests.

    Raises what a load raises.
    """
    require_known(options.input_format)
    require_store(pair.store, pair.inbox)
    report = LoadReport()
    with pair.store.writing(wait_seconds) as db:
        fold_into(db, pair)
        define_load_views(db, options.rules.now)
        db.execute("BEGIN")
        try:
            for number, path in enumerate(paths):
                report.add(_file(db, pair, path, options, FIRST_SEQ + number * LINES_RESERVED))
            report.preview = _preview(db)
        finally:
            roll_back(db)
    return report


def _file(db: Connection, pair: Pair, path: str, options: LoadOptions, first_seq: int) -> LoadReport:
    source = Source(path)
    with source.open() as stream:
        if not options.again and seen_by_size(db, source):
            return LoadReport(skipped=[source.name])
        opened = opened_input(stream, source, options)
        found = input_format(options.input_format, opened)
        load = BulkLoad(db, bulk_plan(pair, opened, options, found), first_seq)
        load.run(told(found.read(opened), source, options.progress))
        if not options.again and seen(db, source.digest):
            return LoadReport(skipped=[source.name])
    return LoadReport(files=1, counts=load.counts)


def _preview(db: Connection) -> Preview:
    rows: list[str] = []
    part = f"WHERE seq > {FIRST_SEQ} ORDER BY seq LIMIT {PREVIEW_ROWS}"
    for table in ENTRIES:
        db.execute(f"CREATE OR REPLACE TEMP VIEW chosen_{table} AS FROM {table} {part}")
        lines = db.execute(f"SELECT line FROM ({line_query(table, with_kind=True)})").fetchall()
        rows += [line for (line,) in lines]
    rejects = db.execute(f"SELECT source, line, reason FROM rejects {part.replace('seq', 'id')}").fetchall()
    return Preview(rows, rejects)
