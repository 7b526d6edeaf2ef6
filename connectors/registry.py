"""Which connectors there are: one is imported only when its section of homeiq.yaml is there.

A connector is the class that a module of this package names in its constant CONNECTOR, the module being named as the
connector is, or that an entry point of the group `homeiq.connectors` names behind its colon.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import SettingsError
from .base import Around, Connector, Poller

__all__ = ["GROUP", "connector_class", "connector_names", "create"]

GROUP = "homeiq.connectors"

ConnectorClass = type[Poller[Any]] | type[Connector]


def connector_class(name: str) -> ConnectorClass | None:
    """Return the connector of this name, None if there is none. Raises SettingsError for a plug-in that is broken."""
    if name.isidentifier() and importlib.util.find_spec(f"{__package__}.{name}") is not None:
        found: ConnectorClass | None = getattr(import_module(f"{__package__}.{name}"), "CONNECTOR", None)
        if found is not None:
            return found
    for entry in entry_points(group=GROUP, name=name):
        return _plugged(entry)
    return None


def connector_names() -> list[str]:
    """Return the names of all connectors. It imports those of this package: for messages and tests."""
    own = [module.name for module in pkgutil.iter_modules(import_module(__package__).__path__) if not module.ispkg]
    named = [name for name in own if hasattr(import_module(f"{__package__}.{name}"), "CONNECTOR")]
    return sorted({*named, *(entry.name for entry in entry_points(group=GROUP))})


def create(name: str, section: Mapping[str, Any], around: Around) -> Poller[Any] | Connector | None:
    """Return a new connector with these settings; None where there is none, or nobody is to be asked.

    Raises SettingsError for a plug-in that is broken, and pydantic's ValidationError for a value that can't be read.
    """
    kind = connector_class(name)
    if kind is None:
        return None
    settings = kind.settings_model.model_validate(dict(section))
    try:
        made: Poller[Any] | Connector = kind(settings, around)  # type: ignore[call-arg]
    except Exception as error:
        raise _broken(name, error) from error
    if isinstance(made, Poller) and made.settings.provider in made.not_polled:
        return None
    return made


def _plugged(entry: EntryPoint) -> ConnectorClass:
    """Return the class of a plug-in."""
    try:
        plugged = entry.load()
        if not isinstance(plugged, type) or not issubclass(plugged, Poller | Connector) or plugged.name != entry.name:
            raise TypeError(f"{entry.value} is no connector of that name")
    except Exception as error:
        raise _broken(entry.name, error) from error
    return plugged


def _broken(name: str, error: Exception) -> SettingsError:
    return SettingsError(f"the connector {name} of a plug-in cannot be used ({error})", hint="mend or uninstall it")
