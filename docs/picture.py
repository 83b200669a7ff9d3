"""Draws docs/dashboard.svg: what `dashboard` shows of the incident day of the sample project.

The letters are the program's own; Rich draws the window. No font or anything else is fetched by the picture.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.dashboard_view import Room, dashboard_view
from mplp_trace_cli.domain.dashboard import DashboardData
from mplp_trace_cli.module import open_service

HERE = Path(__file__).resolve().parent
PICTURE = HERE / "dashboard.svg"
SAMPLE = HERE.parent / "sample_data" / "project.jsonl"
WIDTH = 116
DAY = {"start": "2026-03-04T00:00:00Z", "end": "2026-03-05T00:00:00Z"}


def main() -> None:
    """Writes the picture."""
    with tempfile.TemporaryDirectory() as folder:
        service = open_service(str(Path(folder, "traces.duckdb")))
        service.import_files(files=[str(SAMPLE)]).unwrap()
        data = service.get_dashboard_data(DAY).unwrap()
        service.close()
    PICTURE.write_text(picture(data), encoding="utf-8")


def picture(data: DashboardData) -> str:
    """The dashboard as a terminal of 116 columns shows it."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )
    view = dashboard_view(data, Room(WIDTH))
    for line in view.lines:
        console.print(formats.painted_line(line))
    if view.errors is not None:
        console.print(formats.folding_table(list(view.errors.columns), view.errors.rows))
    return console.export_svg(
        title="mplp-trace dashboard", unique_id="dashboard", code_format=_without_fonts()
    )


def _without_fonts() -> str:
    """Rich's own drawing but for the fonts that it would fetch."""
    before, face, rest = CONSOLE_SVG_FORMAT.partition("    @font-face")
    return before + rest[rest.index("    .{unique_id}-matrix") :] if face else before


if __name__ == "__main__":
    main()
