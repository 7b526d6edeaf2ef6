"""Weather is metric and has the time of the observation, whichever service was asked and in whichever units."""

from typing import Any

import pytest
from homeiq.clock import from_iso
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.registry import fingerprint
from homeiq.replayer.normalizers.weather import NORMALIZER
from homeiq.replayer.point import Field

from replayer.making import state
from replayer.normalizers.polls import TIME, home_in, open_meteo, openweathermap, points_of, poll, record_of


def observed(body: Any, provider: str = "open_meteo", **params: str) -> dict[str, Field]:
    (point,) = points_of(NORMALIZER(), poll("weather", provider, body, params=params))
    return point.fields


def entity(text: str, entity_id: str = "weather.home", **attributes: Any) -> Any:
    return state(entity_id, text, TIME, attributes=attributes)


METRIC = {"temperature": 3.4, "humidity": 87.0, "pressure": 1012.6, "wind_speed": 5.0, "condition": "rainy"}


def test_open_meteo_has_local_times_without_an_offset() -> None:
    (point,) = points_of(NORMALIZER(), poll("weather", "open_meteo", open_meteo()), home_in(name="Home"))
    assert point.time == from_iso("2026-11-23T15:45:00+00:00") * 1000  # 16:45 in Berlin
    assert point.fields == {"origin": "live", **METRIC}
    assert point.series.prefix == "weather,location=Home"


@pytest.mark.parametrize(("offset", "time"), [(-18_000, "21:45:00"), (20_700, "11:00:00"), (0, "16:45:00")])
def test_the_offset_is_the_answers_own(offset: int, time: str) -> None:
    body = open_meteo() | {"utc_offset_seconds": offset}
    (point,) = points_of(NORMALIZER(), poll("weather", "open_meteo", body), home_in("Asia/Tokyo"))
    assert point.time == from_iso(f"2026-11-23T{time}+00:00") * 1000


def test_a_time_in_seconds_is_utc() -> None:
    (point,) = points_of(NORMALIZER(), poll("weather", "open_meteo", open_meteo(time=1795448700)))
    assert point.time == 1795448700 * 10**9


@pytest.mark.parametrize("offset", [None, "3600", 10**6, float("nan")])
def test_a_local_time_without_an_offset_is_no_time(offset: Any) -> None:
    with pytest.raises(SetAside) as caught:
        observed(open_meteo() | {"utc_offset_seconds": offset})
    assert caught.value.reason is Reason.INCOMPLETE


def test_a_value_may_be_null_with_an_undefined_unit() -> None:
    body = open_meteo(temperature_2m=None)
    body["current_units"]["temperature_2m"] = "undefined"
    fields = observed(body)
    assert "temperature" not in fields
    assert fields["humidity"] == 87.0


def test_a_number_in_a_unit_of_another_kind_is_left_out() -> None:
    body = open_meteo()
    body["current_units"]["temperature_2m"] = "undefined"
    assert "temperature" not in observed(body)


@pytest.mark.parametrize("zero", ["-0", "-0.0", "0"])
def test_integers_floats_and_minus_zero_are_floats(zero: str) -> None:
    import json

    body = json.dumps(open_meteo(temperature_2m="ZERO")).replace('"ZERO"', zero)
    assert repr(observed(body)["temperature"]) == "0.0"


def test_old_and_new_names_are_read() -> None:
    body = open_meteo()
    for section in (body["current"], body["current_units"]):
        for old, new in (
            ("windspeed_10m", "wind_speed_10m"),
            ("relativehumidity_2m", "relative_humidity_2m"),
            ("weathercode", "weather_code"),
        ):
            section[old] = section.pop(new)
    assert observed(body) == {"origin": "live", **METRIC}


def test_the_old_section_is_read() -> None:
    body = {
        "utc_offset_seconds": 0,
        "current_weather_units": {"temperature": "°C", "windspeed": "km/h"},
        "current_weather": {
            "time": "2026-11-23T15:00",
            "temperature": 1,
            "windspeed": 36,
            "weathercode": 0,
            "is_day": 1,
        },
    }
    assert observed(body) == {"origin": "live", "temperature": 1.0, "wind_speed": 10.0, "condition": "sunny"}


@pytest.mark.parametrize(("unit", "speed"), [("km/h", 5.0), ("m/s", 18.0), ("mp/h", 8.04672), ("kn", 9.26)])
def test_wind_in_every_unit_that_can_be_asked_for(unit: str, speed: float) -> None:
    body = open_meteo()
    body["current_units"]["wind_speed_10m"] = unit
    assert observed(body)["wind_speed"] == speed


def test_pressure_at_the_ground_is_not_that_at_sea_level() -> None:
    body = open_meteo(surface_pressure=1007.9)
    body["current_units"]["surface_pressure"] = "hPa"
    del body["current"]["pressure_msl"]
    assert "pressure" not in observed(body)


@pytest.mark.parametrize(
    ("code", "day", "condition"),
    [(0, 1, "sunny"), (0, 0, "clear-night"), (2, 0, "partlycloudy"), (95, 1, "lightning-rainy"), (1234, 1, None)],
)
def test_conditions_are_in_home_assistants_words(code: int, day: int, condition: str | None) -> None:
    assert observed(open_meteo(weather_code=code, is_day=day)).get("condition") == condition


@pytest.mark.parametrize(
    ("units", "temperature", "speed", "expected"),
    [
        ("metric", 3.61, 4.63, (3.61, 4.63)),
        ("imperial", 38.5, 10.0, (3.61111111111, 4.4704)),
        ("standard", 276.76, 4.63, (3.61, 4.63)),
        (None, 276.76, 4.63, (3.61, 4.63)),  # what the service does when nothing is asked for
    ],
)
def test_openweathermap_does_not_say_its_units_but_the_request_does(
    units: str | None, temperature: float, speed: float, expected: tuple[float, float]
) -> None:
    body = openweathermap(wind={"speed": speed, "deg": 230})
    body["main"]["temp"] = temperature
    params = {"lat": "52.5", "lon": "13.4"} | ({"units": units} if units else {})
    (point,) = points_of(NORMALIZER(), poll("weather", "openweathermap", body, params=params))
    assert (point.fields["temperature"], point.fields["wind_speed"]) == expected
    assert (point.fields["pressure"], point.fields["humidity"]) == (1012.0, 88.0)
    assert point.fields["condition"] == "cloudy"
    assert point.time == 1795448700 * 10**9
    assert "Berlin" not in point.series.prefix  # the service's name for the place is in the user's language


def test_openweathermaps_wind_and_conditions_are_optional() -> None:
    body = openweathermap(weather=[])
    del body["wind"]
    assert observed(body, "openweathermap", units="metric").keys() == {"origin", "temperature", "humidity", "pressure"}
    night = openweathermap(weather=[{"id": 800, "icon": "01n"}])
    assert observed(night, "openweathermap", units="metric")["condition"] == "clear-night"


@pytest.mark.parametrize(
    ("body", "provider", "reason"),
    [
        ({"error": True, "reason": "Latitude must be in range of -90 to 90°."}, "open_meteo", Reason.ERROR_ANSWER),
        ({"cod": 401, "message": "Invalid API key"}, "openweathermap", Reason.ERROR_ANSWER),
        ({"cod": "404", "message": "city not found"}, "openweathermap", Reason.ERROR_ANSWER),
        ({"weather": "fine"}, "open_meteo", Reason.UNKNOWN_FORM),
        ([open_meteo()], "open_meteo", Reason.UNKNOWN_FORM),
        (openweathermap(main=None), "openweathermap", Reason.UNKNOWN_FORM),
        (openweathermap(dt=None), "openweathermap", Reason.INCOMPLETE),
        ({"utc_offset_seconds": 0, "current": {"time": "2026-11-23T15:00"}}, "open_meteo", Reason.NO_VALUE),
        (open_meteo(), "weather_dot_com", Reason.UNKNOWN_FORM),
    ],
)
def test_what_gives_no_point_says_why(body: Any, provider: str, reason: Reason) -> None:
    with pytest.raises(SetAside) as caught:
        observed(body, provider, units="metric")
    assert caught.value.reason is reason
    assert "key" not in str(caught.value)


def test_a_system_of_units_that_nobody_knows_is_not_guessed() -> None:
    with pytest.raises(SetAside) as caught:
        observed(openweathermap(), "openweathermap", units="cgs")
    assert caught.value.reason is Reason.UNKNOWN_FORM


# --- Home Assistant's own --------------------------------------------------------------------------------------------

OURS = {"temperature": 50, "temperature_unit": "°F", "humidity": 40, "pressure": 29.92, "pressure_unit": "inHg"}


def test_weather_entities_are_read_only_if_the_settings_say_so() -> None:
    other = entity("sunny", "weather.other")
    polled = poll("weather", "open_meteo", open_meteo())
    default = NORMALIZER().reads
    all_of_them = NORMALIZER({"provider": "home_assistant"}).reads
    one = NORMALIZER({"provider": "home_assistant", "entity": "weather.home"}).reads
    events = (entity("sunny"), other, entity("20", "sensor.a"), polled)
    wanted = [[reads.wants(record_of(event)) for event in events] for reads in (default, all_of_them, one)]
    assert wanted == [[False, False, False, True], [True, True, False, True], [True, False, False, True]]


def test_which_other_provider_is_asked_today_makes_nothing_stale() -> None:
    sections: list[dict[str, Any]] = [
        {},
        {"provider": None},
        {"provider": "open_meteo"},
        {"provider": "openweathermap"},
    ]
    assert len({fingerprint(NORMALIZER(section)) for section in sections}) == 1
    assert fingerprint(NORMALIZER({"provider": "home_assistant"})) != fingerprint(NORMALIZER())


def test_a_weather_entity_is_converted_by_its_own_units() -> None:
    event = entity("sunny", **OURS, wind_speed=36, wind_speed_unit="km/h")
    (point,) = points_of(NORMALIZER({"provider": "home_assistant"}), event)
    assert point.fields == {
        **{"origin": "live", "temperature": 10.0, "humidity": 40.0, "pressure": 1013.20748119},
        **{"wind_speed": 10.0, "condition": "sunny"},
    }
    assert point.time == TIME * 1000
    assert point.series.prefix == "weather,location=home"


def test_a_snapshot_gives_the_same_point() -> None:
    normalizer = NORMALIZER({"provider": "home_assistant", "entity": "weather.home", "location": "Garden"})
    (live,) = points_of(normalizer, entity("sunny", **OURS))
    (snapshot,) = points_of(normalizer, state("weather.home", "sunny", TIME, "snapshot", attributes=OURS))
    assert live.key == snapshot.key
    assert live.fields | {"origin": "snapshot"} == snapshot.fields
    assert live.series.prefix == "weather,location=Garden"


def test_wind_without_a_unit_or_in_beaufort_is_left_out() -> None:
    normalizer = NORMALIZER({"provider": "home_assistant"})
    (point,) = points_of(normalizer, entity("sunny", wind_speed=3))
    assert "wind_speed" not in point.fields
    (point,) = points_of(normalizer, entity("sunny", wind_speed=3, wind_speed_unit="Beaufort"))
    assert "wind_speed" not in point.fields


@pytest.mark.parametrize("text", ["unavailable", "unknown"])
def test_an_entity_that_is_not_there_gives_no_point(text: str) -> None:
    with pytest.raises(SetAside) as caught:
        points_of(NORMALIZER({"provider": "home_assistant"}), entity(text))
    assert caught.value.reason is Reason.NO_VALUE


def test_the_location_is_the_settings_or_the_homes_or_none() -> None:
    event = poll("weather", "open_meteo", open_meteo())
    tags = [
        points_of(NORMALIZER(section), event, home)[0].series.tags
        for section, home in (
            ({}, home_in()),
            ({}, home_in(name="Our home")),
            ({"location": "Garden"}, home_in(name="Our home")),
        )
    ]
    assert tags == [{"location": "none"}, {"location": "Our home"}, {"location": "Garden"}]
