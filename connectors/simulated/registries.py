"""The registries and the configuration of the simulated home, in the shape in which Home Assistant 2026 answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...clock import SECOND
from .definitions import Device, Entity, identity
from .rooms import AREAS, FLOORS, LABELS

__all__ = [
    "VERSION",
    "area_registry",
    "configuration",
    "device_registry",
    "entity_registry",
    "floor_registry",
    "label_registry",
]

VERSION = "2026.11.0"

Rows = list[dict[str, Any]]

_TEMPERATURE_ROOMS = ("living_room", "kitchen", "bedroom", "childrens_room", "bathroom", "office", "hallway")


def floor_registry(created: int) -> Rows:
    """Return what config/floor_registry/list answers."""
    stamps = _stamps(created)
    return [
        {"aliases": [], **stamps, "floor_id": floor.key, "icon": floor.icon, "level": floor.level, "name": floor.name}
        for floor in FLOORS
    ]


def label_registry(created: int) -> Rows:
    """Return what config/label_registry/list answers."""
    return [
        {
            "color": label.color,
            **_stamps(created),
            "description": label.description,
            "icon": label.icon,
            "label_id": label.key,
            "name": label.name,
        }
        for label in LABELS
    ]


def area_registry(created: int) -> Rows:
    """Return what config/area_registry/list answers."""
    return [
        {
            "aliases": [],
            "area_id": area.key,
            "floor_id": area.floor,
            "humidity_entity_id": f"sensor.{area.key}_humidity" if area.key in _TEMPERATURE_ROOMS else None,
            "icon": area.icon,
            "labels": [],
            "name": area.name,
            "picture": None,
            "temperature_entity_id": f"sensor.{area.key}_temperature" if area.key in _TEMPERATURE_ROOMS else None,
            **_stamps(created),
        }
        for area in AREAS
    ]


def device_registry(seed: int, devices: Iterable[Device], created: int) -> Rows:
    """Return what config/device_registry/list answers."""
    return [_device(seed, device, created) for device in devices]


def entity_registry(seed: int, entities: Iterable[Entity], created: int) -> Rows:
    """Return what config/entity_registry/list answers: entities without a platform have no unique id, and are not in it."""
    return [_entity(seed, entity, created) for entity in entities if entity.platform is not None]


def configuration(time_zone: str, place: tuple[float, float], components: Iterable[str]) -> dict[str, Any]:
    """Return what get_config answers; `homeiq_simulated` says that none of this is real."""
    return {
        "allowlist_external_dirs": ["/config/www", "/media"],
        "allowlist_external_urls": [],
        "components": sorted(components),
        "config_dir": "/config",
        "config_source": "storage",
        "country": "DE",
        "currency": "EUR",
        "debug": False,
        "elevation": 34,
        "external_url": None,
        "internal_url": None,
        "language": "en",
        "latitude": place[0],
        "location_name": "Simulated Home",
        "longitude": place[1],
        "radius": 100,
        "recovery_mode": False,
        "safe_mode": False,
        "state": "RUNNING",
        "time_zone": time_zone,
        "unit_system": {
            "length": "km",
            "accumulated_precipitation": "mm",
            "area": "m²",
            "mass": "g",
            "pressure": "Pa",
            "temperature": "°C",
            "volume": "L",
            "wind_speed": "m/s",
        },
        "version": VERSION,
        "whitelist_external_dirs": ["/config/www", "/media"],
        "homeiq_simulated": True,
    }


def _stamps(created: int) -> dict[str, float]:
    return {"created_at": created / SECOND, "modified_at": created / SECOND}


def _device(seed: int, device: Device, created: int) -> dict[str, Any]:
    entry = identity(seed, "entry", device.platform)
    return {
        "area_id": device.area,
        "configuration_url": None,
        "config_entries": [entry],
        "config_entries_subentries": {entry: [None]},
        "connections": [],
        "created_at": created / SECOND,
        "disabled_by": None,
        "entry_type": "service" if device.service else None,
        "hw_version": None,
        "id": identity(seed, "device", device.key),
        "identifiers": [[device.platform, device.key]],
        "labels": [],
        "manufacturer": device.manufacturer,
        "model": device.model,
        "model_id": None,
        "modified_at": created / SECOND,
        "name_by_user": None,
        "name": device.name,
        "primary_config_entry": entry,
        "serial_number": None,
        "sw_version": device.sw_version,
        "via_device_id": identity(seed, "device", device.via) if device.via else None,
    }


def _entity(seed: int, entity: Entity, created: int) -> dict[str, Any]:
    platform = entity.platform or ""
    return {
        "area_id": entity.area,
        "categories": {},
        "config_entry_id": identity(seed, "entry", platform) if entity.device else None,
        "config_subentry_id": None,
        "created_at": created / SECOND,
        "device_id": identity(seed, "device", entity.device) if entity.device else None,
        "disabled_by": None,
        "entity_category": entity.category,
        "entity_id": entity.entity_id,
        "has_entity_name": entity.device is not None,
        "hidden_by": None,
        "icon": None,
        "id": identity(seed, "entity", entity.entity_id),
        "labels": list(entity.labels),
        "modified_at": created / SECOND,
        "name": None,
        "options": {"conversation": {"should_expose": entity.category is None}},
        "original_name": entity.attributes.get("friendly_name"),
        "platform": platform,
        "translation_key": None,
        "unique_id": identity(seed, "unique", entity.entity_id)[:16],
    }
