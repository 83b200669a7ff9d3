"""A Chrome trace of what is chosen: a process for each trace, lanes for its events, tracks for metrics.

DuckDB renders the elements and they go out as they come; only in which lane each event is drawn is kept, as a
few bytes an event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, cast

from mplp_trace_cli.interchange.chrome.lanes import Arrow, Lane, Lanes, Place
from mplp_trace_cli.interchange.chrome.own import LONGEST_US, PRODUCER
from mplp_trace_cli.interchange.exporting.chosen import LINES, Export, copy_query, line_query
from mplp_trace_cli.interchange.exporting.targets import pump
from mplp_trace_cli.storage.rows import rows_of
from mplp_trace_cli.storage.sql import statement

_HEAD = f'{{"displayTimeUnit":"ms","otherData":{{"producer":"{PRODUCER}","version":1}},"traceEvents":[\n'
_RULES = {"longest": LONGEST_US}
_ELEMENTS_AT_ONCE = 1_000


def write(export: Export, stream: IO[bytes]) -> list[str]:
    """Writes the Chrome trace; it carries everything, so there is nothing to tell."""
    stream.write(_HEAD.encode())
    elements = _Elements(stream)
    lines = line_query("traces", with_kind=False)
    _write_query(export, elements, statement("chrome_traces").format(lines=lines))
    beside = export.count("traces") + 1
    if export.plan.include_events:
        _write_events(export, elements, beside + 1)
    if export.plan.include_metrics:
        _write_samples(export, elements, beside)
    stream.write(b"]}\n")
    return []


class _Elements:
    """Each element comes on a line after a comma; the first of a list has none."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._begun = False

    def write(self, data: bytes) -> int:
        self._stream.write(data if self._begun else data[1:])
        self._begun = True
        return len(data)

    def write_all(self, elements: Iterable[str]) -> None:
        source: Iterator[str] = iter(elements)
        while some := list(islice(source, _ELEMENTS_AT_ONCE)):
            self.write("".join(some).encode())


def _write_query(export: Export, elements: _Elements, query: str) -> None:
    pump(lambda pipe: copy_query(export.db, query, pipe, LINES), cast(IO[bytes], elements))


def _write_events(export: Export, elements: _Elements, first_tid: int) -> None:
    import pyarrow as pa  # what needs no lanes need not wait for it

    lanes = Lanes(export.count("events"), first_tid)
    events = cast(Iterator[Place], rows_of(export.db, statement("chrome_places").format(**_RULES)))
    elements.write_all(map(_lane, lanes.place(events)))
    columns = [
        pa.Array.from_buffers(pa.int32(), len(one), [None, pa.py_buffer(one)])
        for one in (lanes.pids, lanes.tids)
    ]
    export.db.register("lanes", pa.table(columns, names=["pid", "tid"]))
    try:
        _write_query(export, elements, statement("chrome_events").format(**_RULES))
    finally:
        export.db.unregister("lanes")
    elements.write_all(_arrow(lanes, number, one) for number, one in enumerate(lanes.arrows(), start=1))


def _write_samples(export: Export, elements: _Elements, pid: int) -> None:
    elements.write_all([_named("process_name", pid, pid, "metrics")])
    lines = line_query("metrics", with_kind=False)
    _write_query(export, elements, statement("chrome_samples").format(lines=lines, pid=pid))


def _lane(lane: Lane) -> str:
    return _named("thread_name", lane.pid, lane.tid, lane.name)


def _named(what: str, pid: int, tid: int, name: str) -> str:
    return f',{{"ph":"M","name":"{what}","pid":{pid},"tid":{tid},"args":{{"name":{json.dumps(name)}}}}}\n'


def _arrow(lanes: Lanes, number: int, arrow: Arrow) -> str:
    return "".join(
        f',{{"ph":"{phase}","id":{number},"name":"parent","cat":"parent","ts":{lanes.starts[place]}'
        f',"pid":{lanes.pids[place]},"tid":{lanes.tids[place]}}}\n'
        for phase, place in (("s", arrow.parent), ('f","bp":"e', arrow.child))
    )
