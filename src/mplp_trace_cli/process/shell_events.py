"""The events that the functions of `hook` send: frames from a named pipe, as JSON lines.

A frame is fields that each end with a NUL, the first of them how many others there are. Whoever writes one
does so in one piece; one that is too long for that lies in a file beside the pipe, and its frame names it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import add_members, check_object, dumps, value_text
from mplp_trace_cli.domain.times import format_instant
from mplp_trace_cli.process.child import Ended
from mplp_trace_cli.process.outcome import level_of, message_of, outcome_of
from mplp_trace_cli.process.surroundings import described
from mplp_trace_cli.storage.running import lives

PIPE, ANSWER, PID = "events", "ended", "pid"
LOOK_SECONDS = 0.5
"""How soon it is seen that the shell was killed."""
LAST_SECONDS = 0.01
"""How long a frame may come after the one that says it is the last."""
CHUNK_BYTES = 1 << 16
_OPTIONS = {
    "--level": "level",
    "--message": "message",
    "--source": "source",
    "--duration-ms": "duration_ms",
    "--parent": "parent_event_id",
    "--data": "data",
}


class ShellEvents:
    """JSON lines of the events of one shell, to be read from `lines`, which ends when the shell does."""

    def __init__(self, descriptor: int, shell: str, warn: Callable[[str], None]) -> None:
        pid, _, self._folder = shell.partition(" ")
        self._pid = int(pid)
        self._descriptor = descriptor
        self._warn = warn
        self._answers = os.open(self._in(ANSWER), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.lines, self._writes = os.pipe()
        with open(self._in(PID), "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")

    def __enter__(self) -> ShellEvents:
        threading.Thread(target=self._run, name="mplp-trace-shell", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Takes the folder away and tells the shell, which may be waiting."""
        shutil.rmtree(self._folder, ignore_errors=True)
        os.write(self._answers, b"\n")

    def _in(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _run(self) -> None:
        with contextlib.suppress(BrokenPipeError), open(self._writes, "wb", buffering=0) as lines:
            for frame in self._frames():
                try:
                    lines.write(line_of([_text(field) for field in frame]))
                except InvalidInput as error:
                    self._warn(f"not recorded: {error.message}")

    def _frames(self) -> Iterator[Sequence[bytes]]:
        rest, wait = b"", LOOK_SECONDS
        while True:
            if select.select([self._descriptor], [], [], wait)[0]:
                found, rest = frames_of(rest + os.read(self._descriptor, CHUNK_BYTES))
                for frame in found:
                    if frame[0] == b"end":
                        wait = self._close()
                    else:
                        yield from self._whole(frame)
            elif wait == LAST_SECONDS:
                return
            elif _is_gone(self._pid):
                wait = self._close()

    def _close(self) -> float:
        """Lets nobody new write, and says how long those are waited for who just do."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._in(PIPE))
        return LAST_SECONDS

    def _whole(self, frame: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
        """The frame itself, or that of the file which it names."""
        if frame[0] != b"file":
            return [frame]
        try:
            path = self._in(os.path.basename(_text(frame[1])))
            with open(path, "rb") as file:
                found, _ = frames_of(file.read())
            os.unlink(path)
        except OSError as error:
            self._warn(f"not recorded: {error.strerror}")
            return []
        return found


def _is_gone(pid: int) -> bool:
    """True for a shell that has ended, whether or not somebody has asked how."""
    if not lives(pid):
        return True
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].startswith(b"Z")
    except OSError:  # no Linux
        return False


def frames_of(data: bytes) -> tuple[list[list[bytes]], bytes]:
    """The whole frames in some bytes, and what remains of the last one."""
    *fields, rest = data.split(b"\0")
    found: list[list[bytes]] = []
    at = 0
    while at < len(fields):
        count = int(fields[at])
        if at + count >= len(fields):
            break
        found.append(fields[at + 1 : at + 1 + count])
        at += 1 + count
    return found, b"\0".join([*fields[at:], rest])


def line_of(frame: Sequence[str]) -> bytes:
    """The JSON line of the event that a frame tells of; raises InvalidInput."""
    kind, trace_id, at, *more = frame
    fields: dict[str, Any] = {"trace_id": trace_id, "timestamp": _instant(at)}
    fields.update(_KINDS[kind](at, *more))
    data = fields.pop("data")
    said = dumps({name: value for name, value in fields.items() if value is not None}, "event")
    return add_members(said, [("data", data)], "event").encode() + b"\n"


def _event(_at: str, parent: str, event_type: str, *words: str) -> dict[str, Any]:
    fields: dict[str, Any] = {"event_type": event_type, "parent_event_id": parent or None}
    pairs = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option.startswith("--"):
            fields[_option(option)] = value if equals else _value(option, rest)
        elif equals and option:
            pairs.append((option, value_text(value)))
        else:
            raise InvalidInput(f"mplp_record {event_type}: {word[:60]!r} is not KEY=VALUE")
    if "duration_ms" in fields:
        fields["duration_ms"] = _number(fields["duration_ms"])
    fields["data"] = add_members(check_object(fields.get("data", "{}"), "--data"), pairs, "mplp_record")
    return fields


def _value(option: str, rest: Iterator[str]) -> str:
    for value in rest:
        return value
    raise InvalidInput(f"mplp_record: {option} needs a value")


def _option(word: str) -> str:
    if word not in _OPTIONS:
        raise InvalidInput(f"mplp_record has no option {word[:60]}")
    return _OPTIONS[word]


def _started(_at: str, parent: str, event_id: str, folder: str, name: str, *command: str) -> dict[str, Any]:
    return {
        "event_id": event_id,
        "event_type": "stage_started",
        "message": name,
        "parent_event_id": parent or None,
        "data": dumps({"stage": name, **described(command), "cwd": folder}, "data"),
    }


def _completed(at: str, began: str, event_id: str, code: str, name: str) -> dict[str, Any]:
    ended = Ended(int(code), None, max(0.0, (_seconds(at) - _seconds(began)) * 1_000), "")
    return {
        "event_type": "stage_completed",
        "level": level_of(ended),
        "message": message_of(name, ended),
        "duration_ms": ended.duration_ms if at else None,
        "parent_event_id": event_id,
        "data": dumps({"stage": name, **outcome_of(ended)}, "data"),
    }


_KINDS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "event": _event,
    "started": _started,
    "completed": _completed,
}


def _text(field: bytes) -> str:
    return field.decode("utf-8", "backslashreplace")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"--duration-ms: {text[:60]!r} is not a number") from None


def _seconds(at: str) -> float:
    return float(at.replace(",", ".") or 0)  # a shell writes numbers as its language has them


def _instant(at: str) -> str | None:
    """The time that a shell told, None where it can tell none."""
    return format_instant(round(_seconds(at) * 1_000_000)) if at else None
