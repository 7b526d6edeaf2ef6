"""What the services for air quality are asked, as their documentation has it."""

from connectors.polls import made, poll
from servers.service import Reply


def test_open_meteo() -> None:
    (asked,) = poll("air_quality", {"provider": "open_meteo"}, lambda asked: Reply({})).asked
    assert (asked.method, asked.path) == ("GET", "/v1/air-quality")
    assert set(asked.query) == {"latitude", "longitude", "current"}
    assert set(asked.query["current"].split(",")) >= {"us_aqi", "european_aqi", "pm2_5", "pm10", "ozone"}
    url = "https://air-quality-api.open-meteo.com/v1/air-quality"
    assert made("air_quality", {"provider": "open_meteo"}).requests()[0].url == url


def test_airnow_in_its_form_of_june_2026() -> None:
    section = {"provider": "airnow", "api_key": "01234567-89AB-CDEF"}
    polled = poll("air_quality", section, lambda asked: Reply([]))
    (asked,) = polled.asked
    assert (asked.method, asked.path) == ("GET", "/aq/observation/current/ziplatlong/")
    shown = {"format": "application/json", "latitude": "52.37", "longitude": "4.89"}
    assert asked.query == {**shown, "API_KEY": "01234567-89AB-CDEF"}
    assert polled.raws[0]["request"]["params"] == shown
    assert made("air_quality", section).requests()[0].url.startswith("https://www.airnowapi.org/")


def test_intervals() -> None:
    assert made("air_quality", {}).interval == 3600
    assert made("air_quality", {"interval_minutes": "90"}).interval == 5400
