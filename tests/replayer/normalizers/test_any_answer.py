"""Whatever a service answers: points of the declared types, or a reason. Never anything else."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from homeiq.clock import from_iso
from homeiq.replayer.normalizers import air_quality, calendar, carbon_intensity, electricity_pricing, weather
from homeiq.replayer.normalizers.base import Normalizer, Reason, SetAside
from homeiq.replayer.point import line
from homeiq.storage.record import Event
from hypothesis import given, settings
from hypothesis import strategies as st

from replayer.making import state
from replayer.normalizers import polls
from servers.line_protocol import parse

MIDNIGHT = from_iso("2026-11-23T00:00:00+01:00")
HOMES = [polls.home_in(zone, "Home, sweet=home") for zone in ("Europe/Berlin", "Asia/Kathmandu")]

TYPES: dict[str, dict[str, type]] = {
    "weather": {
        **dict.fromkeys(("temperature", "humidity", "pressure", "wind_speed"), float),
        "condition": str,
    },
    "air_quality": dict.fromkeys(
        ("aqi", "pm25", "pm10", "ozone", "european_aqi", "pm25_aqi", "pm10_aqi", "ozone_aqi"), float
    ),
    "electricity_pricing": {"current_price": float, "peak_period": bool},
    "electricity_pricing_forecast": {"price": float},
    "carbon_intensity": dict.fromkeys(
        (
            *("carbon_intensity_gco2_kwh", "renewable_percentage", "fossil_percentage"),
            *("forecast_1h", "forecast_24h", "percentile"),
        ),
        float,
    ),
    "occupancy_prediction": {
        **dict.fromkeys(("currently_home", "wfh_today"), bool),
        **dict.fromkeys(("confidence", "hours_until_arrival"), float),
    },
}
TAGS = {
    "weather": {"location"},
    "air_quality": {"location", "category"},
    "electricity_pricing": {"provider", "currency"},
    "electricity_pricing_forecast": {"provider", "currency"},
    "carbon_intensity": {"region", "grid_operator"},
    "occupancy_prediction": {"source", "user"},
}

WATTTIME = "https://api.watttime.org/v3/"
GOOD: list[tuple[Normalizer, str, Any, str]] = [
    (weather.NORMALIZER(), "open_meteo", polls.open_meteo(), ""),
    (weather.NORMALIZER(), "openweathermap", polls.openweathermap(), ""),
    (air_quality.NORMALIZER(), "open_meteo", polls.open_meteo_air(), ""),
    (air_quality.NORMALIZER(), "airnow", polls.airnow_old(("O3", 24), ("PM2.5", 57)), ""),
    (air_quality.NORMALIZER(), "airnow", polls.airnow_new(("OZONE", 24), ("PM10", 57)), ""),
    (electricity_pricing.NORMALIZER(), "awattar", polls.awattar([94.02, -9, 0] * 8, MIDNIGHT), ""),
    (electricity_pricing.NORMALIZER(), "energy_charts", polls.energy_charts([1, None, 2.5], MIDNIGHT), ""),
    (
        electricity_pricing.NORMALIZER(),
        "tibber",
        polls.tibber([("2026-11-23T00:00:00+01:00", 1.2)], [("2026-11-24T00:00:00+01:00", 1)]),
        "",
    ),
    (carbon_intensity.NORMALIZER(), "uk", polls.uk_intensity(), ""),
    (carbon_intensity.NORMALIZER(), "uk", polls.uk_forecast([100, 101, 102]), ""),
    (carbon_intensity.NORMALIZER(), "uk", polls.uk_generation(), ""),
    (carbon_intensity.NORMALIZER(), "uk", polls.uk_regional([100, 101, 102]), ""),
    (carbon_intensity.NORMALIZER(), "watttime", polls.watttime([900.5, 901]), WATTTIME + "forecast"),
    (carbon_intensity.NORMALIZER(), "watttime", polls.watttime([74], "percentile"), WATTTIME + "signal-index"),
    (
        calendar.NORMALIZER(),
        "home_assistant",
        [
            polls.calendar_event("Office", "2026-11-23T08:00:00+01:00", "2026-11-23T18:00:00+01:00"),
            polls.calendar_event("Home office", "2026-11-23", "2026-11-24"),
        ],
        "",
    ),
]
IDS = [f"{normalizer.name}-{provider}-{place}" for place, (normalizer, provider, _, _) in enumerate(GOOD)]

texts = st.text(st.characters(exclude_categories=()), max_size=8)
HOSTILE = [
    *(
        None,
        True,
        "",
        "x",
        [],
        {},
        [[]],
        [{}],
        0,
        -1,
        1.5,
        1e308,
        -1e308,
        2**63,
        10**400,
        math.nan,
        math.inf,
        -math.inf,
    ),
    *(
        "2026-11-23",
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59+00:00",
        "2026-11-23T15:00",
        "\ud800",
        "15:00",
        "Office",
    ),
]
hostile = st.sampled_from(HOSTILE)
json_values = st.recursive(
    hostile | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def places_in(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each part of a JSON value."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places_in(part, (*way, key))


def replaced(good: Any, way: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a JSON value with another one in this place."""
    if not way:
        return copy.deepcopy(value)
    body = parent = copy.deepcopy(good)
    for key in way[:-1]:
        parent = parent[key]
    parent[way[-1]] = copy.deepcopy(value)  # what is drawn may be one and the same list each time
    return body


@st.composite
def spoiled(draw: st.DrawFn, good: Any) -> Any:
    """Return a good answer of which some parts were taken away or became something else."""
    body = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 4))):
        way = draw(st.sampled_from(list(places_in(body))))
        if not way:
            continue
        if draw(st.booleans()):
            body = replaced(body, way, draw(hostile | json_values))
        else:
            parent = body
            for key in way[:-1]:
                parent = parent[key]
            del parent[way[-1]]
    return body


def check(normalizer: Normalizer, event: Event, home: Any) -> None:
    """Ask for what every normalizer promises."""
    try:
        points = normalizer.normalize(polls.record_of(event), home)
    except SetAside as error:
        assert error.reason in Reason
        return
    assert points, "what gives no point says why"
    assert len({point.key for point in points}) == len(points)
    for point in points:
        measurement = point.series.measurement
        assert measurement in normalizer.measurements
        assert point.series.tags.keys() == TAGS[measurement]
        assert all(point.series.tags.values())
        assert point.fields["origin"] == event.origin
        assert len(point.fields) > 1
        assert -(2**63) < point.time < 2**63
        for name, value in point.fields.items():
            assert type(value) is (str if name == "origin" else TYPES[measurement][name]), name
            assert not isinstance(value, float) or math.isfinite(value), name
        ((_, found),) = parse(line(point).encode().decode()).items()
        assert found == point.fields


@pytest.mark.parametrize(("normalizer", "provider", "body", "url"), GOOD, ids=IDS)
def test_a_good_answer_gives_points_within_reach(normalizer: Normalizer, provider: str, body: Any, url: str) -> None:
    event = poll_of(normalizer, provider, body, url)
    check(normalizer, event, HOMES[0])
    for point in normalizer.normalize(polls.record_of(event), HOMES[0]):
        if provider != "airnow" or "dateObserved" in body[0]:  # the old form is of September
            assert event.time - normalizer.back <= point.time // 1000 <= event.time + normalizer.ahead


def poll_of(normalizer: Normalizer, provider: str, body: Any, url: str) -> Event:
    text = body if isinstance(body, str) else json.dumps(body)
    return polls.poll(normalizer.name, provider, text, url=url, params={"units": "metric"}, entity_id="calendar.a")


@pytest.mark.parametrize(("normalizer", "provider", "body", "url"), GOOD, ids=IDS)
def test_any_hostile_value_in_any_place(normalizer: Normalizer, provider: str, body: Any, url: str) -> None:
    for way in places_in(body):
        if not any(isinstance(key, int) and key > 1 for key in way):  # of a list, two entries will do
            for value in HOSTILE:
                check(normalizer, poll_of(normalizer, provider, replaced(body, way, value), url), HOMES[0])


@pytest.mark.parametrize(("normalizer", "provider", "body", "url"), GOOD, ids=IDS)
def test_a_spoiled_answer_gives_points_or_a_reason(normalizer: Normalizer, provider: str, body: Any, url: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(spoiled(body), st.sampled_from(HOMES))
    def run(answer: Any, home: Any) -> None:
        check(normalizer, poll_of(normalizer, provider, answer, url), home)

    run()


PROVIDERS = sorted({(place[0].name, place[1], place[3]) for place in GOOD})
NORMALIZERS = {normalizer.name: normalizer for normalizer, *_ in GOOD}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PROVIDERS), json_values | texts)
def test_any_json_gives_points_or_a_reason(provider: tuple[str, str, str], answer: Any) -> None:
    name, of, url = provider
    check(NORMALIZERS[name], poll_of(NORMALIZERS[name], of, answer, url), HOMES[0])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(NORMALIZERS)), json_values)
def test_any_record_gives_points_or_a_reason(name: str, raw: Any) -> None:
    event = poll_of(NORMALIZERS[name], "open_meteo", {}, "")
    event.raw = json.dumps(raw)
    check(NORMALIZERS[name], event, HOMES[0])


attributes = st.dictionaries(
    st.sampled_from(
        [
            *("temperature", "temperature_unit", "humidity", "pressure", "pressure_unit"),
            *("wind_speed", "wind_speed_unit", "friendly_name"),
        ]
    ),
    json_values | st.sampled_from(["°F", "°C", "inHg", "km/h"]),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["weather.home", "person.anna"]), json_values, attributes | json_values, st.booleans())
def test_any_state_gives_a_point_or_a_reason(entity: str, text: Any, said: Any, whole: bool) -> None:
    event = state(entity, text, polls.TIME, whole=whole)
    content = json.loads(event.raw)
    (content["data"]["new_state"] if whole else content)["attributes"] = said
    event.raw = json.dumps(content)
    weather_of_home = weather.NORMALIZER({"provider": "home_assistant"})
    check(weather_of_home if entity.startswith("weather") else NORMALIZERS["calendar"], event, HOMES[0])
