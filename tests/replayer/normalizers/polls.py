"""Answers of the utilities' services in their documented forms, and the records that hold them."""

import json
from typing import Any

from homeiq.clock import SECOND, from_iso, to_iso
from homeiq.replayer.home import Home, HomeView
from homeiq.replayer.normalizers.base import Normalizer
from homeiq.replayer.point import Field, Point
from homeiq.storage.record import Event, Origin, Record

from replayer.making import config, numbered

__all__ = [
    "HOUR",
    "TIME",
    "airnow_new",
    "airnow_old",
    "awattar",
    "calendar_event",
    "energy_charts",
    "fields_at",
    "home_in",
    "open_meteo",
    "open_meteo_air",
    "openweathermap",
    "points_of",
    "poll",
    "record_of",
    "tibber",
    "uk_forecast",
    "uk_generation",
    "uk_intensity",
    "uk_regional",
    "watttime",
]

HOUR = 3_600 * SECOND
TIME = from_iso("2026-11-23T15:48:33.184487+00:00")


def poll(
    source: str,
    provider: str,
    body: Any,
    time: int = TIME,
    *,
    url: str = "https://example.org/",
    params: dict[str, str] | None = None,
    entity_id: str | None = None,
    origin: Origin = "live",
    **envelope: Any,
) -> Event:
    """Return the record of a poll; a `body` that is not a text is written as JSON."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    raw = {
        "provider": provider,
        "request": {"method": "GET", "url": url, "params": params or {}},
        "status": 200,
        "headers": {"content-type": "application/json; charset=utf-8"},
        "body": text,
        **envelope,
    }
    return Event(time, time, source, origin, "polled", entity_id, None, json.dumps(raw, ensure_ascii=False))


def home_in(zone: str = "UTC", name: str | None = None) -> HomeView:
    """Return a home in a time zone, with a name."""
    event = config(0, zone)
    event.raw = json.dumps(json.loads(event.raw) | {"location_name": name})
    home = Home()
    home.learn_all(numbered([event]))
    return home.at(TIME)


def record_of(event: Event) -> Record:
    """Return the record that an event will be."""
    return numbered([event])[0]


def points_of(normalizer: Normalizer, event: Event, home: HomeView | None = None) -> list[Point]:
    """Return what a normalizer makes of an event."""
    return normalizer.normalize(record_of(event), home or home_in())


def fields_at(points: list[Point], measurement: str) -> dict[int, dict[str, Field]]:
    """Return the fields of a measurement's points, without `origin`, by their time (microseconds UTC)."""
    return {
        point.time // 1000: {name: value for name, value in point.fields.items() if name != "origin"}
        for point in points
        if point.series.measurement == measurement
    }


# --- weather and air -------------------------------------------------------------------------------------------------


def open_meteo(**current: Any) -> dict[str, Any]:
    """Return the answer of Open-Meteo's /v1/forecast; the coordinates are those of its grid's cell."""
    return {
        **{"latitude": 52.52, "longitude": 13.419998, "generationtime_ms": 0.05, "elevation": 38.0},
        **{"utc_offset_seconds": 3600, "timezone": "Europe/Berlin", "timezone_abbreviation": "GMT+1"},
        "current_units": {
            **{"time": "iso8601", "interval": "seconds", "temperature_2m": "°C", "relative_humidity_2m": "%"},
            **{"pressure_msl": "hPa", "wind_speed_10m": "km/h", "weather_code": "wmo code", "is_day": ""},
        },
        "current": {
            **{"time": "2026-11-23T16:45", "interval": 900, "temperature_2m": 3.4, "relative_humidity_2m": 87},
            **{"pressure_msl": 1012.6, "wind_speed_10m": 18.0, "weather_code": 61, "is_day": 0},
            **current,
        },
    }


def openweathermap(**content: Any) -> dict[str, Any]:
    """Return the answer of OpenWeatherMap's /data/2.5/weather, as for units=metric."""
    return {
        "coord": {"lon": 13.4, "lat": 52.5},
        "weather": [{"id": 803, "main": "Clouds", "description": "Überwiegend bewölkt", "icon": "04d"}],
        "base": "stations",
        "main": {"temp": 3.61, "feels_like": 0.2, "temp_min": 2.8, "temp_max": 4.4, "pressure": 1012, "humidity": 88},
        "visibility": 10000,
        "wind": {"speed": 4.63, "deg": 230},
        "clouds": {"all": 75},
        "dt": 1795448700,
        "sys": {"type": 2, "id": 2011538, "country": "DE", "sunrise": 1795416600, "sunset": 1795446120},
        **{"timezone": 3600, "id": 2950159, "name": "Berlin", "cod": 200, **content},
    }


def open_meteo_air(**current: Any) -> dict[str, Any]:
    """Return the answer of Open-Meteo's /v1/air-quality; its micro sign is U+03BC."""
    return {
        **{"latitude": 52.5, "longitude": 13.4, "generationtime_ms": 0.1, "elevation": 38.0},
        **{"utc_offset_seconds": 0, "timezone": "GMT", "timezone_abbreviation": "GMT"},
        "current_units": {
            **{"time": "iso8601", "interval": "seconds", "us_aqi": "USAQI", "european_aqi": "EAQI"},
            **{"pm2_5": "\u03bcg/m³", "pm10": "\u03bcg/m³", "ozone": "\u03bcg/m³"},
        },
        "current": {
            **{"time": "2026-11-23T15:00", "interval": 3600, "us_aqi": 61, "european_aqi": 34},
            **{"pm2_5": 14.9, "pm10": 17, "ozone": 31.0, **current},
        },
    }


def airnow_old(*rows: tuple[str, int], hour: int = 7, zone: str = "PST", day: str = "2026-09-23 ") -> list[Any]:
    """Return the answer of AirNow's services until September 2026, of (pollutant, index)."""
    return [
        {
            **{"DateObserved": day, "HourObserved": hour, "LocalTimeZone": zone, "ReportingArea": "W San Gabriel Vly"},
            **{"StateCode": "CA", "Latitude": 34.03, "Longitude": -118.14, "ParameterName": name, "AQI": aqi},
            "Category": {"Number": 1, "Name": "Good"},
        }
        for name, aqi in rows
    ]


def airnow_new(*rows: tuple[str, int | None], hour: str = "07:00", zone: str = "PST") -> list[Any]:
    """Return the answer of /aq/observation/current/ziplatlong/, of (pollutant, index)."""
    return [
        {
            **{"dateObserved": "2026-11-23", "hourObserved": hour, "localTimeZone": zone},
            **{"reportingAreaName": "NW Coastal LA", "siteID": "060370113", "siteName": "West Los Angeles"},
            **{"parameterName": name, "nowcastAQI": aqi, "aqiCategoryName": "Good"},
            **{"reportingAgency": "South Coast AQMD", "lookupBehavior": "Closest Reading By Pollutant"},
            **{"consideredMonitors": "All", "lookupBoundary": "50 Miles"},
        }
        for name, aqi in rows
    ]


# --- prices and carbon -----------------------------------------------------------------------------------------------


def awattar(prices: list[Any], start: int, unit: str = "Eur/MWh", length: int = HOUR) -> dict[str, Any]:
    """Return the answer of aWATTar's /v1/marketdata, prices from `start` (microseconds) on."""
    rows = [
        {
            "start_timestamp": (start + place * length) // 1000,
            "end_timestamp": (start + (place + 1) * length) // 1000,
            **{"marketprice": price, "unit": unit},
        }
        for place, price in enumerate(prices)
    ]
    return {"object": "list", "data": rows, "url": "/de/v1/marketdata"}


def energy_charts(prices: list[Any], start: int, unit: str = "EUR / MWh", length: int = HOUR) -> dict[str, Any]:
    """Return the answer of Energy-Charts' /price, prices from `start` (microseconds) on."""
    return {
        "license_info": "CC BY 4.0 (creativecommons.org/licenses/by/4.0) from Bundesnetzagentur | SMARD.de",
        "unix_seconds": [(start + place * length) // SECOND for place in range(len(prices))],
        **{"price": prices, "unit": unit, "deprecated": False},
    }


def tibber(today: list[tuple[str, Any]], tomorrow: list[tuple[str, Any]] = [], currency: str = "NOK") -> dict[str, Any]:  # noqa: B006
    """Return the answer of Tibber's priceInfo, of (start, total); now is the first of today."""

    def row(starts: str, total: Any) -> dict[str, Any]:
        return {**{"total": total, "energy": 0.8, "tax": 0.4, "startsAt": starts}, "currency": currency}

    info = {
        "current": row(*today[0]) if today else None,
        "today": [row(*of) for of in today],
        "tomorrow": [row(*of) for of in tomorrow],
    }
    return {"data": {"viewer": {"homes": [{"currentSubscription": {"priceInfo": info}}]}}}


def _uk_time(time: int) -> str:
    return to_iso(time)[:16] + "Z"


def uk_intensity(actual: Any = 263, forecast: Any = 266, time: int = TIME) -> dict[str, Any]:
    """Return the answer of /intensity: the half hour that holds `time`."""
    start = time - time % (HOUR // 2)
    intensity = {"forecast": forecast, "actual": actual, "index": "moderate"}
    return {"data": [{"from": _uk_time(start), "to": _uk_time(start + HOUR // 2), "intensity": intensity}]}


def uk_forecast(values: list[Any], time: int = TIME) -> dict[str, Any]:
    """Return the answer of /intensity/{from}/fw24h; the first row starts before the time asked for."""
    start = time - time % (HOUR // 2)
    starts = [start + place * HOUR // 2 for place in range(len(values))]
    return {
        "data": [row for at, value in zip(starts, values, strict=True) for row in uk_intensity(None, value, at)["data"]]
    }


MIX = {
    "biomass": 4.3,
    "coal": 0,
    "imports": 22.4,
    "gas": 26.7,
    "nuclear": 4.1,
    "other": 0,
    "hydro": 0.1,
    "solar": 0,
    "wind": 42.3,
}


def uk_generation(time: int = TIME, **perc: Any) -> dict[str, Any]:
    """Return the answer of /generation, whose `data` is an object."""
    start = time - time % (HOUR // 2)
    mix = [{"fuel": fuel, "perc": share} for fuel, share in (MIX | perc).items()]
    return {"data": {"from": _uk_time(start), "to": _uk_time(start + HOUR // 2), "generationmix": mix}}


def uk_regional(values: list[Any], time: int = TIME) -> dict[str, Any]:
    """Return the answer of /regional/intensity/{from}/fw24h/postcode/RG10, whose `data` is an object with `data`."""
    mix = uk_generation(time)["data"]["generationmix"]
    rows = [row | {"generationmix": mix} for row in uk_forecast(values, time)["data"]]
    for row in rows:
        del row["intensity"]["actual"]
    return {
        "data": {
            "regionid": 12,
            "dnoregion": "SSE South",
            "shortname": "South England",
            "postcode": "RG10",
            "data": rows,
        }
    }


def watttime(values: list[Any], units: str = "lbs_co2_per_mwh", time: int = TIME) -> dict[str, Any]:
    """Return the answer of WattTime's /v3/forecast, or with another unit of /v3/signal-index."""
    start = time - time % (300 * SECOND)
    return {
        "data": [{"point_time": to_iso(start + place * 300 * SECOND), "value": v} for place, v in enumerate(values)],
        "meta": {
            **{"data_point_period_seconds": 300, "region": "CAISO_NORTH", "warnings": [], "signal_type": "co2_moer"},
            **{"model": {"date": "2023-03-01"}, "units": units, "generated_at": to_iso(start)},
        },
    }


def calendar_event(title: Any, start: str, end: str | None) -> dict[str, Any]:
    """Return an event of Home Assistant's /api/calendars/<entity>; a text of a day alone is an all-day event's."""

    def said(text: str) -> dict[str, str]:
        return {"date" if len(text) == 10 else "dateTime": text}

    event = {"start": said(start), "summary": title}
    return event if end is None else event | {"end": said(end)}
