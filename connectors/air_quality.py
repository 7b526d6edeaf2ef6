"""Air quality as it is now: Open-Meteo (all the world), AirNow (the United States).

https://open-meteo.com/en/docs/air-quality-api · https://docs.airnowapi.org (the services of June 2026)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr

from .base import PROVIDER
from .exchange import Request, Secrets
from .place import PlacePoller, PlaceSettings

__all__ = ["CONNECTOR", "AirQualityConnector", "AirQualitySettings"]

_CURRENT: Final = "us_aqi,european_aqi,pm2_5,pm10,ozone,nitrogen_dioxide,sulphur_dioxide,carbon_monoxide"


class AirQualitySettings(PlaceSettings):
    """Section `air_quality`."""

    provider: Literal["open_meteo", "airnow"] | None = Field(default=None, description=PROVIDER)
    api_key: SecretStr = Field(default=SecretStr(""), description="AirNow's key, or Open-Meteo's of customers")
    interval_minutes: float = Field(default=60, ge=10, le=1_440, description="minutes between two polls")


class AirQualityConnector(PlacePoller[AirQualitySettings]):
    """See the module."""

    name = "air_quality"
    settings_model = AirQualitySettings
    required: ClassVar = {"airnow": ("api_key",)}

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.settings.interval_minutes * 60

    def requests(self) -> Sequence[Request]:
        """Return the one request."""
        latitude, longitude = self.coordinates() or ("", "")
        key = self.settings.api_key.get_secret_value()
        if self.settings.provider == "airnow":
            return [
                Request(
                    (self.settings.url or "https://www.airnowapi.org") + "/aq/observation/current/ziplatlong/",
                    {"format": "application/json", "latitude": latitude, "longitude": longitude},
                    Secrets(params={"API_KEY": key}),
                )
            ]
        host = "customer-air-quality-api" if key else "air-quality-api"
        return [
            Request(
                (self.settings.url or f"https://{host}.open-meteo.com") + "/v1/air-quality",
                {"latitude": latitude, "longitude": longitude, "current": _CURRENT},
                Secrets(params={"apikey": key}) if key else Secrets(),
            )
        ]


CONNECTOR: Final = AirQualityConnector
