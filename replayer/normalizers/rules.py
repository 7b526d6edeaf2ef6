"""Rules of homeiq.yaml: what a user wants otherwise of Home Assistant's states. Pure.

A rule says of what it speaks (`entity`: globs, `domain`, `device_class`, `attribute`: globs; each is one or a list, and all
that are given must hold) and does one of four things:

    drop: true                                     leaves out states, or with `attribute` only these attributes
    rename: NEW                                    gives the attribute another name
    convert: {from: psi, to: bar}                  in place of the metric unit; `from` where none, or a wrong one, is said
    convert: {factor: 0.1, offset: -4, unit: °C}   value · factor + offset
    map: {"on": 1, "off": 0, open: 100}            the number that `value` has in a state

They are applied in the order of the list, each to what those before it made, to the state as it was received: before units
become metric, which then are not touched any more by anything else. No rule makes a field of another type.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ...errors import SettingsError
from ...settings import nearest
from .attributes import is_credential_name
from .unit_attributes import UnitsOfAttributes
from .units import conversion, conversion_of, is_unit

__all__ = ["Convert", "EntityRules", "Measured", "Rule", "Rules", "read_rules"]

_DOMAIN: Final = re.compile(r"[\da-z_]+")
_MEANING: Final = frozenset({"unit_of_measurement", "device_class"})
"""What tells how the rest is to be read: no rule touches it."""

_OWN_FIELDS: Final = frozenset({"friendly_name", "icon"})
_GLOB: Final = re.compile(r"[*?\[]")
_CACHED: Final = 50_000


def _texts(value: Any) -> tuple[str, ...]:
    """Take one text for a list of one."""
    values = value if isinstance(value, list | tuple) else [value]
    for each in values:
        if not isinstance(each, str) or not each:
            raise ValueError("must be a text or a list of texts")
    return tuple(values)


def _domains(value: Any) -> tuple[str, ...]:
    for domain in (domains := _texts(value)):
        if not _DOMAIN.fullmatch(domain):
            raise ValueError(f"{domain!r} is not a domain such as light; a pattern belongs into entity")
    return domains


def _entities(value: Any) -> tuple[str, ...]:
    for entity in (entities := _texts(value)):
        if "." not in entity and not _GLOB.search(entity):
            raise ValueError(f"{entity!r} is not an entity such as light.kitchen, or a pattern such as light.*")
    return entities


def _states(value: Any) -> Any:
    """Take YAML's words for true and false, which it makes of an unquoted on and off, for these."""
    if not isinstance(value, dict):
        return value
    words = {True: "on", False: "off"}
    return {words[key] if isinstance(key, bool) else str(key): number for key, number in value.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must be finite")
    return value


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Number = Annotated[float, BeforeValidator(_finite)]


class Convert(BaseModel):
    """See the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_unit: str | None = Field(default=None, alias="from", description="the unit it really is in")
    to: str | None = Field(default=None, description="the unit it is wanted in")
    factor: Number | None = Field(default=None, description="instead of units: the number is multiplied by this")
    offset: Number | None = Field(default=None, description="and this is added")
    unit: str | None = Field(default=None, description="the unit that it then has")

    @model_validator(mode="after")
    def _one_way(self) -> Convert:
        scaled = self.factor is not None or self.offset is not None
        units = [unit for unit in (self.from_unit, self.to) if unit is not None]
        if scaled == bool(units):
            raise ValueError("takes either from and to, or factor and offset")
        if self.unit is not None and not scaled:
            raise ValueError("unit goes with factor and offset")
        for unit in units:
            if not is_unit(unit):
                raise ValueError(f"{unit!r} is no unit that is known")
        if len(units) == 2 and conversion(*units) is None:
            raise ValueError(f"{units[0]} and {units[1]} do not measure the same")
        return self


class Rule(BaseModel):
    """See the module."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: Annotated[tuple[str, ...], BeforeValidator(_entities)] = Field(
        default=(), description="of which entities it speaks: names, or patterns such as sensor.*_power"
    )
    domain: Annotated[tuple[str, ...], BeforeValidator(_domains)] = Field(default=(), description="of which domains")
    device_class: Texts = Field(default=(), description="of which device classes")
    attribute: Texts = Field(default=(), description="of which attributes; without one it speaks of states")
    drop: bool | None = Field(default=None, description="true: it is left out")
    rename: str | None = Field(default=None, min_length=1, description="the name that an attribute has instead")
    convert: Convert | None = Field(default=None, description="the number in another unit, or scaled")
    map: Annotated[dict[str, Number] | None, BeforeValidator(_states)] = Field(
        default=None, description="states, and the numbers that stand for them"
    )

    @model_validator(mode="after")
    def _one_thing(self) -> Rule:
        done = [name for name in ("drop", "rename", "convert", "map") if getattr(self, name) is not None]
        if len(done) != 1:
            raise ValueError("does one thing: drop, rename, convert or map")
        problem = {"drop": self._of_drop, "rename": self._of_rename, "convert": self._of_convert, "map": self._of_map}
        if said := problem[done[0]]() or self._of_attribute():
            raise ValueError(said)
        return self

    def _of_drop(self) -> str:
        if not self.drop:
            return "drop is true, or is left out"
        chosen = self.entity or self.domain or self.device_class or self.attribute
        return (
            "" if chosen else "drop needs an entity, a domain, a device_class or an attribute: it would drop everything"
        )

    def _of_rename(self) -> str:
        if len(self.attribute) != 1 or _GLOB.search(self.attribute[0]):
            return "rename needs one attribute, without a pattern"
        return "" if self.rename not in _MEANING | _OWN_FIELDS else f"{self.rename} has a field of its own"

    def _of_convert(self) -> str:
        assert self.convert is not None
        units = [unit for unit in (self.convert.from_unit, self.convert.to) if unit is not None]
        return "an attribute says no unit: convert needs both from and to" if self.attribute and len(units) == 1 else ""

    def _of_map(self) -> str:
        return "map is of states: it takes no attribute" if self.attribute else "" if self.map else "map is empty"

    def _of_attribute(self) -> str:
        for name in [*self.attribute, self.rename or ""]:
            if name in _MEANING:
                return f"{name} tells how the rest is read: no rule changes it"
            if name in _OWN_FIELDS and not self.drop:
                return f"{name} can be dropped, and nothing else"
            if is_credential_name(name) and not self.drop:
                return f"{name} may carry a credential, and never reaches a target"
        return ""


class Measured(NamedTuple):
    """What a state's number is, and in which unit."""

    value: float | None
    unit: str | None


class EntityRules:
    """The rules that hold for an entity of a device class, in their order."""

    def __init__(self, rules: Sequence[Rule], device_class: object) -> None:
        self.drops = any(rule.drop and not rule.attribute for rule in rules)
        self._device_class = device_class
        self._of_state = [rule for rule in rules if not rule.attribute]
        self._of_attributes = [(rule, _pattern(rule.attribute)) for rule in rules if rule.attribute]

    def measured(self, state: str, number: float | None, unit: str | None, *, metric: bool = True) -> Measured:
        """Return what becomes of a state: its text, the number that it is (None: it is none), and its unit as received.

        What no rule converts becomes `metric`, or else stays as it was received.
        """
        converted = mapped = False
        for rule in self._of_state:
            if rule.map is not None and state in rule.map:
                number, mapped = rule.map[state], True
            elif rule.convert is not None:
                found = self._converted(rule.convert, number, unit)
                if found is not None:
                    (number, unit), converted = found, True
        made = conversion_of(unit, self._device_class) if metric and not converted else None
        if made is not None:
            unit = made.metric
            number = number if number is None or mapped else made.of(number)
        return Measured(number, unit)

    def _converted(self, by: Convert, number: float | None, unit: str | None) -> Measured | None:
        """Return a converted number and its unit; None where the rule does not fit it, as a unit of another kind."""
        if by.factor is not None or by.offset is not None:
            return Measured(None if number is None else _scaled(by, number), by.unit or unit)
        source = by.from_unit or unit
        if source is None:
            return None
        made = conversion_of(source, self._device_class) if by.to is None else conversion(source, by.to)
        if made is None:
            return Measured(number, source) if by.to is None else None
        return Measured(None if number is None else made.of(number), made.metric)

    def attributes(
        self, attributes: dict[str, Any], units: UnitsOfAttributes | None
    ) -> tuple[dict[str, Any], UnitsOfAttributes | None]:
        """Return what becomes of a state's attributes, and how the numbers among them are still to become metric."""
        if not self._of_attributes:
            return attributes, units
        attributes, units = dict(attributes), dict(units or {})
        for rule, pattern in self._of_attributes:
            for name in [name for name in attributes if pattern.match(name) and name not in _MEANING]:
                if rule.drop:
                    del attributes[name]
                elif rule.rename is not None:
                    if rule.rename == name:
                        continue
                    attributes[rule.rename] = attributes.pop(name)
                    units.pop(rule.rename, None)
                    if name in units:
                        units[rule.rename] = units.pop(name)
                elif rule.convert is not None and name not in _OWN_FIELDS and type(attributes[name]) in (int, float):
                    attributes[name] = self._of_attribute(rule.convert, attributes[name])
                    units.pop(name, None)
        return attributes, units

    def _of_attribute(self, by: Convert, value: float) -> Any:
        try:
            found = self._converted(by, float(value), None)
        except OverflowError:
            return value
        return value if found is None else found.value


class Rules:
    """All rules; which of them hold for an entity is found out once."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [(rule, _pattern(rule.entity)) for rule in rules]
        self._found: dict[tuple[str, str], EntityRules | None] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def of(self, entity_id: str, device_class: object) -> EntityRules | None:
        """Return the rules for an entity; None where no rule speaks of it."""
        known = device_class if type(device_class) is str else ""
        key = entity_id, known
        if key not in self._found:
            if len(self._found) >= _CACHED:
                self._found.clear()
            chosen = [rule for rule, pattern in self._rules if _speaks_of(rule, pattern, entity_id, known)]
            self._found[key] = EntityRules(chosen, known) if chosen else None
        return self._found[key]


def _speaks_of(rule: Rule, entities: re.Pattern[str], entity_id: str, device_class: str) -> bool:
    return (
        (not rule.entity or bool(entities.match(entity_id)))
        and (not rule.domain or entity_id.partition(".")[0] in rule.domain)
        and (not rule.device_class or device_class in rule.device_class)
    )


def _pattern(globs: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(fnmatch.translate(glob) for glob in globs))


def _scaled(by: Convert, number: float) -> float:
    scaled = number * (1.0 if by.factor is None else by.factor) + (by.offset or 0.0)
    return float(f"{scaled:.12g}")


def read_rules(rules: object, place: str = "rules") -> tuple[Rule, ...]:
    """Return rules as they stand in `place`; raises SettingsError, which says of which rule what is wrong."""
    if not isinstance(rules, list | tuple):
        raise SettingsError(
            f"{place} cannot be read", hint="it is a list of rules, each with a - before it", place=place
        )
    found = []
    for number, rule in enumerate(rules, 1):
        try:
            found.append(Rule.model_validate(rule))
        except ValidationError as error:
            raise SettingsError(
                f"rule {number} of {place} cannot be read", hint=_said(error.errors()[0]), place=place
            ) from None
    return tuple(found)


def _said(first: ErrorDetails) -> str:
    """Return where in a rule what is wrong."""
    path = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = Rule if len(path) == 1 else Convert
        known = [field.alias or name for name, field in model.model_fields.items()]
        return f"it takes no {'.'.join(path)}: {nearest(path[-1], known)}"
    reason = first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:] if reason.startswith("Input") else reason
    return f"{'.'.join(path)}: {reason}" if path else reason
