"""Normalizers of the other kinds, as small as they can be: with reach and revisions, and in the order of time."""

import json
from collections.abc import Sequence
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from homeiq.clock import DAY, SECOND, to_iso
from homeiq.replayer.home import HomeView
from homeiq.replayer.normalizers.base import Fold, Normalizer, Reading, Reads, Summarizer
from homeiq.replayer.normalizers.home_assistant import HomeAssistantNormalizer
from homeiq.replayer.point import Field, Point, Series
from homeiq.storage.record import Event, Origin, Record

__all__ = ["Forecasts", "Meters", "Version2", "Version3", "forecast", "reading", "weather"]

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


def weather(time: int, temperature: float, origin: Origin = "live") -> Event:
    """Return the record of a poll of Open-Meteo."""
    moment = to_iso(time - time % (900 * SECOND))[:16]
    body = {"utc_offset_seconds": 0, "current": {"time": moment, "temperature_2m": temperature}}
    body["current_units"] = {"time": "iso8601", "temperature_2m": "°C"}
    raw = {
        "provider": "open_meteo",
        "request": {"url": "https://x/v1/forecast"},
        "status": 200,
        "body": json.dumps(body),
    }
    return Event(time, time, "weather", origin, "polled", None, None, json.dumps(raw))


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


class Version2(HomeAssistantNormalizer):
    """What a later version makes: a tag more, another measurement, a field less, nothing of one entity."""

    version = 1_002
    measurements = ("states",)

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the point, otherwise."""
        made = []
        for point in super().normalize(record, home):
            if point.series.tags["entity_id"] != "sensor.unknown":
                fields = {name: value for name, value in point.fields.items() if name != "available"}
                made.append(Point(Series("states", {**point.series.tags, "floor": "1"}), fields, point.time, point.seq))
        return made


class Version3(HomeAssistantNormalizer):
    """One that has a tag less, moves every point into the next day, and gives a field another value."""

    version = 1_003
    by_entity = False
    ahead = DAY

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the point, otherwise."""
        made = []
        for point in super().normalize(record, home):
            tags = {name: value for name, value in point.series.tags.items() if name != "area_id"}
            fields = {**point.fields, "removed": True}
            made.append(Point(Series(point.series.measurement, tags), fields, point.time + DAY * 1_000, point.seq))
        return made
