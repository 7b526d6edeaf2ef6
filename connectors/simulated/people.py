"""The people of the simulated home: where they are, their phones, the front door, lock and alarm. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from ...clock import to_iso
from .actors import Actors
from .devices import PEOPLE
from .plans import AWAY, BED, plan
from .stage import Stage
from .state import Context

__all__ = ["People"]

_BED_ROOMS: Final = {"anna": "bedroom", "ben": "bedroom", "clara": "childrens_room"}
_RINGS_A_DAY: Final = 1.4

Arrival = Callable[[str, str], None]


class People:
    """Follows each person's plan of the day, and tells `arrived` who came into which room."""

    def __init__(self, stage: Stage, actors: Actors, place: tuple[float, float]) -> None:
        self._stage = stage
        self._actors = actors
        self._home = place
        self._batteries = {key: 60.0 + 30.0 * stage.random.random() for key, _ in PEOPLE}
        self._errands = {key: stage.random.uniform(-0.03, 0.03) for key, _ in PEOPLE}
        self.places = {key: BED for key, _ in PEOPLE}
        self.arrived: Arrival = lambda person, room: None

    def begin(self) -> None:
        """Settle everybody where the plan of the first day has them, and put everything on the agenda."""
        now = self._stage.local().replace(tzinfo=None)
        self._write_plans(now, settle=True)
        self._stage.every(300, self._phones)

    def publish(self) -> None:
        """Report everybody once, without a door being opened."""
        for key, _ in PEOPLE:
            self._locate(key)
        self._count()

    def in_room(self, room: str) -> list[str]:
        """Return who is in a room, asleep or awake."""
        return [key for key, _ in PEOPLE if self._room(key) == room]

    def awake_in(self, room: str) -> list[str]:
        """Return who is in a room and awake."""
        return [key for key, _ in PEOPLE if self.places[key] == room]

    @property
    def at_home(self) -> list[str]:
        """Return who is at home."""
        return [key for key, _ in PEOPLE if self.places[key] != AWAY]

    def _room(self, key: str) -> str:
        place = self.places[key]
        return _BED_ROOMS[key] if place == BED else place

    def _write_plans(self, now: datetime, *, settle: bool = False) -> None:
        """Write everybody's plan of the day that begins at midnight of `now`, and come again the next midnight."""
        stage = self._stage
        for key, _ in PEOPLE:
            for visit in plan(key, now.date(), stage.random):
                if visit.begin > now or not settle:
                    stage.at(stage.utc(visit.begin), self._walk(key, visit.place))
                else:
                    self.places[key] = visit.place
        for _ in range(2):
            if stage.random.random() < _RINGS_A_DAY / 2:
                ring = now.replace(hour=9, minute=0) + timedelta(hours=10 * stage.random.random())
                if ring > now:
                    stage.at(stage.utc(ring), self._ring)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        stage.at(stage.utc(midnight), lambda: self._write_plans(midnight))

    def _walk(self, key: str, place: str) -> Callable[[], None]:
        def go() -> None:
            before = self.places[key]
            if before == place:
                return
            if (before == AWAY) != (place == AWAY):
                self._through_the_door(key, place)
                return
            self.places[key] = place
            if place != BED:
                if before not in (BED, "hallway") and place != "garden":
                    self.arrived(key, "hallway")
                self._stage.after(8, lambda: self.arrived(key, place))

        return go

    def _through_the_door(self, key: str, place: str) -> None:
        stage, actors = self._stage, self._actors
        self.arrived(key, "hallway")
        if stage.value("lock.front_door") != "unlocked":
            actors.person(key, "lock", "unlock", {"entity_id": "lock.front_door"})
        stage.after(4, lambda: stage.report("binary_sensor.front_door", "on"))
        stage.after(4 + 12 * stage.random.random(), lambda: stage.report("binary_sensor.front_door", "off"))
        stage.after(90, self._lock)
        alone = len(self.at_home) == (1 if place == AWAY else 0)
        stage.after(20 if place == AWAY else 1, lambda: self._cross(key, place, alone))

    def _cross(self, key: str, place: str, alone: bool) -> None:
        """Be away, or be home; the first and the last one set off an automation."""
        stage = self._stage
        self.places[key] = place
        cause = self._locate(key)
        self._count()
        if not alone:
            return
        alarm = {"entity_id": "alarm_control_panel.home"}
        mode = "input_select.house_mode"
        if place == AWAY:
            calls = (
                ("light", "turn_off", {"entity_id": "all"}),
                ("alarm_control_panel", "alarm_arm_away", alarm),
                ("input_select", "select_option", {"entity_id": mode, "option": "away"}),
            )
            self._actors.automation("leaving_home", cause, "state of zone.home", *calls)
        else:
            option = "day" if stage.hour() < 18 else "evening"
            self._actors.automation(
                "coming_home",
                cause,
                "state of zone.home",
                ("alarm_control_panel", "alarm_disarm", alarm),
                ("input_select", "select_option", {"entity_id": mode, "option": option}),
            )

    def _lock(self) -> None:
        if (
            self._stage.value("lock.front_door") == "unlocked"
            and self._stage.value("binary_sensor.front_door") == "off"
        ):
            data = {"entity_id": "lock.front_door"}
            self._actors.automation("coming_home", None, "time of lock.front_door", ("lock", "lock", data))

    def _ring(self) -> None:
        self._stage.change("event.doorbell", to_iso(self._stage.time)[:23] + "+00:00", event_type="ring")

    def _locate(self, key: str) -> Context | None:
        """Report a person and the phone; the person's change is caused by the phone's."""
        stage = self._stage
        away = self.places[key] == AWAY
        shift = self._errands[key] if away else 0.0
        spot = {"latitude": round(self._home[0] + shift, 5), "longitude": round(self._home[1] - shift, 5)}
        accuracy = 12 + stage.random.randrange(20)
        state = "not_home" if away else "home"
        tracker = f"device_tracker.{key}_phone"
        level = round(self._batteries[key])
        stage.change(tracker, state, None, **spot, gps_accuracy=accuracy, battery_level=level)
        stage.change(f"person.{key}", state, None, **spot, gps_accuracy=accuracy)
        person = stage.states.get(f"person.{key}")
        return person.context if person else None

    def _count(self) -> None:
        persons = [f"person.{key}" for key in self.at_home]
        self._stage.change("zone.home", str(len(persons)), None, persons=persons)

    def _phones(self) -> None:
        """Let five minutes pass for the phones: charged at night, used by day, seen moving when away."""
        stage = self._stage
        for key, _ in PEOPLE:
            charging = self.places[key] == BED
            level = self._batteries[key] + (4.0 if charging else -0.42 * (0.5 + stage.random.random()))
            self._batteries[key] = max(4.0, min(100.0, level))
            stage.report(f"sensor.{key}_phone_battery", str(round(self._batteries[key])))
            if self.places[key] == AWAY and stage.random.random() < 0.2:
                self._errands[key] = max(-0.09, min(0.09, self._errands[key] + stage.random.gauss(0.0, 0.004)))
                self._locate(key)
