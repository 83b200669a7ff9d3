"""Values of a program as JSON text: themselves where JSON can say them, else what `repr` says, cut short.

Nothing here raises, whatever a value does: it is called in the middle of somebody's program.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sized
from typing import Any

from mplp_trace_cli.domain.json_text import JsonObject, dumps

MOST_CHARACTERS = 2_000
"""Of one captured value."""
MOST_ITEMS = 20

_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxfrozenset = MOST_ITEMS
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


def captured(value: object, most: int = MOST_CHARACTERS) -> str:
    """The JSON text of a value, at most about `most` characters of it."""
    text = _exact(value, most)
    return dumps(cut(_described(value), most), "value") if text is None else text


def _exact(value: object, most: int) -> str | None:
    try:
        if isinstance(value, Sized) and len(value) > most:
            return None
        text = dumps([value], "value")[1:-1]  # in an array, since it becomes the member of an object
    except Exception:  # anything may come out of a class of the program
        return None
    return text if len(text) <= most else None


def _described(value: object) -> str:
    try:
        return value if isinstance(value, str) else _SHORT.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def cut(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""The text, or its beginning and `…`; half of a surrogate pair, which is no text, reads `\ud800`."""
    text = text if len(text) <= most else f"{text[:most]}…"
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def object_text(members: Iterable[tuple[str, str]]) -> JsonObject:
    """The object of keys and the JSON texts of their values."""
    body = ",".join(f"{dumps(key, 'key')}:{text}" for key, text in members)
    return JsonObject(f"{{{body}}}")


def captured_object(fields: Mapping[Any, Any], most: int = MOST_CHARACTERS) -> JsonObject:
    """The object of a mapping, each value captured by itself."""
    return object_text((cut(str(key), 200), captured(value, most)) for key, value in fields.items())
