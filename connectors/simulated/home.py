"""The simulated home: a family of three in seven rooms, of which a seed and a start decide every event. Pure.

Nothing here reads a clock or the environment. `advance` lets time pass; calls from outside (a service, a state that is
set) happen at the time that the home has reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import orjson

from ...clock import SECOND, from_iso
from . import registries, services
from .actors import Actors
from .calendar import calendar_between
from .chores import Chores
from .definitions import identity
from .devices import USERS, home_devices, home_entities
from .energy import Energy
from .history import Period
from .living import Living
from .outdoors import Outdoors
from .people import People
from .rooms import room_devices, room_entities
from .stage import Stage
from .state import Attributes, Context, Fired
from .troubles import Troubles

__all__ = ["EVENTS_PER_SECOND", "QUIET_EVENTS_PER_SECOND", "SimulatedHome", "speed_for"]

EVENTS_PER_SECOND: Final = 0.15
"""What the home makes on average, in its own time. A test holds it to within a quarter."""

QUIET_EVENTS_PER_SECOND: Final = 0.05
"""What it makes at least in any ten minutes of its own time, at night too. A test holds it."""

_BEFORE: Final = 30 * 86_400 * SECOND


def speed_for(events_per_second: float) -> float:
    """Return how fast the home's time must pass for at least so many events a second, in its quiet hours too."""
    return events_per_second / QUIET_EVENTS_PER_SECOND


class SimulatedHome:
    """A home to listen to. The same seed, start and calls give the same events to the byte, on every machine."""

    def __init__(
        self,
        seed: int,
        start: datetime | int,
        *,
        time_zone: str = "Europe/Berlin",
        latitude: float = 52.52,
        longitude: float = 13.405,
    ) -> None:
        self.seed = seed
        self.start = from_iso(start.isoformat()) if isinstance(start, datetime) else start
        self.time_zone = time_zone
        self.place = (latitude, longitude)
        self.users = {key: identity(seed, "user", key) for key in USERS}
        self.devices = (*home_devices(), *room_devices())
        self.entities = (*home_entities(self.users, self.place), *room_entities())
        self._created = self.start - _BEFORE
        self._stage = Stage(seed, self.start, time_zone)
        self._furnish()

    def _furnish(self) -> None:
        """Set every entity up before the first event, and put all that lives on the agenda."""
        stage = self._stage
        stage.time = self.start - 60 * SECOND
        stage.last = stage.time
        for entity in self.entities:
            stage.publish(entity.entity_id, entity.state, entity.attributes)
        actors = Actors(stage, self.users)
        outdoors = Outdoors(stage, self.place)
        people = People(stage, actors, self.place)
        living = Living(stage, actors, people, outdoors)
        chores = Chores(stage, actors, people, living)
        energy = Energy(stage, living, people, outdoors, chores)
        troubles = Troubles(stage, actors, self.devices, self.entities)
        stage.time = self.start - 30 * SECOND
        people.begin()
        outdoors.publish()
        people.publish()
        living.publish()
        chores.publish()
        energy.publish()
        stage.time = self.start
        for model in (outdoors, living, chores, energy, troubles):
            model.begin()
        stage.taken()

    @property
    def now(self) -> int:
        """Return the time that the home has reached, in microseconds UTC."""
        return max(self._stage.time, self._stage.last)

    # Time passes

    def advance(self, until: int | datetime) -> Iterator[Fired]:
        """Yield what happens before `until`, in order of time; no two events have the same time.

        What has begun before `until` is finished, so that the last event may come some milliseconds later. It makes no
        difference in how many steps a time is reached; but what is not taken from the iterator did happen.
        """
        for fired in self._stage.play(from_iso(until.isoformat()) if isinstance(until, datetime) else until):
            yield from fired

    def advance_at_most(self, until: int, events: int) -> list[Fired]:
        """Return what happens next, until at least so many events have happened or `until` is reached."""
        batch: list[Fired] = []
        for fired in self._stage.play(until):
            batch += fired
            if len(batch) >= events:
                break
        return batch

    # Somebody does something

    def call_service(
        self, domain: str, service: str, data: dict[str, Any], context: Context | None = None
    ) -> list[Fired]:
        """Return what a call brings about at once; what takes longer comes with time. Raises UnknownService."""
        services.call(self._stage, domain, service, data, context or self._stage.context())
        return self._stage.taken()

    def set_state(
        self, entity_id: str, state: str, attributes: Attributes | None = None, context: Context | None = None
    ) -> list[Fired]:
        """Set any state, as POST /api/states does: attributes as a whole, a new entity where there was none."""
        self._stage.publish(entity_id, state, attributes or {}, context)
        return self._stage.taken()

    def remove(self, entity_id: str, context: Context | None = None) -> list[Fired]:
        """Take an entity out; nothing happens if there is none."""
        self._stage.remove(entity_id, context)
        return self._stage.taken()

    def fire(self, event_type: str, data: Attributes, context: Context | None = None) -> list[Fired]:
        """Put any event on the bus."""
        self._stage.fire(event_type, data, context)
        return self._stage.taken()

    def context(self, user_id: str | None = None) -> Context:
        """Return a new context, e.g. for a call on behalf of a user."""
        return self._stage.context(user_id=user_id)

    # What it answers

    def state(self, entity_id: str) -> dict[str, Any] | None:
        """Return a state as Home Assistant shows it."""
        found = self._stage.states.get(entity_id)
        return None if found is None else orjson.loads(found.raw)

    def states_raw(self) -> bytes:
        """Return all states as one JSON list."""
        return b"[" + b",".join([state.raw for state in self._stage.states.values()]) + b"]"

    def states(self) -> list[dict[str, Any]]:
        """Return all states as Home Assistant shows them."""
        answer: list[dict[str, Any]] = orjson.loads(self.states_raw())
        return answer

    def config(self) -> dict[str, Any]:
        """Return what get_config answers."""
        domains = {entity.domain for entity in self.entities}
        platforms = {entity.platform for entity in self.entities if entity.platform}
        components = domains | platforms | {"api", "history", "homeassistant", "http", "recorder", "websocket_api"}
        return registries.configuration(self.time_zone, self.place, components)

    def registry(self, name: str) -> list[dict[str, Any]]:
        """Return what config/<name>_registry/list answers, for area, device, entity, floor and label."""
        match name:
            case "area":
                return registries.area_registry(self._created)
            case "device":
                return registries.device_registry(self.seed, self.devices, self._created)
            case "entity":
                return registries.entity_registry(self.seed, self.entities, self._created)
            case "floor":
                return registries.floor_registry(self._created)
            case "label":
                return registries.label_registry(self._created)
            case _:
                raise KeyError(name)

    def services(self) -> dict[str, dict[str, Any]]:
        """Return what get_services answers."""
        return services.described()

    def history(self, period: Period) -> dict[str, list[dict[str, Any]]]:
        """Return what history/history_during_period answers."""
        return self._stage.history.during(period)

    def calendar(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the calendar's events between two times, as GET /api/calendars/<entity_id> does."""
        zone = self._stage.zone
        first, last = (moment.astimezone(zone).replace(tzinfo=None) for moment in (start, end))
        return [
            {
                "start": {"dateTime": event.begin.replace(tzinfo=zone).isoformat()},
                "end": {"dateTime": event.end.replace(tzinfo=zone).isoformat()},
                "summary": event.message,
                "description": None,
                "location": event.location or None,
                "uid": identity(self.seed, "calendar", str(event.begin)),
                "recurrence_id": None,
                "rrule": None,
            }
            for event in calendar_between(first, last)
        ]

    def time_of(self, day: datetime) -> int:
        """Return the microseconds of a time without zone on the clocks of the home."""
        return self._stage.utc(day)
