"""What a home proposes: by its sensors, its country and its place; and that the file which is made of it loads."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from homeiq.commands.configuration import load_settings
from homeiq.commands.init_file import Answers, config_text
from homeiq.commands.init_proposal import Proposal, propose
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PLACE = {"latitude": 52.37, "longitude": 4.89}


def sensor(name: str, kind: str = "power", unit: str = "W", **attributes: Any) -> dict[str, Any]:
    return {
        "entity_id": f"sensor.{name}",
        "state": "1",
        "attributes": {"device_class": kind, "unit_of_measurement": unit, **attributes},
    }


def section(name: str, config: dict[str, Any], *states: dict[str, Any]) -> Proposal | None:
    return next((one for one in propose(config, states) if one.section == name), None)


def test_nothing_is_proposed_to_a_home_that_says_nothing() -> None:
    assert propose({}, []) == []
    assert propose({"latitude": None, "country": None}, [{"entity_id": "sensor.a", "attributes": None}]) == []


def test_meters_become_circuits_and_their_counters_belong_to_them() -> None:
    found = section(
        "smart_meter",
        {},
        sensor("kitchen_power"),
        sensor("kitchen_energy", "energy", "kWh"),
        sensor("heat_pump_current_consumption", "power", "kW"),
        sensor("boiler_energy_total", "energy", "Wh"),
        sensor("grid_power"),
        sensor("grid_energy_import", "energy", "kWh"),
        sensor("outdoor_temperature", "temperature", "°C"),
        sensor("speaker_power", "power", "mW"),
        {"entity_id": "number.limit_power", "attributes": {"device_class": "power", "unit_of_measurement": "W"}},
    )
    assert found is not None
    assert not found.tells
    assert found.found == "3 circuits: boiler, heat_pump, kitchen"
    assert found.content == {
        "provider": "home_assistant",
        "total": ["sensor.grid_power", "sensor.grid_energy_import"],
        "circuits": {
            "boiler": "sensor.boiler_energy_total",
            "heat_pump": "sensor.heat_pump_current_consumption",
            "kitchen": ["sensor.kitchen_power", "sensor.kitchen_energy"],
        },
    }


@pytest.mark.parametrize(
    "name",
    [
        "solar_power",
        "pv_power",
        "battery_power",
        "grid_export_power",
        "grid_return_energy",
        "apparent_power",
        "peak_power",
    ],
)
def test_what_is_made_stored_or_sold_is_no_circuit(name: str) -> None:
    assert section("smart_meter", {}, sensor(name)) is None


def test_home_assistants_own_weather_is_preferred_and_nobody_is_asked() -> None:
    weather = {"entity_id": "weather.home", "state": "sunny", "attributes": {}}
    other = {"entity_id": "weather.work", "state": "sunny", "attributes": {}}
    found = section("weather", PLACE, weather)
    assert found is not None
    assert (found.content, found.tells) == ({"provider": "home_assistant"}, "")
    found = section("weather", PLACE, weather, other)
    assert found is not None
    assert found.content == {"provider": "home_assistant", "entity": "weather.home"}
    found = section("weather", PLACE)
    assert found is not None
    assert (found.content, found.tells) == ({"provider": "open_meteo"}, "Open-Meteo")
    assert section("weather", {}) is None


@pytest.mark.parametrize(
    ("country", "content"),
    [
        ("DE", {"provider": "awattar", "country": "DE"}),
        ("AT", {"provider": "awattar", "country": "AT"}),
        ("NL", {"provider": "energy_charts", "zone": "NL"}),
        ("LU", {"provider": "energy_charts", "zone": "DE-LU"}),
        ("US", None),
        (None, None),
    ],
)
def test_prices_are_those_of_the_country(country: str | None, content: dict[str, str] | None) -> None:
    found = section("electricity_pricing", {"country": country})
    assert (found.content if found else None) == content


def test_where_a_country_has_several_zones_a_person_must_say_which() -> None:
    found = section("electricity_pricing", {"country": "NO", "currency": "NOK"})
    assert found is not None
    assert found.incomplete == "the zone: NO1 to NO5"
    assert "in EUR though the home reckons in NOK" in found.why


def test_carbon_is_that_of_the_grid() -> None:
    found = section("carbon_intensity", {"country": "GB"})
    assert found is not None
    assert found.content == {"provider": "uk"}
    assert section("carbon_intensity", {"time_zone": "Europe/London"}) == found
    found = section("carbon_intensity", {"country": "US"})
    assert found is not None
    assert found.incomplete
    assert section("carbon_intensity", {"country": "DE"}) is None


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.upper().startswith(("HOMEIQ_", "HOME_ASSISTANT_", "INFLUXDB_", "XDG_")):
            monkeypatch.delenv(name)
    return tmp_path


COUNTRIES = ["DE", "AT", "NL", "NO", "IT", "GB", "US", "FI", ""]
ENTITY = st.from_regex(r"(sensor|weather|calendar)\.[a-z0-9]{1,8}(_(power|energy|total))?", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes the file anew
@given(
    country=st.sampled_from(COUNTRIES),
    states=st.lists(
        st.builds(
            lambda entity, kind: {
                "entity_id": entity,
                "attributes": {"device_class": kind, "unit_of_measurement": "W" if kind == "power" else "kWh"},
            },
            ENTITY,
            st.sampled_from(["power", "energy"]),
        ),
        max_size=8,
    ),
    name=st.text(max_size=40),
    wants=st.booleans(),
)
def test_whatever_a_home_is_the_file_loads_and_says_what_was_chosen(
    alone: Path, country: str, states: list[dict[str, Any]], name: str, wants: bool
) -> None:
    proposals = propose({"country": country, **PLACE}, states)
    wanted = [one for one in proposals if wants and not one.incomplete]
    (alone / "token").write_text("secret\n")
    text = config_text(
        Answers(
            home=name,
            url="http://home:8123",
            token_file=alone / "token",
            default_data_dir=Path("/nowhere"),
            influxdb={"url": "http://influx:8086", "org": "no", "bucket": "1e3"} if wants else {},
            influxdb_is=name,
            wanted=wanted,
            offered=[one for one in proposals if one not in wanted],
        )
    )
    (alone / "homeiq.yaml").write_text(text, encoding="utf-8")
    read = load_settings(alone / "homeiq.yaml")
    assert read.home_assistant.token.get_secret_value() == "secret"
    assert read.sections == sorted(one.section for one in wanted)
    assert (read.influxdb.bucket, read.influxdb.org) == (
        ("1e3", "no") if wants else ("home_assistant_events", "homeiq")
    )
    for one in wanted:
        assert read.section(one.section) == one.content


def test_what_is_offered_holds_once_its_marks_are_taken_away(alone: Path) -> None:
    (alone / "token").write_text("secret\n")
    proposals = [one for one in propose({"country": "NL", **PLACE}, []) if not one.incomplete]
    text = config_text(
        Answers(
            "a home", "http://home:8123", alone / "token", Path("/nowhere"), offered=proposals, data_dir=alone / "d"
        )
    )
    assert set(yaml.safe_load(text)) == {"data_dir", "home_assistant"}
    opened = re.sub(r"^# (?=\w+:( |$)|  )", "", text, flags=re.MULTILINE)
    (alone / "homeiq.yaml").write_text(opened.replace("/path/to/a/file", str(alone / "token")))
    read = load_settings(alone / "homeiq.yaml", data_dir=alone)
    assert read.influxdb.url == "http://localhost:8086"
    assert {name: read.section(name) for name in read.sections} == {one.section: one.content for one in proposals}
