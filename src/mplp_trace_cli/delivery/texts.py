"""What people read of a notice; everything from outside is written so that nothing obeys it."""

from __future__ import annotations

import json
import math
from typing import Any

from mplp_trace_cli.domain.alerts.alert import AlertFigure, AlertNotice, group_texts
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.visible import visible
from mplp_trace_cli.domain.words import humane_duration, humane_rate, humane_share

_LONGEST_TITLE = 200
_LONGEST_TEXT = 1_000


def title(notice: AlertNotice) -> str:
    """One line: `[HIGH] firing: high error rate (context_id=ctx-checkout)`."""
    group = ", ".join(group_texts(notice.group))
    test = "test, " if notice.is_test else ""
    said = f"[{notice.severity.upper()}] {test}{notice.state}: {notice.rule}"
    return _short(f"{said} ({group})" if group else said, _LONGEST_TITLE)


def body(notice: AlertNotice) -> str:
    """A line for each thing there is to know, figures as people read them."""
    lines = [
        ("condition", notice.condition),
        *((figure.name, humane_figure(figure)) for figure in notice.figures),
        ("window", humane_duration(notice.window_us / 1_000)),
        ("since", _moment(notice.since)),
        (notice.state, _moment(notice.at)),
    ]
    text = "\n".join(f"{_short(name)}: {_short(value)}" for name, value in lines)
    return f"This is a test; nothing has happened.\n\n{text}" if notice.is_test else text


def humane_figure(figure: AlertFigure) -> str:
    """`12.5%`, `2.35s`, `3.2/min`, `1,204`, or that nothing was measured."""
    value = figure.value
    if value is None or not math.isfinite(value):
        return "nothing was measured" if value is None else str(value)
    if figure.unit == "share":
        return humane_share(value)
    if figure.unit == "ms":
        return humane_duration(value)
    if figure.unit == "/s":
        return humane_rate(value)
    return f"{value:,.6g} {figure.unit}".rstrip()


def document_json(notice: AlertNotice) -> bytes:
    """The notice as JSON, in ASCII; a figure that JSON has no number for is null."""
    document: dict[str, Any] = notice.document()
    values = document["values"]
    document["values"] = {
        name: value if value is not None and math.isfinite(value) else None for name, value in values.items()
    }
    return json.dumps(document, allow_nan=False).encode("ascii")


def slack_json(notice: AlertNotice) -> bytes:
    """The payload of an incoming webhook of Slack.

    `&`, `<` and `>` are escaped, as Slack asks for, so that there are no links and nobody is called by
    `<!channel>`; `mrkdwn` and `link_names` keep it from reading `*`, `_` and `@name` as anything.
    """
    text = f"{title(notice)}\n{body(notice)}"
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, entity)
    payload = {"text": text, "mrkdwn": False, "parse": "none", "link_names": False}
    return json.dumps({**payload, "unfurl_links": False, "unfurl_media": False}).encode("ascii")


def _moment(instant: int) -> str:
    return f"{format_instant(instant)[:19].replace('T', ' ')} UTC"


def _short(text: str, longest: int = _LONGEST_TEXT) -> str:
    shown = visible(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
