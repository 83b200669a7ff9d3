"""The commands and where each lives; a command is imported when it is run, not before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, partial
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from mplp_trace_cli.cli.output import StdoutClosed, answer
from mplp_trace_cli.cli.settings import set_option
from mplp_trace_cli.cli.usage import HELP_OPTIONS, by_option, too_many, unknown_command
from mplp_trace_cli.domain.errors import InvalidInput

PROGRAM = "mplp-trace"
_ROOM = "mplp_trace_cli.cli.commands"

RECORDING, ASKING, WATCHING = "Recording", "Asking", "Watching"
MOVING, KEEPING = "Moving data", "Keeping"
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
    "diff": ("diff", ASKING),
    "sql": ("sql", ASKING),
    "schema": ("sql", ASKING),
    "dashboard": ("dashboard", WATCHING),
    "metrics": ("metrics", WATCHING),
    "alerts": ("alerts", WATCHING),
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


class CommandGroup(NamedTuple):
    """A command that has commands of its own: what it is for, and in which module of `commands` each is."""

    about: str
    homes: Mapping[str, str]
    example: str


class Command(TyperCommand):
    """A command whose usage errors know whose they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments; raises TyperException, and InvalidInput for those that are too many."""
        ctx.allow_extra_args = True  # so that it is said here
        try:
            left = super().parse_args(ctx, args)
        except TyperException as error:
            error.ctx = ctx  # type: ignore[attr-defined]  # Typer leaves it away where a value is missing
            raise
        if left and not ctx.resilient_parsing:
            raise InvalidInput(too_many(left), hint=f"{ctx.command_path} --help")
        return left

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; what is wrong with a value is told by the name of its option."""
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            error.message = by_option(error, ctx)
            raise


class LazyGroup(TyperGroup):
    """A command with commands of its own, each made when it is first looked at."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """The names, which make no command: a shell completes those that begin as the word does."""
        return [*self.commands.keys()]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant; raises InvalidInput for one that there is not."""
        name = args[0]
        if name not in self.commands.keys() and not name.startswith("-") and not ctx.resilient_parsing:  # noqa: SIM118
            raise InvalidInput(unknown_command(name, [*self.commands]), hint=f"{ctx.command_path} --help")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the arguments before the command; raises TyperException that knows whose it is."""
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; a closed pipe is told apart from every other fault of a file."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise StdoutClosed from None


class _Root(LazyGroup):
    """The root command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": None})
        self.commands = LazyCommands(COMMANDS, _command)


def _command(name: str) -> Any:
    module, panel = COMMANDS[name]
    found = getattr(import_module(f"{_ROOM}.{module}"), f"{name}_command")
    command = _group(name, found) if isinstance(found, CommandGroup) else _made(name, found)
    command.rich_help_panel = panel
    return command


def _group(name: str, group: CommandGroup) -> Any:
    made = LazyGroup(
        name=name,
        help=group.about,
        epilog=_epilog(group),
        no_args_is_help=True,
        context_settings=dict(_CONTEXT),
        params=[],
    )
    made.params.extend(_global_params())
    made.commands = LazyCommands(group.homes, partial(_inner, group))
    return made


def _inner(group: CommandGroup, name: str) -> Any:
    return _made(name, getattr(import_module(f"{_ROOM}.{group.homes[name]}"), f"{name}_command"))


def _made(name: str, function: Any) -> Any:
    """The command of a function, its `example` at the end of its help, with the global options."""
    single = typer.Typer(add_completion=False)
    single.command(
        name,
        cls=getattr(function, "cls", Command),
        epilog=_epilog(function),
        context_settings={**_CONTEXT, **getattr(function, "settings", {})},
    )(function)
    command: Any = typer.main.get_command(single)
    taken = {option for param in command.params for option in param.opts}
    command.params.extend(param for param in _global_params() if not taken.intersection(param.opts))
    return command


def _epilog(described: Any) -> str:
    return f"Example: {described.example}"


_CONTEXT = {"help_option_names": HELP_OPTIONS}


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


_root.example = "mplp-trace COMMAND --help"  # type: ignore[attr-defined]


def app() -> Any:
    """The root command, with no other one loaded yet."""
    root = typer.Typer(cls=_Root, no_args_is_help=True, context_settings=dict(_CONTEXT))
    root.callback(epilog=_epilog(_root))(_root)
    command = typer.main.get_command(root)
    command.params.extend(_global_params())
    return command
