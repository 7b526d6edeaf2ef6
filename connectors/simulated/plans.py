"""Where people are on a given day: who rises when, who goes to work, who cooks. Pure: chance and a date in, visits out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

__all__ = ["AWAY", "BED", "OFFICE_DAYS", "Visit", "plan"]

AWAY: Final = "away"
BED: Final = "bed"
"""In the own bed, asleep."""

OFFICE_DAYS: Final = {"anna": (3, 4), "ben": (1,)}
"""On which weekdays (Monday is 0) who works from home."""

_CHILD: Final = "clara"
_WORKS_UNTIL: Final = {"anna": 17.0, "ben": 17.9}
_LEAVES_AT: Final = {"anna": 7.9, "ben": 8.2}


@dataclass(frozen=True, slots=True)
class Visit:
    """From `begin` (a time without zone, on the clocks of the home) a person is at `place`: a room, AWAY or BED."""

    begin: datetime
    place: str


class _Day:
    """A day that is being written: hours with fraction, each shifted by chance."""

    def __init__(self, day: date, random: Random) -> None:
        self._midnight = datetime(day.year, day.month, day.day)
        self._random = random
        self.visits: list[Visit] = []

    def at(self, hour: float, place: str, spread: float = 0.15) -> float:
        hour = hour + self._random.uniform(-spread, spread)
        self.visits.append(Visit(self._midnight + timedelta(hours=hour), place))
        return hour

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def stay(self, begin: float, end: float, room: str, elsewhere: tuple[str, ...]) -> None:
        """Be in a room from `begin` to `end`, with short walks to other rooms."""
        self.at(begin, room, 0.02)
        hour = begin + self._random.uniform(0.5, 1.4)
        while hour < end - 0.4:
            self.at(hour, self._random.choice(elsewhere), 0.0)
            back = hour + self._random.uniform(0.04, 0.15)
            self.at(back, room, 0.0)
            hour = back + self._random.uniform(0.5, 1.6)


def plan(person: str, day: date, random: Random) -> list[Visit]:
    """Return the day's visits, in order of time."""
    writing = _Day(day, random)
    if random.random() < 0.3:
        hour = writing.at(3.0, "bathroom", 1.5)
        writing.at(hour + 0.08, BED, 0.02)
    if person == _CHILD:
        _child(writing, day.weekday())
    elif day.weekday() >= 5:
        _weekend(writing)
    else:
        _weekday(writing, person, day.weekday())
    return sorted(writing.visits, key=lambda visit: visit.begin)


def _weekday(day: _Day, person: str, weekday: int) -> None:
    wake = day.at(6.4 if person == "anna" else 6.8, "bathroom", 0.2)
    breakfast = day.at(wake + 0.4, "kitchen", 0.08)
    if weekday in OFFICE_DAYS[person]:
        day.stay(breakfast + 0.6, 12.4, "office", ("kitchen", "bathroom"))
        day.at(12.5, "kitchen")
        day.stay(13.3, _WORKS_UNTIL[person], "office", ("kitchen", "bathroom", "hallway"))
        home = _WORKS_UNTIL[person] + 0.1
    else:
        day.at(_LEAVES_AT[person], AWAY, 0.2)
        home = day.at(_WORKS_UNTIL[person] + 0.6, "hallway", 0.5) + 0.05
    _evening(day, home, person == "anna")


def _weekend(day: _Day) -> None:
    wake = day.at(8.6, "bathroom", 0.7)
    day.at(wake + 0.4, "kitchen", 0.1)
    day.stay(wake + 1.2, 11.8, "living_room", ("kitchen", "bathroom", "office", "garden"))
    if day.chance(0.6):
        day.at(12.0, AWAY, 0.6)
        home = day.at(16.2, "hallway", 1.2) + 0.05
    else:
        day.at(12.3, "kitchen")
        day.stay(13.2, 17.0, "living_room", ("garden", "kitchen", "bathroom", "childrens_room"))
        home = 17.2
    _evening(day, home, day.chance(0.5))


def _evening(day: _Day, home: float, cooks: bool) -> None:
    if cooks:
        day.at(max(home + 0.1, 18.0), "kitchen", 0.08)
    else:
        day.stay(home, 18.5, "living_room", ("kitchen", "bathroom"))
        day.at(max(home + 0.2, 18.7), "kitchen", 0.08)
    day.stay(max(home + 0.9, 19.6), 22.2, "living_room", ("kitchen", "bathroom", "hallway"))
    bath = day.at(22.5, "bathroom", 0.35)
    bedroom = day.at(bath + 0.25, "bedroom", 0.05)
    day.at(bedroom + 0.3, BED, 0.15)


def _child(day: _Day, weekday: int) -> None:
    school = weekday < 5
    wake = day.at(6.9 if school else 7.8, "bathroom", 0.2)
    day.at(wake + 0.3, "kitchen", 0.05)
    if school:
        day.at(7.7, AWAY, 0.06)
        home = day.at(15.4, "hallway", 0.7) + 0.05
    else:
        day.stay(wake + 0.9, 12.2, "childrens_room", ("living_room", "kitchen", "garden"))
        day.at(12.4, "kitchen", 0.1)
        home = 13.1
    day.stay(home, 18.5, "childrens_room", ("kitchen", "living_room", "garden"))
    day.at(18.8, "kitchen", 0.08)
    day.at(19.5, "living_room")
    bath = day.at(20.1, "bathroom", 0.1)
    room = day.at(bath + 0.3, "childrens_room", 0.04)
    day.at(room + 0.3, BED, 0.1)
