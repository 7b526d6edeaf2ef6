"""Where the home is, for services that must be told: from the settings, else from Home Assistant's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from .base import Missing, Poller, PollerSettings

__all__ = ["PlacePoller", "PlaceSettings", "zone_of"]

_DECIMALS: Final = 2
"""Of what Home Assistant knows, about a kilometre is told: the services' grids are no finer, and a home is private."""


class PlaceSettings(PollerSettings):
    """Where to ask for; by default where Home Assistant says that the home is, rounded to 0.01 degrees."""

    latitude: float | None = Field(default=None, ge=-90, le=90, allow_inf_nan=False, description="degrees north")
    longitude: float | None = Field(default=None, ge=-180, le=180, allow_inf_nan=False, description="degrees east")

    @model_validator(mode="after")
    def _both_or_none(self) -> PlaceSettings:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together: set both, or none")
        return self


P = TypeVar("P", bound=PlaceSettings)


class PlacePoller(Poller[P]):
    """A poller that tells its service where the home is."""

    def missing(self) -> Missing | None:
        """Return what must be set; without Home Assistant that is where the home is, too."""
        missing = super().missing()
        if missing is not None or self.coordinates():
            return missing
        if self.around.home_assistant.configured:
            return Missing(f"{self.name} waits for Home Assistant to say where the home is", awaited=True)
        return Missing(
            f"{self.name} is not configured: set {self.name}.latitude and {self.name}.longitude in homeiq.yaml,"
            " since there is no Home Assistant to say where the home is"
        )

    def coordinates(self) -> tuple[str, str] | None:
        """Return latitude and longitude as they are sent, in degrees; None while they are not known."""
        if self.settings.latitude is not None and self.settings.longitude is not None:
            return f"{self.settings.latitude:.10g}", f"{self.settings.longitude:.10g}"
        config = self.around.home_config()
        latitude, longitude = _degrees(config.get("latitude"), 90.0), _degrees(config.get("longitude"), 180.0)
        if latitude is None or longitude is None:
            return None
        return _rounded(latitude), _rounded(longitude)


def _degrees(value: object, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
        return None
    return float(value)


def _rounded(degrees: float) -> str:
    return f"{round(degrees, _DECIMALS) + 0.0:g}"  # + 0.0: not -0


def zone_of(config: Mapping[str, Any]) -> tzinfo | None:
    """Return the time zone of Home Assistant's configuration; None if there is none that is known here."""
    name = config.get("time_zone")
    try:
        return ZoneInfo(name) if isinstance(name, str) and name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
