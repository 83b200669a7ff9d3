"""The segments of a trace, made of its events: stages from start to end, and all that took time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.domain.times import MIN_INSTANT
from mplp_trace_cli.interchange.exporting.chosen import ExportedTrace
from mplp_trace_cli.interchange.mplp.parts import (
    DocumentRules,
    EventCells,
    encoded,
    instant_text,
    segment_of_others,
)
from mplp_trace_cli.interchange.mplp.words import MARK, SEGMENT, mapped_status, segment_id

_START = "stage_started"
_ENDS = ("stage_completed", "stage_failed")


class _Span(NamedTuple):
    """A segment: the event that it is named by, when it began and ended, and how."""

    event: EventCells
    label: str
    status: str
    started_at: int
    finished_at: int | None


def segments_of(trace: ExportedTrace, rules: DocumentRules, events: Iterable[EventCells]) -> Iterator[str]:
    """The elements of `segments`; a stage that was not ended is as the trace is."""
    if rules.of_others:
        found = (segment_of_others(rules, event) for event in events if event.event_type == SEGMENT)
        yield from (text for text in found if text is not None)
        return
    stages = _Stages()
    for event in events:
        span = stages.take(event)
        if span is not None:
            yield _text(span)
    status = mapped_status(trace.status)
    for event, label in stages.left():
        yield _text(_Span(event, label, status, event.timestamp, None))


class _Stages:
    """The stages that were started and have not ended yet; events come in the order in which they arrived."""

    def __init__(self) -> None:
        self._open: dict[str, list[EventCells]] = {}

    def take(self, event: EventCells) -> _Span | None:
        """The segment that an event closes or is; None for one that opens one, or is none."""
        stage = _stage(event) if event.event_type == _START or event.event_type in _ENDS else None
        if stage is not None and event.event_type == _START and event.duration_ms is None:
            self._open.setdefault(stage, []).append(event)
            return None
        if stage is not None and event.event_type in _ENDS:
            return self._ended(event, stage)
        return None if event.duration_ms is None else _lasting(event, event.event_type)

    def _ended(self, event: EventCells, stage: str) -> _Span | None:
        opened = self._open.get(stage, [])
        started = next((one for one in reversed(opened) if _belong(one, event)), None)
        if started is not None:
            opened.remove(started)
            finished_at = max(started.timestamp, event.timestamp)
            return _Span(started, stage, _status(event), started.timestamp, finished_at)
        return None if event.duration_ms is None else _lasting(event, stage)

    def left(self) -> Iterator[tuple[EventCells, str]]:
        """What never ended, with its stage."""
        for stage, events in self._open.items():
            for event in events:
                yield event, stage


def _belong(started: EventCells, ended: EventCells) -> bool:
    return ended.parent_event_id in (started.parent_event_id, started.event_id)


def _stage(event: EventCells) -> str | None:
    stage = parse(event.data).get("stage")
    return stage if isinstance(stage, str) else None


def _lasting(event: EventCells, label: str) -> _Span:
    """A segment of one event, which stands at the end of what its duration measures."""
    lasted = min(float(event.duration_ms or 0) * 1_000, event.timestamp - MIN_INSTANT)
    return _Span(event, label, _status(event), event.timestamp - round(lasted), event.timestamp)


def _status(event: EventCells) -> str:
    failed = event.level in ("error", "critical") or event.event_type == "stage_failed"
    if event.event_type == "stage_completed":
        failed = failed or parse(event.data).get("status") == "failure"
    return "failed" if failed else "completed"


def _text(span: _Span) -> str:
    event = span.event
    pairs = [("segment_id", f'"{segment_id(event.event_id)}"')]
    if event.parent_event_id is not None and event.parent_spans:
        pairs.append(("parent_segment_id", f'"{segment_id(event.parent_event_id)}"'))
    pairs += [("label", encoded(span.label)), ("status", f'"{span.status}"')]
    pairs.append(("started_at", instant_text(span.started_at)))
    if span.finished_at is not None:
        pairs.append(("finished_at", instant_text(span.finished_at)))
    texts = {
        "event_type": event.event_type,
        "level": event.level,
        "message": event.message,
        "source": event.source,
    }
    inner = ",".join(f'"{name}":{encoded(text)}' for name, text in texts.items() if text is not None)
    mark = f'"{MARK}":{{"event_id":{encoded(event.event_id)}}}'
    pairs.append(("attributes", f"{{{inner},{mark}}}"))
    return "{" + ",".join(f'"{key}":{text}' for key, text in pairs) + "}"
