"""Rules do what they say, in their order, to nothing else; no rule makes a field of another type, and none raises."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeiq.errors import SettingsError
from homeiq.replayer.home import Home
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.normalizers.registry import fingerprint
from homeiq.replayer.normalizers.rules import read_rules
from homeiq.replayer.normalizers.unit_tables import TABLES
from homeiq.replayer.point import Field, line
from homeiq.storage.record import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from replayer.making import DAY_0, config, numbered, registries, state

DOCS = Path(__file__).parents[3] / "docs"
NOON = DAY_0 + 43_200_000_000
HOME = Home()
HOME.learn_all(numbered(registries(DAY_0)))


def normalizer(*rules: Any) -> HomeAssistantNormalizer:
    return HomeAssistantNormalizer({"rules": read_rules(list(rules))})


def fields_of(event: Event, *rules: Any, home: Home = HOME) -> dict[str, Field]:
    (record,) = numbered([event])
    (point,) = normalizer(*rules).normalize(record, home.at(record.time))
    assert point.series.tags["entity_id"] == record.entity_id
    return point.fields


def reading(text: str, unit: str | None = None, device_class: str | None = None, **attributes: Any) -> Event:
    said = {"unit_of_measurement": unit, "device_class": device_class, **attributes}
    entity = attributes.pop("entity", "sensor.a")
    return state(entity, text, NOON, attributes={name: value for name, value in said.items() if value is not None})


def test_without_rules_nothing_is_looked_up() -> None:
    assert not normalizer()._describer._rules
    assert fields_of(reading("71.6", "°F")) == fields_of(reading("71.6", "°F"), {"drop": True, "entity": "light.*"})


# --- drop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "entity", "device_class", "dropped"),
    [
        ({"entity": "sensor.a"}, "sensor.a", None, True),
        ({"entity": "sensor.?"}, "sensor.ab", None, False),
        ({"entity": ["light.*", "*.a"]}, "sensor.a", None, True),
        ({"entity": "sensor.A"}, "sensor.a", None, False),
        ({"domain": "sensor"}, "sensor.a", None, True),
        ({"domain": "sens"}, "sensor.a", None, False),
        ({"device_class": "power"}, "sensor.a", "power", True),
        ({"device_class": ["power"]}, "sensor.a", None, False),
        ({"domain": "sensor", "device_class": "power"}, "sensor.a", "energy", False),
        ({"domain": "sensor", "entity": "*.b", "device_class": "power"}, "sensor.a", "power", False),
    ],
)
def test_states_are_dropped_where_all_that_is_given_holds(
    rule: dict[str, Any], entity: str, device_class: str | None, dropped: bool
) -> None:
    event = state(entity, "1", NOON, attributes={"device_class": device_class} if device_class else {})
    if dropped:
        with pytest.raises(SetAside) as found:
            fields_of(event, {"drop": True, **rule})
        assert found.value.reason is Reason.DROPPED
    else:
        assert fields_of(event, {"drop": True, **rule})["state"] == "1"


def test_a_dropped_entitys_removal_is_dropped_too() -> None:
    raw = json.dumps(
        {"event_type": "state_changed", "data": {"entity_id": "sensor.a", "old_state": None, "new_state": None}}
    )
    gone = Event(NOON, NOON, "home_assistant", "live", "state_changed", "sensor.a", None, raw)
    with pytest.raises(SetAside):
        fields_of(gone, {"drop": True, "entity": "sensor.*"})
    assert fields_of(gone, {"drop": True, "device_class": "power"})["removed"] is True


def test_attributes_are_dropped() -> None:
    event = reading("1", "W", x_modes=["a"], y_modes=1, z=2, friendly_name="A")
    fields = fields_of(event, {"drop": True, "attribute": ["*_modes", "friendly_name"]})
    assert not {name for name in fields if "modes" in name or name == "friendly_name"}
    assert (fields["attr_z"], fields["unit_of_measurement"]) == (2.0, "W")
    everything = fields_of(event, {"drop": True, "attribute": "*"})
    assert not [name for name in everything if name.startswith("attr_")]
    assert everything["unit_of_measurement"] == "W", "what tells how the rest is read stays"


# --- rename, convert, map --------------------------------------------------------------------------------------------


def test_an_attribute_gets_another_name_and_keeps_its_unit() -> None:
    fahrenheit = Home()
    fahrenheit.learn_all(numbered([config(DAY_0, temperature="°F")]))
    rules = (
        {"rename": "set_to", "attribute": "temperature", "domain": "climate"},
        {"rename": "min", "attribute": "set_to", "entity": "climate.second"},
    )
    first = state("climate.first", "heat", NOON, attributes={"temperature": 50})
    second = state("climate.second", "heat", NOON, attributes={"temperature": 50, "min": "text"})
    fields = fields_of(first, *rules, home=fahrenheit)
    assert (fields["attr_set_to"], "attr_temperature" in fields) == (10.0, False)
    fields = fields_of(second, *rules, home=fahrenheit)
    assert (fields["attr_min"], "attr_min_str" in fields, "attr_set_to" in fields) == (10.0, False, False)


@pytest.mark.parametrize(
    ("text", "unit", "device_class", "convert", "value", "shown"),
    [
        ("20", "psi", "pressure", {"to": "bar"}, 1.3789514, "bar"),
        ("20", "psi", None, {"to": "psi"}, 20.0, "psi"),
        ("20", "°C", "temperature", {"to": "bar"}, 20.0, "°C"),
        ("71.6", "°F", "temperature", {"to": "bar"}, 22.0, "°C"),
        ("71.6", None, None, {"from": "°F"}, 22.0, "°C"),
        ("71.6", "°C", "temperature", {"from": "°F", "to": "K"}, 295.15, "K"),
        ("5", None, None, {"to": "bar"}, 5.0, None),
        ("2", "ft", None, {"from": "ft"}, 2.0, "ft"),
        ("2", "kW", "power", {"factor": 10}, 20.0, "kW"),
        ("250", "pulses", None, {"factor": 0.01, "offset": -1, "unit": "kWh"}, 1.5, "kWh"),
        ("text", "psi", "pressure", {"to": "bar"}, None, "bar"),
        ("1e308", "kW", "power", {"factor": 1e10}, None, "kW"),
    ],
)
def test_a_state_is_converted_in_place_of_the_metric_unit(
    text: str, unit: str | None, device_class: str | None, convert: Any, value: float | None, shown: str | None
) -> None:
    fields = fields_of(reading(text, unit, device_class), {"convert": convert})
    assert (fields.get("value"), fields.get("unit_of_measurement")) == (value, shown)
    assert fields.get("unit_of_measurement_raw") == unit
    assert fields["state"] == text


def test_rules_are_applied_in_their_order_each_to_what_is_there_then() -> None:
    twice = ({"convert": {"factor": 2, "unit": "m"}}, {"convert": {"to": "cm"}})
    assert fields_of(reading("3", "ft"), *twice)["value"] == 600.0
    assert fields_of(reading("3", "ft", "distance"), *reversed(twice))["value"] == 182.88
    both = ({"map": {"low": 3}}, {"convert": {"factor": 2}})
    assert fields_of(reading("low"), *both)["value"] == 6.0
    assert fields_of(reading("low"), *reversed(both))["value"] == 3.0


def test_an_attribute_is_converted() -> None:
    event = reading("1", flow=2, also="2", flag=True, far=10**400)
    rules = [{"convert": {"from": "gal/min", "to": "L/min"}, "attribute": ["flow", "also", "flag", "far"]}]
    fields = fields_of(event, *rules)
    assert (fields["attr_flow"], fields["attr_also_str"], fields["attr_flag_bool"]) == (7.570823568, "2", True)
    assert "attr_far" not in fields
    assert fields_of(event, {"convert": {"offset": 1}, "attribute": "fl*"})["attr_flow"] == 3.0


def test_states_become_numbers() -> None:
    rules = yaml.safe_load("- {map: {on: 1, off: 0, 'yes': 2, half open: 0.5, unavailable: -1}, domain: sensor}")
    for text, value in (
        ("on", 1.0),
        ("off", 0.0),
        ("half open", 0.5),
        ("unavailable", -1.0),
        ("21.5", 21.5),
        ("x", None),
    ):
        fields = fields_of(reading(text), *rules)
        assert (fields["state"], fields.get("value")) == (text, value)
    assert fields_of(reading("on", "kW", "power"), *rules)["unit_of_measurement"] == "W"


def test_a_credential_is_not_brought_out() -> None:
    event = state("input_text.code", "hunter2", NOON, attributes={"mode": "password"})
    fields = fields_of(event, {"map": {"hunter2": 1, "": 1}}, {"drop": True, "attribute": "mode"})
    assert not {"state", "value"} & fields.keys()


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "rule 2 of rules cannot be read: does one thing: drop, rename, convert or map"),
        ({"drop": True, "rename": "x", "attribute": "y"}, "does one thing"),
        ({"drop": False, "entity": "a.b"}, "drop is true, or is left out"),
        ({"drop": True}, "it would drop everything"),
        ({"drop": True, "entity": "kitchen"}, "entity: 'kitchen' is not an entity"),
        ({"drop": True, "entity": 7}, "entity: must be a text or a list of texts"),
        ({"drop": True, "domain": "light.*"}, "domain: 'light.*' is not a domain"),
        ({"drop": True, "entities": "a.b"}, "it takes no entities: did you mean entity?"),
        ({"rename": "x"}, "rename needs one attribute, without a pattern"),
        ({"rename": "x", "attribute": "a*"}, "rename needs one attribute, without a pattern"),
        ({"rename": "x", "attribute": ["a", "b"]}, "rename needs one attribute"),
        ({"rename": "x", "attribute": "access_token"}, "access_token may carry a credential"),
        ({"rename": "api_key", "attribute": "x"}, "api_key may carry a credential"),
        ({"rename": "icon", "attribute": "x"}, "icon has a field of its own"),
        ({"rename": "x", "attribute": "friendly_name"}, "friendly_name can be dropped, and nothing else"),
        ({"drop": True, "attribute": "device_class"}, "device_class tells how the rest is read"),
        ({"convert": {}}, "convert: takes either from and to, or factor and offset"),
        ({"convert": {"form": "psi"}}, "it takes no convert.form: did you mean from?"),
        ({"convert": {"to": "furlong"}}, "convert: 'furlong' is no unit that is known"),
        ({"convert": {"from": "psi", "to": "°C"}}, "convert: psi and °C do not measure the same"),
        ({"convert": {"to": "bar", "factor": 2}}, "convert: takes either"),
        ({"convert": {"to": "bar", "unit": "x"}}, "convert: unit goes with factor and offset"),
        ({"convert": {"factor": math.inf}}, "convert.factor: must be finite"),
        ({"convert": {"to": "bar"}, "attribute": "x"}, "convert needs both from and to"),
        ({"map": {}}, "map is empty"),
        ({"map": {"on": "one"}}, "map.on: input should be a valid number"),
        ({"map": {"on": 1}, "attribute": "x"}, "map is of states: it takes no attribute"),
        ("drop", "input should be a valid dictionary"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(rule: Any, said: str) -> None:
    with pytest.raises(SettingsError) as found:
        read_rules([{"drop": True, "domain": "light"}, rule])
    assert str(found.value).startswith("rule 2 of rules cannot be read: ")
    assert said in str(found.value)
    assert "\n" not in str(found.value)
    assert found.value.exit_code == 2


def test_rules_are_a_list() -> None:
    with pytest.raises(SettingsError, match="it is a list of rules"):
        read_rules({"drop": True})


def test_a_changed_rule_changes_the_fingerprint() -> None:
    one, other = {"map": {"on": 1}}, {"map": {"on": 2}}
    assert fingerprint(normalizer(one)) == fingerprint(normalizer(one))
    found = [fingerprint(normalizer(*rules)) for rules in ((), (one,), (other,), (one, other), (other, one))]
    assert len(set(found)) == 5


# --- any rules, any state --------------------------------------------------------------------------------------------

UNITS = sorted(unit for table in TABLES.values() for unit in table)
names = st.sampled_from(["x", "y", "x_str", "temperature", "flow", "friendly_name", "a b"])
entities = st.sampled_from(["sensor.a", "climate.b", "weather.c", "number.d", "input_text.e"])
texts = st.sampled_from(["on", "off", "1", "-3.5e300", "unavailable", "text"])
numbers = st.floats(allow_nan=False, allow_infinity=False)
chosen = st.fixed_dictionaries(
    {},
    optional={
        "entity": st.sampled_from(["sensor.*", "*", "*.b", "climate.b"]),
        "domain": st.sampled_from(["sensor", "climate"]),
        "device_class": st.sampled_from(["temperature", "power"]),
        "attribute": names | st.sampled_from(["*", "x*"]),
    },
)
converts = st.fixed_dictionaries(
    {}, optional={"from": st.sampled_from(UNITS), "to": st.sampled_from(UNITS)}
) | st.fixed_dictionaries({}, optional={"factor": numbers, "offset": numbers, "unit": st.sampled_from(UNITS)})
things = (
    st.just({"drop": True})
    | st.builds(lambda name: {"rename": name}, names)
    | st.builds(lambda convert: {"convert": convert}, converts)
    | st.builds(lambda of: {"map": of}, st.dictionaries(texts, numbers, min_size=1, max_size=3))
)


def _readable(rule: dict[str, Any]) -> bool:
    try:
        return bool(read_rules([rule]))
    except SettingsError:
        return False


rules_of = st.lists(st.builds(dict.__or__, chosen, things).filter(_readable), max_size=5)
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.just(10**400)
    | st.lists(st.integers(), max_size=2)
)
types_seen: dict[str, type] = {}


@settings(max_examples=300, deadline=None)
@given(
    rules_of,
    entities,
    texts | numbers.map(repr),
    st.dictionaries(names, values, max_size=5),
    st.fixed_dictionaries(
        {},
        optional={
            "unit_of_measurement": st.sampled_from(UNITS),
            "device_class": st.sampled_from(["temperature", "power", "distance"]),
        },
    ),
)
def test_no_rule_makes_a_field_of_another_type_or_raises(
    rules: list[Any], entity: str, text: str, attributes: dict[str, Any], meaning: dict[str, Any]
) -> None:
    (record,) = numbered([state(entity, text, NOON, attributes=attributes | meaning)])
    try:
        (point,) = normalizer(*rules).normalize(record, HOME.at(NOON))
    except SetAside as aside:
        assert aside.reason is Reason.DROPPED
        assert any("drop" in rule and "attribute" not in rule for rule in rules)
        return
    for name, value in point.fields.items():
        assert types_seen.setdefault(name, type(value)) is type(value), name
        assert type(value) is not float or math.isfinite(value)  # type: ignore[arg-type]
    assert point.fields["state"] == text
    assert line(point) == line(normalizer(*rules).normalize(record, HOME.at(NOON))[0])


# --- the docs --------------------------------------------------------------------------------------------------------


def test_the_example_in_the_docs_does_what_it_says() -> None:
    _, block = re.findall(r"```yaml\n(.*?)```", (DOCS / "normalizers.md").read_text(encoding="utf-8"), re.DOTALL)
    rules = yaml.safe_load(block)["rules"]

    def made(entity: str, text: str, **attributes: Any) -> dict[str, Field]:
        return fields_of(state(entity, text, NOON, attributes=attributes), *rules)

    with pytest.raises(SetAside):
        made("sensor.router_uptime", "5")
    light = made("light.a", "on", color_modes=["rgb"], effect_list=["x"], brightness=5)
    assert [name for name in light if name.startswith("attr_")] == ["attr_brightness"]
    cover = made("cover.a", "open", current_position=40)
    assert (cover["attr_position"], cover["value"]) == (40.0, 100.0)
    boiler = made("sensor.boiler_pressure", "20", unit_of_measurement="psi", device_class="pressure")
    assert (boiler["value"], boiler["unit_of_measurement"]) == (1.3789514, "bar")
    assert made("sensor.old_thermometer", "50")["value"] == 10.0
    pulses = made("sensor.pulses", "250")
    assert (pulses["value"], pulses["unit_of_measurement"]) == (2.5, "kWh")
    assert made("sensor.pump", "on", flow=2)["attr_flow"] == 7.570823568
    assert [made("switch.a", text)["value"] for text in ("on", "off")] == [1.0, 0.0]
