"""A point's line says, to an independent reader, exactly what the module's table of changes says."""

import pytest
from homeiq.replayer.point import NONE, Point, Series, clean_name, line
from hypothesis import example, given
from hypothesis import strategies as st

from servers.line_protocol import parse

any_text = st.text(st.characters(exclude_categories=())) | st.text("ab\\,= \n\r\0\"#'\ud800é", max_size=8)
names = any_text.filter(bool)
field_names = names.filter(lambda name: '="' not in name)  # the independent reader takes that for a string's beginning
numbers = st.floats(allow_nan=False, allow_infinity=False)
strings = st.text(st.characters(exclude_categories=("Cs",)))
fields = st.one_of(numbers, st.integers(-(2**63), 2**63 - 1), strings, st.booleans())


def held(name: str) -> str:
    """Return a name as the table says that it is held."""
    for character, instead in (("\n", "␊"), ("\r", "␍"), ("\0", "␀")):
        name = name.replace(character, instead)
    name = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(
        "⧵" if character == "\\" and name[place + 1 : place + 2] in ("", ",", "=", " ", '"') else character
        for place, character in enumerate(name)
    )


@given(
    names, st.dictionaries(names, any_text, max_size=4), st.dictionaries(field_names, fields, min_size=1, max_size=4)
)
@example("m", {"a\\,b": "c\\ d\\"}, {"e\\=f\\": "g\\", 'q"u\\"o"': 'te"'})
def test_a_line_is_read_as_documented(measurement: str, tags: dict[str, str], values: dict[str, object]) -> None:
    text = line(Point(Series(measurement, tags), values, -5, 1))  # type: ignore[arg-type]
    ((key, found),) = parse(text).items()
    measurement = held("♯" + measurement[1:] if measurement.startswith("#") else measurement)
    wanted_tags = {held(name): held(tags[name]) or NONE for name in sorted(tags)}
    wanted_fields = {held(name): value for name, value in values.items()}
    assert key == (measurement, frozenset(wanted_tags.items()), -5)
    assert found == wanted_fields
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in wanted_fields.items()
    }
    assert text.encode().decode() == text


@given(any_text)
def test_a_name_is_changed_once(name: str) -> None:
    assert clean_name(name) == held(name)
    assert clean_name(clean_name(name)) == clean_name(name)


def test_tags_stand_in_order_and_make_the_key() -> None:
    one, other = Series("m", {"b": "1", "a": ""}), Series("m", {"a": NONE, "b": "1"})
    assert one.prefix == other.prefix == "m,a=none,b=1"
    assert Point(one, {"f": 1.0}, 7, 1).key == Point(other, {"g": True}, 7, 2).key


@pytest.mark.parametrize("value", [5e-324, -0.0, 1.7976931348623157e308, 0.1, 1e22, 21.5])
def test_floats_are_exact(value: float) -> None:
    (found,) = parse(line(Point(Series("m", {}), {"f": value}, 0, 1))).values()
    assert repr(found["f"]) == repr(value)
