"""Normalizers of the other kinds, as small as they can be: with reach and revisions, and in the order of time."""

import json
from collections.abc import Sequence
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from homeiq.clock import DAY, SECOND
from homeiq.replayer.home import HomeView
from homeiq.replayer.normalizers.base import Fold, Normalizer, Reading, Reads, Summarizer
from homeiq.replayer.point import Field, Point, Series
from homeiq.storage.record import Event, Origin, Record

__all__ = ["Forecasts", "Meters", "forecast", "reading"]

HOUR: Final = 3_600 * SECOND
AHEAD: Final = 30 * HOUR


def forecast(time: int, points: dict[int, dict[str, float]], origin: Origin = "live") -> Event:
    """Return the record of a forecast: what is foretold for so many hours after its time."""
    raw = json.dumps({str(hours): fields for hours, fields in points.items()})
    return Event(time, time, "forecasts", origin, "polled", None, None, raw)


class Forecasts(Normalizer):
    """Points that lie before and after their record; the later record is right."""

    name = "forecasts"
    version = 1
    measurements = ("forecast",)
    ahead = 2 * DAY
    back = DAY
    revised = True
    of_home: ClassVar[tuple[str, ...]] = ()
    reads = Reads(("forecasts",), ("polled",))

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return a point for each hour that is foretold."""
        made: list[Point] = []
        for hours, values in json.loads(record.raw).items():
            fields: dict[str, Field] = {"origin": record.origin, **values}
            time = record.time - record.time % HOUR + int(hours) * HOUR
            made.append(Point(Series("forecast", {"kind": "x"}), fields, time * 1000, record.seq))
        return made


def reading(meter: str, value: float, time: int, origin: Origin = "live") -> Event:
    """Return the record of a meter."""
    return Event(time, time, "meters", origin, "polled", None, None, json.dumps({meter: value}))


class _Sum(Fold):
    """The sum of what each meter said last, if it is not older than 30 h."""

    def __init__(self) -> None:
        self.last: dict[str, tuple[int, float]] = {}

    def step(self, readings: Sequence[Reading], zone: ZoneInfo) -> list[Point]:
        """Add a point."""
        now = readings[0].time
        for one in readings:
            self.last[one.meter] = one.time, one.power or 0.0
        total = sum(value for time, value in self.last.values() if now - time <= AHEAD)
        series = Series("meter", {"zone": zone.key})
        return [Point(series, {"origin": readings[-1].origin, "total": total}, now * 1000, readings[-1].seq)]


class Meters(Summarizer):
    """A sum of meters."""

    name = "meters"
    version = 1
    measurements = ("meter",)
    ahead = AHEAD
    reads = Reads(("meters",), ("polled",))

    def readings(self, record: Record, home: HomeView) -> list[Reading]:
        """Return what the record says."""
        said = json.loads(record.raw).items()
        return [Reading(meter, record.time, value, None, record.origin, record.seq) for meter, value in said]

    def fold(self) -> Fold:
        """Return a sum of nothing."""
        return _Sum()
