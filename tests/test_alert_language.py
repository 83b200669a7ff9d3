"""The language of alert conditions: what it says, how it is written, and where a fault is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mplp_trace_cli.analysis.alert_language import MOST_CHARACTERS, MOST_NESTED, parse_condition
from mplp_trace_cli.domain.alerts.conditions import (
    SIGNS,
    AlertCondition,
    AllOf,
    AnyOf,
    Comparison,
    Figure,
    comparisons,
    holds,
)
from mplp_trace_cli.domain.alerts.figures import (
    FIGURES,
    METRIC_FUNCTIONS,
    UNITS,
    Dimension,
    Subject,
    units_of,
)
from mplp_trace_cli.domain.errors import InvalidInput
from tests.conftest import examples

# -- what is said ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "threshold", "dimension"),
    [
        ("error_rate > 5%", 0.05, Dimension.SHARE),
        ("error_rate > 0.05", 0.05, Dimension.SHARE),
        ("success_rate < 99.5 %", 0.995, Dimension.SHARE),
        ("avg_response_time > 5000ms", 5_000, Dimension.TIME),
        ("response_time_avg > 5000", 5_000, Dimension.TIME),
        ("p95_response_time >= 2s", 2_000, Dimension.TIME),
        ("max_response_time >= 1.5 min", 90_000, Dimension.TIME),
        ("throughput < 1/s", 1, Dimension.RATE),
        ("throughput < 1", 1, Dimension.RATE),
        ("throughput < 30/min", 0.5, Dimension.RATE),
        ("throughput < 30 / MIN", 0.5, Dimension.RATE),
        ("events_per_second > 7200/h", 2, Dimension.RATE),
        ("active_traces > 100", 100, Dimension.NUMBER),
        ("event_count(type='x') >= 3", 3, Dimension.NUMBER),
        ("queue_depth > -2.5e3", -2_500, Dimension.NUMBER),
        ("cpu_usage > 90%", 0.9, Dimension.SHARE),
        ("metric('http.latency') > 2s", 2_000, Dimension.TIME),
    ],
)
def test_numbers_in_units(text: str, threshold: float, dimension: Dimension) -> None:
    """A number with its unit comes to the unit of what is measured; a bare one is in it already."""
    found = parse_condition(text)
    assert isinstance(found, Comparison)
    assert (found.threshold, found.dimension) == (threshold, dimension)


def test_and_binds_closer_than_or() -> None:
    """`A or B and C` is `A or (B and C)`, whatever the case of the words."""
    a, b, c = (Comparison(Figure(name, "metric"), ">", 1.0) for name in "abc")
    assert parse_condition("a > 1 or b > 1 AND c > 1") == AnyOf((a, AllOf((b, c))))
    assert parse_condition("(a > 1 Or b > 1) and c > 1") == AllOf((AnyOf((a, b)), c))
    assert parse_condition("((a>1))") == a


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("queue_depth > 1", Figure("queue_depth", "metric")),
        ("queue_depth(queue='mail') > 1", Figure("queue_depth", "metric", (("queue", "mail"),))),
        ("avg(queue_depth, queue=mail) > 1", Figure("queue_depth", "avg", (("queue", "mail"),))),
        ("""max("a-b", 'x.y'="it's") > 1""", Figure("a-b", "max", (("x.y", "it's"),))),
        (r"metric('it\'s') > 1", Figure("it's", "metric")),
        ("metric('error_rate') > 1", Figure("error_rate", "metric")),
        ("last(size, port=80) > 1", Figure("size", "last", (("port", "80"),))),
        ("orders > 1", Figure("orders", "metric")),
        (
            "error_count(source='b', type='a.*', source='a') > 1",
            Figure("error_count", "", (("source", "a"), ("source", "b"), ("type", "a.*"))),
        ),
        (
            "error_rate(type='api_request', tag=x) > 1%",
            Figure("error_rate", "", (("tag", "x"), ("type", "api_request"))),
        ),
    ],
)  # fmt: skip
def test_figures_and_metrics(text: str, figure: Figure) -> None:
    """A name is a figure of the catalogue or else a metric; filters and labels stand in parentheses."""
    found = parse_condition(text)
    assert isinstance(found, Comparison)
    assert found.figure == figure


def test_nothing_measured_holds_nothing() -> None:
    """A comparison with no value is false, `!=` too."""
    for sign in SIGNS:
        assert not parse_condition(f"x {sign} 1").holds(None)  # type: ignore[union-attr]
    condition = parse_condition("x > 1 or y > 1 and z < 3")
    values: dict[str, float | None] = {"x": None, "y": 2.0, "z": 2.0}
    assert holds(condition, lambda one: values[one.figure.name])
    values["z"] = None
    assert not holds(condition, lambda one: values[one.figure.name])


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "said", "hint"),
    [
        ("", 1, "expected a name or '(', found the end", None),
        ("error_rate", 11, "expected a comparison", None),
        ("error_rate >", 13, "expected a number, found the end", None),
        ("error_rate > and x > 1", 14, "expected a number, found 'and'", None),
        ("error_rate = 5%", 12, "found '='", "equal is written =="),
        ("error_rate > 5ms", 15, "unit 'ms' does not fit: error_rate is in %", None),
        ("active_traces > 5 /s", 19, "active_traces is a count, without a unit", None),
        ("count(x) > 5 s", 14, "x is a count, without a unit", None),
        ("throughput > 5 parsec", 16, "unit: 'parsec' is not one of", None),
        ("error_rate > 5", 14, "a share is from 0 to 1", "5%"),
        ("error_rate > 101%", 14, "a share is from 0 to 1", None),
        ("x > 1e999", 5, "a number beyond", None),
        ("eror_rate > 5%", 1, "did you mean error_rate?", "metric('eror_rate') is a metric of that name"),
        ("response_time > 5s", 1, "did you mean response_time_avg?", "metric('response_time') is"),
        ("event_count(typ='x') > 1", 13, "'typ' is not one of type, level", None),
        ("event_count('x') > 1", 13, "'x' is not one of type, level", None),
        ("event_count(level='bad') > 1", 13, "level: 'bad' is not one of debug", None),
        ("event_count(min_level=info, min_level=warn) > 1", 1, "min_level: at most one", None),
        ("error_rate(type='x') > 1%", 12, "type: 'x' is not one of workflow_execution", None),
        ("avg() > 1", 1, "avg(…) needs the name of a metric first", None),
        ("avg(x=1) > 1", 1, "avg(…) needs the name of a metric first", None),
        ("avg(error_rate) > 1", 5, "error_rate is a figure", "avg('error_rate') is a metric of that name"),
        ("x(y) > 1", 3, "expected KEY='VALUE', found 'y'", None),
        ("(x > 1", 7, "expected ')', found the end", None),
        ("x > 1)", 6, "found ')'", None),
        ("x > 1 & y > 1", 7, "'&' has no meaning here", None),
        ("x('a > 1", 3, "a quoted text without an end", None),
        ("\ud800 > 1", 1, "not UTF-8", None),
        ("x > 1 or " * 500 + "x > 1", MOST_CHARACTERS + 1, "longer than 4,096 characters", None),
        ("(" * 51 + "x > 1" + ")" * 51, MOST_NESTED + 1, "more than 50 parentheses deep", None),
        ("x>1 or " * 101 + "x>1", 1, "more than 100 comparisons", None),
    ],
)
def test_faults_have_a_column(text: str, column: int, said: str, hint: str | None) -> None:
    """What is wrong is one line with its column, and a mark under it."""
    with pytest.raises(InvalidInput) as caught:
        parse_condition(text)
    fault = caught.value
    assert fault.message.startswith(f"condition, column {column}: ")
    assert said in fault.message
    assert (fault.hint or "").startswith(hint or "")
    assert bool(fault.hint) == bool(hint)
    assert fault.details["column"] == column
    assert fault.details["caret"].endswith("\n" + " " * (column - 1) + "^")


_WITHOUT = """
import sys
sys.modules["lark"] = None
from mplp_trace_cli.analysis.alert_language import parse_condition
from mplp_trace_cli.domain.errors import MissingExtra
try:
    parse_condition("error_rate > 5%")
except MissingExtra as error:
    print(error.message, "|", error.hint)
"""


def test_without_lark() -> None:
    """Where the packages are missing, the command that installs them is told."""
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "reading alert conditions needs packages that are not installed | pip install 'mplp-trace[alerts]'\n"
    )


# -- whatever text comes ---------------------------------------------------------------------------


def parsed(text: str) -> AlertCondition | None:
    """The condition; None where the text is refused as it should be."""
    try:
        return parse_condition(text)
    except InvalidInput as fault:
        assert "\n" not in fault.message
        assert 1 <= fault.details["column"] <= len(text) + 1
        return None


TOKENS = [
    *("error_rate", "p95_response_time", "event_count", "x", "avg", "metric", "type", "level", "and", "or"),
    *(">", ">=", "==", "=", "!", "5", "-1.5e3", "0.5", "%", "ms", "s", "/", "/min", "(", ")", ","),
    *("'a'", '"b.c"', "'", "\\", " ", "\n", "é", "١", "error_rate > 5%", "(x > 1)", "event_count(type='x')"),
]


@settings(max_examples=examples(100), deadline=None)
@given(st.text() | st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
@example("x > 1\x00")
@example("'\n'")
@example("count('\n') > 1 s")
@example("(" * MOST_CHARACTERS)
@example("x" * MOST_CHARACTERS + " > 1")
@example("x > " + "9" * 4_000)
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    """Every text ends in a fault, or in a condition that is itself when it is written and read again."""
    condition = parsed(text)
    if condition is not None:
        assert parse_condition(str(condition)) == condition


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PAIRS = st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda found: tuple(sorted(found.items())))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def made_figures(draw: st.DrawFn) -> Figure:
    """A figure with filters, or a metric with labels."""
    if draw(st.booleans()):
        name = draw(TEXTS.filter(bool) | st.sampled_from(["x", "and", "error_rate", "eror_rate", "avg"]))
        return Figure(name, draw(st.sampled_from(METRIC_FUNCTIONS)), draw(PAIRS))
    name = draw(st.sampled_from(list(FIGURES)))
    is_event = FIGURES[name].subject is Subject.EVENTS
    keys = ["source", "type", "name"] if is_event else ["context", "name", "tag"]
    filters = draw(st.lists(st.tuples(st.sampled_from(keys), TEXTS), max_size=3, unique=True))
    return Figure(name, "", tuple(sorted(filters)))


@st.composite
def made_comparisons(draw: st.DrawFn) -> Comparison:
    """A comparison whose unit fits its figure."""
    figure = draw(made_figures())
    sign = draw(st.sampled_from(list(SIGNS)))
    if figure.function:
        units = [""] if figure.function == "count" else ["", *UNITS]
        return Comparison(figure, sign, draw(NUMBERS), draw(st.sampled_from(units)))
    dimension = FIGURES[figure.name].dimension
    unit = draw(st.sampled_from(["", *units_of(dimension)]))
    shares = st.floats(0, 100 if unit else 1)
    return Comparison(figure, sign, draw(shares if dimension is Dimension.SHARE else NUMBERS), unit)


CONDITIONS = st.recursive(
    made_comparisons(),
    lambda inner: st.lists(inner, min_size=2, max_size=3).map(tuple).flatmap(
        lambda parts: st.sampled_from([AllOf(parts), AnyOf(parts)])
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=examples(100), deadline=None)
@given(CONDITIONS)
def test_written_and_read_again(condition: AlertCondition) -> None:
    """A condition that is written out reads as the same condition, whatever names and texts it has."""
    assert parse_condition(str(condition)) == condition
    assert all(str(one) in str(condition) for one in comparisons(condition))
