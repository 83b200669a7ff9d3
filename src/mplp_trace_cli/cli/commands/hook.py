"""`hook`: shell functions that record without starting a process for each event."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.settings import for_this_store
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.process.hook_text import SHELLS, hook_text


def hook_command(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="bash|zsh",
            help="The shell that evaluates it.",
            show_default=False,
            autocompletion=lambda incomplete: [name for name in SHELLS if name.startswith(incomplete)],
        ),
    ],
) -> None:
    """Print the shell functions mplp_step, mplp_record and mplp_flush."""
    if shell not in SHELLS:
        raise InvalidInput(f"hook: {unknown_word(SHELLS, shell)}", hint='eval "$(mplp-trace hook bash)"')
    output.answer(hook_text(shell, for_this_store("mplp-trace ").rstrip()).rstrip())


hook_command.example = 'eval "$(mplp-trace hook bash)"'  # type: ignore[attr-defined]
