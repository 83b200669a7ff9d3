"""Values as they are typed: `K=V`, `@FILE`, times, durations, and what the shell may complete."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from enum import StrEnum

from mplp_trace_cli.config import TRACE_VARIABLE
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.enums import Level, TraceStatus, TraceType, parse_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import add_members, check_object, value_text
from mplp_trace_cli.domain.times import parse_duration, parse_moment
from mplp_trace_cli.domain.visible import visible


def split_pair(text: str, option: str) -> tuple[str, str]:
    """The key and the value of `K=V`; raises InvalidInput."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidInput(f"{option}: {text[:60]!r} is not KEY=VALUE")
    return key, value


def json_object(text: str | None, pairs: Iterable[str], option: tuple[str, str]) -> str | None:
    """The text of the object that a JSON option and its `K=V` companion say together, None for nothing."""
    name, pair_name = option
    base = None if text is None else check_object(from_file(text, name), name)
    members = []
    for pair in pairs:
        key, value = split_pair(pair, pair_name)
        if has_surrogate(pair):
            raise InvalidInput(f"{pair_name}: {key[:60]!r} is not UTF-8")
        members.append((key, value_text(value)))
    if base is None and not members:
        return None
    return add_members(base or "{}", members, pair_name)


def from_file(text: str, option: str) -> str:
    """The text itself, or what the file of `@FILE` (`@-`: standard input) holds; raises InvalidInput."""
    if not text.startswith("@"):
        if has_surrogate(text):
            raise InvalidInput(f"{option}: is not UTF-8")
        return text
    try:
        if text == "@-":
            content = sys.stdin.buffer.read()
        else:
            with open(os.path.expanduser(text[1:]), "rb") as file:
                content = file.read()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{option}: {text[1:]}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{option}: {text[1:]} is not UTF-8") from None


def moment(text: str | None, now: int, option: str) -> int | None:
    """The instant of an option, None where it is not given."""
    return None if text is None else parse_moment(text, now, option)


def duration(text: str | None, option: str) -> float | None:
    """The milliseconds of an option, None where it is not given."""
    return None if text is None else parse_duration(text, option)


def number(text: str | None, option: str) -> float | None:
    """The number of an option, None where it is not given; raises InvalidInput."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{option}: {text[:60]!r} is not a number") from None


def trace_given(text: str | None) -> str:
    """The trace of an option, else of the environment; raises InvalidInput where neither is."""
    found = text or os.environ.get(TRACE_VARIABLE)
    if not found:
        raise InvalidInput("no trace is named", hint=f"name its id or @last, or export {TRACE_VARIABLE}=ID")
    return found


def word(kind: type[StrEnum], text: str | None, option: str) -> str | None:
    """The word of a closed list that an option gives, None where it is not given; raises InvalidInput."""
    return None if text is None else parse_word(kind, text, option).value


def each_word(kind: type[StrEnum], texts: Iterable[str] | None, option: str) -> list[str]:
    """The words of an option that may be repeated; raises InvalidInput."""
    return [parse_word(kind, text, option).value for text in texts or ()]


def words(kind: type[StrEnum]) -> str:
    """The words of an enum, as shown in help."""
    return ", ".join(member.value for member in kind)


def _completer(kind: type[StrEnum]):  # type: ignore[no-untyped-def]
    def complete(incomplete: str) -> list[str]:
        return [member.value for member in kind if member.value.startswith(incomplete)]

    return complete


complete_level = _completer(Level)
complete_status = _completer(TraceStatus)
complete_type = _completer(TraceType)


def complete_event_type(incomplete: str) -> list[tuple[str, str]]:
    """The standard events and the lifecycle events of the modules that begin so, with their module."""
    from mplp_trace_cli.domain.catalogue import CATALOGUE, source_of
    from mplp_trace_cli.domain.standard import STANDARD_EVENTS

    known = dict.fromkeys(one for types in CATALOGUE.values() for one in types)
    names = [*known, *sorted(STANDARD_EVENTS - known.keys())]
    return [(name, source_of(name) or "standard event") for name in names if name.startswith(incomplete)]


def complete_trace(incomplete: str) -> list[tuple[str, str]]:
    """The newest traces whose id begins so, with their names: asked of the inbox alone."""
    # Without a service, whose modules a waiting shell would pay for.
    from mplp_trace_cli.cli.settings import current
    from mplp_trace_cli.config import load_options, resolve_store
    from mplp_trace_cli.domain.errors import TraceError
    from mplp_trace_cli.storage.inbox import recent_traces
    from mplp_trace_cli.storage.paths import StorePaths

    named = current()
    try:
        paths = StorePaths.at(resolve_store(named.db, load_options(named.config)))
        recent = recent_traces(paths, incomplete)
    except TraceError:
        return []
    shown = [(trace_id, visible(name)) for trace_id, name in recent]
    return [("@last", "the newest trace")] * "@last".startswith(incomplete or "@") + shown
