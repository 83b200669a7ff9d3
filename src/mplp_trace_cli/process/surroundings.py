"""What stands around a command: the environment that it gets, and what is said of where it ran."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mplp_trace_cli.config import DB_VARIABLE, PARENT_VARIABLE, TRACE_VARIABLE
from mplp_trace_cli.domain.json_text import dumps
from mplp_trace_cli.domain.w3c import (
    TraceParent,
    parse_traceparent,
    tracestate_with,
    w3c_span_id,
    w3c_trace_id,
)

TRACEPARENT, TRACESTATE = "TRACEPARENT", "TRACESTATE"
_LOCALE, _PYTHONS_LOCALES = "LC_CTYPE", ("C.UTF-8", "C.utf8", "UTF-8")
LINK_KEY = "link"
"""The key of a trace's metadata under which stands the W3C context that its command was started in."""
MOST_COMMAND = 8 << 10
"""Characters of a command line that are kept."""

MOST_SHOWN = 60
"""Characters of it that a message shows."""


def traced_environment(
    environment: Mapping[str, str], trace_id: str, store: str, event_id: str
) -> dict[str, str]:
    """The environment in which a command records into that trace and store, below that event."""
    parent = parse_traceparent(environment.get(TRACEPARENT))
    span_id = w3c_span_id(event_id)
    w3c = TraceParent(w3c_trace_id(trace_id), span_id) if parent is None else parent._replace(span_id=span_id)
    state = None if parent is None else environment.get(TRACESTATE)
    return {
        **environment,
        TRACE_VARIABLE: trace_id,
        DB_VARIABLE: store,
        PARENT_VARIABLE: event_id,
        TRACEPARENT: str(w3c),
        TRACESTATE: tracestate_with(state, span_id),
    }


def as_given(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment without the locale that Python gives itself, and its children, where it finds none."""
    if environment.get(_LOCALE) not in _PYTHONS_LOCALES:
        return environment
    try:
        with open("/proc/self/environ", "rb") as file:
            started = dict(word.partition(b"=")[::2] for word in file.read().split(b"\0"))
    except OSError:  # no Linux: it cannot be told from one that was given
        return environment
    given = started.get(os.fsencode(_LOCALE))
    others = {name: value for name, value in environment.items() if name != _LOCALE}
    return others if given is None else {**others, _LOCALE: os.fsdecode(given)}


def link_of(environment: Mapping[str, str]) -> str | None:
    """The W3C context of an environment as a JSON object, None where it has no valid one."""
    if parse_traceparent(environment.get(TRACEPARENT)) is None:
        return None
    link = {"traceparent": environment[TRACEPARENT].strip()}
    if environment.get(TRACESTATE):
        link["tracestate"] = readable(environment[TRACESTATE])
    return dumps(link, LINK_KEY)


def command_line(command: Sequence[str]) -> str:
    """The beginning of a command as it is typed, on one line."""
    text = " ".join(" ".join(map(readable, command)).split())
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def described(command: Sequence[str]) -> dict[str, Any]:
    """A command and where it runs."""
    said = {"command": _bounded(command), "cwd": _folder(), "host": os.uname().nodename, "user": _user()}
    return {name: value for name, value in said.items() if value is not None}


def readable(text: str) -> str:
    r"""Text of the system, with `\xff` for a byte that is no UTF-8."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _bounded(command: Sequence[str]) -> list[str]:
    kept: list[str] = []
    left = MOST_COMMAND
    for word in map(readable, command):
        if len(word) > left:
            return [*kept, f"{word[:left]}…"]
        kept.append(word)
        left -= len(word) + 1
    return kept


def _folder() -> str | None:
    try:
        return readable(os.getcwd())
    except OSError:  # somebody has removed it
        return None


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
