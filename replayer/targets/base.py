"""The contract of a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar, NamedTuple, Protocol

from ..point import Field, Point

__all__ = ["Ghost", "Stored", "StreamTarget", "Target", "WindowWriter"]


class Stored(NamedTuple):
    """A point as a target holds it: only the tags and fields that it has, its time in nanoseconds UTC.

    A number comes as an int or a float, whatever its type there: a float of 2^53 or more as an int that rounds to it. One
    without the field `origin` is not ours.
    """

    measurement: str
    tags: Mapping[str, str]
    time: int
    fields: Mapping[str, Field]


class Ghost(NamedTuple):
    """Points of one series to be deleted: those with times from `first` to `last`, both included (nanoseconds UTC)."""

    measurement: str
    tags: Mapping[str, str]
    first: int
    last: int


class WindowWriter(Protocol):
    """Takes points of one normalizer."""

    def write(self, points: Sequence[Point]) -> None:
        """Write points; when it returns, the target has said that they are written.

        Raises TargetUnreachable, TargetBusy, TargetRefused, BatchTooLarge: nothing of it counts as written.
        Raises LinesRefused: at least one line is not taken, the others may be written or not.
        """


class Target(ABC):
    """Where points go. Only one process writes to a target: the caller holds its lock.

    Whatever is written may be written again, with the same result: a point replaces the one with the same measurement,
    tags and time.
    """

    batch: ClassVar[int] = 5_000
    """Points that a writer is given at once, at most."""

    live_seconds: ClassVar[float] = 0.0
    """The follower waits so long at least between two live writes."""

    reads: bool = False
    """It can be asked what it holds: `read` works. Known once `connect` has returned."""

    deletes: bool = False
    """Points can be removed: `delete` works. Known once `connect` has returned."""

    deletes_exactly: bool = False
    """A delete leaves alone the series that have all tags of the ghost's, and others besides."""

    keeps_windows: ClassVar[bool] = False
    """Replaces a window as a whole: nothing of what was there before stays, and nothing needs to be deleted."""

    takes_lines: ClassVar[bool] = False
    """Writes points by their lines, and never asks for their fields."""

    one_at_a_time: ClassVar[bool] = False
    """Takes points from one thread only."""

    at_once: int = 1
    """So many batches of a window may be given to it at the same time."""

    retention: int | None = None
    """It keeps points for so long (microseconds), None: for ever. Known once `connect` has returned."""

    cannot: tuple[str, ...] = ()
    """For a person, one sentence for each thing that it can't do and others of its kind can; known as `reads` is."""

    replaces: ClassVar[bool] = True
    """A point that is written live takes the place of one with the same key. Fields that it lacks stay."""

    name: str
    """What it is: its kind and address. The ledger's entries belong to it."""

    title: str
    """What a person calls it, without secrets."""

    @abstractmethod
    def connect(self, position: int) -> None:
        """Find out whether it can be written to; raises TargetUnreachable, TargetRefused.

        What the follower wrote of records behind seq `position`, it will write again.
        """

    def answers(self) -> bool:
        """Tell, within about a second, whether it is worth trying again after nobody answered; never raises."""
        return True

    def batches(self, points: Sequence[Point]) -> Iterator[Sequence[Point]]:
        """Yield points in order, as many as a writer is given at once, in the form that it writes most quickly.

        So what writing needs of this process alone can be done while the target works on others.
        """
        for start in range(0, len(points), self.batch):
            yield points[start : start + self.batch]

    @abstractmethod
    def live(self, normalizer: str) -> WindowWriter:
        """Return a writer for points that a normalizer makes as they come."""

    @abstractmethod
    def window(self, start: int, upto: int, normalizer: str) -> AbstractContextManager[WindowWriter]:
        """Return a writer for all points that a normalizer makes in the window of the records up to seq `upto`.

        The window begins at `start` (microseconds UTC).
        A target that keeps whole windows replaces it when the context ends without an exception, else leaves it as it was.
        """

    def read(self, measurements: Sequence[str], start: int, end: int) -> Iterator[Stored]:
        """Yield the points of these measurements with times in [start, end) (microseconds UTC), in no particular order.

        Those of others too. Raises TargetUnreachable, TargetBusy, TargetRefused, also while it is being iterated.
        """
        raise NotImplementedError(f"{self.title} cannot be read")

    def latest(self, measurement: str) -> Stored | None:
        """Return the point of a measurement with the greatest time, None if there is none; raises as `read` does."""
        raise NotImplementedError(f"{self.title} cannot be read")

    def holds(self, measurements: Sequence[str]) -> bool:
        """Tell whether there is any point of these measurements, ours or not; raises as `read` does."""
        raise NotImplementedError(f"{self.title} cannot be read")

    def delete(self, ghosts: Sequence[Ghost]) -> None:
        """Remove points; when it returns, they are gone. To remove what is not there is no error.

        Raises TargetUnreachable, TargetBusy, TargetRefused: any of them may be gone or not.
        """
        raise NotImplementedError(f"{self.title} cannot delete")

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""


class StreamTarget(Target):
    """A target to which all points go one way, whoever makes them: it is its own writer."""

    @abstractmethod
    def write(self, points: Sequence[Point]) -> None:
        """Write points; see WindowWriter.write."""

    def live(self, normalizer: str) -> WindowWriter:
        """Write points as they come."""
        del normalizer
        return self

    @contextmanager
    def window(self, start: int, upto: int, normalizer: str) -> Iterator[WindowWriter]:
        """Write the window's points as they come."""
        del start, upto, normalizer
        yield self
