"""Any bytes as the condition of an alert: written and read again it is the same, or a fault has a column."""

from __future__ import annotations

from mplp_trace_cli.analysis.alert_language import parse_condition
from mplp_trace_cli.domain.alerts.conditions import comparisons, holds
from mplp_trace_cli.domain.alerts.figures import FIGURES, METRIC_FUNCTIONS, UNITS
from mplp_trace_cli.domain.errors import InvalidInput
from tests.fuzz_targets import FuzzTarget


def check(data: bytes) -> None:
    """The text is as it comes from a command line, where bytes that are not UTF-8 are surrogates."""
    text = data.decode(errors="surrogateescape")
    try:
        condition = parse_condition(text)
    except InvalidInput as fault:
        assert fault.message.isprintable(), fault.message
        column, caret = fault.details["column"], fault.details["caret"]
        assert 1 <= column <= len(text) + 1
        assert caret.endswith("\n" + " " * (column - 1) + "^")
        assert caret.count("\n") == 1
        return
    assert parse_condition(str(condition)) == condition
    assert not holds(condition, lambda _: None)
    assert all(str(one) in str(condition) for one in comparisons(condition))


SEEDS = [
    b"error_rate > 5% and (p95_response_time >= 2s or event_count(type='crash') > 0)",
    b"avg(queue_depth, queue='mail') > 100 or metric('http.latency') > 250ms",
    b"((a>1 Or b > -2.5e3)) AND throughput < 30 / MIN",
    b"""max("a-b", 'x.y'="it's", port=80) != .5e1""",
    rb"metric('it\'s') == 1 or 'a\\' > 1",
    b"error_count(source='b', min_level=warn, type='a.*') > 1",
    b"(" * 50 + b"x > 1" + b")" * 50,
    b"x>1 or " * 99 + b"x>1",
    b"not not not x > 1",
    "größe > 1 or ١ > ٢ or x > 1\u2028".encode(),
]
WORDS = [
    *FIGURES,
    *METRIC_FUNCTIONS,
    *(unit for unit in UNITS if unit),
    " and ",
    " or ",
    ">=",
    "!=",
    "==",
    "(",
]
WORDS += [
    ")",
    ",",
    "='",
    "'",
    '"',
    "\\",
    "type",
    "level",
    "min_level",
    "source",
    "1e308",
    " > 1",
    "x > 1 and ",
]
TARGET = FuzzTarget(check, SEEDS, [word.encode() for word in WORDS])
