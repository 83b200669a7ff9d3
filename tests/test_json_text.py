"""JSON as text: nothing that is kept changes by a byte, and only JSON is accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.json_text import (
    MAX_DEPTH,
    JsonFault,
    JsonObject,
    add_members,
    check_object,
    dumps,
    elements,
    members,
    one_line,
    parse,
    value_text,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('aé"\\\n\u2028\U0001f600', max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"é', max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text('abc"\\é', max_size=2), VALUES, max_size=4)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1.10,"b":1e2,"c":1E+2,"d":-0,"e":-0.0}',
        f'{{"big":{2**70},"bigger":{"9" * 5000},"long":0.{"1" * 400},"tiny":1e-999,"huge":1e999}}',
        '{"z":1,"a":2,"m":3}',
        '{"a":1,"a":2,"a":{"b":1,"b":2}}',
        '{ "a" : [ 1 ,\t2 ] }',
        r'{"u":"\ud800","v":"\u0041\/\u2028","w":"é😀"}',
        "{}",
    ],
)
def test_a_good_object_is_kept_to_the_letter(text: str) -> None:
    """Number spellings, key order, repeated keys, spaces and escapes stay as they are."""
    assert check_object(text, "data") == text
    assert JsonObject.of(text, "data").text == text


def test_a_line_break_between_tokens_becomes_a_space() -> None:
    """An object over several lines is kept on one, no other byte changed."""
    assert check_object('\n{\n"a":\r\n1}\n ', "data") == '{ "a":  1}'
    assert one_line('{"a":"\\n"}') == '{"a":"\\n"}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("", "not JSON"),
        ('{"a":NaN}', "NaN is not JSON"),
        ('{"a":-Infinity}', "-Infinity is not JSON"),
        ('{"a":1,}', "not JSON"),
        ("{'a':1}", "not JSON"),
        ('{"a":1} x', "text after the value at character 8"),
        ('{"a":"\t"}', "not JSON"),
        ('{"a":01}', "not JSON"),
    ],
)
def test_what_is_no_object_is_refused_with_its_reason(text: str, reason: str) -> None:
    """The fault names the field and says what is wrong."""
    with pytest.raises(InvalidInput, match=r"^data: ") as caught:
        check_object(text, "data")
    assert reason in caught.value.message


@given(OBJECTS, st.sampled_from([None, 0, 1]), st.booleans())
def test_members_take_an_object_apart_without_changing_it(
    value: dict[str, Any], indent: int, ascii_: bool
) -> None:
    """Keys, values and exact texts come out in order, and put together again they are the object."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    found = members(text)
    assert [(one.key, one.value) for one in found] == list(value.items())
    assert all(one.text in text and json.loads(one.text) == one.value for one in found)
    rebuilt = add_members("{}", [(one.key, one.text) for one in found], "data")
    assert parse(rebuilt) == value
    assert parse(text) == value


@given(st.lists(VALUES, max_size=4), st.sampled_from([None, 1]))
def test_elements_take_an_array_apart_without_changing_it(value: list[Any], indent: int) -> None:
    """The exact texts of the elements come out in order."""
    text = json.dumps(value, indent=indent)
    assert [json.loads(element) for element in elements(text)] == value
    assert all(element in text for element in elements(text))


@given(st.text('{}[]":,\\1e.-tn \n', max_size=12))
def test_taking_apart_accepts_exactly_what_parsing_accepts(text: str) -> None:
    """`members` and `elements` judge objects and arrays as `parse` does, and raise nothing but JsonFault."""
    whole = outcome(parse, text)
    taken = outcome(members, text), outcome(elements, text)
    assert (taken[0] is not None) == isinstance(whole, dict)
    assert (taken[1] is not None) == isinstance(whole, list)
    try:
        strict = json.loads(text)
    except ValueError:
        strict = None
    assert whole == strict


def outcome(read: Any, text: str) -> Any:
    """What reading gives, None for a fault."""
    try:
        return read(text)
    except JsonFault:
        return None


def test_members_keep_repeated_keys_and_exact_texts() -> None:
    """A repeated key is there twice, and a value's text has no space around it."""
    found = members(' { "a" : 1.10 , "a":{ "b" :1e2} } ')
    assert [(one.key, one.text) for one in found] == [("a", "1.10"), ("a", '{ "b" :1e2}')]


def test_added_members_come_last_and_may_not_clash() -> None:
    """What is there stays byte for byte; a key that is there already, escaped or not, is an error."""
    assert add_members('{"b":1.10, "b":2}', [("a", "1e2"), ('"', "[\n]")], "data") == (
        '{"b":1.10, "b":2,"a":1e2,"\\"":[ ]}'
    )
    assert add_members("{ }", [("a", "1")], "data") == '{"a":1}'
    assert add_members('{"x": 1}', [], "data") == '{"x": 1}'
    for text, pairs in (('{"a":1}', [("a", "2")]), (r'{"\u0061":1}', [("a", "2")]), ("{}", [("a", "1")] * 2)):
        with pytest.raises(InvalidInput, match="data: the key 'a' is given twice"):
            add_members(text, pairs, "data")


@pytest.mark.parametrize(
    "deep", ["[" * MAX_DEPTH + "]" * MAX_DEPTH, '{"a":' * (MAX_DEPTH - 1) + "{}" + "}" * (MAX_DEPTH - 1)]
)
def test_depth_is_bounded(deep: str) -> None:
    """Exactly MAX_DEPTH levels are read; one more is refused, however much more there is."""
    parse(deep)
    for more in (1, 500, 100_000):
        with pytest.raises(JsonFault, match=f"nested deeper than {MAX_DEPTH} levels"):
            parse("[" * more + deep + "]" * more)
    with pytest.raises(InvalidInput, match="nested deeper"):
        dumps(json.loads(f"[{deep}]"), "data")


def test_brackets_inside_texts_are_no_depth() -> None:
    """Only brackets that are tokens count."""
    text = json.dumps({"a": "[{" * 2_000, 'b"': "\\" * 3 + "[" * 600})
    assert check_object(text, "data") == text


@given(OBJECTS)
def test_python_values_are_written_as_json(value: dict[str, Any]) -> None:
    """What is written reads back as the same value, on one line."""
    text = dumps(value, "data")
    assert json.loads(text) == value
    assert "\n" not in text
    assert JsonObject.of(value, "data") == value


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), {1, 2}, object(), {(1, 2): 3}, b"x"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """NaN, infinities, sets and other objects are refused by the name of their field."""
    with pytest.raises(InvalidInput, match=r"^data: cannot be written as JSON"):
        dumps({"a": value}, "data")


def test_a_circle_is_refused() -> None:
    """A value that contains itself is refused, not followed."""
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(InvalidInput, match=r"^data: "):
        dumps(circle, "data")


def test_lone_surrogates_are_written_as_escapes() -> None:
    """Text that UTF-8 cannot hold is written so that it can."""
    text = dumps({"a": "\ud800é"}, "data")
    assert text.isascii()
    assert json.loads(text) == {"a": "\ud800é"}


def test_a_value_on_the_command_line_is_json_or_text() -> None:
    """What parses as JSON is itself, all else is a text."""
    given_ = ["1.10", "true", " null ", "[1,\n2]", "hello", "", "NaN", "01", '"a"', "{"]
    texts = ["1.10", "true", "null", "[1, 2]", '"hello"', '""', '"NaN"', '"01"', '"a"', '"{"']
    assert [value_text(text) for text in given_] == texts


def test_a_json_object_reads_like_a_mapping() -> None:
    """It compares by value, is empty when it has no members, and refuses what is no object."""
    one = JsonObject('{"a": 1.0, "b": {"c": null}}')
    assert dict(one) == {"a": 1, "b": {"c": None}}
    assert one == JsonObject('{"b":{"c":null},"a":1}')
    assert one != JsonObject('{"a":1}')
    assert one != 5
    assert (bool(one), bool(JsonObject("{ }")), bool(JsonObject())) == (True, False, False)
    assert (len(one), "a" in one, "c" in one, one.get("c")) == (2, True, False, None)
    for wrong in (5, [1], b"{}", "5"):
        with pytest.raises(InvalidInput, match=r"^data: "):
            JsonObject.of(wrong, "data")  # type: ignore[arg-type]


def test_the_json_suite_is_judged_as_it_says(conformance: Path) -> None:
    """Every y_ case parses, every n_ case is refused, and nothing ends in another fault."""
    wrong = []
    for path in sorted((conformance / "json-test-suite").glob("*.json")):
        try:
            parse(path.read_bytes().decode())
            good = True
        except (JsonFault, UnicodeDecodeError):
            good = False
        if path.name[0] in "yn" and good != (path.name[0] == "y"):
            wrong.append(path.name)
    assert wrong == []
