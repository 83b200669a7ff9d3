"""Charts of a dashboard: Vega-Lite through Altair, drawn by the bundle of scripts that goes into the page.

Nothing but numbers and our own words is in a specification, and colours are the page's variables, so that
they follow its light or dark scheme.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mplp_trace_cli.domain.extras import missing_extra
from mplp_trace_cli.report.cache import cached

HEIGHT = 170
MOST_DOTS = 48
MOST_TICKS = 5

_SPANS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"))
_DURATION = "".join(
    f"datum.value >= {size} ? format(datum.value / {size}, '~g') + '{unit}' : " for size, unit in _SPANS
)
_DURATION_STEPS = (
    *(part * size for size in (0.001, 0.01, 0.1, 1, 10, 100) for part in (1, 2, 5)),
    *(part * size for size in (1_000, 60_000) for part in (1, 2, 5, 10, 15, 30)),
    *(part * 3_600_000 for part in (1, 2, 3, 6, 12, 24)),
)
"""Between two ticks, in ms."""
_LABELS = {
    "ms": f"datum.value == 0 ? '0' : {_DURATION}format(datum.value, '~g') + 'ms'",
    "share": "format(datum.value, '.3~%')",
}
"""How the values on the axis of a unit are written, as Vega expressions."""
_TIMES = (
    "utchours(datum.value) || utcminutes(datum.value) ? utcFormat(datum.value, '%H:%M') "
    ": utcFormat(datum.value, '%-d %b')"
)


class Mark(NamedTuple):
    """A bucket on a chart: milliseconds since 1970, its value, and how people read both."""

    begin: float
    end: float
    value: float | None
    when: str
    text: str
    traces: str


class Chart(NamedTuple):
    """What a chart is of; it has bars where it counts, and a line where it measures."""

    title: str
    unit: str
    colour: str
    counts: bool


def specification(chart: Chart, marks: Sequence[Mark]) -> dict[str, Any]:
    """The Vega-Lite specification over the rows of `rows_of`, as wide as its place on the page."""
    alt = _altair()
    base = alt.Chart(alt.NamedData(name="rows")).encode(y=_y(alt, chart, marks))
    x = _x(alt, "begin")
    pointed = alt.selection_point(name="pointed", on="pointerover", clear="pointerout", empty=False)
    tooltip = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (("when", "UTC"), ("text", chart.title), ("traces", "Traces"))
    ]
    band = (
        alt.Chart(alt.NamedData(name="rows"))
        .mark_rect(fill="var(--ink)")
        .encode(x=x, x2="end:T", tooltip=tooltip)
        .encode(opacity=alt.condition(pointed, alt.value(0.1), alt.value(0)))
        .add_params(pointed)
    )
    drawn = _bars(base, chart, x) if chart.counts else _line(base, chart, _x(alt, "middle"))
    made = alt.layer(*drawn, band).properties(width="container", height=HEIGHT)
    return {**made.configure(**_CONFIG).to_dict(), "description": _description(chart, marks)}


def rows_of(marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """The rows that a specification draws."""
    values = [None, *(mark.value for mark in marks), None]
    return [
        {
            "begin": mark.begin,
            "middle": (mark.begin + mark.end) / 2,
            "right": mark.end - (mark.end - mark.begin) * 0.12,
            "end": mark.end,
            "value": mark.value,
            "dot": len(marks) <= MOST_DOTS or values[at] is values[at + 2] is None,
            "when": mark.when,
            "text": mark.text,
            "traces": mark.traces,
        }
        for at, mark in enumerate(marks)
    ]


def bundle() -> str:
    """The scripts of Vega, Vega-Lite and Vega-Embed as one, for the version that Altair writes."""
    version = ".".join(_altair().SCHEMA_VERSION.split(".")[:2])
    from importlib import metadata

    import vl_convert

    def made() -> str:
        return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=version)

    return cached(f"vega-lite-{version}-{metadata.version('vl-convert-python')}.js", made)


def _altair() -> Any:
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError:
        raise missing_extra("report", "a dashboard as HTML") from None
    return altair


def _x(alt: Any, field: str) -> Any:
    axis = alt.Axis(grid=False, labelExpr=_TIMES)
    return alt.X(f"{field}:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=axis)


def _y(alt: Any, chart: Chart, marks: Sequence[Mark]) -> Any:
    most = max((mark.value for mark in marks if mark.value is not None), default=0)
    scale = alt.Scale(zero=True) if most > 0 else alt.Scale(domain=[0, 1])
    axis: dict[str, Any] = {"tickCount": 4, "domain": False, "ticks": False}
    if chart.unit == "ms" and most > 0:
        axis["values"] = _duration_ticks(most)
    if chart.unit:
        axis["labelExpr"] = _LABELS.get(chart.unit, f"datum.label + '{chart.unit}'")
    else:
        axis |= {"format": ",d", "tickMinStep": 1}
    return alt.Y("value:Q", title=None, scale=scale, axis=alt.Axis(**axis))


def _duration_ticks(most: float) -> list[float]:
    """Ticks at whole milliseconds, seconds, minutes, hours or days, of which up to five reach `most`."""
    step = next((step for step in _DURATION_STEPS if most / step <= MOST_TICKS), 0.0)
    if not step:
        step = _DURATION_STEPS[-1] * math.ceil(most / MOST_TICKS / _DURATION_STEPS[-1])
    return [step * number for number in range(int(most / step) + 1)]


def _bars(base: Any, chart: Chart, x: Any) -> list[Any]:
    return [base.mark_bar(color=chart.colour).encode(x=x, x2="right:T")]


def _line(base: Any, chart: Chart, x: Any) -> list[Any]:
    placed = base.encode(x=x)
    kept = {"color": chart.colour, "invalid": "break-paths-show-path-domains"}
    return [
        placed.mark_area(opacity=0.12, **kept),
        placed.mark_line(strokeWidth=1.75, **kept),
        placed.mark_circle(size=22, opacity=1, color=chart.colour).transform_filter("datum.dot"),
    ]


def _description(chart: Chart, marks: Sequence[Mark]) -> str:
    known = [mark for mark in marks if mark.value is not None]
    if not known:
        return f"{chart.title}: no values"
    most = max(known, key=lambda mark: mark.value or 0)
    return (
        f"{chart.title} over {len(marks):,} buckets: highest {most.text} at {most.when} UTC, "
        f"last {known[-1].text}"
    )


_CONFIG: Mapping[str, Any] = {
    "background": "transparent",
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    "padding": {"left": 0, "top": 6, "right": 6, "bottom": 0},
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "labelFontSize": 11.5,
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
    },
}
