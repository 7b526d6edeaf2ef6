"""What a home consists of: the shapes of the tables in `rooms` and `devices`, and the ids that follow from names. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from .state import Attributes

__all__ = ["Area", "Device", "Entity", "Floor", "Label", "identity", "measurement"]


@dataclass(frozen=True, slots=True)
class Floor:
    """A floor; `key` is its floor_id."""

    key: str
    name: str
    level: int
    icon: str


@dataclass(frozen=True, slots=True)
class Label:
    """A label; `key` is its label_id."""

    key: str
    name: str
    color: str
    icon: str
    description: str


@dataclass(frozen=True, slots=True)
class Area:
    """A room or another part of the home; `key` is its area_id."""

    key: str
    name: str
    floor: str | None
    icon: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device; its id follows from `key`."""

    key: str
    name: str
    platform: str
    manufacturer: str | None = None
    model: str | None = None
    area: str | None = None
    sw_version: str | None = None
    via: str | None = None
    service: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity with the state in which the home begins. One without `platform` is in no registry."""

    entity_id: str
    state: str
    attributes: Attributes = field(default_factory=dict)
    platform: str | None = None
    device: str | None = None
    area: str | None = None
    category: str | None = None
    labels: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The part before the dot."""
        return self.entity_id.partition(".")[0]


def identity(seed: int, *parts: str) -> str:
    """Return 32 hex digits, such as Home Assistant's registries use; the same for the same words."""
    return blake2b(":".join((str(seed), *parts)).encode(), digest_size=16).hexdigest()


def measurement(name: str, unit: str | None, device_class: str | None, state_class: str = "measurement") -> Attributes:
    """Return the attributes of a sensor."""
    attributes: Attributes = {"state_class": state_class}
    if unit is not None:
        attributes["unit_of_measurement"] = unit
    if device_class is not None:
        attributes["device_class"] = device_class
    attributes["friendly_name"] = name
    return attributes
