"""Time and chance as values that are handed in, so that a test never sleeps.

Times are integers: microseconds since 1970-01-01 UTC. A monotonic reading is in seconds, from an unknown start.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = [
    "DAY",
    "SECOND",
    "Clock",
    "SystemClock",
    "ManualClock",
    "full_jitter",
    "from_iso",
    "to_iso",
    "window_of",
]

SECOND = 1_000_000
DAY = 86_400 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What time it is."""

    def now(self) -> int:
        """Return microseconds since 1970-01-01 UTC. May jump, in both directions."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Return the system time in microseconds UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return the system's monotonic clock in seconds, which goes on while the machine sleeps."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = 1_800_000_000 * SECOND) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> int:
        """Return the time it was set to, in microseconds UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was advanced by so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._monotonic += seconds
        self._now += round(seconds * SECOND)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back; the monotonic one does not notice."""
        self._now += round(seconds * SECOND)


def full_jitter(
    attempt: int, *, base: float = 1.0, cap: float = 60.0, chance: Callable[[], float] = random.random
) -> float:
    """Return how many seconds to wait before try `attempt` (0, 1, 2, …): uniform in 0 … min(cap, base · 2^attempt).

    "Full jitter" as described in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of the usual
    schemes it spreads the load of many clients best.
    """
    return chance() * min(cap, base * 2.0 ** min(attempt, 63))


def from_iso(text: str) -> int:
    """Return the microseconds UTC of an ISO 8601 time; one without an offset is taken as UTC.

    Raises ValueError if it is not a time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def to_iso(microseconds: int) -> str:
    """Return the time as ISO 8601 in UTC, always with six decimals: 2026-11-23T15:48:33.184487+00:00."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")


def window_of(microseconds: int) -> int:
    """Return the start (microseconds UTC) of the UTC day that holds this time."""
    return microseconds - microseconds % DAY
