"""Calendars, by Home Assistant's REST API: the events of today and of the days to come.

https://developers.home-assistant.io/docs/api/rest
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import quote

from pydantic import Field

from ..clock import SECOND
from ..errors import SourceRefused
from .base import PROVIDER, Asking, Missing, Names, Poller, PollerSettings
from .exchange import Answer, Request, Secrets
from .place import zone_of

__all__ = ["CONNECTOR", "CalendarConnector", "CalendarSettings"]


CalendarId = Annotated[str, Field(pattern=r"^calendar\.[a-z0-9_]+$")]


class CalendarSettings(PollerSettings):
    """Section `calendar`."""

    provider: Literal["home_assistant"] | None = Field(default=None, description=PROVIDER)
    calendars: Annotated[tuple[CalendarId, ...], Names] = Field(
        default=(), description="entity ids; by default all that there are"
    )
    days_ahead: int = Field(default=7, ge=1, le=60, description="how many days after today are asked for")
    interval_minutes: float = Field(default=15, ge=1, le=1_440, description="minutes between two polls")


class CalendarConnector(Poller[CalendarSettings]):
    """See the module."""

    name = "calendar"
    settings_model = CalendarSettings

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.settings.interval_minutes * 60

    def missing(self) -> Missing | None:
        """Return what must be set; and wait for the home's time zone, which comes with Home Assistant's configuration."""
        missing = super().missing()
        if missing is not None:
            return missing
        if not self.around.home_assistant.configured:
            return Missing(f"calendar needs Home Assistant. {self.around.home_assistant.missing()}")
        if zone_of(self.around.home_config()) is None:
            return Missing("calendar waits for Home Assistant to say which time zone the home is in", awaited=True)
        return None

    def access_hint(self) -> str:
        """What to do when Home Assistant refuses access."""
        return "set home_assistant.token, or HOME_ASSISTANT_TOKEN, to a token that is valid"

    async def poll(self, ask: Asking) -> None:
        """Ask each calendar; see Poller.poll. The list of them is recorded only where it could not be had."""
        calendars: Sequence[str] = self.settings.calendars
        if not calendars:
            request = Request(f"{self._url}/api/calendars", secrets=self._secrets())
            answer = await ask.unrecorded(request)
            found = _calendars_in(answer)
            if found is None:
                ask.record(request, answer)
                ask.checked(answer)
                raise SourceRefused(
                    "home_assistant answers, but not with its calendars", hint="does Home Assistant show any?"
                )
            calendars = found
        await ask.each([(self._events_of(calendar), calendar) for calendar in calendars])

    def _events_of(self, calendar: str) -> Request:
        """Ask for all events that have a part in today or the days to come, those that began before among them.

        Home Assistant gives an event that overlaps the range with its own start and end.
        """
        zone = zone_of(self.around.home_config()) or UTC
        today = datetime.fromtimestamp(self.around.clock.now() / SECOND, UTC).astimezone(zone).date()
        days = (today, today + timedelta(days=self.settings.days_ahead + 1))
        start, end = (datetime.combine(day, time(), zone).isoformat() for day in days)
        url = f"{self._url}/api/calendars/{quote(calendar)}"
        return Request(url, {"start": start, "end": end}, self._secrets())

    @property
    def _url(self) -> str:
        return self.settings.url or self.around.home_assistant.url

    def _secrets(self) -> Secrets:
        token = self.around.home_assistant.token.get_secret_value()
        return Secrets(headers={"Authorization": f"Bearer {token}"})


def _calendars_in(answer: Answer) -> list[str] | None:
    """Return the entity ids of a list of calendars; None if the answer is none."""
    try:
        content = answer.json() if 200 <= answer.status < 300 else None
    except ValueError:
        return None
    if not isinstance(content, list):
        return None
    ids = [entry.get("entity_id") if isinstance(entry, dict) else None for entry in content]
    known = [name for name in ids if isinstance(name, str) and name.startswith("calendar.")]
    return known if len(known) == len(content) else None


CONNECTOR: Final = CalendarConnector
