"""HTML pages into a file, whole or not at all, or to standard output."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.settings import USER_UMASK
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.words import humane_bytes

if TYPE_CHECKING:
    from mplp_trace_cli.storage.paths import StorePaths

Html = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="Write it as one HTML page instead; - is stdout."),
]


def write_page(path: str, make: Callable[[], str], store: StorePaths) -> None:
    """Makes the page once its place is known to be allowed, writes it and says so.

    Raises StorageFailed, and InvalidInput for what belongs to the store.
    """
    from mplp_trace_cli.interchange.exporting.targets import STDOUT, text_stream, whole_file

    if not path:
        raise InvalidInput("--html: names no file", hint="--html page.html")
    whole = nullcontext(path) if path == STDOUT else whole_file(path, USER_UMASK, store)
    with whole as draft:
        content = make().encode()
        with text_stream(draft, "none") as stream:
            stream.write(content)
    if path != STDOUT:
        output.note(f"wrote {path} ({humane_bytes(len(content))})")
