"""Subscribing to Home Assistant's events: to all of them, or by type where the token has no administrator rights. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["VISIBLE_WITHOUT_ADMIN", "without_admin"]

VISIBLE_WITHOUT_ADMIN: Final = (
    "state_changed",
    "area_registry_updated",
    "category_registry_updated",
    "device_registry_updated",
    "entity_registry_updated",
    "floor_registry_updated",
    "label_registry_updated",
    "repairs_issue_registry_updated",
    "core_config_updated",
    "component_loaded",
    "service_registered",
    "service_removed",
    "lovelace_updated",
    "panels_updated",
    "themes_updated",
    "shopping_list_updated",
    "recorder_5min_statistics_generated",
    "recorder_hourly_statistics_generated",
)
"""Event types that a token without administrator rights may subscribe to: `homeassistant/auth/permissions/events.py`.

A version that does not know or not offer one refuses it; 2024.3 the registries of categories, floors and labels.
"""


def without_admin(refused: Sequence[str]) -> str:
    """Return what a person should know who uses such a token; `refused` is what this Home Assistant does not offer it."""
    sentence = (
        "the Home Assistant token has no administrator rights: states and changes of the registries, the services and the"
        " configuration are recorded, but no calls of services and no other events such as automation_triggered"
    )
    if refused:
        sentence += f", and not {', '.join(refused)}"
    return f"{sentence}; make the token as an administrator to record them"
