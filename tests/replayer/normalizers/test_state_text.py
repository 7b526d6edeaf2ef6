"""Reading no further than needed gives what reading in full gives, whatever the text."""

import json
from typing import Any

import pytest
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers import home_assistant
from homeiq.replayer.normalizers.base import SetAside
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.state_text import read_change
from homeiq.replayer.point import line
from homeiq.storage.record import Record
from hypothesis import example, given
from hypothesis import strategies as st

from replayer.making import DAY_0, config, numbered, registries, state

HOME = Home()
HOME.learn_all(numbered([*registries(DAY_0), config(DAY_0, temperature="°F")]))

texts = st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from(
    ["21.5", "unknown", '"', "\\", "=", "é"]
)
numbers = st.integers(-(10**25), 10**25) | st.floats() | st.sampled_from([0, 1, True, 1.0, -0.0, 1e22])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = texts | st.sampled_from(
    ["unit_of_measurement", "friendly_name", "device_class", "temperature", "entity_picture"]
)
some_attributes = st.dictionaries(names, values, max_size=5)
old_states = values | st.fixed_dictionaries({"state": values, "last_changed": values | st.just("2026-11-22T23:00:00Z")})
entity_ids = st.sampled_from(["sensor.a", "climate.b", "weather.c", "text.d"])


def said(normalizer: HomeAssistantNormalizer, record: Record) -> str:
    """Return the line of a record, or why there is none."""
    try:
        (point,) = normalizer.normalize(record, HOME.at(record.time))
    except SetAside as reason:
        return reason.reason
    assert list(point.fields) == [name for part in point.parts for name, _ in part.items()]
    return line(point)


def said_in_full(record: Record) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(home_assistant, "read_change", lambda _: None)
        return said(HomeAssistantNormalizer(), record)


def spelled(record: Record, escaped: bool) -> Record:
    """Return a record with the same content, its text spelled otherwise."""
    content = json.loads(record.raw)
    raw = json.dumps(content, ensure_ascii=escaped, separators=(",", ":") if escaped else (" , ", "\t: "))
    return Record(*(getattr(record, name) for name in record.__slots__[:-1]), raw)


@given(entity_ids, values, st.lists(some_attributes, max_size=4), old_states, st.booleans(), st.booleans())
def test_it_gives_the_same_point(
    entity_id: str, text: Any, many: list[dict[str, Any]], old: Any, whole: bool, escaped: bool
) -> None:
    normalizer = HomeAssistantNormalizer()
    for attributes in [*many, *many]:  # what was said of the same attributes before is said again
        for one in (text, "on", "-3.5"):
            (record,) = numbered([state(entity_id, one, DAY_0, attributes=attributes, old=old, whole=whole)])
            record = spelled(record, escaped)
            assert said(normalizer, record) == said_in_full(record)


WHOLE = numbered(
    [
        state(
            "sensor.a",
            "21.5",
            DAY_0,
            attributes={"x": [1, {"y": "é\n"}], "u": 2.5},
            old={"state": "1", "attributes": {"z": [7, 2.5]}},
        )
    ]
)[0]


@given(
    st.integers(0, len(WHOLE.raw) - 1),
    st.integers(0, 3),
    st.text(max_size=2) | st.sampled_from(list('{}[]",:\\0-eN\x00')),
)
@example(WHOLE.raw.index("2.5"), 0, "0")
def test_a_damaged_text_gives_the_same_too(place: int, cut: int, put: str) -> None:
    raw = WHOLE.raw[:place] + put + WHOLE.raw[place + cut :]
    record = Record(*(getattr(WHOLE, name) for name in WHOLE.__slots__[:-1]), raw)
    assert said(HomeAssistantNormalizer(), record) == said_in_full(record)


@pytest.mark.parametrize(
    "raw",
    [
        '{"data":{"new_state":null}}',
        '{"data":{"new_state":{"state":5}}}',
        '{"data":{"new_state":{"state":"a"},"old_state":"b"}}',
        '{"data":{"new_state":{"state":"a","x":NaN}}}',
        '{"data":{"new_state":{"state":"a"}}}x',
        '{"data":{}}',
        "[]",
        "",
        "\ud800",
    ],
)
def test_what_must_be_read_in_full(raw: str) -> None:
    assert read_change(Record(1, 0, 0, "home_assistant", "live", "state_changed", "a.b", None, raw)) is None


@pytest.mark.parametrize("text", ["hunter2", "unknown"])
def test_the_old_text_of_a_password_is_not_shown_either(text: str) -> None:
    old = {"state": text, "attributes": {"mode": "password"}}
    shown = numbered([state("text.d", "x", DAY_0, attributes={"mode": "text"}, old=old)])[0]
    hidden = numbered([state("text.d", text, DAY_0, attributes={"mode": "password"})])[0]
    for record in (shown, hidden):
        assert (text in said(HomeAssistantNormalizer(), record)) == (text == "unknown")


def test_true_is_not_one_and_one_is_not_one_point_nought_in_a_list() -> None:
    normalizer = HomeAssistantNormalizer()
    lines = []
    for value in (1, True, [1], [True], [1.0], "1"):
        (record,) = numbered([state("sensor.a", "x", DAY_0, attributes={"v": value})])
        lines.append(said(normalizer, record))
    assert len(set(lines)) == len(lines)
