"""The contract between the recorder and a source that can be asked later for what was missed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from ..storage.record import Event

__all__ = ["Historian"]


class Historian(ABC):
    """A source that keeps a history of its own, in which what was missed can be looked up afterwards."""

    @abstractmethod
    def settled_at(self) -> float | None:
        """Return the monotonic second since which all is heard; None while not, or while a snapshot is still awaited."""

    @abstractmethod
    async def entities(self) -> set[str]:
        """Return the entities that the source has now, as far as a snapshot has not told them, or keeps figures of.

        Raises SourceUnreachable.
        """

    @abstractmethod
    async def mentioned(self, start: int, end: int) -> set[str]:
        """Return the entities that the source's own logbook names for this time, at most an hour; microseconds UTC.

        Raises SourceUnreachable.
        """

    @abstractmethod
    async def history(self, entity_ids: Sequence[str], start: int, end: int) -> Iterator[Event]:
        """Return the states of these entities with times in [start, end), microseconds UTC, as the history has them.

        The answer is read only as it is iterated over. Raises SourceUnreachable; CommandRefused where it has no history.
        """

    @abstractmethod
    async def reaches(self, entity_ids: Sequence[str], time: int) -> bool:
        """Tell whether the history of any of these entities goes back to `time`. Raises SourceError."""
