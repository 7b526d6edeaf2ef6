"""What the connectors ask for is what the normalizers understand: from a service's answer to the line of a point."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from homeiq.clock import ManualClock
from homeiq.replayer.replay import replay_to_output
from homeiq.settings import Settings, load
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event

from connectors.polls import NOW, around, made, polled_by
from servers.service import Asked, Reply, serving

CONFIG = {
    "latitude": 52.37,
    "longitude": 4.89,
    "time_zone": "Europe/Berlin",
    "location_name": "Home",
    "version": "2026.11",
}


def open_meteo(asked: Asked) -> Reply:
    """Answer with each variable that was asked for, and no other, as Open-Meteo does."""
    units = {"temperature_2m": "°C", "relative_humidity_2m": "%", "pressure_msl": "hPa", "weather_code": "wmo code"}
    units |= {"wind_speed_10m": "m/s" if asked.query.get("wind_speed_unit") == "ms" else "km/h", "is_day": ""}
    units |= {"us_aqi": "USAQI", "european_aqi": "EAQI", "pm2_5": "μg/m³", "pm10": "μg/m³", "ozone": "μg/m³"}
    names = asked.query["current"].split(",")
    current = {"time": "2026-11-24T14:30", "interval": 900} | dict.fromkeys(names, 3)
    said = {"time": "iso8601", "interval": "seconds"} | {name: units.get(name, "?") for name in names}
    return Reply({"utc_offset_seconds": 0, "timezone": "GMT", "current_units": said, "current": current})


def openweathermap(asked: Asked) -> Reply:
    main = {"temp": 7.1, "pressure": 1003, "humidity": 82}
    weather = [{"id": 804, "main": "Clouds", "description": "overcast", "icon": "04d"}]
    return Reply({"weather": weather, "main": main, "wind": {"speed": 3.1}, "dt": NOW // 1_000_000, "cod": 200})


def airnow(asked: Asked) -> Reply:
    row = {"dateObserved": "2026-11-24", "hourObserved": "15:00", "localTimeZone": "CET", "parameterName": "PM2.5"}
    return Reply([row | {"nowcastAQI": 42, "reportingArea": "Here"}])


def awattar(asked: Asked) -> Reply:
    start, end = int(asked.query["start"]), int(asked.query["end"])
    rows = [
        {"start_timestamp": at, "end_timestamp": at + 3_600_000, "marketprice": 90 + at % 7, "unit": "Eur/MWh"}
        for at in range(start, end, 3_600_000)
    ]
    return Reply({"object": "list", "data": rows, "url": "/at/v1/marketdata"})


def energy_charts(asked: Asked) -> Reply:
    start = round(datetime.fromisoformat(f"{asked.query['start']}T00:00+01:00").timestamp())
    times = list(range(start, start + 2 * 86_400, 900))
    return Reply({"unix_seconds": times, "price": [80.5 for _ in times], "unit": "EUR / MWh", "deprecated": False})


def tibber(asked: Asked) -> Reply:
    def row(hour: int) -> dict[str, Any]:
        return {"total": 0.25 + hour / 100, "startsAt": f"2026-11-24T{hour:02}:00:00.000+01:00", "currency": "EUR"}

    info = {"current": row(15), "today": [row(hour) for hour in range(24)], "tomorrow": []}
    return Reply({"data": {"viewer": {"homes": [{"currentSubscription": {"priceInfo": info}}]}}})


def uk(asked: Asked) -> Reply:
    times = {"from": "2026-11-24T14:30Z", "to": "2026-11-24T15:00Z"}
    if asked.path == "/generation":
        return Reply(
            {"data": {**times, "generationmix": [{"fuel": "wind", "perc": 60.1}, {"fuel": "gas", "perc": 39.9}]}}
        )
    return Reply({"data": [{**times, "intensity": {"forecast": 120, "actual": 118, "index": "moderate"}}]})


def uk_region(asked: Asked) -> Reply:
    times = {"from": "2026-11-24T14:30Z", "to": "2026-11-24T15:00Z"}
    row = {**times, "intensity": {"forecast": 120}, "generationmix": [{"fuel": "wind", "perc": 60}]}
    region = {"regionid": 13, "dnoregion": "UKPN London", "shortname": "London", "data": [row]}
    return Reply({"data": region if "fw48h" in asked.path else [region]})


def watttime(asked: Asked) -> Reply:
    if asked.path == "/login":
        return Reply({"token": "a-token-for-half-an-hour"})
    units = "lbs_co2_per_mwh" if "forecast" in asked.path else "percentile"
    meta = {
        "data_point_period_seconds": 300,
        "region": asked.query["region"],
        "signal_type": "co2_moer",
        "units": units,
    }
    rows = [
        {"point_time": f"2026-11-24T{14 + at // 12:02}:{5 * (at % 12):02}:00+00:00", "value": 50.0} for at in range(100)
    ]
    return Reply({"data": rows, "meta": meta})


def shelly(asked: Asked) -> Reply:
    switch = {"id": 0, "output": True, "apower": 8.9, "aenergy": {"total": 6532.0, "by_minute": [45.1], "minute_ts": 1}}
    return Reply(switch if asked.path.endswith("Switch.GetStatus") else {"switch:0": switch, "sys": {"mac": "x"}})


def calendars(asked: Asked) -> Reply:
    if asked.path == "/api/calendars":
        return Reply([{"name": "Family", "entity_id": "calendar.family"}])
    start, end = {"dateTime": "2026-11-24T08:00:00+01:00"}, {"dateTime": "2026-11-24T18:00:00+01:00"}
    return Reply([{"start": start, "end": end, "summary": "Travel to Hamburg"}])


class Ticking(ManualClock):
    """A clock by which each request has a moment of its own, as in life."""

    def now(self) -> int:
        self.advance(0.001)
        return super().now()


WATTTIME = {"provider": "watttime", "username": "u", "password": "p", "region": "CAISO_NORTH"}
METEO = {"provider": "open_meteo"}
SHELLY = {"provider": "shelly"}
HERE = "weather,location=Home "
PRICE = "electricity_pricing,currency=EUR,provider="

Case = tuple[str, dict[str, Any], Callable[[Asked], Reply], list[str]]
CASES: list[Case] = [
    ("weather", METEO, open_meteo, [HERE, "temperature=3.0", "pressure=3.0", "wind_speed=3.0", 'condition="cloudy"']),
    (
        "weather",
        {"provider": "openweathermap", "api_key": "k"},
        openweathermap,
        [HERE, "temperature=7.1", "wind_speed=3.1"],
    ),
    ("air_quality", METEO, open_meteo, ["air_quality,category=Good,", "aqi=3.0", "pm25=3.0", "pm10=3.0", "ozone=3.0"]),
    ("air_quality", {"provider": "airnow", "api_key": "k"}, airnow, ["air_quality,category=Good,", "aqi=42.0"]),
    (
        "electricity_pricing",
        {"provider": "awattar"},
        awattar,
        [f"{PRICE}awattar ", "current_price=0.09", "peak_period="],
    ),
    (
        "electricity_pricing",
        {"provider": "awattar"},
        awattar,
        ["electricity_pricing_forecast,", " 1795644000000000000"],
    ),
    (
        "electricity_pricing",
        {"provider": "energy_charts"},
        energy_charts,
        [f"{PRICE}energy_charts ", "current_price=0.0805"],
    ),
    ("electricity_pricing", {"provider": "tibber", "token": "t"}, tibber, [f"{PRICE}tibber ", "current_price=0.4,"]),
    ("carbon_intensity", {"provider": "uk"}, uk, ["carbon_intensity,", "carbon_intensity_gco2_kwh=118.0"]),
    ("carbon_intensity", {"provider": "uk"}, uk, ["fossil_percentage=39.9", "renewable_percentage=60.1"]),
    ("carbon_intensity", {"provider": "uk", "region": 13}, uk_region, ["region=London ", "gco2_kwh=120.0"]),
    ("carbon_intensity", WATTTIME, watttime, ["region=CAISO_NORTH ", "percentile=50.0"]),
    ("carbon_intensity", WATTTIME, watttime, ["region=CAISO_NORTH ", "forecast_1h=22.67"]),
    ("smart_meter", SHELLY, shelly, ["smart_meter,", "total_power_w=8.9"]),
    ("smart_meter", {**SHELLY, "components": ["switch:0"]}, shelly, ["smart_meter,", "total_power_w=8.9"]),
    (
        "calendar",
        {"provider": "home_assistant"},
        calendars,
        ["occupancy_prediction,source=calendar,user=family ", "currently_home=false", "hours_until_arrival=2.49"],
    ),
]


@pytest.mark.parametrize(("name", "section", "answers", "wanted"), CASES, ids=[f"{c[0]} {c[3][-1]}" for c in CASES])
def test_an_answer_becomes_points(
    name: str, section: dict[str, Any], answers: Callable[[Asked], Reply], wanted: list[str], tmp_path: Path
) -> None:
    async def recorded() -> list[Event]:
        from homeiq.connectors.http_client import HttpClient

        async with serving(answers) as service:
            near = around(CONFIG, clock=Ticking(NOW), url=service.url, token="a-token-of-home-assistant")
            http = HttpClient(near.clock)
            events, error = await polled_by(made(name, {"url": service.url, **section}, near), http)
            await http.close()
            assert error is None
            return events

    config = Event(
        NOW - 60, NOW - 60, "home_assistant", "snapshot", "config", None, None, orjson.dumps(CONFIG).decode()
    )
    with EventLog(tmp_path / "data", purpose="test") as log:
        log.append([config, *asyncio.run(recorded())])
    (tmp_path / "homeiq.yaml").write_text(orjson.dumps({name: section}).decode())
    settings: Settings = load(tmp_path / "homeiq.yaml", data_dir=tmp_path / "data")
    replay_to_output(settings, str(tmp_path / "out.lp"))
    lines = (tmp_path / "out.lp").read_text().splitlines()
    assert any(all(part in line for part in wanted) for line in lines), lines[:20]
