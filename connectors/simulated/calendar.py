"""The family's calendar: the same appointments every week. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

__all__ = ["Appointment", "calendar_between"]

_WEEK: Final = {
    0: ("Choir", 18.0, 19.5, "Parish hall"),
    1: ("Home office Ben", 9.0, 17.5, "Home"),
    2: ("Swimming lesson Clara", 16.0, 17.0, "Swimming pool"),
    3: ("Home office Anna", 9.0, 17.0, "Home"),
    5: ("Family trip", 12.0, 16.0, "Lake"),
}
"""By weekday, Monday is 0: what, from when, until when, where."""


class Appointment(NamedTuple):
    """Times are without zone, on the clocks of the home."""

    begin: datetime
    end: datetime
    message: str
    location: str


def calendar_between(first: datetime, last: datetime) -> Iterator[Appointment]:
    """Yield the appointments that end after `first` and begin before `last`, in order of time."""
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight < last:
        found = _WEEK.get(midnight.weekday())
        if found is not None:
            message, begin, end, location = found
            times = (midnight + timedelta(hours=begin), midnight + timedelta(hours=end))
            if times[1] > first and times[0] < last:
                yield Appointment(*times, message, location)
        midnight += timedelta(days=1)
