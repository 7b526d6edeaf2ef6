"""What goes wrong or is looked after: devices out of reach, batteries, updates, a reload that takes entities out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .actors import Actors
from .definitions import Device, Entity
from .stage import Stage

__all__ = ["Troubles"]

_DROPOUT_SECONDS: Final = 5.5 * 3600
_RELOAD_SECONDS: Final = 4.5 * 86_400
_UPDATE_SECONDS: Final = 6.0 * 86_400
_STEADY: Final = ("sun", "meter")


class Troubles:
    """Lets a device be away for some minutes several times a day, and somebody look after the home now and then."""

    def __init__(self, stage: Stage, actors: Actors, devices: Sequence[Device], entities: Sequence[Entity]) -> None:
        self._stage = stage
        self._actors = actors
        self._by_device = [
            [entity.entity_id for entity in entities if entity.device == device.key]
            for device in devices
            if device.key not in _STEADY
        ]
        self._versions = 0

    def begin(self) -> None:
        """Put everything on the agenda."""
        self._stage.every(_DROPOUT_SECONDS, self._lose, 1.0)
        self._stage.every(_RELOAD_SECONDS, self._reload, 0.6)
        self._stage.every(_UPDATE_SECONDS, self._offer, 0.5)

    def _lose(self) -> None:
        random = self._stage.random
        entity_ids = random.choice(self._by_device)
        as_unknown = random.random() < 0.4
        self._stage.lose(entity_ids)
        self._stage.after(60 + random.expovariate(1 / 420), lambda: self._stage.find(entity_ids, as_unknown=as_unknown))

    def _reload(self) -> None:
        self._actors.person("ben", "template", "reload", {})

    def _offer(self) -> None:
        """Offer new firmware; somebody installs it a day later, and restarts the router after."""
        stage = self._stage
        key, version = (("router", "8.%02d"), ("heat_pump", "351.06.%02d"))[self._versions % 2]
        self._versions += 1
        entity_id = f"update.{key}"
        stage.change(entity_id, "on", None, latest_version=version % (7 + self._versions), release_summary="Fixes")
        install = {"entity_id": entity_id}
        stage.after(70_000, lambda: self._actors.person("ben", "update", "install", install))
        if key == "router":
            restart = {"entity_id": "button.router_restart"}
            stage.after(70_200, lambda: self._actors.person("ben", "button", "press", restart))
