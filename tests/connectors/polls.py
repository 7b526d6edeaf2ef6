"""One poll of a connector against a service of the tests' own, and what became of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from homeiq.clock import Clock, ManualClock
from homeiq.connectors.base import Around, Asking, Poller
from homeiq.connectors.http_client import HttpClient
from homeiq.connectors.registry import create
from homeiq.errors import SourceError
from homeiq.settings import HomeAssistantSettings
from homeiq.storage.record import Event

from servers.service import Answers, Asked, serving

__all__ = ["CONFIG", "Polled", "around", "made", "poll", "polled_by"]

CONFIG = {"latitude": 52.3731339, "longitude": 4.8903147, "time_zone": "Europe/Amsterdam"}
NOW = 1_795_530_600_000_000
"""2026-11-24T14:30:00Z"""


@dataclass
class Polled:
    """What was recorded and asked, and how the poll ended."""

    events: list[Event]
    asked: list[Asked]
    error: SourceError | None
    url: str

    @property
    def raws(self) -> list[dict[str, Any]]:
        return [orjson.loads(event.raw) for event in self.events]


def around(config: Mapping[str, Any] = CONFIG, *, clock: Clock | None = None, url: str = "", token: str = "") -> Around:
    """Return what a connector knows of its surroundings."""
    settings = HomeAssistantSettings.model_validate({"url": url, "token": token})
    return Around(clock or ManualClock(NOW), settings, lambda: config)


def made(name: str, section: Mapping[str, Any], near: Around | None = None) -> Poller[Any]:
    """Return a poller."""
    poller = create(name, section, near or around())
    assert isinstance(poller, Poller)
    return poller


async def polled_by(poller: Poller[Any], http: HttpClient) -> tuple[list[Event], SourceError | None]:
    """Let a poller poll once."""
    events: list[Event] = []
    try:
        await poller.poll(Asking(poller, http.send, events.append))
    except SourceError as error:
        return events, error
    return events, None


def poll(name: str, section: Mapping[str, Any], answers: Answers, near: Around | None = None) -> Polled:
    """Poll once; the service's address is the connector's `url`."""

    async def session() -> Polled:
        async with serving(answers) as service:
            places = {"hosts": [service.url]} if section.get("provider") == "shelly" else {"url": service.url}
            poller = made(name, {**places, **section}, near)
            http = HttpClient(poller.around.clock)
            try:
                events, error = await polled_by(poller, http)
            finally:
                await http.close()
            return Polled(events, service.asked, error, service.url)

    return asyncio.run(session())
