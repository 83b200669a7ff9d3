"""A program's spans with the span exporter, against the same spans with an exporter that does nothing.

`spans.py FOLDER SPANS ROUNDS` prints a JSON object: of each round the seconds a span, ours and theirs, of
the program's thread by the clock, and of the whole process in processor time until all is exported. Both go
through the SDK's batch processor, whose own cost is in both.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from mplp_trace_cli.integrations.opentelemetry import MplpTraceExporter

Values = Mapping[str, str | int | float]

CHILDREN = 9
RESOURCE = Resource({"service.name": "shop", "host.name": "bench", "deployment.environment.name": "test"})
REQUEST: Values = {
    "http.request.method": "GET",
    "http.route": "/carts/{id}",
    "http.response.status_code": 200,
}
QUERY: Values = {
    "db.system.name": "sqlite",
    "db.query.text": "SELECT * FROM cart WHERE id = ?",
    "rows": 3,
    "cost": 0.25,
}


class Nothing(SpanExporter):
    """Exports nowhere."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        """Succeeds."""
        return SpanExportResult.SUCCESS


def main(folder: str, spans: int, rounds: int) -> None:
    """Measures and prints; the first round warms up."""
    store = Path(folder) / "traces.duckdb"
    ours, theirs = [], []
    for _ in range(rounds + 1):
        theirs.append(_measured(Nothing(), spans))
        ours.append(_measured(MplpTraceExporter(store), spans))
    names = ("thread", "process")
    said = {
        name: {"ours": [one[place] for one in ours[1:]], "theirs": [one[place] for one in theirs[1:]]}
        for place, name in enumerate(names)
    }
    print(json.dumps(said))


def _measured(exporter: SpanExporter, spans: int) -> tuple[float, float]:
    """Seconds a span: of the thread by the clock, and of the process in processor time."""
    exporter.export([])  # opens what is opened once
    processor = BatchSpanProcessor(exporter, max_queue_size=spans + 1)
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("bench", "1.0")
    began, busy = time.perf_counter(), time.process_time()
    for _ in range(spans // (CHILDREN + 1)):
        with tracer.start_as_current_span("GET /carts/{id}", kind=SpanKind.SERVER, attributes=REQUEST):
            for _ in range(CHILDREN):
                with tracer.start_as_current_span("SELECT cart", kind=SpanKind.CLIENT, attributes=QUERY):
                    pass
    thread = time.perf_counter() - began
    processor.force_flush()
    process = time.process_time() - busy
    provider.shutdown()
    return thread / spans, process / spans


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
