"""Meters: Home Assistant's own sensors (nobody is asked), or Shelly devices of the second generation on, on the LAN.

https://shelly-api-docs.shelly.cloud/gen2
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from .base import PROVIDER, Asking, Names, Poller, PollerSettings
from .exchange import Request, Secrets

__all__ = ["CONNECTOR", "SmartMeterConnector", "SmartMeterSettings"]

_USER: Final = "admin"
"""The only user that a Shelly knows."""

_METHODS: Final = {
    "em": "EM",
    "emdata": "EMData",
    "em1": "EM1",
    "em1data": "EM1Data",
    "pm1": "PM1",
    "switch": "Switch",
    "cover": "Cover",
    "light": "Light",
}
_LONGEST_SECONDS: Final = 10.0


def _base_url(host: str) -> str:
    url = host.strip().rstrip("/")
    url = url if url.startswith(("http://", "https://")) else f"http://{url}"
    name = url.partition("://")[2]
    if not name or set(name) & set("/?#@ "):
        raise ValueError("must be a name or an address, such as 192.168.1.30")
    return url


def _component(name: str) -> str:
    kind, _, number = name.partition(":")
    if kind not in _METHODS or not number.isdigit() or len(number) > 3:
        raise ValueError(f"must be such as em:0; known are {', '.join(_METHODS)}")
    return name


Host = Annotated[str, AfterValidator(_base_url)]
Component = Annotated[str, AfterValidator(_component)]


class SmartMeterSettings(PollerSettings):
    """Section `smart_meter`. What is a circuit of what is for the normalizer to know."""

    provider: Literal["home_assistant", "shelly"] | None = Field(default=None, description=PROVIDER)
    hosts: Annotated[tuple[Host, ...], Names] = Field(default=(), description="addresses of Shelly devices")
    password: SecretStr = Field(default=SecretStr(""), description="the devices' password, if they have one")
    components: Annotated[tuple[Component, ...], Names] = Field(
        default=(), description="ask only for these, such as em:0; by default for the whole status"
    )
    interval_seconds: float = Field(default=60, ge=10, le=86_400, description="seconds between two polls")

    @model_validator(mode="before")
    @classmethod
    def _one_device(cls, section: Any) -> Any:
        """Take `url`, which every section may have, for the one device."""
        if isinstance(section, dict) and section.get("url") and not section.get("hosts"):
            return {**section, "hosts": [section["url"]]}
        return section


class SmartMeterConnector(Poller[SmartMeterSettings]):
    """See the module."""

    name = "smart_meter"
    settings_model = SmartMeterSettings
    required: ClassVar = {"shelly": ("hosts",)}
    not_polled = ("home_assistant",)

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.settings.interval_seconds

    def access_hint(self) -> str:
        """What to do when a device refuses access."""
        return f"set {self.name}.password to the device's"

    def requests(self) -> Sequence[Request]:
        """Return what is asked of each device."""
        return [request for host in self.settings.hosts for request in self._of(host)]

    async def poll(self, ask: Asking) -> None:
        """Ask all devices at once; see Poller.poll. One that is away delays no other."""
        await ask.each(self.requests(), together=True)

    def _of(self, host: str) -> list[Request]:
        password = self.settings.password.get_secret_value()
        secrets = Secrets(digest=(_USER, password)) if password else Secrets()
        timeout = min(_LONGEST_SECONDS, self.interval / 2)
        asked = [(f"{_METHODS[kind]}.GetStatus", {"id": number}) for kind, number in self._components()]
        return [
            Request(f"{host}/rpc/{method}", params, secrets, timeout=timeout)
            for method, params in asked or [("Shelly.GetStatus", {})]
        ]

    def _components(self) -> list[tuple[str, str]]:
        return [(kind, number) for kind, _, number in (name.partition(":") for name in self.settings.components)]


CONNECTOR: Final = SmartMeterConnector
