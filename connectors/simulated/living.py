"""The rooms: who is seen by the motion sensors, which lights are on, how warm, humid and stuffy it is. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...clock import SECOND
from .actors import Actors
from .outdoors import Outdoors
from .people import People
from .rooms import ROOMS, Room
from .stage import Stage
from .state import Context

__all__ = ["Living"]

Step = Callable[[], None]
RoomStep = Callable[[Room], None]

_STEP: Final = 150.0
_HOURS: Final = _STEP / 3600
_EMPTY_SECONDS: Final = 200
_BY_HAND: Final = 0.25
_HEATING: Final = {"living_room": 20.5, "bedroom": 18.0, "bathroom": 21.5, "office": 20.0}
_SETBACK: Final = 2.5


class _Air:
    """What a room remembers."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature
        self.humidity = 46.0
        self.carbon_dioxide = 520.0
        self.seen_until = 0
        self.battery = 97.0


class Living:
    """What happens in the rooms because people are there, and because the weather is what it is."""

    def __init__(self, stage: Stage, actors: Actors, people: People, outdoors: Outdoors) -> None:
        self._stage = stage
        self._actors = actors
        self._people = people
        self._outdoors = outdoors
        chance = stage.random.uniform
        warm = max(20.0, min(25.0, outdoors.temperature))
        self._air = {room.key: _Air(warm + chance(-0.8, 0.8)) for room in ROOMS}
        self._rooms = {room.key: room for room in ROOMS}

    def begin(self) -> None:
        """Put everything on the agenda."""
        stage = self._stage
        self._people.arrived = self.seen
        for room in ROOMS:
            stage.every(140, self._bound(self._stir, room), 0.7)
            stage.every(_STEP, self._bound(self._breathe, room), 0.05)
            stage.every(60, self._bound(self._look_after_light, room), 0.3)
            stage.every(86_400, self._bound(self._drain, room), 0.3)
            if room.light_sensor:
                stage.every(240, self._bound(self._see, room), 0.2)
            if room.thermostat:
                stage.every(300, self._bound(self._heat, room), 0.1)
        stage.every(600, self._blinds, 0.0)
        stage.every(900, self._setback, 0.0)
        stage.every(420, self._average, 0.1)

    def publish(self) -> None:
        """Report everything once."""
        for room in ROOMS:
            self._breathe(room)
            if room.light_sensor:
                self._see(room)
            if room.thermostat:
                self._heat(room)
        self._average()

    def seen(self, person: str, key: str) -> None:
        """Let somebody come into a room."""
        room = self._rooms.get(key)
        if room is not None:
            self._move(room, person)

    @property
    def heating(self) -> int:
        """Return how many thermostats ask for heat."""
        return sum(1 for room in ROOMS if room.thermostat and self._heats(room))

    def light(self, room: Room) -> float:
        """Return how bright a room's light is, 0 to 1."""
        if self._stage.value(f"light.{room.key}") != "on":
            return 0.0
        return self._stage.attribute(f"light.{room.key}", "brightness", 255) / 255

    def steam(self, key: str, percent: float) -> None:
        """Let somebody shower or cook in a room."""
        self._air[key].humidity += percent

    @staticmethod
    def _bound(step: RoomStep, room: Room) -> Step:
        return lambda: step(room)

    # Motion and light

    def _stir(self, room: Room) -> None:
        chance = self._stage.random.random()
        awake = self._people.awake_in(room.key)
        if awake:
            if chance < 0.8:
                self._move(room, awake[0])
        elif chance < 0.015 and self._people.in_room(room.key):
            self._move(room, None)

    def _move(self, room: Room, person: str | None) -> None:
        stage, air = self._stage, self._air[room.key]
        air.seen_until = stage.time + int((50 + 70 * stage.random.random()) * SECOND)
        motion = f"binary_sensor.{room.key}_motion"
        cause = stage.report(motion, "on")
        stage.at(air.seen_until, lambda: self._rest(room))
        if person is not None and self._outdoors.dark and stage.value(f"light.{room.key}") == "off":
            stage.after(0.4 + stage.random.random(), lambda: self._light_up(room, person, cause))

    def _rest(self, room: Room) -> None:
        if self._stage.time >= self._air[room.key].seen_until:
            self._stage.report(f"binary_sensor.{room.key}_motion", "off")

    def _light_up(self, room: Room, person: str, cause: Context | None) -> None:
        stage = self._stage
        entity_id = f"light.{room.key}"
        if stage.value(entity_id) == "on":
            return
        hour = stage.hour()
        night = hour >= 23 or hour < 5.5
        brightness = (30 if night else 150 if hour >= 20 else 210) + stage.random.randrange(40)
        data = {
            "entity_id": entity_id,
            "brightness": brightness,
            "color_temp_kelvin": 2200 if hour >= 20 or night else 3400,
        }
        if stage.random.random() < _BY_HAND:
            self._actors.person(person, "light", "turn_on", data)
        else:
            source = f"state of binary_sensor.{room.key}_motion"
            self._actors.automation("motion_lights", cause, source, ("light", "turn_on", data))

    def _look_after_light(self, room: Room) -> None:
        """Switch the light off where nobody is awake any more, or where daylight does."""
        stage = self._stage
        if stage.value(f"light.{room.key}") != "on":
            return
        awake = self._people.awake_in(room.key)
        bright = not self._outdoors.dark and self._outdoors.sun.elevation > 6
        if awake and not (bright and stage.random.random() < 0.1):
            return
        if awake or stage.time > self._air[room.key].seen_until + _EMPTY_SECONDS * SECOND:
            call = ("light", "turn_off", {"entity_id": f"light.{room.key}"})
            motion = stage.known(f"binary_sensor.{room.key}_motion")
            self._actors.automation("lights_out", motion.context if motion else None, f"time of {room.name}", call)

    def _see(self, room: Room) -> None:
        blind = self._stage.attribute(f"cover.{room.key}_blind", "current_position", 100) / 100
        daylight = self._outdoors.illuminance * 0.009 * blind
        lux = daylight + 160 * self.light(room) + self._stage.random.gauss(0.0, 0.4)
        entity_id = f"sensor.{room.key}_illuminance"
        if abs(lux - _number(self._stage.value(entity_id))) > 1 + 0.04 * lux:
            self._stage.report(entity_id, str(max(0, round(lux))))

    def _drain(self, room: Room) -> None:
        air = self._air[room.key]
        air.battery = air.battery - 0.12 if air.battery > 6 else 100.0
        self._stage.report(f"sensor.{room.key}_motion_battery", str(round(air.battery)))

    # Air and heat

    def _breathe(self, room: Room) -> None:
        stage, air, outside = self._stage, self._air[room.key], self._outdoors
        people = len(self._people.in_room(room.key))
        warmth = 1.3 if self._heats(room) else 0.0
        sunshine = min(0.35, outside.illuminance * 3.5e-6)
        loss = (outside.temperature - air.temperature) / 46.0
        cooling = max(0.0, air.temperature - 24.5) * 0.35
        air.temperature += _HOURS * (warmth + sunshine + 0.09 * people + loss - cooling) + stage.random.gauss(
            0.0, 0.015
        )
        base = max(28.0, min(66.0, 34.0 + 0.95 * outside.temperature)) + 1.6 * people
        air.humidity = min(96.0, air.humidity + _HOURS * 1.6 * (base - air.humidity) + stage.random.gauss(0.0, 0.11))
        air.carbon_dioxide += _HOURS * (240 * people - 0.42 * (air.carbon_dioxide - 425)) + stage.random.gauss(0.0, 1.5)
        if abs(air.temperature - _number(stage.value(f"sensor.{room.key}_temperature"))) >= 0.08:
            stage.report(f"sensor.{room.key}_temperature", str(round(air.temperature, 1)))
        if abs(air.humidity - _number(stage.value(f"sensor.{room.key}_humidity"))) >= 0.25:
            stage.report(f"sensor.{room.key}_humidity", str(round(air.humidity, 1)))
        entity_id = f"sensor.{room.key}_carbon_dioxide"
        if room.carbon_dioxide and abs(air.carbon_dioxide - _number(stage.value(entity_id))) >= 4:
            stage.report(entity_id, str(round(air.carbon_dioxide)))

    def _heats(self, room: Room) -> bool:
        thermostat = self._stage.known(f"climate.{room.key if room.thermostat else 'living_room'}")
        return thermostat is not None and thermostat.attributes.get("hvac_action") == "heating"

    def _heat(self, room: Room) -> None:
        """Let a thermostat measure and decide."""
        stage, temperature = self._stage, self._air[room.key].temperature
        thermostat = stage.known(f"climate.{room.key}")
        if thermostat is None:
            return
        action = thermostat.attributes.get("hvac_action")
        wanted = stage.attribute(f"climate.{room.key}", "temperature", 20.0)
        if thermostat.state == "off":
            action = "off"
        elif temperature < wanted - 0.25:
            action = "heating"
        elif temperature > wanted + 0.15 or action not in ("heating", "idle"):
            action = "idle"
        stage.change(f"climate.{room.key}", None, None, hvac_action=action, current_temperature=round(temperature, 1))

    def _setback(self) -> None:
        """Lower the thermostats at night and when nobody is there."""
        stage = self._stage
        low = not 5.5 <= stage.hour() < 22.0 or not self._people.at_home
        calls = []
        for room in ROOMS:
            wanted = _HEATING.get(room.key, 20.0) - (_SETBACK if low else 0.0)
            if room.thermostat and stage.attribute(f"climate.{room.key}", "temperature", wanted) != wanted:
                calls.append(
                    ("climate", "set_temperature", {"entity_id": f"climate.{room.key}", "temperature": wanted})
                )
        if calls:
            self._actors.automation("night_setback", None, "time pattern", *calls)

    def _blinds(self) -> None:
        """Close the blinds after sunset, and open them when somebody is up and it is light."""
        stage, elevation = self._stage, self._outdoors.sun.elevation
        awake = any(self._people.awake_in(room.key) for room in ROOMS)
        calls = []
        for room in ROOMS:
            entity_id = f"cover.{room.key}_blind"
            if room.blind and elevation < -4 and stage.value(entity_id) == "open":
                calls.append(("cover", "close_cover", {"entity_id": entity_id}))
            elif room.blind and elevation > 1 and awake and stage.value(entity_id) == "closed":
                calls.append(("cover", "open_cover", {"entity_id": entity_id}))
        if calls:
            sun = stage.states.get("sun.sun")
            self._actors.automation("blinds", sun.context if sun else None, "numeric state of sun.sun", *calls)

    def _average(self) -> None:
        mean = sum(air.temperature for air in self._air.values()) / len(self._air)
        self._stage.report("sensor.inside_average", str(round(mean, 1)))


def _number(text: str) -> float:
    """Return a state as a number; for one that is none, something far from every measurement."""
    try:
        return float(text)
    except ValueError:
        return -1e9
