"""How numbers are said to a person. Pure."""

from __future__ import annotations

from datetime import timedelta

from ..clock import SECOND, to_iso

__all__ = ["ago", "count", "length", "moment", "size"]

_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def length(seconds: float) -> str:
    """Return a length of time in two units at most: 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = timedelta(seconds=round(seconds))
    hours, minutes, rest = whole.seconds // 3600, whole.seconds // 60 % 60, whole.seconds % 60
    if whole.days:
        return f"{whole.days:,} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def ago(time: int | None, now: int) -> str:
    """Say how long ago a time was (both microseconds UTC)."""
    if time is None:
        return "never"
    seconds = (now - time) / SECOND
    return f"{length(seconds)} ago" if seconds >= 0 else f"in {length(-seconds)}"


def moment(time: int) -> str:
    """Return a time (microseconds UTC) to the second, in UTC."""
    return f"{to_iso(time)[:19].replace('T', ' ')}Z"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number of things: `1 event`, `12,431 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Return a number of bytes as people say it."""
    for unit, bytes_ in _SIZES:
        if number >= bytes_:
            return f"{number / bytes_:,.1f} {unit}"
    return f"{number:,.0f} bytes"
