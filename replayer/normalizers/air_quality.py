"""Air quality → the measurement `air_quality`: the US index, and concentrations in µg/m³. Pure.

`aqi` is the US index (0 to 500) whoever is asked, and the tag `category` is its word; the European index is another
scale, and has the field `european_aqi`. AirNow gives no concentrations but an index for each pollutant, which have
fields of their own: `pm25_aqi`, `pm10_aqi`, `ozone_aqi`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import Field as Setting

from ...clock import DAY, SECOND, from_iso
from ...storage.record import Record
from ..home import HomeView
from ..point import NONE, Field, Point
from .base import LOCATION, POLLED, Normalizer, NormalizerSettings, Reads, Reason, SetAside
from .open_meteo import read_current
from .polled import LATEST, Poll, local_moment, number, objects_in, point_of, read_poll, reader_of

__all__ = ["MEASUREMENT", "NORMALIZER", "AirQualityNormalizer", "AirQualitySettings", "category_of"]

MEASUREMENT: Final = "air_quality"

_HOUR: Final = 3_600 * SECOND

_CATEGORIES: Final = (
    (50, "Good"),
    (100, "Moderate"),
    (150, "Unhealthy for Sensitive Groups"),
    (200, "Unhealthy"),
    (300, "Very Unhealthy"),
)
"""The US index up to here → its word, as AirNow writes it; beyond, it is Hazardous."""

_OFFSETS: Final = {
    **{"AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6},
    **{"PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "HDT": -9, "SST": -11, "CHST": 10, "GMT": 0, "UTC": 0},
}
"""The abbreviations of time zones that AirNow writes → hours before or after UTC.

Its old services gave standard time (PST) in summer too, so that the home's own clock would be an hour wrong.
"""

_HOUR_TEXT: Final = re.compile(r"([0-9]{1,2})(?::([0-9]{2}))?")
_POLLUTANTS: Final = {"O3": "ozone", "OZONE": "ozone", "PM2.5": "pm25", "PM10": "pm10"}
_MICROGRAMS: Final = "μg/m³"


class AirQualitySettings(NormalizerSettings):
    """The word for the place; by default the home's name."""

    location: str | None = Setting(default=None, description=LOCATION)


class _Reading(NamedTuple):
    time: int
    aqi: float | None
    values: dict[str, Field | None]


class AirQualityNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "air_quality"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    ahead: ClassVar[int] = _HOUR
    back: ClassVar[int] = DAY
    revised: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = ("config",)
    settings_model: ClassVar[type[NormalizerSettings]] = AirQualitySettings
    settings: AirQualitySettings
    reads = Reads(("air_quality",), (POLLED,))

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of an answer, at the time of the observation; see Normalizer.normalize."""
        poll = read_poll(record)
        reading = reader_of(poll, _READERS)(poll, home)
        tags: dict[str, str | None] = {
            "location": self.settings.location or home.location_name,
            "category": NONE if reading.aqi is None else category_of(reading.aqi),
        }
        point = point_of(record, MEASUREMENT, tags, {"aqi": reading.aqi, **reading.values}, reading.time)
        if point is None:
            raise SetAside(Reason.NO_VALUE)
        return [point]


def category_of(aqi: float) -> str:
    """Return the word for a value of the US index."""
    return next((word for upto, word in _CATEGORIES if aqi <= upto), "Hazardous")


def _of_open_meteo(poll: Poll, home: HomeView) -> _Reading:
    current = read_current(poll)
    return _Reading(
        current.time,
        number(current.values.get("us_aqi")),
        {
            "pm25": current.measured(_MICROGRAMS, ("pm2_5",)),
            "pm10": current.measured(_MICROGRAMS, ("pm10",)),
            "ozone": current.measured(_MICROGRAMS, ("ozone",)),
            "european_aqi": number(current.values.get("european_aqi")),
        },
    )


def _of_airnow(poll: Poll, home: HomeView) -> _Reading:
    """Read one row for each pollutant, in the form until 2026 (AQI, HourObserved 15) or since (nowcastAQI, "15:00").

    The index is that of the worst pollutant, as AirNow's own; the time that of the latest row.
    """
    if isinstance(poll.content, dict):
        raise SetAside(
            Reason.ERROR_ANSWER if "WebServiceError" in poll.content else Reason.UNKNOWN_FORM, "the answer is no list"
        )
    if poll.content == []:
        raise SetAside(Reason.NO_VALUE, "no monitor reports")
    values: dict[str, Field | None] = {}
    worst: float | None = None
    time: int | None = None
    for row in objects_in(poll.content):
        said = {name.lower(): value for name, value in row.items()}
        name, aqi = _pollutant(said)
        observed = _observed(said, home)
        if aqi is None or observed is None:
            continue
        worst = aqi if worst is None else max(worst, aqi)
        time = observed if time is None else max(time, observed)
        if name is not None:
            values[f"{name}_aqi"] = aqi
    if time is None:
        raise SetAside(Reason.UNKNOWN_FORM, "no row has both an index and a time")
    return _Reading(time, worst, values)


def _pollutant(said: dict[str, Any]) -> tuple[str | None, float | None]:
    """Return the name of a row's pollutant, None for one without a field, and its index; -1 is none."""
    parameter = said.get("parametername")
    aqi = number(said.get("nowcastaqi", said.get("aqi")))
    name = _POLLUTANTS.get(parameter.strip().upper()) if isinstance(parameter, str) else None
    return name, None if aqi is None or aqi < 0 else aqi


def _observed(said: dict[str, Any], home: HomeView) -> int | None:
    """Return a row's time: by the abbreviation of its zone, where that is not known by the home's own clock."""
    day, hour, zone = said.get("dateobserved"), said.get("hourobserved"), said.get("localtimezone")
    match = _HOUR_TEXT.fullmatch(str(hour)[:9]) if type(hour) in (int, str) else None
    try:
        day = date.fromisoformat(day.strip() if isinstance(day, str) else "")  # the old form has a space behind it
    except ValueError:
        return None
    if match is None or int(match[1]) > 23:
        return None
    local = f"{day.isoformat()}T{int(match[1]):02}:{match[2] or '00'}"
    offset = _OFFSETS.get(zone.strip().upper()) if isinstance(zone, str) else None
    if offset is None:
        return local_moment(local, home.zone)
    try:
        time = from_iso(local) - offset * _HOUR
    except ValueError:
        return None
    return time if 0 <= time < LATEST else None


_READERS: Final[dict[str, Callable[[Poll, HomeView], _Reading]]] = {
    "open_meteo": _of_open_meteo,
    "airnow": _of_airnow,
}

NORMALIZER: Final = AirQualityNormalizer
