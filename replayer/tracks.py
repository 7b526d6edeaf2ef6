"""What the follower remembers of one normalizer: its windows, and what it has written of what came live.

A track takes the records that have come and says which points to write at once, and which windows are stale. Written at
once are records of origin live, manual and simulated only; there are three kinds, by what a normalizer reads:

    EntityTrack    millions of records: what is older than a window's frontier (the greatest time written) by 5 s is late.
                   After a start, and after a window was replayed, nothing is remembered of what was written, so then only
                   what is newer than all its records before is written at once
    ReachTrack     few records, whose points may lie elsewhere: what a window holds is computed from the log when it is
                   first touched, and then kept
    SummaryTrack   readings in the order of time: the fold goes on; what comes out of order is late

Each window has its own frontier, so that one event from the future makes no other late.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..clock import DAY, SECOND, window_of
from ..storage.record import Record
from ..storage.view import LogView
from .frozen import is_frozen
from .home import Home
from .normalizers.base import Fold, Normalizer, Reading, Summarizer
from .normalizers.registry import fingerprint
from .point import Point
from .projection import Rank, add_best, candidates_in, folded, normalized, rank_in, readings_in, readings_of
from .windows import Counts, is_reached, latest_in

__all__ = ["LACKING", "Surroundings", "Taken", "Track", "EntityTrack", "ReachTrack", "SummaryTrack", "track_of"]

_AT_ONCE = frozenset({"live", "manual", "simulated"})
_LATE = 5 * SECOND
_WINDOWS_KEPT = 32
_UNSURE = "an earlier run may have begun to write it"
LACKING = "records from before its normalizer has changed reach it"


@dataclass
class Surroundings:
    """What all tracks of a follower share: the home, the log up to a seq, and whether a point can be written over.

    What they take begins behind the record `began`.
    """

    home: Home
    view_with: Callable[[int], LogView]
    replaces: bool
    began: int = 0
    counts: Counts = field(default_factory=Counts)


@dataclass
class Taken:
    """What a track makes of records: points to be written at once, and windows that are stale, with the reason."""

    points: list[Point] = field(default_factory=list)
    stale: dict[int, str] = field(default_factory=dict)


class Track(ABC):
    """See the module. `states` is what the ledger says, by window: state, log end (stale: its last record so far).

    `of_another` are windows of which the ledger does not know yet that this one, too, writes into them.
    """

    def __init__(self, normalizer: Normalizer, surroundings: Surroundings) -> None:
        self.normalizer = normalizer
        self.name = normalizer.name
        self.fingerprint = fingerprint(normalizer)
        self.states: dict[int, tuple[str, int]] = {}
        self.of_another: set[int] = set()
        self._complete: set[int] = set()  # windows that were not known, and that nothing from before reaches
        self._around = surroundings
        self._first = True

    @abstractmethod
    def take(self, records: Sequence[Record], position: int, taken: Taken) -> None:
        """Take records, in order of seq, that this normalizer reads; all up to `position` were taken before.

        What `taken` says to be stale is stale already.
        """

    def touches(self, record: Record, window: int) -> bool:
        """Tell whether a record that this normalizer reads may have to do with a window."""
        return window - self.normalizer.ahead <= record.time < window + DAY + self.normalizer.back

    def reaches(self, window: int, time: int, position: int) -> bool:
        """Tell whether a point of a record with this time, or a later one, may have been written into a window."""
        del time, position
        return window in self.states

    def set_stale(self, window: int, position: int) -> None:
        """Remember that a window must be replayed, with all records up to `position`."""
        self.states[window] = ("stale", position)
        self._forget(window)

    def replayed(self, window: int, log_end: int) -> None:
        """Remember that a window was replayed, with all records up to `log_end`."""
        self.states[window] = ("done", log_end)
        self.of_another.discard(window)
        self._forget(window)

    @abstractmethod
    def _forget(self, window: int) -> None:
        """Forget what was written into a window."""

    def settled(self) -> None:
        """Everything taken is accounted for: forget what no later record can meet.

        Until this is so for the first time, a run that ended before may have written of these records: a point that has
        been superseded since could have left fields behind.
        """
        self._first = False

    def _lacks(self, window: int) -> bool:
        """Tell whether a window that was never written is reached by records from before this follower began.

        One that made nothing there has followed the log then: another version, or one that was told to leave out more.
        """
        if window in self.states or window in self._complete or not self._around.began:
            return False
        view, normalizer = self._around.view_with(self._around.began), self.normalizer
        if is_reached(view, normalizer, window, self._around.began) and not is_frozen(view, normalizer, window):
            return True
        self._complete.add(window)
        return False

    def _waits(self, window: int, record: Record) -> bool:
        """Tell whether a window is stale, and so gets this record by its replay."""
        state, _ = self.states.get(window, ("", 0))
        if state == "stale":
            self.states[window] = (state, record.seq)
        return state == "stale"


def _late(record: Record) -> str:
    return "a record came late" if record.origin in _AT_ONCE else f"a {record.origin} record came"


class EntityTrack(Track):
    """Of a normalizer that reads an entity at a time."""

    def __init__(self, normalizer: Normalizer, surroundings: Surroundings) -> None:
        super().__init__(normalizer, surroundings)
        self._recent: dict[tuple[str, int], Rank] = {}  # of the points written, those not below their window's floor
        self._floors: dict[int, int] = {}  # by window: what is older is late

    def take(self, records: Sequence[Record], position: int, taken: Taken) -> None:
        counts = self._around.counts
        at_once: list[Record] = []
        eager: list[Record] = []
        for record in records:
            window = window_of(record.time)
            if self._waits(window, record):
                if self._around.replaces and record.origin in _AT_ONCE:
                    eager.append(record)
                else:
                    counts.events += 1
            elif window in taken.stale or record.seq <= self.states.get(window, ("", 0))[1]:
                counts.events += 1
            elif record.origin in _AT_ONCE and self._lacks(window):
                counts.events += 1
                taken.stale[window] = LACKING
            elif record.origin in _AT_ONCE and record.time >= self._floor(window, position):
                at_once.append(record)
            else:
                counts.events += 1
                taken.stale[window] = _late(record)
        best: dict[tuple[str, int], tuple[Rank, Point]] = {}
        for point, record in normalized(at_once, self.normalizer, self._around.home, counts):
            rank = rank_in(self.normalizer, record)
            written = self._recent.get(point.key)
            other = best.get(point.key)
            if written is not None and rank > written:
                taken.stale[window_of(record.time)] = "a better copy of a point came"
            elif written is None and (other is None or rank > other[0]):
                best[point.key] = rank, point
                if other is not None and self._first:
                    taken.stale[window_of(record.time)] = _UNSURE
        taken.points += [point for _, point in best.values() if window_of(point.time // 1000) not in taken.stale]
        for key, (rank, point) in best.items():
            self._recent[key] = rank
            time = point.time // 1000
            self._floors[window_of(time)] = max(self._floors[window_of(time)], time - _LATE)
        taken.points += self._seen_early(eager)

    def _seen_early(self, records: Sequence[Record]) -> list[Point]:
        """Return the points of records whose window is stale: a replay will see to what they should be."""
        best: dict[tuple[str, int], tuple[Rank, Point]] = {}
        for point, record in normalized(records, self.normalizer, self._around.home, self._around.counts):
            rank = rank_in(self.normalizer, record)
            if point.key not in best or rank > best[point.key][0]:
                best[point.key] = rank, point
        return [point for _, point in best.values()]

    def reaches(self, window: int, time: int, position: int) -> bool:
        """Tell by the frontier of what was written."""
        if window not in self.states or self.states[window][0] == "stale":
            return window in self.states
        return self._floor(window, position) + _LATE >= time

    def _forget(self, window: int) -> None:
        self._floors.pop(window, None)

    def settled(self) -> None:
        """Remember of the written points only those that a late copy may still meet."""
        super().settled()
        if len(self._recent) > 1_000:
            self._recent = {
                key: rank
                for key, rank in self._recent.items()
                if (time := key[1] // 1000) >= self._floors.get(window_of(time), time + 1)
            }

    def _floor(self, window: int, position: int) -> int:
        """Return from which time on records of a window are written at once: what was written since is in `_recent`."""
        floor = self._floors.get(window)
        if floor is None:
            floor = window
            if window in self.states:
                state, log_end = self.states[window]
                view = self._around.view_with(log_end if state == "done" else max(position, log_end))
                latest = latest_in(view, self.normalizer, window)
                floor = window if latest is None else latest + 1
            self._floors[window] = floor
        return floor


class ReachTrack(Track):
    """Of a normalizer whose records are few, and whose points may lie elsewhere than its records."""

    def __init__(self, normalizer: Normalizer, surroundings: Surroundings) -> None:
        super().__init__(normalizer, surroundings)
        self._held: dict[int, dict[tuple[str, int], tuple[Rank, Point]]] = {}

    def take(self, records: Sequence[Record], position: int, taken: Taken) -> None:
        new: dict[tuple[str, int], Point] = {}
        there: dict[tuple[str, int], Point | None] = {}  # what the target holds
        for record in records:
            rank = rank_in(self.normalizer, record)
            for point, _ in normalized([record], self.normalizer, self._around.home, self._around.counts):
                key, window = point.key, window_of(point.time // 1000)
                if self._waits(window, record) or window in taken.stale:
                    continue
                if record.origin not in _AT_ONCE:
                    taken.stale[window] = _late(record)
                    continue
                touched = window in self.states or window in self._held
                held = self._window(window, position)
                if held and not touched and not self._is_frozen(window, position):
                    taken.stale[window] = LACKING
                    continue
                before = held.get(key)
                if before is not None and rank <= before[0]:
                    continue
                held[key] = rank, point
                written = there.setdefault(key, before[1] if before else None)
                if key in new and self._first:
                    taken.stale[window] = _UNSURE
                if written is not None and written.fields == point.fields:
                    new.pop(key, None)
                elif written is None or (self._around.replaces and self._covers(point, written)):
                    new[key] = point
                else:
                    taken.stale[window] = "a better copy of a point came"
        taken.points += [point for point in new.values() if window_of(point.time // 1000) not in taken.stale]

    def _is_frozen(self, window: int, position: int) -> bool:
        return is_frozen(self._around.view_with(position), self.normalizer, window)

    @staticmethod
    def _covers(point: Point, before: Point) -> bool:
        """Tell whether nothing of a point stays behind when another is written over it."""
        return point.fields.keys() >= before.fields.keys()

    def _window(self, window: int, position: int) -> dict[tuple[str, int], tuple[Rank, Point]]:
        """Return what was written into a window so far."""
        held = self._held.get(window)
        if held is None:
            while len(self._held) >= _WINDOWS_KEPT:
                self._held.pop(next(iter(self._held)))
            upto = max(position, self.states.get(window, ("", 0))[1])
            view, around = self._around.view_with(upto), self._around
            best = candidates_in(view, self.normalizer, around.home, window, window + DAY, Counts(), upto)
            held = {key: (rank_in(self.normalizer, record), point) for key, (point, record) in best.items()}
            self._held[window] = held
        return held

    def _forget(self, window: int) -> None:
        self._held.pop(window, None)


class SummaryTrack(Track):
    """Of a summarizer: its fold goes on from moment to moment."""

    normalizer: Summarizer

    def __init__(self, normalizer: Summarizer, surroundings: Surroundings) -> None:
        super().__init__(normalizer, surroundings)
        self._fold: Fold | None = None
        self._last = 0

    def take(self, records: Sequence[Record], position: int, taken: Taken) -> None:
        around = self._around
        best: dict[tuple[int, str], tuple[Rank, Reading]] = {}
        late = False
        for record in records:
            readings = readings_of(record, self.normalizer, around.home, around.counts)
            if readings and record.origin in _AT_ONCE and record.time > self._reached(record.time, position):
                add_best(best, record, readings)
                self._waits(window_of(record.time), record)
            elif readings:
                late = True
                self._is_late(record, taken)
        readings = [best[key][1] for key in sorted(best)]
        if late:
            self._fold = None
            for reading in readings:
                window = window_of(reading.time)
                if self.states.get(window, ("", 0))[0] != "stale":
                    taken.stale.setdefault(window, "a record came late")
        elif readings and self._fold is not None:
            self._last = readings[-1].time
            for point in folded(self._fold, readings, around.home):
                window = window_of(point.time // 1000)
                state, log_end = self.states.get(window, ("", 0))
                if state == "live" and self._first:
                    taken.stale.setdefault(window, _UNSURE)
                elif self._lacks(window):
                    taken.stale.setdefault(window, LACKING)
                elif state != "stale" and window not in taken.stale and point.seq > log_end:
                    taken.points.append(point)

    def _reached(self, time: int, position: int) -> int:
        """Return the time of the last reading that was folded; the fold begins from what the log holds."""
        if self._fold is None:
            around, start = self._around, window_of(time)
            view = around.view_with(position)
            readings = readings_in(view, self.normalizer, around.home, start, None, Counts(), position)
            self._fold = self.normalizer.fold()
            for _ in folded(self._fold, readings, around.home):
                pass
            self._last = readings[-1].time if readings else start - self.normalizer.ahead
        return self._last

    def _is_late(self, record: Record, taken: Taken) -> None:
        """A reading out of order changes what was made of those behind it."""
        own = window_of(record.time)
        for window in {own, *self.states}:
            if own <= window <= record.time + self.normalizer.ahead and not self._waits(window, record):
                taken.stale.setdefault(window, _late(record))

    def _forget(self, window: int) -> None:
        self._fold = None


def track_of(normalizer: Normalizer, surroundings: Surroundings) -> Track:
    """Return the track of the right kind for a normalizer."""
    if isinstance(normalizer, Summarizer):
        return SummaryTrack(normalizer, surroundings)
    return (EntityTrack if normalizer.by_entity else ReachTrack)(normalizer, surroundings)
