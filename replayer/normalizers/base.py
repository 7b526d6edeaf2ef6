"""The contract of a normalizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from ...storage.record import Record
from ..home import HomeView
from ..point import Point

__all__ = ["Reason", "SetAside", "Reads", "NormalizerSettings", "Normalizer"]


class Reason(StrEnum):
    """Why a record gives no point of its own. There is no other."""

    UNREADABLE = "its text is not JSON, however tolerantly it is read"
    INCOMPLETE = "it lacks the entity or the time that a point needs"
    SUPERSEDED = "another copy of the same point is preferred"
    ERROR_ANSWER = "the service answered with an error"
    UNKNOWN_FORM = "what the service answered is not in a form that is known"
    OUT_OF_REACH = "a point lies further from its record than the normalizer declares"


class SetAside(Exception):
    """A record cannot be projected; it stays in the log, and is counted with the reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reads:
    """Which records a normalizer reads: of these event types, and of these sources; no source named is any source.

    Where entities or domains are named, only the records of one of them.
    """

    sources: tuple[str, ...]
    event_types: tuple[str, ...]
    entities: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()

    def wants(self, record: Record) -> bool:
        """Tell whether a record is one of them."""
        if record.event_type not in self.event_types or (self.sources and record.source not in self.sources):
            return False
        if not self.entities and not self.domains:
            return True
        entity = record.entity_id
        return entity is not None and (entity in self.entities or entity.partition(".")[0] in self.domains)


class NormalizerSettings(BaseModel):
    """What a normalizer takes from the section of homeiq.yaml that has its name; the rest is the connector's."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Normalizer(ABC):
    """What the records of one kind mean. A pure function: it reads no clock, no chance, no network and no file."""

    name: ClassVar[str]
    """Its name: that of its module, of its connector, and of its section in homeiq.yaml."""

    version: ClassVar[int]
    """Raised with every change of what it makes of any record."""

    measurements: ClassVar[tuple[str, ...]]
    """What it writes to, and no other normalizer does."""

    ahead: ClassVar[int] = 0
    """How far after its record's time a point may lie (microseconds): a forecast."""

    back: ClassVar[int] = 0
    """How far before its record's time a point may lie (microseconds)."""

    revised: ClassVar[bool] = False
    """Of two records that give the same point the later one is right, whatever their origin: forecasts, revised values."""

    settings_model: ClassVar[type[NormalizerSettings]] = NormalizerSettings

    reads: Reads
    """Which records it reads; may depend on its settings."""

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        """`section` is its section of homeiq.yaml; raises pydantic's ValidationError for a value that can't be read."""
        self.settings = self.settings_model.model_validate(dict(section or {}))

    @abstractmethod
    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the points of a record, given the home at the record's time.

        Each point comes whole from this record. Raises SetAside.
        """
