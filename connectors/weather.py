"""Weather as it is now: Open-Meteo, OpenWeatherMap, or (nobody is asked) Home Assistant's own weather entities.

https://open-meteo.com/en/docs · https://openweathermap.org/current
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr

from .base import PROVIDER
from .exchange import Request, Secrets
from .place import PlacePoller, PlaceSettings

__all__ = ["CONNECTOR", "WeatherConnector", "WeatherSettings"]

_CURRENT: Final = (
    "temperature_2m,apparent_temperature,relative_humidity_2m,dew_point_2m,precipitation,weather_code,cloud_cover,"
    "pressure_msl,surface_pressure,wind_speed_10m,wind_direction_10m,wind_gusts_10m,is_day"
)


class WeatherSettings(PlaceSettings):
    """Section `weather`."""

    provider: Literal["open_meteo", "openweathermap", "home_assistant"] | None = Field(
        default=None, description=PROVIDER
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="OpenWeatherMap's key, or Open-Meteo's of customers")
    interval_minutes: float = Field(default=15, ge=1, le=1_440, description="minutes between two polls")


class WeatherConnector(PlacePoller[WeatherSettings]):
    """See the module."""

    name = "weather"
    settings_model = WeatherSettings
    required: ClassVar = {"openweathermap": ("api_key",)}
    not_polled = ("home_assistant",)

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.settings.interval_minutes * 60

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        latitude, longitude = self.coordinates() or ("", "")
        key = self.settings.api_key.get_secret_value()
        if self.settings.provider == "openweathermap":
            return [
                Request(
                    (self.settings.url or "https://api.openweathermap.org") + "/data/2.5/weather",
                    {"lat": latitude, "lon": longitude, "units": "metric"},
                    Secrets(params={"appid": key}),
                )
            ]
        host = "https://customer-api.open-meteo.com" if key else "https://api.open-meteo.com"
        return [
            Request(
                (self.settings.url or host) + "/v1/forecast",
                {"latitude": latitude, "longitude": longitude, "current": _CURRENT, "wind_speed_unit": "ms"},
                Secrets(params={"apikey": key}) if key else Secrets(),
            )
        ]


CONNECTOR: Final = WeatherConnector
