"""By what a rule may have one alert each: what all the figures of its condition can be told apart by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mplp_trace_cli.analysis.measures import EVENTS, TRACES
from mplp_trace_cli.domain.alerts.figures import Subject
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.enums import unknown_word

OF_THE_TRACE = ("context_id", "execution_id", "name", "trace_type")
"""What an event has through its trace."""
KEYS: Mapping[Subject, tuple[str, ...]] = {
    Subject.TRACES: TRACES.keys,
    Subject.EVENTS: tuple(dict.fromkeys((*EVENTS.keys, *OF_THE_TRACE))),
    Subject.METRICS: (),
}
PATHS: Mapping[Subject, str] = {
    Subject.TRACES: TRACES.paths,
    Subject.EVENTS: EVENTS.paths,
    Subject.METRICS: "labels.",
}


def group_fault(key: str, subjects: Iterable[Subject]) -> str | None:
    """Why a condition over these subjects cannot be grouped by a key; None where it can."""
    of = sorted(set(subjects))
    if has_surrogate(key):
        return "not UTF-8"
    if all(key in KEYS[one] or is_path(key, one) for one in of):
        return None
    shared = [name for name in KEYS[of[0]] if all(name in KEYS[one] for one in of)]
    if len(of) == 1:
        shared.append(f"{PATHS[of[0]]}PATH" if of[0] is not Subject.METRICS else "labels.KEY")
    if not shared:
        return f"figures over {' and '.join(of)} have no column in common to group by"
    return f"{unknown_word(shared, key)}, which are the columns of {' and '.join(of)}"


def is_path(key: str, subject: Subject) -> bool:
    """True for a path into the JSON that a row of the subject has."""
    return key.startswith(PATHS[subject]) and key != PATHS[subject]
