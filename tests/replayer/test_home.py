"""The home as it was at an event's time, from the records alone, in whatever order they came."""

import random
from collections.abc import Iterable
from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.replayer.home import EntityFacts, Home
from homeiq.storage.record import Event, Record
from hypothesis import given
from hypothesis import strategies as st

from replayer.making import DAY_0, config, devices, entities, numbered, state

HOUR = 3_600 * SECOND

times = st.integers(DAY_0, DAY_0 + 5)
said = st.one_of(
    st.builds(devices, times, st.sampled_from(["A", "B", None]), origin=st.sampled_from(["live", "import"])),
    st.builds(entities, times, st.sampled_from([("sensor.a",), ()]), st.sampled_from(["demo", "mqtt"])),
    st.builds(config, times, st.sampled_from(["UTC", "Asia/Kathmandu"])),
)


def home_of(events: Iterable[Event]) -> Home:
    home = Home()
    home.learn_all(numbered(events))
    return home


def seen(home: Home, time: int) -> tuple[EntityFacts, ZoneInfo]:
    view = home.at(time)
    return view.entity("sensor.a"), view.zone


MOMENTS = range(DAY_0 - 1, DAY_0 + 8)


@given(st.lists(said), st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(events: list[Event], chance: random.Random) -> None:
    home = home_of(events)
    chance.shuffle(events)
    other = home_of(events)
    assert [seen(home, time) for time in MOMENTS] == [seen(other, time) for time in reversed(MOMENTS)][::-1]


@given(st.lists(said))
def test_what_is_learned_changes_only_the_interval_that_is_named(events: list[Event]) -> None:
    home = Home()
    for record in numbered(events):
        before = {time: seen(home, time) for time in MOMENTS}
        start, end = home.learn(record) or (0, 0)
        changed = [time for time in MOMENTS if seen(home, time) != before[time]]
        assert all(start <= time < end for time in changed)
        assert home.learn(record) is None, "a second time it says nothing new"


def test_a_change_holds_from_its_own_time_on_and_the_first_also_before() -> None:
    home = home_of([devices(DAY_0 + 20, "B", "bath"), devices(DAY_0 + 10, "A", "hall"), entities(DAY_0 + 15)])
    facts = {offset: home.at(DAY_0 + offset).entity("sensor.a") for offset in (0, 10, 19, 20, 10**12)}
    assert [(fact.area_id, fact.manufacturer) for fact in facts.values()] == [
        *[("hall", "A")] * 3,
        *[("bath", "B")] * 2,
    ]
    assert facts[0].integration == "demo"
    assert facts[0].device_id == "d"


def test_an_entity_has_its_own_area_before_its_devices() -> None:
    home = home_of([devices(DAY_0, area="hall")])
    listed = '[{"entity_id": "sensor.a", "device_id": "d", "area_id": "own"}, {"entity_id": "sensor.b"}]'
    event = entities(DAY_0)
    event.raw = listed
    home.learn_all(numbered([event]))
    assert home.at(DAY_0).entity("sensor.a").area_id == "own"
    assert home.at(DAY_0).entity("sensor.b") == EntityFacts()
    assert home.at(DAY_0).entity("sensor.unknown") == EntityFacts()


@pytest.mark.parametrize("raw", ["", "nonsense", "null", "7", '"text"', "[7]", "[null]", '["entity_id"]', '[["id"]]'])
@pytest.mark.parametrize("kind", ["config", "entity_registry", "device_registry"])
def test_what_cannot_be_read_changes_nothing(raw: str, kind: str) -> None:
    home = home_of([devices(DAY_0), entities(DAY_0), config(DAY_0, "Asia/Kathmandu")])
    before = seen(home, DAY_0 + 5)
    event = config(DAY_0 + 1)
    event.event_type, event.raw = kind, raw
    home.learn_all(numbered([event]))
    assert seen(home, DAY_0 + 5) == before
    assert home_of([state("sensor.a", "1", DAY_0)]).known is False


@pytest.mark.parametrize("zone", [None, "", "No/Where", "../../etc/passwd", 7, "UTC"])
def test_a_zone_that_nobody_knows_is_utc(zone: str | None) -> None:
    assert home_of([config(DAY_0, zone)]).at(DAY_0).zone.key == "UTC"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("zone", "local", "part"),
    [
        ("America/Los_Angeles", "2026-11-23T04:59:59.999999-08:00", "night"),
        ("America/Los_Angeles", "2026-11-23T05:00:00-08:00", "morning"),
        ("America/Los_Angeles", "2026-11-23T11:59:59.999999-08:00", "morning"),
        ("America/Los_Angeles", "2026-11-23T12:00:00-08:00", "afternoon"),
        ("America/Los_Angeles", "2026-11-23T17:00:00-08:00", "evening"),
        ("America/Los_Angeles", "2026-11-23T21:00:00-08:00", "night"),
        ("America/Los_Angeles", "2026-07-23T05:00:00-07:00", "morning"),  # summer
        ("America/Los_Angeles", "2026-07-23T04:59:59.999999-07:00", "night"),
        ("Europe/Berlin", "2026-10-25T04:59:59+01:00", "night"),  # the day on which clocks go back
        ("Europe/Berlin", "2026-10-25T05:00:00+01:00", "morning"),
        ("Europe/Berlin", "2026-03-29T05:00:00+02:00", "morning"),  # the day on which they go forward
        ("Asia/Kathmandu", "2026-11-23T16:59:59.999999+05:45", "afternoon"),
        ("Asia/Kathmandu", "2026-11-23T17:00:00+05:45", "evening"),
        ("UTC", "0001-01-01T05:00:00+00:00", "morning"),
        ("Asia/Tokyo", "9999-12-31T23:59:59+00:00", "night"),  # which no calendar has in Tokyo
    ],
)
def test_the_parts_of_a_day_are_those_of_the_homes_own_clock(zone: str, local: str, part: str) -> None:
    assert home_of([config(DAY_0, zone)]).at(DAY_0).time_of_day(from_iso(local)) == part


@given(st.integers(from_iso("1971-01-01"), from_iso("2100-01-01")), st.sampled_from(["UTC", "Asia/Kathmandu"]))
def test_a_part_of_the_day_is_remembered_for_no_longer_than_it_lasts(time: int, zone: str) -> None:
    view = home_of([config(DAY_0, zone)]).at(time)
    assert view.time_of_day(time - time % HOUR) in ("morning", "afternoon", "evening", "night")
    alone = home_of([config(DAY_0, zone)]).at(time).time_of_day(time)
    assert view.time_of_day(time) == alone


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        ("home_assistant", '{"event_type": "config", "data": {}, "time_zone": "Asia/Tokyo"}'),
        ("pushed", '{"time_zone": "Asia/Tokyo"}'),
    ],
)
@pytest.mark.parametrize("event_type", ["config", "entity_registry"])
def test_an_event_that_only_has_such_a_type_says_nothing_of_the_home(event_type: str, source: str, raw: str) -> None:
    home = Home()
    told = Record(1, 10, 10, "home_assistant", "snapshot", "config", None, None, '{"time_zone": "Europe/Berlin"}')
    assert home.learn(told) is not None
    assert home.learn(Record(2, 20, 20, source, "live", event_type, None, None, raw)) is None
    assert home.at(30).zone.key == "Europe/Berlin"
