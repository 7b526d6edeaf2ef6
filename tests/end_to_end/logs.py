"""Logs made for a test: many days of states, and states with odd values."""

import itertools
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homeiq.clock import DAY, SECOND, from_iso, to_iso
from homeiq.connectors.home_assistant.protocol import HomeAssistantProtocol
from homeiq.connectors.home_assistant.snapshot import registry_event
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event
from homeiq.verbatim import storable

__all__ = [
    "ODD_ATTRIBUTES",
    "ODD_STATES",
    "START",
    "days",
    "odd_events",
    "odd_frames",
    "registries",
    "state_changed",
    "write_log",
]

START = from_iso("2026-11-20T00:00:00+00:00")

ODD_STATES = (
    *("nan", "inf", "-inf", " 5 ", "0x10", "1_000", "٣", "1e5", "1e999", "-3", "+5", "1.", ".5", "", " ", "unknown"),
    *(
        "a,b c=d",
        'quo"te',
        "back\\slash",
        "end\\",
        "line\nbreak",
        "cr\r\n",
        "tab\t",
        "nul\0",
        "ünïcödé 🏠",
        "\ud800",
        "#",
    ),
)

ODD_ATTRIBUTES: dict[str, Any] = {
    **{
        "a,b": "c,d",
        "e f": "g h",
        "i=j": "k=l",
        "m\\": "n\\",
        "o\np": "q\nr",
        's"t': 'u"v',
        "": "empty",
        "ключ": "значение",
    },
    **{"nan": math.nan, "inf": math.inf, "big": 2**64, "bigger": 10**400, "tiny": 5e-324, "zero": -0.0, "none": None},
    **{"list": [1, [2, [3.5, None, "x"]], {"k": math.nan}], "object": {"a": {"b": []}}, "long": "x" * 100_000},
    **{"x": "text", "x_str": 1, "x_str_": True, "x_bool": [1], "x_json__": "y", "flag": True, "\ud800": "\udfff"},
    **{
        "time": 1,
        "state": "own",
        "value": "own",
        "#": "#",
        "access_token": "SECRET-1",
        "entity_picture": "/p?token=SECRET-2",
    },
    **{"nested": {"access_token": "SECRET-3", "url": "http://x/?token=SECRET-4"}},
}


def state_changed(
    entity_id: str, state: str | None, attributes: dict[str, Any], time: int, old: str | None = None
) -> str:
    """Return the text of an event frame as Home Assistant sends it; `state` None is a removal."""
    at = to_iso(time)

    def of(value: str, changed: str) -> dict[str, Any]:
        context = {"id": f"01{time:024d}", "parent_id": None, "user_id": None}
        times = {"last_changed": changed, "last_updated": changed}
        return {"entity_id": entity_id, "state": value, "attributes": attributes, **times, "context": context}

    data = {
        "entity_id": entity_id,
        "old_state": None if old is None else of(old, to_iso(time - 60 * SECOND)),
        "new_state": None if state is None else of(state, at),
    }
    event = {"event_type": "state_changed", "data": data, "origin": "LOCAL", "time_fired": at, "context": {"id": "c"}}
    frame = {"id": 1, "type": "event", "event": event}
    text = json.dumps(frame, separators=(",", ":"), ensure_ascii=False)
    if storable(text) == text:
        return text  # as Home Assistant sends it
    return json.dumps(frame, separators=(",", ":"))


def _events(frames: Iterator[str]) -> Iterator[Event]:
    protocol = HomeAssistantProtocol("")
    protocol.receive(b'{"type":"auth_ok","ha_version":"2024.3.3"}', START)
    for frame in frames:
        for action in protocol.receive(frame.encode(), START):
            assert isinstance(action, Event)
            yield action


def registries(time: int = START, area: str = "kitchen", temperature: str = "°F") -> list[Event]:
    """Return the records of a first snapshot."""
    units = {"temperature": temperature}
    config = {"time_zone": "America/Los_Angeles", "unit_system": units, "version": "2024.3.3"}
    devices = [{"id": "d1", "area_id": area, "manufacturer": "Acme", "model": "M 1", "sw_version": "1"}]
    entities = [{"entity_id": f"sensor.s{n}", "device_id": "d1", "platform": "demo", "area_id": None} for n in range(5)]
    answers = {"config/device_registry/list": devices, "config/entity_registry/list": entities, "get_config": config}
    return [registry_event(command, json.dumps(answer), time, time, "live") for command, answer in answers.items()]


def days(count: int, per_day: int, seed: int = 1) -> Iterator[Event]:
    """Yield states of twenty sensors and two thermostats over some days, in order of time."""
    chance = random.Random(seed)
    yield from registries()

    def frames() -> Iterator[str]:
        for number in range(count * per_day):
            time = START + number * (DAY // per_day) + chance.randrange(DAY // per_day)
            if number % 10:
                attributes = {
                    "unit_of_measurement": "°F",
                    "device_class": "temperature",
                    "friendly_name": f"S {number % 20}",
                }
                yield state_changed(
                    f"sensor.s{number % 20}", str(chance.randint(500, 900) / 10), attributes, time, "70"
                )
            else:
                attributes = {
                    "current_temperature": chance.randint(60, 80),
                    "temperature": 70,
                    "hvac_modes": ["heat", "off"],
                }
                yield state_changed(f"climate.c{number % 2}", "heat", attributes, time, "off")

    yield from _events(frames())


def odd_events() -> Iterator[Event]:
    """Yield states with every odd value there is, each the only one at its time."""
    yield from registries()
    yield from _events(odd_frames())


def odd_frames() -> Iterator[str]:
    """Yield the frames in which these states come."""
    seconds = itertools.count(START, SECOND)

    def one(entity_id: str, state: str | None, attributes: dict[str, Any], old: str | None = None) -> str:
        return state_changed(entity_id, state, attributes, next(seconds), old)

    for state in ODD_STATES:
        yield one("sensor.odd", state, {})
        yield one("sensor.odd_unit", "1", {"unit_of_measurement": state, "device_class": state})
    for name, value in ODD_ATTRIBUTES.items():
        yield one("sensor.odd_attribute", "1", {name: value})
    yield one("sensor.odd_attributes", "1", ODD_ATTRIBUTES)
    for value in (1, "one", True, [1], None, 1.5, {"a": 1}, "", math.nan):
        yield one("sensor.changing_type", "1", {"v": value, "friendly_name": value, "icon": value})
    yield one("sensor.many", "1", {f"k{n}": n for n in range(500)} | {"more": 1})
    yield one("sensor.odd", None, {}, old="x")


def write_log(data_dir: Path, events: Iterator[Event], group: int = 1_000) -> int:
    """Write events into a new log; return how many."""
    count = 0
    with EventLog(data_dir) as log:
        batch: list[Event] = []
        for event in events:
            batch.append(event)
            if len(batch) == group:
                log.append(batch)
                count += len(batch)
                batch = []
        if batch:
            log.append(batch)
        return count + len(batch)
