"""What people and machines do in the simulated home: coffee, cooking, dishes, laundry, television, work, cleaning. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from .actors import Actors
from .calendar import calendar_between
from .living import Living
from .people import People
from .stage import Action, Stage

__all__ = ["Chores"]

_DISHES: Final = ((8, 60.0), (22, 1950.0), (55, 90.0), (16, 1900.0), (24, 15.0))
_LAUNDRY: Final = ((5, 90.0), (18, 2050.0), (60, 160.0), (12, 480.0))
_SHOWS: Final = ("News", "Documentary", "Football", "Series", "Film")


class Chores:
    """Sees who is where every minute, and what time it is; things begin by chance when the moment is right."""

    def __init__(self, stage: Stage, actors: Actors, people: People, living: Living) -> None:
        self._stage = stage
        self._actors = actors
        self._people = people
        self._living = living
        self._watts = {"kitchen": {"": 0.0}, "other": {"": 0.0}}
        self._done: dict[str, int] = {}
        self._robot = 100.0

    def begin(self) -> None:
        """Put everything on the agenda."""
        self._stage.every(60, self._look, 0.1)
        self._stage.every(120, self._sweep, 0.05)
        self._stage.every(300, self._calendar, 0.0)
        self._stage.every(40, self._traffic, 0.5)

    def publish(self) -> None:
        """Report everything once."""
        self._calendar()
        self._traffic()

    def watts(self, circuit: str) -> float:
        """Return what the machines on a circuit draw."""
        return sum(self._watts.get(circuit, {}).values())

    def _once(self, name: str, share: float) -> bool:
        """Return whether something begins now that happens once a day at most, by chance each minute."""
        today = self._stage.local().toordinal()
        if self._done.get(name) == today or self._stage.random.random() >= share:
            return False
        self._done[name] = today
        return True

    def _look(self) -> None:
        hour, awake = self._stage.hour(), self._people.awake_in
        cooks, bathers, viewers = awake("kitchen"), awake("bathroom"), awake("living_room")
        if cooks and 5.5 <= hour < 10 and self._once("coffee", 0.3):
            self._coffee(cooks[0])
        if cooks and 17.8 <= hour < 20.5 and self._once("dinner", 0.25):
            self._cook(26, 1650.0)
        if cooks and 11.8 <= hour < 14 and self._once("lunch", 0.12):
            self._cook(14, 1300.0)
        if cooks and hour >= 19.2 and self._once("dishes", 0.12):
            self._programme("dishwasher", "kitchen", _DISHES)
        if (
            self._people.at_home
            and 9 <= hour < 18
            and self._stage.local().weekday() in (1, 5)
            and self._once("laundry", 0.02)
        ):
            self._programme("washing_machine", "other", _LAUNDRY)
        if bathers and (hour < 9 or hour > 20) and self._once(f"shower of {bathers[0]}", 0.2):
            self._shower(bathers[0])
        self._watch(viewers, hour)
        self._work(awake("office"))
        if hour >= 22 and not awake("living_room") and awake("bedroom") and self._once("good night", 0.2):
            self._actors.person(awake("bedroom")[0], "scene", "turn_on", {"entity_id": "scene.good_night"})
        if 6 <= hour < 6.5 and self._stage.local().month in (5, 6, 7, 8) and self._once("irrigation", 0.1):
            self._irrigate()

    def _coffee(self, person: str) -> None:
        plug, speaker = {"entity_id": "switch.coffee_machine"}, {"entity_id": "media_player.kitchen_speaker"}
        self._actors.person(person, "switch", "turn_on", plug)
        self._draw("kitchen", "coffee", 980.0, 6)
        self._stage.after(900, lambda: self._actors.person(person, "switch", "turn_off", plug))
        self._actors.person(person, "media_player", "play_media", {**speaker, "media_title": "Breakfast radio"})
        self._stage.after(2400, lambda: self._actors.person(person, "media_player", "media_stop", speaker))

    def _cook(self, minutes: int, watts: float) -> None:
        for minute in range(0, minutes, 2):
            power = watts * self._stage.random.uniform(0.5, 1.2)
            self._stage.after(60 * minute, lambda power=power: self._draw("kitchen", "hob", power, 2.2))  # type: ignore[misc]
        self._stage.after(60 * minutes / 2, lambda: self._living.steam("kitchen", 7.0))
        window = "binary_sensor.kitchen_window"
        self._stage.after(60 * minutes, lambda: self._stage.report(window, "on"))
        self._stage.after(60 * minutes + 700, lambda: self._stage.report(window, "off"))

    def _draw(self, circuit: str, name: str, watts: float, minutes: float) -> None:
        """Let a machine draw power for some minutes, unless it is set anew before."""
        loads = self._watts[circuit]
        until = self._stage.time + int(minutes * 60e6)
        loads[name] = watts
        self._stage.at(until, lambda: loads.__setitem__(name, 0.0) if loads[name] == watts else None)

    def _programme(self, machine: str, circuit: str, phases: tuple[tuple[int, float], ...]) -> None:
        stage, entity_id, minute = self._stage, f"sensor.{machine}", 0
        stage.report(entity_id, "run")
        length = sum(minutes for minutes, _ in phases)
        for minutes, watts in phases:
            stage.after(60 * minute, self._phase(circuit, machine, watts, minutes))
            minute += minutes
        if machine == "dishwasher":
            for passed in range(0, length + 1, 5):
                stage.after(60 * passed, self._remaining(length - passed))
        stage.after(60 * length, lambda: stage.report(entity_id, "finished"))
        stage.after(60 * length + 5400, lambda: stage.report(entity_id, "off"))

    def _phase(self, circuit: str, machine: str, watts: float, minutes: int) -> Action:
        return lambda: self._draw(circuit, machine, watts, minutes + 0.5)

    def _remaining(self, minutes: int) -> Action:
        return lambda: self._stage.report("sensor.dishwasher_remaining_time", str(minutes))

    def _shower(self, person: str) -> None:
        fan = {"entity_id": "fan.bathroom"}
        self._living.steam("bathroom", 22.0)
        self._actors.person(person, "fan", "turn_on", {**fan, "percentage": 66})
        self._stage.after(1300, lambda: self._actors.person(person, "fan", "turn_off", fan))
        self._stage.after(420, lambda: self._draw("other", "hair dryer", 1400.0, 4))

    def _watch(self, viewers: list[str], hour: float) -> None:
        stage, set_ = self._stage, {"entity_id": "media_player.television"}
        playing = stage.value("media_player.television") == "playing"
        if viewers and not playing and hour >= 19.7 and self._once("television", 0.2):
            show = stage.random.choice(_SHOWS)
            content = {"media_content_type": "channel", "media_title": show}
            self._actors.person(viewers[0], "media_player", "play_media", {**set_, **content})
        elif playing and not viewers and stage.random.random() < 0.06:
            self._actors.person("anna", "media_player", "turn_off", set_)
        elif playing and viewers and stage.random.random() < 0.01:
            volume = round(stage.random.uniform(0.15, 0.5), 2)
            self._actors.person(viewers[0], "media_player", "volume_set", {**set_, "volume_level": volume})

    def _work(self, workers: list[str]) -> None:
        desk = {"entity_id": "switch.desk"}
        on = self._stage.value("switch.desk") == "on"
        if workers and not on:
            self._actors.person(workers[0], "switch", "turn_on", desk)
        elif on and not workers and self._stage.random.random() < 0.03:
            self._actors.person("anna", "switch", "turn_off", desk)

    def _irrigate(self) -> None:
        try:
            minutes = float(self._stage.value("number.irrigation_minutes"))
        except ValueError:
            minutes = 20.0
        valve = {"entity_id": "switch.irrigation"}
        self._actors.person("ben", "switch", "turn_on", valve)
        self._stage.after(60 * minutes, lambda: self._actors.person("ben", "switch", "turn_off", valve))

    def _sweep(self) -> None:
        """Let the robot clean when nobody is there, drive home when it is empty, and charge."""
        stage, state = self._stage, self._stage.value("vacuum.robot")
        robot = {"entity_id": "vacuum.robot"}
        if state == "cleaning":
            self._robot -= 2.1
            if self._robot < 25:
                self._actors.person("anna", "vacuum", "return_to_base", robot)
                stage.after(110, lambda: stage.change("vacuum.robot", "docked"))
        elif self._robot < 100:
            self._robot = min(100.0, self._robot + 1.3)
            self._draw("other", "robot", 26.0, 2.4)
        elif 9 <= stage.hour() < 16 and not self._people.at_home and self._once("cleaning", 0.15):
            self._actors.person("anna", "vacuum", "start", robot)
        stage.report("sensor.robot_battery", str(round(self._robot)))

    def _calendar(self) -> None:
        """Show the event that is now, else the next one."""
        now = self._stage.local().replace(tzinfo=None)
        event = next(calendar_between(now, now + timedelta(days=8)))
        times = {"start_time": str(event.begin), "end_time": str(event.end)}
        state = "on" if event.begin <= now else "off"
        self._stage.change("calendar.family", state, None, message=event.message, location=event.location, **times)

    def _traffic(self) -> None:
        busy = sum(1 for person in self._people.at_home if self._people.places[person] in ("office", "living_room"))
        rate = 8 + busy * self._stage.random.expovariate(1 / 420)
        self._stage.report("sensor.router_download", str(round(rate, 1)))
