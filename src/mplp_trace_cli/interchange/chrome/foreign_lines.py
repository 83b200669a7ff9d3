"""Lines of ours for the elements of others' Chrome traces, once it is known what lies in what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import dumps, members
from mplp_trace_cli.interchange.chrome.fields import (
    MOST_NS,
    NS,
    Fields,
    Key,
    fields_of,
    instant_text,
    object_of,
    text_of,
    thread_key,
    value_of,
)
from mplp_trace_cli.interchange.chrome.nesting import COUNT, NONE, Elements, Nesting

UNNAMED = "(no name)"
COUNTER, METADATA = "C", "M"
_SAME_OF_BOTH = frozenset(("ph", "pid", "tid", "name", "cat", "id", "id2", "scope", "args"))
"""What an end says again, or what is said of both halves together."""
Line = tuple[bytes, str | None]
"""A line; or the text of what becomes none, and why."""


class About(NamedTuple):
    """What is known of a file beside its elements."""

    trace_id: str
    name: str
    written: int
    """When it was last changed, in microseconds since 1970."""
    members: list[tuple[str, str]]
    """What the object around the elements has beside them: keys and texts."""


class Placed(NamedTuple):
    """Elements and all that was found out about them."""

    elements: Elements
    nesting: Nesting
    names: dict[Key, str]
    """Of processes and of threads."""
    offset: int
    """The microseconds from 1970 to the beginning of the file's clock."""


class LineWriter:
    """Writes the lines of elements."""

    def __init__(self, trace_id: str, placed: Placed) -> None:
        self._trace_id = dumps(trace_id, "trace_id")
        self._stem = trace_id[:12]
        self._placed = placed

    def lines(self, number: int, text: bytes, end: bytes | None) -> Iterator[Line]:
        """The lines of an element, and of its end where that stands apart."""
        try:
            fields = fields_of(text)
            if text_of(fields, "ph") == COUNTER:
                yield from self._samples(number, fields)
            else:
                yield self._event(number, fields, end), None
        except InvalidInput as fault:
            yield text, str(fault)

    def _event(self, number: int, fields: Fields, end: bytes | None) -> bytes:
        elements, nesting, names, _ = self._placed
        parent, lasted = nesting.parents[number], elements.lasted[number]
        source = names.get(thread_key(fields)) or names.get(thread_key(fields)[:1])
        line = [
            ("kind", '"event"'),
            ("trace_id", self._trace_id),
            ("event_id", self._id(number)),
            ("event_type", dumps(text_of(fields, "name") or UNNAMED, "name")),
            ("timestamp", instant_text(self._at(elements.starts[number] + max(0, lasted)))),
            ("data", _data(fields, end)),
        ]
        line += [] if lasted == NONE else [("duration_ms", repr(lasted / 1e6))]
        line += [] if parent == NONE else [("parent_event_id", self._id(parent))]
        line += [] if source is None else [("source", dumps(source, "source"))]
        return object_of(line).encode()

    def _samples(self, number: int, fields: Fields) -> Iterator[Line]:
        args = fields.get("args")
        if args is None or not isinstance(args.value, dict) or not args.value:
            raise InvalidInput("args: a counter has an object of numbers")
        name = text_of(fields, "name") or UNNAMED
        labels = {key: str(value_of(fields, key)) for key in ("pid", "cat", "id") if key in fields}
        at = instant_text(self._at(self._placed.elements.starts[number]))
        for key, value in args.value.items():
            line = [
                ("kind", '"metric"'),
                ("name", dumps(name if len(args.value) == 1 else f"{name}.{key}", "name")),
                ("type", '"gauge"'),
                ("value", dumps(_number(key, value), "value")),
                ("labels", dumps(labels, "labels")),
                ("timestamp", at),
            ]
            yield object_of(line).encode(), None

    def span(self) -> tuple[int, int]:
        """From the beginning of the first event to the end of the last, in microseconds since 1970."""
        elements = self._placed.elements
        begun, ended = MOST_NS, -MOST_NS
        for kind, start, lasted in zip(elements.kinds, elements.starts, elements.lasted, strict=True):
            if kind != COUNT:
                begun, ended = min(begun, start), max(ended, start + max(0, lasted))
        return self._at(begun), self._at(ended)

    def _id(self, number: int) -> str:
        return f'"{self._stem}-{number}"'

    def _at(self, nanoseconds: int) -> int:
        return (nanoseconds + NS // 2) // NS + self._placed.offset


def _number(key: str, value: object) -> float:
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"args.{key}: must be a number")


def _data(fields: Fields, end: bytes | None) -> str:
    """The element as it stands, without its name, and what its end says of both and of itself."""
    kept = {key: member.text for key, member in fields.items() if key != "name"}
    other = {} if end is None else fields_of(end)
    said = value_of(other, "args")
    if isinstance(said, dict) and said:
        kept["args"] = _overridden(fields, other["args"].text)
    alone = [(key, member.text) for key, member in other.items() if key not in _SAME_OF_BOTH]
    return object_of([*kept.items(), *([("end", object_of(alone))] if alone else [])])


def _overridden(fields: Fields, later: str) -> str:
    """What a beginning says in its args, and what its end says of the same or more."""
    said = members(later)
    taken = {member.key for member in said}
    args = fields.get("args")
    before = members(args.text) if args is not None and isinstance(args.value, dict) else []
    kept = [member for member in before if member.key not in taken]
    return object_of((member.key, member.text) for member in (*kept, *said))
