"""The contract between a source of events and the recorder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Protocol

from ..storage.record import Event

__all__ = ["Connector", "Historian", "Listener"]


class Listener(Protocol):
    """Where a connector hands in what it hears. No method blocks, none raises."""

    def take(self, event: Event) -> None:
        """Take an event for recording. It is durable a group interval later at the latest."""

    def connected(self, **facts: object) -> None:
        """From now on everything is heard; `facts` go into the record."""

    def introduce(self, description: str) -> None:
        """Say in a few words who it is that is heard: what a person reads behind "connected to"."""

    def warn(self, sentence: str) -> None:
        """Something that a person should know; said once, however often it is found."""


class Connector(ABC):
    """A stream of raw events from one kind of source. It brings them in; what they mean is not its business."""

    name: str
    """The `source` of its records."""

    title: str
    """What a person calls the source."""

    @abstractmethod
    async def listen(self, listener: Listener) -> None:
        """Connect, and hand in what is heard until the connection ends.

        Never returns: it ends by a SourceError, which says whether it is worth trying again soon (kind retry) or
        whether a person must do something first (operator), or by cancellation. May be called again and again.
        Between two awaits it must not block for longer than a frame takes to parse.
        """

    def silent_seconds(self) -> float:
        """Return for how long nothing was heard on the present, or the last, connection although it had to be.

        A source that closed the connection in order was heard until then: 0. Where it just fell silent, a gap began
        when it was heard last, not when that was noticed.
        """
        return 0.0


class Historian(ABC):
    """A source that keeps a history of its own, in which what was missed can be looked up afterwards."""

    @abstractmethod
    def settled_at(self) -> float | None:
        """Return the monotonic second since which all is heard; None while not, or while a snapshot is still awaited."""

    @abstractmethod
    async def entities(self, start: int, end: int) -> set[str]:
        """Return the entities that the source has now, and all that it names for this time, in microseconds UTC.

        That is little work only for up to an hour. Raises SourceUnreachable.
        """

    @abstractmethod
    async def history(self, entity_ids: Sequence[str], start: int, end: int) -> Iterator[Event]:
        """Return the states of these entities with times in [start, end), microseconds UTC, as the history has them.

        The answer is read only as it is iterated over. Raises SourceUnreachable; CommandRefused where it has no history.
        """

    @abstractmethod
    async def reaches(self, entity_ids: Sequence[str], time: int) -> bool:
        """Tell whether the history of any of these entities goes back to `time`. Raises SourceError."""
