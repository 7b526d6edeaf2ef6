"""What the weather services are asked, as their documentation has it; and where the home is."""

import pytest
from homeiq.connectors.weather import WeatherConnector
from pydantic import ValidationError

from connectors.polls import CONFIG, around, made, poll
from servers.service import Reply

CURRENT = {"temperature_2m", "relative_humidity_2m", "pressure_msl", "wind_speed_10m", "weather_code", "is_day"}


def test_open_meteo() -> None:
    (asked,) = poll("weather", {"provider": "open_meteo"}, lambda asked: Reply({})).asked
    assert (asked.method, asked.path) == ("GET", "/v1/forecast")
    assert set(asked.query) == {"latitude", "longitude", "current", "wind_speed_unit"}
    assert set(asked.query["current"].split(",")) >= CURRENT
    assert asked.query["wind_speed_unit"] == "ms"
    assert made("weather", {"provider": "open_meteo"}).requests()[0].url == "https://api.open-meteo.com/v1/forecast"


def test_open_meteo_for_customers() -> None:
    section = {"provider": "open_meteo", "api_key": "the-key-of-a-customer"}
    assert made("weather", section).requests()[0].url == "https://customer-api.open-meteo.com/v1/forecast"
    polled = poll("weather", section, lambda asked: Reply({}))
    assert polled.asked[0].query["apikey"] == "the-key-of-a-customer"
    assert "apikey" not in polled.raws[0]["request"]["params"]


def test_openweathermap() -> None:
    section = {"provider": "openweathermap", "api_key": "0123456789abcdef"}
    polled = poll("weather", section, lambda asked: Reply({}))
    (asked,) = polled.asked
    assert (asked.method, asked.path) == ("GET", "/data/2.5/weather")
    assert asked.query == {"lat": "52.37", "lon": "4.89", "units": "metric", "appid": "0123456789abcdef"}
    assert polled.raws[0]["request"]["params"] == {"lat": "52.37", "lon": "4.89", "units": "metric"}
    assert made("weather", section).requests()[0].url.startswith("https://api.openweathermap.org/")


def test_home_assistants_own_is_not_polled() -> None:
    from homeiq.connectors.registry import create

    assert create("weather", {"provider": "home_assistant"}, around()) is None


@pytest.mark.parametrize(
    ("section", "config", "sent"),
    [
        ({}, CONFIG, ("52.37", "4.89")),
        ({"latitude": 52.3731339, "longitude": 4.8903147}, {}, ("52.3731339", "4.8903147")),
        ({"latitude": "1.5", "longitude": "-2"}, CONFIG, ("1.5", "-2")),
        ({"latitude": 0, "longitude": 0}, CONFIG, ("0", "0")),
        ({}, {"latitude": 0.0, "longitude": -0.001}, ("0", "0")),
        ({}, {"latitude": -33.868, "longitude": 151}, ("-33.87", "151")),
        ({}, {"latitude": "52", "longitude": 4.9}, None),
        ({}, {"latitude": 91, "longitude": 4.9}, None),
        ({}, {"latitude": True, "longitude": 4.9}, None),
        ({}, {"longitude": 4.9}, None),
        ({}, {}, None),
    ],
)
def test_where_the_home_is(section: dict[str, object], config: dict[str, object], sent: tuple[str, str] | None) -> None:
    poller = made("weather", {"provider": "open_meteo", **section}, around(config))
    assert isinstance(poller, WeatherConnector)
    assert poller.coordinates() == sent
    assert (poller.missing() is None) == (sent is not None)


def test_without_home_assistant_the_settings_are_named() -> None:
    missing = made("weather", {"provider": "open_meteo"}, around({})).missing()
    assert missing is not None
    assert "set weather.latitude and weather.longitude" in missing.sentence
    assert not missing.awaited
    missing = made("weather", {"provider": "open_meteo"}, around({}, url="http://h", token="t")).missing()
    assert missing is not None
    assert missing.awaited, "Home Assistant will say it"


@pytest.mark.parametrize(
    "section",
    [{"latitude": 1}, {"longitude": 1}, {"latitude": 91, "longitude": 1}, {"latitude": "nan", "longitude": 1}],
)
def test_half_a_place_is_none(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        made("weather", section)
