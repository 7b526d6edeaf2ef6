"""What surrounded the home at an event's time: weather, price, carbon, from the log alone.

The latest record applies that was asked for at least 30 s before the event: by then it is in the log, so that what was
written live is what a replay makes, and polling makes nothing stale. Weather and carbon apply for two hours; a price until
two hours after its interval, so that what was foretold goes on to apply while nobody is asked.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ..clock import DAY, SECOND, window_of
from ..storage.record import ORIGIN_RANK, Record
from .point import Field

if TYPE_CHECKING:
    from .home import HomeView
    from .normalizers.base import Normalizer

__all__ = ["KINDS", "Conditions"]

_HOUR: Final = 3_600 * SECOND

SETTLES: Final = 30 * SECOND
"""So long after its request a record applies (microseconds): no request takes longer."""

_DAYS_KEPT: Final = 64

_PRICE: Final = "electricity_pricing"

KINDS: Final = {
    "weather": 2 * _HOUR,
    "carbon_intensity": 2 * _HOUR,
    _PRICE: 2 * DAY + 3 * _HOUR,
}
"""The normalizers whose points are conditions, and how long after its time a record applies at most (microseconds).

A price is known two days ahead, as its normalizer says; it applies for its interval, an hour at most, and two hours.
"""

Fields = Mapping[str, Field]
Reader = Callable[["Normalizer", int, int], Iterable[Record]]


@dataclass(order=True, slots=True)
class _Entry:
    """What one record says, in order of time: fields, from when on and until when they apply (microseconds UTC)."""

    time: int
    rank: int
    raw: str
    points: list[tuple[int, int, Fields]] = field(compare=False)


class Conditions:
    """Reads a day of records when it is first asked for one of its times, and keeps it."""

    def __init__(self, normalizers: Mapping[str, Normalizer], read: Reader, home_at: Callable[[int], HomeView]) -> None:
        """`read` gives the records of a normalizer with times in [start, end), in any order."""
        self._normalizers = {name: normalizer for name, normalizer in normalizers.items() if name in KINDS}
        self._read = read
        self._home_at = home_at
        self._days: dict[tuple[str, int], list[_Entry]] = {}
        self._last: dict[str, tuple[int, int, Fields | None]] = {}

    def at(self, kind: str, time: int) -> Fields | None:
        """Return what applied at a time (microseconds UTC): the fields of a point; None where nothing is known."""
        start, end, fields = self._last.get(kind, (0, 0, None))
        if not start <= time < end:
            start, end, fields = self._look_up(kind, time)
            self._last[kind] = start, end, fields
        return fields

    def learn(self, record: Record) -> tuple[str, int, int] | None:
        """Add a record; return the kind and the interval of times [start, end) for which it may change what applies."""
        for kind, normalizer in self._normalizers.items():
            if normalizer.wants(record):
                entry = self._entry(kind, record)
                if entry is None:
                    return None
                start, end = record.time + SETTLES, record.time + SETTLES + KINDS[kind]
                for day in range(window_of(start), end, DAY):
                    entries = self._day(kind, day)
                    if entry not in entries:
                        insort(entries, entry)
                self._last.pop(kind, None)
                return kind, start, end
        return None

    def _day(self, kind: str, day: int) -> list[_Entry]:
        """Return what records say that apply on a day."""
        entries = self._days.get((kind, day))
        if entries is None:
            while len(self._days) >= _DAYS_KEPT:
                self._days.pop(next(iter(self._days)))
            records = self._read(self._normalizers[kind], day - SETTLES - KINDS[kind], day + DAY)
            found = (self._entry(kind, record) for record in records)
            entries = self._days[kind, day] = sorted(entry for entry in found if entry is not None)
        return entries

    def _look_up(self, kind: str, time: int) -> tuple[int, int, Fields | None]:
        """Return what applies at a time, and the interval in which that is so."""
        if kind not in self._normalizers:
            return -(2**63), 2**63 - 1, None
        day = window_of(time)
        entries = self._day(kind, day)
        place = bisect_right(entries, time - SETTLES, key=lambda entry: entry.time)
        end = min(day + DAY, entries[place].time + SETTLES) if place < len(entries) else day + DAY
        if not place:
            return day, end, None
        entry = entries[place - 1]
        begin = max(day, entry.time + SETTLES)
        if time >= entry.time + SETTLES + KINDS[kind]:
            return max(begin, entry.time + SETTLES + KINDS[kind]), end, None
        end = min(end, entry.time + SETTLES + KINDS[kind])
        after = bisect_right(entry.points, time, key=lambda point: point[0])
        if not after:
            return begin, min(end, entry.points[0][0]), None
        at, until, fields = entry.points[after - 1]
        if after < len(entry.points):
            end = min(end, entry.points[after][0])
        if time >= until:
            return max(begin, until), end, None
        return max(begin, at), min(end, until), fields

    def _entry(self, kind: str, record: Record) -> _Entry | None:
        """Return what a record says; None for one that says nothing, or cannot be read."""
        normalizer = self._normalizers[kind]
        try:
            points = normalizer.normalize(record, self._home_at(record.time))
        except Exception:  # it is set aside, and said, where its own points are made
            return None
        said: list[tuple[int, Fields]] = sorted(
            # of prices those that are foretold: of each interval there is one, whether it has begun or not
            ((point.time // 1000, point.fields) for point in points if kind != _PRICE or "price" in point.fields),
            key=lambda one: one[0],
        )
        if not said:
            return None
        times = [time for time, _ in said]
        ends = _ends_of_prices(times) if kind == _PRICE else [time + KINDS[kind] + 1 for time in times]
        entries: list[tuple[int, int, Fields]] = [(at, end, of) for (at, of), end in zip(said, ends, strict=True)]
        return _Entry(record.time, ORIGIN_RANK.get(record.origin, 0), record.raw, entries)


def _ends_of_prices(starts: Sequence[int]) -> list[int]:
    """Return until when each price applies: an interval goes on to the next, but for an hour at most."""
    lengths = [min(later - earlier, _HOUR) for earlier, later in pairwise(starts)]
    lengths.append(lengths[-1] if lengths else _HOUR)
    return [start + length + 2 * _HOUR for start, length in zip(starts, lengths, strict=True)]
