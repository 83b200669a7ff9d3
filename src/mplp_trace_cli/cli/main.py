"""The entry point: runs a command and turns how it ends into one line on stderr and an exit code."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until `listen` answers it, Ctrl-C ends the process as it ends any other: without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import gc

gc.disable()  # nothing of what is imported next is garbage; looking for some costs 3 ms

# ruff: noqa: E402
import contextlib
import os
import sys
from itertools import pairwise
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from mplp_trace_cli.cli import output, signals
from mplp_trace_cli.cli.app import PROGRAM, app
from mplp_trace_cli.cli.settings import COLORS, OWN_FAILURE, is_best_effort, is_wrapping, set_option
from mplp_trace_cli.cli.usage import usage_message
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.storage.no_pandas import leave_pandas_out

DEBUG_VARIABLE = "MPLP_TRACE_DEBUG"
COMPLETE_VARIABLE = "_MPLP_TRACE_COMPLETE"
"""What a shell sets when it asks how a line goes on."""
OK, NEGATIVE, FAILED, INTERRUPTED, CLOSED_STDOUT = 0, 1, 2, 130, 141


_HELP_ALONE = "NoArgsIsHelpError"
"""What Typer, whose class of that name is private, raises for a group without a command."""
_STOPPED = {output.StdoutClosed: CLOSED_STDOUT, signals.Terminated: 128 + signal.SIGTERM}


def run() -> NoReturn:
    """The program: `main`, then out without taking the interpreter apart, which costs 8 ms.

    All files are closed and both streams flushed by then.
    """
    code = main()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def main() -> int:
    """Runs the command of `sys.argv` and gives its exit code, its answer flushed."""
    os.umask(0o077)  # what this tool keeps is its owner's alone; exports follow the user's
    leave_pandas_out()
    if COMPLETE_VARIABLE in os.environ:
        # Typer would load Rich, which takes longer than all else, and read the names of traces as its markup.
        sys.modules["rich"] = None  # type: ignore[assignment]
    output.stand_in()
    try:
        signals.listen()
        code = _guarded(sys.argv[1:])
        sys.stdout.flush()
    except (KeyboardInterrupt, signals.Terminated):  # while it was being said how the command ended
        code = signals.exit_code() or INTERRUPTED
    except BrokenPipeError:
        code = CLOSED_STDOUT
    except OSError as error:
        output.error(f"standard output cannot be written: {error.strerror}")
        code = FAILED
    return code


def _guarded(arguments: list[str]) -> int:
    try:
        result = app()(arguments, prog_name=PROGRAM, standalone_mode=False)
    except TraceError as error:
        return _told(error.message, error.hint, NEGATIVE if error.negative else FAILED, arguments)
    except TyperException as error:
        return _usage(error, arguments)
    except (output.StdoutClosed, KeyboardInterrupt, typer.Abort, signals.Terminated) as stopped:
        unheard = isinstance(stopped, output.StdoutClosed) and is_best_effort(arguments)
        return OK if unheard else signals.exit_code() or _STOPPED.get(type(stopped), INTERRUPTED)
    except (OSError, MemoryError) as error:
        return _told(_sentence(error), None, FAILED, arguments)
    except Exception as fault:
        if os.environ.get(DEBUG_VARIABLE) and signals.exit_code() is None:
            raise
        message = f"a fault in {PROGRAM}: {type(fault).__name__}: {fault}".splitlines()[0]
        return _told(message, f"set {DEBUG_VARIABLE}=1 to see where, and report it", FAILED, arguments)
    return result if isinstance(result, int) else OK


def _sentence(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def _usage(error: TyperException, arguments: list[str]) -> int:
    if type(error).__name__ == _HELP_ALONE:
        if error.format_message():  # else Rich has printed it
            output.answer(error.format_message())
        return OK
    for option, word in pairwise(arguments):  # what follows a wrong option was not read
        if option == "--color" and word in COLORS:
            set_option("color", word)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    return _told(usage_message(error), f"{command} --help", FAILED, arguments)


def _told(message: str, hint: str | None, code: int, arguments: list[str]) -> int:
    stopped = signals.exit_code()
    if stopped is not None:  # what went wrong is that a query was stopped
        return stopped
    if is_best_effort(arguments):
        output.warning(message)
        return OK
    output.error(message, hint)
    return OWN_FAILURE if is_wrapping(arguments) else code
