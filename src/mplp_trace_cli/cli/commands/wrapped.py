"""Commands that run another one, which stands after `--`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.app import Command
from mplp_trace_cli.cli.settings import OWN_FAILURE, USER_UMASK
from mplp_trace_cli.cli.usage import HELP_OPTIONS
from mplp_trace_cli.domain.errors import InvalidInput, TraceError
from mplp_trace_cli.process.wrapping import Begun, Wrapping, wrap

MARK = "--"
CommandLine = Annotated[
    list[str], typer.Argument(metavar="-- COMMAND...", help="What is run.", show_default=False)
]
RequireRecording = Annotated[
    bool, typer.Option("--require-recording", help="Do not run what cannot be recorded.")
]
BestEffort = Annotated[
    bool, typer.Option("--best-effort", help="As always here: run what cannot be recorded, with a warning.")
]


class WrappingCommand(Command):
    """A command whose own arguments end at the first `--`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments; raises InvalidInput when the command does not stand where it should."""
        if not {*HELP_OPTIONS}.isdisjoint(args[: _place(args)]):
            return super().parse_args(ctx, ["--help"])
        command = args[_place(args) + 1 :]
        if not command:
            raise InvalidInput("the command to run stands after --", hint=self._remedy)
        try:
            rest = super().parse_args(ctx, [*args])
        except TyperException as error:
            if getattr(error, "param", None) is self.params[1]:  # its first word was taken for the name
                raise self._misplaced() from None
            raise
        if list(ctx.params["command"]) != command:
            raise self._misplaced()
        return rest

    def _misplaced(self) -> InvalidInput:
        name = self.params[0].human_readable_name
        return InvalidInput(f"before -- stand {name} and options, and nothing else", hint=self._remedy)

    @property
    def _remedy(self) -> str:
        return f"mplp-trace {self.name} --help"


def _place(args: list[str]) -> int:
    return args.index(MARK) if MARK in args else len(args)


def run_wrapped(begin: Callable[[], Begun], command: Sequence[str], require_recording: bool) -> int:
    """Runs a command with its recording around it and gives its exit code, or 125."""
    try:
        ended = wrap(begin, Wrapping(command, USER_UMASK, output.warning, require_recording))
    except TraceError as error:
        output.error(error.message, error.hint)
        return OWN_FAILURE
    if ended.fault is not None:
        output.error(ended.fault)
    return ended.code
