"""The closed lists of words: kinds of traces, their statuses, levels of events."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from mplp_trace_cli.domain.errors import InvalidInput


class TraceType(StrEnum):
    """What a trace is a record of."""

    WORKFLOW_EXECUTION = "workflow_execution"
    MODULE_OPERATION = "module_operation"
    API_REQUEST = "api_request"
    BACKGROUND_TASK = "background_task"
    CUSTOM = "custom"


class TraceStatus(StrEnum):
    """Where a trace stands; all but `active` are final."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """True when nothing more can happen to the trace."""
        return self is not TraceStatus.ACTIVE


class Level(StrEnum):
    """How much an event matters, from least to most."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def is_error(self) -> bool:
        """True for error and critical."""
        return self in (Level.ERROR, Level.CRITICAL)


class MetricType(StrEnum):
    """How the values of a metric are to be read."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


Word = TypeVar("Word", bound=StrEnum)


def parse_word(kind: type[Word], value: object, field: str) -> Word:
    """The member of `kind` that `value` names; raises InvalidInput naming them all and the nearest."""
    try:
        return kind(str(value))
    except ValueError:
        raise InvalidInput(f"{field}: {unknown_word(words_of(kind), value)}") from None


def words_of(kind: type[StrEnum]) -> list[str]:
    """The words of a closed list."""
    return [member.value for member in kind]


def unknown_word(words: Sequence[str], value: object) -> str:
    """Why `value` is none of `words`: the ones there are, and the nearest to it."""
    shown = str(value)[:60]
    return f"{shown!r} is not one of {', '.join(words)}{nearest_word(words, shown)}"


def nearest_word(words: Sequence[str], shown: str) -> str:
    """` (did you mean …?)`, or nothing where none is near."""
    meant = nearest(words, shown)
    return f" (did you mean {meant}?)" if meant else ""


def nearest(words: Sequence[str], typed: str) -> str | None:
    """The word that was meant: one that is much like it, or that begins as it does; None where none is."""
    import difflib  # only on the way to an error

    found = difflib.get_close_matches(typed.lower(), words, n=1, cutoff=0.6)
    found += [word for word in words if typed and (word.startswith(typed) or typed.startswith(word))]
    return found[0] if found else None
