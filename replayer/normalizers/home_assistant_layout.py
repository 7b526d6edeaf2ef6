"""Home Assistant's states → points as its own influxdb integration writes them: `replay.layout: home_assistant`. Pure.

    measurement   the unit of measurement, else the entity's id (or what replay.layout_options say)
    tags          domain, entity_id (the part behind the point), and what the options add
    fields        value: the state as a number; state: the state that is not one; each attribute by its own name where it
                  can be read as a number, else as a text by its name and _str; a text with digits in it gives both

Home Assistant 2024.3 was read for it, and what it writes is compared in tests/end_to_end/test_layouts.py;
docs/layouts.md lists the differences that are meant. Units are as received.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from ...layout import LayoutOptions
from ...storage.record import Record
from ...verbatim import storable
from ..home import HomeView
from ..point import LARGEST_STRING, Field, Point, Series, clean_name
from .attributes import carries_credential, is_credential_name, without_credentials
from .base import Normalizer, NormalizerSettings, Reads, Reason, SetAside
from .home_assistant import MEASUREMENT, is_password, may_hide, states_in
from .rules import Rule, Rules
from .states import STATES

__all__ = ["HomeAssistantLayout", "digits_in"]

_NOT_KNOWN: Final = frozenset({"", "unknown", "unavailable"})

_WORDS: Final = dict.fromkeys(("on", "locked", "above_horizon", "open", "home"), 1.0) | dict.fromkeys(
    ("off", "unlocked", "below_horizon", "closed", "not_home"), 0.0
)
"""States that count as numbers, and stand in the field `state` too."""

_OURS: Final = frozenset({"origin", "repeated"})
"""Fields that every point of ours may have: a number of such an attribute goes to the name with `_` behind it."""

_PAIRS: Final = frozenset({"hs_color", "rgb_color", "rgbw_color", "rgbww_color", "xy_color"})
"""Attributes that are tuples in Home Assistant, which it prints in parentheses; JSON knows lists alone."""

_TWO_DIGITS: Final = re.compile(r"\d\d")
_AROUND_POINT: Final = re.compile(r"\d\.\d")
_NO_DIGITS: Final = re.compile(r"[^\d.]+")
_CACHED: Final = 50_000


class LayoutSettings(NormalizerSettings):
    """The options of the layout, and the list `rules` of homeiq.yaml."""

    options: LayoutOptions = LayoutOptions()
    rules: tuple[Rule, ...] = ()


class HomeAssistantLayout(Normalizer):
    """See the module. Takes the place of the other layout, by whose name and windows the ledger knows it."""

    name: ClassVar[str] = "home_assistant"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    """That of the other layout, whose points are removed; its own depend on the states."""

    by_entity: ClassVar[bool] = True
    of_home: ClassVar[tuple[str, ...]] = ()
    settings_model: ClassVar[type[NormalizerSettings]] = LayoutSettings
    settings: LayoutSettings
    reads = Reads(sources=("home_assistant", "pushed"), event_types=STATES)

    reserved: frozenset[str] = frozenset({"homeiq_target"})
    """Measurements of others, to which nothing must be added: they get `_` behind their name."""

    def __init__(self, options: LayoutOptions | None = None, rules: Sequence[Rule] = ()) -> None:
        super().__init__({"options": options or LayoutOptions(), "rules": tuple(rules)})
        self._options = options = self.settings.options
        self._rules = Rules(self.settings.rules)
        self._tag_attributes = frozenset(options.tags_attributes)
        self._globs = [
            (re.compile(fnmatch.translate(glob)), said) for glob, said in options.component_config_glob.items()
        ]
        self._said: dict[str, tuple[str, frozenset[str]]] = {}
        self._series: dict[tuple[str, str, tuple[tuple[str, str], ...]], Series] = {}
        self._names: dict[str, tuple[str, str] | None] = {}

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of a state; see Normalizer.normalize. A state that is not known gives none."""
        said, _, _ = states_in(record)
        if said is None:
            raise SetAside(Reason.NO_VALUE, "the entity was removed")
        entity_id, text = record.entity_id, said.get("state")
        if entity_id is None or text is None:
            raise SetAside(Reason.INCOMPLETE, "there is no entity_id, or no state")
        state = storable(text if isinstance(text, str) else str(text)) or ""
        if state in _NOT_KNOWN:
            raise SetAside(Reason.NO_VALUE, "the state is not known")
        attributes = said.get("attributes")
        attributes = attributes if isinstance(attributes, dict) else {}
        hidden = (
            is_password(entity_id.partition(".")[0], attributes) or may_hide(record, said) or carries_credential(state)
        )
        fields = {} if hidden else _of_state(state)
        if self._rules:
            attributes = self._ruled(entity_id, state, attributes, fields)
        override, ignored = self._options_of(entity_id)
        measurement, without = self._measurement(entity_id, attributes, override)
        self._add_attributes(fields, attributes, {*without, *ignored, *self._tag_attributes})
        if not fields:
            raise SetAside(Reason.NO_VALUE, "neither the state nor an attribute can be stored")
        own: dict[str, Field] = {"origin": record.origin}
        return [
            Point(self._series_of(entity_id, measurement, attributes), own | fields, record.time * 1000, record.seq)
        ]

    def _ruled(
        self, entity_id: str, state: str, attributes: dict[str, Any], fields: dict[str, Field]
    ) -> dict[str, Any]:
        """Apply the user's rules to the fields of a state; return what they make of its attributes."""
        rules = self._rules.of(entity_id, attributes.get("device_class"))
        if rules is None:
            return attributes
        if rules.drops:
            raise SetAside(Reason.DROPPED)
        unit, number = attributes.get("unit_of_measurement"), fields.pop("value", None)
        made = rules.measured(
            state,
            number if isinstance(number, float) else None,
            unit if isinstance(unit, str) else None,
            metric=False,
        )
        if fields or number is not None:  # else it is hidden
            if made.value is not None and math.isfinite(made.value):
                fields["value"] = made.value
            if made.unit is not None:
                attributes = attributes | {"unit_of_measurement": made.unit}
        return rules.attributes(attributes, None)[0]

    def _options_of(self, entity_id: str) -> tuple[str, frozenset[str]]:
        """Return the measurement and the attributes to ignore that are set for an entity.

        What is said of the entity wins over what a glob says, the last glob over those before it, these over the domain.
        """
        known = self._said.get(entity_id)
        if known is None:
            options = self._options
            levels = [options.component_config_domain.get(entity_id.partition(".")[0])]
            levels += [said for pattern, said in self._globs if pattern.match(entity_id)]
            levels.append(options.component_config.get(entity_id))
            override, ignored = "", list[str]()
            for level in levels:
                if level is not None:
                    override = override if level.override_measurement is None else level.override_measurement
                    ignored = ignored if level.ignore_attributes is None else level.ignore_attributes
            known = override or options.override_measurement, frozenset([*ignored, *options.ignore_attributes])
            if len(self._said) > _CACHED:
                self._said.clear()
            self._said[entity_id] = known
        return known

    def _measurement(self, entity_id: str, attributes: Mapping[str, Any], override: str) -> tuple[str, tuple[str, ...]]:
        """Return the measurement of a state, and which attribute is told by it already."""
        options = self._options
        if override:
            return override, ()
        match options.measurement_attr:
            case "entity_id":
                return entity_id, ()
            case "domain__device_class":
                domain, device_class = entity_id.partition(".")[0], attributes.get("device_class")
                return (domain, ()) if device_class is None else (f"{domain}__{device_class}", ("device_class",))
            case _:
                unit = attributes.get("unit_of_measurement")
                if unit is None or unit == "":
                    return options.default_measurement or entity_id, ()
                return str(unit), ("unit_of_measurement",)

    def _series_of(self, entity_id: str, measurement: str, attributes: Mapping[str, Any]) -> Series:
        more = [(name, _tag(attributes.get(name))) for name in self._options.tags_attributes]
        more += self._options.tags.items()
        tags = tuple((name, value) for name, value in more if name and value)
        key = entity_id, measurement, tags
        series = self._series.get(key)
        if series is None:
            if len(self._series) > _CACHED:
                self._series.clear()
            domain, _, object_id = entity_id.partition(".")
            whole = {"domain": domain, "entity_id": object_id, **dict(tags)}
            series = Series(measurement, whole)
            if series.measurement in self.reserved:
                series = Series(f"{measurement}_", whole)
            self._series[key] = series
        return series

    def _add_attributes(self, fields: dict[str, Field], attributes: Mapping[str, Any], without: set[str]) -> None:
        """Add the fields of attributes: a number by the attribute's name, a text by that and `_str`."""
        for attribute, value in attributes.items():
            names = None if attribute in without else self._names_of(attribute, attribute in fields)
            if names is None:
                continue
            number = _number(value)
            if number is None:
                text = _text_of(tuple(value) if attribute in _PAIRS and isinstance(value, list) else value)
                if text is None:
                    continue
                fields[names[1]] = text
                digits = digits_in(text)
                number = None if digits is None else _number(digits)
            if number is not None and names[0] and math.isfinite(number):
                fields[names[0]] = number

    def _names_of(self, attribute: str, taken: bool) -> tuple[str, str] | None:
        """Return the names of an attribute's fields, of a number ("": none is stored) and of a text; None for credentials.

        Where the name is taken by another field, `_` is added to it.
        """
        name = f"{attribute}_" if taken else attribute
        if name not in self._names:
            if len(self._names) > _CACHED:
                self._names.clear()
            number = clean_name(f"{name}_" if name in _OURS else name)
            names = "" if number == "time" else number, clean_name(f"{name}_str")
            self._names[name] = None if is_credential_name(name) else names
        return self._names[name]


def _of_state(state: str) -> dict[str, Field]:
    """Return the fields of a state: its number, its text, or both."""
    number = _number(state)
    if number is not None:
        return {"value": number} if math.isfinite(number) else {}
    number = _WORDS.get(state)
    return {"state": state} if number is None else {"state": state, "value": number}


def _number(value: Any) -> float | None:
    """Return what Python reads as a number: true is 1, " 5 " and "1_000" are numbers too."""
    try:
        return float(value)
    except (ValueError, TypeError):
        return None
    except OverflowError:
        return math.inf


def _text_of(value: Any) -> str | None:
    """Return what is no number as Python prints it; None for what carries a credential, and for what is too long."""
    try:
        text = str(value)
        if isinstance(value, str):
            if carries_credential(text):
                return None
        elif is_credential_name(text) or carries_credential(text):
            text = str(without_credentials(value))
    except RecursionError:
        return None
    text = storable(text) or ""
    return text if len(text.encode()) <= LARGEST_STRING else None


def _tag(value: Any) -> str:
    """Return a tag's value; an empty text where there is none."""
    return "" if value is None else _text_of(value) or ""


def digits_in(text: str) -> str | None:
    """Return all digits of a text that is taken for a number with words around it ("12.5 °C"); None for others.

    It has two digits side by side and no point, or one point, with a digit on both sides.
    """
    points = text.count(".")
    if points > 1 or not (_AROUND_POINT if points else _TWO_DIGITS).search(text):
        return None
    return _NO_DIGITS.sub("", text)
