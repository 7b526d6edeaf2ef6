"""The rooms of the simulated home, and what is in each of them: tables. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .definitions import Area, Device, Entity, Floor, Label, measurement

__all__ = ["AREAS", "FLOORS", "LABELS", "ROOMS", "Room", "room_devices", "room_entities"]

FLOORS: Final = (
    Floor("ground_floor", "Ground Floor", 0, "mdi:home-floor-0"),
    Floor("upper_floor", "Upper Floor", 1, "mdi:home-floor-1"),
)

LABELS: Final = (
    Label("energy", "Energy", "yellow", "mdi:lightning-bolt", "What uses or measures electricity"),
    Label("safety", "Safety", "red", "mdi:shield", "Must never be unavailable for long"),
)

AREAS: Final = (
    Area("living_room", "Living Room", "ground_floor", "mdi:sofa"),
    Area("kitchen", "Kitchen", "ground_floor", "mdi:silverware-fork-knife"),
    Area("hallway", "Hallway", "ground_floor", "mdi:door"),
    Area("utility_room", "Utility Room", "ground_floor", "mdi:washing-machine"),
    Area("bedroom", "Bedroom", "upper_floor", "mdi:bed"),
    Area("childrens_room", "Children's Room", "upper_floor", "mdi:teddy-bear"),
    Area("bathroom", "Bathroom", "upper_floor", "mdi:shower"),
    Area("office", "Office", "upper_floor", "mdi:desk"),
    Area("garden", "Garden", None, "mdi:flower"),
)


@dataclass(frozen=True, slots=True)
class Room:
    """A room that people use: what hangs in it, and the meter's circuit it belongs to."""

    key: str
    name: str
    circuit: str
    light_watts: float
    light_sensor: bool = False
    carbon_dioxide: bool = False
    thermostat: bool = False
    blind: bool = False


ROOMS: Final = (
    Room("living_room", "Living Room", "living_room", 42.0, True, True, True, True),
    Room("kitchen", "Kitchen", "kitchen", 36.0, True),
    Room("hallway", "Hallway", "other", 12.0),
    Room("bedroom", "Bedroom", "bedrooms", 18.0, False, True, True, True),
    Room("childrens_room", "Children's Room", "bedrooms", 20.0, True),
    Room("bathroom", "Bathroom", "other", 24.0, False, False, True),
    Room("office", "Office", "office", 30.0, True, True, True),
)


def room_devices() -> list[Device]:
    """Return the devices of all rooms."""
    devices: list[Device] = []
    for room in ROOMS:
        devices += [
            Device(
                f"{room.key}_climate", f"{room.name} Climate Sensor", "mqtt", "Aqara", "WSDCGQ11LM", room.key, "3.0.1"
            ),
            Device(f"{room.key}_motion", f"{room.name} Motion Sensor", "mqtt", "Aqara", "RTCGQ14LM", room.key, "2.1.6"),
            Device(
                f"{room.key}_light", f"{room.name} Light", "hue", "Signify", "LCA001", room.key, "1.108.7", "hue_bridge"
            ),
        ]
        if room.thermostat:
            device = Device(
                f"{room.key}_thermostat", f"{room.name} Thermostat", "mqtt", "tado", "RU02", room.key, "54.20"
            )
            devices.append(device)
        if room.blind:
            devices.append(Device(f"{room.key}_blind", f"{room.name} Blind", "mqtt", "Somfy", "Oximo io", room.key))
    return devices


def room_entities() -> list[Entity]:
    """Return the entities of all rooms."""
    return [entity for room in ROOMS for entity in _entities(room)]


def _entities(room: Room) -> list[Entity]:
    key, name = room.key, room.name
    climate, motion = f"{key}_climate", f"{key}_motion"
    battery = measurement(f"{name} Motion Sensor Battery", "%", "battery")
    temperature = measurement(f"{name} Temperature", "°C", "temperature")
    humidity = measurement(f"{name} Humidity", "%", "humidity")
    detector = {"device_class": "motion", "friendly_name": f"{name} Motion"}
    entities = [
        Entity(f"sensor.{key}_temperature", "20.5", temperature, "mqtt", climate),
        Entity(f"sensor.{key}_humidity", "45.0", humidity, "mqtt", climate),
        Entity(f"binary_sensor.{key}_motion", "off", detector, "mqtt", motion),
        Entity(f"sensor.{key}_motion_battery", "97", battery, "mqtt", motion, category="diagnostic"),
        Entity(f"light.{key}", "off", _light(name), "hue", f"{key}_light"),
    ]
    if room.light_sensor:
        brightness = measurement(f"{name} Illuminance", "lx", "illuminance")
        entities.append(Entity(f"sensor.{key}_illuminance", "0", brightness, "mqtt", motion))
    if room.carbon_dioxide:
        air = measurement(f"{name} Carbon Dioxide", "ppm", "carbon_dioxide")
        entities.append(Entity(f"sensor.{key}_carbon_dioxide", "520", air, "mqtt", climate))
    if room.thermostat:
        entities.append(Entity(f"climate.{key}", "heat", _thermostat(name), "mqtt", f"{key}_thermostat"))
    if room.blind:
        blind = {"current_position": 100, "device_class": "blind", "friendly_name": f"{name} Blind"}
        entities.append(
            Entity(f"cover.{key}_blind", "open", {**blind, "supported_features": 15}, "mqtt", f"{key}_blind")
        )
    return entities


def _light(name: str) -> dict[str, object]:
    return {
        "min_color_temp_kelvin": 2000,
        "max_color_temp_kelvin": 6535,
        "supported_color_modes": ["color_temp"],
        "color_mode": None,
        "brightness": None,
        "color_temp_kelvin": None,
        "friendly_name": f"{name} Light",
        "supported_features": 40,
    }


def _thermostat(name: str) -> dict[str, object]:
    return {
        "hvac_modes": ["heat", "off"],
        "min_temp": 5,
        "max_temp": 30,
        "target_temp_step": 0.5,
        "current_temperature": 20.5,
        "temperature": 20.0,
        "hvac_action": "idle",
        "friendly_name": f"{name} Thermostat",
        "supported_features": 385,
    }
