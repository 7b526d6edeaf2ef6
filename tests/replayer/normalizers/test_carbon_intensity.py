"""Grams are grams and percentiles are percentiles; two polls never meet in one point."""

from typing import Any

import pytest
from homeiq.clock import SECOND
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.carbon_intensity import NORMALIZER
from homeiq.replayer.point import Field, Point

from replayer.normalizers.polls import (
    HOUR,
    TIME,
    points_of,
    poll,
    uk_forecast,
    uk_generation,
    uk_intensity,
    uk_regional,
    watttime,
)

WATTTIME = "https://api.watttime.org/v3/"


def points(body: Any, provider: str = "uk", url: str = "https://api.carbonintensity.org.uk/intensity") -> list[Point]:
    return points_of(NORMALIZER(), poll("carbon_intensity", provider, body, url=url))


def fields(body: Any, *args: str) -> dict[str, Field]:
    (point,) = points(body, *args)
    assert point.time == TIME * 1000
    return {name: value for name, value in point.fields.items() if name != "origin"}


def test_the_present_half_hour() -> None:
    (point,) = points(uk_intensity())
    assert point.series.prefix == "carbon_intensity,grid_operator=NESO,region=GB"
    assert point.fields == {"origin": "live", "carbon_intensity_gco2_kwh": 263.0}


def test_data_may_be_an_object_and_what_was_not_measured_yet_is_forecast() -> None:
    body = uk_intensity(actual=None)
    body["data"] = body["data"][0]
    assert fields(body) == {"carbon_intensity_gco2_kwh": 266.0}


def test_a_forecast_has_the_values_of_the_polls_own_time_an_hour_and_a_day_later() -> None:
    values = list(range(100, 149))
    assert fields(uk_forecast(values)) == {
        "forecast_1h": 102.0,
        "forecast_24h": 148.0,
    }


def test_beside_forecasts_only_what_was_measured_is_the_present_intensity() -> None:
    body = uk_forecast([100, 101, 102])
    body["data"][0]["intensity"]["actual"] = 97
    assert fields(body) == {"carbon_intensity_gco2_kwh": 97.0, "forecast_1h": 102.0}


def test_the_first_row_may_start_before_the_time_that_was_asked_for() -> None:
    body = uk_forecast(list(range(100, 150)), TIME - HOUR // 2)
    assert fields(body) == {"forecast_1h": 103.0, "forecast_24h": 149.0}


def test_a_day_ahead_may_be_just_behind_the_last_row() -> None:
    assert fields(uk_forecast(list(range(48))))["forecast_24h"] == 47.0
    assert "forecast_24h" not in fields(uk_forecast(list(range(47))))


def test_a_forecast_that_is_null_is_left_out() -> None:
    assert fields(uk_forecast([100, 1, 102, None, *[1] * 44, None])) == {"forecast_1h": 102.0}


def test_the_last_half_hour_will_do_and_no_older_one() -> None:
    assert fields(uk_intensity(time=TIME - HOUR)) == {"carbon_intensity_gco2_kwh": 263.0}
    with pytest.raises(SetAside) as caught:
        points(uk_intensity(time=TIME - 2 * HOUR))
    assert caught.value.reason is Reason.NO_VALUE


def test_the_mix() -> None:
    assert fields(uk_generation()) == {"renewable_percentage": 46.7, "fossil_percentage": 26.7}
    nothing = fields(uk_generation(gas=None, coal=None))
    assert nothing == {"renewable_percentage": 46.7}
    assert "fossil_percentage" not in fields(uk_generation(gas=1e308, coal=1e308)), "a sum beyond a float"


def test_intensity_and_mix_of_one_half_hour_are_two_points() -> None:
    events = [
        poll("carbon_intensity", "uk", body, TIME + delay)
        for delay, body in enumerate((uk_intensity(), uk_generation()))
    ]
    assert len({point.key for event in events for point in points_of(NORMALIZER(), event)}) == 2


def test_one_region_has_all_in_one_answer() -> None:
    body = uk_regional(list(range(100, 149)))
    (point,) = points(body)
    assert point.series.tags == {"grid_operator": "SSE South", "region": "South England"}
    assert fields(body) == {
        **{"renewable_percentage": 46.7, "fossil_percentage": 26.7, "forecast_1h": 102.0, "forecast_24h": 148.0},
    }
    now = uk_regional([100])["data"]
    assert fields({"data": [now]}) == {  # /regional/postcode/RG10 has a list around it
        **{"carbon_intensity_gco2_kwh": 100.0, "renewable_percentage": 46.7, "fossil_percentage": 26.7},
    }


def test_all_regions() -> None:
    half_hour = uk_intensity()["data"][0]
    names = [("North Scotland", "SSE North"), ("London", "UKPN London")]
    regions = [
        {"regionid": place, "shortname": name, "dnoregion": operator, "intensity": {"forecast": place}}
        for place, (name, operator) in enumerate(names)
    ]
    body = {"data": [{"from": half_hour["from"], "to": half_hour["to"], "regions": regions}]}
    found = {
        (point.series.tags["region"], point.series.tags["grid_operator"], point.fields["carbon_intensity_gco2_kwh"])
        for point in points(body)
    }
    assert found == {("North Scotland", "SSE North", 0.0), ("London", "UKPN London", 1.0)}


def test_watttimes_index_is_no_intensity() -> None:
    found = fields(watttime([74.0], "percentile"), "watttime", WATTTIME + "signal-index")
    assert found == {"percentile": 74.0}


@pytest.mark.parametrize("units", ["lbs_co2_per_mwh", "", "g"])
def test_an_index_never_becomes_grams_whatever_its_unit_is_called(units: str) -> None:
    with pytest.raises(SetAside):
        points(watttime([74.0], units), "watttime", WATTTIME + "signal-index")


@pytest.mark.parametrize("units", ["percentile", "", "usd_per_mwh"])
def test_a_forecast_in_another_unit_never_becomes_grams(units: str) -> None:
    with pytest.raises(SetAside) as caught:
        points(watttime([74.0], units), "watttime", WATTTIME + "forecast")
    assert caught.value.reason is Reason.UNKNOWN_FORM


def test_watttimes_forecast_is_in_pounds_per_mwh() -> None:
    body = watttime([float(1000 + place) for place in range(288)])  # a day of five minutes
    (point,) = points(body, "watttime", WATTTIME + "forecast")
    assert point.series.prefix == "carbon_intensity,grid_operator=none,region=CAISO_NORTH"
    assert fields(body, "watttime", WATTTIME + "forecast") == {
        "carbon_intensity_gco2_kwh": 453.59237,
        "forecast_1h": 459.03547844,
        "forecast_24h": 583.77338019,
    }


@pytest.mark.parametrize(
    ("body", "provider", "reason"),
    [
        ({"error": {"code": "400 Bad Request", "message": "…"}}, "uk", Reason.ERROR_ANSWER),
        ({"data": []}, "uk", Reason.UNKNOWN_FORM),
        ({"data": [{"from": "soon"}]}, "uk", Reason.UNKNOWN_FORM),
        ({"error": "invalid_token"}, "watttime", Reason.ERROR_ANSWER),
        ({"token": "abc"}, "watttime", Reason.UNKNOWN_FORM),
        (watttime([1.0], time=TIME - 3 * HOUR), "watttime", Reason.NO_VALUE),
        (uk_intensity(), "electricity_maps", Reason.UNKNOWN_FORM),
    ],
)
def test_what_gives_no_point_says_why(body: Any, provider: str, reason: Reason) -> None:
    with pytest.raises(SetAside) as caught:
        points(body, provider, WATTTIME + "forecast")
    assert caught.value.reason is reason
    assert "token" not in str(caught.value)


def test_times_without_seconds_are_utc() -> None:
    event = poll(
        "carbon_intensity",
        "uk",
        {"data": [{"from": "2020-05-21T20:30Z", "to": "2020-05-21T21:00Z", "intensity": {"forecast": 1}}]},
        1590093000 * SECOND,
    )
    (point,) = points_of(NORMALIZER(), event)
    assert point.fields["carbon_intensity_gco2_kwh"] == 1.0
