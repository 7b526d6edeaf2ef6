"""One scale a field: the US index, the European one, and concentrations never meet."""

from typing import Any

import pytest
from homeiq.clock import from_iso
from homeiq.replayer.normalizers.air_quality import NORMALIZER, category_of
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.point import Point

from replayer.normalizers.polls import airnow_new, airnow_old, home_in, open_meteo_air, points_of, poll

LOS_ANGELES = home_in("America/Los_Angeles", "Home")


def point_of(body: Any, provider: str = "open_meteo", home: Any = LOS_ANGELES) -> Point:
    (point,) = points_of(NORMALIZER(), poll("air_quality", provider, body), home)
    return point


def test_open_meteo_gives_both_scales_and_concentrations() -> None:
    point = point_of(open_meteo_air())
    assert point.series.prefix == "air_quality,category=Moderate,location=Home"
    assert point.time == from_iso("2026-11-23T15:00:00+00:00") * 1000
    assert point.fields == {
        **{"origin": "live", "aqi": 61.0, "pm25": 14.9, "pm10": 17.0, "ozone": 31.0, "european_aqi": 34.0},
    }


def test_the_european_index_alone_is_not_the_us_index() -> None:
    point = point_of(open_meteo_air(us_aqi=None))
    assert "aqi" not in point.fields
    assert point.fields["european_aqi"] == 34.0
    assert point.series.tags["category"] == "none"


@pytest.mark.parametrize("micro", ["\u03bc", "\u00b5"])
def test_the_micro_sign_is_written_in_two_ways(micro: str) -> None:
    body = open_meteo_air()
    body["current_units"]["pm2_5"] = f"{micro}g/m³"
    assert point_of(body).fields["pm25"] == 14.9


def test_a_concentration_in_another_unit_is_left_out() -> None:
    body = open_meteo_air()
    body["current_units"]["ozone"] = "ppb"
    assert "ozone" not in point_of(body).fields


@pytest.mark.parametrize(
    ("aqi", "word"),
    [
        (0, "Good"),
        (50, "Good"),
        (51, "Moderate"),
        (150, "Unhealthy for Sensitive Groups"),
        (200, "Unhealthy"),
        (300, "Very Unhealthy"),
        (301, "Hazardous"),
        (900, "Hazardous"),
    ],
)
def test_categories(aqi: float, word: str) -> None:
    assert category_of(aqi) == word


def test_airnow_in_its_old_form() -> None:
    point = point_of(airnow_old(("O3", 24), ("PM2.5", 57), ("PM10", 19)), "airnow")
    assert point.fields == {"origin": "live", "aqi": 57.0, "ozone_aqi": 24.0, "pm25_aqi": 57.0, "pm10_aqi": 19.0}
    assert point.series.tags["category"] == "Moderate"


def test_airnow_in_its_new_form() -> None:
    point = point_of(airnow_new(("OZONE", 24), ("PM2.5", 57), ("PM10", None)), "airnow")
    assert point.fields == {"origin": "live", "aqi": 57.0, "ozone_aqi": 24.0, "pm25_aqi": 57.0}


def test_the_old_form_gives_standard_time_in_summer_and_the_new_one_summer_time() -> None:
    old = point_of(airnow_old(("O3", 24), hour=10, day="2026-06-18"), "airnow")
    new = airnow_new(("OZONE", 24), hour="11:00", zone="PDT")
    new[0]["dateObserved"] = "2026-06-18"
    assert old.time == point_of(new, "airnow").time == from_iso("2026-06-18T18:00:00+00:00") * 1000


def test_a_zone_that_is_not_known_is_the_homes() -> None:
    point = point_of(airnow_new(("OZONE", 24), hour="07:00", zone="ZZZ"), "airnow")
    assert point.time == from_iso("2026-11-23T15:00:00+00:00") * 1000


def test_the_index_is_the_worst_pollutants_and_the_time_the_latest_rows() -> None:
    rows = airnow_old(("PM2.5", 80), hour=9) + airnow_old(("O3", 30), hour=10) + airnow_old(("NO2", 90), hour=10)
    point = point_of(rows, "airnow")
    assert point.fields["aqi"] == 90.0
    assert point.time == from_iso("2026-09-23T18:00:00+00:00") * 1000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"WebServiceError": [{"Message": "There are no observations available"}]}, Reason.ERROR_ANSWER),
        ({"other": 1}, Reason.UNKNOWN_FORM),
        ("[]", Reason.NO_VALUE),
        (airnow_old(("O3", -1)), Reason.UNKNOWN_FORM),  # -1: no index can be given
        (airnow_old(("O3", 5), hour=24), Reason.UNKNOWN_FORM),
        (airnow_new(("O3", 5), hour="noon"), Reason.UNKNOWN_FORM),
        ([[]], Reason.UNKNOWN_FORM),
    ],
)
def test_what_gives_no_point_says_why(body: Any, reason: Reason) -> None:
    with pytest.raises(SetAside) as caught:
        point_of(body, "airnow")
    assert caught.value.reason is reason


def test_an_answer_of_nulls_has_no_value() -> None:
    body = open_meteo_air(us_aqi=None, european_aqi=None, pm2_5=None, pm10=None, ozone=None)
    with pytest.raises(SetAside) as caught:
        point_of(body)
    assert caught.value.reason is Reason.NO_VALUE
