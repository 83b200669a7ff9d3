"""The commands and where each lives; a command is imported when it is run, not before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mplp_trace_cli.cli.output import StdoutClosed, answer
from mplp_trace_cli.cli.settings import set_option

PROGRAM = "mplp-trace"
_ROOM = "mplp_trace_cli.cli.commands"

RECORDING, ASKING, MOVING, KEEPING = "Recording", "Asking", "Moving data", "Keeping"
COMMANDS = {
    "create": ("create", RECORDING),
    "record": ("record", RECORDING),
    "complete": ("ending", RECORDING),
    "fail": ("ending", RECORDING),
    "cancel": ("ending", RECORDING),
    "run": ("run", RECORDING),
    "step": ("run", RECORDING),
    "hook": ("hook", RECORDING),
    "show": ("show", ASKING),
    "query": ("query", ASKING),
    "events": ("query", ASKING),
    "tail": ("tail", ASKING),
    "dashboard": ("dashboard", ASKING),
    "diff": ("diff", ASKING),
    "metrics": ("metrics", ASKING),
    "alerts": ("alerts", ASKING),
    "sql": ("sql", ASKING),
    "schema": ("sql", ASKING),
    "import": ("importing", MOVING),
    "export": ("exporting", MOVING),
    "rejects": ("rejects", MOVING),
    "init": ("keeping", KEEPING),
    "info": ("keeping", KEEPING),
    "flush": ("keeping", KEEPING),
    "expire": ("expire", KEEPING),
    "purge": ("purge", KEEPING),
    "compact": ("compact", KEEPING),
    "doctor": ("doctor", KEEPING),
}
"""Each command, the module of `commands` that has it, and its group on the help page."""


class LazyCommands(dict[str, Any]):
    """Commands by name, each made when it is first looked at."""

    def __init__(self, names: Collection[str], make: Callable[[str], Any]) -> None:
        super().__init__()
        self._names = names
        self._make = make

    def __missing__(self, name: str) -> Any:
        self[name] = self._make(name)
        return self[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._names else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def keys(self) -> Any:
        return self._names

    def items(self) -> Any:
        return [(name, self[name]) for name in self._names]


class LazyGroup(TyperGroup):
    """The root command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": None})
        self.commands = LazyCommands(COMMANDS, _command)

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; a closed pipe is told apart from every other fault of a file."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise StdoutClosed from None


def _command(name: str) -> Any:
    module, panel = COMMANDS[name]
    found = getattr(import_module(f"{_ROOM}.{module}"), f"{name}_command")
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_command(found)
        _add_global_options(command)
    else:
        command = made_command(name, found)
    command.name = name
    command.rich_help_panel = panel
    return command


def made_command(name: str, function: Any) -> Any:
    """The command of a function, its `example` at the end of its help, with the global options."""
    single = typer.Typer(add_completion=False)
    example = getattr(function, "example", None)
    settings = getattr(function, "settings", None)
    single.command(
        name,
        cls=getattr(function, "cls", None),
        epilog=f"Example: {example}" if example else None,
        context_settings=settings,
    )(function)
    command = typer.main.get_command(single)
    _add_global_options(command)
    return command


def _add_global_options(command: Any) -> None:
    """Global options are understood after the command too."""
    inner = list(getattr(command, "commands", {}).values())
    for one in [command, *inner]:
        taken = {option for param in one.params for option in param.opts}
        one.params.extend(param for param in _global_params() if not taken.intersection(param.opts))


@cache
def _global_params() -> list[Any]:
    holder = typer.Typer(add_completion=False)
    holder.command()(_global_options)
    params = typer.main.get_command(holder).params
    for param in params:
        param.expose_value = False
        param.callback = _note_option
    return list(params)


def _note_option(_ctx: Any, param: Any, value: Any) -> Any:
    set_option(param.name, value)
    return value


def _global_options(
    db: Annotated[
        str | None,
        typer.Option(
            "--db", metavar="PATH", help="The store; $MPLP_TRACE_DB.", rich_help_panel="Global options"
        ),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The config file; $MPLP_TRACE_CONFIG.",
            rich_help_panel="Global options",
        ),
    ] = None,
    color: Annotated[
        str | None,
        typer.Option(
            "--color", metavar="auto|always|never", help="When to colour.", rich_help_panel="Global options"
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="Only errors and warnings on stderr.", rich_help_panel="Global options"),
    ] = False,
) -> None:
    """Holds the options that every command has."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from mplp_trace_cli import __version__

        answer(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Record what workflows and agents do into one local store, and ask it with SQL."""


def app() -> Any:
    """The root command, with no other one loaded yet."""
    root = typer.Typer(cls=LazyGroup, no_args_is_help=True)
    root.callback()(_root)
    command = typer.main.get_command(root)
    command.params.extend(_global_params())
    return command
