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
from ..home import HomeView
from ..point import NONE, Field, Point, Series
from .attributes import AttributeFields, carries_credential
from .base import Normalizer, NormalizerSettings, Reads, Reason, SetAside
from .rules import EntityRules, Rule, Rules
from .unit_attributes import metric_attributes
from .units import conversion_of

__all__ = ["MEASUREMENT", "NORMALIZER", "HomeAssistantNormalizer", "HomeAssistantSettings", "number_of"]

MEASUREMENT: Final = "home_assistant_events"

_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNAVAILABLE = frozenset({"unavailable", "unknown"})

_DOMAINS_OF_TEXT: Final = frozenset({"input_text", "text"})

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


class HomeAssistantSettings(NormalizerSettings):
    """What a user wants otherwise: the list `rules` of homeiq.yaml."""

    rules: tuple[Rule, ...] = ()


class HomeAssistantNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "home_assistant"
    version: ClassVar[int] = 3
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    by_entity: ClassVar[bool] = True
    reads = Reads(sources=("home_assistant", "pushed"), event_types=("state_changed", "state"))
    settings_model: ClassVar[type[NormalizerSettings]] = HomeAssistantSettings
    settings: HomeAssistantSettings

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        super().__init__(section)
        self.attributes = AttributeFields()
        self._rules = Rules(self.settings.rules)
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
        device_class = attributes.get("device_class")
        rules = self._rules_of(entity_id, device_class)
        fields: dict[str, Field] = {"origin": record.origin}
        domain = entity_id.partition(".")[0]
        self._add_state(fields, domain, state, attributes, rules)
        self._add_old(fields, domain, record.time, old)
        attributes, units = metric_attributes(domain, attributes, home)
        if rules is not None:
            attributes, units = rules.attributes(attributes, units)
        for name in ("friendly_name", "icon"):
            value = attributes.get(name)
            if value is not None:
                fields[name] = value if type(value) is str and value.isascii() else storable(str(value)) or ""
        _add_context(fields, new.get("context"))
        self.attributes.add(attributes, units, fields)
        return self._point(record, entity_id, domain, NONE if device_class is None else str(device_class), fields, home)

    def _rules_of(self, entity_id: str, device_class: object) -> EntityRules | None:
        """Return the rules that hold for an entity; raises SetAside if one of them drops it."""
        rules = self._rules.of(entity_id, device_class) if self._rules else None
        if rules is not None and rules.drops:
            raise SetAside(Reason.DROPPED)
        return rules

    def _add_state(
        self,
        fields: dict[str, Field],
        domain: str,
        state: str,
        attributes: dict[str, Any],
        rules: EntityRules | None,
    ) -> None:
        """Add the state, the number that it is, and its unit."""
        hidden = _is_credential(domain, state, attributes)
        if not hidden:
            fields["state"] = state
        available = state not in _UNAVAILABLE
        number = number_of(state) if available and not hidden else None
        unit = attributes.get("unit_of_measurement")
        raw = None if unit is None else storable(str(unit)) or ""
        shown = raw
        if rules is not None:
            number, shown = rules.measured("" if hidden else state, number, raw)
        elif raw:
            made = conversion_of(raw, attributes.get("device_class"))
            if made is not None:
                shown = made.metric
                number = None if number is None else made.of(number)
        if number is not None and number - number == 0.0:  # not beyond a float
            fields["value"] = number
        fields["available"] = available
        fields["removed"] = False
        if raw is not None:
            fields["unit_of_measurement_raw"] = raw
        if shown is not None:
            fields["unit_of_measurement"] = shown

    def _removal(self, record: Record, old: Any, context: Any, home: HomeView) -> Point:
        """Return the point of an entity that is gone."""
        entity_id = record.entity_id
        if entity_id is None:
            raise SetAside(Reason.INCOMPLETE, "there is no entity_id")
        fields: dict[str, Field] = {"origin": record.origin, "available": False, "removed": True}
        domain = entity_id.partition(".")[0]
        attributes = old.get("attributes") if isinstance(old, dict) else None
        self._rules_of(entity_id, attributes.get("device_class") if isinstance(attributes, dict) else None)
        if isinstance(old, dict):
            self._add_old(fields, domain, None, old)
        _add_context(fields, context)
        return self._point(record, entity_id, domain, NONE, fields, home)

    def _add_old(self, fields: dict[str, Field], domain: str, time: int | None, old: Any) -> None:
        """Add the old state, and how long it had lasted at `time` (seconds), from the record's own words alone."""
        if not isinstance(old, dict):
            return
        state = old.get("state")
        if isinstance(state, str) and not _is_credential(domain, state, old.get("attributes")):
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


def _is_credential(domain: str, state: str, attributes: Any) -> bool:
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


NORMALIZER: Final = HomeAssistantNormalizer
