"""Wanted points of a span of time against those that the target holds there: new, changed, removed, unchanged. Pure.

One comparison is behind replay, plan and audit: a replay applies it, a plan prints it, an audit fails on it. A point
without the field `origin` is foreign: it is counted, and nothing is done that would touch it.

What is to be removed is removed by series and range of time. A target that cannot tell a series from those that have its
tags and more (InfluxDB 2) would take points of these too: they are written again in the same step, and where such a point
is foreign the removal is left out, and said.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from .point import Field, Point, Series
from .targets.base import Ghost, Stored

__all__ = ["Comparison", "Judged", "Removal", "STEP", "canonical"]

STEP = 1_000
"""Points that are deleted and written again in one step, at most."""

Key = tuple[str, int]


class Judged(NamedTuple):
    """Wanted points: not there, there with other fields, and how many are there as they should be.

    `replaced` hold a field no more that the target has: they must be deleted before they are written. `before` are the
    fields of these and of the changed ones as they are there, as JSON.
    """

    new: list[Point]
    changed: list[Point]
    replaced: list[Point]
    unchanged: int
    before: dict[Key, bytes]

    @property
    def to_write(self) -> list[Point]:
        """Those that can be written at once."""
        return [*self.new, *self.changed] if self.changed else self.new


class Removal(NamedTuple):
    """One step: delete a ghost, of `points` points, then write the points of these keys again."""

    ghost: Ghost
    points: int
    again: list[Key]


@dataclass(slots=True)
class _Known:
    """What is known of a series: our points that the target holds, by time; foreign ones; times that are wanted."""

    series: Series
    ours: dict[int, bytes] = field(default_factory=dict)
    foreign: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)


def canonical(fields: Mapping[str, Field]) -> bytes:
    """Return fields as one text: the same for the same names and values.

    A number is a float, and -0 is 0: targets do not say which it was.
    """
    plain = {
        name: value + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in fields.items()
    }
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


class Comparison:
    """See the module. First all that is there is given, then the wanted points in parts, then what is left is asked for."""

    def __init__(self, found: Iterable[Stored], removes: Callable[[Stored], bool] = lambda stored: True) -> None:
        """Take what the target holds in the span of time; what must not be removed is taken for foreign."""
        self._known: dict[str, _Known] = {}
        self.foreign = 0
        self.found = 0
        series: dict[tuple[str, tuple[tuple[str, str], ...]], _Known] = {}
        for stored in found:
            name = stored.measurement, tuple(sorted(stored.tags.items()))
            known = series.get(name)
            if known is None:
                known = series[name] = self._of(Series(stored.measurement, dict(stored.tags)))
            if "origin" in stored.fields and removes(stored):
                known.ours[stored.time] = canonical(stored.fields)
                self.found += 1
            else:
                known.foreign.append(stored.time)
                self.foreign += 1

    def _of(self, series: Series) -> _Known:
        known = self._known.get(series.prefix)
        if known is None:
            known = self._known[series.prefix] = _Known(series)
        return known

    def judge(self, points: Sequence[Point]) -> Judged:
        """Compare some of the wanted points; each is wanted once."""
        judged = Judged([], [], [], 0, {})
        unchanged = 0
        for point in points:
            known = self._of(point.series)
            known.wanted.append(point.time)
            before = known.ours.pop(point.time, None)
            if before is None:
                judged.new.append(point)
            elif before == canonical(point.fields):
                unchanged += 1
            else:
                judged.before[point.key] = before
                if orjson.loads(before).keys() <= point.fields.keys():
                    judged.changed.append(point)
                else:
                    known.replaced.append(point.time)
                    judged.replaced.append(point)
        return judged._replace(unchanged=unchanged)

    def spare_the_rest(self) -> None:
        """Take what is there and not wanted for foreign: it may be another log's."""
        for known in self._known.values():
            self.foreign += len(known.ours)
            known.foreign += known.ours
            known.ours.clear()

    @property
    def left(self) -> int:
        """How many of our points are there that are not wanted."""
        return sum(len(known.ours) for known in self._known.values())

    def leftovers(self) -> Iterator[Stored]:
        """Yield our points that are there and not wanted."""
        for known in self._known.values():
            for time, fields in known.ours.items():
                yield Stored(known.series.measurement, known.series.tags, time, orjson.loads(fields))

    def removals(self, exact: bool) -> tuple[list[Removal], list[Stored]]:
        """Return what to remove, in steps of STEP points at most, and what can't be without loss to others.

        `exact`: a delete leaves alone the series that have all the tags of the ghost's, and others besides.
        """
        removals: list[Removal] = []
        stuck: list[Stored] = []
        for known in self._known.values():
            if not known.ours and not known.replaced:
                continue
            siblings = [] if exact else self._siblings(known.series)
            foreign = {time for sibling in siblings for time in sibling.foreign}
            gone = sorted({*known.ours, *known.replaced} - foreign)
            for time in foreign & known.ours.keys():
                fields = orjson.loads(known.ours[time])
                stuck.append(Stored(known.series.measurement, known.series.tags, time, fields))
            stay = {*known.wanted, *known.foreign, *foreign, *(time for of in siblings for time in of.wanted)}
            for first, last in _ranges(gone, sorted(stay.difference(gone))):
                some = gone[first:last]
                ghost = Ghost(known.series.measurement, known.series.tags, some[0], some[-1])
                again = [(of.series.prefix, time) for of in siblings for time in _common(of.wanted, some)]
                again += [(known.series.prefix, time) for time in _common(known.replaced, some)]
                removals.append(Removal(ghost, len(some), again))
        return removals, stuck

    def _siblings(self, series: Series) -> list[_Known]:
        """Return the series of the measurement that have all tags of this one, and others besides."""
        tags = series.tags.items()
        return [
            known
            for known in self._known.values()
            if len(known.series.tags) > len(tags)
            and known.series.measurement == series.measurement
            and known.series.tags.items() >= tags
        ]


def _ranges(gone: Sequence[int], stay: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield places first … last (excluded) of times in `gone` with none of `stay` in between, STEP at most. Both sorted."""
    first = 0
    for place in range(1, len(gone) + 1):
        if place == len(gone) or place - first == STEP or _between(stay, gone[place - 1], gone[place]):
            yield first, place
            first = place


def _between(times: Sequence[int], first: int, last: int) -> bool:
    return bisect_right(times, first) < bisect_left(times, last)


def _common(times: Iterable[int], some: Sequence[int]) -> list[int]:
    among = set(some)
    return sorted(time for time in set(times) if time in among)
