"""What Home Assistant is asked for besides its events, and how the answers become records. Pure.

One record speaks of one time: a list of states is split into one record each; a registry or the configuration is one
record. All are recorded only where they say something new, which is the recorder's to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...clock import from_iso
from ...storage.record import Event, Origin
from ...verbatim import elements, storable

__all__ = ["COMMANDS", "REFETCHED_ON", "VISIBLE_WITHOUT_ADMIN", "state_events", "registry_event"]

COMMANDS: Final = {
    "config/area_registry/list": "area_registry",
    "config/floor_registry/list": "floor_registry",
    "config/label_registry/list": "label_registry",
    "config/device_registry/list": "device_registry",
    "config/entity_registry/list": "entity_registry",
    "get_states": "state",
    "get_config": "config",
}
"""The snapshot's commands, in the order in which they are sent, and the event types of what they bring.

The configuration comes last: once it is there again, the rest is.
"""

REFETCHED_ON: Final = {
    "area_registry_updated": "config/area_registry/list",
    "floor_registry_updated": "config/floor_registry/list",
    "label_registry_updated": "config/label_registry/list",
    "device_registry_updated": "config/device_registry/list",
    "entity_registry_updated": "config/entity_registry/list",
    "core_config_updated": "get_config",
}
"""Events that say that a registry has changed: it is fetched anew, and its record has the event's time."""

VISIBLE_WITHOUT_ADMIN: Final = (
    "state_changed",
    "area_registry_updated",
    "device_registry_updated",
    "entity_registry_updated",
    "core_config_updated",
    "component_loaded",
    "service_registered",
    "service_removed",
)
"""Event types that a token without administrator rights may subscribe to, as far as they are of use here."""


def state_events(raw: str, now: int, origin: Origin) -> Iterator[Event]:
    """Yield one event for each state of a get_states result, whose text is `raw`."""
    as_snapshot: Origin = "simulated" if origin == "simulated" else "snapshot"
    for text, state in elements(raw):
        try:
            time = from_iso(state["last_updated"])
            entity_id, value = storable(state["entity_id"]), storable(state["state"])
        except (KeyError, TypeError, ValueError):
            yield Event(now, now, "home_assistant", as_snapshot, "unparsed", None, None, text)
            continue
        yield Event(time, now, "home_assistant", as_snapshot, "state", entity_id, value, text)


def registry_event(command: str, raw: str, time: int, now: int, origin: Origin) -> Event:
    """Return the record of a registry or of the configuration."""
    as_snapshot: Origin = "simulated" if origin == "simulated" else "snapshot"
    return Event(time, now, "home_assistant", as_snapshot, COMMANDS[command], None, None, raw)
