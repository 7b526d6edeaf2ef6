"""Carbon intensity of the grid, now and forecast: the UK's own service, and WattTime.

https://carbon-intensity.github.io/api-definitions · https://docs.watttime.org
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import ClassVar, Final, Literal

from pydantic import Field, SecretStr, model_validator

from ..clock import SECOND
from ..errors import SourceRefused, TokenRefused
from .base import PROVIDER, Asking, Poller, PollerSettings
from .exchange import Answer, Request, Secrets

__all__ = ["CONNECTOR", "CarbonIntensityConnector", "CarbonIntensitySettings"]

_RENEWED_AFTER_SECONDS: Final = 25 * 60.0
"""A token of WattTime holds for 30 minutes."""

_SIGNAL: Final = "co2_moer"


class CarbonIntensitySettings(PollerSettings):
    """Section `carbon_intensity`."""

    provider: Literal["uk", "watttime"] | None = Field(default=None, description=PROVIDER)
    region: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_-]{0,60}$",
        json_schema_extra={"type": ["string", "integer"]},
        description="WattTime's region, such as CAISO_NORTH; of the UK the number of a region, 1 to 17, else all of it",
    )
    postcode: str = Field(
        default="", pattern=r"^[A-Za-z0-9]{0,4}$", description="in the UK: the outward part of a postcode, instead"
    )
    forecast_hours: Literal[24, 48] = Field(default=48, description="how far ahead to ask")
    username: SecretStr = Field(default=SecretStr(""), description="the name of your account at WattTime")
    password: SecretStr = Field(default=SecretStr(""), description="its password")
    interval_minutes: float | None = Field(
        default=None, ge=5, le=1_440, description="minutes between two polls; by default 30, WattTime's 15"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_text(cls, section: object) -> object:
        """Take `region: 13` as YAML and `forecast_hours: "48"` as variables give them."""
        if isinstance(section, dict):
            hours = section.get("forecast_hours")
            section = dict(section)
            if isinstance(section.get("region"), int):
                section["region"] = str(section["region"])
            if isinstance(hours, str) and hours.isdigit():
                section["forecast_hours"] = int(hours)
        return section

    @model_validator(mode="after")
    def _uk_regions(self) -> CarbonIntensitySettings:
        if self.provider == "uk" and self.region and not (self.region.isdigit() and 1 <= int(self.region) <= 17):
            raise ValueError("a region of the UK is a number from 1 to 17")
        return self


class CarbonIntensityConnector(Poller[CarbonIntensitySettings]):
    """See the module."""

    name = "carbon_intensity"
    settings_model = CarbonIntensitySettings
    required: ClassVar = {"watttime": ("username", "password", "region")}

    _token = ""
    _token_at = 0.0

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        minutes = self.settings.interval_minutes
        return (minutes if minutes is not None else 15 if self.settings.provider == "watttime" else 30) * 60

    def requests(self) -> Sequence[Request]:
        """Return what is asked of the provider; of WattTime with the token that is held."""
        return self._of_watttime() if self.settings.provider == "watttime" else self._of_uk()

    async def poll(self, ask: Asking) -> None:
        """Ask once; see Poller.poll. A token of WattTime is renewed before it expires, and when it is refused."""
        if self.settings.provider != "watttime":
            await super().poll(ask)
            return
        renewed = await self._log_in_when_due(ask)
        try:
            await ask.each(self.requests())
        except TokenRefused:
            self._token = ""
            if renewed:
                raise
            await self._log_in_when_due(ask)
            await ask.each(self.requests())

    def _of_uk(self) -> list[Request]:
        """Ask for now, the forecast, and what the current is made of (which the answer for a region holds already)."""
        base = self.settings.url or "https://api.carbonintensity.org.uk"
        now = datetime.fromtimestamp(self.around.clock.now() / SECOND, UTC).strftime("%Y-%m-%dT%H:%MZ")
        ahead = f"{now}/fw{self.settings.forecast_hours}h"
        if self.settings.region or self.settings.postcode:
            where = f"regionid/{self.settings.region}" if self.settings.region else f"postcode/{self.settings.postcode}"
            return [Request(f"{base}/regional/{where}"), Request(f"{base}/regional/intensity/{ahead}/{where}")]
        return [Request(f"{base}/intensity"), Request(f"{base}/intensity/{ahead}"), Request(f"{base}/generation")]

    def _of_watttime(self) -> list[Request]:
        where = {"region": self.settings.region, "signal_type": _SIGNAL}
        secrets = Secrets(headers={"Authorization": f"Bearer {self._token}"}, words=self._credentials())
        hours = str(self.settings.forecast_hours)
        return [
            Request(f"{self._watttime}/v3/signal-index", where, secrets),
            Request(f"{self._watttime}/v3/forecast", {**where, "horizon_hours": hours}, secrets),
        ]

    @property
    def _watttime(self) -> str:
        return self.settings.url or "https://api.watttime.org"

    def _credentials(self) -> tuple[str, str]:
        return self.settings.username.get_secret_value(), self.settings.password.get_secret_value()

    async def _log_in_when_due(self, ask: Asking) -> bool:
        """Get a token if there is none, or it will soon expire; true if that was done. Raises SourceError.

        An answer with a token in it is never recorded; a refusal is.
        """
        now = self.around.clock.monotonic()
        if self._token and now - self._token_at < _RENEWED_AFTER_SECONDS:
            return False
        credentials = self._credentials()
        basic = base64.b64encode(":".join(credentials).encode()).decode("ascii")
        request = Request(
            f"{self._watttime}/login", secrets=Secrets(headers={"Authorization": f"Basic {basic}"}, words=credentials)
        )
        answer = await ask.unrecorded(request)
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            ask.record(request, answer)
        self._token = _token_in(ask.checked(answer))
        self._token_at = now
        return True


def _token_in(answer: Answer) -> str:
    try:
        content = answer.json()
    except ValueError:
        content = None
    token = content.get("token") if isinstance(content, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise SourceRefused(
            "watttime answers the login without a token",
            hint="check carbon_intensity.username and carbon_intensity.password",
        )
    return token


CONNECTOR: Final = CarbonIntensityConnector
