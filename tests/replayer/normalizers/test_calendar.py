"""Persons are sure, calendars are guesses; words are whole words, and a home office is no office."""

from typing import Any

import pytest
from homeiq.clock import from_iso
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.calendar import NORMALIZER
from homeiq.replayer.point import Field

from replayer.making import state
from replayer.normalizers.polls import calendar_event, home_in, points_of, poll, record_of

NOON = from_iso("2026-11-23T12:00:00+01:00")
BERLIN = home_in("Europe/Berlin")


def told(*events: Any, time: int = NOON, **section: Any) -> dict[str, Field]:
    event = poll("calendar", "home_assistant", list(events), time, entity_id="calendar.family")
    (point,) = points_of(NORMALIZER(section), event, BERLIN)
    assert point.series.prefix == "occupancy_prediction,source=calendar,user=family"
    assert point.time == time * 1000
    assert point.fields["confidence"] == 0.7
    return {name: value for name, value in point.fields.items() if name not in ("origin", "confidence")}


def now(title: Any, until: str = "14:30") -> dict[str, Any]:
    return calendar_event(title, "2026-11-23T11:00:00+01:00", f"2026-11-23T{until}:00+01:00")


AT_HOME = {"currently_home": True, "wfh_today": False}


def test_without_any_event_one_is_at_home() -> None:
    assert told() == AT_HOME


@pytest.mark.parametrize(
    "title", ["Office", "at the OFFICE, room 3", "Travel", "Away", "Dienstreise", "BÜRO", "On-site"]
)
def test_an_event_now_that_says_away(title: str) -> None:
    assert told(now(title)) == {"currently_home": False, "wfh_today": False, "hours_until_arrival": 2.5}


@pytest.mark.parametrize("title", ["Dentist", "Officer's birthday", "Traveller", "Faraway", "Stripes", "", None, 7])
def test_words_are_whole_words(title: Any) -> None:
    assert told(now(title)) == AT_HOME


@pytest.mark.parametrize(
    "title", ["Home office", "Homeoffice", "HOME-OFFICE", "WFH", "Working from home, office closed", "Télétravail"]
)
def test_a_home_office_is_no_office(title: str) -> None:
    assert told(now(title)) == {"currently_home": True, "wfh_today": True}


def test_an_accent_may_be_written_in_two_ways() -> None:
    assert told(now("Bu\u0308ro"))["currently_home"] is False
    assert told(now("te\u0301le\u0301travail"))["wfh_today"] is True


def test_what_is_over_or_to_come_is_not_now_but_may_be_today() -> None:
    before = calendar_event("Office", "2026-11-23T08:00:00+01:00", "2026-11-23T12:00:00+01:00")
    after = calendar_event("Office", "2026-11-23T12:00:01+01:00", "2026-11-23T13:00:00+01:00")
    assert told(before, after) == AT_HOME
    evening = calendar_event("wfh", "2026-11-23T22:00:00+01:00", "2026-11-23T23:00:00+01:00")
    tomorrow = calendar_event("wfh", "2026-11-24T00:00:00+01:00", "2026-11-24T01:00:00+01:00")
    assert told(evening)["wfh_today"] is True
    assert told(tomorrow)["wfh_today"] is False


def test_one_arrives_when_the_last_of_several_events_ends() -> None:
    flight = calendar_event("Flight home", "2026-11-23T14:30:00+01:00", "2026-11-23T18:00:00+01:00")
    later = calendar_event("Office", "2026-11-23T19:00:00+01:00", "2026-11-23T20:00:00+01:00")
    assert told(later, flight, now("Office"), now("Away", "13:00"))["hours_until_arrival"] == 6.0


def test_a_whole_days_end_is_exclusive_and_in_the_homes_zone() -> None:
    trip = calendar_event("Business trip", "2026-11-22", "2026-11-24")
    assert told(trip) == {"currently_home": False, "wfh_today": False, "hours_until_arrival": 12.0}
    assert told(trip, time=from_iso("2026-11-24T00:00:00+01:00")) == AT_HOME
    assert told(trip, time=from_iso("2026-11-22T00:00:00+01:00"))["hours_until_arrival"] == 48.0
    assert told(trip, time=from_iso("2026-11-21T23:59:59+01:00")) == AT_HOME


@pytest.mark.parametrize("end", ["2026-11-23", None])
def test_a_whole_day_without_an_end_of_its_own_is_one_day(end: str | None) -> None:
    assert told(calendar_event("Travel", "2026-11-23", end))["hours_until_arrival"] == 12.0


def test_a_whole_day_on_which_clocks_change() -> None:
    time = from_iso("2026-10-25T00:00:00+02:00")
    assert told(calendar_event("Travel", "2026-10-25", "2026-10-26"), time=time)["hours_until_arrival"] == 25.0


def test_a_time_without_an_offset_is_the_homes() -> None:
    assert told(calendar_event("Office", "2026-11-23T11:00:00", "2026-11-23T13:00:00"))["hours_until_arrival"] == 1.0


def test_times_may_be_plain_texts() -> None:
    event = {"summary": "Office", "start": "2026-11-23T11:00:00+01:00", "end": "2026-11-23T13:00:00+01:00"}
    assert told(event)["hours_until_arrival"] == 1.0


def test_words_are_those_of_the_settings() -> None:
    assert told(now("Golf club"), away_words=["golf club"])["currently_home"] is False
    assert told(now("Office"), away_words=["golf club"])["currently_home"] is True
    assert told(now("Schreibtisch"), wfh_words=["schreibtisch"])["wfh_today"] is True
    assert told(now("Office"), away_words=[], wfh_words=[]) == AT_HOME
    assert told(now("Golf"), away_words="pub, golf")["currently_home"] is False  # as a variable has them
    assert told(now("a.b (c"), away_words=["a.b (c", " ", ""])["currently_home"] is False


def test_an_event_that_cannot_be_read_hides_no_other() -> None:
    assert told(now("Office"), {"summary": "Office"}, 7)["currently_home"] is False


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"message": "Entity not found"}, Reason.UNKNOWN_FORM),
        ([{"summary": "Office"}], Reason.UNKNOWN_FORM),
        ("[", Reason.UNREADABLE),
    ],
)
def test_what_gives_no_point_says_why(body: Any, reason: Reason) -> None:
    with pytest.raises(SetAside) as caught:
        points_of(NORMALIZER(), poll("calendar", "home_assistant", body, entity_id="calendar.a"))
    assert caught.value.reason is reason


def test_a_poll_of_no_calendar_is_incomplete() -> None:
    with pytest.raises(SetAside) as caught:
        points_of(NORMALIZER(), poll("calendar", "home_assistant", []))
    assert caught.value.reason is Reason.INCOMPLETE


# --- persons ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "home"), [("home", True), ("not_home", False), ("School", False)])
@pytest.mark.parametrize("origin", ["live", "snapshot"])
def test_a_person_is_sure(text: str, home: bool, origin: Any) -> None:
    (point,) = points_of(NORMALIZER(), state("person.anna", text, NOON, origin))
    assert point.series.prefix == "occupancy_prediction,source=person,user=anna"
    assert point.fields == {"origin": origin, "currently_home": home, "confidence": 1.0}
    assert point.time == NOON * 1000


@pytest.mark.parametrize("text", ["unknown", "unavailable", "", None])
def test_a_person_of_whom_nothing_is_known_gives_no_point(text: Any) -> None:
    with pytest.raises(SetAside) as caught:
        points_of(NORMALIZER(), state("person.anna", text, NOON))
    assert caught.value.reason is Reason.NO_VALUE


def test_only_persons_and_polls_are_read() -> None:
    events = (
        state("person.anna", "home", NOON),
        state("calendar.family", "on", NOON),
        state("device_tracker.phone", "home", NOON),
        poll("calendar", "home_assistant", [], entity_id="calendar.family"),
    )
    assert [NORMALIZER().reads.wants(record_of(event)) for event in events] == [True, False, False, True]
