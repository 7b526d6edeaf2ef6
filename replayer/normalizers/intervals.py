"""Prices of intervals, and which hours of a local day are its dearest. Pure.

Intervals may be of 15 or 60 minutes, or of both; a local day may have 23 or 25 hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ...clock import SECOND, from_iso

__all__ = ["HOUR", "Interval", "intervals_of", "local_day", "peak_hours"]

HOUR: Final = 3_600 * SECOND

PEAK_SHARE: Final = 3
"""The dearest hours are one in so many, rounded down: 8 of 24 and of 25, 7 of 23."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Interval(NamedTuple):
    """A price (per kWh) that holds in [start, end), microseconds UTC."""

    start: int
    end: int
    price: float


def intervals_of(said: Iterable[tuple[int | None, int | None, float | None]]) -> list[Interval]:
    """Return the intervals of (start, end, price), in order, each start once; what lacks its start or price is a gap.

    One without an end goes on to the next start, but for an hour at most; the last is as long as the one before it.
    """
    starts: dict[int, tuple[int | None, float | None]] = {}
    for start, end, price in said:
        if start is not None:
            starts.setdefault(start, (end, price))
    order = sorted(starts)
    lengths = [min(later - earlier, HOUR) for earlier, later in pairwise(order)]
    lengths.append(lengths[-1] if lengths else HOUR)
    found = []
    for start, length in zip(order, lengths, strict=False):
        end, price = starts[start]
        if price is not None:
            found.append(Interval(start, end if end is not None and start < end else start + length, price))
    return found


def local_day(time: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the start and the end (microseconds UTC) of the day in `zone` that holds this time."""
    day = (_EPOCH + timedelta(microseconds=time)).astimezone(zone).date()
    bounds = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (day, day + timedelta(days=1)))
    start, end = (from_iso(bound.isoformat()) for bound in bounds)
    return start, end


def peak_hours(intervals: Iterable[Interval], start: int, end: int) -> frozenset[int] | None:
    """Return where the dearest hours of a day [start, end) begin, counted from its start; of equal ones the earlier.

    None if the prices do not cover the day from its start to its end: then nobody can tell. No hour is dearest on a
    day on which all cost the same.
    """
    costs = dict.fromkeys(range(start, end, HOUR), 0.0)
    covered = dict.fromkeys(costs, 0)
    for interval in intervals:
        first = max(interval.start, start)
        for hour in range(first - (first - start) % HOUR, min(interval.end, end), HOUR):
            overlap = min(interval.end, hour + HOUR, end) - max(interval.start, hour)
            costs[hour] += interval.price * overlap
            covered[hour] += overlap
    if any(covered[hour] != min(HOUR, end - hour) for hour in costs):
        return None
    means = {hour: float(f"{cost / covered[hour]:.12g}") for hour, cost in costs.items()}
    if min(means.values()) == max(means.values()):
        return frozenset()
    dearest = sorted(means, key=lambda hour: (-means[hour], hour))
    return frozenset(dearest[: len(dearest) // PEAK_SHARE])
