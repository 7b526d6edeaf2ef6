"""Home Assistant's states → the measurement `home_assistant_events`. Pure.

Reads `state_changed` events, and `state` records, which are one state of a snapshot or of the history: the same state
gives the same point, whichever way it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ...clock import from_iso
from ...storage.record import Record
from ...verbatim import loads, storable
from ..home import HOME_TYPES, HomeView
from ..point import NONE, Field, Point, Series
from .attributes import AttributeFields, UnitsOfAttributes, carries_credential
from .base import Normalizer, Reads, Reason, SetAside
from .units import CONVERSIONS, convert

__all__ = ["MEASUREMENT", "NORMALIZER", "HomeAssistantNormalizer", "is_credential", "number_of"]

MEASUREMENT: Final = "home_assistant_events"

_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNAVAILABLE = frozenset({"unavailable", "unknown"})

_OF_HOME: Final = {
    "current_temperature": False,
    "temperature": False,
    "target_temp_high": False,
    "target_temp_low": False,
    "min_temp": False,
    "max_temp": False,
    "target_temp_step": True,
}
"""Attributes that these entities give in the home's own unit of temperature, and whether one is a difference."""

_DOMAINS_OF_TEXT: Final = frozenset({"input_text", "text"})

_DOMAINS_OF_HOME: Final = frozenset({"climate", "water_heater"})

_UNITS_OF_WEATHER: Final = {
    "temperature": "temperature_unit",
    "apparent_temperature": "temperature_unit",
    "dew_point": "temperature_unit",
    "pressure": "pressure_unit",
    "wind_speed": "wind_speed_unit",
    "wind_gust_speed": "wind_speed_unit",
}
"""Attributes of a weather entity, and the attribute that names the unit of each."""

_WEATHER: Final = (
    ("temperature", "weather_temp"),
    ("humidity", "weather_humidity"),
    ("pressure", "weather_pressure"),
    ("condition", "weather_condition"),
)
"""Fields of the weather at the event's time, and as what they stand in its point."""

_CONTEXT: Final = (("id", "context_id"), ("parent_id", "context_parent_id"), ("user_id", "context_user_id"))

_CACHED = 50_000


def number_of(text: str) -> float | None:
    """Return the finite number that a text is as a whole, by a strict reading; None for every other text.

    "21.5", "-3" and "1e5" are numbers; "0x10", "1_000", " 5 ", "nan", "inf" and Arabic digits are text.
    """
    if text[:1] in "-.0123456789" and _NUMBER.fullmatch(text):
        number = float(text)
        return number if number - number == 0.0 else None
    return None


class HomeAssistantNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "home_assistant"
    version: ClassVar[int] = 2
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    by_entity: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = (*HOME_TYPES, "weather")
    reads = Reads(sources=("home_assistant", "pushed"), event_types=("state_changed", "state"))

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        super().__init__(section)
        self.attributes = AttributeFields()
        self._series: dict[tuple[str, str, str, HomeView], Series] = {}

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of a state; see Normalizer.normalize."""
        try:
            content = loads(record.raw)
        except ValueError as error:
            raise SetAside(Reason.UNREADABLE, str(error)) from None
        if record.event_type == "state":
            new, old, context = content, None, None
        else:
            data = content.get("data") if isinstance(content, dict) else None
            if not isinstance(data, dict) or "new_state" not in data:
                raise SetAside(Reason.INCOMPLETE, "there is no new_state")
            new, old, context = data["new_state"], data.get("old_state"), content.get("context")
        if new is None:
            return [self._removal(record, old, context, home)]
        if not isinstance(new, dict):
            raise SetAside(Reason.INCOMPLETE, "the state is not an object")
        return [self._state(record, new, old, home)]

    def _state(self, record: Record, new: dict[str, Any], old: Any, home: HomeView) -> Point:
        entity_id = record.entity_id
        text = new.get("state")
        if entity_id is None or text is None:
            raise SetAside(Reason.INCOMPLETE, "there is no entity_id, or no state")
        state = (
            text if type(text) is str and text.isascii() else storable(text if type(text) is str else str(text)) or ""
        )
        attributes = new.get("attributes")
        if not isinstance(attributes, dict):
            attributes = {}
        fields: dict[str, Field] = {"origin": record.origin}
        domain = entity_id.partition(".")[0]
        hidden = is_credential(domain, state, attributes)
        if not hidden:
            fields["state"] = state
        unit = attributes.get("unit_of_measurement")
        available = state not in _UNAVAILABLE
        number = number_of(state) if available and not hidden else None
        if number is not None:
            fields["value"] = number if unit is None else convert(number, unit if type(unit) is str else None)
        fields["available"] = available
        fields["removed"] = False
        self._add_old(fields, domain, record.time, old)
        if unit is not None:
            fields["unit_of_measurement_raw"] = raw = storable(str(unit)) or ""
            conversion = CONVERSIONS.get(raw)
            fields["unit_of_measurement"] = conversion.metric if conversion else raw
        for name in ("friendly_name", "icon"):
            value = attributes.get(name)
            if value is not None:
                fields[name] = value if type(value) is str and value.isascii() else storable(str(value)) or ""
        _add_context(fields, new.get("context"))
        units = _units_of(domain, attributes, home)
        if units is not None and domain == "weather":
            attributes = attributes | {name: _metric(attributes.get(name)) for name in _UNITS_OF_WEATHER.values()}
        self.attributes.add(attributes, units, fields)
        device_class = attributes.get("device_class")
        return self._point(record, entity_id, domain, NONE if device_class is None else str(device_class), fields, home)

    def _removal(self, record: Record, old: Any, context: Any, home: HomeView) -> Point:
        """Return the point of an entity that is gone."""
        entity_id = record.entity_id
        if entity_id is None:
            raise SetAside(Reason.INCOMPLETE, "there is no entity_id")
        fields: dict[str, Field] = {"origin": record.origin, "available": False, "removed": True}
        domain = entity_id.partition(".")[0]
        if isinstance(old, dict):
            self._add_old(fields, domain, None, old)
        _add_context(fields, context)
        return self._point(record, entity_id, domain, NONE, fields, home)

    def _add_old(self, fields: dict[str, Field], domain: str, time: int | None, old: Any) -> None:
        """Add the old state, and how long it had lasted at `time` (seconds), from the record's own words alone."""
        if not isinstance(old, dict):
            return
        state = old.get("state")
        if isinstance(state, str) and not is_credential(domain, state, old.get("attributes")):
            fields["old_state"] = state if state.isascii() else storable(state) or ""
        try:
            lasted = None if time is None else (time - from_iso(old["last_changed"])) / 1e6
        except (KeyError, TypeError, ValueError, OverflowError):
            return
        if lasted is not None and lasted >= 0:
            fields["duration_in_state_seconds"] = lasted

    def _point(
        self, record: Record, entity_id: str, domain: str, device_class: str, fields: dict[str, Field], home: HomeView
    ) -> Point:
        part = home.time_of_day(record.time)
        weather = home.condition("weather", record.time)
        if weather is not None:
            for name, field in _WEATHER:
                if name in weather:
                    fields[field] = weather[name]
        facts = home.entity(entity_id)
        if facts.manufacturer is not None:
            fields["manufacturer"] = facts.manufacturer
        if facts.model is not None:
            fields["model"] = facts.model
        if facts.sw_version is not None:
            fields["sw_version"] = facts.sw_version
        key = (entity_id, device_class, part, home)
        series = self._series.get(key)
        if series is None:
            if len(self._series) > _CACHED:
                self._series.clear()
            series = self._series[key] = Series(
                MEASUREMENT,
                {
                    "area_id": facts.area_id,
                    "device_class": storable(device_class) or NONE,
                    "device_id": facts.device_id,
                    "domain": domain,
                    "entity_category": facts.entity_category,
                    "entity_id": entity_id,
                    "event_type": "state_changed",
                    "integration": facts.integration,
                    "time_of_day": part,
                },
            )
        return Point(series, fields, record.time * 1000, record.seq)


def is_credential(domain: str, state: str, attributes: Any) -> bool:
    """Tell whether a state must not reach a target: what Home Assistant hides as a password, and URLs that carry one."""
    if domain in _DOMAINS_OF_TEXT and isinstance(attributes, dict) and attributes.get("mode") == "password":
        return state not in _UNAVAILABLE
    return carries_credential(state)


def _add_context(fields: dict[str, Field], context: Any) -> None:
    if not isinstance(context, dict):
        return
    for name, field in _CONTEXT:
        value = context.get(name)
        if value is not None and type(value) is str:
            fields[field] = value if value.isascii() else storable(value) or ""


def _units_of(domain: str, attributes: dict[str, Any], home: HomeView) -> UnitsOfAttributes | None:
    """Return which attributes carry which unit that is not metric."""
    if domain == "weather":
        found = {name: attributes.get(unit) for name, unit in _UNITS_OF_WEATHER.items()}
        return {name: (unit, False) for name, unit in found.items() if isinstance(unit, str) and unit in CONVERSIONS}
    if domain not in _DOMAINS_OF_HOME or home.temperature_unit not in CONVERSIONS:
        return None
    return {name: (home.temperature_unit, difference) for name, difference in _OF_HOME.items()}


def _metric(unit: Any) -> Any:
    conversion = CONVERSIONS.get(unit) if isinstance(unit, str) else None
    return conversion.metric if conversion else unit


NORMALIZER: Final = HomeAssistantNormalizer
