"""Electricity prices of today and, from the afternoon on, of tomorrow: aWATTar, Energy-Charts, Tibber.

https://www.awattar.de/services/api · https://api.energy-charts.info · https://developer.tibber.com
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr

from ..clock import SECOND
from .base import PROVIDER, Poller, PollerSettings
from .exchange import Request, Secrets

__all__ = ["CONNECTOR", "ElectricityPricingConnector", "ElectricityPricingSettings"]

_MARKET_ZONE: Final = ZoneInfo("Europe/Berlin")
"""The European day-ahead market's days are those of Central European time."""

_AWATTAR: Final = {"DE": "https://api.awattar.de", "AT": "https://api.awattar.at"}

_PRICE: Final = "total energy tax startsAt currency level"
TIBBER_QUERY: Final = (
    "{ viewer { homes { id timeZone currentSubscription { priceInfo {"
    f" current {{ {_PRICE} }} today {{ {_PRICE} }} tomorrow {{ {_PRICE} }} }} }} }} }} }}"
)


class ElectricityPricingSettings(PollerSettings):
    """Section `electricity_pricing`."""

    provider: Literal["awattar", "energy_charts", "tibber"] | None = Field(default=None, description=PROVIDER)
    country: Literal["DE", "AT"] = Field(default="DE", description="aWATTar's market")
    zone: str = Field(
        default="DE-LU", pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,19}$", description="Energy-Charts' bidding zone"
    )
    token: SecretStr = Field(default=SecretStr(""), description="Tibber's access token")
    interval_minutes: float = Field(default=60, ge=15, le=1_440, description="minutes between two polls")


class ElectricityPricingConnector(Poller[ElectricityPricingSettings]):
    """See the module."""

    name = "electricity_pricing"
    settings_model = ElectricityPricingSettings
    required: ClassVar = {"tibber": ("token",)}

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.settings.interval_minutes * 60

    def requests(self) -> Sequence[Request]:
        """Return the one request: each service gives both days at once."""
        settings = self.settings
        today = datetime.fromtimestamp(self.around.clock.now() / SECOND, UTC).astimezone(_MARKET_ZONE).date()
        if settings.provider == "awattar":
            url = settings.url or _AWATTAR[settings.country]
            span = {"start": _milliseconds(today), "end": _milliseconds(today + timedelta(days=2))}
            return [Request(url + "/v1/marketdata", span)]
        if settings.provider == "energy_charts":
            days = {"start": today.isoformat(), "end": (today + timedelta(days=1)).isoformat()}
            url = settings.url or "https://api.energy-charts.info"
            return [Request(url + "/price", {"bzn": settings.zone, **days})]
        return [
            Request(
                (settings.url or "https://api.tibber.com") + "/v1-beta/gql",
                secrets=Secrets(headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"}),
                method="POST",
                body={"query": TIBBER_QUERY},
            )
        ]


def _milliseconds(day: date) -> str:
    """Return the beginning of a day of the market, in milliseconds since 1970."""
    return str(round(datetime.combine(day, time(), _MARKET_ZONE).timestamp()) * 1000)


CONNECTOR: Final = ElectricityPricingConnector
