"""What of a home is wanted: include and exclude, in the syntax and by the rules of Home Assistant's recorder filter. Pure.

    include: {domains: [], entities: [], entity_globs: []}
    exclude: {domains: [], entities: [], entity_globs: [], event_types: []}

What decides about an entity (`homeassistant/helpers/entityfilter.py`):

- nothing given: everything is wanted
- only includes: what one of them names
- only excludes: all but what one of them names
- includes with domains or globs, and excludes, in this order: an entity included by name; none excluded by name; one that
  an included glob matches; not one that an excluded glob matches; one of an included domain. Excluded domains say nothing
- includes of entities alone, and excludes with domains or globs: of what these name only the included entities; of the
  rest all but what is excluded by name
- includes and excludes of entities alone: the included ones

Domains and event types are compared as they are, globs as `fnmatch` does, whole and by case; entities are lower case.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Protocol

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = ["ALWAYS", "Choosable", "Choice", "Exclude", "Include", "always_wanted"]

_ENTITY = re.compile(r"(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)")
_DOMAIN = re.compile(r"(?!.*__)(?!_)[\da-z_]+(?<!_)")
_CACHED = 50_000

ALWAYS: Final = frozenset({"state", "state_changed", "config"})
"""Event types that no list of event types leaves out: states are chosen by their entity, as in Home Assistant."""


def always_wanted(event_type: str) -> bool:
    """Tell whether records of this type are never left out by their type: states, registries, the recorder's own words."""
    return event_type in ALWAYS or event_type.endswith("_registry") or event_type.startswith("homeiq_")


def _texts(value: Any) -> list[str]:
    """Take one text for a list of one, and nothing for an empty list, as Home Assistant does."""
    values = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    for each in values:
        if isinstance(each, bool) or not isinstance(each, str | int) or each == "":
            raise ValueError("must be a list of texts")
    return [str(each) for each in values]


def _domains(value: Any) -> list[str]:
    domains = _texts(value)
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise ValueError(f"{domain!r} is not a domain such as light")
    return domains


def _entities(value: Any) -> list[str]:
    """Take entities as Home Assistant does: also as one text with commas in it, also in upper case."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    entities = [entity.lower() for entity in _texts(value)]
    for entity in entities:
        if not _ENTITY.fullmatch(entity):
            raise ValueError(f"{entity!r} is not an entity such as light.kitchen; a pattern belongs into entity_globs")
    return entities


class Include(BaseModel):
    """What is wanted: each a list, or one text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domains: Annotated[list[str], BeforeValidator(_domains)] = Field(
        default=[], description="all entities of these domains: light, sensor"
    )
    entities: Annotated[list[str], BeforeValidator(_entities)] = Field(
        default=[], description="these entities: light.kitchen"
    )
    entity_globs: Annotated[list[str], BeforeValidator(_texts)] = Field(
        default=[], description="entities that match such a pattern: sensor.*_power"
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        """Take a key with nothing behind it for nothing."""
        return {} if value is None else value


class Exclude(Include):
    """What is not wanted; event types too."""

    event_types: Annotated[list[str], BeforeValidator(_texts)] = Field(
        default=[], description="events of these types: call_service"
    )


class Choosable(Protocol):
    """An event or a record: what a choice looks at."""

    @property
    def event_type(self) -> str:
        """The event type."""

    @property
    def entity_id(self) -> str | None:
        """The one entity that it names, if any."""


class Choice:
    """Which events are wanted."""

    def __init__(self, include: Include | None = None, exclude: Exclude | None = None) -> None:
        include, exclude = include or Include(), exclude or Exclude()
        self._facts = {"include": _sets(include), "exclude": _sets(exclude)}
        self._included, self._excluded = set(include.entities), set(exclude.entities)
        self._included_domains, self._excluded_domains = set(include.domains), set(exclude.domains)
        self._included_glob, self._excluded_glob = _pattern(include.entity_globs), _pattern(exclude.entity_globs)
        self._types = frozenset(name for name in exclude.event_types if not always_wanted(name))
        self.without_effect = sorted(set(exclude.event_types) - self._types)
        self._has_include = bool(include.domains or include.entities or include.entity_globs)
        self._has_exclude = bool(exclude.domains or exclude.entities or exclude.entity_globs)
        self._decided: dict[str, bool] = {}

    @property
    def everything(self) -> bool:
        """Nothing is left out."""
        return not (self._has_include or self._has_exclude or self._types)

    def chosen(self, record: Choosable) -> bool:
        """Tell whether an event or a record is wanted: first by its type, then by its entity if it names one."""
        if record.event_type in self._types:
            return False
        return record.entity_id is None or self.wants_entity(record.entity_id)

    def wants_entity(self, entity_id: str) -> bool:
        """Tell whether an entity is wanted."""
        wanted = self._decided.get(entity_id)
        if wanted is None:
            if len(self._decided) >= _CACHED:
                self._decided.clear()
            wanted = self._decided[entity_id] = self._decide(entity_id)
        return wanted

    def wants_type(self, event_type: str) -> bool:
        """Tell whether an event type is wanted, where its entity is."""
        return event_type not in self._types

    def facts(self) -> dict[str, dict[str, list[str]]]:
        """Return the choice as it could stand in homeiq.yaml: sorted, without doubles and what is empty."""
        return {name: {key: list(values) for key, values in part.items()} for name, part in self._facts.items()}

    def digest(self) -> str:
        """Return what tells one choice from another; an empty text where nothing is left out."""
        if self.everything:
            return ""
        return hashlib.blake2b(orjson.dumps(self._facts), digest_size=8).hexdigest()

    def _decide(self, entity_id: str) -> bool:
        domain = entity_id.partition(".")[0]
        included = entity_id in self._included
        in_domains = domain in self._included_domains
        in_glob = bool(self._included_glob and self._included_glob.match(entity_id))
        excluded = entity_id in self._excluded
        out_of_glob = bool(self._excluded_glob and self._excluded_glob.match(entity_id))
        out_of_domains = domain in self._excluded_domains
        if not self._has_exclude:
            return not self._has_include or included or in_domains or in_glob
        if not self._has_include:
            return not (excluded or out_of_domains or out_of_glob)
        if self._included_domains or self._included_glob:
            return included or (not excluded and (in_glob or (in_domains and not out_of_glob)))
        if self._excluded_domains or self._excluded_glob:
            return included if out_of_domains or out_of_glob else not excluded
        return included


def _sets(part: Include) -> dict[str, list[str]]:
    return {key: sorted(set(values)) for key, values in part.model_dump().items() if values}


def _pattern(globs: Iterable[str]) -> re.Pattern[str] | None:
    patterns = [fnmatch.translate(glob) for glob in sorted(set(globs))]
    return re.compile("|".join(patterns)) if patterns else None
