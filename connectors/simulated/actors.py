"""Who does something in the simulated home: an automation because of something, or a person with the app. Pure."""

from __future__ import annotations

from typing import Any

from ...clock import to_iso
from . import services
from .devices import USERS
from .stage import Stage
from .state import Context

__all__ = ["Actors", "Call"]

Call = tuple[str, str, dict[str, Any]]
"""Domain, service and data."""


class Actors:
    """Calls services, so that each change carries the context of its cause."""

    def __init__(self, stage: Stage, users: dict[str, str]) -> None:
        self._stage = stage
        self._users = users

    def automation(self, key: str, cause: Context | None, source: str, *calls: Call) -> None:
        """Run an automation that `cause` set off; all that it does has one context, whose parent is the cause."""
        stage = self._stage
        entity_id = f"automation.{key}"
        automation = stage.states.get(entity_id)
        if automation is None or automation.state != "on":
            return
        context = stage.context(cause)
        name = automation.attributes.get("friendly_name")
        stage.fire("automation_triggered", {"name": name, "entity_id": entity_id, "source": source}, context)
        stage.change(entity_id, None, context, last_triggered=to_iso(stage.last))
        for domain, service, data in calls:
            services.call(stage, domain, service, data, context)

    def person(self, key: str, domain: str, service: str, data: dict[str, Any]) -> None:
        """Let a person call a service; who has no account uses that of somebody else."""
        user_id = self._users.get(key) or self._users[USERS[0]]
        services.call(self._stage, domain, service, data, self._stage.context(user_id=user_id))
