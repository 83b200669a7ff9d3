"""What every page is: one HTML file whose styles, scripts and data are in it, and which may load nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.domain.visible import visible

_IN_SCRIPT = {code: f"\\u{code:04x}" for code in (*map(ord, "<>&"), 0x2028, 0x2029)}
"""What could end a script element, begin a comment, or end a line of a script."""


@dataclass(frozen=True)
class Page:
    """The parts of a page; `body` is HTML, everything in it escaped."""

    title: str
    body: str
    styles: Sequence[str]
    """Names of files in `assets/`."""
    scripts: Sequence[str]
    """The text of each script, run in order."""
    data: Any = None
    """What the scripts find as JSON in the element `data`."""
    notes: Sequence[str] = field(default_factory=tuple)
    """What the last line of the page says."""

    def html(self) -> str:
        """The whole file."""
        style = "\n".join(map(asset, self.styles))
        scripts = [script.replace("</script", "<\\/script") for script in self.scripts]
        policy = _policy(style, scripts)
        return "".join(
            (
                '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
                f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n',
                '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
                '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n',
                f"<title>{text(self.title)}</title>\n<style>{style}</style>\n</head>\n<body>\n",
                f"{self.body}\n<footer>{' · '.join(map(text, self.notes))}</footer>\n",
                f'<script type="application/json" id="data">{script_json(self.data)}</script>\n',
                *(f"<script>{script}</script>\n" for script in scripts),
                "</body>\n</html>\n",
            )
        )


def text(value: object) -> str:
    """Text from outside as HTML that shows it: no markup, and no character that hides or turns it."""
    return html.escape(visible(str(value)))


def moment(instant: int) -> str:
    """`2026-03-02 09:00:00.000000 UTC`."""
    return format_instant(instant).replace("T", " ").replace("Z", " UTC")


def script_json(value: Any) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_IN_SCRIPT)


def asset(name: str) -> str:
    """The text of a file of `assets/`."""
    return files("mplp_trace_cli.report").joinpath("assets", name).read_text(encoding="utf-8")


def own_script(*names: str) -> str:
    """One script of some files of `assets/`, which see each other's names and nobody else does."""
    return "(() => {\n'use strict';\n" + "\n".join(map(asset, names)) + "})();"


def rows_of(cells: Iterable[Sequence[str]], numbers: int) -> str:
    """Rows of a table from HTML: the first cell is a heading, the last `numbers` ones are aligned right."""
    return "".join(f"<tr>{_cells(row, numbers)}</tr>" for row in cells)


def _cells(row: Sequence[str], numbers: int) -> str:
    first, *others = row
    texts, figures = others[: len(others) - numbers], others[len(others) - numbers :]
    return "".join(
        (
            f'<th scope="row">{first}</th>',
            *(f"<td>{cell}</td>" for cell in texts),
            *(f'<td class="number">{cell}</td>' for cell in figures),
        )
    )


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Nothing is loaded, and nothing runs but what was written into the page."""
    may_run = " ".join(map(_hash, scripts)) or "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {may_run}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
