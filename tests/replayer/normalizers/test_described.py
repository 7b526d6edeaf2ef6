"""What is remembered of the state before changes nothing: a state's point is the same after any other."""

from typing import Any

import pytest
from homeiq.replayer.normalizers.described import Describer
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.rules import Rules
from homeiq.replayer.point import line
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replayer.making import numbered, state
from replayer.normalizers.test_home_assistant import HOME, NOON

values = st.recursive(
    st.sampled_from(
        [None, True, False, 0, 1, 1.0, -0.0, 71.6, 2**70, "", "a", "1", 'say "x"\\', "ü", "\ud800", "x?token=1"]
    )
    | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "token"]), inner, max_size=2),
    max_leaves=3,
)
names = st.sampled_from(
    [
        "a",
        "b",
        "a_str",
        "a\n",
        "a␊",
        "temperature",
        "min",
        "unit_of_measurement",
        "device_class",
        "friendly_name",
        "icon",
    ]
)
attributes = st.dictionaries(names, values, max_size=5)
entities = st.sampled_from(["sensor.a", "climate.a", "number.a", "weather.a", "light.a"])


@st.composite
def sequences(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return attributes of states that follow one another: most of them as they were."""
    first = draw(attributes)
    found = [first]
    for _ in range(draw(st.integers(1, 5))):
        changes = draw(st.dictionaries(st.sampled_from(sorted(first)) if first else names, values, max_size=2))
        kept = {name: value for name, value in found[-1].items() if draw(st.integers(0, 9))}
        found.append(kept | changes)
    return found


@settings(max_examples=300)
@given(entities, sequences())
@example("climate.a", [{"temperature": 71.6}, {"temperature": 70}, {"temperature": 70.0}, {"temperature": "70"}])
@example("number.a", [{"unit_of_measurement": "°F", "min": 71.6}, {"unit_of_measurement": "°C", "min": 71.6}])
@example("light.a", [{"a": [1], "b": 1}, {"a": [True], "b": 1}, {"b": 1, "a": [True]}, {"a": [1.0], "b": 2}])
@example("light.a", [{"a\n": 1, "a␊": 2}, {"a\n": 3, "a␊": 2}])
@example("light.a", [{"a": float("inf"), "b": 1}, {"a": float("inf"), "b": 2}])
def test_a_point_does_not_depend_on_the_states_before(entity: str, said: list[dict[str, Any]]) -> None:
    records = numbered([state(entity, "21.5", NOON + n, attributes=attributes) for n, attributes in enumerate(said)])
    view = HOME.at(NOON)
    one = HomeAssistantNormalizer()
    for record in records:
        (after_others,) = one.normalize(record, view)
        (alone,) = HomeAssistantNormalizer().normalize(record, view)
        assert line(after_others) == line(alone)
        assert list(after_others.fields.items()) == list(alone.fields.items())


def test_only_what_changed_is_read_again() -> None:
    describer, view = Describer(Rules(())), HOME.at(NOON)
    read: list[str] = []
    field_of = describer.attributes.field_of
    describer.attributes.field_of = lambda name, *rest: read.append(name) or field_of(name, *rest)  # type: ignore[func-returns-value, method-assign]
    texts = [b'{"a": 1, "b": [1, 2], "friendly_name": "Lamp"}', b'{"a": 2, "b": [1, 2], "friendly_name": "Lamp"}']
    for text in [*texts, texts[1].replace(b"2,", b"3,")]:
        read.clear()
        assert describer.of_text("light.a", text, view) is not None
    assert read == ["a"]
    read.clear()
    same = describer.of_text("light.a", texts[0], view)
    assert same is describer.of_text("light.a", texts[0], view)
    assert read == []


@pytest.mark.parametrize("changed", ["friendly_name", "device_class", "icon", "unit_of_measurement"])
def test_what_decides_more_than_its_own_field_has_all_read_again(changed: str) -> None:
    describer, view = Describer(Rules(())), HOME.at(NOON)
    before = describer.of_text("sensor.a", b'{"a": 1, "%s": "x"}' % changed.encode(), view)
    after = describer.of_text("sensor.a", b'{"a": 1, "%s": "y"}' % changed.encode(), view)
    assert before is not None
    assert after is not None
    assert dict(after.named.items()) != dict(before.named.items()) or after.device_class != before.device_class
