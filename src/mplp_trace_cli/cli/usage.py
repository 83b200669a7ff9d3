"""Usage errors, which Typer meets, in the voice of all others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from typer.exceptions import TyperException

from mplp_trace_cli.domain.enums import nearest, nearest_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.visible import visible

HELP_OPTIONS = ("-h", "--help")


def unknown_command(name: str, commands: list[str]) -> str:
    """What is said of a command that there is not, with the nearest."""
    return f"there is no command {name!r}{nearest_word(commands, name)}"


def too_many(arguments: list[str]) -> str:
    """What is said of arguments that no command expects."""
    return f"too many arguments: {' '.join(map(visible, arguments))}"


def usage_message(error: TyperException) -> str:
    """One line for a usage error, told by what the error knows and not by its text."""
    option, param = getattr(error, "option_name", None), getattr(error, "param", None)
    if option is not None:
        return _about_option(option, error)
    if param is None:
        return error.format_message().rstrip(".")
    if hasattr(error, "param_type"):
        return f"{_name(param)} is missing"
    return f"{_name(param)}: {_allowed(param.type) or error.message}"


def by_option(error: InvalidInput, context: Any) -> str:
    """The message of a fault with each field called as the option is that gave it: `sort:` is `--sort:`.

    Rooms that the library shares say `group_by`, as its requests do.
    """
    given = {
        name
        for param in context.command.get_params(context)
        if context.params.get(param.name) not in _NOT_GIVEN
        for name in param.opts
    }
    problems = error.details.get("problems") or [error.message]
    return "; ".join(_as_option(problem, given) for problem in problems)


_NOT_GIVEN: tuple[object, ...] = (None, False, (), [])


def _as_option(problem: str, given: Collection[str]) -> str:
    field, colon, fault = problem.partition(": ")
    option = "--" + field.replace("_", "-").replace(" ", "-")
    return f"{option}: {fault}" if colon and option in given else problem


def _about_option(option: str, error: TyperException) -> str:
    params = _params(error)
    if hasattr(error, "possibilities"):
        names = {name.lstrip("-"): name for one in params for name in (*one.opts, *one.secondary_opts)}
        meant = nearest([name for name in names if len(name) > 1], option.lstrip("-"))
        return f"there is no option {option}" + (f" (did you mean {names[meant]}?)" if meant else "")
    is_flag = any(getattr(one, "is_flag", False) for one in params if option in one.opts)
    return f"{option}: takes no value" if is_flag else f"{option}: needs a value"


def _params(error: TyperException) -> list[Any]:
    context = getattr(error, "ctx", None)
    return [] if context is None else context.command.get_params(context)


def _name(param: Any) -> str:
    """`NAME`, `--limit`, `-o/--output`."""
    is_argument = param.param_type_name == "argument"
    return str(param.metavar or param.name) if is_argument else "/".join(param.opts)


def _allowed(kind: Any) -> str | None:
    """What a number has to be; None where it is no number."""
    if not kind.name.startswith("int"):
        return None
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    lower = "" if least is None else f", at least {least:,}"
    return f"must be a whole number{lower}" + ("" if most is None else f", at most {most:,}")
