"""Each state gives exactly one point, of constant types, whatever Home Assistant sends and whichever way it came."""

import json
import math
import re
from typing import Any

import pytest
from homeiq.clock import SECOND
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer, number_of
from homeiq.replayer.point import Point, line
from homeiq.storage.record import ORIGINS, Event, Record
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replayer.making import DAY_0, config, devices, entities, numbered, registries, state
from servers.line_protocol import parse

NOON = DAY_0 + 43_200 * SECOND
TAGS = {
    *("area_id", "device_class", "device_id", "domain", "entity_category"),
    *("entity_id", "event_type", "integration", "time_of_day"),
}


def home(*events: Event) -> Home:
    home = Home()
    home.learn_all(numbered(events or registries(DAY_0)))
    return home


HOME = home()


def point_of(event: Event | Record, known: Home = HOME) -> Point:
    record = event if isinstance(event, Record) else numbered([event])[0]
    (point,) = HomeAssistantNormalizer().normalize(record, known.at(record.time))
    assert point.time == record.time * 1000
    return point


def set_aside(raw: str, kind: str = "state_changed", entity_id: str | None = "sensor.a") -> Reason:
    event = Event(NOON, NOON, "home_assistant", "live", kind, entity_id, None, raw)
    with pytest.raises(SetAside) as caught:
        point_of(event)
    return caught.value.reason


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "number"), [("21.5", 21.5), ("-3", -3.0), ("1e5", 1e5), (".5", 0.5), ("1.", 1.0)])
def test_numbers(text: str, number: float) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text",
    [*("0x10", "1_000", " 5 ", "5\n", "nan", "inf", "-inf", "1e999", "٣", "٣.٥", "１", "+5", "--5", "5-", "."), ""],
)
def test_texts_that_are_no_numbers(text: str) -> None:
    assert number_of(text) is None


@given(st.text("0123456789.eE+-_ xnaif٣１\n", max_size=8) | st.floats().map(repr) | st.text())
@example("1e-400")
def test_only_what_the_strict_grammar_takes_is_a_number(text: str) -> None:
    number = number_of(text)
    strict = re.fullmatch(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", text, re.ASCII)
    if strict and math.isfinite(float(text)):
        assert number == float(text)
    else:
        assert number is None


# --- any state gives one point ---------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=()), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
SECRET = "S3CRET"
secrets = st.sampled_from(
    [{"access_token": SECRET}, {"entity_picture": SECRET}, {"x": f"a?token={SECRET}"}, {"n": [{"api_key": SECRET}]}]
)
known_names = ("friendly_name", "icon", "unit_of_measurement", "device_class", "temperature", "temperature_unit")
names = st.sampled_from(["x", "x_str", "x_bool", "x_json", "x_str_", "", "a b", *known_names]) | texts
attributes = st.builds(dict.__or__, st.dictionaries(names, json_values, max_size=5), st.just({}) | secrets)
entity_ids = st.sampled_from(["sensor.a", "climate.b", "weather.c", "sensor", "x,y=z a\\,b.ü", ""])
odd_states = st.sampled_from(["1", "on", "unavailable", "unknown", "\ud800"])
not_null = odd_states | json_values.filter(lambda value: value is not None)

types_seen: dict[str, type] = {}


@settings(max_examples=300, deadline=None)
@given(entity_ids, not_null, attributes, st.sampled_from(ORIGINS), st.booleans(), json_values)
@example(entity_id="sensor.a", text="", attributes={}, origin="backfill", whole=False, old=None)
@example(entity_id="sensor.a", text="", attributes={}, origin="backfill", whole=True, old=None)
@example(entity_id="sensor.a", text="", attributes={}, origin="import", whole=False, old=None)
def test_every_state_gives_one_point(
    entity_id: str, text: Any, attributes: dict[str, Any], origin: Any, whole: bool, old: Any
) -> None:
    event = state(entity_id, text, NOON, origin, attributes=attributes, old=old, whole=whole)
    point = point_of(event)
    assert point.series.measurement == "home_assistant_events"
    assert point.series.tags.keys() == TAGS
    assert all(point.series.tags.values())
    assert point.fields["origin"] == origin
    assert point.fields["removed"] is (
        origin in ("backfill", "import") and not whole and text == ""
    )  # as the history tells it
    for name, value in point.fields.items():
        assert types_seen.setdefault(name, type(value)) is type(value), name
    text_line = line(point)
    assert SECRET not in text_line
    ((_, found),) = parse(text_line.encode().decode()).items()
    assert found == point.fields


@given(entity_ids, not_null, attributes, json_values)
def test_a_state_gives_the_same_point_whichever_way_it_came(
    entity_id: str, text: Any, attributes: dict[str, Any], old: Any
) -> None:
    live = point_of(state(entity_id, text, NOON, "live", attributes=attributes, old=old))
    alone = point_of(state(entity_id, text, NOON, "snapshot", attributes=attributes))
    assert live.key == alone.key
    fields = {k: v for k, v in live.fields.items() if k not in ("old_state", "duration_in_state_seconds")}
    assert fields | {"origin": "snapshot"} == alone.fields


@pytest.mark.parametrize("text", ["unavailable", "unknown"])
def test_what_is_not_there_is_a_state_too(text: str) -> None:
    fields = point_of(state("sensor.a", text, NOON)).fields
    assert (fields["state"], fields["available"], "value" in fields) == (text, False, False)


def test_the_old_state_and_how_long_it_lasted_come_from_the_record_itself() -> None:
    old = {"state": "70", "last_changed": "2026-11-23T11:59:00+00:00"}
    fields = point_of(state("sensor.a", "71", NOON, old=old)).fields
    assert (fields["old_state"], fields["duration_in_state_seconds"]) == ("70", 60.0)
    later = {"state": "70", "last_changed": "2026-11-23T12:00:01+00:00"}
    assert "duration_in_state_seconds" not in point_of(state("sensor.a", "71", NOON, old=later)).fields


def test_units_are_metric_and_the_state_stays_as_received() -> None:
    attributes = {"unit_of_measurement": "°F", "device_class": "temperature"}
    fields = point_of(state("sensor.a", "71.6", NOON, attributes=attributes)).fields
    assert (fields["state"], fields["value"]) == ("71.6", 22.0)
    assert (fields["unit_of_measurement"], fields["unit_of_measurement_raw"]) == ("°C", "°F")


def test_thermostats_and_weather_are_metric() -> None:
    fahrenheit = home(config(DAY_0, temperature="°F"))
    thermostat = {"temperature": 70, "target_temp_step": 1, "humidity": 50}
    fields = point_of(state("climate.b", "heat", NOON, attributes=thermostat), fahrenheit).fields
    assert (fields["attr_temperature"], fields["attr_target_temp_step"]) == (21.1111111111, 0.555555555556)
    assert fields["attr_humidity"] == 50.0
    weather = {"temperature": 32, "temperature_unit": "°F", "wind_speed": 36, "wind_speed_unit": "km/h"}
    fields = point_of(state("weather.c", "sunny", NOON, attributes=weather)).fields
    assert (fields["attr_temperature"], fields["attr_temperature_unit_str"]) == (0.0, "°C")
    assert (fields["attr_wind_speed"], fields["attr_wind_speed_unit_str"]) == (10.0, "m/s")


def test_weather_is_metric_in_all_that_it_says_and_foretells() -> None:
    units = {"temperature_unit": "°F", "visibility_unit": "mi", "precipitation_unit": "in", "wind_speed_unit": "kn"}
    day = {"temperature": 50, "templow": 32.0, "precipitation": 1, "wind_speed": 36, "humidity": 40, "datetime": "x"}
    said = {"dew_point": 41, "visibility": 10, "wind_gust_speed": 9, "pressure": 1013, "forecast": [day, None]}
    fields = point_of(state("weather.c", "sunny", NOON, attributes=units | said)).fields
    assert {name: value for name, value in fields.items() if name.endswith("_unit_str")} == {
        **{"attr_temperature_unit_str": "°C", "attr_visibility_unit_str": "km"},
        **{"attr_precipitation_unit_str": "mm", "attr_wind_speed_unit_str": "m/s"},
    }
    assert (fields["attr_dew_point"], fields["attr_visibility"], fields["attr_wind_gust_speed"]) == (
        5.0,
        16.09344,
        4.63,
    )
    assert fields["attr_pressure"] == 1013.0, "nothing says its unit"
    metric = {"temperature": 10.0, "templow": 0.0, "precipitation": 25.4, "wind_speed": 18.52}
    assert json.loads(str(fields["attr_forecast_json"])) == [day | metric, None]


def test_old_weather_is_in_the_homes_own_unit() -> None:
    fahrenheit = home(config(DAY_0, temperature="°F"))
    fields = point_of(state("weather.c", "sunny", NOON, attributes={"temperature": 50}), fahrenheit).fields
    assert fields["attr_temperature"] == 10.0
    assert "attr_temperature_unit_str" not in fields
    new = {"temperature": 50, "temperature_unit": "°C"}
    assert point_of(state("weather.c", "sunny", NOON, attributes=new), fahrenheit).fields["attr_temperature"] == 50.0


def test_a_numbers_limits_are_in_the_unit_of_its_state() -> None:
    attributes = {
        "unit_of_measurement": "ft",
        "device_class": "distance",
        "min": 0,
        "max": 100,
        "step": 10,
        "mode": "box",
    }
    fields = point_of(state("number.a", "50", NOON, attributes=attributes)).fields
    assert [fields[name] for name in ("value", "attr_min", "attr_max", "attr_step")] == [15.24, 0.0, 30.48, 3.048]
    sensor = point_of(state("sensor.a", "50", NOON, attributes=attributes)).fields
    assert sensor["attr_max"] == 100.0


def test_a_number_that_becomes_too_great_is_left_out() -> None:
    fields = point_of(state("sensor.a", "1e308", NOON, attributes={"unit_of_measurement": "GWh"})).fields
    assert (fields["state"], "value" in fields, fields["unit_of_measurement"]) == ("1e308", False, "kWh")


@pytest.mark.parametrize(
    ("entity", "text", "attributes"),
    [
        ("input_text.alarm_code", "123456", {"mode": "password"}),
        ("text.wifi", "hunter2", {"mode": "password"}),
        ("sensor.stream", "rtsp://admin:hunter2@camera/live", {}),
        ("sensor.link", "https://home/x?authSig=hunter2", {}),
    ],
)
def test_a_state_that_is_a_credential_is_left_out(entity: str, text: str, attributes: dict[str, Any]) -> None:
    old = {"state": text, "attributes": attributes, "last_changed": "2026-11-23T11:00:00+00:00"}
    for event in (state(entity, text, NOON, attributes=attributes, old=old), state(entity, text, NOON, "snapshot")):
        if event.origin == "snapshot" and attributes:
            continue  # the mode is what tells
        fields = point_of(event).fields
        assert text not in str(fields)
        assert not {"state", "value", "old_state"} & fields.keys()
        assert fields["available"] is True
    shown = point_of(state(entity, "unknown", NOON, attributes=attributes)).fields
    assert (shown["state"], shown["available"]) == ("unknown", False)
    gone = Event(NOON, NOON, "home_assistant", "live", "state_changed", entity, None, removal(old).raw)
    assert text not in str(point_of(gone).fields)


def test_what_is_typed_in_the_open_is_a_state() -> None:
    assert point_of(state("input_text.note", "hunter2", NOON, attributes={"mode": "text"})).fields["state"] == "hunter2"


def removal(old: Any = None) -> Event:
    raw = json.dumps({"data": {"entity_id": "sensor.a", "old_state": old, "new_state": None}, "context": {"id": "c"}})
    return Event(NOON, NOON, "home_assistant", "live", "state_changed", "sensor.a", None, raw)


def test_a_removal_is_a_point_without_a_state() -> None:
    point = point_of(removal({"state": "5", "last_changed": "2026-11-23T11:00:00+00:00"}))
    assert point.fields == {
        **{"origin": "live", "available": False, "removed": True, "old_state": "5", "context_id": "c"},
        **{"manufacturer": "Acme", "model": "M", "sw_version": "1"},
    }
    assert point.series.tags["device_class"] == "none"
    assert point.series.tags["area_id"] == "kitchen"
    assert "old_state" not in point_of(removal()).fields


def test_registries_enrich_by_the_records_own_time() -> None:
    known = home(
        *(devices(DAY_0 + SECOND, "A", "hall"), devices(DAY_0 + 9 * SECOND, "B", "bath")),
        *(entities(DAY_0 + SECOND), entities(DAY_0 + 5 * SECOND, ["sensor.renamed"]), config(DAY_0)),
    )
    seen = []
    for second in (0, 1, 4, 5, 9):
        for name in ("sensor.a", "sensor.renamed"):
            point = point_of(state(name, "1", DAY_0 + second * SECOND), known)
            seen.append((name[7:], point.series.tags["area_id"], point.fields.get("manufacturer")))
    before = [("a", "hall", "A"), ("renamed", "none", None)]
    after = [("a", "none", None), ("renamed", "hall", "A")]
    last = [("a", "none", None), ("renamed", "bath", "B")]
    assert seen == [*before * 3, *after, *last]


@pytest.mark.parametrize("raw", ["", "{", "nonsense", "[1,", '{"data": {"new_state": {"state": }}}', "[" * 100_000])
@pytest.mark.parametrize("kind", ["state_changed", "state"])
def test_what_is_not_json_is_set_aside(raw: str, kind: str) -> None:
    assert set_aside(raw, kind) is Reason.UNREADABLE


@pytest.mark.parametrize("raw", ["7", "[]", "{}", '{"data": 7}', '{"data": {}}', '{"data": {"new_state": 7}}'])
def test_what_lacks_a_state_is_set_aside(raw: str) -> None:
    assert set_aside(raw) is Reason.INCOMPLETE


def test_what_lacks_an_entity_is_set_aside() -> None:
    assert set_aside('{"data": {"new_state": {"state": "1"}}}', entity_id=None) is Reason.INCOMPLETE
    assert set_aside('{"data": {"new_state": {"attributes": {}}}}') is Reason.INCOMPLETE
    assert set_aside('{"data": {"new_state": null}}', entity_id=None) is Reason.INCOMPLETE


def test_a_tolerant_reading_still_gives_a_point() -> None:
    event = state("sensor.a", "1", NOON, attributes={"x": math.nan, "y": 1})
    assert "NaN" in event.raw
    assert point_of(event).fields["attr_y"] == 1.0


# --- rows of the history ---------------------------------------------------------------------------------------------


def row(entity_id: str, raw: str, state: str | None, origin: Any = "backfill") -> Event:
    return Event(NOON, NOON, "home_assistant", origin, "state", entity_id, state, raw)


@given(st.sampled_from(["on", "1", "unavailable", "7.5"]), attributes, st.sampled_from(["backfill", "simulated"]))
def test_a_row_of_the_history_gives_the_point_of_the_state(text: str, attributes: dict[str, Any], origin: Any) -> None:
    alone = state("sensor.a", text, NOON, origin, attributes=attributes, whole=False)
    short = json.dumps({"s": text, "a": attributes, "lu": NOON / 1e6})
    expected, made = point_of(alone), point_of(row("sensor.a", short, text, origin))
    assert made.key == expected.key
    assert made.fields == {name: value for name, value in expected.fields.items() if name != "context_id"}


@pytest.mark.parametrize("text", ["null", '""'])
def test_a_row_without_a_state_is_a_removal(text: str) -> None:
    expected = point_of(removal())
    for raw in (f'{{"s":{text},"a":{{}},"lu":1.5}}', f'{{"entity_id":"sensor.a","state":{text},"attributes":{{}}}}'):
        made = point_of(row("sensor.a", raw, None))
        assert made.key == expected.key
        fields = {name: value for name, value in expected.fields.items() if name != "context_id"}
        assert made.fields == fields | {"origin": "backfill"}


@pytest.mark.parametrize("entity_id", ["text.code", "input_text.code"])
def test_a_row_that_may_be_a_password_keeps_it_to_itself(entity_id: str) -> None:
    """The history does not say `mode: password`: nobody can tell."""
    fields = point_of(row(entity_id, '{"s":"S3CRET","a":{"friendly_name":"Code"},"lu":1.5}', "S3CRET")).fields
    assert SECRET not in str(fields)
    assert (fields["available"], fields["friendly_name"]) == (True, "Code")
    fields = point_of(row(entity_id, '{"s":"unavailable","a":{},"lu":1.5}', "unavailable")).fields
    assert fields["state"] == "unavailable"
    fields = point_of(row(entity_id, '{"s":"plain","a":{"mode":"text"},"lu":1.5}', "plain")).fields
    assert fields["state"] == "plain"


def test_an_empty_state_that_was_heard_is_a_state() -> None:
    assert point_of(state("sensor.a", "", NOON)).fields["removed"] is False


def test_a_row_that_is_nothing_is_set_aside() -> None:
    assert set_aside('{"lu": 1.5, "a": {}}', "state") is Reason.INCOMPLETE
