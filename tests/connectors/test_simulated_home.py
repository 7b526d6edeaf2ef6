"""The simulated home: the same events everywhere, and such as a real home makes."""

import os
import subprocess
import sys
from bisect import bisect_left
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from homeiq.clock import DAY, SECOND, from_iso, to_iso
from homeiq.connectors.simulated import EVENTS_PER_SECOND, QUIET_EVENTS_PER_SECOND, Fired, SimulatedHome, speed_for

START = from_iso("2026-10-22T22:00:00")
DAYS = 7
CIRCUITS = ("bedrooms", "hvac", "kitchen", "living_room", "office", "other")

# What a subprocess prints of the same home.
DIGEST = """
import hashlib, sys
from homeiq.connectors.simulated import SimulatedHome
home = SimulatedHome(5, int(sys.argv[1]))
digest = hashlib.sha256(home.states_raw())
for fired in home.advance(int(sys.argv[2])):
    digest.update(fired.raw)
digest.update(repr([home.registry(name) for name in ("area", "device", "entity", "floor", "label")]).encode())
digest.update(repr(home.config()).encode())
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def week() -> list[Fired]:
    """Seven days of one home, in which the clocks go back."""
    return list(SimulatedHome(5, START).advance(START + DAYS * DAY))


@pytest.fixture(scope="module")
def events(week: list[Fired]) -> list[dict[str, Any]]:
    """The same, read."""
    return [orjson.loads(fired.raw) for fired in week]


def changes(events: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    """Return the data of the state changes of entities whose id begins with `prefix`."""
    found = [event["data"] for event in events if event["event_type"] == "state_changed"]
    return [data for data in found if data["entity_id"].startswith(prefix)]


def numbers(events: list[dict[str, Any]], entity_id: str) -> list[float]:
    """Return all measurements of an entity."""
    new = [data["new_state"] for data in changes(events, entity_id) if data["new_state"]]
    return [float(state["state"]) for state in new if state["state"] not in ("unavailable", "unknown")]


def test_same_everywhere() -> None:
    """Neither the zone nor the language nor the hash seed of the process matters."""
    found = set()
    for zone, language, hash_seed in (("UTC", "C", "0"), ("America/New_York", "tr_TR.UTF-8", "4242")):
        environment = {**os.environ, "TZ": zone, "LANG": language, "LC_ALL": language, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", DIGEST, str(START), str(START + DAY)]
        found.add(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    assert len(found) == 1


def test_same_seed_same_bytes_however_time_is_cut(week: list[Fired]) -> None:
    until = START + DAY
    expected = [fired for fired in week if fired.time < until]
    home = SimulatedHome(5, datetime.fromisoformat(to_iso(START)).astimezone(UTC))
    found: list[Fired] = []
    step = 7 * SECOND + 13
    for time in range(START + step, until, step * 100):
        found += home.advance(time)
    while home.now < until:
        found += home.advance_at_most(until, 10)
    assert found[: len(expected)] == expected
    assert len(found) - len(expected) < 10
    assert next(SimulatedHome(6, START).advance(until)).raw != week[0].raw


def test_a_home_of_many_entities_and_domains() -> None:
    home = SimulatedHome(5, START)
    states = home.states()
    assert len(states) >= 60
    assert len({state["entity_id"].partition(".")[0] for state in states}) >= 12
    assert len({state["entity_id"] for state in states}) == len(states)
    for key in CIRCUITS:
        assert home.state(f"sensor.{key}_power"), key
        assert home.state(f"sensor.{key}_energy"), key


def test_names_of_the_circuits() -> None:
    names = {device["name"] for device in SimulatedHome(5, START).registry("device")}
    assert {"Bedrooms", "HVAC", "Kitchen", "Living Room", "Office", "Other"} <= names


def test_times_strictly_increase(week: list[Fired], events: list[dict[str, Any]]) -> None:
    times = [fired.time for fired in week]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert times[0] >= START
    for fired, event in zip(week, events, strict=True):
        assert event["time_fired"] == to_iso(fired.time)
        assert event["event_type"] == fired.event_type
        assert event["origin"] == "LOCAL"
        new = event["data"].get("new_state")
        if new:
            assert new["last_updated"] == event["time_fired"]
            assert new["last_changed"] <= new["last_updated"]
            assert new["context"] == event["context"]
            assert new["entity_id"] == event["data"]["entity_id"]


def test_each_old_state_is_the_last_new_state(events: list[dict[str, Any]]) -> None:
    known = {state["entity_id"]: state for state in SimulatedHome(5, START).states()}
    for data in changes(events, ""):
        old, new = data["old_state"], data["new_state"]
        assert old == known.get(data["entity_id"])
        assert new is not None or old is not None
        if new is None:
            del known[data["entity_id"]]
            continue
        known[data["entity_id"]] = new
        if old is not None:
            assert (new["state"], new["attributes"]) != (old["state"], old["attributes"])
            expected = old["last_changed"] if new["state"] == old["state"] else new["last_updated"]
            assert new["last_changed"] == expected


def test_states_are_the_sum_of_the_events() -> None:
    home = SimulatedHome(5, START)
    known = {state["entity_id"]: state for state in home.states()}
    for fired in home.advance(START + DAY // 4):
        if fired.event_type == "state_changed":
            data = orjson.loads(fired.raw)["data"]
            known[data["entity_id"]] = data["new_state"]
    assert {state["entity_id"]: state for state in home.states()} == known


def test_context_ids_are_ulids_of_their_time(week: list[Fired], events: list[dict[str, Any]]) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for fired, event in list(zip(week, events, strict=True))[:2000]:
        identity = event["context"]["id"]
        assert len(identity) == 26
        millisecond = 0
        for letter in identity[:10]:
            millisecond = millisecond * 32 + alphabet.index(letter)
        assert 0 <= fired.time // 1000 - millisecond < 60_000


def test_contexts_tell_who_and_why(events: list[dict[str, Any]]) -> None:
    """A light that an automation switched has the automation's context; its parent is the motion that was seen."""
    by_id = {event["context"]["id"]: event["context"] for event in events}
    triggered = [event for event in events if event["event_type"] == "automation_triggered"]
    followed = [event["context"] for event in triggered if event["context"]["parent_id"]]
    assert len(followed) > 50
    assert all(context["parent_id"] in by_id for context in followed)
    calls = {event["context"]["id"] for event in events if event["event_type"] == "call_service"}
    lights = [data["new_state"] for data in changes(events, "light.") if data["new_state"]["state"] == "on"]
    switched = [state for state in lights if state["context"]["id"] in calls]
    assert len(switched) > 0.8 * len(lights)
    assert {True, False} == {state["context"]["user_id"] is not None for state in switched}


def test_energy_never_goes_down_and_is_the_power_s(events: list[dict[str, Any]]) -> None:
    for key in (*CIRCUITS, "whole_home"):
        kwh = numbers(events, f"sensor.{key}_energy")
        assert all(later >= earlier for earlier, later in pairwise(kwh))
        watts = numbers(events, f"sensor.{key}_power")
        assert kwh[-1] > kwh[0]
        assert min(watts) >= 0
        assert min(watts) / 1000 * 24 * DAYS < kwh[-1] - kwh[0] < max(watts) / 1000 * 24 * DAYS
    used = sum(
        numbers(events, f"sensor.{key}_energy")[-1] - numbers(events, f"sensor.{key}_energy")[0] for key in CIRCUITS
    )
    assert 4 * DAYS < used < 60 * DAYS


def test_days_are_believable(events: list[dict[str, Any]]) -> None:
    outdoors = numbers(events, "sensor.outdoor_temperature")
    assert -12 < min(outdoors) < max(outdoors) < 28
    assert max(outdoors) - min(outdoors) > 5
    for room in ("living_room", "bedroom", "bathroom"):
        inside = numbers(events, f"sensor.{room}_temperature")
        assert 13 < min(inside) < max(inside) < 27
    states = {data["new_state"]["state"] for data in changes(events, "person.")}
    assert states == {"home", "not_home"}
    sun = [data["new_state"] for data in changes(events, "sun.sun")]
    assert {state["state"] for state in sun} == {"above_horizon", "below_horizon"}
    assert max(state["attributes"]["elevation"] for state in sun) == pytest.approx(90 - 52.52 - 11.7, abs=1.5)
    assert {data["new_state"]["state"] for data in changes(events, "sensor.dishwasher")} >= {"run", "finished", "off"}


def test_devices_get_lost_and_entities_are_taken_out(events: list[dict[str, Any]]) -> None:
    states = {data["new_state"]["state"] for data in changes(events, "") if data["new_state"]}
    assert {"unavailable", "unknown"} <= states
    days = SimulatedHome(9, START).advance(START + 8 * DAY)
    found = [orjson.loads(fired.raw) for fired in days if b'_state":null' in fired.raw]
    removed = [data["entity_id"] for data in changes(found, "") if data["new_state"] is None]
    added = [data["entity_id"] for data in changes(found, "") if data["old_state"] is None]
    assert removed
    assert removed == added


def test_how_many_events(week: list[Fired]) -> None:
    assert len(week) / (DAYS * 86_400) == pytest.approx(EVENTS_PER_SECOND, rel=0.25)
    times = [fired.time for fired in week]
    quietest = min(
        bisect_left(times, begin + 600 * SECOND) - bisect_left(times, begin)
        for begin in range(START, START + DAYS * DAY - 600 * SECOND, 60 * SECOND)
    )
    assert quietest >= 600 * QUIET_EVENTS_PER_SECOND
    assert speed_for(20) == 20 / QUIET_EVENTS_PER_SECOND


def test_registries_point_to_what_exists() -> None:
    home = SimulatedHome(5, START)
    floors = {row["floor_id"] for row in home.registry("floor")}
    labels = {row["label_id"] for row in home.registry("label")}
    areas = {row["area_id"] for row in home.registry("area")}
    devices = {row["id"] for row in home.registry("device")}
    states = {state["entity_id"] for state in home.states()}
    assert {row["floor_id"] for row in home.registry("area")} <= floors | {None}
    for row in home.registry("area"):
        assert {row["temperature_entity_id"], row["humidity_entity_id"]} <= states | {None}
    for row in home.registry("device"):
        assert row["area_id"] in areas | {None}
        assert row["via_device_id"] in devices | {None}
    entities = home.registry("entity")
    for row in entities:
        assert row["entity_id"] in states
        assert row["device_id"] in devices | {None}
        assert row["area_id"] in areas | {None}
        assert set(row["labels"]) <= labels
    assert len({row["id"] for row in entities}) == len(entities)
    assert {row["entity_category"] for row in entities} == {None, "diagnostic", "config"}
    assert devices == {row["device_id"] for row in entities if row["device_id"]} | (devices & set(_bridges(home)))
    with pytest.raises(KeyError):
        home.registry("cellar")


def _bridges(home: SimulatedHome) -> list[str]:
    return [row["id"] for row in home.registry("device") if row["name"] in ("Hue Bridge", "Sun")]


def test_a_state_from_outside() -> None:
    home = SimulatedHome(5, START)
    first = home.set_state("sensor.guest", "1", {"unit_of_measurement": "W"})
    assert orjson.loads(first[0].raw)["data"]["old_state"] is None
    assert home.set_state("sensor.guest", "1", {"unit_of_measurement": "W"}) == []
    again = home.set_state("sensor.guest", "2", {})
    gone = home.remove("sensor.guest")
    assert first[0].time < again[0].time < gone[0].time
    assert orjson.loads(gone[0].raw)["data"]["new_state"] is None
    assert home.remove("sensor.guest") == []
    assert home.state("sensor.guest") is None
    later = next(iter(home.advance(START + DAY)))
    assert later.time > gone[0].time


def test_other_zones() -> None:
    """People rise by the clocks of their own zone."""
    home = SimulatedHome(5, START, time_zone="America/Los_Angeles", latitude=36.17, longitude=-115.14)
    assert home.config()["time_zone"] == "America/Los_Angeles"
    assert list(home.advance(START + DAY // 24))


def test_the_calendar() -> None:
    home = SimulatedHome(5, START)
    begin, end = (datetime.fromisoformat(text) for text in ("2026-10-22T00:00:00+00:00", "2026-10-25T00:00:00+00:00"))
    found = home.calendar(begin, end)
    assert [event["summary"] for event in found] == ["Home office Anna", "Family trip"]
    assert found[0]["start"] == {"dateTime": "2026-10-22T09:00:00+02:00"}
