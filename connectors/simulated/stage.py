"""What the simulated home plays on: its agenda, its states, its bus, and the only place where an event is made. Pure.

The models (weather, people, rooms, appliances) put actions on the agenda. An action reads states, publishes states and
fires events; each event gets a time of its own, later than every one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import orjson

from ...clock import SECOND
from .history import History
from .state import Attributes, Context, Contexts, Fired, State, Timestamps

__all__ = ["Action", "Stage"]

Action = Callable[[], object]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUARTER: Final = 900 * SECOND
_AWAY: Final = ("unavailable", "unknown")


class Stage:
    """States and agenda of one home. The same seed, start and calls give the same bytes."""

    def __init__(self, seed: int, start: int, time_zone: str) -> None:
        self.random = Random(seed)
        self.zone = ZoneInfo(time_zone)
        self.time = start
        self.last = start - 1
        self.states: dict[str, State] = {}
        self.offline: dict[str, State] = {}
        self.history = History()
        self._contexts = Contexts(Random(f"contexts of {seed}"))
        self._delays = Random(f"delays of {seed}")
        self._timestamps = Timestamps()
        self._agenda: list[tuple[int, int, Action]] = []
        self._entries = 0
        self._fired: list[Fired] = []
        self._quarter = -1
        self._offset = 0

    # Time

    def local(self, time: int | None = None) -> datetime:
        """Return a time (else the present one) on the clocks of the home."""
        return (_EPOCH + timedelta(microseconds=self.time if time is None else time)).astimezone(self.zone)

    def utc(self, local: datetime) -> int:
        """Return the microseconds of a time without zone on the clocks of the home."""
        return int((local.replace(tzinfo=self.zone) - _EPOCH) / timedelta(microseconds=1))

    def hour(self) -> float:
        """Return the hour of the day, with fraction, on the clocks of the home."""
        quarter = self.time // _QUARTER
        if quarter != self._quarter:
            self._quarter = quarter
            offset = self.local().utcoffset() or timedelta()
            self._offset = int(offset.total_seconds())
        return ((self.time // SECOND + self._offset) % 86_400) / 3600

    # Agenda

    def at(self, time: int, action: Action) -> None:
        """Put an action on the agenda; one whose time is past comes next."""
        self._entries += 1
        heappush(self._agenda, (time, self._entries, action))

    def after(self, seconds: float, action: Action) -> None:
        """Put an action on the agenda, `seconds` from now."""
        self.at(self.time + int(seconds * SECOND), action)

    def every(self, seconds: float, action: Action, jitter: float = 0.1) -> None:
        """Repeat an action for ever, first within `seconds`; each interval is longer by up to the share `jitter`."""
        period, spread = int(seconds * SECOND), int(seconds * SECOND * jitter)
        chance = self.random.random

        def again() -> None:
            self.at(self.time + period + int(chance() * spread), again)
            action()

        self.at(self.time + int(chance() * period), again)

    def play(self, until: int) -> Iterator[list[Fired]]:
        """Carry out what stands on the agenda before `until`; yield the events of each action that made any.

        An action is finished once begun: its last event may come some milliseconds after `until`.
        """
        agenda = self._agenda
        while agenda and agenda[0][0] < until:
            self.time, _, action = heappop(agenda)
            action()
            if self._fired:
                yield self.taken()
        self.time = max(until, self.last)

    def taken(self) -> list[Fired]:
        """Return the events that were made since this was called last."""
        fired, self._fired = self._fired, []
        return fired

    # Events

    def moment(self) -> int:
        """Return the time of the next event: now, or a fraction of a millisecond after the last one."""
        time = self.time
        if time <= self.last:
            time = self.last + 100 + self._delays.getrandbits(9)
        self.last = time
        return time

    def context(self, parent: Context | None = None, user_id: str | None = None) -> Context:
        """Return a new context."""
        return self._contexts.new(max(self.time, self.last), parent.id if parent else None, user_id)

    def fire(self, event_type: str, data: Attributes, context: Context | None = None) -> Context:
        """Put an event on the bus; return its context."""
        time = self.moment()
        context = context or self._contexts.new(time)
        self._put(time, event_type, orjson.dumps(data), self._timestamps.iso(time), context)
        return context

    def publish(
        self, entity_id: str, state: str, attributes: Attributes | None = None, context: Context | None = None
    ) -> Context | None:
        """Set a state, new attributes as a whole; return its context, or None if nothing has changed.

        As in Home Assistant a state that is set again as it was makes no event, and `last_changed` is the time at which
        the state itself changed last.
        """
        old = self.states.get(entity_id)
        if old is None:
            new = State(entity_id, state, attributes or {})
        elif attributes is None or attributes == old.attributes:
            if state == old.state:
                return None
            new = State(entity_id, state, old.attributes, old.attributes_raw)
        else:
            new = State(entity_id, state, attributes)
        time = self.moment()
        iso = self._timestamps.iso(time)
        context = context or self._contexts.new(time)
        new.stamp(time, iso, context, old if old is not None and old.state == state else None)
        self.states[entity_id] = new
        self.history.add(entity_id, time, new)
        data = b'{"entity_id":%s,"old_state":%s,"new_state":%s}' % (
            orjson.dumps(entity_id),
            b"null" if old is None else old.raw,
            new.raw,
        )
        self._put(time, "state_changed", data, iso, context)
        return context

    def remove(self, entity_id: str, context: Context | None = None) -> bool:
        """Take an entity out of the home; False if there is none."""
        old = self.states.pop(entity_id, None)
        if old is None:
            return False
        self.offline.pop(entity_id, None)
        time = self.moment()
        self.history.add(entity_id, time, None)
        data = b'{"entity_id":%s,"old_state":%s,"new_state":null}' % (orjson.dumps(entity_id), old.raw)
        self._put(time, "state_changed", data, self._timestamps.iso(time), context or self._contexts.new(time))
        return True

    def _put(self, time: int, event_type: str, data: bytes, iso: bytes, context: Context) -> None:
        raw = b'{"event_type":%s,"data":%s,"origin":"LOCAL","time_fired":"%s","context":%s}' % (
            orjson.dumps(event_type),
            data,
            iso,
            context.raw,
        )
        self._fired.append(Fired(time, event_type, raw))

    # What the models say and ask

    def report(
        self, entity_id: str, state: str, attributes: Attributes | None = None, context: Context | None = None
    ) -> Context | None:
        """Publish a measurement, unless the device is out of reach or the entity was taken out."""
        if entity_id in self.offline or entity_id not in self.states:
            return None
        return self.publish(entity_id, state, attributes, context)

    def change(
        self, entity_id: str, state: str | None = None, context: Context | None = None, **changes: object
    ) -> None:
        """Publish an entity's state with some of its attributes changed."""
        old = self.states.get(entity_id)
        if old is not None and entity_id not in self.offline:
            attributes = {**old.attributes, **changes} if changes else None
            self.publish(entity_id, old.state if state is None else state, attributes, context)

    def known(self, entity_id: str) -> State | None:
        """Return the state, or the last one before the device went out of reach; None for an unknown entity."""
        return self.offline.get(entity_id) or self.states.get(entity_id)

    def value(self, entity_id: str) -> str:
        """Return the known state's text; '' for an unknown entity."""
        state = self.known(entity_id)
        return "" if state is None else state.state

    def attribute(self, entity_id: str, name: str, default: float) -> float:
        """Return a number among the known attributes."""
        state = self.known(entity_id)
        value = default if state is None else state.attributes.get(name)
        return float(value) if isinstance(value, (int, float)) else default

    def lose(self, entity_ids: list[str]) -> None:
        """Let entities become unavailable; as in Home Assistant only their descriptive attributes remain."""
        for entity_id in entity_ids:
            old = self.states.get(entity_id)
            if old is None or old.state in _AWAY or entity_id in self.offline:
                continue
            kept = {name: old.attributes[name] for name in old.attributes if name in _DESCRIPTIVE}
            self.publish(entity_id, "unavailable", kept)
            self.offline[entity_id] = old

    def find(self, entity_ids: list[str], *, as_unknown: bool) -> None:
        """Let entities be there again; with `as_unknown` a measurement is unknown until the next one."""
        for entity_id in entity_ids:
            old = self.offline.pop(entity_id, None)
            if old is not None:
                unknown = as_unknown and entity_id.startswith("sensor.")
                self.publish(entity_id, "unknown" if unknown else old.state, old.attributes)


_DESCRIPTIVE: Final = frozenset(
    (
        "friendly_name",
        "device_class",
        "state_class",
        "unit_of_measurement",
        "icon",
        "supported_features",
        "supported_color_modes",
        "min_color_temp_kelvin",
        "max_color_temp_kelvin",
        "hvac_modes",
        "min_temp",
        "max_temp",
        "preset_modes",
        "attribution",
        "options",
    )
)
