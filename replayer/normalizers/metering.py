"""Readings of meters in the order of time → totals, shares, and kWh so far this local day. Pure.

Each circuit's last reading counts for 15 min. A day's energy is what the counters have grown by since the last reading of
the day before (no older than 24 h before midnight; else since the day's first). A counter that falls to less than 90 % of
what it said has begun anew at 0, as Home Assistant reads `total_increasing`; a smaller fall is a correction. A circuit
without a counter gets the integral of its power, in which each reading lasts until the next, 15 min at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ...clock import SECOND, from_iso
from ..point import Field, Point, Series
from .base import Fold, Reading

__all__ = ["AHEAD", "LASTS", "Circuits", "Metering"]

LASTS: Final = 900 * SECOND
"""So long a reading of power counts (microseconds)."""

_BEFORE: Final = 24 * 3_600 * SECOND
"""The last reading of the day before is no older than this before midnight (microseconds)."""

AHEAD: Final = 52 * 3_600 * SECOND
"""A reading has no effect later than this (microseconds): a day of 25 hours, and what is looked back before it."""

_RESET: Final = 0.9
_HOUR: Final = 3_600 * SECOND

_TOTAL: Final = ""
"""The circuit that is the whole home."""

_EPOCH: Final = datetime(1970, 1, 1)


class Circuits:
    """Which circuit a meter measures."""

    def __init__(self, circuits: Mapping[str, Sequence[str]], total: Sequence[str]) -> None:
        self._of = {meter: name for name in sorted(circuits) for meter in circuits[name]}
        self._of |= dict.fromkeys(total, _TOTAL)
        self._listed = bool(circuits)

    def of(self, meter: str) -> str | None:
        """Return the circuit of a meter (`sensor.x`, `host/em:0.a`), "" for the whole home, None where it is nobody's.

        Where no circuit is listed, each of a Shelly's meters is a circuit of its own name, but for the sum of three phases.
        """
        host, slash, component = meter.rpartition("/")
        for name in (meter, component):
            if name in self._of:
                return self._of[name]
        if not slash or self._listed:
            return None
        if component.startswith("em:") and "." not in component:
            return None if _TOTAL in self._of.values() else _TOTAL
        return f"{host} {component}"


@dataclass
class _Circuit:
    """What was read of a circuit: power in W, energy of the local day in kWh. Times are microseconds UTC."""

    power: float | None = None
    power_at: int = 0
    counters: dict[str, tuple[int, float]] = field(default_factory=dict)
    day: date | None = None
    counted: float | None = None
    integral: float | None = None

    def take(self, reading: Reading, day: date, start: int) -> None:
        """Take a reading; the local day `day` began at `start`."""
        if day != self.day:
            self.day, self.counted, self.integral = day, None, None
        now = reading.time
        if reading.energy is not None:
            before = self.counters.get(reading.meter)
            self.counters[reading.meter] = now, reading.energy
            grown = _grown(before[1], reading.energy) if before and before[0] >= start - _BEFORE else 0.0
            self.counted = (self.counted or 0.0) + grown
        if reading.power is not None:
            lasted = 0
            if self.power is not None:
                lasted = max(0, min(now, self.power_at + LASTS) - max(self.power_at, start))
            self.integral = (self.integral or 0.0) + (self.power or 0.0) * lasted / _HOUR / 1_000
            self.power, self.power_at = reading.power, now

    def watts(self, now: int) -> float | None:
        """Return the power that counts now."""
        return self.power if self.power is not None and now - self.power_at <= LASTS else None

    def energy(self, day: date) -> float | None:
        """Return the kWh of the local day so far; None where nothing was read of it."""
        if day != self.day:
            return None
        return self.integral if self.counted is None else self.counted


def _grown(before: float, now: float) -> float:
    return now if now < before * _RESET else now - before


class Metering(Fold):
    """See the module."""

    def __init__(self, circuits: Circuits) -> None:
        self._circuits = circuits
        self._read: dict[str, dict[str, _Circuit]] = {}  # by type of meter, and circuit
        self._day: tuple[date | None, ZoneInfo | None, int, int] = (None, None, 0, 0)

    def step(self, readings: Sequence[Reading], zone: ZoneInfo) -> list[Point]:
        """Return the points of a moment: one for each circuit that was read, and one for the home."""
        now = readings[0].time
        day, start = self._local_day(now, zone)
        fresh: dict[tuple[str, str], Reading] = {}
        for reading in readings:
            name = self._circuits.of(reading.meter)
            if name is None:
                continue
            kind = "shelly" if "/" in reading.meter else "home_assistant"
            circuit = self._read.setdefault(kind, {}).setdefault(name, _Circuit())
            circuit.take(reading, day, start)
            fresh[kind, name] = reading
        points: list[Point] = []
        for kind in sorted({kind for kind, _ in fresh}):
            points += self._points(kind, now, day, {name: one for (of, name), one in fresh.items() if of == kind})
        return points

    def _points(self, kind: str, now: int, day: date, fresh: Mapping[str, Reading]) -> Iterator[Point]:
        circuits = self._read[kind]
        parts = [circuit for name, circuit in sorted(circuits.items()) if name != _TOTAL]
        whole = circuits.get(_TOTAL, _Circuit())
        total = whole.watts(now)
        if total is None:
            total = _sum(circuit.watts(now) for circuit in parts)
        energy = whole.energy(day)
        if energy is None:
            energy = _sum(circuit.energy(day) for circuit in parts)
        for name, reading in sorted(fresh.items()):
            if name != _TOTAL:
                power = circuits[name].watts(now)
                share = 100.0 * power / total if power is not None and total is not None and total > 0 else None
                values = {"power_w": power, "percentage": share, "daily_kwh": circuits[name].energy(day)}
                yield from _point("smart_meter_circuit", {"circuit_name": name, "meter_type": kind}, values, reading)
        last = fresh[max(fresh)]
        yield from _point("smart_meter", {"meter_type": kind}, {"total_power_w": total, "daily_kwh": energy}, last)

    def _local_day(self, now: int, zone: ZoneInfo) -> tuple[date, int]:
        """Return the local day of a time, and when it began (microseconds UTC)."""
        known, of, start, end = self._day
        if known is None or of != zone or not start <= now < end:
            known = (_EPOCH + timedelta(microseconds=now)).replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()
            start, end = _midnight(known, zone), _midnight(known + timedelta(days=1), zone)
            self._day = known, zone, start, end
        return known, start


def _midnight(day: date, zone: ZoneInfo) -> int:
    return from_iso(datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC")).isoformat())


def _sum(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _point(measurement: str, tags: dict[str, str], values: Mapping[str, float | None], of: Reading) -> Iterator[Point]:
    fields: dict[str, Field] = {
        name: float(f"{value:.12g}") for name, value in values.items() if value is not None and math.isfinite(value)
    }
    if fields:
        yield Point(Series(measurement, tags), {"origin": of.origin, **fields}, of.time * 1000, of.seq)
