"""How states lie in a target, as settings: the layout, its options, and how often a state is repeated. Pure.

The options are those of Home Assistant's own influxdb integration, by the names that they have in configuration.yaml
(https://www.home-assistant.io/integrations/influxdb/), so that they can be copied from there. docs/layouts.md says more.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_serializer

from .clock import DAY, SECOND

__all__ = ["EntityOptions", "LayoutName", "LayoutOptions", "RepeatEvery"]

LayoutName = Literal["homeiq", "home_assistant"]

_OWN_TAGS: Final = frozenset({"domain", "entity_id", "time"})
_UNITS: Final = {"min": 60 * SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY}
_SHORTEST: Final = 300 * SECOND


def _text(value: Any) -> str:
    """Take a number for a text, as Home Assistant does."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("must be a text")
    return str(value)


def _texts(value: Any) -> list[str]:
    """Take one text for a list of one, as Home Assistant does."""
    values = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
    return [_text(each) for each in values]


def _attributes_as_tags(names: list[str]) -> list[str]:
    for name in names:
        if name in _OWN_TAGS:
            raise ValueError(f"{name} cannot be a tag of another meaning")
    return names


def _tags(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("must hold tags and their values")
    tags = {_text(name): _text(content) for name, content in value.items()}
    _attributes_as_tags(list(tags))
    return tags


def _every(value: Any) -> int | None:
    """Return an interval (1h, 30min, 1d) in microseconds; None where it is off."""
    if value is None or value is False or value in ("", "off"):
        return None
    match = re.fullmatch(r"(\d{1,6}) ?([a-z]+)", value.strip()) if isinstance(value, str) else None
    every = int(match[1]) * _UNITS.get(match[2], 0) if match else 0
    if every < _SHORTEST or DAY % every:
        raise ValueError("must be an interval that divides a day, from 5min to 1d, such as 1h")
    return every


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[str], BeforeValidator(_texts)]

RepeatEvery = Annotated[int | None, BeforeValidator(_every, json_schema_input_type=str | Literal[False] | None)]
"""Microseconds, a part of a day; written as 1h, 30min, 1d."""


class EntityOptions(BaseModel):
    """What is otherwise for some entities; None where nothing is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    override_measurement: Text | None = Field(default=None, description="the measurement of these entities")
    ignore_attributes: Texts | None = Field(default=None, description="their attributes that are not written")


class LayoutOptions(BaseModel):
    """What the integration lets one set of the form of its points; filters are `replay.include` and `replay.exclude`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measurement_attr: Literal["unit_of_measurement", "domain__device_class", "entity_id"] = Field(
        default="unit_of_measurement", description="by what a measurement is named"
    )
    default_measurement: Text = Field(default="", description="the measurement of what has nothing to be named by")
    override_measurement: Text = Field(default="", description="one measurement for everything")
    tags: Annotated[dict[str, str], BeforeValidator(_tags)] = Field(
        default={}, description="tags that each point has besides, and their values"
    )
    tags_attributes: Annotated[list[str], BeforeValidator(_texts), AfterValidator(_attributes_as_tags)] = Field(
        default=[], description="attributes that are tags, not fields"
    )
    ignore_attributes: Texts = Field(default=[], description="attributes that are not written")
    component_config: dict[str, EntityOptions] = Field(default={}, description="what is otherwise for single entities")
    component_config_domain: dict[str, EntityOptions] = Field(
        default={}, description="what is otherwise for whole domains"
    )
    component_config_glob: dict[str, EntityOptions] = Field(
        default={}, description="what is otherwise for entities that match a pattern; a later one wins"
    )

    @field_serializer("component_config_glob")
    def _in_their_order(self, globs: dict[str, EntityOptions]) -> list[tuple[str, EntityOptions]]:
        """A later glob wins, so that their order is a part of what is set."""
        return list(globs.items())
