"""The track of a normalizer whose states are repeated, and which track a normalizer has.

What is repeated at a time T is computed from the log when the first sign comes that stands for T, once for each T: nothing
of the states is remembered. A state that comes when T has passed makes the window of T stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..clock import DAY, window_of
from ..storage.record import Record
from . import tracks
from .normalizers.base import REPEAT_REACH, Normalizer
from .projection import last_word
from .repeating import repeated, time_of_sign, times_in
from .tracks import LACKING, EntityTrack, Surroundings, Taken, Track

__all__ = ["RepeatTrack", "track_of"]

_PASSED: Final = "a state came after the time at which one was repeated"
_UNSURE: Final = "an earlier run may have begun to repeat states in it"
_WINDOWS_KEPT: Final = 32


class RepeatTrack(EntityTrack):
    """See the module."""

    def __init__(self, normalizer: Normalizer, surroundings: Surroundings) -> None:
        super().__init__(normalizer, surroundings)
        self._times: dict[int, set[int]] = {}  # by window: for which times a sign was seen

    def take(self, records: Sequence[Record], position: int, taken: Taken) -> None:
        """See Track.take; the records are states, and signs that are not to be projected themselves."""
        normalizer = self.normalizer
        states = [record for record in records if normalizer.reads.wants(record) and normalizer.choice.chosen(record)]
        super().take(states, position, taken)
        for record in states:
            self._check_repeated(record, position, taken)
        self._repeat(records, position, taken)

    def _check_repeated(self, record: Record, position: int, taken: Taken) -> None:
        """Find the windows in which another state than this was repeated, or none."""
        time = record.time
        for window in range(window_of(time), time + REPEAT_REACH + 1, DAY):
            if self._waits(window, record) or window in taken.stale:
                continue
            if record.seq > self.states.get(window, ("", 0))[1]:
                passed = self._passed(window, position)
                if passed and time <= max(passed) and any(time <= at <= time + REPEAT_REACH for at in passed):
                    taken.stale[window] = _PASSED

    def _repeat(self, records: Sequence[Record], position: int, taken: Taken) -> None:
        """Add the repeated points of the times that have passed by these records."""
        now: set[int] = set()
        for record in records:
            time = time_of_sign(record, self.normalizer.repeat_every)
            if time is None:
                continue
            window = window_of(time)
            passed = self._passed(window, position)
            if time in passed:
                continue
            passed.add(time)
            if self._waits(window, record) or window in taken.stale:
                continue
            if self._lacks(window):
                taken.stale[window] = LACKING
            elif self._first and window in self.states:
                taken.stale[window] = _UNSURE
            else:
                now.add(time)
        times = sorted(time for time in now if window_of(time) not in taken.stale)
        if times:
            around, last = self._around, records[-1].seq
            points = repeated(around.view_with(last), self.normalizer, times, last_word(self.normalizer, around.home))
            for point in points:
                point.seq = last  # what is written live comes from a record that was not accounted for before
            taken.points += points

    def _passed(self, window: int, position: int) -> set[int]:
        """Return the times of a window at which states were repeated, by the records up to the position."""
        passed = self._times.get(window)
        if passed is None:
            while len(self._times) >= _WINDOWS_KEPT:
                self._times.pop(next(iter(self._times)))
            upto = max(position, self.states.get(window, ("", 0))[1])
            view = self._around.view_with(upto)
            passed = self._times[window] = set(times_in(view, self.normalizer, window, window + DAY, upto))
        return passed

    def _forget(self, window: int) -> None:
        super()._forget(window)
        self._times.pop(window, None)


def track_of(normalizer: Normalizer, surroundings: Surroundings) -> Track:
    """Return the track of the right kind for a normalizer."""
    if normalizer.repeat_every:
        return RepeatTrack(normalizer, surroundings)
    return tracks.track_of(normalizer, surroundings)
