"""Calendars and persons → the measurement `occupancy_prediction`. Pure.

A person's state says who is at home (confidence 1). A calendar lets one guess (confidence 0.7): nobody is at home while
an event's title says away, office or travel. A title that says that one works from home says nothing of an office, even
if the word is in it ("home office"). A point has the time of the state, or of the poll.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator
from pydantic import Field as Setting

from ...clock import SECOND
from ...storage.record import Record
from ..home import HomeView
from ..point import Field, Point
from .base import POLLED, Normalizer, NormalizerSettings, Reads, Reason, SetAside
from .intervals import local_day
from .polled import local_moment, objects_in, point_of, read_poll, reader_of
from .states import STATES, state_in

__all__ = ["MEASUREMENT", "NORMALIZER", "CalendarNormalizer", "CalendarSettings"]

MEASUREMENT: Final = "occupancy_prediction"

_SURE: Final = 1.0
_GUESS: Final = 0.7

_AWAY_WORDS: Final = (
    *("away", "office", "on site", "travel", "traveling", "travelling", "trip", "flight", "commute", "out of town"),
    *("abwesend", "unterwegs", "verreist", "Büro", "Reise", "Dienstreise", "Geschäftsreise", "Flug"),
    *("absent", "absente", "bureau", "voyage", "déplacement", "fuera", "oficina", "viaje", "vuelo"),
    *("fuori", "ufficio", "viaggio", "trasferta", "volo", "afwezig", "kantoor", "reis", "zakenreis", "vlucht"),
    *("fora", "escritório", "viagem", "voo", "borta", "kontor", "kontoret", "resa", "rejse", "biuro", "wyjazd"),
)
_WFH_WORDS: Final = (
    *("wfh", "work from home", "working from home", "home office", "remote", "work remotely", "working remotely"),
    *("telework", "teleworking", "télétravail", "teletrabajo", "teletrabalho", "smart working", "lavoro da casa"),
    *("thuiswerken", "thuiswerk", "jobba hemifrån", "hemarbete", "hjemmekontor", "hjemmearbejde", "praca zdalna"),
)

_UNSURE: Final = frozenset({"unavailable", "unknown"})


def _listed(value: Any) -> Any:
    """Take words with commas between them, as a variable has them."""
    return value.split(",") if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class CalendarSettings(NormalizerSettings):
    """Words that titles are searched for: whole words, in upper or lower case; a list here takes the place of ours."""

    away_words: Words = Setting(default=_AWAY_WORDS, description="words in a title that say: away")
    wfh_words: Words = Setting(default=_WFH_WORDS, description="words in a title that say: works from home")


class _Event(NamedTuple):
    """An event in [start, end), microseconds UTC."""

    title: str
    start: int
    end: int


class CalendarNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "calendar"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    of_home: ClassVar[tuple[str, ...]] = ("config",)
    settings_model: ClassVar[type[NormalizerSettings]] = CalendarSettings
    settings: CalendarSettings
    reads = Reads(("calendar", "home_assistant"), (POLLED, *STATES), domains=("person",))

    def __init__(self, section: Mapping[str, Any] | None = None) -> None:
        super().__init__(section)
        self._away = _any_of(self.settings.away_words)
        self._wfh = _any_of(self.settings.wfh_words)

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of a person's state or of a calendar's poll; see Normalizer.normalize."""
        if record.event_type == POLLED:
            fields, source = self._of_calendar(record, home), "calendar"
        else:
            fields, source = _of_person(record), "person"
        tags: dict[str, str | None] = {"source": source, "user": (record.entity_id or "").partition(".")[2]}
        point = point_of(record, MEASUREMENT, tags, fields, record.time)
        if point is None:
            raise SetAside(Reason.NO_VALUE)
        return [point]

    def _of_calendar(self, record: Record, home: HomeView) -> dict[str, Field | None]:
        """Read the answer of Home Assistant's /api/calendars/<entity>: a list of events, which may be empty."""
        poll = read_poll(record)
        content = reader_of(poll, {"home_assistant": lambda poll: poll.content})(poll)
        if record.entity_id is None:
            raise SetAside(Reason.INCOMPLETE, "the record does not say which calendar it is of")
        if not isinstance(content, list):
            raise SetAside(Reason.UNKNOWN_FORM, "the answer is not a list of events")
        events = list(_events(content, home.zone))
        if content and not events:
            raise SetAside(Reason.UNKNOWN_FORM, "no event has a start and an end")
        start, end = local_day(record.time, home.zone)
        at_home = [event for event in events if self._wfh.search(event.title)]
        away = [event for event in events if event not in at_home and self._away.search(event.title)]
        until = _end_of(away, record.time)
        return {
            "currently_home": until is None,
            "wfh_today": any(event.start < end and start < event.end for event in at_home),
            "confidence": _GUESS,
            "hours_until_arrival": None if until is None else round((until - record.time) / (3_600 * SECOND), 6),
        }


def _of_person(record: Record) -> dict[str, Field | None]:
    state = state_in(record).get("state")
    if not isinstance(state, str) or not state or state in _UNSURE:
        return {}
    return {"currently_home": state == "home", "confidence": _SURE}


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for any of these, as whole words; between the parts of one may be spaces, hyphens or nothing."""
    parts = (re.split(r"[\s\-]+", _composed(word).strip()) for word in words)
    patterns = (r"[\s\-]*".join(map(re.escape, part)) for part in parts if any(part))
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns) or '(?!)'})(?!\w)", re.IGNORECASE)


def _composed(words: str) -> str:
    """Return a text with each accent in the one way to write it."""
    return unicodedata.normalize("NFC", words)


def _end_of(away: list[_Event], now: int) -> int | None:
    """Return the end of the event that holds now, and of those that follow it without a gap; None if there is none."""
    until = None
    for event in sorted(away, key=lambda event: event.start):
        if event.start <= (now if until is None else until) and event.end > (now if until is None else until):
            until = event.end
    return until


def _events(content: list[Any], zone: ZoneInfo) -> Iterable[_Event]:
    for entry in objects_in(content):
        start, all_day = _time(entry.get("start"), zone)
        end, _ = _time(entry.get("end"), zone)
        if start is None:
            continue
        if all_day and (end is None or end <= start):  # some write the last day itself, or none
            end = local_day(start, zone)[1]
        title = entry.get("summary")
        if end is not None:
            yield _Event(_composed(title) if isinstance(title, str) else "", start, end)


def _time(said: Any, zone: ZoneInfo) -> tuple[int | None, bool]:
    """Return a time, and whether it is a whole day's: {"date": …}, {"dateTime": …}, or such a text alone."""
    if isinstance(said, dict):
        said = said.get("dateTime") or said.get("date")
    whole_day = isinstance(said, str) and len(said) == len("2026-11-23")
    return local_moment(said, zone), whole_day


NORMALIZER: Final = CalendarNormalizer
