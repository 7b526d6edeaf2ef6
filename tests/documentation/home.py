"""The log behind the pages: three days of the simulated home, recorded as a real one is, with what goes wrong in life.

- 2026-11-21 to 23, Home Assistant's events and a first snapshot, the same to the byte on every machine;
- the most talkative sensors are excluded, as many do;
- on the 22nd from 13:05 to 14:40 UTC nobody listened: Home Assistant was restarted; its states were fetched afterwards;
- `sensor.greenhouse` says °C and measures °F;
- `sensor.inverter` says hour by hour what the roof makes and gives away;
- `sensor.cellar` was renamed `sensor.wine_cellar` on the 22nd at 10:00 UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homeiq.clock import DAY, SECOND, from_iso
from homeiq.connectors.home_assistant.protocol import HomeAssistantProtocol
from homeiq.connectors.home_assistant.snapshot import registry_event, state_events
from homeiq.connectors.simulated import Fired, SimulatedHome
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.record import Event, housekeeping_event

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

__all__ = ["END", "START", "heard", "write_home"]

START = from_iso("2026-11-21T00:00:00")
END = START + 3 * DAY
RENAMED = START + DAY + 10 * HOUR
GAP = (START + DAY + 13 * HOUR + 5 * MINUTE, START + DAY + 14 * HOUR + 40 * MINUTE)

_REGISTRIES = {
    "get_config": "config",
    "config/area_registry/list": "area_registry",
    "config/device_registry/list": "device_registry",
    "config/entity_registry/list": "entity_registry",
}
_EXCLUDED = (
    *(b"sensor.mains_", b"sensor.whole_home_", b"sensor.router_", b"sensor.kitchen_power", b"sensor.hvac_power"),
    *(b"sensor.bedrooms_", b"sensor.office_", b"sensor.other_", b"sensor.living_room_", b"sensor.inside_"),
    *(b"sensor.outdoor_illuminance", b"sensor.outdoor_wind", b"device_tracker.", b"sensor.childrens_room_ill"),
)
_CELSIUS = {"unit_of_measurement": "°C", "device_class": "temperature", "state_class": "measurement"}


def write_home(data_dir: Path) -> None:
    """Write the log: sealed, and merged as after some days."""
    with EventLog(data_dir) as log:
        events = list(_events())
        for start in range(0, len(events), 2_000):
            log.append(events[start : start + 2_000])
        log.rotate()
    compact(data_dir)


def _events() -> Iterator[Event]:
    home = SimulatedHome(1, START)
    yield housekeeping_event(START, "recorder", "started", version="0.1.0")
    yield housekeeping_event(START + SECOND, "home_assistant", "connected", description="Home Assistant 2024.3.3")
    yield from _snapshot(home, START + 2 * SECOND)
    heartbeat = START + 60 * SECOND
    for event in heard(home):
        while heartbeat <= event.time:
            if not GAP[0] < heartbeat < GAP[1]:
                yield housekeeping_event(heartbeat, "recorder", "heartbeat")
            heartbeat += HOUR
        yield event
    yield housekeeping_event(END, "recorder", "stopped")


def heard(home: SimulatedHome) -> Iterator[Event]:
    """Yield what was recorded: live, and of the gap what Home Assistant's history knows, afterwards."""
    protocol = HomeAssistantProtocol("")
    protocol.receive(b'{"type":"auth_ok","ha_version":"2024.3.3"}', START)
    fetched: list[Event] = []
    back = False
    for fired in _played(home):
        if GAP[0] < fired.time < GAP[1]:
            fetched += _from_history(fired)
            continue
        if not back and fired.time >= GAP[1]:
            back = True
            yield from _after_the_gap(fetched)
        frame = b'{"id":1,"type":"event","event":' + fired.raw + b"}"
        for event in protocol.receive(frame, fired.time + 2_000):
            if isinstance(event, Event):  # the other action is to fetch a registry that has changed
                yield event
        if fired.event_type == "entity_registry_updated":
            yield _entities(home, fired.time, "sensor.wine_cellar")


def _played(home: SimulatedHome) -> Iterator[Fired]:
    for fired in _all_played(home):
        if not any(b'"entity_id":"' + name in fired.raw[:120] for name in _EXCLUDED):
            yield fired


def _all_played(home: SimulatedHome) -> Iterator[Fired]:
    for hour in range(72):
        time = START + hour * HOUR
        yield from home.advance(time)
        fahrenheit = 66.2 + 1.8 * (hour % 24 if hour % 24 < 12 else 24 - hour % 24)
        yield from home.set_state("sensor.greenhouse", f"{fahrenheit:.1f}", {**_CELSIUS, "friendly_name": "Greenhouse"})
        if time == RENAMED:
            yield from home.fire(
                "entity_registry_updated",
                {"action": "update", "entity_id": "sensor.wine_cellar", "old_entity_id": "sensor.cellar"},
            )
            yield from home.remove("sensor.cellar")
        sun = max(0, 6 - abs(hour % 24 - 11)) * 500
        watts = {"produced_w": sun, "exported_w": sun // 4, "unit_of_measurement": "W", "friendly_name": "Inverter"}
        yield from home.set_state("sensor.inverter", str(sun), watts)
        name = "sensor.cellar" if time < RENAMED else "sensor.wine_cellar"
        yield from home.set_state(name, f"{11 + hour % 5 / 10:.1f}", {**_CELSIUS, "friendly_name": "Cellar"})
    yield from home.advance(END)


def _snapshot(home: SimulatedHome, now: int) -> Iterator[Event]:
    for command, name in _REGISTRIES.items():
        if name == "entity_registry":
            yield _entities(home, now, "sensor.cellar")
        else:
            content = home.config() if name == "config" else home.registry(name.removesuffix("_registry"))
            yield registry_event(command, json.dumps(content), now, now, "live")
    yield from state_events(home.states_raw().decode(), now, "snapshot")


def _entities(home: SimulatedHome, time: int, cellar: str) -> Event:
    """Return the entity registry, with the cellar's sensor by its name at the time."""
    entry = {"entity_id": cellar, "unique_id": "cellar-1", "platform": "mqtt", "area_id": "hallway", "device_id": None}
    listed = [*home.registry("entity"), entry]
    return registry_event("config/entity_registry/list", json.dumps(listed), time, time, "live")


def _from_history(fired: Fired) -> list[Event]:
    """Return what the history holds of an event: of a state all but what it was before, of anything else nothing."""
    if fired.event_type != "state_changed":
        return []
    new: dict[str, Any] | None = json.loads(fired.raw)["data"]["new_state"]
    if new is None:
        return []
    found = list(state_events(json.dumps([new]), GAP[1] + 20 * SECOND, "live"))
    for event in found:
        event.origin = "backfill"
    return found


def _after_the_gap(fetched: list[Event]) -> Iterator[Event]:
    since, upto = GAP
    told = {"gap_since": since, "gap_seconds": (upto - since) / SECOND, "gap_reason": "source_stopped"}
    yield housekeeping_event(since, "home_assistant", "disconnected", reason="Home Assistant stopped", **told)
    yield housekeeping_event(upto, "home_assistant", "connected", description="Home Assistant 2024.3.3", **told)
    yield from fetched
    yield housekeeping_event(
        upto + 25 * SECOND,
        "home_assistant",
        "backfilled",
        **{"since": since, "until": upto, "from": since, "upto": upto, "rows": len(fetched), "done": True},
        missing=["events"],
    )
