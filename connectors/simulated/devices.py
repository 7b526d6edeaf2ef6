"""What is in the simulated home besides the rooms' own things: people, meters, appliances, the outside. Tables. Pure."""

from __future__ import annotations

from typing import Final

from .definitions import Device, Entity, measurement

__all__ = ["CIRCUITS", "USERS", "PEOPLE", "home_devices", "home_entities"]

CIRCUITS: Final = (
    ("bedrooms", "Bedrooms"),
    ("hvac", "HVAC"),
    ("kitchen", "Kitchen"),
    ("living_room", "Living Room"),
    ("office", "Office"),
    ("other", "Other"),
)

PEOPLE: Final = (("anna", "Anna"), ("ben", "Ben"), ("clara", "Clara"))

USERS: Final = ("anna", "ben")
"""Who has an account, and uses the app."""


def home_devices() -> list[Device]:
    """Return the devices that belong to no room, or to one room only."""
    meter = [Device("meter", "Energy Monitor", "emporia_vue", "Emporia", "VUE2", "utility_room", "1.5.2")]
    meter += [
        Device(f"circuit_{key}", name, "emporia_vue", "Emporia", "VUE2 circuit", "utility_room", via="meter")
        for key, name in CIRCUITS
    ]
    phones = [
        Device(f"{key}_phone", f"{name}'s Phone", "mobile_app", "Fairphone", "FP5", sw_version="14")
        for key, name in PEOPLE
    ]
    return [
        *meter,
        *phones,
        Device("hue_bridge", "Hue Bridge", "hue", "Signify", "BSB002", "hallway", "1.61.1"),
        Device("outdoor_station", "Outdoor Station", "netatmo", "Netatmo", "NAModule1", "garden", "53"),
        Device("forecast", "Forecast", "met", "Met.no", "Forecast", service=True),
        Device("sun", "Sun", "sun", service=True),
        Device("heat_pump", "Heat Pump", "mqtt", "Vaillant", "aroTHERM plus", "utility_room", "351.06.07"),
        Device("router", "Router", "fritz", "AVM", "FRITZ!Box 7590", "hallway", "8.02"),
        Device("front_door", "Front Door Lock", "nuki", "Nuki", "Smart Lock 4.0", "hallway", "4.3.10"),
        Device("doorbell", "Doorbell", "mqtt", "Shelly", "Plus Uni", "hallway", "1.4.4"),
        Device("garage", "Garage Door", "mqtt", "Hörmann", "SupraMatic E4", "garden"),
        Device("dishwasher", "Dishwasher", "home_connect", "Bosch", "SMV8YCX03E", "kitchen", "4.12"),
        Device("coffee_machine", "Coffee Machine Plug", "mqtt", "Shelly", "Plug S", "kitchen", "1.14.0"),
        Device("desk", "Desk Plug", "mqtt", "Shelly", "Plug S", "office", "1.14.0"),
        Device("irrigation", "Irrigation", "mqtt", "Gardena", "Water Control", "garden", "2.0"),
        Device("tv", "Television", "webostv", "LG", "OLED55C2", "living_room", "13.30.55"),
        Device("speaker", "Kitchen Speaker", "sonos", "Sonos", "One", "kitchen", "16.6"),
        Device("fan", "Bathroom Fan", "mqtt", "Maico", "ECA 100", "bathroom"),
        Device("robot", "Robot Vacuum", "roborock", "Roborock", "S7", "living_room", "02.29.10"),
        Device("alarm", "Alarm", "alarmo", None, None, "hallway", service=True),
        Device("smoke", "Smoke Detector", "mqtt", "Heiman", "HS1SA", "hallway", "1.0.3"),
        Device("leak", "Leak Sensor", "mqtt", "Aqara", "SJCGQ11LM", "utility_room", "3.0.1"),
        Device("kitchen_window", "Kitchen Window Sensor", "mqtt", "Aqara", "MCCGQ11LM", "kitchen", "3.0.1"),
        Device("bedroom_window", "Bedroom Window Sensor", "mqtt", "Aqara", "MCCGQ11LM", "bedroom", "3.0.1"),
    ]


def home_entities(users: dict[str, str], place: tuple[float, float]) -> list[Entity]:
    """Return the entities of those devices and of the home itself; `users` are the ids of those with an account."""
    return [
        *_meters(),
        *_people(users, place),
        *_outside(place),
        *_doors(),
        *_appliances(),
        *_entertainment(),
        *_controls(),
        *_maintenance(),
    ]


def _meters() -> list[Entity]:
    entities: list[Entity] = []
    for key, name in (*CIRCUITS, ("whole_home", "Whole Home")):
        device = "meter" if key == "whole_home" else f"circuit_{key}"
        power = measurement(f"{name} Power", "W", "power")
        energy = measurement(f"{name} Energy", "kWh", "energy", "total_increasing")
        entities += [
            Entity(f"sensor.{key}_power", "0.0", power, "emporia_vue", device, labels=("energy",)),
            Entity(f"sensor.{key}_energy", "0.0", energy, "emporia_vue", device, labels=("energy",)),
        ]
    voltage = measurement("Mains Voltage", "V", "voltage")
    return [*entities, Entity("sensor.mains_voltage", "230.0", voltage, "emporia_vue", "meter", category="diagnostic")]


def _people(users: dict[str, str], place: tuple[float, float]) -> list[Entity]:
    latitude, longitude = place
    spot = {"latitude": latitude, "longitude": longitude, "gps_accuracy": 12}
    entities: list[Entity] = []
    for key, name in PEOPLE:
        tracker = f"device_tracker.{key}_phone"
        person: dict[str, object] = {
            "editable": True,
            "id": key,
            "device_trackers": [tracker],
            **spot,
            "source": tracker,
        }
        if key in users:
            person["user_id"] = users[key]
        phone = {"source_type": "gps", "battery_level": 80, **spot, "friendly_name": f"{name}'s Phone"}
        battery = measurement(f"{name}'s Phone Battery Level", "%", "battery")
        entities += [
            Entity(f"person.{key}", "home", {**person, "friendly_name": name}, "person"),
            Entity(tracker, "home", phone, "mobile_app", f"{key}_phone"),
            Entity(f"sensor.{key}_phone_battery", "80", battery, "mobile_app", f"{key}_phone", category="diagnostic"),
        ]
    return entities


def _outside(place: tuple[float, float]) -> list[Entity]:
    zone = {"latitude": place[0], "longitude": place[1], "radius": 100, "passive": False}
    zone_rest = {"persons": [f"person.{key}" for key, _ in PEOPLE], "editable": True, "icon": "mdi:home"}
    units = {"temperature_unit": "°C", "pressure_unit": "hPa", "wind_speed_unit": "km/h", "visibility_unit": "km"}
    forecast = {**units, "precipitation_unit": "mm", "attribution": "Weather forecast from met.no"}
    station = (
        ("temperature", "Temperature", "°C", "temperature", "9.0"),
        ("humidity", "Humidity", "%", "humidity", "80"),
        ("pressure", "Pressure", "hPa", "atmospheric_pressure", "1013.0"),
        ("wind_speed", "Wind Speed", "km/h", "wind_speed", "10.0"),
        ("illuminance", "Illuminance", "lx", "illuminance", "0"),
    )
    return [
        Entity("zone.home", str(len(PEOPLE)), {**zone, **zone_rest, "friendly_name": "Home"}),
        Entity("sun.sun", "below_horizon", {"friendly_name": "Sun"}),
        Entity(
            "weather.home", "cloudy", {**forecast, "friendly_name": "Home", "supported_features": 3}, "met", "forecast"
        ),
        *(
            Entity(
                f"sensor.outdoor_{key}",
                state,
                measurement(f"Outdoor {name}", unit, device_class),
                "netatmo",
                "outdoor_station",
            )
            for key, name, unit, device_class, state in station
        ),
    ]


def _doors() -> list[Entity]:
    def contact(key: str, name: str, device_class: str, device: str) -> Entity:
        attributes = {"device_class": device_class, "friendly_name": name}
        return Entity(f"binary_sensor.{key}", "off", attributes, "mqtt", device)

    lock = {"battery_critical": False, "friendly_name": "Front Door", "supported_features": 1}
    garage = {"current_position": 0, "device_class": "garage", "friendly_name": "Garage Door", "supported_features": 15}
    doorbell = {
        "event_types": ["ring"],
        "event_type": None,
        "device_class": "doorbell",
        "friendly_name": "Doorbell",
    }
    return [
        contact("front_door", "Front Door", "door", "front_door"),
        contact("kitchen_window", "Kitchen Window", "window", "kitchen_window"),
        contact("bedroom_window", "Bedroom Window", "window", "bedroom_window"),
        Entity(
            "binary_sensor.smoke_detector",
            "off",
            {"device_class": "smoke", "friendly_name": "Smoke Detector"},
            "mqtt",
            "smoke",
            labels=("safety",),
        ),
        Entity(
            "binary_sensor.utility_leak",
            "off",
            {"device_class": "moisture", "friendly_name": "Utility Room Leak"},
            "mqtt",
            "leak",
            labels=("safety",),
        ),
        Entity("lock.front_door", "locked", lock, "nuki", "front_door", labels=("safety",)),
        Entity("cover.garage_door", "closed", garage, "mqtt", "garage"),
        Entity("event.doorbell", "unknown", doorbell, "mqtt", "doorbell"),
    ]


def _appliances() -> list[Entity]:
    programme = {"options": ["off", "ready", "run", "finished"], "device_class": "enum"}
    left = {"unit_of_measurement": "min", "device_class": "duration", "friendly_name": "Dishwasher Remaining Time"}
    robot = {
        "fan_speed_list": ["quiet", "balanced", "turbo"],
        "fan_speed": "balanced",
        "friendly_name": "Robot Vacuum",
        "supported_features": 30524,
    }
    fan = {"percentage": 0, "percentage_step": 33.33, "friendly_name": "Bathroom Fan", "supported_features": 1}
    plugs = (
        ("coffee_machine", "Coffee Machine", "coffee_machine"),
        ("desk", "Desk", "desk"),
        ("irrigation", "Irrigation", "irrigation"),
    )
    battery = measurement("Robot Vacuum Battery", "%", "battery")
    washing = {**programme, "friendly_name": "Washing Machine", "icon": "mdi:washing-machine"}
    return [
        Entity("sensor.dishwasher", "off", {**programme, "friendly_name": "Dishwasher"}, "home_connect", "dishwasher"),
        Entity("sensor.dishwasher_remaining_time", "0", left, "home_connect", "dishwasher"),
        Entity("sensor.washing_machine", "off", washing),
        *(
            Entity(
                f"switch.{key}",
                "off",
                {"device_class": "outlet", "friendly_name": name},
                "mqtt",
                device,
                labels=("energy",),
            )
            for key, name, device in plugs
        ),
        Entity("vacuum.robot", "docked", robot, "roborock", "robot"),
        Entity("sensor.robot_battery", "100", battery, "roborock", "robot", category="diagnostic"),
        Entity("fan.bathroom", "off", fan, "mqtt", "fan"),
    ]


def _entertainment() -> list[Entity]:
    sources = ["Live TV", "HDMI 1", "Netflix", "YouTube"]
    television = {
        "source_list": sources,
        "device_class": "tv",
        "friendly_name": "Television",
        "supported_features": 24505,
    }
    speaker = {"volume_level": 0.25, "is_volume_muted": False, "shuffle": False, "friendly_name": "Kitchen Speaker"}
    return [
        Entity("media_player.television", "off", television, "webostv", "tv"),
        Entity("media_player.kitchen_speaker", "idle", {**speaker, "supported_features": 3735103}, "sonos", "speaker"),
        Entity(
            "calendar.family",
            "off",
            {"message": "", "all_day": False, "start_time": "", "end_time": "", "friendly_name": "Family"},
            "local_calendar",
        ),
    ]


def _controls() -> list[Entity]:
    scale = {"initial": None, "editable": True, "min": 30.0, "max": 70.0, "step": 1.0, "mode": "slider"}
    minutes = {"min": 5, "max": 60, "step": 5, "mode": "box", "unit_of_measurement": "min"}
    alarm = {"code_format": None, "changed_by": None, "code_arm_required": False, "friendly_name": "Alarm"}
    automations = (
        ("motion_lights", "Lights follow people"),
        ("lights_out", "Lights out in empty rooms"),
        ("leaving_home", "Everyone has left"),
        ("coming_home", "Somebody comes home"),
        ("night_setback", "Heating by the hour"),
        ("blinds", "Blinds follow the sun"),
    )
    modes = {"options": ["day", "evening", "night", "away"], "editable": True, "friendly_name": "House Mode"}
    return [
        Entity("input_boolean.guest_mode", "off", {"editable": True, "friendly_name": "Guest Mode"}, "input_boolean"),
        Entity("input_boolean.vacation", "off", {"editable": True, "friendly_name": "Vacation"}, "input_boolean"),
        Entity("input_number.target_humidity", "50.0", {**scale, "friendly_name": "Target Humidity"}, "input_number"),
        Entity("input_select.house_mode", "day", modes, "input_select"),
        Entity(
            "number.irrigation_minutes",
            "20",
            {**minutes, "friendly_name": "Irrigation Minutes"},
            "mqtt",
            "irrigation",
            category="config",
        ),
        Entity("alarm_control_panel.home", "disarmed", {**alarm, "supported_features": 63}, "alarmo", "alarm"),
        Entity(
            "scene.good_night",
            "unknown",
            {"entity_id": ["light.hallway"], "friendly_name": "Good Night"},
            "homeassistant",
        ),
        *(
            Entity(
                f"automation.{key}",
                "on",
                {"id": key, "last_triggered": None, "mode": "restart", "current": 0, "friendly_name": name},
                "automation",
                labels=("safety",) if key == "leaving_home" else (),
            )
            for key, name in automations
        ),
    ]


def _maintenance() -> list[Entity]:
    def update(key: str, name: str, version: str, device: str, platform: str) -> Entity:
        attributes = {
            "auto_update": False,
            "device_class": "firmware",
            "installed_version": version,
            "in_progress": False,
            "latest_version": version,
            "release_summary": None,
            "release_url": None,
            "skipped_version": None,
            "title": name,
            "friendly_name": f"{name} Firmware",
            "supported_features": 5,
        }
        return Entity(f"update.{key}", "off", attributes, platform, device, category="config")

    restart = {"device_class": "restart", "friendly_name": "Router Restart"}
    speed = measurement("Router Download Throughput", "kB/s", "data_rate")
    return [
        update("heat_pump", "Heat Pump", "351.06.07", "heat_pump", "mqtt"),
        update("router", "Router", "8.02", "router", "fritz"),
        Entity("button.router_restart", "unknown", restart, "fritz", "router", category="config"),
        Entity("sensor.router_download", "12.0", speed, "fritz", "router", category="diagnostic"),
        Entity("sensor.inside_average", "20.5", measurement("Inside Average", "°C", "temperature"), area="living_room"),
    ]
