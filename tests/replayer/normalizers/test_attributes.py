"""Attributes become fields of one type each, and nothing that carries a credential does."""

import math
from typing import Any

import pytest
from homeiq.replayer.normalizers.attributes import MOST_ATTRIBUTES, AttributeFields, json_text
from homeiq.replayer.point import LARGEST_STRING, Field, Point, Series, clean_name, line
from hypothesis import example, given
from hypothesis import strategies as st

from servers.line_protocol import parse

suffixed = st.lists(st.sampled_from(["a", "_", "_str", "_bool", "_json", "\\", ",", "\n"]), max_size=5).map("".join)
names = suffixed | st.text(st.characters(exclude_categories=()))
kinds = st.sampled_from([1, 1.5, "text", "t=ü", True, [1], {"a": 1}])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def fields_of(attributes: dict[str, Any]) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    AttributeFields().add(attributes, None, fields)
    return fields


@given(st.dictionaries(names, kinds, max_size=6), st.dictionaries(names, kinds, max_size=6))
@example({"a": "x"}, {"a_str": 1})
@example({"a": "x"}, {"a_str": True, "a_str_": 1, "a_str_bool": 1})
def test_no_field_ever_has_two_types(one: dict[str, Any], other: dict[str, Any]) -> None:
    kinds: dict[str, type] = {}
    for attributes in (one, other):
        for attribute, value in attributes.items():
            for name, field in fields_of({attribute: value}).items():
                assert kinds.setdefault(name, type(field)) is type(field)


@given(suffixed, suffixed, kinds, kinds)
def test_two_attributes_never_meet_in_one_field(one: str, other: str, value: Any, another: Any) -> None:
    if clean_name(f"{one}_") != clean_name(f"{other}_") and clean_name(one) != clean_name(other):
        assert not fields_of({one: value}).keys() & fields_of({other: another}).keys()


@given(st.dictionaries(names, anything, max_size=8))
def test_whatever_it_is_it_can_be_stored(attributes: dict[str, Any]) -> None:
    fields = fields_of(attributes)
    suffix = {"_str": str, "_bool": bool, "_json": str}
    for name, value in fields.items():
        assert name.startswith("attr_")
        assert name == clean_name(name)
        assert type(value) in (float, str, bool)
        assert type(value) is next((kind for end, kind in suffix.items() if name.endswith(end)), float)
        assert type(value) is not float or math.isfinite(value)  # type: ignore[arg-type]
    if fields:
        (found,) = parse(line(Point(Series("m", {}), fields, 1, 1))).values()
        assert found == fields


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "finite"),
        (-math.inf, "finite"),
        (10**400, "finite"),
        ("x" * (LARGEST_STRING + 1), "64 KiB"),
        ("ü" * LARGEST_STRING, "64 KiB"),
        (["x" * LARGEST_STRING], "64 KiB"),
    ],
)
def test_what_cannot_be_held_is_left_out_and_counted(value: Any, reason: str) -> None:
    made = AttributeFields()
    fields: dict[str, Field] = {}
    made.add({"a": value, "b": 1}, None, fields)
    assert fields == {"attr_b": 1.0}
    ((left_out, count),) = made.left_out.items()
    assert (reason in left_out, count) == (True, 1)
    assert fields_of({"a": "x" * LARGEST_STRING})


@pytest.mark.parametrize("depth", [10, 300, 900, 20_000])
def test_deep_nesting_ends_nothing(depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    made = AttributeFields()
    fields: dict[str, Field] = {}
    made.add({"a": nested, "b": 1}, None, fields)
    assert fields["attr_b"] == 1.0
    assert "attr_a_json" in fields or list(made.left_out.values()) == [1]


def test_json_has_no_word_for_infinity() -> None:
    assert json_text([1, {"a": math.nan}, [math.inf]]) == '[1,{"a":null},[null]]'
    assert json_text({"k": [10**30]}) == f'{{"k":[{10**30}]}}'


SECRET = "S3CRET"


@pytest.mark.parametrize(
    "attributes",
    [
        {"access_token": SECRET},
        {"entity_picture": f"/api/x?y={SECRET}"},
        {"entity_picture_local": SECRET},
        {"API_KEY": SECRET, "apikey": SECRET, "Password": SECRET, "client_secret": SECRET},
        {"video_url": f"http://x/?token={SECRET}"},
        {"video_url": f"http://x/?a=b&authSig={SECRET}"},
        {"nested": {"deep": [{"access_token": SECRET, "kept": 1}]}},
        {"nested": [f"/x?access_token={SECRET}", 1]},
        {"stream_source": f"rtsp://user:{SECRET}@camera/live"},
        {"urls": [f"rtsp://user:{SECRET}@camera/live"], "more": {"deep": [f"http://:{SECRET}@x"]}},
        {"map": f"https://maps/?center=1&key={SECRET}"},
        {"photo": f"https://s3/x?X-Amz-Date=1&X-Amz-Signature={SECRET}"},
        {"photo": f"https://s3/x?X-Amz-Security-Token={SECRET}"},
        {"link": f"https://home/api/webhook/{SECRET}", "webhook_id": SECRET, "cloudhook_url": SECRET},
        {"header": f"Bearer {SECRET}{SECRET}", "headers": {"Authorization": f"Basic {SECRET}"}},
        {"header": f"BEARER {SECRET}{SECRET}"},
        {"session": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{SECRET}"},
        {"setup": f'{{"user": "u", "password": "{SECRET}"}}'},
        {"API Key": SECRET, "x-api-key": SECRET, "accessToken": SECRET, "refresh_token": SECRET},
        {"wifi_psk": SECRET, "pwd": SECRET, "passphrase": SECRET, "pass_code": SECRET, "private_key": SECRET},
        {"Authorization": SECRET, "cookie": SECRET, "pass": SECRET},
        {**{f"k{n:03}": n for n in range(300)}, "zz_token": SECRET, "zzz": {"password": SECRET}},
    ],
)
def test_no_credential_becomes_a_field(attributes: dict[str, Any]) -> None:
    assert SECRET not in str(fields_of(attributes))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("passenger_count", "2"),
        ("keypad", "locked"),
        ("compass", "N"),
        ("bypassed", "no"),
        ("url", "http://host:8123/lovelace?kiosk=1"),
        ("media_title", "Key = A minor; what a design"),
        ("note", "a: b = {c}"),
        ("time", "2026-11-23T15:48:33.184487+00:00"),
        ("who", "anna@example.org"),
        ("when", "meet at 12:30 @ home"),
    ],
)
def test_what_only_looks_like_one_is_kept(attribute: str, value: str) -> None:
    assert fields_of({attribute: value}) == {f"attr_{attribute}_str": value}
    assert fields_of({"x": [value]}) == {"attr_x_json": json_text([value])}


def test_of_an_object_only_the_credential_is_left_out() -> None:
    assert fields_of({"a": {"url": f"rtsp://u:{SECRET}@h", "kept": 1}}) == {"attr_a_json": '{"url":null,"kept":1}'}


def test_beyond_so_many_attributes_the_rest_is_one_field() -> None:
    attributes = {f"k{n:04}": n for n in range(MOST_ATTRIBUTES + 50)}
    fields = fields_of(dict(reversed(attributes.items())))
    assert len(fields) == MOST_ATTRIBUTES + 1
    assert f'"k{MOST_ATTRIBUTES:04}":{MOST_ATTRIBUTES}' in str(fields["attr_more_json"])
    assert fields_of({**attributes, "more": "own"})["attr_more_json"] != fields["attr_more_json"]
    assert fields_of({"more": [1]}) == {"attr_more_json": "[1]"}
