"""The home as it was at an event's time: registries and configuration, from the log alone.

The latest record whose `time` is not after the event's applies; before the first one, the first one does. So the
order in which records arrived decides nothing.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..storage.record import ORIGIN_RANK, Record
from ..verbatim import loads, storable
from .conditions import Conditions
from .point import NONE, Field

__all__ = ["HOME_TYPES", "is_of_home", "EntityFacts", "HomeView", "Home"]

HOME_TYPES: Final = ("config", "entity_registry", "device_registry")
"""The event types whose records a home is made of, where Home Assistant was asked for them: see is_of_home."""

_WANTED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "entity_registry": ("entity_id", ("area_id", "device_id", "entity_category", "platform")),
    "device_registry": ("id", ("area_id", "manufacturer", "model", "sw_version")),
}
"""The key of a registry's entries, and what of them is asked for."""

_QUARTER_HOUR = 900_000_000
_DAY_PARTS = ((5, "morning"), (12, "afternoon"), (17, "evening"), (21, "night"))


class EntityFacts(NamedTuple):
    """What the registries say of an entity; `none` where they say nothing."""

    area_id: str = NONE
    device_id: str = NONE
    entity_category: str = NONE
    integration: str = NONE
    manufacturer: str | None = None
    model: str | None = None
    sw_version: str | None = None


_UNKNOWN = EntityFacts()


def is_of_home(record: Record) -> bool:
    """Tell what Home Assistant may have answered from what was pushed, and given such a type; see also _index."""
    return record.source == "home_assistant" and record.event_type in HOME_TYPES


class HomeView:
    """The home during an interval in which nothing about it changed."""

    def __init__(
        self,
        config: dict[str, Any],
        entities: dict[str, dict[str, Any]],
        devices: dict[str, dict[str, Any]],
        conditions: Conditions | None = None,
    ) -> None:
        units = config.get("unit_system")
        units = units if isinstance(units, dict) else {}
        self.temperature_unit = str(units.get("temperature", "°C"))
        self.zone = _zone(config.get("time_zone"))
        self.location_name = _text(config.get("location_name")) or NONE
        self._conditions = conditions
        self._entities = entities
        self._devices = devices
        self._facts: dict[str, EntityFacts] = {}
        self._day_parts: dict[int, str] = {}

    def condition(self, kind: str, time: int) -> Mapping[str, Field] | None:
        """Return what surrounded the home at a time (microseconds UTC): the fields of a point of weather,
        carbon_intensity or electricity_pricing; None where nothing is known of it.
        """
        return None if self._conditions is None else self._conditions.at(kind, time)

    def entity(self, entity_id: str) -> EntityFacts:
        """Return what is known of an entity; an area that it has not itself is its device's."""
        facts = self._facts.get(entity_id)
        if facts is None:
            facts = self._facts[entity_id] = self._look_up(entity_id)
        return facts

    def _look_up(self, entity_id: str) -> EntityFacts:
        entry = self._entities.get(entity_id)
        if entry is None:
            return _UNKNOWN
        device = self._devices.get(str(entry.get("device_id")), {})
        return EntityFacts(
            area_id=str(entry.get("area_id") or device.get("area_id") or NONE),
            device_id=str(entry.get("device_id") or NONE),
            entity_category=str(entry.get("entity_category") or NONE),
            integration=str(entry.get("platform") or NONE),
            manufacturer=_text(device.get("manufacturer")),
            model=_text(device.get("model")),
            sw_version=_text(device.get("sw_version")),
        )

    def time_of_day(self, time: int) -> str:
        """Return morning, afternoon, evening or night at this time (microseconds UTC), in the home's time zone."""
        quarter = time // _QUARTER_HOUR  # every zone's offset is a multiple of a quarter of an hour
        part = self._day_parts.get(quarter)
        if part is None:
            part = self._day_parts[quarter] = _day_part(quarter, self.zone)
        return part


def _day_part(quarter: int, zone: ZoneInfo) -> str:
    from datetime import UTC, datetime, timedelta

    try:
        hour = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * quarter)).astimezone(zone).hour
    except (OverflowError, ValueError):
        return "night"
    return next((name for start, name in reversed(_DAY_PARTS) if hour >= start), "night")


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name or "UTC"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _text(value: object) -> str | None:
    return None if value is None or value == "" else storable(str(value))


@dataclass(order=True, slots=True)
class _Version:
    """One record of a registry. Of two with the same time the origin decides, then the text: never the order of arrival."""

    time: int
    rank: int
    raw: str
    content: Any = field(compare=False)


class Home:
    """Everything the log says about the home, at any time."""

    def __init__(self) -> None:
        self._versions: dict[str, list[_Version]] = {name: [] for name in HOME_TYPES}
        self._changes: list[int] = []
        self._views: dict[int, HomeView] = {}
        self._interval: tuple[float, float] = (0.0, 0.0)
        self._view: HomeView | None = None
        self.conditions: Conditions | None = None

    @property
    def known(self) -> bool:
        """A configuration has been recorded, which comes after the rest of the first snapshot."""
        return bool(self._versions["config"])

    def learn(self, record: Record) -> tuple[float, float] | None:
        """Add what a record says of the home; return the interval of times [start, end) whose view it changes.

        None if it changes nothing. A record that cannot be read changes nothing.
        """
        if not is_of_home(record):
            return None
        versions = self._versions[record.event_type]
        try:
            content = _index(record.event_type, loads(record.raw))
        except (ValueError, TypeError, AttributeError):
            return None
        version = _Version(record.time, ORIGIN_RANK.get(record.origin, 0), record.raw, content)
        if version in versions:
            return None
        insort(versions, version)
        self._changes = sorted({v.time for all_of in self._versions.values() for v in all_of})
        self._views.clear()
        self._view = None
        place = versions.index(version)
        start = version.time if place else float("-inf")
        end = versions[place + 1].time if place + 1 < len(versions) else float("inf")
        return (start, end) if start < end else None

    def learn_all(self, records: Iterable[Record]) -> None:
        """Add what many records say."""
        for record in records:
            self.learn(record)

    def at(self, time: int) -> HomeView:
        """Return the home as of a time (microseconds UTC)."""
        if self._view is not None and self._interval[0] <= time < self._interval[1]:
            return self._view
        place = bisect_right(self._changes, time)
        view = self._views.get(place)
        if view is None:
            config, entities, devices = (self._content(name, time) for name in HOME_TYPES)
            view = self._views[place] = HomeView(config, entities, devices, self.conditions)
        start = self._changes[place - 1] if place else float("-inf")
        end = self._changes[place] if place < len(self._changes) else float("inf")
        self._interval, self._view = (start, end), view
        return view

    def _content(self, name: str, time: int) -> Any:
        versions = self._versions[name]
        if not versions:
            return {}
        place = bisect_right(versions, time, key=lambda version: version.time)
        return versions[max(0, place - 1)].content


def _index(event_type: str, content: Any) -> dict[str, Any]:
    """Return a registry's entries by their id, only with what is asked for; the configuration as it is."""
    if event_type == "config":
        if "event_type" in content:
            raise TypeError("an event that somebody fired names its own type: no configuration does")
        return dict(content)
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise TypeError("a registry is a list of objects")
    key, wanted = _WANTED[event_type]
    return {str(entry[key]): {name: entry.get(name) for name in wanted} for entry in content if key in entry}
