"""What Home Assistant's own influxdb integration writes, and what the layout home_assistant makes of the same events."""

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from end_to_end.busy import busy
from servers.home_assistant import HomeAssistantServer
from servers.homeiq import Homeiq, wait_for
from servers.influxdb import Content, FieldValue, InfluxDBServer

OPTIONS: dict[str, Any] = {
    "default_measurement": "state",
    "tags": {"house": "the old mill, left"},
    "tags_attributes": ["friendly_name", "icon"],
    "ignore_attributes": ["attribution"],
    "component_config": {"sensor.own_place": {"override_measurement": "places"}},
    "component_config_glob": {"sensor.own_b*": {"override_measurement": "of b", "ignore_attributes": ["text"]}},
    "component_config_domain": {"light": {"override_measurement": "light"}},
}

ENUMERATION = re.compile(r"<\w+\.\w+: ('[^']*')>")
"""A value of a list that is an enumeration in Home Assistant: JSON has the value alone."""

CREDENTIAL = re.compile(r"access_token|entity_picture")

STATES: dict[str, tuple[Any, dict[str, Any]]] = {
    "sensor.own_number": (
        "21.5",
        {"unit_of_measurement": "°C", "device_class": "temperature", "friendly_name": "A, b=c"},
    ),
    "sensor.own_fahrenheit": ("70", {"unit_of_measurement": "°F", "device_class": "temperature"}),
    "sensor.own_text": ('a "quoted" text\\ with, odd = things\nand a line', {"friendly_name": "Text"}),
    "sensor.own_padded": (" 5 ", {"unit_of_measurement": "W"}),
    "sensor.own_underscore": ("1_000", {"unit_of_measurement": "W"}),
    "sensor.own_hex": ("0x10", {"unit_of_measurement": "W"}),
    "sensor.own_nan": ("nan", {"unit_of_measurement": "W", "kept": 1}),
    "sensor.own_infinite": ("-inf", {"unit_of_measurement": "W"}),
    "sensor.own_empty": ("", {"x": 1}),
    "sensor.own_unknown": ("unknown", {"x": 1}),
    "sensor.own_unavailable": ("unavailable", {"x": 1}),
    "binary_sensor.own_door": ("on", {"device_class": "door"}),
    "lock.own_lock": ("unlocked", {}),
    "cover.own_cover": ("open", {"current_position": 55}),
    "person.own_person": ("not_home", {"latitude": 48.1, "gps_accuracy": None}),
    "sensor.own_place": ("12", {"unit_of_measurement": "km"}),
    "sensor.own_b1": ("13", {"unit_of_measurement": "km", "text": "ignored", "other": "kept"}),
    "sensor.own_attributes": (
        "1",
        {
            "number": 3,
            "real": 2.5,
            "yes": True,
            "no": False,
            "none": None,
            "list": [1, 2.5, "x", None, True],
            "pair": [10, 20],
            "object": {"a": 1, "b": {"c": [None]}},
            "text": "plain",
            "digits": "12.5 °C",
            "two": "1.2.3",
            "date": "2024-03-01",
            "quoted": "\"'\\",
            "number_as_text": "7",
            "value": 8,
            "state": "x",
            "text_str": "meets text",
            "ключ, = x": "имя",
            "infinite": "inf",
            "empty": "",
            "origin": "somewhere",
            "icon": "mdi:x",
            "long": "x" * 2_000,
        },
    ),
    "switch.own_switch": ("off", {"state": 4, "value": "v", "assumed_state": True}),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("version", "options"), [(1, {}), (2, OPTIONS)], ids=["v1", "v2, with options"])
def test_the_same_events_give_the_same_points(
    version: int,
    options: dict[str, Any],
    home_assistant_factory,
    influxdb_factory,
    influxdb_packages: Path,
    tmp_path: Path,
) -> None:
    influxdb: InfluxDBServer = influxdb_factory()
    theirs, ours = influxdb.create_database("theirs"), influxdb.create_database("ours")
    connection: dict[str, Any] = {"api_version": version, "host": "127.0.0.1", "port": influxdb.port, "ssl": False}
    by_version = {1: {"database": theirs}, 2: {"token": "any", "organization": "any", "bucket": theirs}}
    integration = yaml.safe_dump({"influxdb": connection | by_version[version] | options})
    server: HomeAssistantServer = home_assistant_factory(extra_configuration=integration, packages=influxdb_packages)
    settings = {
        "home_assistant": {"url": server.url, "token": server.token},
        "influxdb": {"url": influxdb.url, "token": "any", "bucket": ours},
        "replay": {"layout": "home_assistant", "layout_options": options},
    }
    (tmp_path / "homeiq.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with Homeiq(tmp_path) as homeiq:
        process = homeiq.start("run")
        wait_for("the recorder to be connected", homeiq.connected)
        since = time.time_ns()
        things_happen(server)
        server.stop()  # which makes it write what it has not written yet
        assert homeiq.stop(process) == 0
        wanted = {key: fields for key, fields in influxdb.read_back(theirs).items() if key[2] >= since}
        found = own_points(influxdb.read_back(ours), since)
        assert len(wanted) > 300, "not the load that is to be shown"
        compare(wanted, found, version)
        influxdb.drop(ours)
        influxdb.create_database(ours)
        homeiq.run("replay", "--since", "2d")
        whole = influxdb.read_back(ours)
        assert own_points(whole, since) == found, "live or replayed, it is the same"
        if version == 2:
            goes_to_the_other_layout_and_back(homeiq, influxdb, ours, whole)


def goes_to_the_other_layout_and_back(homeiq: Homeiq, influxdb: InfluxDBServer, ours: str, whole: Content) -> None:
    """Nothing of the one is left behind in the other."""
    homeiq.run("replay", "--stale", HOMEIQ_REPLAY__LAYOUT="homeiq")
    other = influxdb.read_back(ours)
    assert {key[0] for key in other if "domain" in dict(key[1])} == {"home_assistant_events"}
    homeiq.run("replay", "--stale")
    assert without_marker(influxdb.read_back(ours)) == without_marker(whole)
    homeiq.run("audit")


def without_marker(content: Content) -> Content:
    """Return all but the marker, which counts on."""
    return {key: fields for key, fields in content.items() if key[0] != "homeiq_target"}


def things_happen(server: HomeAssistantServer) -> None:
    """Let every kind of state be seen."""
    for entity_id, (state, attributes) in STATES.items():
        server.set_state(entity_id, state, attributes)
    server.delete_state("sensor.own_place")
    server.call("light", "turn_on", {"entity_id": "light.bed_light", "rgb_color": [10, 20, 30]})
    server.call("light", "turn_off", {"entity_id": "light.bed_light"})
    asyncio.run(busy(server, 2))


def own_points(content: Content, since: int) -> Content:
    """Return the states' points without what only ours have."""
    states = {
        key: dict(fields) for key, fields in content.items() if key[2] >= since and "entity_id" in dict(key[1])
    }  # neither who is at home, nor the marker
    for fields in states.values():
        assert fields.pop("origin") == "live"
    return states


def compare(theirs: Content, ours: Content, version: int) -> None:
    """Compare, but for what docs/layouts.md names."""
    more = {dict(tags)["entity_id"] for _, tags, _ in ours.keys() - theirs.keys()}
    assert more == ({"own_nan"} if version == 1 else set()), "by version 1 it sends `nan`, and the point is refused"
    assert theirs.keys() <= ours.keys()
    for key, fields in theirs.items():
        found = ours[key]
        if version == 1:  # which writes a line break as a backslash and an n
            found = {
                name: value.replace("\n", "\\n") if isinstance(value, str) else value for name, value in found.items()
            }
        assert found == expected(fields), key


def expected(fields: Mapping[str, FieldValue]) -> dict[str, FieldValue]:
    """Return the fields of a point of the integration as ours has them."""
    return {
        name: ENUMERATION.sub(r"\1", value) if isinstance(value, str) else value
        for name, value in fields.items()
        if not CREDENTIAL.search(name)
    }
