"""What Home Assistant is asked for besides its events, and how the answers become records. Pure.

One record speaks of one time: a list of states is split into one record each; a registry or the configuration is one
record. All are recorded only where they say something new, which is the recorder's to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...clock import from_iso
from ...storage.record import Event, Origin
from ...verbatim import elements, storable

__all__ = ["COMMANDS", "REFETCHED_ON", "is_as_expected", "state_events", "registry_event"]

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


def is_as_expected(command: str, content: Any) -> bool:
    """Tell whether the answer to a command has the form it always had: the configuration an object, all else a list."""
    return isinstance(content, dict if command == "get_config" else list)


def state_events(raw: str, now: int, origin: Origin) -> Iterator[Event]:
    """Yield one event for each state of a get_states result, whose text is `raw`: a list.

    What is not a state is kept as `unparsed`, and so is the whole where it cannot be split, nested too deeply as it is.
    """
    as_snapshot = _as_snapshot(origin)
    try:
        for text, state in elements(raw):
            yield _state_event(text, state, now, as_snapshot)
    except ValueError:
        yield Event(now, now, "home_assistant", as_snapshot, "unparsed", None, None, raw)


def _state_event(text: str, state: Any, now: int, origin: Origin) -> Event:
    try:
        time, entity_id, value = from_iso(state["last_updated"]), storable(state["entity_id"]), storable(state["state"])
    except (KeyError, TypeError, ValueError, OverflowError):
        entity_id = None
    if entity_id is None:
        return Event(now, now, "home_assistant", origin, "unparsed", None, None, text)
    return Event(time, now, "home_assistant", origin, "state", entity_id, value, text)


def registry_event(command: str, raw: str, time: int, now: int, origin: Origin) -> Event:
    """Return the record of a registry or of the configuration."""
    return Event(time, now, "home_assistant", _as_snapshot(origin), COMMANDS[command], None, None, raw)


def _as_snapshot(origin: Origin) -> Origin:
    return "simulated" if origin == "simulated" else "snapshot"
