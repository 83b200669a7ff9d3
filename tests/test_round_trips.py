"""Stores go from format to format and stay what they are; `make soak` sends any store along any way."""

from __future__ import annotations

import pytest

from tests.helpers_round_trips import SPANS, Fill, Form, check_round_trips, loading
from tests.test_export import HARD


@pytest.mark.parametrize(
    ("fill", "forms"),
    [
        (
            loading(HARD),
            [
                Form("out", "csv", "gzip", "context_id"),
                Form("out", "parquet", "snappy", "day"),
                Form("out.otlp.jsonl", "otlp"),
            ],
        ),
        # JSON sorts by time, so that the events of a span come before it; in OTLP they lie inside it again.
        (SPANS, [Form("out.json", "json"), Form("out.otlp.jsonl", "otlp")]),
    ],
    ids=["hard types", "spans"],
)
def test_from_format_to_format(fill: Fill, forms: list[Form]) -> None:
    """What comes out at the end is what went in, but for what a format cannot carry."""
    check_round_trips([fill], forms)
