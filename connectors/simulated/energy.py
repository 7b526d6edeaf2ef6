"""What draws current: the six circuits of the meter, and the loads behind them. Pure."""

from __future__ import annotations

from typing import Final

from ...clock import SECOND
from .chores import Chores
from .devices import CIRCUITS
from .living import Living
from .outdoors import Outdoors
from .people import People
from .rooms import ROOMS
from .stage import Stage

__all__ = ["Energy"]

_SAMPLE: Final = 60.0
_METER: Final = 300.0
_BASE: Final = {"bedrooms": 9.0, "hvac": 14.0, "kitchen": 11.0, "living_room": 16.0, "office": 7.0, "other": 48.0}
_READING: Final = {
    "bedrooms": 812.4,
    "hvac": 9_341.7,
    "kitchen": 3_120.9,
    "living_room": 1_702.3,
    "office": 1_288.8,
    "other": 2_450.1,
}
"""The kWh on the meter when the home begins."""


class Energy:
    """Measures power each minute, adds it up, and reports energy every five minutes: it never goes down."""

    def __init__(self, stage: Stage, living: Living, people: People, outdoors: Outdoors, chores: Chores) -> None:
        self._stage = stage
        self._living = living
        self._people = people
        self._outdoors = outdoors
        self._chores = chores
        self._kwh = dict(_READING)
        self._sampled = stage.time
        self._watts = dict(_BASE)
        self._fridge = 0.0

    def begin(self) -> None:
        """Put everything on the agenda."""
        stage = self._stage
        stage.every(1500, self._cool, 0.4)
        stage.every(_SAMPLE, self._sample, 0.02)
        stage.every(_METER, self._meter, 0.01)
        stage.every(75, self._voltage)

    def publish(self) -> None:
        """Report everything once."""
        self._sample()
        self._meter()
        self._voltage()

    def _cool(self) -> None:
        """Let the fridge's compressor run for a while."""
        self._fridge = 82.0 + 12.0 * self._stage.random.random()
        self._stage.after(500 + 260 * self._stage.random.random(), self._cooled)

    def _cooled(self) -> None:
        self._fridge = 0.0

    def _sample(self) -> None:
        stage, watts = self._stage, self._watts
        hours = (stage.time - self._sampled) / SECOND / 3600
        self._sampled = stage.time
        for key in watts:
            self._kwh[key] += watts[key] * hours / 1000
        loads = self._loads()
        total = 0.0
        for key, _ in CIRCUITS:
            watts[key] = max(0.5, loads[key] * (1 + stage.random.gauss(0.0, 0.012)) + stage.random.gauss(0.0, 0.35))
            total += watts[key]
            self._report(f"sensor.{key}_power", watts[key])
        self._report("sensor.whole_home_power", total)

    def _report(self, entity_id: str, watts: float) -> None:
        """Report a power that differs by more than half a watt and one percent from what was said last."""
        try:
            said = float(self._stage.value(entity_id))
        except ValueError:
            said = -1e9
        if abs(watts - said) > 0.5 + 0.01 * watts:
            self._stage.report(entity_id, str(round(watts, 1)))

    def _loads(self) -> dict[str, float]:
        """Return what each circuit draws now."""
        loads = {key: _BASE[key] + self._chores.watts(key) for key, _ in CIRCUITS}
        for room in ROOMS:
            loads[room.circuit] += room.light_watts * self._living.light(room)
        zones = self._living.heating
        if zones:
            cold = max(0.0, 18.0 - self._outdoors.temperature)
            loads["hvac"] += 260.0 + 150.0 * zones + 42.0 * cold
        loads["kitchen"] += self._fridge
        if self._stage.value("media_player.television") == "playing":
            loads["living_room"] += 112.0
        if self._stage.value("switch.desk") == "on":
            loads["office"] += 45.0 + 85.0 * len(self._people.awake_in("office"))
        if self._stage.value("fan.bathroom") == "on":
            loads["other"] += 16.0
        return loads

    def _meter(self) -> None:
        for key, kwh in self._kwh.items():
            self._stage.report(f"sensor.{key}_energy", str(round(kwh, 3)))
        self._stage.report("sensor.whole_home_energy", str(round(sum(self._kwh.values()), 3)))

    def _voltage(self) -> None:
        volts = 231.2 - sum(self._watts.values()) / 2500 + self._stage.random.gauss(0.0, 0.6)
        self._stage.report("sensor.mains_voltage", str(round(volts, 1)))
