import contextlib
import json
import math
from typing import Any

import orjson
import pytest
from homeiq.verbatim import elements, listed, loads, member, storable, strict_loads
from hypothesis import example, given
from hypothesis import strategies as st

SPACE = st.text(" \t\r\n", max_size=3)
NUMBERS = st.sampled_from(["0", "-0", "1e5", "1E+05", "1.50", "NaN", "-Infinity", "9" * 30, "0.1000000000000000055"])
STRINGS = st.text(max_size=8).map(json.dumps) | st.sampled_from([r'"\ud800"', r'"\/A\u0041"', '"é\\"]},{["', '"a\tb"'])


@st.composite
def joined(draw: st.DrawFn, parts: list[str], opening: str, closing: str) -> str:
    inner = ",".join(draw(SPACE) + part + draw(SPACE) for part in parts)
    return opening + (inner or draw(SPACE)) + closing


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=3).flatmap(lambda parts: joined(parts, "[", "]"))


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.lists(st.builds(lambda k, a, b, v: f"{k}{a}:{b}{v}", STRINGS, SPACE, SPACE, inner), max_size=3)
    return pairs.flatmap(lambda parts: joined(parts, "{", "}"))


VALUES = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"]), lambda inner: arrays(inner) | objects(inner)
)


@given(parts=st.lists(VALUES, max_size=4), data=st.data())
def test_elements_are_the_slices(parts: list[str], data: st.DataObject) -> None:
    text = data.draw(SPACE) + data.draw(joined(parts, "[", "]")) + data.draw(SPACE)
    found = list(elements(text))
    assert [slice_ for slice_, _ in found] == parts
    for part, (_, value) in zip(parts, found, strict=True):
        assert repr(value) == repr(json.loads(part, strict=False, parse_int=orjson.loads))


@given(parts=st.dictionaries(st.sampled_from("abcd"), VALUES), data=st.data())
def test_a_member_is_the_slice(parts: dict[str, str], data: st.DataObject) -> None:
    texts = [f'"{key}"{data.draw(SPACE)}:{data.draw(SPACE)}{value}' for key, value in parts.items()]
    text = data.draw(SPACE) + data.draw(joined(texts, "{", "}")) + data.draw(SPACE)
    for key in "abcd":
        assert member(text, key) == parts.get(key)


def test_the_last_of_two_members_counts_as_it_does_for_every_json_reader() -> None:
    text = '{"a": 1, "\\u0061": [2 ]}'
    assert member(text, "a") == "[2 ]"
    assert loads(text) == {"a": [2]}


@given(text=st.text('[]{}":,1a\\ ', max_size=12))
@example(text='{"a":1,}')
@example(text="[1 2]")
@example(text="")
def test_what_is_not_json_is_a_value_error_and_nothing_else(text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            loads(text)
    else:
        assert loads(text) == value
    for read in (lambda: member(text, "a"), lambda: list(elements(text))):
        with contextlib.suppress(ValueError):
            read()


@pytest.mark.parametrize(
    "text", ["", " ", "1", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', '{"a":1 "b":2}', "{,}", "[]"]
)
def test_what_is_no_object_has_no_members(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        member(text, "a")


@pytest.mark.parametrize("text", ["", "1", "[", "[1", "[1,", "[1,]", "[1 2]", "[,]", "{}", "[}"])
def test_what_is_no_array_has_no_elements(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        list(elements(text))


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_loads_reads_what_json_writes(value: Any) -> None:
    text = json.dumps(value)
    assert loads(text) == value
    assert loads(text.encode()) == value


def test_loads_is_tolerant_where_home_assistant_is_not_strict() -> None:
    assert math.isnan(loads('{"state": NaN}')["state"])
    assert loads('["\\ud800", -Infinity]') == ["\ud800", -math.inf]
    assert loads('"a\tb"') == "a\tb"


@pytest.mark.parametrize("digits", [20, 309, 3_999, 4_000, 4_001, 5_000, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_may_have_any_number_of_digits(digits: int, sign: str) -> None:
    # The NaN beside it makes the strict reader give up, and the tolerant one read the number.
    for text in (f"[{sign}{'7' * digits}]", f"[{sign}{'7' * digits}, NaN]"):
        value = loads(text)[0]
        assert (value < 0) == bool(sign)
        assert abs(value) >= 7 * 10 ** min(digits - 1, 307)
    assert member(f'{{"a": {sign}{"7" * digits}}}', "a") == sign + "7" * digits


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_a_value_error(opening: str) -> None:
    text = opening * 100_000
    for read in (loads, lambda text: member(text, "a"), lambda text: list(elements(text))):
        with pytest.raises(ValueError, match=r"."):
            read(text)


def test_bytes_that_are_not_utf8_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        loads(b'"\xff"')


@given(text=st.text(st.characters()))
@example(text="\ud800")
@example(text="\ufeffa")
@example(text="\ud83d\ude00")
def test_a_text_can_always_be_stored(text: str) -> None:
    stored = storable(text)
    assert stored is not None
    stored.encode()
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in text):
        assert stored == text
    orjson.dumps(stored)


def test_half_a_surrogate_pair_takes_nothing_else_with_it() -> None:
    assert storable("a\ud800b\udc00\ud83d\ude00") == "a\ufffdb\ufffd😀"


@pytest.mark.parametrize("value", [None, 1, True, ["a"], b"a"])
def test_what_is_no_text_is_not_stored_as_one(value: Any) -> None:
    assert storable(value) is None


@given(st.recursive(NUMBERS | STRINGS | st.sampled_from(["true", "null"]), arrays, max_leaves=6) | st.text(max_size=10))
@example("1" * 5_000)
@example("1e999")
@example("[" * 100_000)
@example(r'"\ud800"')
@example('"\ud800"')
def test_a_strict_reading_takes_json_by_the_letter(text: str) -> None:
    by_the_letter = True
    try:
        strictly = json.JSONDecoder(parse_constant=lambda name: {}["no"], parse_int=float).decode(text)
    except (ValueError, KeyError, RecursionError):
        by_the_letter = False
    try:
        value = strict_loads(text)
    except ValueError as error:
        assert not by_the_letter
        assert len(str(error)) < 100
    else:
        assert by_the_letter
        assert json.dumps(value) == json.dumps(loads(text))
        assert type(value) is type(strictly) or isinstance(value, int | float)


# --- an object of arrays ---------------------------------------------------------------------------------------------


WHOLE = st.integers(-(2**63), 2**64 - 1)  # what is beyond becomes a float


@given(st.dictionaries(st.text(max_size=3), st.lists(WHOLE | st.text(max_size=3), max_size=4), max_size=4))
def test_elements_of_named_arrays(value: dict[str, list[Any]]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1), json.dumps(value, separators=(",", ":"))):
        expected = [(name, element) for name, array in value.items() for element in array]
        assert [(name, element) for name, _, element in listed(text)] == expected
        assert [json.loads(part) for _, part, _ in listed(text)] == [element for _, element in expected]


@pytest.mark.parametrize(
    "text", ["", "[]", "7", '{"a":1}', '{"a":[1}', '{"a":[1]', '{"a":[1],', '{"a" [1]}', '{"a":[1 2]}']
)
def test_what_is_no_object_of_arrays(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (json's own, and ours)
        list(listed(text))
