"""Mutations of real documents for fuzzing: of JSON node by node, of tables cell by cell, of bytes.

All chance comes from the `random.Random` that is given, so that a seed says everything.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from isal import igzip

from mplp_trace_cli.domain.json_text import MAX_DEPTH
from mplp_trace_cli.interchange.otlp.wire import I64, LEN, Field, WireFault, fields


class Raw(NamedTuple):
    """JSON text, or what is none, that stands in a document as it is."""

    text: str


class Pairs(list[list[Any]]):
    """The members of an object, each a list of key and value; a key may stand twice."""


NASTY_NUMBERS = [
    *("-1", "0", "-0", "-0.0", "1.10", "1e2", "1E+400", "-1e400", "5e-324", "0.5", "9007199254740993"),
    *("2147483648", "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808"),
    *("-9223372036854775809", "18446744073709551615", "18446744073709551616", "9" * 30, "9" * 5000),
    *("1e19", "253402300800000000000", "-62135596800000001", "1" + "0" * 400, "0.1234567890123456789"),
]
NO_JSON = [
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
    "+1",
    "nul",
    "'x'",
    "",
    "\x00",
    '"\t"',
    '"\\x"',
    "{",
    "]",
]
NASTY_TEXTS = [
    *(
        "",
        " ",
        "x",
        "\x00",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07",
        "\u2028",
        "\x7f",
        "\x85",
        "\n",
        "\r\n",
        "\\",
    ),
    *('"', "\ud800", "\udc00x", "\ufeff", "\U0010ffff", "é", "e\u0301", "\u202eabc", "[bold]x[/bold]", "[/]"),
    *(
        "=1+1",
        "@x",
        "-x",
        "'; DROP TABLE traces; --",
        "%s%n",
        "../../x",
        "NaN",
        "Infinity",
        "1",
        "-1",
        "0x10",
    ),
    *("18446744073709551616", "1.5", "1e3", "٣", "1_000", " 1 ", "null", "true", "[]", "{}", '{"a":1}'),
    *(
        "q83vASNFZ4mrze8BI0VniQ==",
        "q83vASNFZ4k=",
        "====",
        "!!!!",
        "0" * 32,
        "0" * 16,
        "f" * 32,
        "F" * 16,
        "ab",
    ),
    *(
        "2026-03-02T09:00:00Z",
        "2026-02-30T09:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "2026-03-02",
    ),
    *(
        "performance_metric",
        "stage_started",
        "stage_completed",
        "workflow_started",
        "exception",
        "otlp",
        "event",
    ),
    *("x" * 300, "é" * 256, "\x1b" * 3000, "x" * 70_000),
]
NASTY_VALUES = [
    *("null", "true", "false", "[]", "{}", "[[]]", "[{}]", "[null]", '{"":null}', '{"a":1,"a":2}', "[1,2]"),
    *("[" * 40 + "]" * 40, "[" * (MAX_DEPTH - 3) + "]" * (MAX_DEPTH - 3), "[" * 1200 + "]" * 1200),
    *('{"a":' * 60 + "1" + "}" * 60, '{"kvlistValue":{"values":[]}}', '{"doubleValue":"NaN"}'),
    *('{"arrayValue":{"values":[{"arrayValue":' * 20 + "null" + "}]}}" * 20, '{"bytesValue":"!"}'),
]
KEYS = [
    *("", "name", "otlp", "data", "kind", "event_type", "trace_id", "event_id", "timestamp", "duration_ms"),
    *(
        "traceId",
        "spanId",
        "attributes",
        "value",
        "intValue",
        "stringValue",
        "events",
        "links",
        "status",
        "x" * 300,
    ),
    *(
        "ph",
        "ts",
        "dur",
        "args",
        "pid",
        "tid",
        "id",
        "traceEvents",
        "otherData",
        "resourceSpans",
        "resource_spans",
    ),
    *(
        "segments",
        "root_span",
        "meta",
        "started_at",
        "finished_at",
        "\ud800",
        "\x1b[0m",
        "spans",
        "scopeSpans",
    ),
]


# -- JSON ----------------------------------------------------------------------------------------------


def parsed(text: str) -> Any:
    """A document as it can be mutated; its numbers keep their digits."""
    return json.loads(text, object_pairs_hook=_pairs, parse_int=Raw, parse_float=Raw, parse_constant=Raw)


def _pairs(members: list[tuple[str, Any]]) -> Pairs:
    return Pairs([list(member) for member in members])


def encoded(value: Any, indent: bool = False) -> str:
    """The text of a document."""
    if isinstance(value, Raw):
        return value.text
    gap = "\n" if indent else ""
    if isinstance(value, Pairs):
        inner = f",{gap}".join(f"{json.dumps(key)}:{encoded(one, indent)}" for key, one in value)
        return f"{{{gap}{inner}{gap}}}"
    if isinstance(value, list):
        return f"[{gap}{f',{gap}'.join(encoded(one, indent) for one in value)}{gap}]"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


class Place(NamedTuple):
    """A place in a document: the list that holds it, its index there, and the index of what is held."""

    holder: list[Any]
    at: int
    inner: int | None
    """1 in a member of an object, None in an element of an array."""

    def get(self) -> Any:
        """What is there."""
        return self.holder[self.at] if self.inner is None else self.holder[self.at][self.inner]

    def put(self, value: Any) -> None:
        """Puts something else there."""
        if self.inner is None:
            self.holder[self.at] = value
        else:
            self.holder[self.at][self.inner] = value


def places(document: Any) -> list[Place]:
    """Every place inside a document."""
    found: list[Place] = []
    waiting = [document]
    while waiting:
        value = waiting.pop()
        inner = 1 if isinstance(value, Pairs) else None
        if isinstance(value, list):
            here = [Place(value, at, inner) for at in range(len(value))]
            found += here
            waiting += [one.get() for one in here]
    return found


def nasty(chance: random.Random) -> Any:
    """A value that somebody may not expect."""
    kind = chance.randrange(10)
    if kind < 3:
        return Raw(chance.choice(NASTY_NUMBERS))
    if kind < 7:
        return chance.choice(NASTY_TEXTS)
    if kind < 9 or chance.random() < 0.7:
        return Raw(chance.choice(NASTY_VALUES))
    return Raw(chance.choice(NO_JSON))


def mutate_document(chance: random.Random, document: Any, times: int) -> None:
    """Changes a document in place: values, keys, order, repeats, moves."""
    for _ in range(times):
        found = places(document)
        if not found:
            return
        place = chance.choice(found)
        chance.choice(_CHANGES)(chance, place, found)


def _replace(chance: random.Random, place: Place, _found: list[Place]) -> None:
    place.put(nasty(chance))


def _retype(chance: random.Random, place: Place, _found: list[Place]) -> None:
    """The same said in another way: a number as text, text as a number, either in a list."""
    value = place.get()
    if isinstance(value, Raw):
        place.put(value.text)
    elif isinstance(value, str) and value.isdigit() and value.isascii():
        place.put(Raw(value))
    else:
        place.put([value])


def _delete(_chance: random.Random, place: Place, _found: list[Place]) -> None:
    del place.holder[place.at]


def _repeat(chance: random.Random, place: Place, _found: list[Place]) -> None:
    one = place.holder[place.at]
    copy = list(one) if place.inner is not None else one
    place.holder.insert(chance.randrange(len(place.holder) + 1), copy)


def _rename(chance: random.Random, place: Place, _found: list[Place]) -> None:
    if place.inner is None:
        place.put(nasty(chance))
        return
    key = place.holder[place.at][0]
    others = [one[0] for one in place.holder]
    place.holder[place.at][0] = chance.choice([*KEYS, *others, key.upper(), _snake(key)])


def _snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name)


def _move(chance: random.Random, place: Place, found: list[Place]) -> None:
    """A copy of what stands elsewhere, without making a circle."""
    text = encoded(chance.choice(found).get())
    place.put(Raw(text if len(text) < 20_000 else "{}"))


def _shuffle(chance: random.Random, place: Place, _found: list[Place]) -> None:
    chance.shuffle(place.holder)


def _wrap(chance: random.Random, place: Place, _found: list[Place]) -> None:
    place.put(Pairs([[chance.choice(KEYS), place.get()]]))


_Change = Callable[[random.Random, Place, list[Place]], None]
_CHANGES: Sequence[_Change] = (
    *(_replace, _replace, _replace, _replace, _retype, _delete, _repeat),
    *(_rename, _move, _shuffle, _wrap),
)


def mutated_json(chance: random.Random, text: str) -> bytes:
    """A JSON document, or JSON lines, changed in a few places; its text sometimes too."""
    lines = text.split("\n") if _is_by_line(text) else [text]
    documents = [parsed(line) for line in lines if line.strip()]
    holder: list[Any] = documents or [Pairs()]
    for _ in range(chance.randint(1, 4)):
        mutate_document(chance, chance.choice(holder) if chance.random() < 0.9 else holder, 1)
        holder = [one for one in holder if one is not None] or [Pairs()]
    said = "\n".join(encoded(one, chance.random() < 0.1) for one in holder) + "\n"
    data = said.encode("utf-8", "surrogatepass")
    return mutated_bytes(chance, data) if chance.random() < 0.2 else data


def _is_by_line(text: str) -> bool:
    first = text.partition("\n")[0]
    try:
        json.loads(first)
    except ValueError:
        return False
    return True


def mutated_json_bytes(chance: random.Random, data: bytes) -> bytes:
    """The same of bytes; where they are no JSON, they are only bytes."""
    try:
        return mutated_json(chance, data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return mutated_bytes(chance, data)


def keys(words: str) -> list[bytes]:
    """Words as keys of JSON, for a fuzzer."""
    return [f'"{word}":'.encode() for word in words.split()]


JSON_WORDS = [
    *(
        b"{}",
        b"[]",
        b"null",
        b"true",
        b'""',
        b"-1",
        b"-0",
        b"1.10",
        b"1e400",
        b"NaN",
        b"9223372036854775808",
        b"},{",
    ),
    *(
        b"18446744073709551616",
        b'"\\ud800"',
        b'"\\u0000"',
        b'"\\u001b[0m"',
        b"\n",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
    ),
]


# -- bytes ---------------------------------------------------------------------------------------------

_NASTY_BYTES = [
    *(
        b"\x00",
        b"\xff",
        b"\xff" * 9 + b"\x01",
        b"\xff" * 10,
        b"\x80" * 9 + b"\x01",
        b"\x7f",
        b"\x80",
        b"\n",
        b"\r",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"\x1b[2J",
        b'"',
        b"{",
        b"[",
        b",",
        b"\\u",
    ),
    *(
        b"\x0a\x00",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x12\x80\x80\x80\x80\x10",
        b"\x0b\x0c",
        b"\x1f\x8b",
        b"\x28\xb5\x2f\xfd",
    ),
]


def mutated_bytes(chance: random.Random, data: bytes) -> bytes:
    """Bytes with flips, cuts, insertions, repeats and moved parts."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at, size = chance.randrange(len(found) + 1), chance.choice((1, 1, 2, 4, 8, 50, 400))
        kind = chance.randrange(8)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(found):
            found[at] = chance.randrange(256)
        elif kind == 2:
            del found[at : at + size]
        elif kind == 3:
            found[at:at] = chance.choice(_NASTY_BYTES)
        elif kind == 4:
            found[at:at] = found[at : at + size]
        elif kind == 5:
            part = found[at : at + size]
            place = chance.randrange(len(found) + 1)
            found[place:place] = part
        elif kind == 6 and len(found) > 1:
            del found[chance.choice((at, len(found) - 1, len(found) // 2)) :]
        else:
            found[at : at + 1] = chance.choice(_NASTY_BYTES)
    return bytes(found)


# -- tables --------------------------------------------------------------------------------------------

_CELLS = [
    *(
        "",
        '""',
        '"',
        '"a',
        'a"b',
        '"a""b"',
        '"a\nb"',
        '"a\r\nb"',
        "NULL",
        "\\N",
        "nan",
        "1e400",
        "-0",
        "=1+1",
    ),
    *(
        "1772442000",
        "1772442000.5",
        "1772442000000",
        "2026-03-02 09:00:00",
        "02/Mar/2026:09:00:00 +0000",
        "{}",
    ),
    *('"{""a"":1.10}"', '"{""a"":1,""a"":2}"', '"[1,2]"', "7", "warning", "5 s", "1.5ms", "-1", "1_0", "٣"),
]
_ENDS = ["\n", "\r\n", "\r", "\n\n", ""]
_ENCODINGS = ["utf-8"] * 40 + ["latin-1", "utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32", "utf-7"]


def mutated_table(chance: random.Random, text: str) -> bytes:
    """A csv table with other cells, widths, quotes, ends of lines, delimiters or another encoding."""
    delimiter = chance.choice((",",) * 15 + (";", "\t", "|", "\x00", " "))
    rows = [line.split(",") for line in text.splitlines()] or [[""]]
    for _ in range(chance.randint(1, 6)):
        row = chance.choice(rows) if chance.random() < 0.85 else rows[0]
        at = chance.randrange(len(row) + 1)
        kind = chance.randrange(6)
        cell = chance.choice(
            (chance.choice(_CELLS), chance.choice(NASTY_TEXTS), chance.choice(NASTY_NUMBERS))
        )
        if kind < 3:
            row[at : at + 1] = [cell]
        elif kind == 3:
            row.insert(at, cell)
        elif kind == 4:
            del row[at : at + chance.choice((1, 1, 100))]
        else:
            rows.insert(chance.randrange(len(rows) + 1), list(chance.choice(rows)))
    if chance.random() < 0.2:
        rows[0] = [chance.choice((*KEYS, "level", "message", "source", "metadata", name)) for name in rows[0]]
    end = chance.choice(_ENDS) if chance.random() < 0.3 else "\n"
    said = end.join(delimiter.join(row) for row in rows) + chance.choice((end, "", "\x00", '"'))
    encoding = chance.choice(_ENCODINGS)
    data = said.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    return mutated_bytes(chance, data) if chance.random() < 0.2 else data


# -- compressed ----------------------------------------------------------------------------------------


def mutated_stream(chance: random.Random, data: bytes) -> bytes:
    """The same compressed, cut, repeated, followed by something else, or damaged."""
    how, kind, half = chance.randrange(3), chance.randrange(6), len(data) // 2
    if kind == 0:
        return packed(data[:half], how) + packed(data[half:], how)
    whole = packed(data, how)
    if kind == 1:
        return whole[: chance.randrange(len(whole) + 1)]
    if kind == 2:
        return whole + chance.choice((b"\x00" * 20, b"junk", whole[:9], data[:20], b"\n"))
    if kind == 3:
        return packed(whole, how)
    if kind == 4:
        return whole
    return mutated_bytes(chance, whole)


def packed(data: bytes, how: int) -> bytes:
    """Compressed by one of three writers."""
    if how == 0:
        return gzip.compress(data, mtime=0)
    if how == 1:
        return bytes(igzip.compress(data))
    return bytes(pa.compress(data, "zstd", asbytes=True))


# -- protobuf ------------------------------------------------------------------------------------------

_FIELD_NUMBERS = [*range(18), 536_870_911]


def mutated_message(chance: random.Random, data: bytes) -> bytes:
    """A message with a field changed somewhere inside, or bytes that may belong to one."""
    return mutated_bytes(chance, data) if chance.random() < 0.3 else _nasty_message(chance, data, 0)


def _nasty_message(chance: random.Random, data: bytes, depth: int) -> bytes:
    """The lengths around what was changed stay true."""
    try:
        found = list(fields(memoryview(data), 0, len(data)))
    except WireFault:
        return data
    if not found:
        return data
    one = chance.choice(found)
    if one.wire_type == LEN and depth < 9 and chance.random() < 0.85:
        raw = data[one.value : one.end]
        inner = _nasty_message(chance, raw, depth + 1)
        if inner != raw:
            tag = varint(one.number << 3 | LEN)
            return data[: one.start] + tag + varint(len(inner)) + inner + data[one.end :]
    return data[: one.start] + _changed_field(chance, data, one) + data[one.end :]


def _changed_field(chance: random.Random, data: bytes, one: Field) -> bytes:
    said, tag = data[one.start : one.end], varint(one.number << 3 | one.wire_type)
    texts = (b"", b"\0", b"\xff\xfe", b"x" * 300, data[one.value : one.end] * 2)
    text, number = chance.choice(texts), chance.choice((0, 1, 2**31, 2**32, 2**63, 2**64 - 1))
    fixed = chance.choice((b"\0" * 8, b"\xff" * 8, b"\0" * 6 + b"\xf0\x7f"))
    return chance.choice(
        (
            b"",
            said * 2,
            tag + mutated_bytes(chance, said[1:] or b"\0"),
            varint(chance.choice(_FIELD_NUMBERS) << 3 | one.wire_type) + said[1:],
            varint(one.number << 3) + varint(number),
            varint(one.number << 3 | I64) + fixed,
            varint(one.number << 3 | LEN) + varint(len(text)) + text,
        )
    )


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
