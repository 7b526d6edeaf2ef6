"""The contract of a normalizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar

from ...storage.record import Record
from ..home import HomeView
from ..point import Point

__all__ = ["Reason", "SetAside", "Normalizer"]


class Reason(StrEnum):
    """Why a record of a state gives no point of its own. There is no other."""

    UNREADABLE = "its text is not JSON, however tolerantly it is read"
    INCOMPLETE = "it lacks the entity or the time that a point needs"
    SUPERSEDED = "another copy of the same point is preferred"


class SetAside(Exception):
    """A record cannot be projected; it stays in the log, and is counted with the reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


class Normalizer(ABC):
    """What the records of one source mean. A pure function: it reads no clock, no chance, no network and no file."""

    name: ClassVar[str]
    """Its name, and the `source` of the records that it reads."""

    version: ClassVar[int]
    """Raised with every change of what it makes of any record."""

    event_types: ClassVar[tuple[str, ...]]
    """The event types that it makes points of."""

    @abstractmethod
    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the points of a record, given the home at the record's time.

        Each point comes whole from this record, and lies at its time (reach 0). Raises SetAside.
        """
